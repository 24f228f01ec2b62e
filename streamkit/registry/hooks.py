"""Calls the hooks of plug-ins that are no providers, one implementation at a time.

One that raises is passed over and told to the log, once for each fault, and to `doctor`.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from streamkit.errors import ProviderError
from streamkit.plugin import ProviderSpec
from streamkit.registry.manifests import CONTAINED, Manifests, call
from streamkit.registry.records import PluginRecord

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

    def first(self, hook: str, **arguments: Any) -> tuple[str, str] | None:
        """The first text that an implementation gives, and the module that gave it."""
        for module, given in self._called(hook, **arguments):
            if isinstance(given, str) and given.strip():
                return given, module
            if given is not None:
                _tell(hook, module, TypeError(f"gave {type(given).__name__} instead of a text"))
        return None

    def collected(self, hook: str, **arguments: Any) -> list[Any]:
        """What the implementations give, joined."""
        found: list[Any] = []
        for module, given in self._called(hook, **arguments):
            try:
                found.extend(given or ())
            except CONTAINED as error:
                _tell(hook, module, error)
        return found

    def secret(self, provider: str, name: str) -> tuple[str, str] | None:
        """Asks for a secret; gives it and where it comes from."""
        given = self.first("streamkit_secret", provider=provider, name=name)
        return None if given is None else (given[0], f"the plug-in {given[1]}")

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
                    detail=str(error),
                ) from error
            if given is not None and type(given) is not type(request):
                raise ProviderError(
                    "plugin",
                    f"The plug-in {module} made {type(given).__name__} of a request.",
                )
            request = given or request
        return request

    def finished(self, summary: Any) -> None:
        """Tells the plug-ins of a stream that ended."""
        for _ in self._called("streamkit_stream_finished", summary=summary):
            pass

    def has(self, hook: str) -> bool:
        """Whether any plug-in implements the hook."""
        return any(True for _ in self._implementations(hook))

    def _implementations(self, hook: str) -> Iterator[tuple[str, Any]]:
        modules = [record.module for record in self._plugins()]
        return self._manifests.implementations(hook, modules)

    def _called(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        for module, each in self._implementations(hook):
            try:
                given = call(each, arguments)
            except CONTAINED as error:
                _tell(hook, module, error)
                continue
            yield module, given


def _tell(hook: str, module: str, error: BaseException) -> None:
    # By its type alone: what a plug-in says may quote a key or a conversation.
    _LOG.warning(
        "the plug-in %s failed in %s: %s",
        module,
        hook,
        type(error).__name__,
        extra={"streamkit_plugin": module, "streamkit_hook": hook},
    )
