"""Mutants that read bytes, lines and events wrong."""

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import anyio

from streamkit_conformance.gallery.mutant import mutant
from streamkit_conformance.gallery.plain_client import OpenAIClient, PlainStream
from streamkit_conformance.gallery.plain_reader import Broken
from streamkit_conformance.gallery.plain_wires import OllamaReader, OpenAIReader

# Reads and lines.


@mutant(
    kills={"SK-FRAME-001"},
    why="One read is taken for whole records: what a read leaves unfinished is forgotten.",
    axis="READ BOUNDARIES",
)
class OneReadIsOneRecord(OpenAIReader):
    def lines(self, data: bytes) -> Iterable[bytes]:
        self.rest = b""
        return super().lines(data)


@mutant(
    kills={"SK-FRAME-001"},
    why="Event and data belong to the loop over one read: what is behind its end is forgotten.",
    axis="READ BOUNDARIES",
)
class EventOfOneRead(OpenAIReader):
    def feed(self, data: bytes) -> None:
        self.data = []
        super().feed(data)


@mutant(
    kills={"SK-FRAME-001"},
    why="Of the records in one read only the first is taken.",
    axis="READ BOUNDARIES",
)
class FirstRecordOfARead(OpenAIReader):
    def feed(self, data: bytes) -> None:
        head, _, rest = data.partition(b"\n\n")
        super().feed(head + b"\n\n" if rest and len(head) > 20 else data)


@mutant(
    kills={"SK-FRAME-001", "SK-FRAME-008"},
    why="Of the records in one read only the last is taken, as the newest.",
    axis="READ BOUNDARIES",
)
class LastLineOfARead(OllamaReader):
    def lines(self, data: bytes) -> Iterable[bytes]:
        return [each for each in super().lines(data) if each.strip()][-1:]


@mutant(
    kills={"SK-FRAME-010"},
    why="A reader that calls itself for each line: Python's recursion is not that deep.",
)
class CallsItself(OllamaReader):
    def feed(self, data: bytes) -> None:
        if data.count(b"\n") > 500:
            raise RecursionError("maximum recursion depth exceeded")
        super().feed(data)


@mutant(
    kills={"SK-FRAME-008"},
    why="Lines above 64 KB are refused, as asyncio's own reader does.",
)
class LineLimit(OpenAIReader):
    def lines(self, data: bytes) -> Iterable[bytes]:
        whole = list(super().lines(data))
        if any(len(each) > 65_536 for each in [*whole, self.rest]):
            raise Broken("protocol", "Separator is not found, and chunk exceed the limit.")
        return whole


@mutant(
    kills={"SK-FRAME-008"},
    why="A buffer of 64 KB forgets its beginning when it is full.",
)
class BufferForgets(OllamaReader):
    def lines(self, data: bytes) -> Iterable[bytes]:
        whole = super().lines(data)
        self.rest = self.rest[-65_536:]
        return [each[-65_536:] for each in whole]


@mutant(
    kills={"SK-FRAME-002"},
    why="CR LF is replaced in each read for itself: a pair that is cut in two stays.",
    axis="NEWLINE STYLE",
)
class ReplacesLineEndsPerRead(OpenAIReader):
    def lines(self, data: bytes) -> Iterable[bytes]:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *whole, self.rest = (self.rest + data).split(b"\n")
        return whole


@mutant(
    kills={"SK-FRAME-002"},
    why="Events are split at two LF: with CR LF there is none.",
    axis="NEWLINE STYLE",
)
class SplitsAtTwoLineFeeds(OpenAIReader):
    def lines(self, data: bytes) -> Iterable[bytes]:
        *whole, self.rest = (self.rest + data).split(b"\n")
        return whole


@mutant(
    kills={"SK-FRAME-002"},
    why="A lone CR, which the standard allows as a line end, is none.",
    axis="NEWLINE STYLE",
)
class NoLoneCarriageReturn(OpenAIReader):
    def lines(self, data: bytes) -> Iterable[bytes]:
        *whole, self.rest = re.split(rb"\r?\n", self.rest + data)
        return whole


@mutant(
    kills={"SK-FRAME-002"},
    why="A line that is CR alone is no blank line: it is given to the JSON parser.",
    axis="NEWLINE STYLE",
)
class CarriageReturnsInLines(OllamaReader):
    def line(self, line: bytes) -> None:
        if line.endswith(b"\r"):
            raise Broken("protocol", "The service sent a record that is no JSON.")
        super().line(line)


# Fields.


@mutant(
    kills={"SK-FRAME-003"},
    why="`data: ` is looked for with its space: without it the line is an unknown field.",
    axis="SPACE AFTER `data:`",
)
class SpaceRequired(OpenAIReader):
    def field_of(self, text: str) -> tuple[str, str]:
        name, _, value = text.partition(": ")
        return name, value


@mutant(
    kills={"SK-FRAME-003"},
    why="Records are told apart by how their JSON begins, without white space.",
    axis="SPACES IN JSON",
)
class CompactOnly(OpenAIReader):
    def event(self, name: str, data: str) -> None:
        if data.startswith('{"') and '": ' in data[:8]:
            return
        super().event(name, data)


@mutant(
    kills={"SK-FRAME-004", "SK-TIME-003"},
    why="A comment is no field, and what is no field is an error.",
    axis="COMMENTS",
)
class CommentsAreErrors(OpenAIReader):
    def field_of(self, text: str) -> tuple[str, str]:
        if text.startswith(":"):
            raise Broken("protocol", "The service sent a line that is no field.")
        return super().field_of(text)


@mutant(
    kills={"SK-FRAME-004"},
    why="A field that nobody knows is an error.",
    axis="FURTHER FIELDS",
)
class UnknownFieldsAreErrors(OpenAIReader):
    def field_of(self, text: str) -> tuple[str, str]:
        name, value = super().field_of(text)
        if name not in {"", "data", "event", "id", "retry"}:
            raise Broken("protocol", "The service sent an unknown field.")
        return name, value


@mutant(
    kills={"SK-FRAME-004"},
    why="Events that have a name are left to others, also where the name is the default one.",
    axis="FURTHER FIELDS",
)
class NamedEventsAreSkipped(OpenAIReader):
    def event(self, name: str, data: str) -> None:
        if name in {"", "error"}:
            super().event(name, data)


@mutant(
    kills={"SK-FRAME-004"},
    why="A strict model of the records: a field that is not in it is an error.",
    axis="UNKNOWN FIELDS",
)
class StrictRecords(OllamaReader):
    def record(self, record: dict[str, Any]) -> None:
        if "remote_model" in record or "note" in record:
            raise Broken("protocol", "The service sent a record with an unknown field.")
        super().record(record)


@mutant(
    kills={"SK-FRAME-004", "SK-TIME-003"},
    why="A blank line, which some servers send to keep the connection alive, is given to the JSON "
    "parser.",
    axis="BLANK LINES",
)
class BlankLinesAreErrors(OllamaReader):
    def line(self, line: bytes) -> None:
        if not line.strip():
            raise Broken("protocol", "The service sent a record that is no JSON.")
        super().line(line)

    def last(self, rest: bytes) -> None:
        if rest:
            super().last(rest)


@mutant(
    kills={"SK-FRAME-005"},
    why="What stands behind the last line end is thrown away.",
    axis="LAST LINE END",
)
class LastLineLost(OpenAIReader):
    def last(self, rest: bytes) -> None:
        if self.is_whole:
            super().last(rest)


@mutant(
    kills={"SK-FRAME-005"},
    why="A last line without its end is taken for cut.",
    axis="LAST LINE END",
)
class LastLineIsCut(OllamaReader):
    def last(self, rest: bytes) -> None:
        if rest and not self.is_whole:
            raise self.truncated()
        super().last(rest)


@mutant(
    kills={"SK-FRAME-006"},
    why="Each `data` line is an event of its own.",
    axis="DATA LINES",
)
class LastDataLineCounts(OpenAIReader):
    def joined(self, data: list[str]) -> str:
        return data[-1] if data else ""


@mutant(
    kills={"SK-FRAME-006"},
    why="A byte order mark at the beginning is part of the first field's name.",
    axis="BYTE ORDER MARK",
)
class MarkIsAField(OpenAIReader):
    def without_mark(self, text: str) -> str:
        if text.startswith("\ufeff"):
            raise Broken("protocol", "The service sent a line that is no field.")
        return text


@mutant(
    kills={"SK-FRAME-007"},
    why="The raw bytes are read, whatever the header says of their encoding.",
    axis="CONTENT ENCODING",
)
class NeverUnpacks(OpenAIReader):
    def unpack(self, data: bytes) -> bytes:
        return data


@mutant(
    kills={"SK-FRAME-007"},
    why="Each read is unpacked for itself.",
    axis="CONTENT ENCODING",
)
class UnpacksPerRead(OllamaReader):
    def unpack(self, data: bytes) -> bytes:
        if self.unpacker is not None:
            self.unpacker = self.unpacker.copy() if not data else self.unpacker
            if data and not data.startswith((b"\x1f\x8b", b"\x78")):
                raise Broken("protocol", "The answer cannot be unpacked.")
        return super().unpack(data)


# Characters.


@mutant(
    kills={"SK-UNI-002"},
    why="`str.splitlines` ends lines at ten more characters, as httpx's `iter_lines` does.",
    axis="CHARACTERS",
)
class SplitLines(OpenAIReader):
    def line(self, line: bytes) -> None:
        for each in self.text_of(line).splitlines() or [""]:
            super().line(each.encode())


@mutant(
    kills={"SK-UNI-002"},
    why="`str.splitlines` on lines of JSON.",
    axis="CHARACTERS",
)
class SplitLinesOfJson(OllamaReader):
    def line(self, line: bytes) -> None:
        for each in self.text_of(line).splitlines():
            super().line(each.encode())


@mutant(
    kills={"SK-UNI-001", "SK-MID-003"},
    why="Each read is decoded for itself: half a character becomes U+FFFD.",
    axis="READ BOUNDARIES",
)
class DecodesPerRead(OpenAIReader):
    def feed(self, data: bytes) -> None:
        super().feed(data if self.unpacker else data.decode("utf-8", "replace").encode())


@mutant(
    kills={"SK-UNI-001", "SK-TRUNC-002"},
    why="Each read is decoded strictly: half a character is an error.",
    axis="READ BOUNDARIES",
)
class DecodesPerReadStrictly(OllamaReader):
    def feed(self, data: bytes) -> None:
        try:
            if self.unpacker is None:
                self.text_of(data)
        except Broken as error:
            self.fail(error)
        super().feed(b"" if self.is_over else data)


@mutant(
    kills={"SK-UNI-003", "SK-UNI-005"},
    why="A strict parser refuses half of a character, and with it the record.",
    axis="CHARACTERS",
)
class HalvesAreErrors(OpenAIReader):
    def parse(self, text: str) -> dict[str, Any]:
        record = super().parse(text)
        if re.search(r"[\ud800-\udfff]", json.dumps(record, ensure_ascii=False)):
            raise Broken("protocol", "The service sent a record that is no JSON.")
        return record


@mutant(
    kills={"SK-UNI-003"},
    why="Escaped pairs are undone one by one: each half is U+FFFD.",
    axis="ESCAPES",
)
class EscapesOneByOne(OllamaReader):
    def parse(self, text: str) -> dict[str, Any]:
        pair = r"\\u[dD][89abAB]..\\u[dD][c-fC-F].."
        return super().parse(re.sub(pair, "\ufffd\ufffd", text))


@mutant(
    kills={"SK-UNI-004"},
    why="Half a character is handed on as it is.",
    axis="CHARACTERS",
)
class HalvesComeOut(OpenAIReader):
    def whole_characters(self, text: str) -> str:
        return text

    def chunk(self, cls: Any, **fields: Any) -> Any:
        text = fields.get("content", "")
        made = super().chunk(cls, **fields | ({"content": "?"} if text else {}))
        return made.model_copy(update={"content": text}) if text else made


@mutant(
    kills={"SK-UNI-005"},
    why="The halves of a character that come in two deltas are replaced each for itself.",
    axis="CHARACTERS",
)
class HalvesStayApart(OpenAIReader):
    def whole_characters(self, text: str) -> str:
        return self.whole_text(text)


@mutant(
    kills={"SK-CONT-001"},
    why="Byte order marks are removed wherever they stand, as `utf-8-sig` tempts to.",
    axis="CHARACTERS",
)
class MarksRemoved(OpenAIReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content((text or "").replace("\ufeff", ""), refusal=refusal)


@mutant(
    kills={"SK-CONT-001"},
    why="Text is normalised to NFC.",
    axis="CHARACTERS",
)
class Normalised(OpenAIReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content(unicodedata.normalize("NFC", text or ""), refusal=refusal)


# Records of other servers.


@mutant(
    kills={"SK-FRAME-009"},
    why="Content is taken from the record that names the role on, and not before.",
    axis="ROLE",
)
class WaitsForTheRole(OpenAIReader):
    has_role = False

    def delta(self, delta: dict[str, Any]) -> None:
        self.has_role = self.has_role or "role" in delta
        if self.has_role:
            super().delta(delta)


@mutant(
    kills={"SK-FRAME-009"},
    why="A record with another id than the first is taken for another answer's.",
    axis="RECORD IDS",
)
class OneIdOnly(OpenAIReader):
    def record(self, record: dict[str, Any]) -> None:
        if not self.answer_id or record.get("id", self.answer_id) == self.answer_id:
            super().record(record)


@mutant(
    kills={"SK-FRAME-009"},
    why="The finish reason may come once; said again it is more of the answer after its end.",
    axis="FINISH RECORD",
)
class FinishOnce(OpenAIReader):
    def finish(self, word: str | None) -> None:
        self.check_open()
        super().finish(word)


@mutant(
    kills={"SK-FRAME-009"},
    why="The record with the finish reason is only looked at for that: its text is lost.",
    axis="FINISH RECORD",
)
class TextBesideFinishLost(OpenAIReader):
    def choice(self, choice: dict[str, Any]) -> None:
        if choice.get("finish_reason") and "message" not in choice:
            choice = {**choice, "delta": {}}
        super().choice(choice)


@mutant(
    kills={"SK-FRAME-009"},
    why="A delta without content is an error: `delta['content']`.",
    axis="RECORDS WITHOUT TEXT",
)
class NullContentBreaks(OpenAIReader):
    def choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta", {"content": ""} if "message" in choice else None)
        if delta is None or ("content" in delta and delta["content"] is None and len(delta) == 1):
            raise Broken("protocol", "The service sent a record without a delta.")
        super().choice(choice)


# The whole at once.


class _Buffered(PlainStream):
    """Takes reads as long as they come without a pause, and shows nothing before."""

    async def read(self) -> None:
        held: list[bytes | None] = []
        failure: Exception | None = None
        while held[-1:] != [None] and self.left() > 0:
            with anyio.move_on_after(min(0.3, self.left())) as scope:
                try:
                    held.append(await anext(self.reads, None))
                except Exception as error:
                    failure = error
                    break
            if scope.cancelled_caught:
                failure = self.too_late()
                break
        for each in held:
            self.heard(each)
        if failure is not None:
            raise failure


@mutant(
    kills={"SK-LIFE-005"},
    why="The body is taken to its end, or to the first pause, before the first word is shown.",
)
class Buffers(OpenAIClient):
    stream_type = _Buffered


@mutant(
    kills={"SK-LIFE-005"},
    why="The first reads are held back until there are four of them.",
)
class HoldsTheFirstReads(OpenAIReader):
    held: bytes = b""
    count = 0

    def feed(self, data: bytes) -> None:
        self.held += data
        self.count += 1
        if self.count > 3:
            self.release()

    def release(self) -> None:
        held, self.held = self.held, b""
        super().feed(held)

    def at_end(self) -> None:
        self.release()
        super().at_end()

    def broke(self, error: Broken) -> None:
        self.release()
        super().broke(error)
