"""The one object that every form of a report is made from, and all arithmetic of verdicts with it.

Rules of this module:
- A run is green only if nothing is red and enough was judged: a run that judged nothing is red.
- A rule counts at its profile's level and above; a SHOULD counts at `strict` alone; a preview rule
  counts nowhere. A stale waiver is a mistake in the author's own file and counts everywhere.
- A claim names the profiles of which every MUST is green and at least one was seen to pass.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from streamkit_conformance.verdict import GREEN, Verdict

__all__ = ["Failure", "LEVELS", "NOT_CONFORMANT", "NO_CLAIM", "Report", "RuleFacts", "RuleResult"]

PROFILES: Final = ("core", "tools", "reasoning", "resilience")
#: What a run can be red for; each includes those before it, and `strict` the SHOULDs too.
LEVELS: Final = (*PROFILES, "strict")

NOT_CONFORMANT: Final = "not conformant"
NO_CLAIM: Final = "no claim"

#: How many rules of core a whole run must have judged: against a service that has a wire, without
#: one, and against a real service, whose answers no script foretells.
FLOOR: Final = 35
FLOOR_WITHOUT_WIRE: Final = 12
FLOOR_LIVE: Final = 5

#: From the one that needs attention most; what a rule says over several backends is the first.
WORST_FIRST: Final = (
    Verdict.FAIL,
    Verdict.STALE_WAIVER,
    Verdict.UNTESTABLE,
    Verdict.VACUOUS,
    Verdict.WAIVED,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)
_ALL_BACKENDS: Final = ("asyncio", "trio", "sync")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a rule failed, ready to be shown.

    Attributes:
        message: What is wrong, in one sentence.
        case: The name of the case.
        causes: What makes it pass, such as `READ BOUNDARIES: passes when the body arrives in one
            read`.
        script: The smallest script that fails, as JSON values.
        reads: The body as it was delivered.
        mark: The read and the offset in it up to which all was still right, where that is known.
        expected: What should have come.
        got: What came.
        chunks: The chunks that came, as JSON.
        skwire: The text of a file that replays it.
        file: Where that file was written; empty where it was not.
    """

    message: str
    case: str
    causes: tuple[str, ...] = ()
    script: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[bytes, ...] = ()
    mark: tuple[int, int] | None = None
    expected: str = ""
    got: str = ""
    chunks: tuple[str, ...] = ()
    skwire: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What a rule says of a subject on one backend.

    Attributes:
        rule: The rule's id.
        backend: `asyncio`, `trio`, `sync`, or empty for a rule about the subject itself.
        verdict: What it says.
        reason: Why, for every verdict but `pass`.
        judged: Traces that showed something; 1 for a rule about the subject itself.
        traces: Traces that were looked at.
        failure: The failure, also where it is waived.

    Raises:
        ValueError: It passes, and nothing was judged: such a verdict is `vacuous`.
    """

    rule: str
    backend: str
    verdict: Verdict
    reason: str = ""
    judged: int = 0
    traces: int = 0
    failure: Failure | None = None

    def __post_init__(self) -> None:
        if self.verdict is Verdict.PASS and self.judged < 1:
            raise ValueError(f"{self.rule} cannot pass where nothing was judged")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFacts:
    """What a report keeps of a rule, so that it can be read where the rule book is another.

    Attributes:
        id: Its id.
        level: `MUST` or `SHOULD`.
        profile: The part of the promises that it belongs to.
        statement: What must hold.
        reason: What users suffer otherwise.
        is_scored: It is part of the report's revision; a preview is run and shown only.
    """

    id: str
    level: str = "MUST"
    profile: str = "core"
    statement: str = ""
    reason: str = ""
    is_scored: bool = True

    @property
    def group(self) -> str:
        """The group of its id, such as `FRAME`."""
        return group_of(self.id)


def group_of(id: str) -> str:
    """The group of a rule's id, such as `FRAME`."""
    return id.split("-")[1] if id.count("-") > 1 else id


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run found.

    Attributes:
        target: The subject's name.
        subject_version: The version of its distribution, where it has one.
        kit_version: The version of this kit.
        revision: The revision of the rule book.
        dialect: How its service speaks.
        backends: Where it ran.
        transports: How requests were answered.
        effort: `dev`, `ci` or `thorough`.
        level: The level that the exit code is for: a profile's name, or `strict`.
        seed: What the random part began with.
        claims: The subject's claims, by capability.
        results: One for each rule and backend, in the order of the rule book.
        waivers: The waivers that were given: rule, reason, until, and issue and backends if any.
        started: When it ran, as an ISO date and time.
        took_s: How long it ran, in seconds.
        problems: What the run found to be wrong besides its results; `all_problems` has more.
        notes: What a reader should know, and nothing is red for.
        rules: What is known of the results' rules; those not given are taken from the rule book.
        is_wire: The subject speaks to a service whose answers the kit wrote.
        is_live: The answers were a real service's.
        selection: What the run was limited to, such as `SK-UNI`; empty for a whole run. A limited
            run claims nothing.

    Raises:
        ValueError: The level is none, or a result is of a rule that nobody knows.
    """

    target: str
    subject_version: str = ""
    kit_version: str = ""
    revision: str = ""
    dialect: str = ""
    backends: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()
    effort: str = "dev"
    level: str = "resilience"
    seed: int | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    results: tuple[RuleResult, ...] = ()
    waivers: tuple[Mapping[str, str], ...] = ()
    started: str = ""
    took_s: float | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rules: tuple[RuleFacts, ...] = ()
    is_wire: bool = True
    is_live: bool = False
    selection: str = ""

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"{self.level!r} is no level; there are {', '.join(LEVELS)}")
        known = {each.id for each in self.rules}
        unknown = {each.rule for each in self.results} - known
        if unknown:
            found = facts_of(unknown, self.revision)
            object.__setattr__(self, "rules", (*self.rules, *found))

    # What is red.

    def facts(self, rule: str) -> RuleFacts:
        """What is known of a rule."""
        return self._facts[rule]

    def is_red(self, result: RuleResult) -> bool:
        """Whether a result makes the run red at its level."""
        if result.verdict is Verdict.STALE_WAIVER:
            return True
        return result.verdict not in GREEN and self._counts(self.facts(result.rule))

    @property
    def red(self) -> list[RuleResult]:
        """The results that make the run red at its level."""
        return [each for each in self.results if self.is_red(each)]

    @property
    def all_problems(self) -> tuple[str, ...]:
        """What makes the run red besides its results: what the run found, and too little judged."""
        return tuple(dict.fromkeys((*self.problems, *self._too_little())))

    @property
    def is_green(self) -> bool:
        """Nothing is red, and enough was judged."""
        return not self.red and not self.all_problems

    @property
    def exit_code(self) -> int:
        """0 where the run is green, else 1."""
        return 0 if self.is_green else 1

    # What was counted.

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many results have each verdict, those that need attention first."""
        return count(self.results)

    @property
    def by_group(self) -> dict[str, list[RuleResult]]:
        """The results of each group of rules, in the order of the rule book."""
        groups: dict[str, list[RuleResult]] = {}
        for each in self.results:
            groups.setdefault(group_of(each.rule), []).append(each)
        return groups

    @property
    def by_rule(self) -> dict[str, list[RuleResult]]:
        """The results of each rule, in the order of the rule book."""
        rules: dict[str, list[RuleResult]] = {}
        for each in self.results:
            rules.setdefault(each.rule, []).append(each)
        return rules

    @property
    def judged_rules(self) -> int:
        """How many rules judged something."""
        return len({each.rule for each in self.results if each.judged})

    # What may be claimed.

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles of which every MUST is green and at least one passes."""
        return tuple(profile for profile in PROFILES if self._keeps(profile))

    @property
    def is_waived(self) -> bool:
        """A rule of the revision is waived."""
        waived = (each for each in self.results if each.verdict is Verdict.WAIVED)
        return any(self.facts(each.rule).is_scored for each in waived)

    @property
    def claim(self) -> str:
        """What a badge may say, such as `streamkit 2026.1 · core+tools`."""
        if self.selection or self.is_live:
            return NO_CLAIM
        if not self.is_green or "core" not in self.profiles:
            return NOT_CONFORMANT
        kept = [*self.profiles, *(["strict"] if self.level == "strict" else [])]
        parts = [f"streamkit {self.revision}", "+".join(kept)]
        if set(self.backends) < set(_ALL_BACKENDS):
            parts.append(f"{'+'.join(self.backends)} only")
        return " · ".join(parts) + (" with waivers" if self.is_waived else "")

    # Within.

    @cached_property
    def _facts(self) -> dict[str, RuleFacts]:
        return {each.id: each for each in self.rules}

    def _counts(self, rule: RuleFacts) -> bool:
        if not rule.is_scored or (rule.level != "MUST" and self.level != "strict"):
            return False
        reached = LEVELS[: LEVELS.index(self.level) + 1]
        return rule.profile in reached

    def _keeps(self, profile: str) -> bool:
        results = [
            each
            for each in self.results
            if (facts := self.facts(each.rule)).profile == profile
            and facts.level == "MUST"
            and facts.is_scored
        ]
        is_kept = all(each.verdict in GREEN for each in results)
        return is_kept and any(each.verdict is Verdict.PASS for each in results)

    def _too_little(self) -> list[str]:
        if not any(each.judged for each in self.results):
            limit = f" by {self.selection}" if self.selection else ""
            return [f"nothing was judged{limit}"]
        if self.selection:
            return []
        floor = FLOOR_LIVE if self.is_live else FLOOR if self.is_wire else FLOOR_WITHOUT_WIRE
        found = [self._below(floor, self._judged_core(self.backends), "")]
        # What a backend cannot show is not applicable there; half of core is never so.
        found += [
            self._below(floor // 2, self._judged_core((each,)), f" on {each}")
            for each in self.backends
        ]
        return [each for each in found if each]

    def _judged_core(self, backends: Iterable[str]) -> int:
        where = {*backends, ""}
        return len(
            {
                each.rule
                for each in self.results
                if each.judged
                and each.backend in where
                and (facts := self.facts(each.rule)).profile == "core"
                and facts.is_scored
            }
        )

    def _below(self, floor: int, judged: int, where: str) -> str:
        if judged >= floor:
            return ""
        return f"only {judged} rules of core were judged{where}, and at least {floor} must be"


def count(results: Iterable[RuleResult]) -> dict[Verdict, int]:
    """How many of the results have each verdict, those that need attention first."""
    counts = dict.fromkeys(WORST_FIRST, 0)
    for each in results:
        counts[each.verdict] += 1
    return counts


def worst(results: Iterable[RuleResult]) -> Verdict:
    """What a rule says over several backends."""
    verdicts = {each.verdict for each in results}
    return next((each for each in WORST_FIRST if each in verdicts), Verdict.NOT_APPLICABLE)


def facts_of(rules: Iterable[str], revision: str) -> list[RuleFacts]:
    """What the rule book says of some rules; in its order.

    Raises:
        ValueError: It has no such rule.
    """
    # The rule book imports what makes reports nowhere; here it is needed only without facts.
    from streamkit_conformance.revisions import is_scored
    from streamkit_conformance.rules import all_rules

    wanted = set(rules)
    found = [
        RuleFacts(
            id=each.id,
            level=each.level,
            profile=each.profile,
            statement=each.statement,
            reason=each.reason,
            is_scored=is_scored(each, revision),
        )
        for each in all_rules()
        if each.id in wanted
    ]
    missing = sorted(wanted - {each.id for each in found})
    if missing:
        raise ValueError(f"the rule book has no {', '.join(missing)}")
    return found
