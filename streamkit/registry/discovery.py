"""Finds providers and plug-ins by entry point, in three stages, so that one breaks no other.

- *list*: the names of the entry points and of the config file's tables; imports nothing.
- *describe*: imports one plug-in's manifest and calls its hook.
- *load*: imports the provider's class, on first use.

What is wrong with a plug-in is raised when that provider is asked for, and only then.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from streamkit.config_file import COMPATIBLE, Config, load_config, spec_from_table
from streamkit.errors import ConfigurationError
from streamkit.plugin import Command, ProviderSpec
from streamkit.registry import references
from streamkit.registry.hooks import Hooks
from streamkit.registry.manifests import CONTAINED, Manifests, broken
from streamkit.registry.once import Once
from streamkit.registry.records import (
    CONFIG_FILE,
    PLUGINS,
    PROVIDERS,
    PluginProblem,
    PluginRecord,
    distribution_of,
    first_party,
    is_name,
    module_of,
    record_of,
)
from streamkit.words import nearest

# So like `streamkit.providers` is `streamkit.provider`, and `streamkit.encoders` is not.
_ALMOST: Final = 0.9

__all__ = ["CONFIG_FILE", "PLUGINS", "PROVIDERS", "Registry", "default_registry"]


class Registry:
    """The providers and plug-ins that are installed, and those of the config file.

    May be used from several threads; a plug-in that is slow holds up only those who need it.

    Args:
        providers: Entry points of providers; by default those of the environment.
        plugins: Entry points of other plug-ins, likewise.
        read_config: Reads the config file, when it is first needed.
        find_strays: Finds entry points in groups that nobody looks into, called almost as those
            two are; asked where something is wrong.
    """

    def __init__(
        self,
        providers: list[EntryPoint] | None = None,
        plugins: list[EntryPoint] | None = None,
        read_config: Callable[[], Config] = load_config,
        find_strays: Callable[[], list[EntryPoint]] | None = None,
    ) -> None:
        found = list(entry_points(group=PROVIDERS) if providers is None else providers)
        others = list(entry_points(group=PLUGINS) if plugins is None else plugins)
        self._points: dict[str, EntryPoint] = {}
        self._refused: list[tuple[EntryPoint, PluginProblem]] = []
        for point in sorted(found, key=_claim):
            self._add(point)
        self._plugin_points = sorted(others, key=_claim)
        self._find_strays = find_strays or _installed_strays
        self._read_config = read_config
        self._manifests = Manifests([*found, *others])
        self._config: Once[Config] = Once()
        self._described: Once[PluginRecord] = Once()
        self._loaded: Once[Any] = Once()
        self._plugins: Once[tuple[PluginRecord, ...]] = Once()
        self.hooks = Hooks(self._manifests, self.plugins)

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
        return self._config.get("", self._read_config)

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
            raise ConfigurationError(references.unknown(self, str(name)))
        if not record.specs:
            raise _unusable(record)
        return record.specs[0]

    def record(self, name: str) -> PluginRecord | None:
        """What is known of one provider, its description included; `None` if there is none.

        Raises:
            ConfigurationError: It is not installed, and the config file cannot be read.
        """
        point = self._points.get(name)
        if point is not None:
            return self._described.get(name, lambda: self._manifests.described(point))
        if name in self._own_tables():
            return self._described.get(name, lambda: self._of_table(name))
        return None

    def plugins(self) -> tuple[PluginRecord, ...]:
        """Imports what is no provider: aliases, secrets, policies and the like; once."""
        return self._plugins.get(
            "", lambda: tuple(map(self._manifests.imported, self._plugin_points))
        )

    def records(self) -> list[PluginRecord]:
        """Describes everything, one by one, and tells how each fared; never raises.

        Of the plug-ins' hooks, those that add commands are called; what went wrong in the others
        is told once they have been.
        """
        found = [record for name in self._points if (record := self.record(name))]
        found += [broken(record_of(point), problem) for point, problem in self._refused]
        self.commands()
        faults = self.hooks.faults()
        for record in self.plugins():
            if record.problem is None and record.module in faults:
                problem = PluginProblem(faults[record.module], record.to_mend)
                record = broken(record, problem)
            found.append(record)
        found += [broken(record_of(point), _stray_problem(point)) for point in self._find_strays()]
        return [*found, *self._records_of_config()]

    def elsewhere(self, name: str, *, is_searching: bool) -> str | None:
        """Where a provider that is not installed is all the same: in words, for its author.

        Args:
            name: The provider's name.
            is_searching: Import every plug-in to see what it describes; otherwise only what the
                entry points are called is looked at.
        """
        strays = self._find_strays()
        for point in strays:
            if point.name == name:
                return f"There is a plug-in {record_of(point).owner}, but {_stray_problem(point)}."
        searched = [*self._points.values(), *self._plugin_points, *strays]
        for point in searched if is_searching else []:
            if name in self._manifests.names(point):
                return (
                    f"{record_of(point).owner} describes it, but under the entry point "
                    f"`{point.name}` of the group {point.group}: it must be called `{name}`, in "
                    f"{PROVIDERS}."
                )
        return None

    def commands(self) -> list[Command]:
        """The commands that plug-ins add; one with a name that is taken is left out."""
        return self.hooks.commands()

    def conformance_target(self, name: str) -> Any:
        """What tests a provider in the conformance kit; `None` where no plug-in says it.

        Raises:
            ConfigurationError: The provider is not installed, or what it says cannot be had.
        """
        spec, record = self.describe(name), self.record(name)
        return self.hooks.conformance_target(spec, "" if record is None else record.module)

    # Load.

    def load(self, name: str) -> Any:
        """Imports one provider's class, and adapts one that was written for an older contract.

        Raises:
            ConfigurationError: The plug-in is broken.
        """
        return self._loaded.get(name, lambda: self._load(name))

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
        if not is_name(point.name):
            problem = f"{point.name!r} cannot be a provider's name: no reference could hold it"
            self._refused.append((point, PluginProblem(problem, "tell its author")))
        elif taken is None:
            self._points[point.name] = point
        elif (point, distribution_of(point)) != (taken, distribution_of(taken)):
            names = [distribution_of(each)[0] for each in (point, taken)]
            problem = f"the name `{point.name}` is taken by {names[1] or module_of(taken)}"
            remedy = " or ".join(f"pip uninstall {each}" for each in names if each)
            self._refused.append((point, PluginProblem(problem, remedy or "remove one of the two")))

    # The config file's own.

    def _own_tables(self) -> Mapping[str, Mapping[str, Any]]:
        """The config file's tables that are providers of their own."""
        tables = self.config().providers
        return {name: table for name, table in tables.items() if "kind" in table}

    def _of_table(self, name: str) -> PluginRecord:
        config = self.config()
        record = PluginRecord(name=name, group=CONFIG_FILE, module=str(config.path))
        try:
            if not is_name(name):
                raise ConfigurationError(
                    f"{name!r} cannot be a provider's name: no reference could hold it."
                )
            row = spec_from_table(name, config.providers[name])
            return replace(record, specs=(row.as_provider_spec(),))
        except ConfigurationError as error:
            return broken(record, PluginProblem(str(error), f"mend {config.path}"))

    def _records_of_config(self) -> Iterator[PluginRecord]:
        try:
            config = self.config()
        except ConfigurationError as error:
            unread = PluginRecord(name="", group=CONFIG_FILE, module="")
            yield broken(unread, PluginProblem(str(error), "mend the file"))
            return
        own = self._own_tables()
        for name in config.providers:
            problem = None
            if name in own and name in self._points:
                owner = record_of(self._points[name]).owner
                problem = PluginProblem(
                    f"the name `{name}` is taken by the plug-in {owner}",
                    f"give [providers.{name}] another name, or leave out its `kind`",
                )
            elif name not in self._points and name not in own:
                problem = PluginProblem(
                    f"[providers.{name}] gives settings to a provider that is not installed",
                    self._remedy_for_lost(name),
                )
            if problem is not None:
                told = PluginRecord(name=name, group=CONFIG_FILE, module=str(config.path))
                yield broken(told, problem)
            elif name in own and (record := self.record(name)):
                yield record

    def _remedy_for_lost(self, name: str) -> str:
        near = nearest(name, self.names())
        if near:
            return f"write [providers.{near[0]}], if that is meant"
        install = first_party().get(name, "install it")
        return f'{install}, or add kind = "{COMPATIBLE}" and its base_url'


def _claim(point: EntryPoint) -> tuple[str, bool, str, str]:
    """The order in which entry points are given a name that several claim.

    The distribution that is called after the provider comes first; then the alphabet decides, so
    that the same one counts on every machine.
    """
    # Distributions may write their name in several ways; indexes compare this one.
    distribution = re.sub(r"[-_.]+", "-", distribution_of(point)[0] or "").lower()
    return point.name, distribution != f"streamkit-{point.name}", distribution, point.value


def _installed_strays() -> list[EntryPoint]:
    installed = entry_points()
    lost = [group for group in sorted(installed.groups) if _is_stray(group)]
    return [point for group in lost for point in installed.select(group=group)]


def _is_stray(group: str) -> bool:
    known = [PROVIDERS, PLUGINS]
    is_ours = group.startswith("streamkit") and group not in known
    return is_ours and bool(nearest(group, known, cutoff=_ALMOST))


def _stray_problem(point: EntryPoint) -> PluginProblem:
    record = record_of(point)
    meant = nearest(point.group, [PROVIDERS, PLUGINS])[0]
    return PluginProblem(
        f"its entry point is in the group {point.group}, where nobody looks; "
        f"perhaps {meant} is meant",
        "correct the group in its pyproject.toml and install it again"
        if record.is_direct
        else record.to_mend,
    )


def _unusable(record: PluginRecord) -> ConfigurationError:
    whose = f"The plug-in of `{record.name}` ({record.owner})"
    if record.group == CONFIG_FILE:
        whose = f"The table [providers.{record.name}] of {record.module}"
    problem = record.problem or ""
    end = "" if problem.endswith((".", "?")) else "."
    return ConfigurationError(
        f"{whose} does not work: {problem}{end} To mend it: {record.remedy}. "
        "`streamkit doctor` says more."
    )


@cache
def default_registry() -> Registry:
    """The registry of this environment, made once."""
    return Registry()
