"""Server-sent events, as the WHATWG HTML standard lets servers write them."""

from collections.abc import Iterator, Sequence
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

__all__ = [
    "AFTER_SENTINEL",
    "BOM",
    "COMMENTS",
    "FIELDS",
    "MULTILINE",
    "NEWLINE",
    "SENTINEL",
    "SPACE",
    "SPACING",
    "SSE",
    "TRAILING",
]

#: `mixed` is another one for each event.
NEWLINE: Final = Axis("newline", "NEWLINE STYLE", ("\n", "\r\n", "\r", "mixed"), "SK-FRAME-002")
SPACE: Final = Axis("space", "SPACE AFTER `data:`", (True, False), "SK-FRAME-003")
#: Spaces between the JSON values of a record, as avian.io sends them.
SPACING: Final = Axis("spacing", "SPACES IN JSON", ("compact", "spaced"), "SK-FRAME-003")
#: Where comments stand: `everywhere` is before, between and behind events, and inside them.
COMMENTS: Final = Axis(
    "comments", "COMMENTS", ("none", "before", "between", "everywhere"), "SK-FRAME-004"
)
#: Further lines of an event that say nothing: ids, times to reconnect, the default event's name,
#: fields that the standard does not know.
FIELDS: Final = Axis(
    "fields", "FURTHER FIELDS", ("none", "id", "retry", "event", "unknown"), "SK-FRAME-004"
)
#: How the body ends: with its empty line, without it, without any line end.
TRAILING: Final = Axis(
    "trailing", "LAST LINE END", ("full", "no_blank_line", "open"), "SK-FRAME-005"
)
MULTILINE: Final = Axis("multiline", "DATA LINES", (False, True), "SK-FRAME-006")
BOM: Final = Axis("bom", "BYTE ORDER MARK", (False, True), "SK-FRAME-006")
SENTINEL: Final = Axis("sentinel", "SENTINEL", ("sent", "absent"), "SK-TRUNC-003")
#: What stands behind the sentinel: nothing, the sentinel again, the last record again.
AFTER_SENTINEL: Final = Axis(
    "after_sentinel", "BEHIND THE SENTINEL", ("nothing", "sentinel", "record"), "SK-LIFE-003"
)

_NEWLINES: Final = ("\r", "\r\n", "\n")
_COMMENTS: Final = (": keep-alive", ":", ": PROCESSING", ":no space")
_UNKNOWN: Final = ("note: x", " data: x", "Data: x", "datum", "x")


class SSE(Framing):
    """One event for each record.

    Args:
        sentinel: The data of the event that ends a whole answer; `None` where there is none.
    """

    content_type = "text/event-stream"

    def __init__(self, sentinel: str | None = "[DONE]") -> None:
        self.sentinel = sentinel
        own = () if sentinel is None else (SENTINEL, AFTER_SENTINEL)
        self.axes: tuple[Axis, ...] = (
            NEWLINE,
            SPACE,
            COMMENTS,
            TRAILING,
            *own,
            ESCAPES,
            FIELDS,
            MULTILINE,
            BOM,
            SPACING,
            ENCODING,
        )

    def frame(self, records: Sequence[Any], style: Style, *, is_whole: bool) -> Framed:
        """Writes the records; see `Framing`."""
        lines = [self._lines(record, style) for record in records]
        if is_whole and self.sentinel is not None and style.get(SENTINEL) == "sent":
            lines += self._sentinels(lines, style)
        pieces = [
            self._event(each, number, style, is_last=number == len(lines) - 1 and is_whole)
            for number, each in enumerate(lines)
        ]
        if pieces and style.get(BOM):
            pieces[0] = "\ufeff" + pieces[0]
        return compressed([each.encode() for each in pieces], style, is_whole=is_whole)

    def half(self, record: Any) -> bytes:
        """The first half of a record's bytes; see `Framing`."""
        head, data = _parts(record)
        return head.encode() + b"data: " + cut_inside(json_text(data))

    def malformed(self) -> bytes:
        """A whole event that is no JSON."""
        return b'data: {"text" "broken,,\n\n'

    def invalid_utf8(self, record: Any) -> bytes:
        """An event whose bytes are no UTF-8."""
        head, data = _parts(record)
        return head.encode() + b"data: " + broken_utf8(json_text(data)) + b"\n\n"

    def _sentinels(self, lines: list[list[str]], style: Style) -> list[list[str]]:
        sentinel = [_field("data", str(self.sentinel), style)]
        match style.get(AFTER_SENTINEL):
            case "sentinel":
                return [sentinel, sentinel]
            case "record" if lines:
                return [sentinel, lines[-1]]
        return [sentinel]

    def _lines(self, record: Any, style: Style) -> list[str]:
        text = json_text(
            record.data if isinstance(record, Named) else record,
            escaped=is_escaped(style),
            spaced=style.get(SPACING) == "spaced",
            lines=style.get(MULTILINE),
        )
        lines = [_field("data", line, style) for line in text.split("\n")]
        if isinstance(record, Named):
            return [_field("event", record.event, style), *lines]
        return lines

    def _event(self, lines: list[str], number: int, style: Style, *, is_last: bool) -> str:
        """One event with its end, and what stands before, inside and behind it."""
        newline = _NEWLINES[number % 3] if style.get(NEWLINE) == "mixed" else style.get(NEWLINE)
        comments = style.get(COMMENTS)
        comment = _COMMENTS[number % len(_COMMENTS)]
        all_lines = [*_further_fields(lines, number, style), *lines]
        if comments == "everywhere":
            all_lines = [line for each in all_lines for line in (each, comment)]
        before = ""
        is_due = {"before": number == 0, "between": number > 0, "everywhere": True}
        if is_due.get(comments, False):
            before = comment + newline * 2
        after = comment + newline * 3 if comments == "everywhere" and is_last else ""
        ends = {"full": newline * 2, "no_blank_line": newline, "open": ""}
        if is_last and style.get(TRAILING) != "full":
            # Nothing may follow the last data line that would end it.
            while all_lines and all_lines[-1].startswith(":"):
                all_lines.pop()
            return before + newline.join(all_lines) + ends[style.get(TRAILING)]
        return before + newline.join(all_lines) + newline * 2 + after


def _parts(record: Any) -> tuple[str, Any]:
    if isinstance(record, Named):
        return f"event: {record.event}\n", record.data
    return "", record


def _field(name: str, value: str, style: Style) -> str:
    return f"{name}: {value}" if style.get(SPACE) else f"{name}:{value}"


def _further_fields(lines: list[str], number: int, style: Style) -> Iterator[str]:
    match style.get(FIELDS):
        case "id":
            yield _field("id", str(number + 1), style)
        case "retry" if number == 0:
            yield _field("retry", "3000", style)
        case "event" if not lines[0].startswith("event:"):
            yield _field("event", "message", style)
        case "unknown":
            yield _UNKNOWN[number % len(_UNKNOWN)]
