"""What may be odd in the texts of a script, and the same script with `x` in its place."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from streamkit_conformance.script import Event, Reasoning, Script, Text, ToolArguments

__all__ = ["Odd", "odd_characters"]

#: What other parsers than that of the wire take for the end of a line.
LINE_ENDS: Final = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\x1f"
_NAMES: Final[dict[str, str]] = {
    " ": "space",
    "\n": "LF",
    "\r": "CR",
    "\t": "tab",
    "\ufeff": "byte order mark",
    "\0": "NUL",
}
#: Words of the wire that a text may hold; each belongs to the text.
LOOK_ALIKES: Final = (
    "[DONE]",
    "data:",
    "event:",
    "id:",
    "retry:",
    "error",
    "finish_reason",
    "choices",
    "done",
    "<think>",
    "</think>",
    "null",
    "\\n",
    "\\u",
)


@dataclass(frozen=True, slots=True)
class Odd:
    """Something odd in a script's texts.

    Attributes:
        label: What a diagnosis calls it, such as `CHARACTERS U+2028`.
        characters: Those of which it is made; no single one of these is looked at where it is the
            cause already. Empty for a class of characters.
        rule: The rule that is about it.
        replaced: Gives a text without it.
    """

    label: str
    characters: str
    rule: str
    replaced: Callable[[str], str]

    def without(self, script: Script) -> Script:
        """The script with `x` in its place."""
        events = tuple(_changed(each, self.replaced) for each in script.events)
        return replace(script, events=events)


def odd_characters(script: Script) -> Iterator[Odd]:
    """What is odd in a script: words, then characters, then whole classes of these."""
    texts = [each.text for each in script.events if isinstance(each, Text | Reasoning)]
    arguments = [each.text for each in script.events if isinstance(each, ToolArguments)]
    said = "".join(texts)
    characters = sorted({each for each in "".join([*texts, *arguments]) if _is_odd(each)})
    for word in LOOK_ALIKES:
        if word in said:
            yield Odd(f"TEXT {word!r}", word, "SK-CONT-003", _without(word))
    for each in characters:
        yield Odd(_label(each), each, _rule(each), _without(each))
    for label, is_one, rule in _CLASSES:
        if sum(map(is_one, characters)) > 1:
            yield Odd(f"CHARACTERS {label}", "", rule, _without_class(is_one))


def _without(odd: str) -> Callable[[str], str]:
    return lambda text: text.replace(odd, "x")


def _without_class(is_odd: Callable[[str], bool]) -> Callable[[str], str]:
    return lambda text: "".join("x" if is_odd(each) else each for each in text)


def _is_odd(character: str) -> bool:
    return character in " \"'\\<>{}[]" or not (character.isascii() and character.isprintable())


def _label(character: str) -> str:
    name = _NAMES.get(character, character if character.isprintable() else "")
    shown = f" ({name})" if name else ""
    return f"CHARACTERS U+{ord(character):04X}{shown}"


def _rule(character: str) -> str:
    if character in LINE_ENDS:
        return "SK-UNI-002"
    if _is_half(character):
        return "SK-UNI-003"
    return "SK-CONT-001" if character.isascii() or character == "\ufeff" else "SK-UNI-001"


def _is_half(character: str) -> bool:
    """Half of a pair of UTF-16, which is no character."""
    return 0xD800 <= ord(character) <= 0xDFFF


_CLASSES: Final[tuple[tuple[str, Callable[[str], bool], str], ...]] = (
    ("that end lines elsewhere", lambda each: each in LINE_ENDS, "SK-UNI-002"),
    ("of more than one byte", lambda each: not each.isascii(), "SK-UNI-001"),
    ("of white space", lambda each: each.isspace(), "SK-CONT-001"),
    ("that are not printable", lambda each: not each.isprintable(), "SK-CONT-001"),
    ("besides letters and digits", lambda each: True, "SK-CONT-001"),
)


def _changed(event: Event, change: Callable[[str], str]) -> Event:
    match event:
        case Text(text):
            return replace(event, text=change(text))
        case Reasoning(text):
            return replace(event, text=change(text))
        case ToolArguments(text=text):
            # Between its strings JSON needs its own characters; only what is in none is changed.
            return replace(event, text="".join(_outside_json(each, change) for each in text))
    return event


def _outside_json(character: str, change: Callable[[str], str]) -> str:
    return character if character.isascii() else change(character)
