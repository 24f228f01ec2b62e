"""Reads what Ollama answers: the lines of a stream, the one object of a whole answer, its lists.

The rules kept here:

1. Every line may hold anything: reasoning, text, tool calls, the end, each of them or none. A whole
   answer is a line that holds all of them.
2. A tool call comes whole. Each one counts as a new call: `index` and `id` may be missing, and the
   index may be the same for all of them.
3. `done: true` is the proof of completion, with or without a `done_reason`.
4. A count that is missing is not told, and no zero: zeros are left out by the server.
5. A line with a non-empty `error` is a failure, and so is one that is no JSON: what it says is the
   error.
"""

import json
from typing import Any, Final

from pydantic_core import to_json

from streamkit.chunks import Usage
from streamkit.classify import classify_response, error_from_payload
from streamkit.errors import ProviderError
from streamkit.provider import Emitter, Frame, token_count
from streamkit.wire.frames import FramingError
from streamkit_ollama.errors import with_own_words

__all__ = ["decode_line"]

_FINISH_REASONS: Final[dict[str, str]] = {"stop": "stop", "length": "length"}

# Answers to a request without messages. After a real question they mean that nothing was generated.
_IDLE_REASONS: Final[dict[str, str]] = {
    "load": "The server loaded the model and did not answer.",
    "unload": "The server unloaded the model and did not answer.",
}

_COUNTS: Final = ("prompt_eval_count", "prompt_eval_cached_count", "eval_count")
# What else the last line tells, in the server's own words; durations are in nanoseconds.
_FACTS: Final = (
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
    "remote_model",
    "remote_host",
)


def decode_line(frame: Frame, emit: Emitter) -> None:
    """Says what one line adds to the answer.

    Raises:
        ProviderError: The line reports a failure, or makes no sense (`protocol`).
        FramingError: It is a malformed JSON object.
    """
    try:
        line = frame.object()
    except FramingError:
        raise_text_error(frame)
        raise
    message = line.get("message")
    if (
        type(message) is dict
        and len(message) == 2
        and "role" in message
        and len(line) == 4
        and line.get("done") is False
        and emit.memory
        and "error" not in line
        and "logprobs" not in line
    ):
        # Most lines of a long answer: one more piece of text and nothing beside it.
        text = message.get("content")
        if type(text) is str:
            if text:
                emit.deltas.append(text)
            return
    if line.get("error") or type(message) is str:
        raise with_own_words(error_from_payload(line, status=None), line)
    _read_line(line, message, emit)


def raise_text_error(frame: Frame) -> None:
    """Raises what a line says that is no JSON object, unless it merely is a broken one.

    Raises:
        ProviderError: The line is text: an error in words, or as a JSON string.
    """
    if frame.data.lstrip()[:1] in (b"{", b"["):
        return
    error = classify_response(200, {}, frame.data)
    if error.kind == "provider":
        # Its words do not tell what failed. What is sure: it is not what was agreed on.
        error = ProviderError("protocol", error.message, detail=error.detail)
    error.evidence = f"{error.evidence or 'words'}, a line that is no JSON object"
    raise error


def _read_line(line: dict[str, Any], message: Any, emit: Emitter) -> None:
    # The first line of an answer leaves its mark whatever it says.
    is_first = "calls" not in emit.memory
    if is_first:
        emit.memory["calls"] = 0
    model = line.get("model")
    if type(model) is str and model and "model" not in emit.memory:
        emit.memory["model"] = model
        emit.identity(model=model)
    if message is None:
        # `/api/generate`, and what imitates it, has no message: its text stands in the line itself.
        message = {"content": line.get("response"), "thinking": line.get("thinking")}
    elif type(message) is not dict:
        raise _no_such_line("`message` is no object")
    said = len(emit.deltas)
    _read_message(message, line.get("logprobs"), emit)
    if line.get("done") is True:
        is_alone = is_first and said == len(emit.deltas)
        _finish(line, is_alone, emit)


def _read_message(message: dict[str, Any], logprobs: Any, emit: Emitter) -> None:
    thinking = _text(message, "thinking")
    content = _text(message, "content")
    metadata = {"logprobs": logprobs} if logprobs else None
    if thinking:
        emit.reasoning(thinking, metadata=None if content else metadata)
    if content:
        emit.content(content, metadata=metadata)
    if metadata and not content and not thinking:
        # Of tokens that gave no text, such as those of a tool call.
        emit.metadata(metadata)
    calls = message.get("tool_calls")
    if calls is None:
        return
    if type(calls) is not list:
        raise _no_such_line("`tool_calls` is no list")
    for call in calls:
        _read_tool_call(call, emit)


def _read_tool_call(call: Any, emit: Emitter) -> None:
    function = call.get("function") if type(call) is dict else None
    if type(function) is not dict:
        raise _no_such_line("a tool call holds no function")
    name = function.get("name")
    if type(name) is not str or not name:
        raise _no_such_line("a tool call has no name")
    call_id = call.get("id")
    own_id = call_id if type(call_id) is str and call_id else None
    key = emit.memory["calls"]
    emit.memory["calls"] = key + 1
    emit.tool_call(
        key,
        id=own_id,
        name=name,
        arguments=_arguments(function.get("arguments")),
        done=True,
        # Only an id that the server knows may be sent back to it.
        metadata={"id": own_id} if own_id else None,
    )


def _arguments(value: Any) -> str:
    """The arguments as JSON text; what is text already stays as it is."""
    if value is None or type(value) is str:
        return value or ""
    try:
        return to_json(value).decode()
    except ValueError:
        # Half of a surrogate pair, which only the escaped form can carry.
        return json.dumps(value)


def _finish(line: dict[str, Any], is_alone: bool, emit: Emitter) -> None:
    given = line.get("done_reason")
    raw = None if given is None or given == "" else str(given)
    if is_alone and raw in _IDLE_REASONS:
        raise ProviderError("empty_response", _IDLE_REASONS[raw], evidence=f"done_reason {raw}")
    _read_counts(line, emit)
    emit.metadata({name: line[name] for name in _FACTS if line.get(name) is not None})
    reason = "stop" if raw is None or raw in _IDLE_REASONS else _FINISH_REASONS.get(raw, "other")
    if reason == "stop" and emit.memory["calls"]:
        # The server has no word of its own for it.
        reason = "tool_calls"
    emit.finish(reason, raw=raw)
    emit.terminator()


def _read_counts(line: dict[str, Any], emit: Emitter) -> None:
    wire = {name: line[name] for name in _COUNTS if line.get(name) is not None}
    usage = Usage(
        # Cached tokens are part of the prompt's count, and thinking is part of the answer's.
        input_tokens=token_count(wire.get("prompt_eval_count")),
        output_tokens=token_count(wire.get("eval_count")),
        cache_read_tokens=token_count(wire.get("prompt_eval_cached_count")),
    )
    if usage != Usage():
        emit.usage(usage, wire=wire)


def _text(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if value is not None and type(value) is not str:
        raise _no_such_line(f"`{name}` is no text")
    return value or ""


def _no_such_line(why: str) -> ProviderError:
    return ProviderError("protocol", f"The server's answer makes no sense: {why}.")
