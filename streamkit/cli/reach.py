"""Asks whether a service answers: by its list of models, its address, or one real token."""

import socket
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from streamkit.chunks import ContentChunk, ErrorChunk, ReasoningChunk, StreamChunk, ToolCallChunk
from streamkit.cli.cache import address_without_secrets, known_models
from streamkit.cli.services import SHORT_TIMEOUTS, provider_of
from streamkit.cli.terminal import one_line
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
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Whether a service answered.

    Attributes:
        is_well: It did.
        told: What it said, or what went wrong.
        is_set_by_user: Someone gave a setting: the service is meant to be there.
    """

    name: str
    is_well: bool
    told: str
    is_set_by_user: bool
    remedy: str | None = None


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
        return Reached(
            name=name,
            is_well=False,
            told=f"{address}: {error.kind}: {one_line(error.message, 300)}",
            is_set_by_user=is_set,
            remedy=_REMEDIES.get(error.kind),
        )
    except ConfigurationError as error:
        return Reached(name=name, is_well=False, told=str(error), is_set_by_user=is_set)
    took = time.monotonic() - began
    told = (
        f"{address} lists {len(models)} {'model' if len(models) == 1 else 'models'}, {took:.2f} s"
    )
    return Reached(name=name, is_well=True, told=told, is_set_by_user=is_set)


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
        is_set_by_user=is_set,
        remedy=None if is_well else _REMEDIES["connection"],
    )


def probed(name: str) -> Reached | None:
    """Whether a model of the provider answers; `None` where the provider is not set up."""
    try:
        provider = provider_of(name)
    except ConfigurationError:
        return None
    is_set = any(source != DEFAULT for source in provider.settings.sources.values())
    model = provider.spec.default_model or next(iter(known_models(name)), None)
    if model is None:
        told = "no model is known to ask; streamkit models shows what there is"
        return Reached(name=name, is_well=not is_set, told=told, is_set_by_user=is_set)
    ref = f"{name}/{model}"
    try:
        with get_model(ref, timeouts=_PROBE_TIMEOUTS).stream(
            "Say hello.", max_tokens=_PROBE_TOKENS
        ) as stream:
            first = next((chunk for chunk in stream if _says_something(chunk)), None)
    except ConfigurationError as error:
        return Reached(name=name, is_well=False, told=f"{ref}: {error}", is_set_by_user=is_set)
    if isinstance(first, ErrorChunk):
        failure = first.error
        return Reached(
            name=name,
            is_well=False,
            told=f"{ref}: {failure.kind}: {one_line(failure.message, 300)}",
            is_set_by_user=is_set,
            remedy=_REMEDIES.get(failure.kind),
        )
    told = "ended without a word" if first is None else f"first content after {first.elapsed_ms} ms"
    return Reached(name=name, is_well=True, told=f"{ref}: {told}", is_set_by_user=is_set)


def _says_something(chunk: StreamChunk) -> bool:
    return isinstance(chunk, ContentChunk | ReasoningChunk | ToolCallChunk | ErrorChunk)
