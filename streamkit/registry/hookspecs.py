"""The hooks that plug-ins implement."""

from collections.abc import Iterable
from typing import Final

import pluggy

from streamkit.plugin import PROJECT_NAME, ProviderSpec

hookspec: Final = pluggy.HookspecMarker(PROJECT_NAME)


@hookspec
def streamkit_providers() -> Iterable[ProviderSpec]:  # type: ignore[empty-body]
    """Describes the plug-in's providers; pure and cheap, importing only `streamkit.plugin`."""
