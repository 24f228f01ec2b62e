"""Writes the plain client's requests: everything that is asked is sent, or refused."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

__all__ = ["ollama_body", "openai_body"]

_OPENAI_NAMES: Final = (
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "max_tokens",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
)
_OLLAMA_OPTIONS: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "num_predict",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "stop": "stop",
}


def openai_body(model: str, messages: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The body of a chat completion.

    Raises:
        TypeError: There is no such setting.
        ValueError: The service cannot do what is asked.
    """
    given = _given(settings)
    stream, extra = given.pop("stream", True), given.pop("extra", {})
    written = _written(messages, given.pop("system", None), _openai_message)
    body: dict[str, Any] = {"model": model, "messages": written, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    body |= {name: given.pop(name) for name in _OPENAI_NAMES if name in given}
    if isinstance(body.get("tool_choice"), str):
        body["tool_choice"] = _openai_choice(body["tool_choice"])
    if "stop" in given:
        body["stop"] = _listed(given.pop("stop"))
    if "tools" in given:
        body["tools"] = [_tool(each) for each in given.pop("tools")]
    if "output_schema" in given:
        name, schema, strict = _schema(given.pop("output_schema"))
        described = {"name": name, "schema": schema} | (
            {} if strict is None else {"strict": strict}
        )
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    if "logprobs" in given:
        count = given.pop("logprobs")
        body |= {"logprobs": True} | ({"top_logprobs": count} if count else {})
    _refuse_unknown(given)
    body.update(extra)
    return body


def ollama_body(model: str, messages: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The body of a chat.

    Raises:
        TypeError: There is no such setting.
        ValueError: The server cannot do what is asked.
    """
    given = _given(settings)
    stream, extra = given.pop("stream", True), dict(given.pop("extra", {}))
    written = _written(messages, given.pop("system", None), _ollama_message)
    body: dict[str, Any] = {"model": model, "messages": written, "stream": stream}
    if "stop" in given:
        given["stop"] = _listed(given["stop"])
    options = {theirs: given.pop(ours) for ours, theirs in _OLLAMA_OPTIONS.items() if ours in given}
    options |= extra.pop("options", {})
    if options:
        body["options"] = options
    choice = given.pop("tool_choice", "auto")
    if choice not in {"auto", "none"} or given.pop("parallel_tool_calls", True) is False:
        raise ValueError("The server cannot be told which tools to call.")
    tools = given.pop("tools", ())
    if tools and choice != "none":
        body["tools"] = [_tool(each) for each in tools]
    if "output_schema" in given:
        body["format"] = _schema(given.pop("output_schema"))[1]
    if "reasoning_effort" in given:
        effort = given.pop("reasoning_effort")
        body["think"] = False if effort == "none" else effort
    if "logprobs" in given:
        count = given.pop("logprobs")
        body |= {"logprobs": True} | ({"top_logprobs": count} if count else {})
    _refuse_unknown(given)
    body.update(extra)
    return body


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in settings.items() if value is not None and value != ()}
    if given.pop("n", 1) != 1:
        raise ValueError("A stream is one answer.")
    return given


def _refuse_unknown(rest: Mapping[str, Any]) -> None:
    if rest:
        raise TypeError(f"There is no setting {min(rest)!r}.")


def _written(
    messages: Any, system: str | None, write: Callable[[str, Any], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    written = [] if system is None else [{"role": "system", "content": system}]
    if isinstance(messages, str):
        return [*written, {"role": "user", "content": messages}]
    for message in messages:
        written += write(message.role, message.parts)
    return written


def _of(kind: str, parts: Iterable[Any]) -> list[Any]:
    return [each for each in parts if each.type == kind]


def _text(parts: Iterable[Any]) -> str:
    return "".join(each.text for each in _of("text", parts))


def _output(part: Any) -> str:
    return part.output if isinstance(part.output, str) else json.dumps(part.output)


def _openai_message(role: str, parts: Any) -> list[dict[str, Any]]:
    results = [
        {"role": "tool", "tool_call_id": each.call_id, "content": _output(each)}
        for each in _of("tool_result", parts)
    ]
    if role == "tool":
        return results
    content: Any = _text(parts)
    if _of("image", parts):
        content = [
            {"type": "text", "text": each.text}
            if each.type == "text"
            else {"type": "image_url", "image_url": {"url": each.as_url()} | _detail(each)}
            for each in parts
        ]
    entry = {"role": role, "content": content}
    calls = [
        {
            "id": each.call_id,
            "type": "function",
            "function": {"name": each.name, "arguments": _arguments_text(each)},
        }
        for each in _of("tool_call", parts)
    ]
    if calls:
        entry |= {"content": content or None, "tool_calls": calls}
    thoughts = _of("reasoning", parts)
    if thoughts:
        entry["reasoning_content"] = "".join(each.text for each in thoughts)
    return [entry, *results]


def _ollama_message(role: str, parts: Any) -> list[dict[str, Any]]:
    results = [
        {
            "role": "tool",
            "content": _output(each),
            "tool_name": each.name,
            "tool_call_id": each.call_id,
        }
        for each in _of("tool_result", parts)
    ]
    if role == "tool":
        return results
    entry: dict[str, Any] = {"role": role, "content": _text(parts)}
    images = [_base64(each) for each in _of("image", parts)]
    calls = [
        {
            "id": each.call_id,
            "function": {"name": each.name, "arguments": json.loads(_arguments_text(each))},
        }
        for each in _of("tool_call", parts)
    ]
    thoughts = "".join(each.text for each in _of("reasoning", parts))
    told = {"images": images, "tool_calls": calls, "thinking": thoughts}
    return [entry | {name: value for name, value in told.items() if value}, *results]


def _arguments_text(call: Any) -> str:
    return call.arguments_text or json.dumps(call.arguments or {})


def _detail(image: Any) -> dict[str, str]:
    return {} if image.detail is None else {"detail": image.detail}


def _base64(image: Any) -> str:
    url: str = image.as_url()
    if not url.startswith("data:"):
        raise ValueError("The server fetches no images.")
    return url.partition(",")[2]


def _tool(tool: Any) -> dict[str, Any]:
    function = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _openai_choice(choice: str) -> Any:
    if choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}


def _schema(given: Any) -> tuple[str, Any, bool | None]:
    if isinstance(given, type):
        return given.__name__, given.model_json_schema(), None  # type: ignore[attr-defined]
    if isinstance(given, Mapping):
        schema = given.get("definition", given)
        return given.get("name", "answer") if schema is not given else "answer", schema, None
    return given.name, given.definition, given.strict


def _listed(stop: Any) -> list[str]:
    return [stop] if isinstance(stop, str) else list(stop)
