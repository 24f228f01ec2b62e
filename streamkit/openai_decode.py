"""Reads the answers of OpenAI's chat completions and of the servers that speak its dialect.

One reader for all of them, streamed or whole. What servers are known to write differently is
allowed here; what they mean differently is data in `Quirks`.

The rules kept here:

1. Only the first choice is read, and little is demanded of it: `choices` may be empty, null or
   absent, and so may `delta`. In a whole answer `message` stands in its place.
2. Reasoning that stands in several fields of one delta is read once.
3. The last usage counts, wherever it stands; nothing is added up.
4. An `error` anywhere is a failure: in the frame, in its choice, or in what the choice says, also
   beside or after a finish reason. What was said before it is kept.
5. What proves that an answer is whole is the server's to say: a finish reason that proves nothing
   by itself is held back until the end marker stands behind it.
"""

from typing import Any, Final

from streamkit.chunks import Usage
from streamkit.classify import error_from_payload
from streamkit.error_body import has_error, value_at
from streamkit.errors import ProviderError
from streamkit.openai_template import ContentTemplate
from streamkit.openai_tool_calls import read_tool_calls
from streamkit.openai_values import as_object, as_text, as_word, no_such_frame
from streamkit.plugin import Quirks
from streamkit.provider import Emitter, token_count
from streamkit.wire.frames import Frame, FramingError

__all__ = ["decode_frame", "read_usage"]

_FINISH_REASONS: Final[dict[str, str]] = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "function_call": "tool_calls",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
}

# Finish reasons that report a failure: its kind, and a sentence.
_FAILURES: Final[dict[str, tuple[str, str]]] = {
    "error": ("provider", "The service ended the answer with an error."),
    "insufficient_system_resource": (
        "overloaded",
        "The service ran out of capacity and broke the answer off.",
    ),
}

# Where usage stands besides the frame and its choice: a field of the frame, and the way from there.
_USAGE_PLACES: Final = (("x_groq", "usage"),)

# Facts about the whole answer that may stand beside `choices`.
_ANSWER_FACTS: Final = ("citations", "moderation", "prompt_filter_results", "search_results")


def decode_frame(frame: Frame, emit: Emitter, quirks: Quirks) -> None:
    """Says what one frame adds to the answer.

    Raises:
        FramingError: The frame is not a JSON object.
        ProviderError: It reports a failure, or it is no frame of this dialect (`protocol`).
    """
    if frame.data[:1] != b"{" and frame.data.lstrip().startswith(b"[DONE]"):
        _terminate(emit, evidence="terminator" in quirks.evidence)
        return
    if frame.event == "error":
        raise _failure(_json_or_text(frame), quirks)
    memory = emit.memory
    template: ContentTemplate | None = memory.get("template")
    if template is not None:
        known = template.text_of(frame.data)
        if known is not None:
            emit.content(known)
            return
    if quirks.keep_alive and _keeps_alive(frame, quirks):
        return
    payload = frame.object()
    if "identified" not in memory:
        _identify(payload, emit)
    choices = payload.get("choices")
    # Spelt out here, where every frame passes that differs in more than its text.
    if (
        not choices
        or payload.get("error")
        or (quirks.error_path and has_error(payload, quirks.error_path))
    ):
        _read_beside_choices(payload, None, emit, quirks)
        _refuse_failure(payload, quirks)
        return
    choice = _first_choice(choices)
    if choice is None:
        _read_beside_choices(payload, None, emit, quirks)
        return
    delta = choice.get("delta")
    text: Any = delta.get("content") if type(delta) is dict and len(delta) == 1 else None
    is_plain = type(text) is str and not choice.get("logprobs")
    if is_plain:
        # Most frames of a long answer: one more piece of text and nothing beside it.
        emit.content(text)
    else:
        _read_delta(choice.get("message") if delta is None else delta, choice, emit, quirks)
    told = len(emit.deltas)
    _read_beside_choices(payload, choice, emit, quirks)
    if choice.get("error"):
        raise _failure({"error": choice["error"]}, quirks)
    reason = choice.get("finish_reason")
    if reason:
        _finish(str(reason), emit, quirks)
    elif is_plain and told == len(emit.deltas):
        _learn(frame.data, text, emit)
    if delta is None and "message" in choice and payload.get("object") != "chat.completion.chunk":
        # A whole answer is complete by itself, whether it says why it ended or not.
        _terminate(emit, evidence=True)


def _keeps_alive(frame: Frame, quirks: Quirks) -> bool:
    if frame.event and frame.event in quirks.keep_alive:
        return True
    return frame.data.decode("utf-8", "replace").strip() in quirks.keep_alive


def _terminate(emit: Emitter, *, evidence: bool) -> None:
    held: tuple[str, str] | None = emit.memory.get("finish")
    if held is not None:
        emit.finish(held[0], raw=held[1])
    emit.terminator(evidence=evidence)


def _learn(data: bytes, text: str, emit: Emitter) -> None:
    """Remembers a frame that added its text and nothing else."""
    template = emit.memory.get("template")
    if template is None:
        template = emit.memory["template"] = ContentTemplate()
    template.learn(data, text)


def read_usage(wire: Any, *, output_includes_reasoning: bool = True) -> Usage | None:
    """Reads token counts; `None` when there are none.

    Some services leave reasoning out of the output. The total gives it away; where there is no
    total, `output_includes_reasoning` says how the service counts.
    """
    if not isinstance(wire, dict):
        return None
    of_input = as_object(wire.get("prompt_tokens_details"))
    of_output = as_object(wire.get("completion_tokens_details"))
    given = token_count(wire.get("prompt_tokens"))
    written = token_count(wire.get("completion_tokens"))
    total = token_count(wire.get("total_tokens"))
    reasoning = token_count(of_output.get("reasoning_tokens"), wire.get("reasoning_tokens"))
    if written is not None and reasoning:
        apart = not output_includes_reasoning
        if total is not None and given is not None:
            apart = total == given + written + reasoning
        written += reasoning if apart else 0
    usage = Usage(
        input_tokens=given,
        output_tokens=written,
        reasoning_tokens=reasoning,
        cache_read_tokens=token_count(
            of_input.get("cached_tokens"),
            wire.get("cached_tokens"),
            wire.get("prompt_cache_hit_tokens"),
        ),
        cache_write_tokens=token_count(of_input.get("cache_write_tokens")),
    )
    return None if usage == Usage() else usage


def _identify(payload: dict[str, Any], emit: Emitter) -> None:
    response_id, model = as_word(payload.get("id")), as_word(payload.get("model"))
    memory = emit.memory
    if (response_id and "id" not in memory) or (model and "model" not in memory):
        emit.identity(response_id=response_id, model=model)
    if response_id:
        memory["id"] = response_id
    if model:
        memory["model"] = model
    if "id" in memory and "model" in memory:
        memory["identified"] = True


def _first_choice(choices: Any) -> dict[str, Any] | None:
    """The choice 0 of a frame; a frame may hold other choices only."""
    if type(choices) is not list:
        raise no_such_frame("`choices` is no list")
    for position, choice in enumerate(choices):
        if type(choice) is not dict:
            raise no_such_frame("a choice is no object")
        index = choice.get("index")
        if index == 0 or index == "0" or (index is None and position == 0):
            return choice
    return None


def _read_beside_choices(
    payload: dict[str, Any], choice: dict[str, Any] | None, emit: Emitter, quirks: Quirks
) -> None:
    """Usage in its place or in each that is known, and facts about the whole answer."""
    if quirks.usage_path is not None:
        wire = value_at(payload, quirks.usage_path)
    else:
        wire = payload.get("usage") or (choice.get("usage") if choice else None)
        if not wire:
            for field, path in _USAGE_PLACES:
                if field in payload:
                    wire = value_at(payload[field], path)
    if wire:
        usage = read_usage(wire, output_includes_reasoning=quirks.output_includes_reasoning)
        if usage is not None:
            emit.usage(usage, wire=wire)
    for name in _ANSWER_FACTS:
        if payload.get(name):
            _add_facts(name, payload[name], emit)


def _add_facts(name: str, value: Any, emit: Emitter) -> None:
    """Emits a fact about the whole answer unless it was told before.

    Some services repeat a list in every frame, longer each time; only what is new of it counts.
    """
    known = emit.memory.get(name)
    emit.memory[name] = value
    if isinstance(known, list) and isinstance(value, list) and value[: len(known)] == known:
        value = value[len(known) :]
    if value and value != known:
        emit.metadata({name: value})


def _refuse_failure(payload: dict[str, Any], quirks: Quirks) -> None:
    """Raises what a frame without choices reports; many of them report nothing bad."""
    kind = payload.get("object")
    # An error in the shape of some other framework: words for people, and nothing of an answer.
    is_foreign = (
        "id" not in payload and kind is None and ("detail" in payload or "message" in payload)
    )
    is_error = kind == "error" or (is_foreign and "choices" not in payload)
    if is_error or has_error(payload, quirks.error_path):
        raise _failure(payload, quirks)
    if kind == "chat.completion":
        raise no_such_frame("a whole answer holds no choices")


def _read_delta(delta: Any, choice: dict[str, Any], emit: Emitter, quirks: Quirks) -> None:
    if delta is None:
        return
    if type(delta) is not dict:
        raise no_such_frame("`delta` is no object")
    has_reasoning = _read_reasoning(delta, emit, quirks)
    content = delta.get("content")
    if isinstance(content, list):
        _read_parts(content, emit, has_reasoning)
    elif content or choice.get("logprobs"):
        emit.content(as_text(content, "content"), metadata=_logprobs(content, choice, emit))
    if delta.get("refusal"):
        emit.refusal(as_text(delta["refusal"], "refusal"))
    if delta.get("annotations"):
        emit.metadata({"annotations": delta["annotations"]})
    if delta.get("error"):
        raise _failure({"error": delta["error"]}, quirks)
    if delta.get("audio"):
        raise ProviderError("unsupported", "The answer is audio, which cannot be read here.")
    if delta.get("tool_calls"):
        read_tool_calls(delta["tool_calls"], emit)
    if delta.get("function_call"):
        # The form before tool calls: one call, without an id.
        read_tool_calls([{"index": "function_call", "function": delta["function_call"]}], emit)


def _read_reasoning(delta: dict[str, Any], emit: Emitter, quirks: Quirks) -> bool:
    """Emits the delta's reasoning, once; says whether there was text of it."""
    text = ""
    for name in quirks.reasoning_fields:
        value = delta.get(name)
        if value and isinstance(value, str):
            text = value
            break
    details = delta.get("reasoning_details")
    if not details or not isinstance(details, list):
        emit.reasoning(text)
        return bool(text)
    if not text:
        told = [as_object(detail) for detail in details]
        text = "".join(as_word(each.get("text") or each.get("summary")) or "" for each in told)
    # Signatures and encrypted reasoning stand here, and the service wants all of it back.
    emit.reasoning(text, metadata={"reasoning_details": details})
    return bool(text)


def _read_parts(parts: list[Any], emit: Emitter, has_reasoning: bool) -> None:
    """Content that is a list: texts, and reasoning that is a list of texts itself."""
    for part in parts:
        fields = as_object(part)
        if fields.get("type") == "thinking":
            if not has_reasoning:
                inner = fields.get("thinking")
                texts = inner if isinstance(inner, list) else [inner]
                emit.reasoning("".join(filter(None, map(_text_of_part, texts))))
        else:
            emit.content(_text_of_part(part))


def _text_of_part(part: Any) -> str:
    return part if isinstance(part, str) else as_word(as_object(part).get("text")) or ""


def _logprobs(content: Any, choice: dict[str, Any], emit: Emitter) -> dict[str, Any] | None:
    """What is told of the tokens of a text, and of those before it that gave no text yet."""
    held: list[Any] = emit.memory.pop("logprobs", [])
    tokens = as_object(choice.get("logprobs")).get("content")
    tokens = [*held, *(tokens if isinstance(tokens, list) else ())]
    if tokens and not content:
        emit.memory["logprobs"] = tokens
    return {"logprobs": tokens} if tokens else None


def _finish(raw: str, emit: Emitter, quirks: Quirks) -> None:
    word = raw.lower()
    if word in _FAILURES:
        kind, sentence = _FAILURES[word]
        raise ProviderError(kind, sentence, provider_code=raw, evidence=f"finish reason {raw}")
    reason = _FINISH_REASONS.get(word, "other")
    if reason == "stop" and emit.memory.get("calls"):
        # Said when the request named the function to call, and by servers that know no other word.
        reason = "tool_calls"
    if "finish_reason" in quirks.evidence:
        emit.finish(reason, raw=raw)
    else:
        emit.memory["finish"] = (reason, raw)


def _failure(payload: Any, quirks: Quirks) -> ProviderError:
    return error_from_payload(
        payload, status=None, kinds=quirks.error_kinds, error_path=quirks.error_path
    )


def _json_or_text(frame: Frame) -> Any:
    try:
        return frame.json()
    except FramingError:
        return frame.data.decode("utf-8", "replace")
