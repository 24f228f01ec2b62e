"""Asks whether a service answers: by its list of models, its address, or one real token."""

import re
import socket
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from streamkit.chunks import (
    ContentChunk,
    ErrorChunk,
    ErrorInfo,
    ReasoningChunk,
    StreamChunk,
    ToolCallChunk,
)
from streamkit.cli.cache import address_without_secrets
from streamkit.cli.failures import plugin_fault
from streamkit.cli.services import SHORT_TIMEOUTS, provider_of
from streamkit.cli.terminal import for_the_shell, one_line
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.listing import list_models_sync
from streamkit.model import get_model
from streamkit.settings import DEFAULT, Timeouts

# Enough for services that refuse to be asked for less; the stream is closed at the first piece.
_PROBE_TOKENS: Final = 16
# A model may have to be loaded first.
_PROBE_TIMEOUTS: Final = Timeouts(connect=10.0, first_content=120.0, total=150.0)

# What the kinds of failure call for, where the words of the service may not say it.
_REMEDIES: Final = {
    "authentication": "set the right key",
    "permission": "the key may not do this; ask who gave it to you",
    "connection": "start the server, or correct the address",
    "timeout_connect": "correct the address, or see what stands between here and there",
    "not_found": "correct the address: nothing of the kind is there",
    "plugin": "tell the plug-in's author; --verbose shows the traceback",
}
# Where a message that says what mends a fault begins to say it.
_MENDS: Final = re.compile(r"(?<=[.:]) (?=(?:To|Run|Set|Pass|Install|Put)\b)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Whether a service answered.

    Attributes:
        is_well: It did; `None` where it was not asked.
        told: What it said, or what went wrong.
        is_wanted: It should answer: someone gave a setting, so the service is meant to be there.
        remedy: What mends it.
        detail: More for developers.
    """

    name: str
    is_well: bool | None
    told: str
    is_wanted: bool
    remedy: str | None = None
    detail: str | None = None


def reached(name: str) -> Reached | None:
    """Whether a provider's service answers; `None` where it has no address or is not set up."""
    try:
        settings = provider_of(name).settings
    except ConfigurationError:
        return None
    if not settings.base_url:
        return None
    address = address_without_secrets(settings.base_url)
    is_set = any(source != DEFAULT for source in settings.sources.values())
    began = time.monotonic()
    try:
        models = list_models_sync(name, timeouts=SHORT_TIMEOUTS)
    except ProviderError as error:
        if error.kind == "unsupported":
            return _connected(name, address, is_set)
        return _failed(name, address, error, is_set=is_set)
    except ConfigurationError as error:
        return _failed(name, address, _as_failure(error), is_set=is_set)
    took = time.monotonic() - began
    told = (
        f"{address} lists {len(models)} {'model' if len(models) == 1 else 'models'}, {took:.2f} s"
    )
    return Reached(name=name, is_well=True, told=told, is_wanted=is_set)


def _connected(name: str, address: str, is_set: bool) -> Reached:
    """Whether an address takes a connection, where there is no list to ask for."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), SHORT_TIMEOUTS.connect):
            told, is_well = f"{address} takes connections; it lists no models", True
    except OSError as error:
        told, is_well = f"{address}: connection: {error}", False
    return Reached(
        name=name,
        is_well=is_well,
        told=told,
        is_wanted=is_set,
        remedy=None if is_well else _REMEDIES["connection"],
    )


def _as_failure(error: ConfigurationError) -> ProviderError:
    return ProviderError("configuration", str(error))


def _failed(name: str, what: str, error: ErrorInfo | ProviderError, *, is_set: bool) -> Reached:
    """What went wrong, and what would mend it."""
    said, remedy = one_line(for_the_shell(error.message), 400), _REMEDIES.get(error.kind)
    if error.kind == "configuration":
        said, *mends = _MENDS.split(said, maxsplit=1)
        remedy = mends[0] if mends else None
    fault = plugin_fault(error.detail or "") if error.kind == "plugin" else ""
    return Reached(
        name=name,
        is_well=False,
        told=f"{what}: {error.kind}: {said}{f' ({fault})' if fault else ''}",
        # A bug is one whether anybody set the provider up or not.
        is_wanted=is_set or error.kind == "plugin",
        remedy=remedy,
        detail=error.detail,
    )


def probed(name: str, model: str | None = None) -> Reached | None:
    """Whether a model of the provider answers; `None` where the provider is not set up.

    Args:
        name: The provider.
        model: The model to ask; by default the provider's own default. None is picked from a list:
            it could be a costly one, or one that only embeds.
    """
    try:
        provider = provider_of(name)
    except ConfigurationError:
        return None
    is_set = any(source != DEFAULT for source in provider.settings.sources.values())
    model = model or provider.spec.default_model
    if model is None:
        told = f"not asked: it has no default model. Name one: --model {name}/MODEL"
        return Reached(name=name, is_well=None, told=told, is_wanted=is_set)
    ref = f"{name}/{model}"
    try:
        with get_model(ref, timeouts=_PROBE_TIMEOUTS).stream(
            "Say hello.", max_tokens=_PROBE_TOKENS
        ) as stream:
            first = next((chunk for chunk in stream if _says_something(chunk)), None)
    except ConfigurationError as error:
        return _failed(name, ref, _as_failure(error), is_set=is_set)
    if isinstance(first, ErrorChunk):
        return _failed(name, ref, first.error, is_set=is_set)
    told = "ended without a word" if first is None else f"first content after {first.elapsed_ms} ms"
    return Reached(name=name, is_well=True, told=f"{ref}: {told}", is_wanted=is_set)


def _says_something(chunk: StreamChunk) -> bool:
    return isinstance(chunk, ContentChunk | ReasoningChunk | ToolCallChunk | ErrorChunk)
