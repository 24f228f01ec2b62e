"""Text and bytes as they can be shown anywhere: no character acts, each can be told from others."""

from collections.abc import Iterator
from typing import Final

__all__ = ["bounded", "cells", "code", "readable", "without_surrogates"]

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}


def code(character: str) -> str:
    """One character as Python would write it; a half of a pair is a byte that is no UTF-8."""
    number = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    if character.isprintable():
        return character
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    return f"\\u{number:04x}" if number > 0xFF else f"\\x{number:02x}"


def readable(text: str, *, lines: bool = True) -> str:
    """A text in which characters that would act are written as escapes.

    What it says in words stays as it is: backslashes are not doubled.

    Args:
        text: The text.
        lines: Its line ends stay line ends.
    """
    kept = {"\\", "\n"} if lines else {"\\"}
    return "".join(each if each in kept or each.isprintable() else _escape(each) for each in text)


def _escape(character: str) -> str:
    # A lone half of a pair is shown by its own number: in a text it stands for no byte.
    number = ord(character)
    return f"\\u{number:04x}" if 0xD800 <= number <= 0xDFFF else code(character)


def cells(data: bytes) -> Iterator[tuple[int, str]]:
    """The characters of a read as they are shown, each with the offset of its first byte."""
    offset = 0
    for character in data.decode("utf-8", "surrogateescape"):
        yield offset, code(character)
        offset += len(character.encode("utf-8", "surrogateescape"))


def bounded(text: str, limit: int) -> str:
    """A text of at most `limit` characters, its middle left out where it is longer."""
    if len(text) <= limit:
        return text
    half = (limit - 24) // 2
    return f"{text[:half]} …{len(text) - 2 * half} more… {text[-half:]}"


def without_surrogates(text: str) -> str:
    """A text that can be written as UTF-8: lone halves of pairs become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
