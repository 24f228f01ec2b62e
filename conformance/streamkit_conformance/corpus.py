"""The cases that always run first, the same on every machine, and which rule may judge which."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from streamkit_conformance.axes import PLAIN
from streamkit_conformance.case import Backend, Case
from streamkit_conformance.cuts import RECORDS
from streamkit_conformance.dialects.base import Dialect, Spoken
from streamkit_conformance.rules.registry import Plan, Rule

__all__ = ["Corpus", "corpus"]

_ASYNC_ONLY: Final = frozenset({"cancel", "close_elsewhere"})


@dataclass(frozen=True, slots=True)
class Corpus:
    """The cases of a target.

    Attributes:
        cases: All of them by name, bases included.
        of_rule: The names of the cases that show a rule.
        reasons: Why a rule has none.
    """

    cases: Mapping[str, Case] = field(default_factory=dict)
    of_rule: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def playable(self, backend: Backend) -> list[Case]:
        """The cases that a backend can play."""
        return [case for case in self.cases.values() if can_play(case, backend)]


def can_play(case: Case, backend: Backend) -> bool:
    """Whether a backend knows what the case wants of it: tasks to cancel, or a loop to watch."""
    is_of_tasks = case.consumer.kind in _ASYNC_ONLY or bool(case.options.get("lockstep"))
    return backend != "sync" or not is_of_tasks


def corpus(rules: Iterable[Rule], plan: Plan) -> Corpus:
    """Collects the cases of rules for a target."""
    cases: dict[str, Case] = {}
    of_rule: dict[str, tuple[str, ...]] = {}
    reasons: dict[str, str] = {}
    for rule in rules:
        if rule.cases is None:
            continue
        if rule.capability is not None and plan.claims.get(rule.capability) == "no":
            reasons[rule.id] = f"the subject says that it has no {rule.capability}; see SK-CAP"
            continue
        names: list[str] = []
        why: list[str] = []
        for case in rule.cases(plan):
            fitted = _fitted(case, plan.dialect)
            if isinstance(fitted, str):
                why.append(fitted)
                continue
            names.append(fitted.name)
            _keep(fitted, cases)
        of_rule[rule.id] = tuple(names)
        if not names:
            reasons[rule.id] = why[0] if why else f"the dialect {plan.dialect.name} cannot show it"
    return Corpus(cases, of_rule, reasons)


def _keep(case: Case, cases: dict[str, Case]) -> None:
    known = cases.setdefault(case.name, case)
    if _played(known) != _played(case):
        raise ValueError(f"two different cases are called {case.name}")
    if known.rules < case.rules:
        cases[case.name] = case
    if case.base is not None:
        _keep(case.base, cases)


def _played(case: Case) -> Case:
    """What is played of a case, whoever judges it."""
    return case.with_(rules=frozenset(), base=None, needs=frozenset())


def _fitted(case: Case, dialect: Dialect) -> Case | str:
    """The case as the dialect can have it, or why it can't."""
    for each in (case, *case.then):
        missing = dialect.missing(each.script)
        if missing:
            return f"the dialect {dialect.name} has no {' and no '.join(sorted(missing))}"
        if not each.ask.stream and "whole" in dialect.losses:
            return f"the dialect {dialect.name} has no answer in one piece"
    if not isinstance(dialect, Spoken):
        return case
    return _spoken(case, dialect)


def _spoken(case: Case, dialect: Spoken) -> Case | str:
    is_plain = case.style == PLAIN and case.cut == RECORDS and case.via == "mock"
    if not is_plain or case.script.fault is not None or case.options:
        return "the subject has no wire"
    said = dialect.say(case.script)
    if said is None:
        return "the subject cannot be made to say it"
    ask, script = said
    if case.ask.messages != type(case.ask)().messages:
        return "the subject has no wire: its requests cannot be seen"
    then = [_spoken(each, dialect) for each in case.then]
    if any(isinstance(each, str) for each in then):
        return next(each for each in then if isinstance(each, str))
    base = None if case.base is None else _spoken(case.base, dialect)
    ask = ask.__class__(
        messages=ask.messages,
        settings={**case.ask.settings, **ask.settings},
        stream=case.ask.stream,
        model=ask.model,
    )
    return case.with_(
        ask=ask,
        script=script,
        then=tuple(each for each in then if isinstance(each, Case)),
        base=base if isinstance(base, Case) else None,
    )
