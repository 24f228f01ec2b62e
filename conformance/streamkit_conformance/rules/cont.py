"""CONT: what was said comes out, all of it, once, and nothing else."""

from collections.abc import Iterator
from typing import Final

from streamkit.chunks import ContentChunk, ReasoningChunk, ResetChunk, StreamChunk, ToolCallChunk
from streamkit_conformance.case import Case
from streamkit_conformance.cuts import WHOLE
from streamkit_conformance.rules.neutral import (
    NO_WIRE,
    WORDS,
    is_known,
    of_each_stream,
    said_otherwise,
    says_the_same,
    script_of,
    shown,
    tried,
)
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import Finish, Script, Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

__all__: list[str] = []

#: Texts whose characters somebody's reader trims, unescapes or drops.
_WHITE: Final = ("  alpha", " ", "\n\n", "\t", "beta  ", "\n")
_REPEATED: Final = ("ha", "ha", "ha", "alpha", "alpha")
_ODD: Final = ('a"b\\c', "\\n\\u0041%20", "<b>&amp;</b>", "d\te\r\nf\rg", "h\0i\x7fj")
_MARKED: Final = ("\ufeffalpha", "\ufeff", "be\ufeffta")
#: Words of the wires, whole as a delta and in the midst of one; without white space at their ends,
#: which another rule is about.
_LOOK_ALIKES: Final[dict[str, tuple[str, ...]]] = {
    "sentinel": ("alpha", "[DONE]", "data: [DONE]", "see [DONE]\n\nand data: [DONE]\n\nbeta"),
    "fields": ("data:", 'data: {"a":1}\n\ndata:x', "event: error\nid: 1\nretry: 1", ": ping"),
    "error": ('{"error":{"message":"no"}}', '{"error":"no"}', "error:", "event:error\n\nbeta"),
    "finish": ('"finish_reason":"stop"', '{"done":true}', '"done":true,"done_reason":"stop"'),
    "json": ("null", "true", "0", "{}", "[]", '""', '{"choices":[]}', "{", "}}"),
}


# SK-CONT-001


def _exact_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-CONT-001"
    yield tried(rule_id, "words", base=None)
    yield tried(rule_id, "white-space", script_of(*_WHITE))
    yield tried(rule_id, "repeated", script_of(*_REPEATED))
    yield tried(rule_id, "odd-characters", script_of(*_ODD))
    yield tried(rule_id, "byte-order-marks", script_of(*_MARKED))
    yield tried(rule_id, "single-characters", script_of(*"abcdefgh"))


@rule(
    "SK-CONT-001",
    statement="All content joined in order is the text that was sent, character for character: "
    "nothing trimmed, lost, doubled, unescaped or moved, white space included.",
    reason="`strip()` on a delta glues words together and breaks Python code; a filter for "
    "repeated deltas turns `ha ha ha` into `ha`; an unescape turns code about HTML into HTML.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"  alpha"}}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":" "}}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":"\\n\\n"}}]}\\n\\n',
    cases=_exact_cases,
)
def text_is_exact(trace: Trace) -> Outcome:
    """Judges SK-CONT-001."""
    if not is_known(trace) or not (trace.runs or trace.case.base):
        return IRRELEVANT  # that nothing came out at all is SK-LIFE-001's
    return said_otherwise(trace) or PASS


# SK-CONT-002


@rule(
    "SK-CONT-002",
    statement="No chunk carries an empty delta.",
    reason="Records that only name the role, tell the usage or keep the connection alive leak out "
    "as empty content: user interfaces flicker, counts of tokens and times to the first word are "
    "wrong.",
    wire='data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":null}}]}\\n\\n',
    is_live=True,
)
@of_each_stream
def no_delta_is_empty(trace: Trace) -> Outcome:
    """Judges SK-CONT-002."""
    announced: set[str] = set()
    has_delta = False
    for chunk in trace.chunks:
        if not isinstance(chunk, ContentChunk | ReasoningChunk | ToolCallChunk):
            continue
        has_delta = True
        if _is_empty(chunk, announced):
            said = f"the {chunk.type} chunk with index {chunk.index}"
            return Fail("a chunk carries an empty delta", "a delta in every chunk", said)
        if isinstance(chunk, ToolCallChunk):
            announced.add(chunk.call_id)
    return PASS if has_delta else IRRELEVANT


def _is_empty(chunk: ContentChunk | ReasoningChunk | ToolCallChunk, announced: set[str]) -> bool:
    """Whether a chunk says nothing; metadata, such as a signature, says something."""
    match chunk:
        case ContentChunk():
            return not chunk.content
        case ReasoningChunk():
            return not (chunk.content or chunk.redacted or chunk.metadata)
        case _:
            is_first = chunk.call_id not in announced
            return not (chunk.arguments_delta or chunk.done or is_first or chunk.metadata)


# SK-CONT-003


def _look_alike_cases(plan: Plan) -> Iterator[Case]:
    for name, texts in _LOOK_ALIKES.items():
        yield tried("SK-CONT-003", name, script_of(*texts))


@rule(
    "SK-CONT-003",
    statement="Text that looks like the protocol (`[DONE]`, `data:`, `event: error`, "
    '`{"error":…}`) is text.',
    reason='Readers that look for `"[DONE]" in line` or `"error" in line` end or fail in the '
    "midst of an answer as soon as a model writes about streaming, logs or JSON.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"data: [DONE]"}}]}\\n\\n',
    cases=_look_alike_cases,
)
def look_alikes_are_text(trace: Trace) -> Outcome:
    """Judges SK-CONT-003."""
    return says_the_same(trace)


# SK-CONT-004


def _rhythm_cases(plan: Plan) -> Iterator[Case]:
    yield tried("SK-CONT-004", "records", base=None)
    yield tried("SK-CONT-004", "one-read", base=None, cut=WHOLE)


@rule(
    "SK-CONT-004",
    level="SHOULD",
    statement="Each delta of the wire is one content chunk: not cut up, not joined with others.",
    reason="The rhythm of typing is the service's, and whoever counts chunks counts its tokens; "
    "joined deltas come late, cut ones cost time.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":"beta"}}]}\\n\\n',
    cases=_rhythm_cases,
)
def one_delta_is_one_chunk(trace: Trace) -> Outcome:
    """Judges SK-CONT-004."""
    if not trace.dialect.is_wire:
        return NO_WIRE
    sent = [each.text for each in trace.case.script.sent if isinstance(each, Text) and each.text]
    got = [each.content for each in trace.contents if each.content]
    if not is_known(trace) or "".join(sent) != "".join(got):
        return IRRELEVANT  # the text itself is SK-CONT-001's
    if sent == got:
        return PASS
    message = "the chunks are not the deltas that were sent"
    return Fail(message, shown(repr(sent)), shown(repr(got)))


# SK-CONT-005


def _broken_cases(plan: Plan) -> Iterator[Case]:
    for kind in ("read_error", "protocol_error", "end", "error_record"):
        yield tried("SK-CONT-005", kind, WORDS.with_fault(kind, after=2))


@rule(
    "SK-CONT-005",
    statement="Content that was shown is not shown a second time, whatever goes wrong after it, "
    "unless a `reset` takes it back.",
    reason="A client that asks again by itself when a connection breaks shows the beginning of "
    "the answer twice, and both stand in the stored conversation.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n\n<connection reset>\n'
    "<a second request, the same answer>",
    cases=_broken_cases,
)
def nothing_is_shown_twice(trace: Trace) -> Outcome:
    """Judges SK-CONT-005."""
    sent = [each.text for each in trace.case.script.events if isinstance(each, Text)]
    text = _standing(trace)
    if not text or not is_known(trace):
        return IRRELEVANT
    doubled = [each for each in sent if text.count(each) > "".join(sent).count(each)]
    if doubled:
        message = f"{doubled[0]!r} is shown more often than it was sent"
        return Fail(message, shown("".join(sent)), shown(text))
    return PASS


def _standing(trace: Trace) -> str:
    """The text without what a reset took back."""
    standing: list[StreamChunk] = []
    for chunk in trace.chunks:
        if isinstance(chunk, ResetChunk):
            standing = [each for each in standing if each.index <= chunk.keep_through]
        standing.append(chunk)
    return "".join(each.content for each in standing if isinstance(each, ContentChunk))


# SK-CONT-006


def _refusal_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-CONT-006"
    refusal = (Text("alpha", refusal=True), Text("beta", refusal=True))
    yield tried(rule_id, "refusal", Script((*refusal, Finish())))
    yield tried(rule_id, "behind-text", Script((Text("gamma"), *refusal, Finish())))


@rule(
    "SK-CONT-006",
    statement="A refusal comes out as content that is flagged `refusal`, and other text without "
    "it.",
    reason="Dropped, the user sees an empty answer; unflagged, an application that asked for JSON "
    "parses an apology.",
    wire='data: {"choices":[{"index":0,"delta":{"refusal":"alpha"}}]}\\n\\n',
    cases=_refusal_cases,
)
def refusals_are_flagged(trace: Trace) -> Outcome:
    """Judges SK-CONT-006."""
    return says_the_same(trace)
