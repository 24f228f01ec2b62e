"""Ollama's chat endpoint, and the ways in which its servers differ by age and place."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from streamkit_conformance.axes import PLAIN, Axis, Style
from streamkit_conformance.dialects.base import Dialect, joined_calls
from streamkit_conformance.framing import NDJSON
from streamkit_conformance.script import Event, Finish, Reasoning, Script, Text, Tokens, ToolCall

__all__ = [
    "CALL_INDEX",
    "CALL_LINES",
    "DONE_REASON",
    "EMPTY_LINES",
    "Ollama",
    "UNKNOWN_FIELDS",
    "ollama_ndjson",
]

#: Lines between the others with an empty content.
EMPTY_LINES: Final = Axis("fillers", "RECORDS WITHOUT TEXT", ("none", "empty"), "SK-CONT-002")
#: Fields that are not in every version: those of models on other machines, and one of our own.
UNKNOWN_FIELDS: Final = Axis("extras", "UNKNOWN FIELDS", (False, True), "SK-FRAME-004")
#: The index of a call: its own, zero for each, or absent (older servers).
CALL_INDEX: Final = Axis("tool_index", "CALL INDEX", ("own", "zero", "absent"), "SK-TOOL-002")
#: Calls that follow each other: one a line, or all in one line.
CALL_LINES: Final = Axis("tool_lines", "CALLS IN A LINE", ("each", "together"), "SK-TOOL-004")
#: `stop` as a reason is absent from older servers and from Ollama's cloud.
DONE_REASON: Final = Axis("done_reason", "DONE REASON", ("told", "absent"), "SK-LIFE-006")

#: There is no word for tool calls: the server says `stop`, and the calls say the rest.
_FINISH: Final[Mapping[str, str]] = {"stop": "stop", "length": "length", "tool_calls": "stop"}
_CREATED: Final = "2026-01-02T03:04:05Z"


def ollama_ndjson(
    *, reasoning: bool = True, tools: bool = True, name: str = "ollama-ndjson"
) -> "Ollama":
    """Ollama's `/api/chat` over NDJSON.

    Args:
        reasoning: The model thinks, and the server shows it.
        tools: It calls tools.
        name: What reports call it.
    """
    told = {"reasoning": reasoning, "tools": tools}
    return Ollama(name, frozenset(word for word, is_told in told.items() if not is_told))


class Ollama(Dialect):
    """See `ollama_ndjson`.

    Args:
        name: What reports call it.
        losses: What this server cannot say, besides what none can.
    """

    framing = NDJSON()
    finish = _FINISH

    def __init__(self, name: str, losses: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.losses = losses | {
            "refusal",
            "tool_fragments",
            "arguments_text",
            "usage_details",
            "usage_zero",
        }
        axes = [EMPTY_LINES, UNKNOWN_FIELDS, DONE_REASON]
        self.axes = tuple(axes if "tools" in losses else [*axes, CALL_INDEX, CALL_LINES])

    def records(self, events: Sequence[Event], style: Style = PLAIN) -> list[list[Any]]:
        """The lines of each event; the tokens stand in the last line."""
        written: list[list[Any]] = []
        tokens: Tokens | None = None
        calls: list[dict[str, Any]] = []
        for number, event in enumerate(events):
            line: dict[str, Any] | None = None
            match event:
                case Text(text):
                    line = _line({"content": text}, style)
                case Reasoning(text):
                    line = _line({"content": "", "thinking": text}, style)
                case ToolCall():
                    calls.append(_call(event, style))
                    follows = isinstance(next(iter(events[number + 1 :]), None), ToolCall)
                    if not (follows and style.get(CALL_LINES) == "together"):
                        line = _line({"content": "", "tool_calls": calls}, style)
                        calls = []
                case Tokens():
                    tokens = event
                case Finish():
                    line = self._last(event, tokens, style)
            lines = [] if line is None else [line]
            if lines and any(written) and style.get(EMPTY_LINES) == "empty":
                lines.insert(0, _line({"content": ""}, style))
            written.append(lines)
        return written

    def error_record(self, message: str, code: str | None, style: Style = PLAIN) -> Any:
        """The line that reports a failure inside a stream."""
        return {"error": message}

    def http_error(self, status: int, message: str, code: str | None) -> Any:
        """The body of an answer with an error status."""
        return {"error": message}

    def whole(self, script: Script) -> Any:
        """The answer in one piece: the last line, which holds all the others."""
        events = joined_calls(self.spoken(script.sent))
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(each.text for each in events if isinstance(each, Text)),
        }
        thinking = "".join(each.text for each in events if isinstance(each, Reasoning))
        calls = [_call(each, PLAIN) for each in events if isinstance(each, ToolCall)]
        if thinking:
            message["thinking"] = thinking
        if calls:
            message["tool_calls"] = calls
        tokens = [each for each in events if isinstance(each, Tokens)]
        finish = next((each for each in events if isinstance(each, Finish)), Finish())
        return {**self._last(finish, tokens[-1] if tokens else None, PLAIN), "message": message}

    def _last(self, event: Finish, tokens: Tokens | None, style: Style) -> dict[str, Any]:
        line = {**_line({"content": ""}, style), "done": True}
        word = self.finish_word(event)
        if word != "stop" or style.get(DONE_REASON) == "told":
            line["done_reason"] = word
        line["total_duration"] = 5_000_000
        counts = (
            {}
            if tokens is None
            else {"prompt_eval_count": tokens.input, "eval_count": tokens.output}
        )
        # The server leaves zeros out.
        line.update({name: count for name, count in counts.items() if count})
        return line


def _line(message: dict[str, Any], style: Style) -> dict[str, Any]:
    line = {
        "model": "test-model",
        "created_at": _CREATED,
        "message": {"role": "assistant", **message},
        "done": False,
    }
    if style.get(UNKNOWN_FIELDS):
        line.update(remote_model="test-model:cloud", remote_host="https://ollama.com:443", note={})
    return line


def _call(call: ToolCall, style: Style) -> dict[str, Any]:
    indexes = {"own": {"index": call.key}, "zero": {"index": 0}, "absent": {}}
    arguments = json.loads(call.arguments or "{}")
    function = {**indexes[style.get(CALL_INDEX)], "name": call.name, "arguments": arguments}
    return {"function": function} if call.id is None else {"id": call.id, "function": function}
