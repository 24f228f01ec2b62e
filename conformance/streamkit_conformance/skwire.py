r"""Recordings: what one answer was on the wire, read by read, in a file that is a test.

A `.skwire` file is JSON lines: a header, one line for each read, how the body ended, and what is
known of what must come out:

    {"skwire": 1, "dialect": "openai-sse", "status": 200, "headers": [["content-type", "…"]]}
    {"utf8": "data: {\"choices\": …}\n"}
    {"b64": "8J+Y"}
    {"ending": "end"}
    {"expect": [{"type": "content", "content": "Hi"}, …]}

A body that broke off has `{"fault": …}` instead of its ending; a generated one has `{"script": …}`,
from which the kit knows what must come out. Files may be edited by hand and kept with the tests.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamkit.chunks import chunk_to_json
from streamkit.words import nearest
from streamkit_conformance.case import READ_ALL, Consumer
from streamkit_conformance.script import Script
from streamkit_conformance.trace import Trace
from streamkit_conformance.wire import Ending, Wire

__all__ = [
    "Recording",
    "SUFFIX",
    "SkwireError",
    "VERSION",
    "dump",
    "dumps",
    "load",
    "loads",
    "of_trace",
]

#: The version of the format that this kit writes, and the newest that it reads.
VERSION: Final = 1
SUFFIX: Final = ".skwire"

#: Why there may be no answer at all.
_BEFORE: Final = ("connect", "dns", "tls", "stall_head")
_FAULTS: Final = (*(each for each in get_args(Ending) if each != "end"), *_BEFORE)
_KEYS: Final = ("utf8", "b64", "ending", "fault", "script", "expect")


class SkwireError(ValueError):
    """A file is no recording; the message names the file and the line."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One answer as it was on the wire.

    Attributes:
        dialect: The name of the dialect that it is written in.
        wire: The answer, with the reads as they came.
        rule: The rule that it was made for.
        case: The case that it was made from.
        backend: On what it was played.
        target: Whose answer it is, or who failed on it.
        consumer: Who read it.
        is_stream: A stream was asked for.
        script: What it says, where that is known.
        expect: The chunks that must come out, where they are known.
    """

    dialect: str
    wire: Wire
    rule: str = ""
    case: str = ""
    backend: str = ""
    target: str = ""
    consumer: Consumer = READ_ALL
    is_stream: bool = True
    script: Script | None = None
    expect: tuple[Mapping[str, Any], ...] | None = None


class _Header(BaseModel):
    """The first line of a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    skwire: int
    dialect: str
    rule: str = ""
    case: str = ""
    backend: str = ""
    target: str = ""
    status: int
    headers: list[list[str]] = Field(default_factory=list)
    consumer: Literal["read_all", "break", "raise", "cancel", "stop", "close_elsewhere"] = (
        "read_all"
    )
    after: int = 1
    stream: bool = True


def of_trace(trace: Trace, *, rule: str = "", target: str = "") -> Recording:
    """What replays a trace: its answer, and the script that says what must come of it."""
    return Recording(
        dialect=trace.dialect.name,
        wire=trace.wire,
        rule=rule,
        case=trace.case.name,
        backend=trace.backend,
        target=target,
        consumer=trace.case.consumer,
        is_stream=trace.case.ask.stream,
        script=trace.case.script,
    )


def dump(recording: Recording, path: Path) -> None:
    """Writes a recording to a file."""
    path.write_bytes(dumps(recording).encode())


def dumps(recording: Recording) -> str:
    """The text of a recording's file, whatever its bytes are."""
    wire = recording.wire
    lines: list[dict[str, Any]] = [_header_of(recording), *map(_line_of, wire.reads)]
    fault = wire.before or ("" if wire.ending == "end" else wire.ending)
    lines.append({"fault": fault} if fault else {"ending": "end"})
    if recording.script is not None:
        lines.append({"script": recording.script.to_json()})
    if recording.expect is not None:
        lines.append({"expect": list(recording.expect)})
    return "".join(f"{_json(line)}\n" for line in lines)


def load(path: Path) -> Recording:
    """Reads a recording's file.

    Raises:
        SkwireError: It is none, or cannot be read.
    """
    try:
        return loads(path.read_bytes().decode(), name=str(path))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SkwireError(f"{path}, line {line}: it is no UTF-8") from error
    except OSError as error:
        raise SkwireError(f"{path} cannot be read: {error.strerror}") from error


def loads(text: str, *, name: str = "recording") -> Recording:
    """Reads a recording's text.

    Args:
        text: What stands in the file.
        name: What messages call it.

    Raises:
        SkwireError: It is none.
    """
    reader = _Reader(name)
    # Only LF ends a line here: `splitlines` would also split at the characters under test.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        reader.take(number, line)
    return reader.recording()


@dataclass
class _Reader:
    """Takes a file line by line."""

    name: str
    header: _Header | None = None
    reads: list[bytes] = field(default_factory=list)
    ending: str | None = None
    script: Script | None = None
    expect: tuple[Mapping[str, Any], ...] | None = None

    def take(self, number: int, line: str) -> None:
        try:
            self._take(line)
        except SkwireError as error:
            raise SkwireError(f"{self.name}, line {number}: {error}") from error.__cause__

    def recording(self) -> Recording:
        header = self.header
        if header is None or self.ending is None:
            raise SkwireError(f"{self.name}: it does not say how the body ends; is it cut off?")
        is_before = self.ending in _BEFORE
        if is_before and (header.status or self.reads):
            raise SkwireError(f"{self.name}: an answer that broke off at `{self.ending}` has none")
        if not is_before and not 100 <= header.status <= 999:
            raise SkwireError(f"{self.name}, line 1: status: {header.status} is no HTTP status")
        pairs = tuple((each[0].lower(), each[1]) for each in header.headers)
        ending: Any = "end" if is_before else self.ending
        before = self.ending if is_before else ""
        return Recording(
            dialect=header.dialect,
            wire=Wire(header.status, pairs, tuple(self.reads), ending, before),
            rule=header.rule,
            case=header.case,
            backend=header.backend,
            target=header.target,
            consumer=Consumer(header.consumer, header.after),
            is_stream=header.stream,
            script=self.script,
            expect=self.expect,
        )

    def _take(self, line: str) -> None:
        try:
            given = json.loads(line)
        except ValueError as error:
            raise SkwireError(f"it is no JSON: {error}") from error
        if not isinstance(given, dict):
            raise SkwireError("it is no JSON object")
        if self.header is None:
            self.header = _header(given)
            return
        if len(given) != 1:
            raise SkwireError("it must have exactly one key")
        ((key, value),) = given.items()
        if key not in _KEYS:
            near = nearest(str(key), _KEYS)
            meant = f"; perhaps `{near[0]}` is meant" if near else f": {', '.join(_KEYS)}"
            raise SkwireError(f"there is no `{key}`{meant}")
        self._take_value(key, value)

    def _take_value(self, key: str, value: Any) -> None:
        match key:
            case "utf8" | "b64":
                if self.ending is not None:
                    raise SkwireError("a read behind the end of the body")
                self.reads.append(_read_of(key, value))
            case "ending" | "fault":
                words = ("end",) if key == "ending" else _FAULTS
                if self.ending is not None:
                    raise SkwireError("the body ends twice")
                if value not in words:
                    raise SkwireError(f"{value!r} is no {key}: {', '.join(words)}")
                self.ending = value
            case "script":
                try:
                    self.script = Script.from_json(value)
                except (ValueError, TypeError, AttributeError) as error:
                    raise SkwireError(str(error)) from error
            case "expect":
                is_list = isinstance(value, list) and all(isinstance(each, dict) for each in value)
                if not is_list:
                    raise SkwireError("`expect` is no list of chunks")
                self.expect = tuple(value)


def _header_of(recording: Recording) -> dict[str, Any]:
    said = {
        "rule": recording.rule,
        "case": recording.case,
        "backend": recording.backend,
        "target": recording.target,
    }
    header: dict[str, Any] = {
        "skwire": VERSION,
        "dialect": recording.dialect,
        **{name: text for name, text in said.items() if text},
        "status": recording.wire.status,
        "headers": [list(each) for each in recording.wire.headers],
    }
    if recording.consumer != READ_ALL:
        header |= {"consumer": recording.consumer.kind, "after": recording.consumer.after}
    if not recording.is_stream:
        header["stream"] = False
    return header


def _header(given: dict[str, Any]) -> _Header:
    version = given.get("skwire")
    if not isinstance(version, int):
        raise SkwireError('it is no header: it has no "skwire" with the version of the format')
    if not 1 <= version <= VERSION:
        raise SkwireError(f"the format's version is {version}; this kit reads 1 to {VERSION}")
    try:
        header = _Header.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise SkwireError(f"{place}: {first['msg']}") from error
    if any(len(each) != 2 for each in header.headers):
        raise SkwireError("headers: each is a name and a value")
    return header


def _line_of(read: bytes) -> dict[str, str]:
    try:
        return {"utf8": read.decode()}
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(read).decode()}


def _read_of(key: str, value: Any) -> bytes:
    if not isinstance(value, str):
        raise SkwireError(f"`{key}` is no text")
    try:
        return value.encode() if key == "utf8" else base64.b64decode(value, validate=True)
    except UnicodeEncodeError as error:
        raise SkwireError("`utf8` holds half a character, which has no bytes") from error
    except binascii.Error as error:
        raise SkwireError(f"`b64` is no base64: {error}") from error


def _json(value: Any) -> str:
    """JSON in one line, for people: what would not be seen, or ends lines elsewhere, is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def chunks_as_json(trace: Trace) -> tuple[Mapping[str, Any], ...]:
    """The chunks of a trace as a file's `expect` has them."""
    return tuple(json.loads(chunk_to_json(each)) for each in trace.chunks)
