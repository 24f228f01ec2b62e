"""The chunk schema, version 1.0: what a stream yields, the same for every provider.

A stream is one `StartChunk`, any number of others, and exactly one terminal chunk, `EndChunk` or
`ErrorChunk`. Every chunk has the same envelope. Nothing here acts; the assembler keeps the rules.

The schema grows only by addition: fields that this version does not know are kept and written out
again, and a type that it does not know parses as `UnknownChunk`. "Not told" is `None`, never 0.
"""

from typing import Annotated, Any, Final, Literal, Self, TypeAlias, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from streamkit.errors import SchemaError

__all__ = [
    "AnyChunk",
    "Attempt",
    "ContentChunk",
    "EndChunk",
    "ErrorChunk",
    "ErrorInfo",
    "FinishReason",
    "InvalidArguments",
    "NoticeChunk",
    "ReasoningChunk",
    "ResetChunk",
    "SCHEMA_VERSION",
    "StartChunk",
    "StreamChunk",
    "ToolCallChunk",
    "ToolResultChunk",
    "UnknownChunk",
    "Usage",
    "UsageChunk",
    "chunk_to_json",
    "parse_chunk",
]

SCHEMA_VERSION: Final = "1.0"

FinishReason: TypeAlias = Literal[
    "stop", "length", "tool_calls", "content_filter", "cancelled", "other"
]


class _Record(BaseModel):
    """A frozen value that keeps the fields it does not know. Compared by value, not hashable."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        # Pydantic gives frozen models a hash; ours hold dicts and lists, which have none.
        cls.__hash__ = None  # type: ignore[assignment]


class Usage(_Record):
    """Tokens that a request used, counted the same way whatever the service does.

    Attributes:
        input_tokens: All input tokens, those read from a cache included.
        output_tokens: All output tokens, those of reasoning included.
        reasoning_tokens: The part of the output that is reasoning.
        cache_read_tokens: The part of the input that was read from a cache.
        cache_write_tokens: The part of the input that was written to a cache.
        source: Who counted: the provider, or an estimate.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    source: Literal["provider", "estimated"] = "provider"


class Attempt(_Record):
    """One request that was made for a stream, and how it went.

    Attributes:
        outcome: `ok`, `cancelled`, or the kind of the error it ended in.
        status: The HTTP status, when there was one.
        request_id: The service's id of the request.
        duration_ms: Milliseconds from the request to its outcome.
    """

    provider: str
    model: str
    outcome: str
    status: int | None = None
    request_id: str | None = None
    duration_ms: int


class ErrorInfo(_Record):
    """What went wrong, redacted.

    Attributes:
        kind: An open set: `configuration`, `unsupported`, `authentication`, `permission`,
            `not_found`, `invalid_request`, `context_overflow`, `content_filter`,
            `tool_use_failed`, `rate_limit`, `quota`, `overloaded`, `provider`, `connection`,
            `timeout_connect`, `timeout_first_content`, `timeout_idle`, `timeout_total`,
            `truncated`, `protocol`, `empty_response`, `circuit_open`, `interrupted`, `shutdown`,
            `plugin`, `unknown`.
        message: Safe to show to a user; never empty, at most 500 characters.
        detail: For developers. `public()` removes it.
        retryable: Whether asking again may help.
        retry_after_s: Seconds that the service asked to wait.
        status: The HTTP status, when there was one.
        provider_code: The service's own word for the error.
        request_id: The service's id of the request.
        evidence: What the kind was decided on.
    """

    kind: str
    message: str
    detail: str | None = None
    retryable: bool
    retry_after_s: float | None = None
    status: int | None = None
    provider: str | None = None
    model: str | None = None
    provider_code: str | None = None
    request_id: str | None = None
    evidence: str | None = None

    def public(self) -> Self:
        """The same error without what is meant for developers only."""
        return self.model_copy(update={"detail": None, "evidence": None})


class StreamChunk(_Record):
    """The envelope that every chunk has.

    Attributes:
        type: Which chunk this is.
        stream_id: The stream's own id, the same on all of its chunks.
        index: 0, and one more for every chunk of any type; never restarted.
        part: Which part of the answer a delta belongs to; `None` on chunks that are no delta.
        elapsed_ms: Milliseconds since the first `next`, by a monotonic clock read once for each
            network read.
        metadata: More from the provider, under its name; never needed to render the answer.
    """

    type: str
    stream_id: str
    index: int
    part: int | None = None
    elapsed_ms: int = 0
    metadata: dict[str, Any] | None = None

    def same_as(self, other: "StreamChunk") -> bool:
        """Whether both say the same: compared is all but the stream's id and what a clock said.

        Left out are `stream_id` and `elapsed_ms`, and in a terminal chunk `ttfc_ms` and the
        attempts' `duration_ms`.
        """
        return type(self) is type(other) and self._said() == other._said()

    def _said(self) -> dict[str, Any]:
        said = self.model_dump(exclude={"stream_id", "elapsed_ms", "ttfc_ms"})
        for attempt in said.get("attempts", ()):
            attempt.pop("duration_ms", None)
        return said


class StartChunk(StreamChunk):
    """The first chunk, exactly once, before anything is sent.

    Attributes:
        request_id: The caller's own id for the request, as it was given.
    """

    type: Literal["start"] = "start"
    schema_version: str = SCHEMA_VERSION
    provider: str
    model: str
    request_id: str | None = None
    conversation_id: str | None = None


class ContentChunk(StreamChunk):
    """A piece of the answer, never empty; all of them joined in order are the answer.

    Attributes:
        refusal: The model declines to answer: text to show, flagged.
    """

    type: Literal["content"] = "content"
    content: str
    refusal: bool = False


class ReasoningChunk(StreamChunk):
    """A piece of what the model marks as its thinking.

    Attributes:
        content: Empty only when redacted, or when the metadata carries a signature.
        redacted: The service withholds the text.
    """

    type: Literal["reasoning"] = "reasoning"
    content: str
    redacted: bool = False


class InvalidArguments(_Record):
    """Arguments that do not parse as a JSON object.

    Attributes:
        text: The text as it came.
        reason: Why it does not parse.
    """

    text: str
    reason: str


class ToolCallChunk(StreamChunk):
    """A piece of one tool call; several calls may be open at once.

    Attributes:
        call_id: The call's id: unique in the stream, the same on every one of its chunks.
        arguments_delta: The next characters of the arguments; empty on the chunk that is `done`.
        done: The call is whole: one of `arguments`, `input` and `invalid` is set.
        arguments: The parsed arguments, an object.
        input: The text given to a free-text tool.
        invalid: The arguments do not parse: the raw text, and why.
        executed_by: Who runs the tool: the caller, or the provider itself.
    """

    type: Literal["tool_call"] = "tool_call"
    call_id: str
    name: str
    arguments_delta: str = ""
    done: bool = False
    arguments: dict[str, Any] | None = None
    input: str | None = None
    invalid: InvalidArguments | None = None
    executed_by: Literal["caller", "provider"] = "caller"


class ToolResultChunk(StreamChunk):
    """What a tool gave back: sent by the chat workflow and by tools that the provider runs."""

    type: Literal["tool_result"] = "tool_result"
    call_id: str
    name: str
    output: Any
    is_error: bool = False
    executed_by: Literal["caller", "provider"] = "caller"


class UsageChunk(StreamChunk):
    """What the request used: a snapshot, at most one, right before the terminal chunk."""

    type: Literal["usage"] = "usage"
    usage: Usage


class NoticeChunk(StreamChunk):
    """Something happened that is no end, such as `retrying` or `setting_ignored`.

    Attributes:
        code: What happened, one word.
        message: The same as a sentence.
        attempt: The number of the attempt it speaks of, from 1.
        delay_s: Seconds that will pass before it.
    """

    type: Literal["notice"] = "notice"
    code: str
    message: str
    attempt: int | None = None
    delay_s: float | None = None
    usage: Usage | None = None


class ResetChunk(StreamChunk):
    """Discard what came after `keep_through`: another attempt begins.

    Attributes:
        keep_through: The index of the last chunk that still counts.
    """

    type: Literal["reset"] = "reset"
    reason: str
    attempt: int
    provider: str
    model: str
    keep_through: int


class EndChunk(StreamChunk):
    """The answer is complete; nothing follows.

    Attributes:
        raw_finish_reason: The service's own word, untouched; `None` when it sent none.
        model: The model that answered, as the service names it.
        response_id: The service's id of the answer.
        usage: Equals the usage chunk.
        attempts: Every request that was made.
        ttfc_ms: Milliseconds from the first request to the first content.
    """

    type: Literal["end"] = "end"
    finish_reason: FinishReason
    raw_finish_reason: str | None = None
    model: str | None = None
    response_id: str | None = None
    usage: Usage | None = None
    attempts: tuple[Attempt, ...] = ()
    ttfc_ms: int | None = None


class ErrorChunk(StreamChunk):
    """The stream failed; nothing follows. What came before it is kept.

    Attributes:
        partial: Something of the answer had been shown.
    """

    type: Literal["error"] = "error"
    error: ErrorInfo
    partial: bool
    usage: Usage | None = None
    attempts: tuple[Attempt, ...] = ()
    ttfc_ms: int | None = None


class UnknownChunk(StreamChunk):
    """A chunk of a type that this version does not know; all of its fields are kept."""


AnyChunk: TypeAlias = Annotated[
    Union[  # noqa: UP007  # the discriminated union that the JSON Schema is made from
        StartChunk,
        ContentChunk,
        ReasoningChunk,
        ToolCallChunk,
        ToolResultChunk,
        UsageChunk,
        NoticeChunk,
        ResetChunk,
        EndChunk,
        ErrorChunk,
    ],
    Field(discriminator="type"),
]

_TYPES: Final[dict[str, type[StreamChunk]]] = {
    cls.model_fields["type"].default: cls
    for cls in (
        StartChunk,
        ContentChunk,
        ReasoningChunk,
        ToolCallChunk,
        ToolResultChunk,
        UsageChunk,
        NoticeChunk,
        ResetChunk,
        EndChunk,
        ErrorChunk,
    )
}


def parse_chunk(data: str | bytes | dict[str, Any]) -> StreamChunk:
    """Reads one chunk from JSON text or from its parsed form.

    A type that this version does not know gives an `UnknownChunk` with all of its fields.

    Raises:
        SchemaError: The data is not JSON, or not a chunk.
    """
    try:
        fields = data if isinstance(data, dict) else from_json(data)
    except ValueError as error:
        raise SchemaError(f"A chunk must be a JSON object: {error}.") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise SchemaError("A chunk must be an object with a `type`.")
    try:
        return _TYPES.get(fields["type"], UnknownChunk).model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SchemaError(f"Not a `{fields['type']}` chunk: {problems}.") from None


def chunk_to_json(chunk: StreamChunk) -> str:
    """Writes one chunk as one line of JSON.

    U+0085, U+2028 and U+2029 are escaped: JSON allows them raw, and readers that split text at
    every Unicode line end would cut the line there.
    """
    text = chunk.model_dump_json()
    if text.isascii():
        return text
    for line_end in ("\x85", "\u2028", "\u2029"):
        text = text.replace(line_end, f"\\u{ord(line_end):04x}")
    return text
