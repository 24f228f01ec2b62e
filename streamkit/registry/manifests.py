"""Imports plug-ins' modules one by one, each in its own try, and calls their hooks likewise.

pluggy's own call of a hook runs all implementations, and one that raises takes the others along;
so they are called here one at a time.
"""

import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any, Final, cast

import pluggy

from streamkit.plugin import PROJECT_NAME, CompatSpec, ProviderSpec
from streamkit.registry import hookspecs
from streamkit.registry.records import (
    PluginProblem,
    PluginRecord,
    check_version,
    distribution_of,
    nearest,
)

#: What a plug-in may raise and still harm nobody; `exit()` in a module is a bug like any other.
CONTAINED: Final = (Exception, SystemExit)

_UNKNOWN_HOOK: Final = "has a hook that streamkit does not know"


class Manifests:
    """The modules of the plug-ins that were imported, and their hooks."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT_NAME)
        self._manager.add_hookspecs(hookspecs)
        self._imported: dict[str, PluginRecord] = {}
        self._names = sorted(name for name in vars(hookspecs) if name.startswith("streamkit_"))

    def imported(self, point: EntryPoint) -> PluginRecord:
        """Imports an entry point's module and registers its hooks, once.

        Never raises: what is wrong stands in the record.
        """
        record = self._imported.get(point.value)
        if record is None:
            record = self._imported[point.value] = self._import(point)
        distribution, version = distribution_of(point)
        return replace(
            record, name=point.name, group=point.group, distribution=distribution, version=version
        )

    def described(self, point: EntryPoint) -> PluginRecord:
        """Imports an entry point's module and asks it to describe the provider of that name.

        Never raises: without a description in the record, the problem there says why.
        """
        record = self.imported(point)
        if record.problem is not None and not self._manager.has_plugin(point.value):
            return record
        try:
            found = [spec for spec in self._specs(point.value) if spec.name == point.name]
            if not found:
                raise PluginProblem(
                    f"it describes no provider `{point.name}`" + _beside(record.problem),
                    f"tell the author of {record.owner}",
                )
            check_version(found[0], record.owner)
        except CONTAINED as error:
            return broken(record, error)
        return replace(record, specs=(found[0],))

    def implementations(self, hook: str, values: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """The implementations of a hook in these modules, in pluggy's order, by module."""
        wanted = set(values)
        for each in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            if each.plugin_name in wanted:
                yield each.plugin_name, each

    def _import(self, point: EntryPoint) -> PluginRecord:
        distribution, version = distribution_of(point)
        record = PluginRecord(
            name=point.name,
            group=point.group,
            module=point.value,
            distribution=distribution,
            version=version,
        )
        began = time.perf_counter()
        try:
            module = point.load()
        except CONTAINED as error:
            return broken(replace(record, import_s=time.perf_counter() - began), error)
        record = replace(record, import_s=time.perf_counter() - began)
        try:
            self._manager.register(module, name=point.value)
        except CONTAINED as error:
            self._forget(point.value)
            return broken(record, error)
        return self._checked(record)

    def _checked(self, record: PluginRecord) -> PluginRecord:
        """Looks for hooks that would never be called: pluggy takes them without a word."""
        for hook, each in self._hooks_of(record.module):
            if hook not in self._names and not each.optionalhook:
                near = nearest(hook, self._names)
                meant = f"; perhaps {near[0]} is meant" if near else ""
                return replace(
                    record,
                    problem=f"it {_UNKNOWN_HOOK}: {hook}{meant}",
                    remedy=f"upgrade streamkit-llm, or tell the author of {record.owner}",
                )
            if each.hookwrapper or each.wrapper:
                return replace(
                    record,
                    problem=f"it wraps the hook {hook}, and wrappers are not called here",
                    remedy=f"tell the author of {record.owner}",
                )
        return record

    def _hooks_of(self, name: str) -> Iterator[tuple[str, Any]]:
        for caller in self._manager.get_hookcallers(self._manager.get_plugin(name)) or ():
            for each in caller.get_hookimpls():
                if each.plugin_name == name:
                    yield caller.name, each

    def _specs(self, module: str) -> Iterator[ProviderSpec]:
        for _, each in self.implementations("streamkit_providers", [module]):
            for given in cast("Iterable[Any]", call(each, {})):
                spec = given.as_provider_spec() if isinstance(given, CompatSpec) else given
                if not isinstance(spec, ProviderSpec):
                    raise TypeError(
                        f"its hook gave {type(spec).__name__} instead of ProviderSpec or CompatSpec"
                    )
                yield spec

    def _forget(self, name: str) -> None:
        """A registration that failed leaves the hooks before the fault behind."""
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)


def call(implementation: Any, arguments: Mapping[str, Any]) -> Any:
    """Calls one implementation of a hook with as many arguments as it takes."""
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def broken(record: PluginRecord, error: BaseException) -> PluginRecord:
    """The record of a plug-in that raised."""
    is_told = isinstance(error, PluginProblem)
    said = str(error) if is_told else f"{type(error).__name__}: {error}"
    return replace(
        record,
        specs=(),
        problem=" ".join(said.split()),
        remedy=error.remedy if isinstance(error, PluginProblem) else _remedy(record),
        traceback=None if is_told else "".join(traceback.format_exception(error)),
    )


def _remedy(record: PluginRecord) -> str:
    if record.distribution is None:
        return f"mend or remove the module {record.module}"
    return (
        f"pip install --upgrade {record.distribution}, tell its author, "
        f"or pip uninstall {record.distribution}"
    )


def _beside(problem: str | None) -> str:
    return "" if problem is None else f"; {problem}"
