"""Lets plug-ins that were written for the version before this one go on working.

The window is one version: a plug-in for an older contract is refused with the command that mends
it. Each function here turns a provider class of its version into one of the next.
"""

from collections.abc import Callable
from typing import Any, Final

from streamkit.plugin import API_VERSION


def adapted(provider: Any, version: int) -> Any:
    """The provider class as this version of the contract has it."""
    while version < API_VERSION:
        provider = _NEXT[version](provider)
        version += 1
    return provider


def _from_0_to_1(provider: Any) -> Any:
    """Version 0, before the first release: `prepare()` was not told the request."""
    from streamkit.provider import Provider  # it brings pydantic; describing must not

    if getattr(provider, "prepare", Provider.prepare) is Provider.prepare:
        return provider

    def prepare(self: Any, request: Any) -> None:
        provider.prepare(self)

    described = {"__doc__": provider.__doc__, "__module__": provider.__module__}
    return type(provider.__name__, (provider,), {**described, "prepare": prepare})


_NEXT: Final[dict[int, Callable[[Any], Any]]] = {0: _from_0_to_1}
