"""PAR: an answer in one piece says what the same answer says as a stream."""

from collections.abc import Iterator
from typing import Any, Final

from streamkit_conformance.case import Ask, Case
from streamkit_conformance.expect import expected
from streamkit_conformance.rules.calls import meaning
from streamkit_conformance.rules.claims import claim, said_by
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import (
    Event,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolStart,
)
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, NotApplicable, Outcome

_STATUSES: Final = (400, 401, 404, 429, 500)


def _case(id: str, what: str, script: Script) -> Case:
    """The answer as a stream, then in one piece."""
    name = f"{id}/{what}"
    whole = Case(name=f"{name}/in one piece", script=script, ask=Ask(stream=False))
    return Case(
        name=name,
        rules=frozenset({id}),
        script=script,
        then=(whole,),
        needs=said_by(script) | {"non_stream"},
    )


def _said(id: str, what: str, *events: Event) -> Case:
    return _case(id, what, Script(events))


def _not_compared(trace: Trace) -> Outcome | None:
    """Why there is nothing to compare, where there is not."""
    if not trace.others:
        return IRRELEVANT
    whole = trace.others[0]
    if whole.refused is None or trace.refused is not None:
        return None
    if claim(trace, "non_stream") == "yes":
        return IRRELEVANT  # SK-CAP-001 speaks of that
    return NotApplicable("the subject refuses to be asked for an answer in one piece")


def _shown(trace: Trace) -> str:
    if trace.raised is not None:
        return repr(trace.raised)
    if trace.error is not None:
        return f"error ({trace.error.error.kind}: {trace.error.error.message})"
    reason = trace.end.finish_reason if trace.end is not None else "no end"
    said = " + ".join(f"{kind} {text!r}" for kind, text in trace.runs) or "nothing"
    return f"{said}, {reason}"


# SK-PAR-001


def _text_cases(plan: Plan) -> Iterator[Case]:
    yield _said("SK-PAR-001", "text", Text("  One\n"), Text("two \U0001f350 "), Finish())
    yield _said("SK-PAR-001", "cut by the limit", Text("One "), Text("tw"), Finish("length"))
    yield _said("SK-PAR-001", "reasoning", Reasoning("Two apples."), Text("Five."), Finish())
    refused = Text("I cannot help with that.", refusal=True)
    yield _said("SK-PAR-001", "refusal", refused, Finish())


@rule(
    "SK-PAR-001",
    capability="non_stream",
    cases=_text_cases,
    statement="An answer in one piece gives the same text, refusal, reasoning and finish reason as "
    "the same answer streamed.",
    reason="People switch between the two and expect the same. The piece is read by other code, "
    "where reasoning, refusals and reasons are forgotten.",
    wire='{"object":"chat.completion","choices":[{"message":{"content":"One two"},…}]}',
)
def whole_answers_say_the_same(trace: Trace) -> Outcome:
    """Compares both; where the stream itself is wrong, other rules say so."""
    outcome = _not_compared(trace)
    if outcome is not None:
        return outcome
    whole = trace.others[0]
    if (whole.runs, _reason(whole)) == (trace.runs, _reason(trace)):
        return PASS
    wanted = expected(trace.case.script, losses=trace.dialect.losses)
    if trace.runs != list(wanted.runs) or _reason(trace) != wanted.finish:
        return IRRELEVANT
    return Fail("the answer in one piece differs", _shown(trace), _shown(whole))


def _reason(trace: Trace) -> str | None:
    return None if trace.end is None else trace.end.finish_reason


# SK-PAR-002


def _error_cases(plan: Plan) -> Iterator[Case]:
    answer = Script((Text("Never "), Text("said."), Finish()))
    for status in _STATUSES:
        yield _case("SK-PAR-002", str(status), answer.with_fault("status", status=status))


@rule(
    "SK-PAR-002",
    capability="non_stream",
    cases=_error_cases,
    statement="A request for an answer in one piece that fails ends in the same error as one for a "
    "stream: the same kind, status and retryability.",
    reason="Whether to try again, to wait or to ask for another key is decided by the error; it "
    "must not depend on how the answer was asked for.",
    wire='HTTP 429  {"error":{"message":"…","code":"rate_limit_exceeded"}}',
)
def whole_answers_fail_the_same(trace: Trace) -> Outcome:
    """Compares both; where the stream's own error is wrong, other rules say so."""
    outcome = _not_compared(trace)
    if outcome is not None:
        return outcome
    whole = trace.others[0]
    if trace.error is None:
        return IRRELEVANT
    streamed, in_one = trace.error.error, None if whole.error is None else whole.error.error
    want = (streamed.kind, streamed.status, streamed.retryable)
    got = None if in_one is None else (in_one.kind, in_one.status, in_one.retryable)
    if got == want:
        return PASS
    if streamed.kind not in expected(trace.case.script).kinds:
        return IRRELEVANT
    shown = _shown(whole) if got is None else repr(got)
    return Fail("the error of an answer in one piece differs", repr(want), shown)


# SK-PAR-003


def _call_cases(plan: Plan) -> Iterator[Case]:
    first = (ToolStart(0, "call_a1", "look_up"), ToolArguments(0, '{"city":'))
    last = ToolArguments(0, ' "Oslo"}')
    second = (ToolStart(1, "call_b2", "add"), ToolArguments(1, "{}"))
    yield _said("SK-PAR-003", "a call", *first, last, Finish("tool_calls"))
    yield _said("SK-PAR-003", "two calls", *first, last, *second, Finish("tool_calls"))
    yield _said("SK-PAR-003", "usage", Text("One "), Text("two."), Tokens(4711, 137), Finish())


@rule(
    "SK-PAR-003",
    capability="non_stream",
    cases=_call_cases,
    statement="An answer in one piece gives the same tool calls and the same usage as the same "
    "answer streamed.",
    reason="Calls come whole there and usage stands in another place: the code that reads them is "
    "the one that nobody tries.",
    wire='{"choices":[{"message":{"content":null,"tool_calls":[{"id":"call_a1",…}]}}],"usage":{…}}',
)
def whole_answers_call_and_cost_the_same(trace: Trace) -> Outcome:
    """Compares both; where the stream itself is wrong, other rules say so."""
    outcome = _not_compared(trace)
    if outcome is not None:
        return outcome
    denied = [each for each in said_by(trace.case.script) if claim(trace, each) == "no"]
    if denied:
        return NotApplicable(f"the subject says that it has no {denied[0].replace('_', ' ')}")
    whole = trace.others[0]
    wanted = expected(trace.case.script, losses=trace.dialect.losses)
    ids = [each.id for each in trace.calls]
    # Ids that the subject makes are others each time.
    are_ids_sent = ids == [each.id for each in wanted.calls]
    if _called(trace, are_ids_sent) == _called(whole, are_ids_sent) and _cost(trace) == _cost(
        whole
    ):
        return PASS
    calls = [(each.name, meaning(each.text), each.is_done) for each in wanted.calls]
    tokens = None if wanted.tokens is None else (wanted.tokens.input, wanted.tokens.output)
    if _cost(trace) != tokens or _called(trace, False) != calls:
        return IRRELEVANT
    if _cost(trace) != _cost(whole):
        got = _shown(whole) if whole.end is None else repr(_cost(whole))
        return Fail("the usage of an answer in one piece differs", repr(_cost(trace)), got)
    got = _shown(whole) if whole.end is None else repr(_called(whole, are_ids_sent))
    want = repr(_called(trace, are_ids_sent))
    return Fail("the calls of an answer in one piece differ", want, got)


def _called(trace: Trace, with_ids: bool) -> list[tuple[Any, ...]]:
    calls = [(each.name, meaning(each.text), each.is_done) for each in trace.calls]
    return (
        [(seen.id, *call) for seen, call in zip(trace.calls, calls, strict=True)]
        if with_ids
        else calls
    )


def _cost(trace: Trace) -> tuple[int | None, int | None] | None:
    usage = trace.usage
    return None if usage is None else (usage.input_tokens, usage.output_tokens)
