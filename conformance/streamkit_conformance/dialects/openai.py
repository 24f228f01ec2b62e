"""OpenAI's chat completions, and the ways in which the servers that speak them differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streamkit_conformance.axes import PLAIN, Style
from streamkit_conformance.dialects.base import Dialect, joined_calls, whole_calls
from streamkit_conformance.dialects.openai_axes import (
    CHOICES,
    DELTA_FILLERS,
    ERROR_SHAPE,
    EXTRAS,
    FINISH_RECORD,
    IDS,
    REASONING_RECORD,
    ROLE,
    TOOL_ARGUMENTS,
    TOOL_IDS,
    TOOL_INDEX,
    TOOL_PARTS,
    USAGE_CHOICES,
    USAGE_PLACE,
    USAGE_RUNNING,
)
from streamkit_conformance.framing import SSE, Named
from streamkit_conformance.script import (
    Event,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolCall,
    ToolStart,
)

__all__ = ["OpenAI", "openai_sse"]

_FINISH: Final[Mapping[str, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_HTTP_TYPES: Final[Mapping[int, tuple[str, str | None]]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "server_is_overloaded"),
}
_WHOLE_INDEXES: Final = frozenset({"zero", "absent"})


def openai_sse(
    *,
    reasoning_field: str | None = "reasoning_content",
    usage: bool = True,
    refusals: bool = True,
    tools: bool = True,
    tool_ids: bool = True,
    sentinel: str | None = "[DONE]",
    name: str = "openai-sse",
) -> "OpenAI":
    """OpenAI's chat completions over SSE.

    Args:
        reasoning_field: Where the service puts reasoning: `reasoning_content`, `reasoning`; `None`
            where it shows none.
        usage: The service tells what an answer used.
        refusals: It tells refusals apart.
        tools: It calls tools.
        tool_ids: The ids of its calls are theirs alone in a conversation. Where they are not, the
            subject may make its own, and the ids are written as Kimi's: `functions.NAME:INDEX`.
        sentinel: What ends a stream; `None` where nothing does.
        name: What reports call it.
    """
    told = {
        "reasoning": reasoning_field is not None,
        "usage": usage,
        "refusal": refusals,
        "tools": tools,
        "tool_ids": tool_ids,
    }
    losses = frozenset(word for word, is_told in told.items() if not is_told)
    return OpenAI(name, losses, sentinel, reasoning_field or "")


@dataclass
class _Writing:
    """What is known while one answer is written."""

    style: Style
    tokens: Tokens | None
    said: int = 0  # records with a choice so far
    starts: dict[int, ToolStart] = field(default_factory=dict)  # of the calls that have begun
    held: dict[str, Any] | None = None  # a delta that waits for the finish reason


class OpenAI(Dialect):
    """See `openai_sse`.

    Args:
        name: What reports call it.
        losses: What the service cannot say.
        sentinel: What ends a stream.
        reasoning_field: Where reasoning stands; empty where there is none.
    """

    finish = _FINISH

    def __init__(
        self, name: str, losses: frozenset[str], sentinel: str | None, reasoning_field: str
    ) -> None:
        self.name = name
        self.losses = losses
        self.framing = SSE(sentinel=sentinel)
        self.reasoning_field = reasoning_field
        axes = [ROLE, DELTA_FILLERS, CHOICES, EXTRAS, IDS, FINISH_RECORD, ERROR_SHAPE]
        if "usage" not in losses:
            axes += [USAGE_PLACE, USAGE_RUNNING, USAGE_CHOICES]
        if "tools" not in losses:
            axes += [TOOL_PARTS, TOOL_INDEX, TOOL_IDS, TOOL_ARGUMENTS]
        if "reasoning" not in losses:
            axes.append(REASONING_RECORD)
        self.axes = tuple(axes)

    def records(self, events: Sequence[Event], style: Style = PLAIN) -> list[list[Any]]:
        """The records of each event; those of the tokens follow the finish reason."""
        last_tokens = [each for each in events if isinstance(each, Tokens)][-1:]
        writing = _Writing(style, last_tokens[0] if last_tokens else None)
        if "tool_ids" in self.losses:
            events = [_with_repeating_id(each) for each in events]
        is_whole = style.get(TOOL_PARTS) == "whole" or style.get(TOOL_INDEX) in _WHOLE_INDEXES
        groups = whole_calls(events) if is_whole else [[each] for each in events]
        written: list[list[Any]] = []
        finished_at = next((n for n, each in enumerate(events) if isinstance(each, Finish)), None)
        for number, group in enumerate(groups):
            follows = [type(each) for each in events[number + 1 :] if not isinstance(each, Tokens)]
            is_held = style.get(FINISH_RECORD) == "with_text" and follows == [Finish]
            made: list[Any] = []
            for event in group:
                made += self._event(event, writing, is_held=is_held)
            if isinstance(events[number], Finish) and finished_at == number:
                is_told = any(isinstance(each, Tokens) for each in events[:number])
                made += self._usage(writing) if is_told else []
            elif isinstance(events[number], Tokens) and finished_at is not None:
                made += self._usage(writing) if finished_at < number else []
            written.append(made)
        return written

    def http_error(self, status: int, message: str, code: str | None) -> Any:
        """The body of an answer with an error status."""
        kind, own_code = _HTTP_TYPES.get(
            status, ("server_error" if status >= 500 else "invalid_request_error", None)
        )
        return {
            "error": {"message": message, "type": kind, "param": None, "code": code or own_code}
        }

    def error_record(self, message: str, code: str | None, style: Style = PLAIN) -> Any:
        """The record that reports a failure inside a stream."""
        error = {"message": message, "type": "server_error", "param": None, "code": code}
        match style.get(ERROR_SHAPE):
            case "named":
                return Named("error", {"error": error})
            case "text":
                return {"error": message}
            case "number":
                return {"error": {"message": message, "code": 502}}
        return {"error": error}

    def whole(self, script: Script) -> Any:
        """The answer in one piece."""
        events = joined_calls(self.spoken(script.sent))
        if "tool_ids" in self.losses:
            events = [_with_repeating_id(each) for each in events]
        text = "".join(each.text for each in events if isinstance(each, Text) and not each.refusal)
        refusal = "".join(each.text for each in events if isinstance(each, Text) and each.refusal)
        reasoning = "".join(each.text for each in events if isinstance(each, Reasoning))
        calls = [_call(each) for each in events if isinstance(each, ToolCall)]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text or (None if calls or refusal else ""),
            "refusal": refusal or None,
        }
        if reasoning:
            message[self.reasoning_field] = reasoning
        if calls:
            message["tool_calls"] = calls
        finishes = [self.finish_word(each) for each in events if isinstance(each, Finish)]
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": finishes[-1] if finishes else None,
        }
        tokens = [each for each in events if isinstance(each, Tokens)]
        body = {**_envelope("c1"), "object": "chat.completion", "choices": [choice]}
        return {**body, "usage": _usage(tokens[-1])} if tokens else body

    def _event(self, event: Event, writing: _Writing, *, is_held: bool) -> list[Any]:
        match event:
            case Text(text, refusal):
                delta: dict[str, Any] = {"refusal" if refusal else "content": text}
                if is_held:
                    writing.held = delta
                    return []
                return self._deltas(delta, writing)
            case Reasoning(text):
                return self._deltas(self._reasoning(text, writing.style), writing)
            case ToolCall():
                return self._deltas(_whole_call(event, writing), writing)
            case ToolStart():
                return self._deltas(_first_fragment(event, writing), writing)
            case ToolArguments():
                return self._deltas(_later_fragment(event, writing), writing)
            case Finish():
                return self._finish(event, writing)
        return []

    def _reasoning(self, text: str, style: Style) -> dict[str, Any]:
        delta: dict[str, Any] = {self.reasoning_field: text}
        match style.get(REASONING_RECORD):
            case "null_content":
                delta["content"] = None
            case "details":
                delta["reasoning_details"] = [{"type": "reasoning.text", "text": text, "index": 0}]
        return delta

    def _deltas(self, delta: dict[str, Any], writing: _Writing) -> list[Any]:
        """The record of a delta, and those that this wire puts before it."""
        style = writing.style
        records: list[Any] = []
        if not writing.said:
            records += _opening(writing)
        elif style.get(DELTA_FILLERS) != "none":
            records.append(_filler(writing))
        records.append(_record(delta, writing))
        return records

    def _finish(self, event: Finish, writing: _Writing) -> list[Any]:
        style = writing.style
        word = self.finish_word(event)
        records: list[Any] = [] if writing.said else _opening(writing)
        if style.get(CHOICES) == "late":
            records.append({**_envelope("c1"), "choices": [], "moderation": {"flagged": False}})
        record = _record(writing.held or {}, writing, finish=word)
        tokens = writing.tokens
        if tokens is not None:
            place = style.get(USAGE_PLACE)
            if place == "finish":
                record["usage"] = _usage(tokens)
            elif place.startswith("choice"):
                record["choices"][0]["usage"] = _usage(tokens)
            elif place.startswith("x_groq"):
                record["x_groq"] = {"id": "r1", "usage": _usage(tokens)}
        records.append(record)
        if style.get(FINISH_RECORD) == "repeated":
            records.append(_record({"content": ""}, writing, finish=word))
        return records

    def _usage(self, writing: _Writing) -> list[Any]:
        """The record of the usage, where it has one of its own."""
        style = writing.style
        if style.get(USAGE_PLACE) in ("finish", "choice") or writing.tokens is None:
            return []
        choices: dict[str, dict[str, Any]] = {"empty": {"choices": []}, "null": {"choices": None}}
        beside = choices.get(style.get(USAGE_CHOICES), {})
        return [{**_envelope("c1"), **beside, "usage": _usage(writing.tokens)}]


def _with_repeating_id(event: Event) -> Event:
    if isinstance(event, ToolStart | ToolCall) and event.id is not None:
        return replace(event, id=f"functions.{event.name}:{event.key}")
    return event


def _envelope(id: str) -> dict[str, Any]:
    return {"id": id, "object": "chat.completion.chunk", "created": 1, "model": "test-model"}


def _record(
    delta: dict[str, Any], writing: _Writing, *, finish: str | None = None
) -> dict[str, Any]:
    """A record with a choice."""
    style = writing.style
    delta = {"role": "assistant", **delta} if style.get(ROLE) == "every" else delta
    number = writing.said
    writing.said += 1
    ids = {"changing": f"c{number + 1}", "empty_first": "" if number == 0 else "c1"}
    choice: dict[str, Any] = {"index": 0, "delta": delta}
    if finish is not None or style.get(FINISH_RECORD) != "sole_key":
        choice["finish_reason"] = finish
    record = {**_envelope(ids.get(style.get(IDS), "c1")), "choices": [choice]}
    match style.get(USAGE_RUNNING):
        case "null":
            record["usage"] = None
        case "totals" if writing.tokens is not None and finish is None:
            output = min(number, writing.tokens.output)
            record["usage"] = _usage(Tokens(writing.tokens.input, output))
    if style.get(EXTRAS):
        delta["channel"] = None
        choice.update(logprobs=None, native_finish_reason=finish)
        record.update(system_fingerprint="fp_1", obfuscation="aB3")
    return record


def _opening(writing: _Writing) -> list[Any]:
    """What comes before the first delta."""
    style = writing.style
    records: list[Any] = []
    match style.get(CHOICES):
        case "before":
            records.append(
                {**_envelope(""), "model": "", "choices": [], "prompt_filter_results": []}
            )
        case "null_before":
            records.append({**_envelope("c1"), "choices": None})
    if style.get(ROLE) != "never":
        first: dict[str, Any] = {"role": "assistant", "content": ""}
        records.append(_record(first, writing))
    return records


def _filler(writing: _Writing) -> dict[str, Any]:
    kind = writing.style.get(DELTA_FILLERS)
    record = _record({"content": None if kind == "null" else ""}, writing)
    if kind == "no_delta":
        del record["choices"][0]["delta"]
    return record


def _whole_call(call: ToolCall, writing: _Writing) -> dict[str, Any]:
    # Where indexes do not tell calls apart, ids must.
    index = {"index": call.key} if call.id is None else _index(call.key, writing)
    return {"tool_calls": [{**index, **_call(call)}]}


def _first_fragment(start: ToolStart, writing: _Writing) -> dict[str, Any]:
    entry = {**_index(start.key, writing), **_call(ToolCall(start.key, start.id, start.name, ""))}
    match writing.style.get(TOOL_ARGUMENTS):
        case "absent":
            del entry["function"]["arguments"]
        case "null":
            entry["function"]["arguments"] = None
    writing.starts[start.key] = start
    return {"tool_calls": [entry]}


def _later_fragment(piece: ToolArguments, writing: _Writing) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": piece.text}
    entry: dict[str, Any] = {**_index(piece.key, writing), "function": function}
    start = writing.starts.get(piece.key)
    match writing.style.get(TOOL_IDS):
        case "null_later":
            entry.update(id=None, type=None)
            function["name"] = None
        case "repeated" if start is not None and start.id is not None:
            entry.update(id=start.id, type="function")
            function["name"] = start.name
        case "empty_later":
            entry["id"] = ""
            function["name"] = ""
    return {"tool_calls": [entry]}


def _index(key: int, writing: _Writing) -> dict[str, Any]:
    match writing.style.get(TOOL_INDEX):
        case "from_one":
            return {"index": key + 1}
        case "zero":
            return {"index": 0}
        case "absent":
            return {}
    return {"index": key}


def _call(call: ToolCall) -> dict[str, Any]:
    ids = {} if call.id is None else {"id": call.id}
    function = {"name": call.name, "arguments": call.arguments}
    return {**ids, "type": "function", "function": function}


def _usage(tokens: Tokens) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
    }
    if tokens.cache_read is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": tokens.cache_read}
    if tokens.reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": tokens.reasoning}
    return usage
