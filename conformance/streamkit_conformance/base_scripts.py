"""The answers from which rules build their cases: short, and each with a point.

Tokens stand before the finish, so that the finish is always the last event: wires that tell them
later still do.
"""

from dataclasses import dataclass
from typing import Final

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

__all__ = [
    "CHARACTERS",
    "Characters",
    "EMPTY_CALL",
    "EVERYTHING",
    "FINISHES",
    "INTERLEAVED_CALLS",
    "LOOK_ALIKES",
    "NASTY",
    "NO_USAGE",
    "ONE_CALL",
    "ONE_TEXT",
    "PLAIN",
    "REASONING",
    "REFUSAL",
    "SPLIT_EMOJI",
    "TEXT_AND_CALL",
    "TWO_CALLS",
    "UNKNOWN_FINISH",
    "USAGE_DETAILS",
    "WHITESPACE",
    "ZERO_USAGE",
    "characters_script",
    "texts",
]

TOKENS: Final = Tokens(input=7, output=5)


def texts(*pieces: str, finish: str = "stop", tokens: Tokens | None = TOKENS) -> Script:
    """An answer of these pieces of text, one a record."""
    told: tuple[Event, ...] = () if tokens is None else (tokens,)
    return Script((*(Text(piece) for piece in pieces), *told, Finish(finish)))


@dataclass(frozen=True, slots=True)
class Characters:
    """A class of characters that some reader gets wrong.

    Attributes:
        name: What a report calls it, such as `U+2028`.
        text: A text that holds it, with letters around it.
        rule: The rule that says what must become of it.
        why: Who gets it wrong.
    """

    name: str
    text: str
    rule: str
    why: str


CHARACTERS: Final[tuple[Characters, ...]] = (
    Characters("two bytes", "é", "SK-UNI-001", "decoding each read for itself"),
    Characters("three bytes", "水", "SK-UNI-001", "decoding each read for itself"),
    Characters("four bytes", "😀", "SK-UNI-001", "decoding each read for itself"),
    Characters("combining", "e\u0301", "SK-UNI-001", "normalising"),
    Characters("joined emoji", "👩\u200d🔬", "SK-UNI-001", "cutting at characters"),
    Characters("U+2028", "a\u2028b", "SK-UNI-002", "str.splitlines"),
    Characters("U+2029", "a\u2029b", "SK-UNI-002", "str.splitlines"),
    Characters("U+0085", "a\x85b", "SK-UNI-002", "str.splitlines"),
    Characters("VT and FF", "a\x0bb\x0cc", "SK-UNI-002", "str.splitlines"),
    Characters("FS, GS, RS", "a\x1cb\x1dc\x1ed", "SK-UNI-002", "str.splitlines"),
    Characters("U+FEFF", "\ufeffa\ufeff", "SK-UNI-001", "removing every byte order mark"),
    Characters("line ends", "a\nb\r\nc\rd", "SK-CONT-001", "replacing line ends"),
    Characters("quotes", 'a"b\\c\\n/\\u0041', "SK-CONT-001", "undoing escapes twice"),
    Characters("U+00A0", "\u00a0a\u00a0", "SK-CONT-001", "strip"),
)


def characters_script(name: str) -> Script:
    """An answer with one class of characters, between two plain records."""
    chosen = next(each for each in CHARACTERS if each.name == name)
    return texts("One ", chosen.text, " two")


ONE_TEXT: Final = texts("Hi")
PLAIN: Final = texts("Hello", ", ", "world!")
NO_USAGE: Final = texts("Hello", ", ", "world!", tokens=None)
#: Every class of characters, in three records.
NASTY: Final = texts(
    "".join(each.text for each in CHARACTERS[:5]),
    "".join(each.text for each in CHARACTERS[5:10]),
    "".join(each.text for each in CHARACTERS[10:]),
)
#: A character whose halves stand in two records, as servers that cut between tokens send it.
SPLIT_EMOJI: Final = texts("a\ud83d", "\ude00b")
#: Texts that look like the wire.
LOOK_ALIKES: Final = texts(
    "[DONE]", "data: [DONE]\n\n", '{"error":{"message":"no"}}', "event: error\n", "\n\n", ": x"
)
#: Records of white space alone, first, between and last.
WHITESPACE: Final = texts(" ", "a", " ", "\n\n", "b", "\t")

REASONING: Final = Script(
    (
        Reasoning("Let me "),
        Reasoning("think…"),
        Text("The answer"),
        Text(" is 4."),
        Tokens(input=7, output=9, reasoning=4),
        Finish(),
    )
)
REFUSAL: Final = Script(
    (Text("I can't ", refusal=True), Text("help.", refusal=True), TOKENS, Finish())
)

_CITY: Final = ('{"city": ', '"Zürich", ', '"days":3}')
ONE_CALL: Final = Script(
    (
        ToolStart(0, "call_a", "weather"),
        *(ToolArguments(0, piece) for piece in _CITY),
        TOKENS,
        Finish("tool_calls"),
    )
)
EMPTY_CALL: Final = Script((ToolStart(0, "call_a", "now"), TOKENS, Finish("tool_calls")))
TEXT_AND_CALL: Final = Script((Text("One moment."), *ONE_CALL.events))
#: Two calls, one after the other.
TWO_CALLS: Final = Script(
    (
        ToolStart(0, "call_a", "weather"),
        ToolArguments(0, '{"city":"Rome"}'),
        ToolStart(1, "call_b", "weather"),
        ToolArguments(1, '{"city":"Oslo"}'),
        TOKENS,
        Finish("tool_calls"),
    )
)
#: Two calls whose pieces alternate.
INTERLEAVED_CALLS: Final = Script(
    (
        ToolStart(0, "call_a", "weather"),
        ToolStart(1, "call_b", "weather"),
        ToolArguments(0, '{"city":'),
        ToolArguments(1, '{"city":'),
        ToolArguments(0, '"Rome"}'),
        ToolArguments(1, '"Oslo"}'),
        TOKENS,
        Finish("tool_calls"),
    )
)

ZERO_USAGE: Final = texts("Hi", tokens=Tokens(input=0, output=0))
USAGE_DETAILS: Final = texts("Hi", tokens=Tokens(input=9, output=6, reasoning=4, cache_read=3))

#: An answer for each finish reason of the schema that a service can give.
FINISHES: Final[dict[str, Script]] = {
    "stop": ONE_TEXT,
    "length": texts("Hi", finish="length"),
    "tool_calls": ONE_CALL,
    "content_filter": texts("Hi", finish="content_filter"),
}
#: A reason that no table knows.
UNKNOWN_FINISH: Final = Script((Text("Hi"), TOKENS, Finish("other", raw="sunset")))

#: Every kind of event that a wire may have.
EVERYTHING: Final = Script(
    (
        Reasoning("Hm, "),
        Reasoning("é😀."),
        Text("One\u2028"),
        Text(" moment 😀"),
        *TWO_CALLS.events[:4],
        Tokens(input=7, output=9, reasoning=4),
        Finish("tool_calls"),
    )
)
