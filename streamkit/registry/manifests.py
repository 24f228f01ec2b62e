"""Imports plug-ins' modules one by one, each in its own try, and calls their hooks likewise.

pluggy's own call of a hook runs all implementations, and one that raises takes the others along;
so they are called here one at a time.
"""

import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any, Final

import pluggy

from streamkit.plugin import PROJECT_NAME, CompatSpec, ProviderSpec
from streamkit.registry import hookspecs
from streamkit.registry.once import Once
from streamkit.registry.records import (
    PLUGINS,
    PROVIDERS,
    PluginProblem,
    PluginRecord,
    check_shape,
    check_version,
    module_of,
    record_of,
    text_of,
)
from streamkit.words import nearest

#: What a plug-in may raise and still harm nobody; `exit()` in a module is a bug like any other.
CONTAINED: Final = (Exception, SystemExit)

_NAMES: Final = sorted(name for name in vars(hookspecs) if name.startswith("streamkit_"))

# The groups whose modules are asked; every other hook is asked of `streamkit.plugins`.
_ASKED: Final[Mapping[str, frozenset[str]]] = {
    "streamkit_providers": frozenset({PROVIDERS}),
    "streamkit_conformance_target": frozenset({PROVIDERS, PLUGINS}),
}


class Manifests:
    """The modules of the plug-ins that were imported, and their hooks.

    Args:
        points: All entry points there are: a module's hooks depend on the groups that name it.
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._manager = pluggy.PluginManager(PROJECT_NAME)
        self._manager.add_hookspecs(hookspecs)
        self._imported: Once[PluginRecord] = Once()
        self._registering = threading.Lock()
        self._groups: dict[str, set[str]] = {}
        for point in points:
            self._groups.setdefault(module_of(point), set()).add(point.group)

    def imported(self, point: EntryPoint) -> PluginRecord:
        """Imports an entry point's module and registers its hooks, once.

        Never raises: what is wrong stands in the record.
        """
        asked = record_of(point)
        record = self._imported.get(asked.module, lambda: self._import(point))
        return replace(
            record,
            name=point.name,
            group=point.group,
            distribution=asked.distribution,
            version=asked.version,
            is_direct=asked.is_direct,
        )

    def described(self, point: EntryPoint) -> PluginRecord:
        """Imports an entry point's module and asks it to describe the provider of that name.

        Never raises: without a description in the record, the problem there says why.
        """
        record = self.imported(point)
        if not self._manager.has_plugin(record.module):
            return record
        try:
            described = list(self._specs(record))
            found = [spec for spec in described if spec.name == point.name]
            if not found:
                names = ", ".join(f"`{spec.name}`" for spec in described)
                instead = f": it describes {names}" if names else ""
                raise PluginProblem(
                    f"it describes no provider `{point.name}`{instead}{_beside(record.problem)}",
                    record.remedy or f"{record.to_mend}; its entry point must be called the same",
                )
            check_version(found[0], record)
            check_shape(found[0], record)
        except CONTAINED as error:
            return broken(record, error)
        return replace(record, specs=(found[0],))

    def names(self, point: EntryPoint) -> list[str]:
        """The providers that an entry point's module describes, whatever the entry point is called.

        Imports the module; never raises: of one that is broken there are none.
        """
        record = self.imported(point)
        try:
            return [spec.name for spec in self._specs(record)]
        except CONTAINED:
            return []

    def implementations(self, hook: str, modules: Iterable[str]) -> list[tuple[str, Any]]:
        """The implementations of a hook in these modules, with each one's module.

        Those that ask to be first come first, then in the modules' order, then those that ask to
        be last: the same order on every machine, whatever was imported first.
        """
        place = {module: index for index, module in enumerate(dict.fromkeys(modules))}
        found = [
            each
            for each in getattr(self._manager.hook, hook).get_hookimpls()
            if each.plugin_name in place and not _is_wrapper(each)
        ]
        found.sort(key=lambda each: (not each.tryfirst, each.trylast, place[each.plugin_name]))
        return [(each.plugin_name, each) for each in found]

    def _import(self, point: EntryPoint) -> PluginRecord:
        record = record_of(point)
        began = time.perf_counter()
        try:
            if point.pattern.match(point.value) is None:
                raise PluginProblem(
                    f"its entry point {point.value!r} names no module",
                    record.to_mend,
                )
            module = point.load()
        except CONTAINED as error:
            return broken(replace(record, import_s=time.perf_counter() - began), error)
        record = replace(record, import_s=time.perf_counter() - began)
        with self._registering:
            try:
                self._manager.register(module, name=record.module)
            except CONTAINED as error:
                self._forget(record.module)
                return broken(record, error)
            try:
                self._check_hooks(record)
            except PluginProblem as problem:
                return broken(record, problem)
        return record

    def _check_hooks(self, record: PluginRecord) -> None:
        """Looks for hooks that would never be called: pluggy takes them without a word.

        Raises:
            PluginProblem: There is one, or there is no hook at all.
        """
        groups = self._groups.get(record.module, set())
        hooks = list(self._hooks_of(record.module))
        if not hooks:
            raise PluginProblem("it has no hook that is marked with @hookimpl", record.to_mend)
        for hook, each in hooks:
            if hook not in _NAMES:
                if each.optionalhook:
                    continue
                near = nearest(hook, _NAMES)
                meant = f"; perhaps {near[0]} is meant" if near else ""
                rename = f"rename it in {record.module}" if record.is_direct else record.to_mend
                raise PluginProblem(
                    f"it has a hook that streamkit does not know: {hook}{meant}",
                    f"{rename}, or, if it is meant for a newer streamkit, "
                    "pip install --upgrade streamkit-llm",
                )
            if _is_wrapper(each):
                raise PluginProblem(
                    f"it wraps the hook {hook}, and wrappers are not called here",
                    record.to_mend,
                )
            asked = _ASKED.get(hook, frozenset({PLUGINS}))
            if not asked & groups:
                raise PluginProblem(
                    f"its hook {hook} is never called: it needs an entry point in the group "
                    f"{' or '.join(sorted(asked))}",
                    record.to_mend,
                )

    def _hooks_of(self, module: str) -> Iterator[tuple[str, Any]]:
        for caller in self._manager.get_hookcallers(self._manager.get_plugin(module)) or ():
            for each in caller.get_hookimpls():
                if each.plugin_name == module:
                    yield caller.name, each

    def _specs(self, record: PluginRecord) -> Iterator[ProviderSpec]:
        wanted = "instead of ProviderSpec or CompatSpec"
        for _, each in self.implementations("streamkit_providers", [record.module]):
            given = call(each, {})
            if not isinstance(given, Iterable):
                raise TypeError(f"its hook gave {type(given).__name__} instead of a list")
            for row in given:
                spec = row.as_provider_spec() if isinstance(row, CompatSpec) else row
                if not isinstance(spec, ProviderSpec):
                    raise TypeError(f"its hook gave {type(spec).__name__} {wanted}")
                yield spec

    def _forget(self, module: str) -> None:
        """A registration that failed leaves the hooks before the fault behind."""
        if self._manager.has_plugin(module):
            self._manager.unregister(name=module)


def call(implementation: Any, arguments: Mapping[str, Any]) -> Any:
    """Calls one implementation of a hook with as many arguments as it takes."""
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def broken(record: PluginRecord, error: BaseException) -> PluginRecord:
    """The record of a plug-in that raised."""
    said = text_of(error)
    if isinstance(error, PluginProblem):
        return replace(record, specs=(), problem=said, remedy=error.remedy)
    return replace(
        record,
        specs=(),
        problem=f"{type(error).__name__}: {said}" if said else type(error).__name__,
        remedy=_remedy(record),
        traceback="".join(traceback.format_exception(error)),
    )


def _is_wrapper(implementation: Any) -> bool:
    # pluggy 1.5 has two kinds; neither can be called like a function.
    return bool(implementation.hookwrapper or implementation.wrapper)


def _remedy(record: PluginRecord) -> str:
    if record.distribution is None:
        return f"mend or remove the module {record.module}"
    if record.is_direct:
        return f"mend {record.module}, or pip uninstall {record.distribution}"
    return (
        f"pip install --upgrade streamkit-llm {record.distribution}, tell its author, "
        f"or pip uninstall {record.distribution}"
    )


def _beside(problem: str | None) -> str:
    return "" if problem is None else f"; {problem}"
