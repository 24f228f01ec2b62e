"""UNI: characters arrive whole, whatever they are made of."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from streamkit_conformance.case import Case
from streamkit_conformance.characters import LINE_ENDS
from streamkit_conformance.cuts import BYTES, Cut
from streamkit_conformance.framing.base import ESCAPES
from streamkit_conformance.rules.neutral import (
    axis_cases,
    based_on,
    is_known,
    of_each_stream,
    said_otherwise,
    says_the_same,
    script_of,
    shown,
    tried,
)
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome
from streamkit_conformance.wire import write

__all__ = ["half_in"]

#: Characters of two, three and four bytes, and one of several characters.
_WIDE: Final = script_of("alé", "中文", "😀👍🏽")
#: The same with as many bytes, of one each: what fails on these too fails of the cuts alone.
_NARROW: Final = replace(
    _WIDE,
    events=tuple(
        Text("".join("x" * len(each.encode()) for each in event.text))
        if isinstance(event, Text)
        else event
        for event in _WIDE.events
    ),
)
#: A pair of halves in one delta, which `\uD83D\uDE00` is when it is escaped.
_ASTRAL: Final = script_of("al😀pha", "bé中ta")
#: What JSON can have raw inside a string, and what it must escape.
_RAW: Final = "\u2028\u2029\x85"


# SK-UNI-001


def _split_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-UNI-001"
    if not plan.dialect.is_wire:
        return
    base = based_on("wide", _WIDE)
    body = write(base, plan.dialect).body
    inside = tuple(place for place, byte in enumerate(body) if byte & 0xC0 == 0x80)
    for name, cut in (("bytes", BYTES), ("inside-characters", Cut("at", inside))):
        control = Case(name=f"{id}/{name}/one-byte-characters", script=_NARROW, cut=cut)
        yield tried(rule_id, name, _WIDE, base=base, cut=cut, then=(control,))


@rule(
    "SK-UNI-001",
    statement="A character whose bytes arrive in different reads is whole.",
    reason="Decoding read by read turns every Chinese character and every emoji that a cut goes "
    "through into U+FFFD, or fails on it (katanemo/plano#980, graniet/llm#90).",
    wire='read 1  data: {"choices":[{"index":0,"delta":{"content":"<F0 9F>\n'
    'read 2  <98 80>"}}]}\\n\\n',
    cases=_split_cases,
)
def split_characters_survive(trace: Trace) -> Outcome:
    """Judges SK-UNI-001; the same cuts among characters of one byte are the case's `then`."""
    outcome = says_the_same(trace)
    if any(says_the_same(each) != PASS for each in trace.others):
        return IRRELEVANT  # the reader fails on the cuts: SK-FRAME-001
    return outcome


# SK-UNI-002


def _line_end_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-UNI-002"
    for character in _RAW:
        yield tried(rule_id, f"U+{ord(character):04X}", script_of(f"al{character}pha", "beta"))
    escaped = [each for each in LINE_ENDS if each not in _RAW]
    yield tried(
        rule_id, "control-characters", script_of("al" + "pha".join(escaped) + "pha", "beta")
    )


@rule(
    "SK-UNI-002",
    statement="U+2028, U+2029, U+0085, VT, FF and FS to US end no line.",
    reason="JSON may hold them as they are, and `str.splitlines`, httpx's `iter_lines` and their "
    "like cut the record there (florimondmanca/httpx-sse#34, Soju06/codex-lb#1010).",
    wire='data: {"choices":[{"index":0,"delta":{"content":"al<U+2028>pha"}}]}\\n\\n',
    cases=_line_end_cases,
)
def only_line_ends_end_lines(trace: Trace) -> Outcome:
    """Judges SK-UNI-002."""
    return says_the_same(trace)


# SK-UNI-003


def _escape_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-UNI-003"
    axes = [each for each in plan.dialect.all_axes if each.rule == rule_id and each == ESCAPES]
    yield from axis_cases(plan, rule_id, axes=axes, script=_ASTRAL, name="astral")
    yield tried(rule_id, "high-half", script_of("al\ud83dpha", "beta"))
    yield tried(rule_id, "low-half", script_of("alpha", "be\ude00ta"))
    yield tried(rule_id, "half-at-the-end", script_of("alpha", "beta\ud83d"))


@rule(
    "SK-UNI-003",
    statement="`\\uD83D\\uDE00` is one character; half of it alone neither ends the answer nor "
    "takes other text with it: U+FFFD stands in its place.",
    reason="Services that cut their text by UTF-16 units send halves; strict parsers refuse the "
    "record, and with it a good answer.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"al\\ud83dpha"}}]}\\n\\n',
    cases=_escape_cases,
)
def halves_are_survived(trace: Trace) -> Outcome:
    """Judges SK-UNI-003; a half that came out as it is is SK-UNI-004's."""
    if not is_known(trace):
        return IRRELEVANT
    return said_otherwise(trace, _mended) or PASS


# SK-UNI-004


@rule(
    "SK-UNI-004",
    statement="No chunk holds half a character: each can be encoded as UTF-8.",
    reason="A lone surrogate in a Python string crashes whoever writes it: the log, the database, "
    "the web server, long after the stream was read.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"al\\ud83d"}}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":"\\ude00pha"}}]}\\n\\n',
    is_live=True,
)
@of_each_stream
def chunks_hold_whole_characters(trace: Trace) -> Outcome:
    """Judges SK-UNI-004."""
    for chunk in trace.chunks:
        half = half_in(chunk)
        if half is not None:
            message = f"the {chunk.type} chunk with index {chunk.index} holds half a character"
            return Fail(message, "text that can be encoded as UTF-8", shown(ascii(half)))
    return PASS if trace.chunks else IRRELEVANT


def half_in(value: Any) -> str | None:
    """The first text in a chunk, or in any value, that holds half a character."""
    return next((each for each in _texts(value) if _mended(each) != each), None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel | dict):
        for name, item in value.items() if isinstance(value, dict) else value:
            yield from _texts(name)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


# SK-UNI-005


def _joined_cases(plan: Plan) -> Iterator[Case]:
    yield tried("SK-UNI-005", "two-deltas", script_of("al\ud83d", "\ude00pha", "beta"))


@rule(
    "SK-UNI-005",
    statement="Two halves of a character that come in neighbouring deltas come out as that "
    "character.",
    reason="Each half replaced by itself shows two question marks where the model wrote an emoji.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"al\\ud83d"}}]}\\n\\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":"\\ude00pha"}}]}\\n\\n',
    cases=_joined_cases,
)
def halves_are_joined(trace: Trace) -> Outcome:
    """Judges SK-UNI-005."""
    if not is_known(trace):
        return IRRELEVANT
    return said_otherwise(trace, _mended) or PASS


def _mended(text: str) -> str:
    """Pairs of halves joined, U+FFFD in the place of each half without the other."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
