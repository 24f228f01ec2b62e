"""Finds providers and plug-ins by entry point, in three stages, so that one breaks no other.

- *list*: the names of the entry points and of the config file's tables; imports nothing.
- *describe*: imports one plug-in's manifest and calls its hook.
- *load*: imports the provider's class, on first use.

What is wrong with a plug-in is raised when that provider is asked for, and only then.
"""

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from streamkit.config_file import COMPATIBLE, Config, load_config, spec_from_table
from streamkit.errors import ConfigurationError
from streamkit.plugin import Command, ProviderSpec
from streamkit.registry import hooks, references
from streamkit.registry.manifests import CONTAINED, Manifests, broken
from streamkit.registry.records import PluginProblem, PluginRecord, distribution_of

PROVIDERS: Final = "streamkit.providers"
PLUGINS: Final = "streamkit.plugins"
CONFIG_FILE: Final = "config file"


class Registry:
    """The providers and plug-ins that are installed, and those of the config file.

    May be used from several threads.

    Args:
        providers: Entry points of providers; by default those of the environment.
        plugins: Entry points of other plug-ins, likewise.
        read_config: Reads the config file, when it is first needed.
    """

    def __init__(
        self,
        providers: list[EntryPoint] | None = None,
        plugins: list[EntryPoint] | None = None,
        read_config: Callable[[], Config] = load_config,
    ) -> None:
        found = entry_points(group=PROVIDERS) if providers is None else providers
        self._points: dict[str, EntryPoint] = {}
        self._refused: list[tuple[EntryPoint, PluginProblem]] = []
        for point in sorted(found, key=_claim):
            self._add(point)
        self._plugin_points = list(entry_points(group=PLUGINS) if plugins is None else plugins)
        self._read_config = read_config
        self._config: Config | None = None
        self._described: dict[str, PluginRecord] = {}
        self._loaded: dict[str, Any] = {}
        self._manifests = Manifests()
        self._plugins: tuple[PluginRecord, ...] | None = None
        self._lock = threading.RLock()
        self.hooks = hooks.Hooks(self._manifests, self.plugins)

    # List.

    def names(self) -> list[str]:
        """The names of the installed providers and of the config file's; imports none of them.

        A config file that cannot be read adds none here; whoever asks for a model is told.
        """
        try:
            tables = self._own_tables()
        except ConfigurationError:
            tables = {}
        return sorted({*self._points, *tables})

    def config(self) -> Config:
        """What the config file says, read once.

        Raises:
            ConfigurationError: It cannot be read.
        """
        with self._lock:
            if self._config is None:
                self._config = self._read_config()
            return self._config

    def resolve(self, ref: object) -> tuple[str, str]:
        """Finds the provider and the model that a reference means, aliases included.

        Raises:
            ConfigurationError: It is no reference, or its provider is not installed.
        """
        return references.resolve(self, ref)

    # Describe.

    def describe(self, name: str) -> ProviderSpec:
        """Describes one provider; imports its manifest.

        Raises:
            ConfigurationError: It is not installed, or its manifest is broken.
        """
        record = self.record(name)
        if record is None:
            raise ConfigurationError(references.unknown(self, name))
        if not record.specs:
            raise _unusable(record)
        return record.specs[0]

    def record(self, name: str) -> PluginRecord | None:
        """What is known of one provider, its description included; `None` if there is none."""
        with self._lock:
            record = self._described.get(name)
            if record is None:
                point = self._points.get(name)
                if point is not None:
                    record = self._manifests.described(point)
                elif name in self._own_tables():
                    record = self._of_table(name)
                else:
                    return None
                self._described[name] = record
            return record

    def plugins(self) -> tuple[PluginRecord, ...]:
        """Imports what is no provider: aliases, secrets, policies and the like; once."""
        with self._lock:
            if self._plugins is None:
                self._plugins = tuple(map(self._manifests.imported, self._plugin_points))
            return self._plugins

    def records(self) -> list[PluginRecord]:
        """Describes everything, one by one, and tells how each fared; never raises."""
        found = [record for name in sorted(self._points) if (record := self.record(name))]
        for point, problem in self._refused:
            distribution, version = distribution_of(point)
            refused = PluginRecord(
                name=point.name,
                group=point.group,
                module=point.value,
                distribution=distribution,
                version=version,
            )
            found.append(broken(refused, problem))
        found += self.plugins()
        try:
            config = self.config()
        except ConfigurationError as error:
            unread = PluginRecord(name="", group=CONFIG_FILE, module="")
            return [*found, broken(unread, PluginProblem(str(error), "mend the file"))]
        for name, table in config.providers.items():
            if "kind" in table and name in self._points:
                taken = PluginRecord(name=name, group=CONFIG_FILE, module=str(config.path))
                owner = distribution_of(self._points[name])[0]
                problem = PluginProblem(
                    f"the name `{name}` is taken by the plug-in {owner}",
                    f"give [providers.{name}] another name, or leave out its `kind`",
                )
                found.append(broken(taken, problem))
            elif "kind" in table and (record := self.record(name)):
                found.append(record)
            elif name not in self._points:
                lost = PluginRecord(name=name, group=CONFIG_FILE, module=str(config.path))
                problem = PluginProblem(
                    f"[providers.{name}] gives settings to a provider that is not installed",
                    f'install it, or add kind = "{COMPATIBLE}" and its base_url',
                )
                found.append(broken(lost, problem))
        return found

    def commands(self) -> list[Command]:
        """The commands that plug-ins add; one with a name that is taken is left out."""
        found: dict[str, Command] = {}
        for given in self.hooks.collected("streamkit_commands"):
            if isinstance(given, Command):
                found.setdefault(given.name, given)
        return list(found.values())

    # Load.

    def load(self, name: str) -> Any:
        """Imports one provider's class, and adapts one that was written for an older contract.

        Raises:
            ConfigurationError: The plug-in is broken.
        """
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def broken(self, name: str, error: BaseException) -> ConfigurationError:
        """The error that tells of a provider that does not work."""
        record = self.record(name) or PluginRecord(name=name, group=PROVIDERS, module=name)
        return _unusable(broken(record, error))

    def _load(self, name: str) -> Any:
        from streamkit.registry.adapters import adapted

        spec = self.describe(name)
        module_name, _, class_name = spec.factory.partition(":")
        try:
            made = getattr(importlib.import_module(module_name), class_name)
            return adapted(made, spec.api_version)
        except CONTAINED as error:
            raise self.broken(name, error) from error

    def _add(self, point: EntryPoint) -> None:
        taken = self._points.get(point.name)
        if not point.name or set(point.name) & set("/: "):
            problem = f"`{point.name}` cannot be a provider's name: no reference could hold it"
            self._refused.append((point, PluginProblem(problem, "tell its author")))
        elif taken is None:
            self._points[point.name] = point
        elif taken != point:
            owner, own = (distribution_of(each)[0] or each.value for each in (taken, point))
            problem = f"the name `{point.name}` is taken by {owner}"
            self._refused.append(
                (point, PluginProblem(problem, f"pip uninstall {own} (or {owner})"))
            )

    def _own_tables(self) -> Mapping[str, Mapping[str, Any]]:
        """The config file's tables that are providers of their own."""
        tables = self.config().providers
        return {name: table for name, table in tables.items() if "kind" in table}

    def _of_table(self, name: str) -> PluginRecord:
        config = self.config()
        table = config.providers[name]
        record = PluginRecord(name=name, group=CONFIG_FILE, module=str(config.path))
        try:
            if table["kind"] != COMPATIBLE:
                raise ConfigurationError(
                    f'[providers.{name}] has an unknown `kind`; the one there is is "{COMPATIBLE}".'
                )
            return replace(record, specs=(spec_from_table(name, table).as_provider_spec(),))
        except ConfigurationError as error:
            return broken(record, PluginProblem(str(error), f"mend {config.path}"))


class Descriptions(Mapping[str, ProviderSpec]):
    """The providers by name, each described when it is looked up."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, name: str) -> ProviderSpec:
        if name not in self._registry.names():
            raise KeyError(name)
        return self._registry.describe(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry.names())

    def __len__(self) -> int:
        return len(self._registry.names())


def _claim(point: EntryPoint) -> tuple[str, bool, str, str]:
    """The order in which entry points are given a name that several claim.

    The distribution that is called after the provider comes first; then the alphabet decides, so
    that the same one counts on every machine.
    """
    distribution = distribution_of(point)[0] or ""
    return point.name, distribution != f"streamkit-{point.name}", distribution, point.value


def _unusable(record: PluginRecord) -> ConfigurationError:
    whose = f"The plug-in of `{record.name}` ({record.owner})"
    if record.group == CONFIG_FILE:
        whose = f"The table [providers.{record.name}] of {record.module}"
    return ConfigurationError(
        f"{whose} does not work: {record.problem}. To mend it: {record.remedy}. "
        "`streamkit doctor` says more."
    )


@cache
def default_registry() -> Registry:
    """The registry of this environment, made once."""
    return Registry()
