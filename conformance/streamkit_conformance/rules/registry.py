"""What a rule is, and all of them by id.

A rule's module imports `rule` and writes one judge for each. Ids are permanent: a rule is never
renumbered, a retired one keeps its id.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamkit_conformance.case import Case
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import Outcome

if TYPE_CHECKING:
    from streamkit_conformance.target import Conformance

__all__ = ["CURRENT", "Level", "PROFILES", "Plan", "Profile", "RULES", "Rule", "inspection", "rule"]

#: The revision of the rule book that new runs are judged by.
CURRENT: Final = "2026.1"

Level: TypeAlias = Literal["MUST", "SHOULD"]
Profile: TypeAlias = Literal["core", "tools", "reasoning", "resilience"]
PROFILES: Final[tuple[Profile, ...]] = ("core", "tools", "reasoning", "resilience")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rule's cases are made for.

    Attributes:
        dialect: How the service says things.
        model: The model's name.
        claims: What the subject says it can, by capability: `yes`, `no` or `unknown`.
    """

    dialect: Dialect
    model: str
    claims: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One promise to users.

    Attributes:
        id: Permanent, such as `SK-FRAME-001`.
        level: A SHOULD fails a run only at the level `strict`.
        profile: The part of the promises that it belongs to.
        statement: What must hold, in one sentence.
        reason: What users suffer otherwise.
        wire: An example of the bytes that show it, as text.
        cases: Makes the cases that show it; empty where the dialect cannot show it, and then
            `why_none` of the dialect says why. `None` for a rule that judges every trace.
        judge: Judges a trace: every one without `cases`, else those whose `rules` name it.
        inspect: Judges the subject itself, without a trace.
        is_live: Holds for a real service's answer too, of which no script is known.
        is_preview: Run and reported, not scored.
        since: The revision of the rule book that it came with.
        capability: The capability that its cases use; where that is a sure no, it is not applicable
            and the rules of claims judge the same cases.
    """

    id: str
    level: Level
    profile: Profile
    statement: str
    reason: str
    wire: str
    cases: Callable[[Plan], Iterable[Case]] | None = None
    judge: Callable[[Trace], Outcome] | None = None
    inspect: "Callable[[Conformance], Outcome] | None" = None
    is_live: bool = False
    is_preview: bool = False
    since: str = CURRENT
    capability: str | None = None

    @property
    def group(self) -> str:
        """The group of its id, such as `FRAME`."""
        return self.id.split("-")[1]

    @property
    def is_invariant(self) -> bool:
        """It judges every trace."""
        return self.cases is None and self.inspect is None


RULES: Final[dict[str, Rule]] = {}

Judge: TypeAlias = Callable[[Trace], Outcome]


def rule(
    id: str,
    *,
    statement: str,
    reason: str,
    wire: str,
    level: Level = "MUST",
    profile: Profile = "core",
    cases: Callable[[Plan], Iterable[Case]] | None = None,
    is_live: bool = False,
    is_preview: bool = False,
    capability: str | None = None,
) -> Callable[[Judge], Judge]:
    """Registers a judge of traces as the rule `id`; see `Rule`.

    Raises:
        ValueError: There is such a rule already.
    """

    def register(judge: Judge) -> Judge:
        _add(
            Rule(
                id=id,
                level=level,
                profile=profile,
                statement=statement,
                reason=reason,
                wire=wire,
                cases=cases,
                judge=judge,
                is_live=is_live,
                is_preview=is_preview,
                capability=capability,
            )
        )
        return judge

    return register


Inspection: TypeAlias = "Callable[[Conformance], Outcome]"


def inspection(
    id: str,
    *,
    statement: str,
    reason: str,
    wire: str,
    level: Level = "MUST",
    profile: Profile = "core",
) -> Callable[[Inspection], Inspection]:
    """Registers a judge of the subject itself as the rule `id`; see `Rule`.

    Raises:
        ValueError: There is such a rule already.
    """

    def register(inspect: Inspection) -> Inspection:
        _add(
            Rule(
                id=id,
                level=level,
                profile=profile,
                statement=statement,
                reason=reason,
                wire=wire,
                inspect=inspect,
            )
        )
        return inspect

    return register


def _add(new: Rule) -> None:
    if new.id in RULES:
        raise ValueError(f"there is a rule {new.id} already")
    RULES[new.id] = new
