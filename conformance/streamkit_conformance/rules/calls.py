"""Tool calls for the rules about them, and what is compared of them."""

import json
from collections.abc import Iterable
from typing import Final

from pydantic_core import from_json

from streamkit_conformance.case import Case
from streamkit_conformance.expect import CallExpected, expected
from streamkit_conformance.rules.claims import (
    claim,
    left_to_claims,
    must_come_out,
    said_by,
)
from streamkit_conformance.script import Event, Finish, Script, ToolArguments, ToolStart
from streamkit_conformance.trace import CallSeen, Trace
from streamkit_conformance.verdict import Outcome

__all__ = [
    "ONE_CALL",
    "TWO_CALLS",
    "answer_of",
    "call_base",
    "call_case",
    "call_of",
    "calls_expected",
    "listed",
    "lone_call",
    "meaning",
]


def call_of(key: int, id: str | None, *pieces: str, name: str = "look_up") -> tuple[Event, ...]:
    """The events of one call, its arguments in these pieces."""
    return (ToolStart(key, id, name), *(ToolArguments(key, each) for each in pieces))


def answer_of(*calls: Iterable[Event], finish: Finish | None = None) -> Script:
    """An answer of nothing but calls."""
    events = tuple(event for each in calls for event in each)
    return Script((*events, finish or Finish("tool_calls")))


def call_case(id: str, what: str, script: Script, *, base: Case | None = None) -> Case:
    """A case of a rule about calls."""
    needs = said_by(script) & {"tools", "parallel_tools"}
    return Case(name=f"{id}/{what}", rules=frozenset({id}), script=script, base=base, needs=needs)


def call_base(id: str, what: str, script: Script) -> Case:
    """A case that is judged only where another, which varies one thing of it, fails."""
    return call_case(id, what, script).with_(rules=frozenset())


ONE_CALL: Final = answer_of(call_of(0, "call_a1", '{"city":', ' "Oslo"}'))
TWO_CALLS: Final = answer_of(
    call_of(0, "call_a1", '{"city":', ' "Oslo"}'),
    call_of(1, "call_b2", '{"left":', " 2, ", '"right": 3}', name="add"),
)


def calls_expected(trace: Trace) -> tuple[CallExpected, ...]:
    """The calls that must come out."""
    return expected(trace.case.script, losses=trace.dialect.losses).calls


def meaning(text: str) -> str | None:
    """What arguments mean, in a form that tells 1 from 1.0; `None` where they are no JSON."""
    try:
        return json.dumps(from_json(text or "{}"), sort_keys=True)
    except ValueError:
        return None


def lone_call(trace: Trace, wanted: Iterable[CallExpected]) -> Outcome | None:
    """What a rule says where one of several calls came out whole, and the others not at all."""
    for capability in ("tools", "parallel_tools"):
        if claim(trace, capability) == "no" or not trace.calls:
            return left_to_claims(trace, capability)
    if len(trace.calls) == 1:
        seen = trace.calls[0]
        if any(
            (seen.name, meaning(seen.text)) == (each.name, meaning(each.text)) for each in wanted
        ):
            judge = left_to_claims if _is_first(trace) else must_come_out
            return judge(trace, "parallel_tools")
    return None


def _is_first(trace: Trace) -> bool:
    """Whether no other case shows that several calls come out."""
    base = trace.case.base
    if base is None:
        return bool(trace.case.rules)
    return "parallel_tools" not in said_by(base.script)


def listed(calls: Iterable[CallSeen | CallExpected]) -> str:
    """The calls as a failure shows them."""
    return ", ".join(f"{each.name}({each.text})" for each in calls) or "no call"
