"""Plug-ins for the tests of hooks, and a provider that tells what it is asked."""

from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from streamkit.assembly.deltas import ContentDelta, Delta, FinishDelta
from streamkit.plugin import API_VERSION, ProviderSpec, hookimpl
from streamkit.provider import Provider, StreamProvider, StreamScope
from streamkit.registry.discovery import PROVIDERS, Registry
from streamkit.request import ChatRequest
from tests.registry.plugins import Plugins

ASKED_SPEC = ProviderSpec(
    name="asked", api_version=API_VERSION, factory="tests.hooked:AskedProvider", needs_key=False
)


class AskedProvider(StreamProvider):
    """Says a word, and remembers the requests that it was given.

    Attributes:
        asked: The requests.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: list[ChatRequest] = []

    async def open(self, request: ChatRequest, scope: StreamScope) -> AsyncIterator[Delta]:
        for delta in self.open_sync(request, scope):
            yield delta

    def open_sync(self, request: ChatRequest, scope: StreamScope) -> Iterator[Delta]:
        self.asked.append(request)
        yield ContentDelta("one")
        yield FinishDelta("stop")


def registry_of(
    monkeypatch: pytest.MonkeyPatch,
    *hooks: Callable[..., Any],
    providers: dict[str, type[Provider]] | None = None,
    **fields: Any,
) -> Registry:
    """A registry of the providers that are installed, of these, and of a plug-in for each hook.

    Args:
        hooks: Implementations of hooks, each in a plug-in of its own.
        providers: Further providers' classes by name.
        fields: What their descriptions say.
    """
    plugins = Plugins(monkeypatch, Path())
    plugins.points += entry_points(group=PROVIDERS)
    for name, made in (providers or {}).items():
        module = f"plugin_of_{name}"
        facts = {"factory": f"{module}:made", "base_url": "http://text.invalid", **fields}
        spec = ProviderSpec(name=name, api_version=API_VERSION, **facts)
        plugins.module(module, streamkit_providers=_manifest(spec), made=made)
        plugins.point(name, module)
    for number, hook in enumerate(hooks):
        plugins.add_hooks(f"plugin_{number}", hook)
    return plugins.registry()


def _manifest(spec: ProviderSpec) -> Callable[[], list[ProviderSpec]]:
    @hookimpl
    def streamkit_providers() -> list[ProviderSpec]:
        return [spec]

    return streamkit_providers


def use(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    """Makes `get_model` and the lists of models use a registry."""
    for module in ("model", "making", "listing"):
        monkeypatch.setattr(f"streamkit.{module}.default_registry", lambda: registry)
