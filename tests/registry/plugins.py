"""Plug-ins for tests: modules of their own and, where it matters, distributions that bring them."""

import sys
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from streamkit.config_file import Config
from streamkit.plugin import API_VERSION, ProviderSpec, hookimpl
from streamkit.registry.discovery import PLUGINS, PROVIDERS, Registry


class Acme:
    """A provider's class, as far as the registry cares."""


def spec(name: str, **fields: Any) -> ProviderSpec:
    """A description whose class is in the module that `Plugins.add` makes."""
    return ProviderSpec(
        **{"name": name, "api_version": API_VERSION, "factory": f"plugin_of_{name}:Acme", **fields}
    )


def distribution(
    folder: Path, name: str, version: str, entry_points: str, *, is_direct: bool = False
) -> Distribution:
    """Installs the metadata of a distribution in a folder; `is_direct`: as `pip install .` does."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)
    if is_direct:
        (info / "direct_url.json").write_text('{"url": "file:///owl", "dir_info": {}}')
    return Distribution.at(info)


class Plugins:
    """Manifests in modules of their own, as installed distributions would have them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder
        self.points: list[EntryPoint] = []
        self.config = Config()

    def module(self, name: str, **contents: Any) -> ModuleType:
        """A module that can be imported."""
        module = ModuleType(name)
        vars(module).update(contents)
        self._monkeypatch.setitem(sys.modules, name, module)
        return module

    def point(
        self,
        name: str,
        value: str,
        group: str = PROVIDERS,
        owner: str | None = None,
        *,
        is_direct: bool = False,
    ) -> None:
        """An entry point, of a distribution where one is named as its owner."""
        if owner is None:
            self.points.append(EntryPoint(name=name, value=value, group=group))
            return
        text = f"[{group}]\n{name} = {value}\n"
        folder = self._folder / str(len(self.points))
        self.points += distribution(folder, owner, "1.2.0", text, is_direct=is_direct).entry_points

    def add(
        self,
        name: str,
        specs: Any,
        module: str | None = None,
        owner: str | None = None,
        *,
        is_direct: bool = False,
    ) -> None:
        """Installs a provider whose hook gives `specs`, or raises it."""

        @hookimpl
        def streamkit_providers() -> Any:
            if isinstance(specs, BaseException):
                raise specs
            return specs

        value = module or f"plugin_of_{name}"
        self.module(value, streamkit_providers=streamkit_providers, Acme=Acme)
        self.point(name, value, owner=owner, is_direct=is_direct)

    def add_hooks(self, name: str, *hooks: Any, **named: Any) -> None:
        """Installs a plug-in that is no provider."""
        functions = {each.__name__: hookimpl(each) for each in hooks}
        self.module(name, **functions, **named)
        self.point(name, name, PLUGINS)

    def registry(self) -> Registry:
        """A registry of what was installed so far."""
        groups = {group: [p for p in self.points if p.group == group] for group in GROUPS}
        strays = [point for point in self.points if point.group not in GROUPS]
        return Registry(groups[PROVIDERS], groups[PLUGINS], lambda: self.config, lambda: strays)


GROUPS = (PROVIDERS, PLUGINS)
