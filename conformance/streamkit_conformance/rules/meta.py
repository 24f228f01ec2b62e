"""META: what stands on chunks besides what they say."""

from itertools import pairwise
from typing import Any, Final

from streamkit.chunks import (
    ContentChunk,
    EndChunk,
    ErrorChunk,
    ReasoningChunk,
    ResetChunk,
    StreamChunk,
    ToolCallChunk,
    ToolResultChunk,
    UsageChunk,
)
from streamkit_conformance.axes import PLAIN
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.expect import expected
from streamkit_conformance.framing.base import Named
from streamkit_conformance.rules.neutral import NO_WIRE, is_known, of_each_stream
from streamkit_conformance.rules.registry import rule
from streamkit_conformance.script import Event, Finish
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, NotApplicable, Outcome

__all__: list[str] = []

_SAID: Final = (ContentChunk, ReasoningChunk, ToolCallChunk, ToolResultChunk)


@rule(
    "SK-META-001",
    statement="`index` counts the chunks of a stream from 0 without gaps, and all of them carry "
    "the same `stream_id`, whatever ids the service sends.",
    reason="A front end that lost its connection goes on behind the last index it saw: a gap or a "
    "restart loses text or shows it twice. avian.io changes its id within one answer.",
    wire='data: {"id":"c1","choices":[…]}\\n\\ndata: {"id":"c2","choices":[…]}\\n\\n',
    is_live=True,
)
@of_each_stream
def chunks_are_numbered(trace: Trace) -> Outcome:
    """Judges SK-META-001."""
    if not trace.chunks:
        return IRRELEVANT
    indexes = [each.index for each in trace.chunks]
    for place, index in enumerate(indexes):
        if index != place:
            return Fail(f"chunk number {place} has another index", str(place), str(index))
    ids = list(dict.fromkeys(each.stream_id for each in trace.chunks))
    if len(ids) > 1 or not ids[0]:
        return Fail("the chunks of one stream do not share an id", "one stream_id", repr(ids))
    return PASS


@rule(
    "SK-META-002",
    statement="`elapsed_ms` never goes back, and `ttfc_ms` lies between 0 and it.",
    reason="Times that go back or come from different clocks make every measurement of latency, "
    "and every alarm on it, wrong.",
    wire="read 1  start elapsed_ms=0\nread 2  content elapsed_ms=12\n"
    "read 3  end elapsed_ms=12 ttfc_ms=12",
    is_live=True,
)
@of_each_stream
def time_goes_forward(trace: Trace) -> Outcome:
    """Judges SK-META-002."""
    if not trace.chunks:
        return IRRELEVANT
    times = [0, *(each.elapsed_ms for each in trace.chunks)]
    back = next(((one, next_) for one, next_ in pairwise(times) if next_ < one), None)
    if back is not None:
        return Fail("elapsed_ms goes back", f"at least {back[0]}", str(back[1]))
    for terminal in trace.terminals:
        first = _ttfc_ms(terminal)
        if first is not None and not 0 <= first <= terminal.elapsed_ms:
            return Fail(
                "ttfc_ms is no time of this stream", f"0 to {terminal.elapsed_ms}", str(first)
            )
    return PASS


def _ttfc_ms(terminal: StreamChunk) -> int | None:
    return terminal.ttfc_ms if isinstance(terminal, EndChunk | ErrorChunk) else None


@rule(
    "SK-META-003",
    statement="`raw_finish_reason` is the service's own word, untouched.",
    reason="The schema has six words, services have dozens: whoever must tell `model_length` from "
    "`max_tokens`, or report a fault to the service, needs theirs.",
    wire='data: {"choices":[{"index":0,"delta":{},"finish_reason":"out_of_ink"}]}\\n\\n',
)
@of_each_stream
def the_raw_word_is_kept(trace: Trace) -> Outcome:
    """Judges SK-META-003."""
    said = [each for each in trace.case.script.sent if isinstance(each, Finish)]
    if not trace.dialect.is_wire:
        return NO_WIRE
    is_read = trace.case.consumer.kind == "read_all"
    if trace.end is None or not said or not is_read or not is_known(trace):
        return IRRELEVANT
    axes = trace.case.style.changed(trace.dialect.all_axes)
    if any(each.rule in ("SK-LIFE-006", "SK-FRAME-005") for each in axes):
        return IRRELEVANT  # the word was left out, or stands in a last line that is open
    if trace.runs != list(expected(trace.case.script, losses=trace.dialect.losses).runs):
        return IRRELEVANT  # the answer was lost before its end
    wanted = trace.dialect.finish_word(said[-1])
    got = trace.end.raw_finish_reason
    if got == wanted:
        return PASS
    return Fail("the service's own word is not kept", repr(wanted), repr(got))


@rule(
    "SK-META-004",
    statement="`part` is the same within a run of text, refusal, reasoning or one tool call and "
    "belongs to nothing else; other chunks have none.",
    reason="Front ends put each delta into the block of its part: with a part of its own every "
    "word is a paragraph, with a shared one reasoning is shown inside the answer.",
    wire='data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}\\n\\n   part 0\n'
    'data: {"choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n   part 1\n'
    'data: {"choices":[{"index":0,"delta":{"content":"beta"}}]}\\n\\n   part 1',
    is_live=True,
)
@of_each_stream
def parts_are_runs(trace: Trace) -> Outcome:
    """Judges SK-META-004."""
    owners: dict[int, str] = {}
    run: tuple[str, int] | None = None
    has_parts = False
    for chunk in trace.chunks:
        what = f"the {chunk.type} chunk with index {chunk.index}"
        if not isinstance(chunk, _SAID):
            if chunk.part is not None:
                return Fail(f"{what} is no delta and has a part", "None", str(chunk.part))
            continue
        if chunk.part is None:
            return Fail(f"{what} is a delta and has no part", "a number", "None")
        owner = _owner(chunk)
        has_parts = True
        if owners.setdefault(chunk.part, owner) != owner:
            got = f"{owners[chunk.part]} and {owner}"
            return Fail(f"part {chunk.part} holds two things", owners[chunk.part], got)
        if run is not None and run[0] == owner and run[1] != chunk.part:
            return Fail(f"{what} leaves the part of its run", str(run[1]), str(chunk.part))
        run = (owner, chunk.part)
    return PASS if has_parts else IRRELEVANT


def _owner(chunk: StreamChunk) -> str:
    """What a part belongs to: a kind of text, or one tool call."""
    match chunk:
        case ContentChunk(refusal=True):
            return "refusal"
        case ToolCallChunk(call_id=id) | ToolResultChunk(call_id=id):
            return f"{chunk.type} {id}"
    return chunk.type


@rule(
    "SK-META-005",
    statement="The usage on the terminal chunk equals that of the usage chunk before it.",
    reason="One consumer bills by one, the next by the other: two truths in one stream end as two "
    "bills.",
    wire='data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\\n\\n',
    is_live=True,
)
@of_each_stream
def usage_is_told_alike(trace: Trace) -> Outcome:
    """Judges SK-META-005."""
    terminal = trace.end or trace.error
    told = [each.usage for each in trace.chunks if isinstance(each, UsageChunk)]
    if "usage" in trace.dialect.losses or str(trace.claims.usage) == "no":
        return NotApplicable("no usage is told")
    if terminal is None or not (told or terminal.usage):
        return IRRELEVANT
    if told and told[-1] == terminal.usage:
        return PASS
    wanted = repr(told[-1]) if told else "no usage without a usage chunk"
    return Fail("the terminal chunk tells another usage", wanted, repr(terminal.usage))


@rule(
    "SK-META-006",
    statement="`partial` on an error says whether anything of the answer was shown before it.",
    reason="It decides whether asking again is safe and whether there is something to keep: "
    "wrong, half an answer is thrown away, or shown twice.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n\n<connection reset>',
    is_live=True,
)
@of_each_stream
def partial_says_what_was_shown(trace: Trace) -> Outcome:
    """Judges SK-META-006."""
    if trace.error is None and not trace.dialect.is_wire:
        return NO_WIRE  # nothing can break
    if trace.error is None or any(isinstance(each, ResetChunk) for each in trace.chunks):
        return IRRELEVANT
    was_shown = any(_says_something(each) for each in trace.chunks)
    if trace.error.partial == was_shown:
        return PASS
    wanted = "something of the answer was shown" if was_shown else "nothing was shown"
    return Fail(f"partial is {trace.error.partial}, but {wanted}", str(was_shown), "the contrary")


def _says_something(chunk: StreamChunk) -> bool:
    """Whether a chunk shows something; that none is empty is SK-CONT-002's."""
    is_empty = isinstance(chunk, ContentChunk) and not chunk.content
    return isinstance(chunk, _SAID) and not is_empty


@rule(
    "SK-META-007",
    level="SHOULD",
    statement="`attempts` on the terminal chunk lists every request that was made.",
    reason="Hidden requests cost money, and time that nobody can explain.",
    wire="request 1 -> 503\nrequest 2 -> 200   <- attempts: overloaded, ok",
)
def attempts_are_told(trace: Trace) -> Outcome:
    """Judges SK-META-007."""
    terminal = trace.end or trace.error
    if not trace.dialect.is_wire:
        return NO_WIRE
    is_plain = trace.case.via == "mock" and not trace.others and not trace.case.options
    if terminal is None or not trace.requests or not is_plain:
        return IRRELEVANT
    if len(terminal.attempts) == len(trace.requests):
        return PASS
    got = ", ".join(each.outcome for each in terminal.attempts) or "none"
    return Fail("attempts does not list the requests", f"{len(trace.requests)} of them", got)


@rule(
    "SK-META-008",
    level="SHOULD",
    statement="The service's id of the answer and its name of the model stand on `end`, where "
    "every record of the answer carries them.",
    reason="The id is what a service's support asks for, and the name tells which snapshot "
    "answered when only an alias was asked.",
    wire='data: {"id":"c1","model":"test-model","choices":[…]}\\n\\n',
)
@of_each_stream
def the_service_is_named(trace: Trace) -> Outcome:
    """Judges SK-META-008."""
    if not trace.dialect.is_wire:
        return NO_WIRE
    is_plain = trace.case.style == PLAIN and trace.case.ask.stream
    if trace.end is None or not is_plain or not is_known(trace):
        return IRRELEVANT
    told = _told(trace.dialect, trace.dialect.spoken(trace.case.script.sent))
    got = {"id": trace.end.response_id, "model": trace.end.model}
    for name, value in told.items():
        if got[name] != value:
            return Fail(f"the service's {name} is not on end", repr(value), repr(got[name]))
    return PASS if told else NotApplicable("the wire names neither the answer nor the model")


def _told(dialect: Dialect, events: list[Event]) -> dict[str, Any]:
    """The id and the model that all records of an answer carry at their top."""
    groups = dialect.records(events)
    records = [each.data if isinstance(each, Named) else each for group in groups for each in group]
    told = {}
    for name in ("id", "model"):
        values = [each.get(name) for each in records if isinstance(each, dict)]
        if values and values[0] and all(each == values[0] for each in values):
            told[name] = values[0]
    return told
