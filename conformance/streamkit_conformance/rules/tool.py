"""TOOL: tool calls, their ids and their arguments."""

from collections.abc import Iterator
from typing import Final

from pydantic_core import from_json

from streamkit.chunks import EndChunk, ResetChunk
from streamkit_conformance.case import Case
from streamkit_conformance.rules.body import texts
from streamkit_conformance.rules.calls import (
    ONE_CALL,
    TWO_CALLS,
    answer_of,
    call_base,
    call_case,
    call_of,
    calls_expected,
    listed,
    lone_call,
    meaning,
)
from streamkit_conformance.rules.claims import (
    came_out,
    claim,
    left_to_claims,
    must_come_out,
    nothing_of,
)
from streamkit_conformance.rules.neutral import axis_cases
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import FaultKind, Finish, ToolStart
from streamkit_conformance.trace import CallSeen, Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

_CUTS: Final[tuple[tuple[FaultKind, int], ...]] = (
    ("end", 2),
    ("end_inside", 2),
    ("read_error", 2),
    ("end", 1),
)
#: Whatever writes JSON anew changes it: spaces, a slash, an escape, a number, a key said twice.
#: It is ASCII: other characters are the matter of SK-UNI.
_ODD: Final = (
    '{"city": "Troms\\u00f8 \\/ Ost",  "big": 12345678901234567890, '
    '"n": 1.0e2,"deep":{"b":[ ],"a":null}, "n": 1.50}'
)


# SK-TOOL-001


def _exact_cases(plan: Plan) -> Iterator[Case]:
    once = call_case("SK-TOOL-001", "one piece", answer_of(call_of(0, "call_a1", _ODD)))
    yield once
    pieces = [_ODD[start : start + 7] for start in range(0, len(_ODD), 7)]
    yield call_case(
        "SK-TOOL-001", "many pieces", answer_of(call_of(0, "call_a1", *pieces)), base=once
    )
    blank = answer_of(call_of(0, "call_a1", "", '{"city":', " ", "", '"Oslo"', "\n", "}"))
    yield call_case("SK-TOOL-001", "blank pieces", blank, base=once)


@rule(
    "SK-TOOL-001",
    profile="tools",
    capability="tools",
    cases=_exact_cases,
    statement="The pieces of a call's arguments, joined, are the text that the service sent, "
    "character for character.",
    reason="Whoever writes the arguments anew changes what was said: a signature over them breaks, "
    "a prompt cache misses when they are sent back, big numbers lose their last digits, and of two "
    "equal keys one is gone.",
    wire='{"tool_calls":[{"index":0,"function":{"arguments":"{\\"n\\": 1.0e2,  "}}]}',
)
def arguments_are_exact(trace: Trace) -> Outcome:
    """Compares text; where the wire keeps only what it means, that."""
    wanted = calls_expected(trace)
    outcome = left_to_claims(trace, "tools")
    if outcome is not None:
        return outcome
    if len(trace.calls) != len(wanted):
        return IRRELEVANT  # SK-TOOL-002 and SK-TOOL-003 speak of that
    is_kept = "arguments_text" not in trace.dialect.losses
    for seen, call in zip(trace.calls, wanted, strict=True):
        is_same = seen.text == call.text if is_kept else meaning(seen.text) == meaning(call.text)
        if not is_same:
            return Fail("a call's arguments differ from what was sent", call.text, seen.text)
    return PASS


# SK-TOOL-002


def _parallel_cases(plan: Plan) -> Iterator[Case]:
    one = call_base("SK-TOOL-002", "one", ONE_CALL)
    behind = call_case("SK-TOOL-002", "behind each other", TWO_CALLS, base=one)
    yield behind
    first = call_of(0, "call_a1", '{"city":', ' "Oslo"}')
    second = call_of(1, "call_b2", '{"left":', ' 2, "right": 3}', name="add")
    mixed = tuple(event for pair in zip(first, second, strict=True) for event in pair)
    two = call_base("SK-TOOL-002", "two calls", TWO_CALLS)
    yield call_case("SK-TOOL-002", "interleaved", answer_of(mixed), base=two)
    yield from axis_cases(plan, "SK-TOOL-002", script=TWO_CALLS, name="two calls")


@rule(
    "SK-TOOL-002",
    profile="tools",
    capability="tools",
    cases=_parallel_cases,
    statement="Several calls of one answer are kept apart, also where their pieces alternate or "
    "the service counts them in a way of its own.",
    reason="Two calls glued into one are no JSON, or are run with each other's arguments. Servers "
    "count from one, give every call the index 0, or give none (BerriAI/litellm#33678).",
    wire='{"tool_calls":[{"index":0,…"{\\"city\\":"}]}  {"tool_calls":[{"index":1,…"{\\"left"}]}',
)
def calls_are_kept_apart(trace: Trace) -> Outcome:
    """Compares names and what the arguments mean, in order."""
    wanted = calls_expected(trace)
    outcome = left_to_claims(trace, "tools") if len(wanted) < 2 else lone_call(trace, wanted)
    if outcome is not None:
        return outcome
    got = [(each.name, meaning(each.text)) for each in trace.calls]
    want = [(each.name, meaning(each.text)) for each in wanted]
    if got == want:
        return PASS
    return Fail("the calls were mixed up", listed(wanted), listed(trace.calls))


# SK-TOOL-003


def _id_cases(plan: Plan) -> Iterator[Case]:
    given = call_case("SK-TOOL-003", "ids given", ONE_CALL)
    yield given
    made = call_case(
        "SK-TOOL-003", "id made", answer_of(call_of(0, None, '{"city":', ' "Oslo"}')), base=given
    )
    yield made
    both = answer_of(call_of(0, None, '{"city":', ' "Oslo"}'), call_of(1, None, "{}", name="add"))
    two = call_base("SK-TOOL-003", "two ids given", TWO_CALLS)
    yield call_case("SK-TOOL-003", "two ids made", both, base=two)
    yield from axis_cases(plan, "SK-TOOL-003", script=ONE_CALL, name="one call")


@rule(
    "SK-TOOL-003",
    profile="tools",
    capability="tools",
    cases=_id_cases,
    statement="A call has its id and its name from its first chunk on, the same on all of them; an "
    "id that the service did not send is made, and no two calls share one.",
    reason="The result must quote the id. A call whose id changes looks like several, two calls "
    "with one id like a single one; later pieces carry no id, a null or an empty one.",
    wire='{"tool_calls":[{"index":0,"function":{"name":"look_up","arguments":""}}]}   (no id)',
)
def ids_and_names_are_stable(trace: Trace) -> Outcome:
    """Looks at ids and names alone."""
    wanted = calls_expected(trace)
    outcome = left_to_claims(trace, "tools") if len(wanted) < 2 else lone_call(trace, wanted)
    if outcome is not None:
        return outcome
    want = ", ".join(each.name for each in wanted)
    for seen in trace.calls:
        names = [each.name for each in seen.chunks]
        if not seen.id or not all(names):
            return Fail("a call's chunk has no id or no name", want, f"{seen.id!r}: {names!r}")
        if len(set(names)) > 1:
            return Fail("a call's name changes", want, repr(names))
    got = [each.name for each in trace.calls]
    if got != [each.name for each in wanted]:
        shown = ", ".join(f"{each.id}: {each.name}" for each in trace.calls)
        return Fail("the ids do not tell the calls apart as they are", want, shown)
    return PASS


# SK-TOOL-004


def _whole_cases(plan: Plan) -> Iterator[Case]:
    pieces = call_base("SK-TOOL-004", "pieces", ONE_CALL)
    for what, cut in (
        ("whole", ('{"city": "Oslo"}',)),
        ("no arguments", ()),
        ("empty text", ("",)),
        ("empty object", ("{}",)),
    ):
        yield call_case("SK-TOOL-004", what, answer_of(call_of(0, "call_a1", *cut)), base=pieces)
    yield from axis_cases(plan, "SK-TOOL-004", script=TWO_CALLS, name="two calls")


@rule(
    "SK-TOOL-004",
    profile="tools",
    capability="tools",
    cases=_whole_cases,
    statement="A call means the same however it is cut up: in pieces, whole in one record, several "
    "in one record; arguments that are empty or absent are an empty object.",
    reason="Tools without arguments are the ones that break: their text is empty and no JSON. "
    "Ollama and xAI send calls whole, and some send all of them in one record.",
    wire='{"tool_calls":[{"index":0,"id":"call_a1","function":{"name":"look_up","arguments":""}}]}',
)
def whole_calls_and_pieces_mean_the_same(trace: Trace) -> Outcome:
    """Looks at the parsed arguments alone."""
    wanted = calls_expected(trace)
    outcome = must_come_out(trace, "tools")
    if outcome is None and len(wanted) > 1:
        outcome = lone_call(trace, wanted)
    if outcome is not None:
        return outcome
    if len(trace.calls) != len(wanted):
        return Fail("the number of calls differs", listed(wanted), listed(trace.calls))
    for seen, call in zip(trace.calls, wanted, strict=True):
        done = [each for each in seen.chunks if each.done]
        if not done:
            return IRRELEVANT  # SK-TOOL-008 speaks of that
        if done[-1].arguments != from_json(call.text or "{}"):
            return Fail("the parsed arguments differ", call.text or "{}", repr(done[-1].arguments))
    return PASS


# SK-TOOL-005


def _cut_cases(plan: Plan) -> Iterator[Case]:
    if "tool_fragments" in plan.dialect.losses:
        inside = ONE_CALL.with_fault("end_inside", after=0)
        yield call_case("SK-TOOL-005", "end inside the call", inside)
        return
    for kind, after in _CUTS:
        broken = ONE_CALL.with_fault(kind, after=after)
        yield call_case("SK-TOOL-005", f"{kind} after {after}", broken)


@rule(
    "SK-TOOL-005",
    profile="tools",
    capability="tools",
    cases=_cut_cases,
    statement="A call whose arguments broke off is never `done`.",
    reason="A program runs what is done. Half of a command is another command: `rm -r /srv/old` "
    "broken off is `rm -r /srv`.",
    wire='{"tool_calls":[{"index":0,"function":{"arguments":"{\\"path\\": \\"/srv"}}]}   (the end)',
)
def calls_that_broke_off_are_not_done(trace: Trace) -> Outcome:
    """Showing the pieces that came is right, showing nothing too."""
    if claim(trace, "tools") == "no":
        return left_to_claims(trace, "tools") or PASS
    broken = {each.name: each for each in calls_expected(trace) if not each.is_done}
    for seen in trace.calls:
        if seen.is_done and (seen.name in broken or not broken):
            return Fail("a call that broke off is done", "no chunk that is done", listed([seen]))
    return PASS


# SK-TOOL-006


def _invalid_cases(plan: Plan) -> Iterator[Case]:
    valid = call_base("SK-TOOL-006", "valid", ONE_CALL)
    for what, text, finish in (
        ("cut by the limit", '{"city": "Os', Finish("length")),
        ("one brace too many", '{"city": "Oslo"}}', None),
        ("single quotes", "{'city': 'Oslo'}", None),
        ("no object", '["Oslo"]', None),
    ):
        yield call_case(
            "SK-TOOL-006", what, answer_of(call_of(0, "call_a1", text), finish=finish), base=valid
        )


@rule(
    "SK-TOOL-006",
    profile="tools",
    capability="tools",
    cases=_invalid_cases,
    statement="Arguments that are no JSON object are shown as `invalid`, with their text as it "
    "came; they are never mended, and the call is not dropped.",
    reason="What a repair makes of broken arguments was never said by the model, and it is run. A "
    "call that vanishes leaves a conversation that the service refuses.",
    wire='{"function":{"arguments":"{\\"city\\": \\"Os"}}  …  {"finish_reason":"length"}',
)
def invalid_arguments_are_shown(trace: Trace) -> Outcome:
    """Judges the last chunk of the call; of valid arguments the same is asked."""
    outcome = must_come_out(trace, "tools")
    if outcome is not None:
        return outcome
    (wanted, *_), seen = calls_expected(trace), trace.calls[0]
    done = [each for each in seen.chunks if each.done]
    if not done:
        return Fail("the call is never done", f"invalid: {wanted.text}", "no chunk that is done")
    last = done[-1]
    if meaning(wanted.text) == meaning('{"city": "Oslo"}'):
        if last.arguments is None:
            return Fail("valid arguments are not parsed", wanted.text, repr(last.invalid))
        return PASS
    if last.arguments is not None or last.input is not None:
        return Fail("broken arguments were mended", f"invalid: {wanted.text}", repr(last.arguments))
    if last.invalid is None or last.invalid.text != wanted.text:
        got = "nothing" if last.invalid is None else last.invalid.text
        return Fail("the text of invalid arguments is not shown", wanted.text, got)
    return PASS


# SK-TOOL-007


def _odd_id_cases(plan: Plan) -> Iterator[Case]:
    if "tool_ids" in plan.dialect.losses:
        return
    for what, given in (("as usual", "call_a1"), ("dots and colons", "functions.look_up:0")):
        yield call_case("SK-TOOL-007", what, answer_of(call_of(0, given, '{"city":', ' "Oslo"}')))
    same = answer_of(
        call_of(0, "call_a1", '{"city": "Oslo"}'), call_of(1, "call_a1", "{}", name="add")
    )
    yield call_case(
        "SK-TOOL-007", "repeated", same, base=call_base("SK-TOOL-007", "two", TWO_CALLS)
    )


@rule(
    "SK-TOOL-007",
    profile="tools",
    capability="tools",
    cases=_odd_id_cases,
    statement="An id of the service is kept untouched, as the call's id or in its metadata, "
    "whatever it looks like; where two calls of an answer have the same, they get two.",
    reason="The service wants its own id back, and Kimi's look like `functions.look_up:0`. Checked "
    "against `^call_`, cleaned or replaced, the next turn fails; repeated, two calls become one.",
    wire='{"tool_calls":[{"index":0,"id":"functions.look_up:0","function":{"name":"look_up",…}}]}',
)
def ids_of_the_service_are_kept(trace: Trace) -> Outcome:
    """Looks for the ids in the calls' ids and metadata."""
    wanted = calls_expected(trace)
    outcome = left_to_claims(trace, "tools") if len(wanted) < 2 else lone_call(trace, wanted)
    if outcome is not None:
        return outcome
    if len(trace.calls) < len(wanted):
        return Fail("calls with one id became one", listed(wanted), listed(trace.calls))
    kept = {text for seen in trace.calls for text in _ids_of(seen)}
    for call in wanted:
        if call.id is not None and call.id not in kept:
            return Fail("the service's id of a call is lost", call.id, ", ".join(sorted(kept)))
    return PASS


def _ids_of(seen: CallSeen) -> list[str]:
    return [seen.id, *(text for each in seen.chunks for text in texts(each.metadata))]


# SK-TOOL-008


@rule(
    "SK-TOOL-008",
    profile="tools",
    capability="tools",
    is_live=True,
    statement="A call is `done` exactly once, with its last chunk; in a whole answer every call "
    "is.",
    reason="A program runs the tool when the call is done: done twice it pays twice, done too "
    "early it runs a part of the arguments, never done it waits for ever.",
    wire='{"delta":{"tool_calls":[…]}}  {"delta":{},"finish_reason":"tool_calls"}  [DONE]',
)
def calls_are_done_once(trace: Trace) -> Outcome:
    """Judges every trace in which calls came out."""
    if not came_out(trace, "tools") or claim(trace, "tools") == "no":
        return nothing_of(trace, "tools")
    if any(isinstance(each, ResetChunk) for each in trace.chunks):
        return IRRELEVANT
    end = trace.terminals[0] if trace.terminals else None
    is_whole = isinstance(end, EndChunk) and end.finish_reason != "cancelled"
    sent = sum(isinstance(each, ToolStart) for each in trace.case.script.events)
    if sent and (len(trace.calls) > sent or (is_whole and len(trace.calls) < sent)):
        return IRRELEVANT  # calls were split or glued: SK-TOOL-002, 003 and 007 speak of that
    for seen in trace.calls:
        done = [number for number, each in enumerate(seen.chunks) if each.done]
        if len(done) > 1:
            return Fail("a call is done more than once", "once", f"{len(done)} times: {seen.name}")
        if done and done[0] != len(seen.chunks) - 1:
            late = "".join(each.arguments_delta for each in seen.chunks[done[0] + 1 :])
            return Fail("more of a call came after it was done", "nothing", f"{seen.name}: {late}")
        if is_whole and not done:
            return Fail("the answer ended and a call is not done", "done", listed([seen]))
    return PASS


# SK-TOOL-009


def _finish_cases(plan: Plan) -> Iterator[Case]:
    words = plan.dialect.finish
    usual = call_base("SK-TOOL-009", "usual word", ONE_CALL)
    if words.get("tool_calls") == words.get("stop") or "stop" not in words:
        yield usual.with_(rules=frozenset({"SK-TOOL-009"}))
        return
    forced = answer_of(
        call_of(0, "call_a1", '{"city": "Oslo"}'), finish=Finish("tool_calls", raw=words["stop"])
    )
    yield call_case("SK-TOOL-009", "the word for stop", forced, base=usual)


@rule(
    "SK-TOOL-009",
    profile="tools",
    capability="tools",
    cases=_finish_cases,
    statement="An answer with calls that ended as it should has the finish reason `tool_calls`, "
    "whatever word the service has for it.",
    reason="Agents go on while the reason is `tool_calls`. OpenAI says `stop` where the call was "
    "forced, Ollama always does: the loop ends and the call is never run.",
    wire='{"delta":{"tool_calls":[…]}}  {"delta":{},"finish_reason":"stop"}',
)
def calls_finish_with_tool_calls(trace: Trace) -> Outcome:
    """Looks at the finish reason alone."""
    outcome = left_to_claims(trace, "tools")
    if outcome is not None:
        return outcome
    if trace.end is None:
        return IRRELEVANT
    got = trace.end.finish_reason
    return PASS if got == "tool_calls" else Fail("the finish reason differs", "tool_calls", got)
