"""Calls the hooks of plug-ins that are no providers, one implementation at a time.

One that raises is passed over; the log is told once for each fault, and `doctor` shows it.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from streamkit.errors import ConfigurationError, ProviderError
from streamkit.plugin import Command, ProviderSpec
from streamkit.registry.manifests import CONTAINED, Manifests, call
from streamkit.registry.records import PluginRecord, is_name, text_of

if TYPE_CHECKING:
    from streamkit.request import ChatRequest

_LOG: Final = logging.getLogger("streamkit.plugins")


class Hooks:
    """The hooks of the plug-ins, which are imported when a hook is first called.

    Args:
        manifests: Knows the implementations.
        plugins: Imports the plug-ins and gives their records.
    """

    def __init__(
        self, manifests: Manifests, plugins: Callable[[], tuple[PluginRecord, ...]]
    ) -> None:
        self._manifests = manifests
        self._plugins = plugins
        # A set that keeps its order, and takes from several threads.
        self._faults: dict[tuple[str, str, str], None] = {}

    def first(self, hook: str, **arguments: Any) -> tuple[str, str] | None:
        """The first text that an implementation gives, and the module that gave it."""
        for module, given in self._called(hook, **arguments):
            if isinstance(given, str):
                if given.strip():
                    return given, module
            elif given is not None:
                self._tell(module, hook, f"gave {type(given).__name__} instead of a text")
        return None

    def secret(self, provider: str, name: str) -> tuple[str, str] | None:
        """Asks for a secret; gives it and where it comes from."""
        given = self.first("streamkit_secret", provider=provider, name=name)
        return None if given is None else (given[0], f"the plug-in {given[1]}")

    def commands(self) -> list[Command]:
        """The commands that plug-ins add, each name once."""
        hook = "streamkit_commands"
        found: dict[str, Command] = {}
        for module, given in self._called(hook):
            try:
                commands = list(given)
            except CONTAINED as error:
                self._tell(module, hook, f"gave no list: {type(error).__name__}")
                continue
            for each in commands:
                if not _is_command(each):
                    self._tell(module, hook, "gave something that is no Command")
                elif found.setdefault(each.name, each) is not each:
                    self._tell(module, hook, f"gave the command {each.name}, which is there")
        return list(found.values())

    def conformance_target(self, spec: ProviderSpec, module: str) -> Any:
        """What tests a provider: its own module is asked first, then the plug-ins.

        Args:
            spec: The provider, described.
            module: The module of its manifest.

        Raises:
            ConfigurationError: One that was asked raised; whoever tests wants to know.
        """
        hook = "streamkit_conformance_target"
        modules = [module, *(record.module for record in self._plugins())]
        for owner, each in self._manifests.implementations(hook, modules):
            try:
                given = call(each, {"spec": spec})
            except CONTAINED as error:
                raise ConfigurationError(
                    f"The hook {hook} of {owner} raised {type(error).__name__} for "
                    f"`{spec.name}`: {text_of(error)}"
                ) from error
            if given is not None:
                return given
        return None

    def policed(self, request: "ChatRequest", spec: ProviderSpec) -> "ChatRequest":
        """The request as the policies leave it, each given what the one before made of it.

        Raises:
            ProviderError: A policy refused it, or is broken (`plugin`).
        """
        for module, each in self._implementations("streamkit_request"):
            try:
                given = call(each, {"request": request, "spec": spec})
            except ProviderError:
                raise
            except CONTAINED as error:
                raise ProviderError(
                    "plugin",
                    f"The plug-in {module} raised {type(error).__name__} for this request.",
                    detail=text_of(error),
                ) from error
            if given is None:
                continue
            if type(given) is not type(request):
                raise ProviderError(
                    "plugin",
                    f"The plug-in {module} made {type(given).__name__} of a request.",
                )
            request = given
        return request

    def finished(self, summary: Any) -> None:
        """Tells the plug-ins of a stream that ended."""
        for _ in self._called("streamkit_stream_finished", summary=summary):
            pass

    def has(self, hook: str) -> bool:
        """Whether any plug-in implements the hook."""
        return bool(self._implementations(hook))

    def faults(self) -> dict[str, str]:
        """What went wrong in the hooks that were called so far, by module, in words."""
        said: dict[str, list[str]] = {}
        for module, hook, fault in list(self._faults):
            said.setdefault(module, []).append(f"its hook {hook} {fault}")
        return {module: "; ".join(each) for module, each in said.items()}

    def _implementations(self, hook: str) -> list[tuple[str, Any]]:
        modules = [record.module for record in self._plugins()]
        return self._manifests.implementations(hook, modules)

    def _called(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        for module, each in self._implementations(hook):
            try:
                given = call(each, arguments)
            except CONTAINED as error:
                self._tell(module, hook, f"raised {type(error).__name__}")
            else:
                yield module, given

    def _tell(self, module: str, hook: str, fault: str) -> None:
        # By its type alone: what a plug-in says may quote a key or a conversation. And once: a hook
        # that fails for every stream would fill the log.
        if (module, hook, fault) not in self._faults:
            self._faults[module, hook, fault] = None
            _LOG.warning(
                "the plug-in %s is passed over: its hook %s %s",
                module,
                hook,
                fault,
                extra={"streamkit_plugin": module, "streamkit_hook": hook},
            )


def _is_command(given: Any) -> bool:
    return (
        isinstance(given, Command)
        and all(isinstance(text, str) for text in (given.name, given.help, given.run))
        and is_name(given.name)
        and not given.name.startswith("-")
    )
