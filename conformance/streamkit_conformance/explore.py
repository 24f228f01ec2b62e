"""What comes after the corpus: Hypothesis makes up answers, wires, cuts and faults, and shrinks.

What is found belongs to a rule: an invariant that is broken, or, where the answer came out wrong,
the rule of the one thing without which it comes out right.
"""

from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from streamkit_conformance.case import Backend, Case
from streamkit_conformance.causes import causes
from streamkit_conformance.corpus import can_play
from streamkit_conformance.expect import first_mismatch
from streamkit_conformance.rules.claims import came_out, claim
from streamkit_conformance.strategies.cases import cases
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import Fail

if TYPE_CHECKING:
    from streamkit_conformance.run import Run

__all__ = ["explore"]

#: What a subject may claim that an answer holds; losses of dialects have the same names.
_CLAIMED: Final = ("reasoning", "tools", "usage")
#: Where nothing that is taken away mends an answer that came out wrong.
_OTHERWISE: Final = "SK-CONT-001"


class _Found(Exception):
    """A rule is broken; one class for each rule, so that Hypothesis shrinks each by itself."""

    def __init__(self, trace: Trace, fail: Fail) -> None:
        super().__init__(fail.message)
        self.trace = trace
        self.fail = fail


def explore(run: "Run", backend: Backend, examples: int) -> dict[str, tuple[Trace, Fail]]:
    """Looks for broken rules beyond the corpus.

    Args:
        run: What is run.
        backend: On what.
        examples: How many cases to make up.

    Returns:
        For each rule that was broken the smallest trace that shows it.
    """
    invariants = [each for each in run.rules if each.is_invariant and each.judge is not None]
    wanted = {each.id for each in run.rules}
    classes: dict[str, type[_Found]] = {}

    def find(case: Case) -> None:
        if not can_play(case, backend):
            return
        trace = run.play(case, backend)
        for rule in invariants:
            assert rule.judge is not None
            outcome = rule.judge(trace)
            if isinstance(outcome, Fail):
                raise _class(classes, rule.id)(trace, outcome)
        fail = _mismatch(trace)
        if fail is None:
            return
        owner = _owner(run, trace)
        if owner in wanted:
            raise _class(classes, owner)(trace, fail)

    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=run.effort == "ci",
        report_multiple_bugs=True,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    search: Any = chosen(given(cases(run.plan))(find))
    if run.seed is not None and run.effort != "ci":
        search = seed(run.seed)(search)
    found: dict[str, tuple[Trace, Fail]] = {}
    try:
        search()
    except* _Found as group:
        found.update({_id(each): (each.trace, each.fail) for each in _leaves(group)})
    return found


def _mismatch(trace: Trace) -> Fail | None:
    """What came out wrong; of what the subject does not claim, nothing need come out at all."""
    silent = {
        each for each in _CLAIMED if claim(trace, each) != "yes" and not came_out(trace, each)
    }
    return first_mismatch(trace, silent=frozenset(silent))


def _owner(run: "Run", trace: Trace) -> str:
    """The rule that an answer that came out wrong breaks."""

    def fails(case: Case) -> bool:
        return _mismatch(run.play(case, trace.backend)) is not None

    found = causes(trace.case, run.target.dialect, fails)
    return next((each.rule for each in found if each.rule is not None), _OTHERWISE)


def _class(classes: dict[str, type[_Found]], rule: str) -> type[_Found]:
    if rule not in classes:
        classes[rule] = type(f"Found_{rule}", (_Found,), {"rule": rule})
    return classes[rule]


def _id(found: _Found) -> str:
    return str(getattr(found, "rule", _OTHERWISE))


def _leaves(group: BaseExceptionGroup[_Found]) -> list[_Found]:
    leaves: list[_Found] = []
    for each in group.exceptions:
        leaves += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return leaves
