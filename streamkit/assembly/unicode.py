r"""Lone surrogates: halves of a character that a service cut apart, made whole or replaced.

JSON can escape half of a UTF-16 pair (`\ud83d`). Services that cut their text by UTF-16 units send
one half in one delta and the other half in the next; no UTF-8 text can hold a half alone.
"""

from typing import Any


def is_whole(text: str) -> bool:
    """Whether the text holds no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def split_trailing_half(text: str) -> tuple[str, str]:
    """Splits off a high surrogate at the end: its other half may come with the next delta."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return text[:-1], text[-1]
    return text, ""


def mended(text: str) -> str:
    """Joins pairs of halves and puts U+FFFD in the place of each half that has no other."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def mended_value(value: Any) -> Any:
    """The same for every string in a JSON value."""
    if isinstance(value, str):
        return value if is_whole(value) else mended(value)
    if isinstance(value, dict):
        return {mended_value(key): mended_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mended_value(item) for item in value]
    return value
