"""The dialect of OpenAI's chat completions: what most servers speak.

`OpenAICompatibleProvider` is a whole provider for any of them. Where a server differs, a row of
`Quirks` says how; a server that differs more is a subclass.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import to_json

from streamkit.classify import classify_response, error_from_payload
from streamkit.compat_checks import check_quirks
from streamkit.error_body import has_error
from streamkit.errors import ProviderError
from streamkit.messages import (
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCall,
    ToolResult,
)
from streamkit.openai_decode import decode_frame
from streamkit.plugin import ProviderSpec, Quirks
from streamkit.provider import (
    Emitter,
    Frame,
    HTTPCall,
    HTTPProvider,
    ModelInfo,
    NoticeDelta,
    check_extra,
    output_text,
    own_metadata,
)
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings

__all__ = ["OpenAICompatibleProvider"]

# Settings that go out under their own name when they are given.
_PLAIN_SETTINGS: Final = (
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "parallel_tool_calls",
)
_TOOL_CHOICES: Final = frozenset({"auto", "none", "required"})
# Without tools, nothing can be said about them.
_ABOUT_TOOLS: Final = frozenset({"tool_choice", "parallel_tool_calls"})
_WINDOW_NAMES: Final = ("context_length", "context_window", "max_model_len", "max_context_length")


class OpenAICompatibleProvider(HTTPProvider):
    """A provider for a server that speaks OpenAI's chat completions.

    A subclass changes what it must: `settings_of` and `encode_messages` are the two halves of a
    request's body, `quirks_of` is for servers whose models differ.

    Attributes:
        quirks: How the server differs from OpenAI: those of the spec, else those of the class.
    """

    quirks: Quirks = Quirks()

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        super().__init__(spec, settings)
        if spec.quirks is not None:
            self.quirks = spec.quirks
        check_quirks(self.quirks, f"The quirks of `{self.name}`")

    def quirks_of(self, model: str) -> Quirks:
        """How requests to one model differ; answers are read by `quirks` whatever the model."""
        return self.quirks

    def request(self, request: ChatRequest) -> HTTPCall:
        """Says which HTTP call a request becomes; pure.

        Raises:
            ProviderError: The server does not take what is asked (`unsupported`), or `extra` sets
                what is not its to set (`configuration`).
        """
        self._refuse_impossible(request)
        body: dict[str, Any] = {
            "model": request.model,
            "messages": self.encode_messages(request),
            "stream": request.stream,
        }
        if request.stream and self.quirks_of(request.model).include_usage:
            body["stream_options"] = {"include_usage": True}
        settings, notices = self.settings_of(request)
        body.update(settings)
        body.update(request.extra)
        if "tools" in settings and isinstance(request.extra.get("tools"), list):
            # Tools that the service itself runs have no other place; the caller's stay.
            body["tools"] = [*settings["tools"], *request.extra["tools"]]
        return HTTPCall(
            path="/chat/completions",
            json=body,
            framing="sse" if request.stream else "json",
            headers=self.request_headers(),
            notices=tuple(notices),
        )

    def settings_of(self, request: ChatRequest) -> tuple[dict[str, Any], list[NoticeDelta]]:
        """The settings as they stand in the body, and what the caller should know of them.

        A setting that means nothing to the server is left out, with a notice.
        """
        quirks = self.quirks_of(request.model)
        names = quirks.ignored | (_ABOUT_TOOLS if "tools" in quirks.ignored else frozenset())
        ignored = [name for name in sorted(names) if _is_given(request, name)]
        defaults = {name: ChatRequest.model_fields[name].default for name in ignored}
        kept = request.model_copy(update=defaults)
        notices = [
            NoticeDelta(
                "setting_ignored",
                f"`{name}` means nothing to `{self.name}/{request.model}` and was left out.",
            )
            for name in ignored
        ]
        return _settings(kept, quirks), notices

    def encode_messages(self, request: ChatRequest) -> list[dict[str, Any]]:
        """Writes all of a request's messages, in order.

        A last assistant message without tool calls is to be continued: where the server has a field
        that asks for it, the field is set.
        """
        quirks = self.quirks_of(request.model)
        entries = [
            entry for message in request.messages for entry in self.encode_message(message, quirks)
        ]
        last = entries[-1]
        if quirks.prefill_field and last["role"] == "assistant" and "tool_calls" not in last:
            last[quirks.prefill_field] = True
        return entries

    def decode(self, frame: Frame, emit: Emitter) -> None:
        """Says what one frame adds; pure. Serves streamed and whole answers alike."""
        decode_frame(frame, emit, self.quirks)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Says what a failed response means."""
        quirks = self.quirks
        return classify_response(status, headers, body, quirks.error_kinds, quirks.error_path)

    def list_models(self) -> HTTPCall | None:
        """The call that lists the server's models."""
        return HTTPCall(
            path="/models", method="GET", framing="json", headers=self.request_headers()
        )

    def decode_models(self, frame: Frame) -> list[ModelInfo]:
        """Reads the answer to `list_models()`.

        Raises:
            FramingError: It is not JSON.
            ProviderError: It is an error, or no list of models (`protocol`).
        """
        payload = frame.json()
        listed = payload.get("data") if isinstance(payload, dict) else payload
        if isinstance(payload, dict) and has_error(payload, self.quirks.error_path):
            raise error_from_payload(
                payload,
                status=None,
                kinds=self.quirks.error_kinds,
                error_path=self.quirks.error_path,
            )
        if not isinstance(listed, list):
            raise ProviderError("protocol", "The service's answer is no list of models.")
        return [_model_info(item) for item in listed if isinstance(item, dict) and item.get("id")]

    def request_headers(self) -> dict[str, str]:
        """The headers of every request, the key among them.

        Raises:
            ConfigurationError: The key's source gave no usable key.
        """
        headers = dict(self.quirks.headers)
        if self.quirks.close_connection:
            headers["Connection"] = "close"
        key = self.reveal_key()
        if key is not None and self.quirks.key_header is not None:
            headers[self.quirks.key_header] = key
        elif key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def encode_message(self, message: Message, quirks: Quirks) -> list[dict[str, Any]]:
        """Writes one message: a `tool` message becomes one entry for each of its results."""
        match message.role:
            case "system":
                return [{"role": quirks.system_role, "content": message.text}]
            case "user":
                return [{"role": "user", "content": _user_content(message.parts)}]
            case "assistant":
                return [self._assistant(message, quirks), *_results(message.parts)]
            case "tool":
                return _results(message.parts)

    def _assistant(self, message: Message, quirks: Quirks) -> dict[str, Any]:
        said = [part for part in message.parts if isinstance(part, TextPart)]
        calls = [
            self._call(part)
            for part in message.parts
            if isinstance(part, ToolCall) and part.executed_by == "caller"
        ]
        text = "".join(part.text for part in said if not part.refusal)
        refusal = "".join(part.text for part in said if part.refusal)
        entry: dict[str, Any] = {"role": "assistant", "content": text}
        if not text and (calls or refusal):
            # An empty text beside tool calls is refused by some servers; null by none.
            entry["content"] = None
        if refusal:
            entry["refusal"] = refusal
        if calls:
            entry["tool_calls"] = calls
        entry.update(self._reasoning(message, quirks))
        return entry

    def _reasoning(self, message: Message, quirks: Quirks) -> dict[str, Any]:
        """The reasoning as the server wants it back, if it does.

        Without a reasoning part there is no field; an empty part gives an empty one. Servers that
        demand it back know the difference.
        """
        parts = [part for part in message.parts if isinstance(part, ReasoningPart)]
        fields: dict[str, Any] = {}
        if parts and quirks.reasoning_replay is not None:
            fields[quirks.reasoning_replay] = "".join(part.text for part in parts)
        details = [
            detail
            for part in parts
            for detail in self._own(part.metadata).get("reasoning_details") or ()
        ]
        if details:
            fields["reasoning_details"] = _joined_details(details)
        return fields

    def _call(self, call: ToolCall) -> dict[str, Any]:
        entry: dict[str, Any] = {"id": call.call_id}
        if call.input is not None:
            entry.update(type="custom", custom={"name": call.name, "input": call.input})
        else:
            arguments = call.arguments_text or to_json(call.arguments or {}).decode()
            entry.update(type="function", function={"name": call.name, "arguments": arguments})
        extra = self._own(call.metadata).get("extra_content")
        if extra:
            entry["extra_content"] = extra
        return entry

    def _own(self, metadata: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """What this provider itself put into metadata; another's means nothing to its server."""
        return own_metadata(metadata, self.name)

    def _refuse_impossible(self, request: ChatRequest) -> None:
        for name in sorted(self.quirks_of(request.model).unsupported):
            if _is_given(request, name):
                raise ProviderError(
                    "unsupported", f"`{self.name}` does not take the setting `{name}`."
                )
        check_extra(request.extra)
        if "audio" in (request.extra.get("modalities") or ()):
            raise ProviderError(
                "configuration", "Audio answers cannot be read: `modalities` can only be text."
            )


def _is_given(request: ChatRequest, name: str) -> bool:
    value = getattr(request, name)
    return value is not None and value != ()


def _settings(request: ChatRequest, quirks: Quirks) -> dict[str, Any]:
    """The settings that were given, in the dialect's words."""
    values = {name: getattr(request, name) for name in _PLAIN_SETTINGS}
    values[quirks.max_tokens_field] = request.max_tokens
    values["stop"] = list(request.stop) or None
    values["tools"] = [_tool(tool) for tool in request.tools] or None
    values["tool_choice"] = _tool_choice(request.tool_choice)
    if request.output_schema is not None:
        schema = request.output_schema
        described: dict[str, Any] = {"name": schema.name, "schema": schema.definition}
        if schema.strict is not None:
            described["strict"] = schema.strict
        values["response_format"] = {"type": "json_schema", "json_schema": described}
    if request.logprobs is not None:
        values["logprobs"] = True
        values["top_logprobs"] = request.logprobs or None
    return {name: value for name, value in values.items() if value is not None}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(choice: str | None) -> str | dict[str, Any] | None:
    if choice is None or choice in _TOOL_CHOICES:
        return choice
    return {"type": "function", "function": {"name": choice}}


def _user_content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    # Text alone goes out as text: not every server reads lists.
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return [_user_part(part) for part in parts]


def _user_part(part: Part) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        image = {"url": part.as_url()}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    return {"type": "text", "text": part.text if isinstance(part, TextPart) else ""}


def _results(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": part.call_id, "content": output_text(part)}
        for part in parts
        if isinstance(part, ToolResult) and part.executed_by == "caller"
    ]


def _joined_details(details: list[Any]) -> list[Any]:
    """Reasoning details as they were before they were cut into deltas."""
    joined: list[Any] = []
    for detail in details:
        if joined and _continues(joined[-1], detail):
            last = joined.pop()
            given = {name: value for name, value in detail.items() if value is not None}
            text = (last.get("text") or "") + (detail.get("text") or "")
            detail = {**last, **given, "text": text}
        joined.append(detail)
    return joined


def _continues(last: Any, detail: Any) -> bool:
    """Whether a detail is the next piece of the one before it."""
    if not isinstance(last, dict) or not isinstance(detail, dict):
        return False
    is_text = last.get("type") == detail.get("type") == "reasoning.text"
    return is_text and last.get("index") == detail.get("index") is not None


def _model_info(item: dict[str, Any]) -> ModelInfo:
    title = item.get("name") or item.get("display_name")
    window = next((item[name] for name in _WINDOW_NAMES if isinstance(item.get(name), int)), None)
    told = {"id", "object", "name", "display_name", *_WINDOW_NAMES}
    return ModelInfo(
        id=str(item["id"]),
        title=title if isinstance(title, str) else None,
        context_window=window,
        metadata={name: value for name, value in item.items() if name not in told},
    )
