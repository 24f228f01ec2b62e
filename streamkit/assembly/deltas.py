"""What one frame adds to an answer, as a provider hands it to `emit`.

Deltas are plain and cheap: a stream makes one for every frame. They carry what the service said in
the schema's words and no more; order, indexes, parts and proof are the assembler's.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from streamkit.chunks import Usage


@dataclass(slots=True)
class ContentDelta:
    """The next characters of the answer, or of a refusal."""

    text: str
    refusal: bool = False
    metadata: dict[str, Any] | None = None


@dataclass(slots=True)
class ReasoningDelta:
    """The next characters of the reasoning; empty only when redacted or with metadata."""

    text: str
    redacted: bool = False
    metadata: dict[str, Any] | None = None


@dataclass(slots=True)
class ToolCallDelta:
    """A further piece of one tool call.

    Several calls may be open at once and their pieces may alternate, so every piece says which call
    it belongs to.

    Attributes:
        key: Which call of this answer: whatever the wire tells them apart by, such as an index.
        call_id: The id that a result must quote; may come late or never.
        name: The tool's name; may come once, on the first piece.
        arguments: The next characters of the arguments' JSON text, possibly none.
        free_text: The arguments are free text for the tool, not JSON.
        done: Nothing more of this call will come.
        executed_by: Who runs the tool.
    """

    key: object
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""
    free_text: bool = False
    done: bool = False
    executed_by: Literal["caller", "provider"] = "caller"
    metadata: dict[str, Any] | None = None


@dataclass(slots=True)
class ToolResultDelta:
    """What a tool that the provider ran gave back."""

    call_id: str
    name: str
    output: Any
    is_error: bool = False


@dataclass(slots=True)
class UsageDelta:
    """A snapshot of the token counts; the last one wins, nothing is summed."""

    usage: Usage
    wire: dict[str, Any] | None = None


@dataclass(slots=True)
class MetadataDelta:
    """Facts about the whole answer: they ride on the `end` chunk, or on the error."""

    values: dict[str, Any]


@dataclass(slots=True)
class IdentityDelta:
    """The service's own id of the answer and name of the model; the first of each counts."""

    response_id: str | None = None
    model: str | None = None


@dataclass(slots=True)
class NoticeDelta:
    """Something that the caller should know and that is no failure, such as an ignored setting."""

    code: str
    message: str


@dataclass(slots=True)
class FinishDelta:
    """The service says why the answer ended: evidence that it is complete.

    Usage, metadata and a repeated finish may follow; more of the answer may not.
    """

    reason: str
    raw: str | None = None


@dataclass(slots=True)
class TerminatorDelta:
    """The wire's own end marker, such as `[DONE]`: nothing of the answer follows it.

    Attributes:
        evidence: Whether the marker alone, without a finish reason, proves completion.
    """

    evidence: bool = True


#: A text alone is the next characters of the answer: most deltas are nothing else, and the
#: cheapest form is worth having.
Delta: TypeAlias = (
    str
    | ContentDelta
    | ReasoningDelta
    | ToolCallDelta
    | ToolResultDelta
    | UsageDelta
    | MetadataDelta
    | IdentityDelta
    | NoticeDelta
    | FinishDelta
    | TerminatorDelta
)
