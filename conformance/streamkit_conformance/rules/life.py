"""LIFE: a stream begins, says something, and ends once."""

from collections.abc import Iterator
from typing import Final

from streamkit.chunks import ContentChunk, ErrorChunk, StartChunk
from streamkit.errors import ConfigurationError
from streamkit_conformance.axes import PLAIN
from streamkit_conformance.case import Case
from streamkit_conformance.cuts import RECORDS
from streamkit_conformance.expect import expected
from streamkit_conformance.rules.neutral import (
    NO_WIRE,
    WORDS,
    axis_cases,
    is_alone,
    is_known,
    of_each_stream,
    script_of,
    shown,
    tried,
)
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import (
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolStart,
)
from streamkit_conformance.trace import Seen, Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

__all__: list[str] = []

#: Finish reasons that explain an answer without any content.
_EXPLAINING: Final = frozenset({"length", "content_filter"})
#: A word that no service has, so far.
_UNHEARD: Final = "out_of_ink"
_CALL: Final = (
    ToolStart(0, "call_1", "lookup"),
    ToolArguments(0, '{"city":'),
    ToolArguments(0, '"Oslo"}'),
)


# SK-LIFE-001


def _content_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-LIFE-001"
    yield tried(rule_id, "words", base=None)
    yield tried(rule_id, "one-delta", script_of("alpha"), base=None)
    if plan.claims.get("reasoning") == "yes":
        script = Script((Reasoning("delta"), *WORDS.events))
        yield tried(rule_id, "after-reasoning", script, base=None)


@rule(
    "SK-LIFE-001",
    statement="An answer that holds text shows at least one content chunk that is not empty.",
    reason="A success that says nothing is the worst failure: no error, no answer, and a user who "
    "waits. Empty streams satisfied whole test suites for years.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n',
    cases=_content_cases,
    is_live=True,
)
def says_something(trace: Trace) -> Outcome:
    """Judges SK-LIFE-001."""
    if any(each.content for each in trace.contents):
        return PASS
    if trace.raised or trace.refused or trace.error:
        return IRRELEVANT  # it did not pretend to have an answer: SK-LIFE-008
    return Fail("the answer holds text, and no content chunk came out", "content", "no content")


# SK-LIFE-002, SK-LIFE-003


@rule(
    "SK-LIFE-002",
    statement="A stream that is read to its end has exactly one terminal chunk: `end` or `error`.",
    reason="Consumers dispatch on it: without one they cannot tell a whole answer from a lost "
    "one, with two they save or bill an answer twice. OpenRouter sends the finish reason twice.",
    wire='data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}]}\\n\\n\n'
    "data: [DONE]\\n\\n",
    is_live=True,
)
@of_each_stream
def ends_once(trace: Trace) -> Outcome:
    """Judges SK-LIFE-002."""
    found = [each.type for each in trace.terminals]
    if len(found) > 1:
        return Fail("the stream has more than one terminal chunk", "one", ", ".join(found))
    if found:
        return PASS
    is_read = trace.case.consumer.kind == "read_all" and not (trace.raised or trace.refused)
    if is_read:
        return Fail("the stream was over without a terminal chunk", "end or error", "nothing")
    return IRRELEVANT


@rule(
    "SK-LIFE-003",
    statement="Nothing but the end of the stream follows the terminal chunk.",
    reason="Consumers stop reading at it: what comes later is lost, such as usage that a service "
    "sends behind its finish reason, or is shown after the answer was stored.",
    wire='data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\\n\\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":3}}\\n\\n\n'
    "data: [DONE]\\n\\n",
    is_live=True,
)
@of_each_stream
def nothing_follows_the_end(trace: Trace) -> Outcome:
    """Judges SK-LIFE-003."""
    if not trace.terminals:
        return IRRELEVANT
    first = next(n for n, each in enumerate(trace.chunks) if each is trace.terminals[0])
    late = [each.type for each in trace.chunks[first + 1 :] if each.type not in ("end", "error")]
    if late:
        said = f"{trace.terminals[0].type}, then {', '.join(late)}"
        return Fail("chunks follow the terminal chunk", "nothing", shown(said))
    return PASS


# SK-LIFE-004


def _fault_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-LIFE-004"
    for status in (401, 500):
        yield tried(rule_id, f"status-{status}", WORDS.with_fault("status", status=status))
    for early in ("connect", "empty_body", "html_body"):
        yield tried(rule_id, early, WORDS.with_fault(early))
    for kind in ("error_record", "malformed_record", "read_error", "protocol_error", "end"):
        yield tried(rule_id, kind, WORDS.with_fault(kind, after=2))


@rule(
    "SK-LIFE-004",
    statement="Failures of the service and of the network become an error chunk; only "
    "cancellation and mistakes of the caller raise.",
    reason="Applications that catch the documented errors crash on the exceptions of whatever "
    "client lies beneath, in the midst of an answer (pydantic/pydantic-ai#4889).",
    wire='data: {"choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n\n<connection reset>',
    cases=_fault_cases,
    is_live=True,
)
def failures_are_chunks(trace: Trace) -> Outcome:
    """Judges SK-LIFE-004."""
    error = trace.refused or trace.raised
    if isinstance(error, ConfigurationError):
        return IRRELEVANT  # the caller's to mend; nothing was sent
    if error is not None:
        said = f"{type(error).__name__}: {error}"
        return Fail("an exception came out instead of a chunk", "an error chunk", shown(said))
    return PASS


# SK-LIFE-005


def _incremental_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-LIFE-005"
    # Long enough that a reader which fills a buffer of some hundred bytes first is seen.
    texts = tuple(f"word{number}" for number in range(12))
    yield tried(rule_id, "twelve-records", script_of(*texts), base=None)


@rule(
    "SK-LIFE-005",
    statement="The first content chunk is out before the read after next is asked for: nothing is "
    "collected before the first word.",
    reason="A stream that is shown when it is over is no stream: users look at nothing for as "
    "long as the whole answer takes. Readers that fill a buffer first do it, and tests that only "
    "look at the joined text do not see it.",
    wire='read 1  data: {"choices":[{"index":0,"delta":{"content":"word0"}}]}\\n\\n\n'
    'read 2  data: {"choices":[{"index":0,"delta":{"content":"word1"}}]}\\n\\n   <- word0 is out',
    cases=_incremental_cases,
    is_live=True,
)
def comes_as_it_arrives(trace: Trace) -> Outcome:
    """Judges SK-LIFE-005."""
    if not trace.dialect.is_wire:
        return NO_WIRE
    first = next((each for each in trace.seen if _is_said(each)), None)
    if first is None or trace.case.via != "mock":
        return IRRELEVANT  # a real socket is read ahead of its reader
    said_after = _reads_until_text(trace)
    if said_after is None:
        if trace.served < 3:
            return IRRELEVANT
        # Where it is not known which read held the first word: any but the last.
        last, wanted = trace.served - 1, f"before the last of {trace.served} reads"
    else:
        last, wanted = said_after + 1, f"with read {said_after} or {said_after + 1}"
    if first.reads > last:
        message = "the first content was held back while further reads were taken"
        return Fail(message, wanted, f"with read {first.reads}")
    return PASS


def _is_said(seen: Seen) -> bool:
    return isinstance(seen.chunk, ContentChunk) and bool(seen.chunk.content)


def _reads_until_text(trace: Trace) -> int | None:
    """Which read completes the first text, where every record has a read of its own."""
    case = trace.case
    if not is_known(trace) or case.cut != RECORDS or case.style != PLAIN:
        return None
    events = trace.dialect.spoken(case.script.sent)
    records = trace.dialect.records(events, case.style)
    first = next((n for n, each in enumerate(events) if isinstance(each, Text) and each.text), None)
    return None if first is None else sum(map(len, records[: first + 1]))


# SK-LIFE-006


def _finish_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-LIFE-006"
    texts = WORDS.events[:-1]
    yield tried(rule_id, "stop", base=None)
    for reason in ("length", "content_filter"):
        yield tried(rule_id, reason, Script((*texts, Finish(reason))))
    unheard = Finish("other", raw=_UNHEARD)
    yield tried(rule_id, "unheard-of", Script((*texts, unheard)))
    if plan.claims.get("tools") == "yes":
        script = Script((*texts, *_CALL, Finish("tool_calls")))
        yield tried(rule_id, "tool_calls", script, needs=frozenset({"tools"}))
    yield from axis_cases(plan, rule_id)


@rule(
    "SK-LIFE-006",
    statement="The finish reason is the schema's word for the service's; a word that nobody has "
    "heard of becomes `other`.",
    reason="Applications branch on it: an answer cut off by its length that says `stop` is taken "
    "for whole, and a service that adds a word must not break its users.",
    wire='data: {"choices":[{"index":0,"delta":{},"finish_reason":"out_of_ink"}]}\\n\\n',
    cases=_finish_cases,
    is_live=True,
)
def maps_the_finish_reason(trace: Trace) -> Outcome:
    """Judges SK-LIFE-006."""
    end = trace.end
    if not is_known(trace):
        return IRRELEVANT if end is None else PASS  # the schema has no other words
    wanted = expected(trace.case.script, losses=trace.dialect.losses).finish
    if wanted is None or (end is None and is_alone(trace)):
        return IRRELEVANT
    # A wire that says no reason leaves open which it was.
    allowed = [wanted] if trace.case.style == PLAIN else [wanted, "other"]
    got = "no end" if end is None else end.finish_reason
    if got in allowed:
        return PASS
    return Fail("the finish reason differs", " or ".join(allowed), got)


# SK-LIFE-007


@rule(
    "SK-LIFE-007",
    statement="`start` is the first chunk, comes exactly once, and is there before anything of "
    "the answer was waited for.",
    reason="It carries the stream's id and version: consumers open their message with it, and "
    "show that something is under way while a model thinks for minutes.",
    wire="read 1  <not asked for yet>   <- start is out",
    is_live=True,
)
@of_each_stream
def starts_first(trace: Trace) -> Outcome:
    """Judges SK-LIFE-007."""
    if not trace.seen:
        return IRRELEVANT
    places = [n for n, each in enumerate(trace.chunks) if isinstance(each, StartChunk)]
    if places != [0]:
        said = f"start at {places or 'no place'}, of {len(trace.chunks)} chunks"
        return Fail("the stream does not have one start, as its first chunk", "at [0]", said)
    reads = trace.seen[0].reads
    if trace.case.via == "mock" and reads > 1:
        return Fail("start waited for the answer", "with the first read at last", f"{reads} reads")
    return PASS


# SK-LIFE-008


def _whole_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-LIFE-008"
    yield tried(rule_id, "words", base=None)
    with_usage = Script((*WORDS.events[:-1], Tokens(7, 3), Finish()))
    yield tried(rule_id, "with-usage", with_usage, base=None)


@rule(
    "SK-LIFE-008",
    statement="An answer that came whole ends in `end`: not in an error, and not in an exception.",
    reason="An error behind a whole answer makes applications throw it away and ask, and pay, "
    "again.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\\n\\n\n'
    "data: [DONE]\\n\\n",
    cases=_whole_cases,
    is_live=True,
)
def whole_answers_end_well(trace: Trace) -> Outcome:
    """Judges SK-LIFE-008."""
    error = trace.refused or trace.raised
    if error is not None:
        said = shown(f"{type(error).__name__}: {error}")
        return Fail("an exception came out of a whole answer", "end", said)
    if trace.error is not None:
        info = trace.error.error
        return Fail(
            "a whole answer ended in an error", "end", shown(f"{info.kind}: {info.message}")
        )
    return IRRELEVANT if trace.end is None else PASS  # that one is missing: SK-LIFE-002


# SK-LIFE-009


def _empty_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-LIFE-009"
    yield tried(rule_id, "nothing", Script((Finish(),)))
    yield tried(rule_id, "nothing-with-usage", Script((Tokens(7, 0), Finish())))
    yield tried(rule_id, "nothing-for-length", Script((Finish("length"),)))
    yield tried(rule_id, "refusal", Script((Text("alpha", refusal=True), Finish())))
    if plan.claims.get("reasoning") == "yes":
        yield tried(rule_id, "reasoning", Script((Reasoning("alpha"), Finish())))


@rule(
    "SK-LIFE-009",
    statement="A success that holds nothing at all is the error `empty_response`, unless its "
    "finish reason explains it (`length`, `content_filter`).",
    reason="Models that were only loaded, filters and overloaded relays answer so: as a success "
    "it is stored as an empty message, and some services refuse the whole conversation after "
    "that.",
    wire='data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\\n\\n',
    cases=_empty_cases,
    is_live=True,
)
def emptiness_is_an_error(trace: Trace) -> Outcome:
    """Judges SK-LIFE-009."""
    if not trace.terminals:
        return IRRELEVANT
    terminal = trace.terminals[0]
    kind = terminal.error.kind if isinstance(terminal, ErrorChunk) else None
    got = terminal.type if kind is None else f"error ({kind})"
    if not _holds_nothing(trace):
        if kind is None:
            return PASS
        return Fail("an answer that holds something, or says why not, is an error", "end", got)
    if kind == "empty_response":
        return PASS
    return Fail("an answer that holds nothing is no such error", "error (empty_response)", got)


def _holds_nothing(trace: Trace) -> bool:
    if not is_known(trace):
        is_explained = trace.end is not None and trace.end.finish_reason in _EXPLAINING
        return not (trace.runs or trace.calls or is_explained)
    wanted = expected(trace.case.script, losses=trace.dialect.losses)
    return not (wanted.runs or wanted.calls or wanted.finish in _EXPLAINING)
