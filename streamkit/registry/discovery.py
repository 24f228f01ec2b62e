"""Finds providers by entry point, in three stages, so that one bad plug-in breaks no other.

- *list*: the names of the entry points; imports nothing.
- *describe*: imports one plug-in's manifest and calls its hook.
- *load*: imports the provider's class, on first use.

What is wrong with a plug-in is raised when that provider is asked for, and only then.
"""

import difflib
import importlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

import pluggy

from streamkit.errors import ConfigurationError
from streamkit.plugin import API_VERSION, PROJECT_NAME, ProviderSpec
from streamkit.registry import hookspecs

GROUP: Final = "streamkit.providers"


class Registry:
    """The providers that are installed.

    Args:
        found: Their entry points; by default those of the environment.
    """

    def __init__(self, found: list[EntryPoint] | None = None) -> None:
        points = entry_points(group=GROUP) if found is None else found
        self._points: dict[str, EntryPoint] = {}
        for point in points:
            self._points.setdefault(point.name, point)
        self._specs: dict[str, ProviderSpec] = {}
        self._manager = pluggy.PluginManager(PROJECT_NAME)
        self._manager.add_hookspecs(hookspecs)

    def names(self) -> list[str]:
        """The names of the installed providers; imports none of them."""
        return sorted(self._points)

    def split(self, ref: object) -> tuple[str, str]:
        """Splits a model reference at its first separator into provider and model.

        Raises:
            ConfigurationError: It is no reference, or its provider is not installed.
        """
        if not isinstance(ref, str) or not ref.strip():
            raise ConfigurationError("Write the model as provider/model, such as openai/gpt-5.")
        cut = min((ref.index(mark) for mark in "/:" if mark in ref), default=-1)
        provider, model = (ref[:cut], ref[cut + 1 :]) if cut >= 0 else (ref, "")
        if cut >= 0 and provider not in self._points:
            raise ConfigurationError(self._unknown(provider))
        if not model.strip():
            raise ConfigurationError(
                f"{ref!r} names no model. Write provider/model; installed providers: "
                f"{self._listed()}."
            )
        return provider, model

    def describe(self, name: str) -> ProviderSpec:
        """Describes one provider; imports its manifest.

        Raises:
            ConfigurationError: It is not installed, or its manifest is broken.
        """
        spec = self._specs.get(name)
        if spec is None:
            spec = self._specs[name] = self._described(name)
        return spec

    def load(self, name: str) -> Any:
        """Imports one provider's class.

        Raises:
            ConfigurationError: The plug-in is broken.
        """
        spec = self.describe(name)
        module_name, _, class_name = spec.factory.partition(":")
        try:
            return getattr(importlib.import_module(module_name), class_name)
        except Exception as error:
            raise self.broken(name, error) from error

    def _described(self, name: str) -> ProviderSpec:
        point = self._points.get(name)
        if point is None:
            raise ConfigurationError(self._unknown(name))
        try:
            module = point.load()
            if not self._manager.is_registered(module):
                self._manager.register(module, name=point.value)
            specs = self._specs_of(module)
        except Exception as error:
            raise self.broken(name, error) from error
        spec = next((each for each in specs if each.name == name), None)
        if spec is None:
            raise ConfigurationError(f"The plug-in {point.value} describes no provider `{name}`.")
        if spec.api_version != API_VERSION:
            raise ConfigurationError(
                f"`{name}` is written for version {spec.api_version} of the plug-in contract, and "
                f"this is version {API_VERSION}. Upgrade both: pip install --upgrade streamkit-llm "
                f"{spec.distribution or ''}".rstrip()
            )
        return spec

    def _specs_of(self, module: Any) -> list[ProviderSpec]:
        # One implementation at a time: pluggy's own call runs them all, and one that raises would
        # take the others along.
        implementations = self._manager.hook.streamkit_providers.get_hookimpls()
        specs: list[ProviderSpec] = []
        for each in implementations:
            if each.plugin is module:
                specs.extend(cast("Iterable[ProviderSpec]", each.function()))
        for spec in specs:
            if not isinstance(spec, ProviderSpec):
                raise TypeError(f"its hook gave {type(spec).__name__} instead of ProviderSpec")
        return specs

    def broken(self, name: str, error: Exception) -> ConfigurationError:
        """The error that tells of a plug-in that does not work."""
        distribution = self._points[name].dist
        package = distribution.name if distribution is not None else self._points[name].value
        return ConfigurationError(
            f"The plug-in of `{name}` ({package}) is broken: {type(error).__name__}: {error}"
        )

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._points, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        return (
            f"No provider `{name}` is installed.{hint} Installed: {self._listed()}. "
            f"Install its plug-in: a distribution that is often named streamkit-{name}."
        )

    def _listed(self) -> str:
        return ", ".join(self.names()) or "none"


@cache
def default_registry() -> Registry:
    """The registry of this environment, made once."""
    return Registry()
