"""Writes a request in Ollama's words: the body of `/api/chat`.

What Ollama has no word for is refused where the answer would be another one than was asked for, and
left out with a notice where it would only be less than was wished for.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from streamkit.errors import ProviderError
from streamkit.messages import (
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Tool,
    ToolCall,
    ToolResult,
)
from streamkit.provider import NoticeDelta, check_extra, output_text, own_metadata
from streamkit.request import ChatRequest

__all__ = ["encode_request"]

# Settings that Ollama takes among its `options`, by the names that it has for them.
_OPTION_NAMES: Final[dict[str, str]] = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
# What the server reads among `options` alone: at the top level it would be passed over in silence.
_ONLY_OPTIONS: Final = frozenset(_OPTION_NAMES.values()) | {
    "draft_num_predict",
    "main_gpu",
    "min_p",
    "num_batch",
    "num_ctx",
    "num_gpu",
    "num_keep",
    "num_thread",
    "repeat_last_n",
    "repeat_penalty",
    "stop",
    "top_k",
    "typical_p",
    "use_mmap",
}
_EFFORTS: Final[dict[str, bool | str]] = {
    "none": False,
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
}


def encode_request(
    request: ChatRequest, provider: str, options: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[NoticeDelta, ...]]:
    """The body, and what the caller should know of it.

    Args:
        request: What is asked.
        provider: The provider's name, under which it finds its own metadata in the history.
        options: The provider's settings: `keep_alive` and `num_ctx`.

    Raises:
        ProviderError: Ollama cannot do what is asked (`unsupported`), or `extra` sets what is not
            its to set (`configuration`).
    """
    extra = dict(request.extra)
    _check_extra(extra)
    _refuse_impossible(request)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": _encode_messages(request.messages, provider),
        # Without the field the server streams.
        "stream": request.stream,
        # The server's default drops the oldest messages of a long prompt and does not say so.
        "truncate": False,
    }
    body.update(_settings(request))
    sampling = {**_options(request, options), **extra.pop("options", {})}
    if sampling:
        body["options"] = sampling
    if options.get("keep_alive") is not None:
        body["keep_alive"] = options["keep_alive"]
    body.update(extra)
    return body, tuple(_notices(request))


def _settings(request: ChatRequest) -> dict[str, Any]:
    values: dict[str, Any] = {}
    # A model that is shown no tools calls none.
    if request.tools and request.tool_choice != "none":
        values["tools"] = [_tool(tool) for tool in request.tools]
    if request.output_schema is not None:
        values["format"] = request.output_schema.definition
    if request.reasoning_effort is not None:
        values["think"] = _EFFORTS[request.reasoning_effort]
    if request.logprobs is not None:
        values["logprobs"] = True
        if request.logprobs:
            values["top_logprobs"] = request.logprobs
    return values


def _options(request: ChatRequest, given: Mapping[str, Any]) -> dict[str, Any]:
    values = {"num_ctx": given.get("num_ctx"), "stop": list(request.stop) or None}
    values |= {theirs: getattr(request, ours) for ours, theirs in _OPTION_NAMES.items()}
    return {name: value for name, value in values.items() if value is not None}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _refuse_impossible(request: ChatRequest) -> None:
    choice = request.tool_choice
    if choice not in (None, "auto", "none"):
        wish = "a tool call" if choice == "required" else "the call of one tool"
        raise ProviderError(
            "unsupported",
            f"Ollama cannot be made to answer with {wish}: `tool_choice` can be auto or none.",
        )
    if request.reasoning_effort not in (None, *_EFFORTS):
        raise ProviderError(
            "unsupported",
            f"Ollama knows the reasoning efforts {', '.join(_EFFORTS)}; "
            'for true or false give extra={"think": …}.',
        )


def _check_extra(extra: Mapping[str, Any]) -> None:
    check_extra(extra)
    if not isinstance(extra.get("options", {}), Mapping):
        raise _misplaced("`options` in `extra` must be an object of Ollama's options.")
    for name in extra:
        if name in _ONLY_OPTIONS:
            raise _misplaced(f'Ollama reads `{name}` in extra={{"options": {{…}}}} alone.')


def _misplaced(reason: str) -> ProviderError:
    return ProviderError("configuration", reason)


def _notices(request: ChatRequest) -> Iterator[NoticeDelta]:
    """What was asked for that the server has no word for and can do without."""
    if request.parallel_tool_calls is False:
        yield _ignored("`parallel_tool_calls` means nothing to Ollama: a model may call several.")
    if request.tool_choice != "none" and any(tool.strict for tool in request.tools):
        yield _ignored("`strict` of a tool means nothing to Ollama: its arguments may be any.")
    parts = (part for message in request.messages for part in message.parts)
    if any(isinstance(part, ImagePart) and part.detail not in (None, "auto") for part in parts):
        yield _ignored("`detail` of an image means nothing to Ollama.")


def _ignored(message: str) -> NoticeDelta:
    return NoticeDelta("setting_ignored", f"{message} It was left out.")


def _encode_messages(messages: Iterable[Message], provider: str) -> list[dict[str, Any]]:
    """Writes the messages: each result of a tool becomes one of its own."""
    own_ids: dict[str, str] = {}
    entries: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "assistant":
            entries.append(_assistant(message, provider, own_ids))
        elif message.role != "tool":
            entries.append(_plain(message))
        entries += _results(message.parts, own_ids)
    return entries


def _plain(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.text}
    images = [_image(part) for part in message.parts if isinstance(part, ImagePart)]
    if images:
        entry["images"] = images
    return entry


def _assistant(message: Message, provider: str, own_ids: dict[str, str]) -> dict[str, Any]:
    """An answer as the server gave it; notes in `own_ids` which ids of calls are the server's."""
    entry: dict[str, Any] = {"role": "assistant", "content": message.text}
    thinking = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
    if thinking:
        entry["thinking"] = thinking
    calls = []
    for part in message.parts:
        if isinstance(part, ToolCall) and part.executed_by == "caller":
            call: dict[str, Any] = {"function": {"name": part.name, "arguments": _arguments(part)}}
            own_id = own_metadata(part.metadata, provider).get("id")
            if isinstance(own_id, str):
                call["id"] = own_ids[part.call_id] = own_id
            calls.append(call)
    if calls:
        entry["tool_calls"] = calls
    return entry


def _arguments(call: ToolCall) -> dict[str, Any]:
    """The arguments as an object, the only form that the server reads."""
    if call.arguments is not None:
        return call.arguments
    # Free text, or what was no JSON: the model should see what it wrote all the same.
    text = call.input if call.input is not None else call.arguments_text
    return {"input": text} if text else {}


def _results(parts: Iterable[Part], own_ids: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, ToolResult) and part.executed_by == "caller":
            entry = {"role": "tool", "content": output_text(part), "tool_name": part.name}
            if part.call_id in own_ids:
                entry["tool_call_id"] = own_ids[part.call_id]
            yield entry


def _image(part: ImagePart) -> str:
    """The image's bytes in base64: the server takes neither addresses nor `data:` URLs."""
    if part.data is not None:
        return base64.b64encode(part.data).decode("ascii")
    url = part.url or ""
    if not url.startswith("data:"):
        raise ProviderError(
            "unsupported",
            "Ollama takes an image's bytes and not its address: fetch it and give it as `data`.",
        )
    kind, _, content = url.partition(",")
    data = unquote_to_bytes(content)
    try:
        if kind.rstrip().lower().endswith(";base64"):
            data = base64.b64decode(data.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error:
        raise _misplaced("The `data:` URL of an image is no valid base64.") from None
    if not data:
        raise _misplaced("The `data:` URL of an image is empty.")
    return base64.b64encode(data).decode("ascii")
