"""Chunks in, a response out: everything that a stream has said so far."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from streamkit.chunks import (
    ContentChunk,
    EndChunk,
    ErrorChunk,
    ErrorInfo,
    FinishReason,
    ReasoningChunk,
    ResetChunk,
    StartChunk,
    StreamChunk,
    ToolCallChunk,
    ToolResultChunk,
    Usage,
    UsageChunk,
)
from streamkit.messages import Message, Part, ReasoningPart, TextPart, ToolCall, ToolResult

ResponseState: TypeAlias = Literal["incomplete", "complete", "stopped", "failed", "abandoned"]


class Response(BaseModel):
    """What a stream has said: whole when `state` is `complete`, else as far as it came.

    `message()` puts it into history without loss.

    Attributes:
        parts: Texts, reasoning, tool calls and tool results in the order in which they began.
        state: `incomplete` while the stream runs; then `complete`, `stopped` (by its caller's
            `stop()`), `failed`, or `abandoned` (closed or cancelled before its end).
        error: Why it failed.
    """

    model_config = ConfigDict(frozen=True)

    parts: tuple[Part, ...] = ()
    state: ResponseState = "incomplete"
    provider: str | None = None
    model: str | None = None
    response_id: str | None = None
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    usage: Usage | None = None
    error: ErrorInfo | None = None
    metadata: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The answer, without refusals."""
        texts = (part for part in self.parts if isinstance(part, TextPart))
        return "".join(part.text for part in texts if not part.refusal)

    @property
    def refusal(self) -> str | None:
        """The words with which the model declined, or `None`."""
        texts = (part for part in self.parts if isinstance(part, TextPart))
        return "".join(part.text for part in texts if part.refusal) or None

    @property
    def reasoning(self) -> str:
        """The reasoning, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, ReasoningPart))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that are whole."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    def message(self) -> Message:
        """The response as a message of the history, with all that services demand back.

        Raises:
            ValueError: Nothing was said.
        """
        return Message(role="assistant", parts=self.parts, metadata=self.metadata)


@dataclass(slots=True)
class _OpenPart:
    """A part while it grows: its text as bytes, so that memory grows by the text only."""

    first: ContentChunk | ReasoningChunk | ToolCallChunk | ToolResultChunk
    last: StreamChunk
    text: bytearray = field(default_factory=bytearray)
    metadata: dict[str, Any] | None = None


class ResponseBuilder:
    """Joins chunks; what it holds grows by the text only."""

    def __init__(self) -> None:
        self._parts: dict[int | None, _OpenPart] = {}
        self._last: _OpenPart | None = None
        self._last_number: int | None = None
        self._start: StartChunk | None = None
        self._usage: Usage | None = None
        self._terminal: EndChunk | ErrorChunk | None = None

    def extend(self, chunks: Iterable[StreamChunk]) -> None:
        """Adds chunks in the order in which the stream gave them."""
        for chunk in chunks:
            if type(chunk) is ContentChunk:
                part = self._last
                if part is None or chunk.part != self._last_number:
                    part = self._part(chunk)
                part.text += chunk.content.encode()
                if chunk.metadata is not None:
                    part.metadata = _merged(part.metadata, chunk.metadata)
            else:
                self._add(chunk)

    @property
    def terminal(self) -> EndChunk | ErrorChunk | None:
        """The stream's last chunk, once it came."""
        return self._terminal

    def response(self, *, is_closed: bool = False) -> Response:
        """What has been said so far."""
        end = self._terminal if isinstance(self._terminal, EndChunk) else None
        error = self._terminal if isinstance(self._terminal, ErrorChunk) else None
        start = self._start
        model = (end.model if end is not None else None) or (start.model if start else None)
        return Response(
            parts=tuple(made for part in self._parts.values() for made in _finished(part)),
            state=self._state(is_closed),
            provider=start.provider if start else None,
            model=model,
            response_id=end.response_id if end else None,
            finish_reason=end.finish_reason if end else None,
            raw_finish_reason=end.raw_finish_reason if end else None,
            usage=self._usage,
            error=error.error if error else None,
            metadata=self._terminal.metadata if self._terminal else None,
        )

    def _state(self, is_closed: bool) -> ResponseState:
        match self._terminal:
            case EndChunk(finish_reason="cancelled"):
                return "stopped"
            case EndChunk():
                return "complete"
            case ErrorChunk():
                return "failed"
            case _:  # none yet
                return "abandoned" if is_closed else "incomplete"

    def _part(
        self, chunk: ContentChunk | ReasoningChunk | ToolCallChunk | ToolResultChunk
    ) -> _OpenPart:
        part = self._parts.get(chunk.part)
        if part is None:
            part = self._parts[chunk.part] = _OpenPart(chunk, chunk)
        self._last, self._last_number = part, chunk.part
        return part

    def _add(self, chunk: StreamChunk) -> None:
        match chunk:
            case ReasoningChunk():
                self._extend_part(chunk, chunk.content)
            case ToolCallChunk():
                self._extend_part(chunk, chunk.arguments_delta)
            case ToolResultChunk():
                self._extend_part(chunk, "")
            case StartChunk():
                self._start = chunk
            case UsageChunk():
                self._usage = chunk.usage
            case EndChunk() | ErrorChunk():
                self._terminal = chunk
            case ResetChunk():
                self._discard_after(chunk.keep_through)

    def _extend_part(
        self, chunk: ReasoningChunk | ToolCallChunk | ToolResultChunk, text: str
    ) -> None:
        part = self._part(chunk)
        part.text += text.encode()
        part.last = chunk
        if chunk.metadata is not None:
            part.metadata = _merged(part.metadata, chunk.metadata)

    def _discard_after(self, index: int) -> None:
        kept = {number: part for number, part in self._parts.items() if part.first.index <= index}
        self._parts = kept
        self._last = self._last_number = None


def _merged(known: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Metadata of one part, joined: lists grow, dicts merge, else the last value wins."""
    merged = dict(known or {})
    for name, value in new.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            value = [*old, *value]
        merged[name] = value
    return merged


def _finished(part: _OpenPart) -> Iterable[Part]:
    """The part as a message holds it; a tool call only once it is whole."""
    text = part.text.decode()
    first, last = part.first, part.last
    match first:
        case ContentChunk():
            yield TextPart(text=text, refusal=first.refusal, metadata=part.metadata)
        case ReasoningChunk():
            redacted = first.redacted or (isinstance(last, ReasoningChunk) and last.redacted)
            yield ReasoningPart(text=text, redacted=redacted, metadata=part.metadata)
        case ToolResultChunk():
            yield ToolResult(
                call_id=first.call_id,
                name=first.name,
                output=first.output,
                is_error=first.is_error,
                executed_by=first.executed_by,
            )
        case _:
            if isinstance(last, ToolCallChunk) and last.done:
                yield ToolCall(
                    call_id=last.call_id,
                    name=last.name,
                    arguments=last.arguments,
                    arguments_text="" if last.input is not None else text,
                    input=last.input,
                    invalid=last.invalid.reason if last.invalid else None,
                    executed_by=last.executed_by,
                    metadata=part.metadata,
                )
