"""What a framing is: records in, bytes out, in any legal style."""

import json
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from streamkit_conformance.axes import Axis, Style

__all__ = [
    "ENCODING",
    "ESCAPES",
    "Framed",
    "Framing",
    "Named",
    "broken_utf8",
    "compressed",
    "cut_inside",
    "is_escaped",
    "json_text",
]

#: The content's encoding; `deflate` is that of zlib, as RFC 9110 has it.
ENCODING: Final = Axis(
    "encoding", "CONTENT ENCODING", ("identity", "gzip", "deflate"), "SK-FRAME-007"
)
#: Whether characters beyond ASCII stand in the JSON as they are or as `\uXXXX`.
ESCAPES: Final = Axis("escapes", "ESCAPED CHARACTERS", ("raw", "escaped"), "SK-UNI-003")

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WINDOW_BITS: Final = {"gzip": 31, "deflate": 15}


@dataclass(frozen=True, slots=True)
class Named:
    """A record with the name of its event, for dialects that name them.

    Attributes:
        event: The name, such as `message_delta`.
        data: The record, as JSON values.
    """

    event: str
    data: Any


@dataclass(frozen=True, slots=True)
class Framed:
    """Bytes of a body.

    Attributes:
        records: The bytes of each record, in order; joined they are the body.
        headers: What the headers must say of them, such as the content's encoding.
    """

    records: tuple[bytes, ...]
    headers: tuple[tuple[str, str], ...] = ()


class Framing(ABC):
    """Writes records as a service would.

    Attributes:
        content_type: The type in the answer's headers.
        axes: The ways in which services that use it differ.
    """

    content_type: ClassVar[str]
    axes: tuple[Axis, ...]

    @abstractmethod
    def frame(self, records: Sequence[Any], style: Style, *, is_whole: bool) -> Framed:
        """Writes the records.

        Args:
            records: JSON values or `Named` ones.
            style: How the wire looks.
            is_whole: The answer ends as it should: the sentinel and the last line end belong to it.
        """

    @abstractmethod
    def half(self, record: Any) -> bytes:
        """The first half of a record's bytes, cut inside its JSON or a character."""

    @abstractmethod
    def malformed(self) -> bytes:
        """A whole record that is no JSON."""

    @abstractmethod
    def invalid_utf8(self, record: Any) -> bytes:
        """A record whose bytes are no UTF-8."""


def is_escaped(style: Style) -> bool:
    """Whether characters beyond ASCII are escaped."""
    return bool(style.get(ESCAPES) == "escaped")


def json_text(
    value: Any, *, escaped: bool = False, spaced: bool = False, lines: bool = False
) -> str:
    r"""A record as JSON text, compact by default.

    A lone surrogate has no bytes of its own and is always escaped.

    Args:
        value: JSON values.
        escaped: Characters beyond ASCII are written as `\\uXXXX`.
        spaced: With spaces between values.
        lines: With line feeds between values; no line of it begins with a space.
    """
    separators = (", ", ": ") if spaced else (",", ":")
    text = json.dumps(
        value,
        ensure_ascii=escaped,
        separators=(separators[0].rstrip(), separators[1]) if lines else separators,
        indent=0 if lines else None,
    )
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def compressed(pieces: Sequence[bytes], style: Style, *, is_whole: bool) -> Framed:
    """The pieces in the style's content encoding, each flushed as by servers that stream."""
    encoding = style.get(ENCODING)
    if encoding == "identity":
        return Framed(tuple(pieces))
    packer = zlib.compressobj(wbits=_WINDOW_BITS[encoding])
    packed = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    if is_whole:
        packed.append(packer.flush(zlib.Z_FINISH))
    return Framed(tuple(packed), (("content-encoding", encoding),))


def cut_inside(text: str) -> bytes:
    """The first bytes of a JSON object's text, cut inside a character of several bytes if any."""
    wide = next((place for place, char in enumerate(text) if ord(char) > 0x7F), None)
    if wide is None:
        return text[: max(len(text) // 2, 1)].encode()
    return text[:wide].encode() + text[wide].encode()[:-1]


def broken_utf8(text: str) -> bytes:
    """A JSON text with a byte in its last string that no UTF-8 has."""
    place = text.rfind('"')
    return text[:place].encode() + b"\xff" + text[place:].encode()
