"""Newline-delimited JSON, as servers write it."""

from collections.abc import Sequence
from typing import Any, Final

from streamkit_conformance.axes import Axis, Style
from streamkit_conformance.framing.base import (
    ENCODING,
    ESCAPES,
    Framed,
    Framing,
    Named,
    broken_utf8,
    compressed,
    cut_inside,
    is_escaped,
    json_text,
)

__all__ = ["BLANK_LINES", "LINE_TRAILING", "NDJSON", "NDJSON_NEWLINE"]

#: A lone CR is whitespace to JSON and ends no line.
NDJSON_NEWLINE: Final = Axis("newline", "NEWLINE STYLE", ("\n", "\r\n"), "SK-FRAME-002")
BLANK_LINES: Final = Axis(
    "blank_lines", "BLANK LINES", ("none", "between", "everywhere"), "SK-FRAME-004"
)
#: Whether the last line has its end.
LINE_TRAILING: Final = Axis("trailing", "LAST LINE END", ("full", "open"), "SK-FRAME-005")


class NDJSON(Framing):
    """One line for each record. There is no byte order mark: RFC 8259 forbids it."""

    content_type = "application/x-ndjson"
    axes = (NDJSON_NEWLINE, BLANK_LINES, LINE_TRAILING, ESCAPES, ENCODING)

    def frame(self, records: Sequence[Any], style: Style, *, is_whole: bool) -> Framed:
        """Writes the records; see `Framing`."""
        newline: str = style.get(NDJSON_NEWLINE)
        blanks = style.get(BLANK_LINES)
        pieces: list[str] = []
        for number, record in enumerate(records):
            is_last = is_whole and number == len(records) - 1
            data = record.data if isinstance(record, Named) else record
            is_due = blanks == "everywhere" or (blanks == "between" and number > 0)
            line = (newline if is_due else "") + json_text(data, escaped=is_escaped(style))
            if not is_last or style.get(LINE_TRAILING) == "full":
                line += newline
                line += newline if is_last and blanks == "everywhere" else ""
            pieces.append(line)
        return compressed([each.encode() for each in pieces], style, is_whole=is_whole)

    def half(self, record: Any) -> bytes:
        """The first half of a record's bytes; see `Framing`."""
        return cut_inside(json_text(record.data if isinstance(record, Named) else record))

    def malformed(self) -> bytes:
        """A whole line that is no JSON."""
        return b'{"text" "broken,,\n'

    def invalid_utf8(self, record: Any) -> bytes:
        """A line whose bytes are no UTF-8."""
        data = record.data if isinstance(record, Named) else record
        return broken_utf8(json_text(data)) + b"\n"
