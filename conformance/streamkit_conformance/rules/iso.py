"""ISO: streams of one client know nothing of each other."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import from_json

from streamkit_conformance.case import Case, Consumer
from streamkit_conformance.expect import expected, first_mismatch
from streamkit_conformance.rules.failures import SHORT, case_of
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import (
    Event,
    Finish,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolStart,
)
from streamkit_conformance.trace import SentRequest, Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome


def _counted(word: str, tokens: Tokens | None) -> Script:
    """An answer that no other one is like."""
    told: tuple[Event, ...] = () if tokens is None else (tokens,)
    return Script((*(Text(f"{word}{number} ") for number in range(4)), *told, Finish()))


_ALONE: Final = (
    _counted("ant", Tokens(input=11, output=21)),
    _counted("bee", Tokens(input=12, output=22)),
    _counted("cow", Tokens(input=13, output=23)),
)

_UNCOUNTED: Final = tuple(_counted(word, None) for word in ("ant", "bee", "cow"))


def _called(key: str, city: str) -> Script:
    return Script(
        (
            ToolStart(0, f"call_{key}", f"tool_{key}"),
            ToolArguments(0, '{"city":'),
            ToolArguments(0, f'"{city}"}}'),
            Finish("tool_calls"),
        )
    )


_CALLS: Final = (_called("a", "Rome"), _called("b", "Oslo"))

_WIDE: Final = Script((Text("é"), Text("水"), Finish()))
#: How a first stream may go wrong, and how its consumer may leave it.
_FIRST: Final = (
    ("error-record", SHORT.with_fault("error_record", after=1), Consumer()),
    ("end-inside", _WIDE.with_fault("end_inside", after=1), Consumer()),
    ("status", SHORT.with_fault("status", status=500), Consumer()),
    ("left", SHORT, Consumer("break", after=1)),
    ("cancelled", SHORT, Consumer("cancel", after=1)),
)


def _together_cases(plan: Plan) -> Iterator[Case]:
    # Counts only where the wire can tell them: the streams are told apart by their text as well.
    has_counts = "usage" not in plan.dialect.losses
    scripts = _ALONE if has_counts else _UNCOUNTED
    first, *others = (
        case_of("SK-ISO-001", f"alone={number}", script) for number, script in enumerate(scripts)
    )
    yield first.with_(name="SK-ISO-001/three", then=tuple(others), together=True, base=first)


@rule(
    "SK-ISO-001",
    statement="Streams of one client that run at the same time mix neither their texts nor their "
    "token counts nor their ids.",
    reason="A server has one client and many users. A buffer that belongs to the client shows one "
    "user's words to another.",
    wire="stream 1: ant0 ant1 … | stream 2: bee0 bee1 … | stream 3: cow0 cow1 …\n"
    "(read chunk by chunk in turn)\nexpected: each its own",
    profile="resilience",
    cases=_together_cases,
)
def _together(trace: Trace) -> Outcome:
    if _has_calls(trace):
        return IRRELEVANT
    traces = trace.everything()
    wrong = next((found for each in traces if (found := first_mismatch(each))), None)
    if wrong is not None:
        return wrong
    if len(traces) == 1:
        return IRRELEVANT
    ids = [getattr(each.chunks[0], "stream_id", None) for each in traces if each.chunks]
    if len(set(ids)) < len(traces):
        return Fail("streams share an id", f"{len(traces)} ids", repr(ids))
    return PASS


def _after_failure_cases(_plan: Plan) -> Iterator[Case]:
    second = case_of("SK-ISO-002", "alone", SHORT)
    for what, script, consumer in _FIRST:
        first = case_of("SK-ISO-002", what, script, consumer=consumer)
        yield first.with_(then=(second,), base=second)


@rule(
    "SK-ISO-002",
    statement="A stream that failed, was left or was cancelled leaves nothing in the next one of "
    "the same client.",
    reason="Half a record in a buffer becomes the beginning of the next answer: an error that hits "
    "another user than the one whose connection broke.",
    wire='stream 1: data: {"choices":[{"delta":{"cont(end)\n'
    'stream 2: data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n…\n'
    "expected: stream 2 as if there had been no other",
    profile="resilience",
    cases=_after_failure_cases,
)
def _after_failure(trace: Trace) -> Outcome:
    if trace.case.together:
        return IRRELEVANT
    if not trace.others:
        return first_mismatch(trace) or IRRELEVANT
    return first_mismatch(trace.others[-1]) or PASS


def _twice_cases(_plan: Plan) -> Iterator[Case]:
    alone = case_of("SK-ISO-003", "alone", SHORT)
    yield alone.with_(name="SK-ISO-003/twice", then=(alone,), base=alone)


@rule(
    "SK-ISO-003",
    statement="The second stream of a client asks and says the same as its first, for the same "
    "question and the same answer.",
    reason="Counts that go on, parts that are not numbered anew, a history that grows in secret: "
    "all of it looks right in a test with one stream.",
    wire="the same question and the same bytes, twice\nexpected: the same request and the same "
    "chunks, twice",
    cases=_twice_cases,
)
def _twice(trace: Trace) -> Outcome:
    if trace.case.together or trace.raised is not None or trace.refused is not None:
        return IRRELEVANT
    if not trace.others:
        return first_mismatch(trace) or IRRELEVANT
    first, second = trace, trace.others[0]
    if first_mismatch(first) is not None:
        return IRRELEVANT  # other rules say what is wrong with it
    bodies = [each.body.decode("utf-8", "replace") for each in _asked(first) + _asked(second)]
    if len(set(bodies)) > 1:
        return Fail("the second request asks for something else", *bodies[:2])
    wrong = first_mismatch(second)
    if wrong is not None:
        return wrong
    for one, other in zip(first.chunks, second.chunks, strict=False):
        if not one.same_as(other):
            return Fail("the second stream says something else", repr(one), repr(other))
    if len(first.chunks) != len(second.chunks):
        counts = [f"{len(each.chunks)} chunks" for each in (first, second)]
        return Fail("the second stream has another number of chunks", *counts)
    return PASS


def _calls_cases(_plan: Plan) -> Iterator[Case]:
    tools = frozenset({"tools"})
    first, second = (
        case_of("SK-ISO-004", f"alone={number}", script, needs=tools)
        for number, script in enumerate(_CALLS)
    )
    yield first.with_(name="SK-ISO-004/two", then=(second,), together=True, base=first)


@rule(
    "SK-ISO-004",
    statement="Tool calls of streams that run at the same time keep their names and arguments.",
    reason="Pieces of arguments are put together by an index that is 0 in every stream. Where the "
    "table belongs to the client, one user's command is run with another user's arguments.",
    wire='stream 1: {"tool_calls":[{"index":0,"function":{"arguments":"{\\"city\\":"}}]} …\n'
    'stream 2: {"tool_calls":[{"index":0,"function":{"arguments":"{\\"city\\":"}}]} …\n'
    "(read chunk by chunk in turn)\nexpected: each its own",
    profile="tools",
    cases=_calls_cases,
    capability="tools",
)
def _calls_together(trace: Trace) -> Outcome:
    if not _has_calls(trace):
        return IRRELEVANT
    traces = trace.everything()
    for each in traces:
        wanted = expected(each.case.script, losses=each.dialect.losses).calls
        called = [(call.name, _value(call.text)) for call in each.calls]
        named = [(call.name, _value(call.text)) for call in wanted]
        if called != named:
            return Fail("a stream has other tool calls than its own", repr(named), repr(called))
    return PASS if len(traces) > 1 else IRRELEVANT


def _value(arguments: str) -> Any:
    """What the arguments say; other rules judge how they are written."""
    try:
        return from_json(arguments)
    except ValueError:
        return arguments


def _has_calls(trace: Trace) -> bool:
    return any(isinstance(event, ToolStart) for event in trace.case.script.events)


def _asked(trace: Trace) -> list[SentRequest]:
    return trace.requests[:1]
