"""What was seen of one stream: the only thing that rules look at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from streamkit.chunks import (
    ContentChunk,
    EndChunk,
    ErrorChunk,
    ReasoningChunk,
    StreamChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from streamkit.plugin import Capabilities
from streamkit_conformance.case import Backend, Case
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.wire import Wire

__all__ = ["CallSeen", "Seen", "SentRequest", "Trace"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One chunk, and how many reads had been served when it came out."""

    chunk: StreamChunk
    reads: int


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request as it reached the service; names of headers in lower case."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON values; `None` where it is none."""
        try:
            return from_json(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class CallSeen:
    """One tool call, put together from its chunks."""

    id: str
    name: str
    text: str
    is_done: bool
    chunks: tuple[ToolCallChunk, ...]


@dataclass
class Trace:
    """One stream as it was seen.

    Attributes:
        case: What was played.
        backend: On what.
        dialect: In what the answer was written.
        claims: What the subject says it can.
        wire: The answer as it was delivered.
        seen: The chunks in order.
        raised: What came out of the stream instead of a chunk, or out of its closing.
        refused: What was raised before there was a stream.
        requests: The requests that reached the service.
        served: How many reads were served.
        opened: How many answers were opened.
        closed: How many of them were closed when the subject had let go of the stream.
        is_disconnected: On loopback: the service saw the connection end in time.
        is_cancelled: The reading task was cancelled, and the cancellation came out.
        logs: Log records, formatted, where the case captures them.
        warnings: Warnings, such as of generators that nobody closed.
        reprs: `repr()` and `str()` of what the subject showed, where the case captures them.
        escapes: Addresses besides loopback that were to be reached, whoever hid the error.
        leaks: Tasks, threads and sockets that were left, in words.
        blocked_s: The longest time in seconds that the event loop did not run.
        is_hung: The kit gave up waiting for the subject.
        unsupported: Why the consumer could not do what the case asks, such as that the subject's
            stream has no `stop()`.
        others: The traces of the case's `then`, in order.
    """

    case: Case
    backend: Backend
    dialect: Dialect
    claims: Capabilities
    wire: Wire
    seen: list[Seen] = field(default_factory=list)
    raised: BaseException | None = None
    refused: BaseException | None = None
    requests: list[SentRequest] = field(default_factory=list)
    served: int = 0
    opened: int = 0
    closed: int = 0
    is_disconnected: bool | None = None
    is_cancelled: bool = False
    logs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reprs: list[str] = field(default_factory=list)
    escapes: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    blocked_s: float = 0.0
    is_hung: bool = False
    unsupported: str = ""
    others: "list[Trace]" = field(default_factory=list)

    @property
    def chunks(self) -> list[StreamChunk]:
        """The chunks alone."""
        return [each.chunk for each in self.seen]

    @property
    def terminals(self) -> list[StreamChunk]:
        """The chunks that end a stream; a right one has exactly one."""
        return [each for each in self.chunks if isinstance(each, EndChunk | ErrorChunk)]

    @property
    def end(self) -> EndChunk | None:
        """The end, where the stream ended well."""
        return next((each for each in self.chunks if isinstance(each, EndChunk)), None)

    @property
    def error(self) -> ErrorChunk | None:
        """The error, where it ended in one."""
        return next((each for each in self.chunks if isinstance(each, ErrorChunk)), None)

    @property
    def text(self) -> str:
        """The answer, joined."""
        return "".join(each.content for each in self.contents if not each.refusal)

    @property
    def refusal(self) -> str:
        """The refusal, joined."""
        return "".join(each.content for each in self.contents if each.refusal)

    @property
    def contents(self) -> list[ContentChunk]:
        """The content chunks, refusals included."""
        return [each for each in self.chunks if isinstance(each, ContentChunk)]

    @property
    def reasoning(self) -> str:
        """The reasoning, joined."""
        chunks = (each for each in self.chunks if isinstance(each, ReasoningChunk))
        return "".join(each.content for each in chunks)

    @property
    def runs(self) -> list[tuple[str, str]]:
        """Text, refusal and reasoning in order: neighbours of one kind joined."""
        runs: list[tuple[str, str]] = []
        for chunk in self.chunks:
            if isinstance(chunk, ContentChunk):
                kind = "refusal" if chunk.refusal else "text"
            elif isinstance(chunk, ReasoningChunk):
                kind = "reasoning"
            else:
                continue
            if runs and runs[-1][0] == kind:
                runs[-1] = (kind, runs[-1][1] + chunk.content)
            elif chunk.content:
                runs.append((kind, chunk.content))
        return runs

    @property
    def calls(self) -> list[CallSeen]:
        """The tool calls in the order in which they began."""
        by_id: dict[str, list[ToolCallChunk]] = {}
        for chunk in self.chunks:
            if isinstance(chunk, ToolCallChunk):
                by_id.setdefault(chunk.call_id, []).append(chunk)
        return [
            CallSeen(
                id=call_id,
                name=chunks[0].name,
                text="".join(each.arguments_delta for each in chunks),
                is_done=any(each.done for each in chunks),
                chunks=tuple(chunks),
            )
            for call_id, chunks in by_id.items()
        ]

    @property
    def usage(self) -> Usage | None:
        """The last usage that was told."""
        told = [each.usage for each in self.chunks if isinstance(each, UsageChunk)]
        return told[-1] if told else None

    def everything(self) -> "Sequence[Trace]":
        """This trace and those of the case's `then`."""
        return [self, *self.others]
