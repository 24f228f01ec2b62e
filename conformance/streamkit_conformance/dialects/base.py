"""What a dialect is: the way in which one service writes a script.

A dialect of your own says for each event what the service sends; line ends, cuts, faults and
expectations are the kit's:

    class Acme(Dialect):
        framing = NDJSON()
        losses = frozenset({"reasoning", "refusal", "tools", "usage", "whole"})
        finish = {"stop": "done", "length": "max_len"}

        def record(self, event):
            match event:
                case Text(text):
                    return {"delta": text}
                case Finish():
                    return {"end": self.finish_word(event)}
                case ErrorRecord(message):
                    return {"error": message}
"""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from streamkit_conformance.axes import PLAIN, Axis, Style
from streamkit_conformance.case import Ask
from streamkit_conformance.framing import SSE, Framing
from streamkit_conformance.script import (
    ErrorRecord,
    Event,
    Finish,
    Script,
    Tokens,
    ToolArguments,
    ToolCall,
    ToolStart,
)

__all__ = ["Dialect", "LOSSES", "Spoken", "joined_calls", "whole_calls"]

#: What a wire may be unable to say. A dialect that declares one and can say it is found out.
LOSSES: Final = frozenset(
    {
        "reasoning",
        "refusal",
        "usage",
        "tools",
        "tool_fragments",  # a call comes whole in one record
        "tool_ids",  # calls have no ids, or none that is theirs alone in a conversation
        "arguments_text",  # arguments are JSON values: their text is not kept, only what it means
        "usage_details",  # of the tokens only input and output are told
        "usage_zero",  # a count of zero is left out
        "error_record",  # a failure cannot be told inside a stream
        "whole",  # there is no answer in one piece
    }
)


class Dialect:
    """Writes scripts as one service does.

    Attributes:
        name: What reports call it; by default the name of its class.
        framing: How its records become bytes.
        losses: What the wire cannot say; words of `LOSSES`.
        finish: The service's words for the schema's finish reasons; those it lacks are not tried.
        axes: The ways in which the service's records differ, besides those of the framing.
        last_line_may_end_open: A last record without its line end counts.
        raw_end: For services that speak no HTTP: the bytes with which a request ends. The subject
            finds the service at the TCP address of `env.base_url`, `tcp://HOST:PORT`; an answer is
            over when the service closes the connection, if nothing in it said so before. What only
            HTTP has, such as statuses, is not applicable.
    """

    name: str = ""
    framing: Framing = SSE()
    losses: frozenset[str] = frozenset()
    finish: Mapping[str, str] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}
    axes: tuple[Axis, ...] = ()
    last_line_may_end_open: bool = True
    raw_end: bytes | None = None
    is_wire: ClassVar[bool] = True

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if not cls.name:
            cls.name = cls.__name__.lower()

    def record(self, event: Event) -> Any:
        """What the service sends for one event: JSON values, `Named` ones, or `None` for nothing.

        Not asked for what `losses` names. With the loss `tool_fragments` calls come as `ToolCall`.
        """
        raise NotImplementedError(f"{type(self).__name__} says no record for {event!r}")

    def records(self, events: Sequence[Event], style: Style = PLAIN) -> list[list[Any]]:
        """The records of each event, in order; override it where one depends on another."""
        return [[] if (made := self.record(event)) is None else [made] for event in events]

    def http_error(self, status: int, message: str, code: str | None) -> Any:
        """The body of an answer with an error status, as JSON values."""
        return {"error": {"message": message, "code": code}}

    def whole(self, script: Script) -> Any:
        """The answer in one piece, as JSON values; the loss `whole` says that there is none."""
        raise NotImplementedError(f"{type(self).__name__} has no answer in one piece")

    # For the kit.

    @property
    def all_axes(self) -> tuple[Axis, ...]:
        """The framing's axes and the dialect's own."""
        return (*self.framing.axes, *self.axes)

    @property
    def harmless_axes(self) -> tuple[Axis, ...]:
        """The axes of which no value changes what an answer means on this wire."""
        if self.last_line_may_end_open:
            return self.all_axes
        return tuple(axis for axis in self.all_axes if axis.rule != "SK-FRAME-005")

    def finish_word(self, event: Finish) -> str:
        """The service's word for a finish reason."""
        return event.raw if event.raw is not None else self.finish[event.reason]

    def error_record(self, message: str, code: str | None, style: Style = PLAIN) -> Any:
        """The record that reports a failure inside a stream."""
        return self.record(ErrorRecord(message, code))

    def can_say(self, script: Script) -> bool:
        """Whether the script loses nothing essential on this wire."""
        return not (self.missing(script))

    def missing(self, script: Script) -> frozenset[str]:
        """What of the script this wire cannot say; ids and fragments are no part of the meaning."""
        used = {_SAYS[type(event).__name__] for event in script.events} - {""}
        if any(getattr(event, "refusal", False) for event in script.events):
            used.add("refusal")
        if script.fault is not None and script.fault.kind == "error_record":
            used.add("error_record")
        if any(
            isinstance(each, Tokens) and 0 in (each.input, each.output) for each in script.events
        ):
            used.add("usage_zero")
        if any(not _is_object(each.arguments) for each in _calls(script.events)):
            used.add("arguments_text")
        words = {
            f"finish:{event.reason}"
            for event in script.events
            if isinstance(event, Finish) and event.raw is None and event.reason not in self.finish
        }
        return frozenset(used & self.losses) | words

    def spoken(self, events: Sequence[Event]) -> list[Event]:
        """The events as this wire has them: without what it loses, calls joined where it has to."""
        kept = [event for event in events if _SAYS[type(event).__name__] not in self.losses]
        return joined_calls(kept) if "tool_fragments" in self.losses else kept


class Spoken(Dialect):
    """A subject without a wire: the kit can only ask it to say something, and reads what it says.

    For providers that speak to no service. Rules about bytes, status codes and connections are not
    applicable to them.
    """

    is_wire: ClassVar[bool] = False

    @abstractmethod
    def say(self, script: Script) -> tuple[Ask, Script] | None:
        """How to make the subject say the script, or the nearest it can.

        Returns:
            What to ask, and what it will then say; `None` where it can say nothing like it.
        """


_SAYS: Final[dict[str, str]] = {
    "Text": "",
    "Reasoning": "reasoning",
    "ToolStart": "tools",
    "ToolArguments": "tools",
    "ToolCall": "tools",
    "Tokens": "usage",
    "Finish": "",
    "ErrorRecord": "error_record",
}


def _calls(events: Sequence[Event]) -> list[ToolCall]:
    return [each for each in joined_calls(events) if isinstance(each, ToolCall)]


def _is_object(text: str) -> bool:
    """Whether arguments are a JSON object; a call without any has an empty one."""
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except ValueError:
        return False


def whole_calls(events: Sequence[Event]) -> list[list[Event]]:
    """For each event those that are written in its place where calls come whole.

    A call stands where its last piece stood, and behind the calls that began before it.
    """
    places = {
        n: each.key for n, each in enumerate(events) if isinstance(each, ToolStart | ToolArguments)
    }
    last = {key: number for number, key in places.items()}
    texts: dict[int, str] = {}
    waiting = [each for each in events if isinstance(each, ToolStart)]
    groups: list[list[Event]] = []
    for number, event in enumerate(events):
        if not isinstance(event, ToolStart | ToolArguments):
            groups.append([event])
            continue
        texts[event.key] = texts.get(event.key, "") + getattr(event, "text", "")
        groups.append([])
        while waiting and last[waiting[0].key] <= number:
            start = waiting.pop(0)
            groups[-1].append(ToolCall(start.key, start.id, start.name, texts[start.key]))
    return groups


def joined_calls(events: Sequence[Event]) -> list[Event]:
    """The events with each call in one; see `whole_calls`."""
    return [event for group in whole_calls(events) for event in group]
