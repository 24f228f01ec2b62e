"""A reader of its own, apart from streamkit's: bytes in, chunks out, one method for each decision.

It shares no code with streamkit but the classes of the chunks, so that a mistake in streamkit's own
reading cannot hide in the kit. It is made to be broken: a mutant is a subclass that takes one
decision another way.
"""

import json
import re
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final
from uuid import uuid4

from streamkit.chunks import (
    Attempt,
    ContentChunk,
    EndChunk,
    ErrorChunk,
    ErrorInfo,
    InvalidArguments,
    ReasoningChunk,
    StartChunk,
    StreamChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

__all__ = ["Broken", "Call", "PlainReader"]

RETRYABLE: Final = frozenset(
    {
        "connection",
        "overloaded",
        "provider",
        "rate_limit",
        "timeout_connect",
        "timeout_first_content",
        "timeout_idle",
        "truncated",
    }
)
STATUS_KINDS: Final[Mapping[int, str]] = {
    400: "invalid_request",
    401: "authentication",
    403: "permission",
    404: "not_found",
    408: "provider",
    429: "rate_limit",
    503: "overloaded",
    529: "overloaded",
}
CODE_KINDS: Final[Mapping[str, str]] = {
    "context_length_exceeded": "context_overflow",
    "insufficient_quota": "quota",
    "overloaded_error": "overloaded",
    "rate_limit_exceeded": "rate_limit",
    "server_is_overloaded": "overloaded",
}
LONGEST_MESSAGE: Final = 500


class Broken(Exception):
    """The answer cannot go on; becomes the stream's error chunk."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.request_id = request_id


@dataclass(eq=False)
class Call:
    """One tool call of the answer."""

    id: str | None = None
    wire_id: str | None = None
    name: str = ""
    text: str = ""
    unsent: str = ""
    part: int | None = None
    is_shown: bool = False
    is_done: bool = False


@dataclass(eq=False, kw_only=True)
class PlainReader:
    """Reads one answer; a dialect says how a line becomes what was said.

    Attributes:
        model: The model that was asked.
        secrets: What no chunk may show.
        names: What the caller calls the request and the conversation.
        refusal: Why nothing is asked at all.
        content_type: The type of a stream.
    """

    content_type: ClassVar[str] = ""

    model: str
    secrets: tuple[str, ...] = ()
    names: Mapping[str, str | None] = field(default_factory=dict)
    refusal: Broken | None = None
    is_over: bool = False
    is_finished: bool = False
    is_whole: bool = False
    has_spoken: bool = False
    raw_finish: str | None = None
    usage: Usage | None = None
    answer_id: str | None = None
    answer_model: str | None = None
    rest: bytes = b""
    index: int = 0
    next_part: int = 0
    part: int = -1
    run: object = None
    half: str = ""
    unpacker: Any = None
    status: int | None = None
    requests: int = 0

    def __post_init__(self) -> None:
        self.out: list[StreamChunk] = []
        self.calls: list[Call] = []
        self.call_ids: set[str] = set()
        self.stream_id = self.new_id("stream")
        self.began = time.monotonic()

    # What the client calls.

    def start(self) -> None:
        """The stream begins; nothing is sent yet."""
        self.emit(StartChunk, provider="plain", model=self.model, **self.names)

    def asked(self) -> None:
        """A request goes out."""
        self.requests += 1

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """The answer's head came, with a status below 300."""
        self.status = status
        if headers.get("content-encoding", "identity").lower() in {"gzip", "deflate"}:
            self.unpacker = zlib.decompressobj(wbits=47)
        self.check_type(headers.get("content-type", ""))

    def feed(self, data: bytes) -> None:
        """The next read."""
        try:
            data = self.unpack(data)
            if self.is_whole:
                self.rest += data
                return
            for line in self.lines(data):
                self.line(line)
                if self.is_over:
                    break
        except Broken as error:
            self.fail(error)

    def at_end(self) -> None:
        """The body ended."""
        try:
            if self.unpacker is not None and not self.unpacker.eof:
                raise self.truncated()
            self.last(self.rest)
        except Broken as error:
            self.fail(error)
        if not self.is_over:
            self.complete()

    def broke(self, error: Broken) -> None:
        """The network failed: what is proven to be whole is whole all the same."""
        if self.is_finished:
            self.complete()
        else:
            self.fail(error)

    def stop(self) -> None:
        """The caller wants no more."""
        if not self.is_over:
            self.finished("cancelled", None)

    def take(self) -> list[StreamChunk]:
        """The chunks that are ready."""
        out, self.out = self.out, []
        return out

    # From bytes to records.

    def check_type(self, content_type: str) -> None:
        """A stream was promised; what else comes is read as a whole or not at all."""
        if content_type.startswith("application/json"):
            self.is_whole = True
        elif content_type.startswith("text/html"):
            raise Broken("protocol", "The service answered with a page instead of a stream.")

    def unpack(self, data: bytes) -> bytes:
        """The bytes as they were before they were compressed."""
        if self.unpacker is None:
            return data
        try:
            unpacked: bytes = self.unpacker.decompress(data)
        except zlib.error as error:
            raise Broken("protocol", "The answer cannot be unpacked.") from error
        return unpacked

    def lines(self, data: bytes) -> Iterable[bytes]:
        """The lines that these bytes complete."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        return whole

    def text_of(self, line: bytes) -> str:
        """A line's text."""
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise Broken("protocol", "The service sent bytes that are no UTF-8.") from error

    def line(self, line: bytes) -> None:
        """One whole line."""
        raise NotImplementedError

    def last(self, rest: bytes) -> None:
        """What stood behind the last line end."""
        raise NotImplementedError

    def parse(self, text: str) -> dict[str, Any]:
        """The record in a text."""
        try:
            record = json.loads(text)
        except ValueError as error:
            raise Broken("protocol", "The service sent a record that is no JSON.") from error
        if not isinstance(record, dict):
            raise Broken("protocol", "The service sent a record that is no object.")
        return record

    def record(self, record: dict[str, Any]) -> None:
        """One record of the answer."""
        raise NotImplementedError

    # What was said.

    def content(self, text: Any, *, refusal: bool = False) -> None:
        """The next characters of the answer."""
        self.say("refusal" if refusal else "content", text or "")

    def reasoning(self, text: Any) -> None:
        """The next characters of the reasoning."""
        self.say("reasoning", text or "")

    def say(self, run: str, text: str) -> None:
        """The next characters of some kind."""
        if not text:
            return
        self.check_open()
        self.begin(run)
        text = self.whole_characters(text)
        if text:
            self.show(run, text)

    def show(self, run: str, text: str) -> None:
        """Makes the chunk of some characters."""
        self.has_spoken = True
        if run == "reasoning":
            self.emit(ReasoningChunk, part=self.part, content=text)
        else:
            self.emit(ContentChunk, part=self.part, content=text, refusal=run == "refusal")

    def piece(self, call: Call, text: str) -> None:
        """The next characters of a call's arguments."""
        self.check_open()
        self.begin(call)
        call.unsent += self.whole_characters(text)
        if call.name and (call.unsent or not call.is_shown):
            self.show_call(call)

    def show_call(self, call: Call) -> None:
        """Makes the chunk of what a call has got."""
        self.has_spoken = True
        call.id = call.id or self.call_id(call)
        self.emit(
            ToolCallChunk,
            part=call.part,
            call_id=call.id,
            name=call.name,
            arguments_delta=call.unsent,
        )
        call.text += call.unsent
        call.unsent, call.is_shown = "", True

    def call_id(self, call: Call) -> str:
        """The call's id: the service's own, or one that is made up."""
        chosen = call.wire_id
        if not chosen or chosen in self.call_ids:
            chosen = self.new_id("call")
        self.call_ids.add(chosen)
        return chosen

    def close_call(self, call: Call) -> None:
        """A call's arguments are whole."""
        if call.is_done:
            return
        if not call.is_shown:
            raise Broken("protocol", "The service sent a tool call without a name.")
        call.is_done = True
        try:
            arguments, reason = self.arguments(call.text), "they are no object"
        except ValueError as error:
            arguments, reason = None, str(error)
        invalid = None
        if not isinstance(arguments, dict):
            arguments, invalid = None, InvalidArguments(text=call.text, reason=reason)
        self.emit(
            ToolCallChunk,
            part=call.part,
            call_id=call.id,
            name=call.name,
            done=True,
            arguments=arguments,
            invalid=invalid,
        )

    def arguments(self, text: str) -> Any:
        """The arguments that a text holds."""
        return json.loads(text or "{}")

    def tell(self, **counts: Any) -> None:
        """What the service says the answer used; the last word counts."""
        told: dict[str, Any] = {name: count for name, count in counts.items() if type(count) is int}
        if told:
            self.usage = Usage(**told)

    def finish(self, word: str | None) -> None:
        """The service says why the answer ended: proof that it is whole."""
        self.flush()
        self.is_finished = True
        self.raw_finish = word

    def reason(self, word: str | None) -> str:
        """The schema's word for the service's."""
        known = {"stop", "length", "tool_calls", "content_filter"}
        reason = "stop" if word is None else word if word in known else "other"
        return "tool_calls" if reason in {"stop", "other"} and self.calls else reason

    # How it ends.

    def complete(self) -> None:
        """Nothing more comes."""
        if self.is_over:
            return
        if not self.is_finished:
            self.fail(self.truncated())
            return
        try:
            self.flush()
            for call in self.calls:
                self.close_call(call)
        except Broken as error:
            self.fail(error)
            return
        reason = self.reason(self.raw_finish)
        if not self.has_spoken and reason not in {"length", "content_filter"}:
            self.fail(Broken("empty_response", "The service's answer is empty."))
            return
        self.finished(reason, self.raw_finish)

    def finished(self, reason: str, raw: str | None) -> None:
        """Makes the end."""
        self.flush()
        self.show_usage()
        self.is_over = True
        self.emit(
            EndChunk,
            finish_reason=reason,
            raw_finish_reason=self.redact(raw),
            model=self.redact(self.answer_model),
            response_id=self.redact(self.answer_id),
            usage=self.usage,
            attempts=self.attempts("cancelled" if reason == "cancelled" else "ok"),
        )

    def fail(self, error: Broken) -> None:
        """Makes the error."""
        if self.is_over:
            return
        self.flush()
        self.show_usage()
        self.is_over = True
        info = ErrorInfo(
            kind=error.kind,
            message=self.message(error.message),
            retryable=error.kind in RETRYABLE,
            retry_after_s=error.retry_after_s,
            status=error.status,
            provider="plain",
            model=self.model,
            provider_code=self.redact(error.code),
            request_id=self.redact(error.request_id),
        )
        self.emit(
            ErrorChunk,
            error=info,
            partial=self.has_spoken,
            usage=self.usage,
            attempts=self.attempts(error.kind),
        )

    def attempts(self, outcome: str) -> tuple[Attempt, ...]:
        """The requests that were made."""
        made = Attempt(
            provider="plain",
            model=self.model,
            outcome=outcome,
            status=self.status,
            duration_ms=self.elapsed_ms(),
        )
        return (made,) * self.requests

    def show_usage(self) -> None:
        """The usage, right before the terminal chunk."""
        if self.usage is not None:
            self.emit(UsageChunk, usage=self.usage)

    def truncated(self) -> Broken:
        """The error of an answer that stopped too early."""
        return Broken("truncated", "The answer stopped before its end.")

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """The service answered with a status of 300 or above."""
        error = self.http_error(status, body)
        self.status = error.status = status
        error.retry_after_s = self.retry_after(headers)
        error.request_id = headers.get("x-request-id")
        self.fail(error)

    def http_error(self, status: int, body: bytes) -> Broken:
        """What a failed request means."""
        error = self.reported(body.decode("utf-8", "replace"))
        known = STATUS_KINDS.get(status)
        vague = "invalid_request" if 400 <= status < 500 else "provider"
        error.kind = CODE_KINDS.get(error.code or "", known or vague)
        if status in {401, 403, 404}:
            error.kind = STATUS_KINDS[status]
        error.message = error.message or f"The service answered with the status {status}."
        return error

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """The seconds that the service asks to wait."""
        given = headers.get("retry-after", "")
        if re.fullmatch(r"\d{1,9}(\.\d+)?", given):
            return float(given)
        try:
            return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
        except ValueError:
            return None

    def reported(self, given: Any) -> Broken:
        """The error in a record or a body of any kind."""
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError:
                is_page = given.lstrip().startswith("<")
                return Broken("provider", "" if is_page else given)
        if isinstance(given, dict):
            given = given.get("error") or given.get("message") or ""
        if isinstance(given, dict):
            code = given.get("code") or given.get("type")
            code = None if code is None else str(code)
            kind = CODE_KINDS.get(code or "", "provider")
            return Broken(kind, str(given.get("message") or ""), code=code)
        return Broken("provider", str(given))

    # Small decisions.

    def check_open(self) -> None:
        """Nothing of the answer may follow its finish reason."""
        if self.is_finished:
            raise Broken("protocol", "More of the answer came after its end.")

    def begin(self, run: object) -> None:
        """What follows belongs to this run."""
        if self.run is run or self.run == run:
            return
        self.flush()
        self.run = run
        if isinstance(run, Call) and run.part is not None:
            return
        self.part, self.next_part = self.next_part, self.next_part + 1
        if isinstance(run, Call):
            run.part = self.part

    def whole_characters(self, text: str) -> str:
        """The text without half a character at its end, which waits for its other half."""
        text, self.half = self.half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def flush(self) -> None:
        """The other half never came."""
        if not self.half:
            return
        self.half = ""
        if isinstance(self.run, Call):
            self.run.unsent += "\ufffd"
            self.show_call(self.run)
        else:
            self.show(str(self.run), "\ufffd")

    def redact(self, text: str | None) -> str | None:
        """The text without secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "[redacted]") if text else text
        return text

    def message(self, text: str) -> str:
        """A message as it may be shown."""
        text = " ".join((self.redact(text) or "").split())
        text = text or "The service does not say what went wrong."
        if len(text) > LONGEST_MESSAGE:
            text = text[: LONGEST_MESSAGE - 1] + "…"
        return self.whole_text(text)

    def whole_text(self, text: str) -> str:
        """The text without halves of characters."""
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def new_id(self, kind: str) -> str:
        """An id that no other thing has."""
        return f"{kind}-{uuid4().hex}"

    def emit(self, cls: type[StreamChunk], **fields: Any) -> None:
        """Makes the next chunk."""
        self.out.append(self.chunk(cls, **fields))
        self.index += 1

    def chunk(self, cls: type[StreamChunk], **fields: Any) -> StreamChunk:
        """A chunk with its envelope."""
        envelope: dict[str, Any] = {"stream_id": self.stream_id, "index": self.index}
        return cls(**envelope, elapsed_ms=self.elapsed_ms(), **fields)

    def elapsed_ms(self) -> int:
        """Milliseconds since the stream was asked for."""
        return int((time.monotonic() - self.began) * 1000)
