"""The hooks that plug-ins implement: pure and cheap, and never on the way of a stream's chunks.

An implementation may take fewer arguments than its hook gives. Hooks grow by new arguments only.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import pluggy

from streamkit.plugin import PROJECT_NAME, Command, CompatSpec, ProviderSpec

if TYPE_CHECKING:
    from streamkit.request import ChatRequest
    from streamkit.telemetry import StreamSummary

hookspec: Final = pluggy.HookspecMarker(PROJECT_NAME)


@hookspec
def streamkit_providers() -> "Iterable[ProviderSpec | CompatSpec]":  # type: ignore[empty-body]
    """Describes the plug-in's providers; pure and cheap, importing only `streamkit.plugin`.

    Asked of the modules of the entry points `streamkit.providers`, each when its name is asked for.
    """


@hookspec(firstresult=True)
def streamkit_resolve_model(ref: str, providers: Mapping[str, ProviderSpec]) -> str | None:
    """Says which model an alias means, as `provider/model`; `None` for what is no alias of yours.

    Asked for references that name no installed provider, after the aliases of the config file.
    `providers` describes the installed ones, each when it is looked up.
    """


@hookspec(firstresult=True)
def streamkit_secret(provider: str, name: str) -> str | None:
    """Gives a provider's secret setting, such as `api_key`, or `None`.

    Asked for what neither the caller nor the environment nor the config file gives.
    """


@hookspec
def streamkit_request(request: "ChatRequest", spec: ProviderSpec) -> "ChatRequest | None":
    """Changes a request before it is sent, or refuses it by raising; `None` leaves it as it is.

    Called in turn, each with what the one before gave. One that raises fails that stream with the
    kind `plugin`, or with its own where it raises a `ProviderError`; so does one that makes
    something impossible of it, or a request for another model.
    """


@hookspec
def streamkit_stream_finished(summary: "StreamSummary") -> None:
    """Is told of every stream that ended, once. What it raises is logged and harms nothing.

    Called where the stream is read, before its last chunks are given; of one that was dropped, from
    a thread of its own. Whoever waits here makes the reader wait.
    """


@hookspec
def streamkit_conformance_target(spec: ProviderSpec) -> Any:
    """Says how the conformance kit makes a provider to test; `None` for what is not yours."""


@hookspec
def streamkit_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Adds commands to the command line."""
