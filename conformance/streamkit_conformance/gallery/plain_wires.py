"""The two wires that the plain client reads: OpenAI's events and Ollama's lines."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from streamkit_conformance.gallery.plain_reader import Broken, Call, PlainReader

__all__ = ["OllamaReader", "OpenAIReader"]


@dataclass(eq=False, kw_only=True)
class OpenAIReader(PlainReader):
    """Reads OpenAI's chat completions, streamed over server-sent events or whole."""

    content_type: ClassVar[str] = "text/event-stream"
    reasoning_fields: ClassVar[tuple[str, ...]] = ("reasoning_content", "reasoning")

    is_after_cr: bool = False
    is_first_line: bool = True
    event_name: str = ""
    data: list[str] = field(default_factory=list)
    slots: dict[object, Call] = field(default_factory=dict)

    # Server-sent events.

    def lines(self, data: bytes) -> Iterable[bytes]:
        """Lines end with CR LF, LF or CR; a CR LF may be cut in two."""
        if not data:
            return []
        if self.is_after_cr:
            data = data.removeprefix(b"\n")
        self.is_after_cr = data.endswith(b"\r")
        *whole, self.rest = re.split(rb"\r\n|\r|\n", self.rest + data)
        return whole

    def line(self, line: bytes) -> None:
        """A field, a comment, or the end of an event."""
        if not line:
            self.dispatch()
            return
        text = self.text_of(line)
        if self.is_first_line:
            self.is_first_line = False
            text = self.without_mark(text)
        name, value = self.field_of(text)
        if name == "data":
            self.data.append(value)
        elif name == "event":
            self.event_name = value

    def without_mark(self, text: str) -> str:
        """The first line without a byte order mark."""
        return text.removeprefix("\ufeff")

    def field_of(self, text: str) -> tuple[str, str]:
        """A line's name and value; one space behind the colon is no part of the value."""
        name, _, value = text.partition(":")
        return name, value.removeprefix(" ")

    def dispatch(self) -> None:
        """An event is whole."""
        if self.data:
            name, data = self.event_name, self.joined(self.data)
            self.data = []
            self.event_name = ""
            self.event(name, data)
        self.event_name = ""

    def joined(self, data: list[str]) -> str:
        """An event's data out of its lines."""
        return "\n".join(data)

    def last(self, rest: bytes) -> None:
        """A server may forget the last line ends; half a record is no record."""
        if self.is_whole:
            self.record(self.parse(self.text_of(rest)))
            return
        try:
            if rest:
                self.line(rest)
            data = self.joined(self.data)
            if data and not self.is_end(data):
                self.parse(data)
        except Broken as error:
            raise self.truncated() from error
        self.dispatch()

    # Records.

    def event(self, name: str, data: str) -> None:
        """One event."""
        if self.is_end(data):
            self.is_finished = self.is_finished or self.has_spoken
            self.complete()
        elif name == "error":
            raise self.reported(data)
        else:
            self.record(self.parse(data))

    def reason(self, word: str | None) -> str:
        """Without a word for it, why the answer ended is not known."""
        return super().reason("other" if word is None else word)

    def is_end(self, data: str) -> bool:
        """Whether this is the end marker."""
        return data.strip() == "[DONE]"

    def record(self, record: dict[str, Any]) -> None:
        """One record: a failure, or choices and usage, each of them or none."""
        if self.is_failure(record):
            raise self.reported(record)
        self.answer_id = self.answer_id or record.get("id")
        self.answer_model = self.answer_model or record.get("model")
        for choice in self.choices(record):
            self.choice(choice)
        self.usage_of(record)

    def is_failure(self, record: dict[str, Any]) -> bool:
        """Whether a record reports a failure."""
        return bool(record.get("error"))

    def choices(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        """The choices that count; there may be none."""
        return [each for each in record.get("choices") or [] if not each.get("index")]

    def choice(self, choice: dict[str, Any]) -> None:
        """What one choice adds."""
        message = choice.get("message")
        self.delta((message if message is not None else choice.get("delta")) or {})
        self.usage_of(choice)
        word = choice.get("finish_reason")
        if word:
            self.finish(word)
        elif message is not None:
            self.finish(None)

    def delta(self, delta: dict[str, Any]) -> None:
        """What one delta adds."""
        self.reasoning(next((delta[n] for n in self.reasoning_fields if delta.get(n)), ""))
        self.content(delta.get("content"))
        self.content(delta.get("refusal"), refusal=True)
        for position, piece in enumerate(delta.get("tool_calls") or []):
            self.tool(piece, position)

    def tool(self, piece: dict[str, Any], position: int) -> None:
        """A piece of a tool call, or a whole one."""
        function = piece.get("function") or {}
        wire_id, name = piece.get("id") or None, function.get("name") or ""
        call = self.call_of(piece.get("index"), position, wire_id, name)
        call.wire_id = call.wire_id or wire_id
        call.name = call.name or name
        self.piece(call, self.argument_text(function.get("arguments")))

    def call_of(self, index: Any, position: int, id: str | None, name: str) -> Call:
        """The call that a piece belongs to.

        A name with another id begins another call, also where the index is the same; without index
        and ids, so does a name after arguments.
        """
        slot = ("place", position) if index is None else ("index", index)
        call = self.slots.get(slot)
        if call is not None and name:
            is_other = bool(id and call.wire_id and id != call.wire_id)
            is_next = index is None and not id and bool(call.text or call.unsent)
            if is_other or is_next:
                call = None
        if call is None:
            call = Call()
            self.calls.append(call)
        self.slots[slot] = call
        return call

    def argument_text(self, arguments: Any) -> str:
        """The text of a piece of the arguments."""
        if arguments is None or isinstance(arguments, str):
            return arguments or ""
        return json.dumps(arguments, separators=(",", ":"))

    def usage_of(self, holder: dict[str, Any]) -> None:
        """The usage in a record or a choice."""
        usage = holder.get("usage")
        if isinstance(usage, dict):
            self.tell(
                input_tokens=usage.get("prompt_tokens"),
                output_tokens=usage.get("completion_tokens"),
                reasoning_tokens=(usage.get("completion_tokens_details") or {}).get(
                    "reasoning_tokens"
                ),
                cache_read_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
            )


@dataclass(eq=False, kw_only=True)
class OllamaReader(PlainReader):
    """Reads Ollama's chat answers, streamed as lines of JSON or whole."""

    content_type: ClassVar[str] = "application/x-ndjson"

    def line(self, line: bytes) -> None:
        """One record; blank lines mean nothing."""
        text = self.text_of(line).strip(" \t\r")
        if text:
            self.record(self.parse(text))

    def last(self, rest: bytes) -> None:
        """The last line end may be missing; half a record is no record."""
        if self.is_whole:
            self.record(self.parse(self.text_of(rest)))
            return
        try:
            if rest.strip():
                self.parse(self.text_of(rest))
        except Broken as error:
            raise self.truncated() from error
        self.line(rest)

    def record(self, record: dict[str, Any]) -> None:
        """One record: a failure, or text, calls and the end, each of them or none."""
        if self.is_over:
            return
        if record.get("error"):
            raise self.reported(record)
        self.answer_model = self.answer_model or record.get("model")
        message = record.get("message") or {}
        self.reasoning(message.get("thinking"))
        self.content(message.get("content"))
        for entry in message.get("tool_calls") or []:
            self.tool(entry)
        if record.get("done"):
            self.usage_of(record)
            self.finish(record.get("done_reason"))
            self.complete()

    def tool(self, entry: dict[str, Any]) -> None:
        """A whole tool call: each entry is a new one."""
        function = entry.get("function") or {}
        call = Call(wire_id=entry.get("id") or None, name=function.get("name") or "")
        self.calls.append(call)
        self.piece(call, self.argument_text(function.get("arguments")))
        self.close_call(call)

    def argument_text(self, arguments: Any) -> str:
        """The arguments as text."""
        if isinstance(arguments, str):
            return arguments
        return json.dumps(arguments or {}, separators=(",", ":"), ensure_ascii=False)

    def usage_of(self, record: dict[str, Any]) -> None:
        """The counts of the last record."""
        self.tell(
            input_tokens=record.get("prompt_eval_count"), output_tokens=record.get("eval_count")
        )
