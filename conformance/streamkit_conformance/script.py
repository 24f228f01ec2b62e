"""What the model said: a script, from which the wire and the expectation are both made.

The expectation never comes from a parser, so a fault of the parser under test cannot hide in it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias, get_args

__all__ = [
    "ErrorRecord",
    "Event",
    "Fault",
    "FaultKind",
    "Finish",
    "Reasoning",
    "Script",
    "Text",
    "Tokens",
    "ToolArguments",
    "ToolCall",
    "ToolStart",
]


@dataclass(frozen=True, slots=True)
class Text:
    """The next characters of the answer, in one record.

    Attributes:
        refusal: The model declines to answer with these words.
    """

    text: str
    refusal: bool = False


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The next characters of the reasoning, in one record."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStart:
    """A tool call begins.

    Attributes:
        key: Which call of the answer, from 0.
        id: The id that the service gives it; `None` where it sends none.
    """

    key: int
    id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """The next characters of the arguments of the call `key`."""

    key: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A whole tool call in one record: what dialects without fragments are given.

    Scripts hold `ToolStart` and `ToolArguments`; the kit joins them for a dialect with the loss
    `tool_fragments`.
    """

    key: int
    id: str | None
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the service says the answer used."""

    input: int
    output: int
    reasoning: int | None = None
    cache_read: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the answer ended.

    Attributes:
        reason: In the schema's word: `stop`, `length`, `tool_calls`, `content_filter` or `other`.
        raw: The service's own word where the dialect's table has none for it.
    """

    reason: str = "stop"
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """The service reports a failure in a record of the stream; made of a fault, never scripted."""

    message: str
    code: str | None = None


Event: TypeAlias = (
    Text | Reasoning | ToolStart | ToolArguments | ToolCall | Tokens | Finish | ErrorRecord
)

FaultKind: TypeAlias = Literal[
    # Before the answer.
    "connect",  # no connection
    "dns",  # no such host
    "tls",  # a certificate that does not fit
    "status",  # an HTTP status of 300 or above
    "stall_head",  # silence instead of a status
    # Instead of the answer, with status 200.
    "empty_body",
    "json_error",  # an error document where a stream was promised
    "html_body",
    # In the midst of the answer.
    "error_record",
    "malformed_record",
    "invalid_utf8",
    "end",  # a clean end of the body
    "end_inside",  # a clean end inside the next record
    "read_error",
    "protocol_error",
    "reset",
    "stall",
]
FAULT_KINDS: Final[tuple[str, ...]] = get_args(FaultKind)

#: What is broken off before any record: the service answers with a status, or not at all.
BEFORE_THE_ANSWER: Final = frozenset({"connect", "dns", "tls", "status", "stall_head"})
#: What stands in the answer's place.
INSTEAD_OF_THE_ANSWER: Final = frozenset({"empty_body", "json_error", "html_body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: What.
        after: How many of the script's events are sent before it.
        message: The service's words for it, where it has any.
        code: The service's code for it.
        status: The HTTP status of `status`.
        headers: More headers of the answer with that status.
        body: That answer's body: the dialect's own, or `html`, `empty`, `huge`, `text`.
    """

    kind: FaultKind
    after: int = 0
    message: str = "The model is out of breath."
    code: str | None = None
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Literal["own", "html", "empty", "huge", "text"] = "own"


@dataclass(frozen=True, slots=True)
class Script:
    """One answer: its events in order, and at most one fault.

    Events behind the fault's place are not sent.
    """

    events: tuple[Event, ...]
    fault: Fault | None = None

    @property
    def sent(self) -> tuple[Event, ...]:
        """The events that reach the wire whole."""
        if self.fault is None:
            return self.events
        if self.fault.kind in BEFORE_THE_ANSWER | INSTEAD_OF_THE_ANSWER:
            return ()
        return self.events[: self.fault.after]

    @property
    def unsent_calls(self) -> frozenset[int]:
        """The keys of the calls that are not sent where calls come whole.

        Those that lack a piece, and those that began after one of them.
        """
        unsent = self.events[len(self.sent) :]
        lacking = {each.key for each in unsent if isinstance(each, ToolStart | ToolArguments)}
        started = [each.key for each in self.events if isinstance(each, ToolStart)]
        first = next((n for n, key in enumerate(started) if key in lacking), len(started))
        return frozenset(started[first:])

    def with_fault(self, kind: FaultKind, **fields: Any) -> "Script":
        """The same answer with one thing going wrong."""
        return replace(self, fault=Fault(kind=kind, **fields))

    def to_json(self) -> dict[str, Any]:
        """The script as JSON values; `from_json` reads it back."""
        events = [{"event": type(event).__name__, **asdict(event)} for event in self.events]
        return {"events": events, "fault": None if self.fault is None else asdict(self.fault)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Script":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: It is no script.
        """
        try:
            events = [
                _EVENTS[each["event"]](**{k: v for k, v in each.items() if k != "event"})
                for each in data["events"]
            ]
            fault = data.get("fault")
            return cls(tuple(events), None if fault is None else Fault(**fault))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no script: {error}") from error


_EVENTS: Final[dict[str, Any]] = {each.__name__: each for each in get_args(Event)}
