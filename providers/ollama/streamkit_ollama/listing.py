"""Reads what an Ollama server tells of its models."""

from collections.abc import Mapping
from typing import Any, Final

from streamkit.classify import error_from_payload
from streamkit.errors import ProviderError
from streamkit.plugin import Capabilities, Capability
from streamkit.provider import Frame, ModelInfo

__all__ = ["read_model", "read_models"]

# The server's words for what depends on the model, and ours.
_CAPABILITIES: Final[dict[str, str]] = {
    "tools": "tools",
    "thinking": "reasoning",
    "vision": "images",
}
# Licences, templates and tables of tokens fill megabytes; what helps to choose a model is kept.
_TELLING: Final = (
    "capabilities",
    "details",
    "digest",
    "modified_at",
    "parameters",
    "remote_host",
    "remote_model",
    "size",
)


def read_models(frame: Frame) -> list[ModelInfo]:
    """Reads the answer of `/api/tags`.

    Raises:
        FramingError: It is not a JSON object.
        ProviderError: It is an error, or no list of models (`protocol`).
    """
    payload = _payload(frame)
    listed = payload.get("models")
    if listed is None and "models" in payload:
        return []  # how a server without models writes its list, at some versions
    if not isinstance(listed, list):
        raise ProviderError("protocol", "The server's answer is no list of models.")
    return [_model(item) for item in listed if isinstance(item, dict) and _name(item)]


def read_model(name: str, frame: Frame) -> ModelInfo:
    """Reads the answer of `/api/show` for a model.

    Raises:
        FramingError: It is not a JSON object.
        ProviderError: It is an error.
    """
    payload = _payload(frame)
    facts = payload.get("model_info")
    return ModelInfo(
        id=name,
        context_window=_context_window(facts if isinstance(facts, dict) else {}),
        capabilities=_capabilities(payload.get("capabilities")),
        metadata=_metadata(payload),
    )


def _payload(frame: Frame) -> dict[str, Any]:
    payload = frame.object()
    if payload.get("error"):
        raise error_from_payload(payload, status=None)
    return payload


def _name(item: Mapping[str, Any]) -> str:
    return str(item.get("name") or item.get("model") or "")


def _model(item: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(
        id=_name(item),
        capabilities=_capabilities(item.get("capabilities")),
        metadata=_metadata(item),
    )


def _metadata(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in _TELLING if item.get(name)}


def _context_window(facts: Mapping[str, Any]) -> int | None:
    """The window that the model was made for; the server may be set to a smaller one."""
    family = facts.get("general.architecture")
    window = facts.get(f"{family}.context_length")
    is_window = isinstance(window, int) and not isinstance(window, bool) and window > 0
    return window if is_window else None


def _capabilities(words: Any) -> Capabilities | None:
    """What the server lists is a yes, what it leaves out a no; older servers list nothing."""
    if not isinstance(words, list) or not words:
        return None
    answers = {
        ours: Capability.YES if theirs in words else Capability.NO
        for theirs, ours in _CAPABILITIES.items()
    }
    return Capabilities(**answers)
