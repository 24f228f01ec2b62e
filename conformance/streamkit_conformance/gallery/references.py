"""Providers that keep every rule: two for each dialect, made in two ways that share no code.

`streamkit-…` are providers as plug-ins' authors write them; `plain-…` are the stand-alone client.
A mistake that both make is a mistake of the kit or of the promises, not of one reader.
"""

from collections.abc import Callable
from typing import Any, Final

from pydantic_core import to_json

from streamkit.chunks import Usage
from streamkit.classify import error_from_payload
from streamkit.making import make_provider
from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import Capabilities, ProviderSpec
from streamkit.provider import Emitter, Frame, HTTPCall, HTTPProvider, token_count
from streamkit.request import ChatRequest
from streamkit_conformance.dialects import ollama_ndjson, openai_sse
from streamkit_conformance.gallery.plain_client import OllamaClient, OpenAIClient
from streamkit_conformance.gallery.plain_requests import ollama_body
from streamkit_conformance.target import Conformance, Env

__all__ = [
    "OLLAMA_CLAIMS",
    "OLLAMA_SPEC",
    "OPENAI_CLAIMS",
    "OPENAI_SPEC",
    "REFERENCES",
    "OllamaReference",
    "OpenAIReference",
    "provider_of",
]

OPENAI_CLAIMS: Final = Capabilities.of(
    yes="tools parallel_tools reasoning usage json_schema images logprobs non_stream"
)
OLLAMA_CLAIMS: Final = Capabilities.of(
    yes="tools parallel_tools reasoning usage json_schema images logprobs non_stream"
)
OPENAI_SPEC: Final = ProviderSpec(
    name="reference-openai",
    api_version=1,
    factory="streamkit_conformance.gallery.references:OpenAIReference",
    base_url="https://service.conformance.invalid/v1",
    capabilities=OPENAI_CLAIMS,
)
OLLAMA_SPEC: Final = ProviderSpec(
    name="reference-ollama",
    api_version=1,
    factory="streamkit_conformance.gallery.references:OllamaReference",
    base_url="https://service.conformance.invalid",
    needs_key=False,
    capabilities=OLLAMA_CLAIMS,
)


class OpenAIReference(OpenAICompatibleProvider):
    """What `streamkit.openai_compatible` makes of a row of data."""


class OllamaReference(HTTPProvider):
    """Ollama's chat in the two functions that streamkit asks for."""

    def request(self, request: ChatRequest) -> HTTPCall:
        """The call of a request."""
        settings = {
            name: value
            for name in ChatRequest.model_fields
            if name not in {"model", "messages", "request_id", "conversation_id"}
            and (value := getattr(request, name)) not in (None, (), {})
        }
        key = self.reveal_key()
        return HTTPCall(
            path="/api/chat",
            json=ollama_body(request.model, request.messages, settings),
            framing="ndjson" if request.stream else "json",
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
        )

    def decode(self, frame: Frame, emit: Emitter) -> None:
        """What one line adds."""
        line = frame.object()
        if line.get("error"):
            raise error_from_payload(line, status=None)
        message = line.get("message") or {}
        emit.identity(model=line.get("model"))
        emit.reasoning(message.get("thinking") or "")
        emit.content(message.get("content") or "")
        for entry in message.get("tool_calls") or []:
            self.call(entry, emit)
        if line.get("done"):
            self.finish(line, emit)

    def call(self, entry: dict[str, Any], emit: Emitter) -> None:
        """A whole tool call."""
        number = emit.memory["calls"] = emit.memory.get("calls", 0) + 1
        function = entry["function"]
        emit.tool_call(
            number,
            id=entry.get("id"),
            name=function["name"],
            arguments=to_json(function.get("arguments") or {}).decode(),
            done=True,
        )

    def finish(self, line: dict[str, Any], emit: Emitter) -> None:
        """The last line."""
        usage = Usage(
            input_tokens=token_count(line.get("prompt_eval_count")),
            output_tokens=token_count(line.get("eval_count")),
        )
        if usage != Usage():
            emit.usage(usage)
        raw = line.get("done_reason")
        known = {None: "stop", "stop": "stop", "length": "length"}
        emit.finish(known.get(raw, "other"), raw=raw)
        emit.terminator()


def provider_of(cls: type[HTTPProvider]) -> Callable[[Env], HTTPProvider]:
    """Makes a provider as streamkit makes those that are installed: with the key checked."""
    spec = OLLAMA_SPEC if issubclass(cls, OllamaReference) else OPENAI_SPEC

    def subject(env: Env) -> HTTPProvider:
        made = make_provider(spec, lambda: cls, api_key=env.secret, base_url=env.base_url)
        assert isinstance(made, HTTPProvider)
        return made

    return subject


REFERENCES: Final[dict[str, Conformance]] = {
    each.name: each
    for each in (
        Conformance(
            provider_of(OpenAIReference),
            dialect=openai_sse(),
            name="streamkit-openai",
        ),
        Conformance(OpenAIClient, dialect=openai_sse(), name="plain-openai", claims=OPENAI_CLAIMS),
        Conformance(
            provider_of(OllamaReference),
            dialect=ollama_ndjson(),
            name="streamkit-ollama",
        ),
        Conformance(
            OllamaClient, dialect=ollama_ndjson(), name="plain-ollama", claims=OLLAMA_CLAIMS
        ),
    )
}
