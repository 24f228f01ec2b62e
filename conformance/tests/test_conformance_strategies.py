"""Random cases can all be said, differ in everything, and shrink to the plainest."""

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from streamkit_conformance.axes import PLAIN
from streamkit_conformance.case import Case
from streamkit_conformance.cuts import RECORDS
from streamkit_conformance.dialects import Dialect, ollama_ndjson, openai_sse
from streamkit_conformance.rules.registry import Plan
from streamkit_conformance.script import Reasoning, Text, ToolStart
from streamkit_conformance.strategies import cases
from streamkit_conformance.strategies.cases import MID_FAULTS
from streamkit_conformance.wire import write

_DIALECTS: Final[dict[str, Dialect]] = {"openai": openai_sse(), "ollama": ollama_ndjson()}
_FIND: Final = settings(
    max_examples=2000,
    database=None,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def _plan(name: str) -> Plan:
    return Plan(dialect=_DIALECTS[name], model="m", claims={})


@pytest.mark.parametrize("name", _DIALECTS)
def test_every_random_case_can_be_said_and_written(name: str) -> None:
    dialect = _DIALECTS[name]

    @settings(max_examples=200, deadline=None)
    @given(cases(_plan(name)))
    def check(case: Case) -> None:
        assert dialect.can_say(case.script)
        assert {each.name for each in case.style.changed(dialect.all_axes)} <= {
            axis.name for axis in dialect.all_axes
        }
        assert write(case, dialect).status == 200

    check()


@pytest.mark.parametrize("name", _DIALECTS)
def test_random_cases_reach_every_axis_cut_fault_and_event(name: str) -> None:
    seen: set[Any] = set()

    @settings(_FIND, max_examples=1000, phases=[Phase.generate])
    @given(cases(_plan(name)))
    def collect(case: Case) -> None:
        seen.update(axis.name for axis in case.style.changed(_DIALECTS[name].all_axes))
        seen.update([case.cut.kind, case.script.fault and case.script.fault.kind])
        seen.update(type(event).__name__ for event in case.script.events)
        seen.update(case.needs)

    collect()
    axes = {axis.name for axis in _DIALECTS[name].all_axes}
    events = {"Text", "Reasoning", "ToolStart", "ToolArguments", "Tokens", "Finish"}
    needs = {"tools", "parallel_tools", "reasoning"}
    assert seen >= axes | events | needs | {"records", "whole", "at", "bytes", None, *MID_FAULTS}


@pytest.mark.parametrize("name", _DIALECTS)
def test_the_plainest_case_is_one_text_in_reads_of_records(name: str) -> None:
    case = find(cases(_plan(name)), lambda case: True, settings=_FIND)
    texts = [each for each in case.script.events if isinstance(each, Text)]
    assert [each.text for each in texts] == ["x"]
    assert (case.style, case.cut, case.script.fault) == (PLAIN, RECORDS, None)


def test_shrinking_leaves_nothing_beside_what_it_looks_for() -> None:
    case = find(
        cases(_plan("openai")),
        lambda case: any(
            isinstance(each, Text) and "\u2028" in each.text for each in case.script.events
        ),
        settings=_FIND,
    )
    assert (case.style, case.cut, case.script.fault) == (PLAIN, RECORDS, None)
    assert not any(isinstance(each, Reasoning | ToolStart) for each in case.script.events)
    assert sum(isinstance(each, Text) for each in case.script.events) == 1
