"""An OpenAI-compatible provider for tests, with the quirks that a test wants, and its frames."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from streamkit.assembly.deltas import ContentDelta, Delta, ToolCallDelta
from streamkit.errors import ProviderError
from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import ProviderSpec, Quirks
from streamkit.provider import Emitter, Frame
from streamkit.settings import ProviderSettings

CANARY = "sk-canary-0123456789"


def compatible(*, key: str | None = None, **quirks: Any) -> OpenAICompatibleProvider:
    """A provider named `acme`."""
    provider = OpenAICompatibleProvider(
        ProviderSpec(name="acme", api_version=1, factory="acme:Acme"),
        ProviderSettings(
            provider="acme",
            base_url="http://localhost",
            api_key=None if key is None else SecretStr(key),
        ),
    )
    provider.quirks = Quirks(**quirks)
    return provider


def frame(payload: Any, event: str = "") -> Frame:
    """One frame with this JSON."""
    return Frame(json.dumps(payload).encode(), event)


def decoded(*payloads: Any, **quirks: Any) -> list[Delta]:
    """The deltas of one answer's frames, in order."""
    emit = Emitter()
    for payload in payloads:
        given = payload if isinstance(payload, Frame) else frame(payload)
        compatible(**quirks).decode(given, emit)
    return spelled_out(emit.deltas)


def spelled_out(deltas: list[Delta]) -> list[Delta]:
    """The deltas with each text alone as the content that it stands for."""
    return [ContentDelta(delta) if isinstance(delta, str) else delta for delta in deltas]


def chunk(delta: Any, **choice: Any) -> dict[str, Any]:
    """A frame's JSON with one delta in its first choice."""
    return {"choices": [{"index": 0, "delta": delta, **choice}]}


def calls(deltas: list[Delta]) -> list[tuple[Any, ...]]:
    """Each call: id, name and joined arguments, in order of appearance."""
    found: dict[object, list[Any]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            call = found.setdefault(delta.key, [None, None, ""])
            call[0] = call[0] or delta.call_id
            call[1] = call[1] or delta.name
            call[2] += delta.arguments
    return [tuple(call) for call in found.values()]


def piece(arguments: Any = None, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """One piece of a tool call, as it stands in a delta."""
    function: dict[str, Any] = {}
    if arguments is not None:
        function["arguments"] = arguments
    if name is not None:
        function["name"] = name
    return {**fields, "function": function}


def failure(*payloads: Any, **quirks: Any) -> ProviderError:
    """The error that one of the frames raises."""
    with pytest.raises(ProviderError) as caught:
        decoded(*payloads, **quirks)
    return caught.value
