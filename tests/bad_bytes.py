"""Bytes, texts and values that break careless readers, for every wire format."""

from collections.abc import Iterator
from typing import Any, Final

from hypothesis import strategies as st

from streamkit.transport.memory import Event

CLEF: Final = "\U0001d11e"  # one character, two halves in UTF-16


def byte_by_byte(*events: Event) -> list[Event]:
    """The same bytes, each in a read of its own."""
    return [
        part
        for each in events
        for part in ([bytes([byte]) for byte in each] if isinstance(each, bytes) else [each])
    ]


#: Texts that must arrive as they were sent.
ODD_TEXTS: Final = {
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "next line": "a\x85b",
    "separators of files, groups, records, units": "a\x1cb\x1dc\x1ed\x1fe",
    "vertical tab and form feed": "a\x0bb\x0cc",
    "NUL": "a\0b",
    "line ends": "a\r\nb\rc\nd\n\ne",
    "byte order mark": "\ufeffa\ufeff",
    "blanks alone": "  \n ",
    "replacement character": "a\ufffdb",
    "beyond the basic plane": f"{CLEF}\U0010ffff",
    "composed of several": "e\u0301 \U0001f468\u200d\U0001f469",
    "looks like an event": "\n\ndata: [DONE]\n\n",
    "looks like a terminator": "[DONE]",
}


#: Pieces of text as JSON holds them, and what they are together: halves of UTF-16 pairs.
HALVES: Final = {
    "a pair in one delta": (["\\ud834\\udd1e"], CLEF),
    "a pair over two deltas": (["a\\ud834", "\\udd1eb"], f"a{CLEF}b"),
    "a pair with an empty delta between": (["\\ud834", "", "\\udd1e"], CLEF),
    "a first half alone": (["a\\ud834b"], "a\ufffdb"),
    "a first half at the end": (["a\\ud834"], "a\ufffd"),
    "a first half before another text": (["a\\ud834", "b"], "a\ufffdb"),
    "a second half alone": (["a\\udd1eb"], "a\ufffdb"),
    "a second half at the start": (["\\udd1eb"], "\ufffdb"),
    "two first halves": (["\\ud834", "\\ud834\\udd1e"], f"\ufffd{CLEF}"),
    "halves the wrong way round": (["\\udd1e\\ud834"], "\ufffd\ufffd"),
}


class EndlessFrame:
    """A frame that never ends; counts what was taken of it."""

    def __init__(self, first: bytes, size: int) -> None:
        self._first = first
        self._piece = b"x" * size
        self.taken = 0

    def __iter__(self) -> Iterator[Event]:
        yield self._first
        while True:
            self.taken += len(self._piece)
            yield self._piece


#: Values that nobody expects.
VALUES: Final = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, 10**400, 1e308, "", "a", "\u2028"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["", "type", "text", "message", "0"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths to all values within a JSON value."""
    yield path
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            yield from places(each, (*path, key))


def with_value(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    """A copy of a JSON value with another value at one place."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = with_value(value[path[0]], path[1:], new)
    return copy
