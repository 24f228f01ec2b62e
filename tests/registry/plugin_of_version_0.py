"""What authors wrote for version 0 of the contract: it must go on working, word for word.

In version 0 `prepare()` was not told the request.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamkit.plugin import ProviderSpec, hookimpl
from streamkit.provider import ContentDelta, Delta, FinishDelta, StreamProvider, StreamScope
from streamkit.request import ChatRequest

PREPARED: list["OldProvider"] = []


@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    """Describes the provider."""
    return [
        ProviderSpec(
            name="old",
            api_version=0,
            factory=f"{__name__}:OldProvider",
            title="Old",
            needs_key=False,
        )
    ]


class OldProvider(StreamProvider):
    """Says what it was made of."""

    def prepare(self) -> None:  # type: ignore[override]  # as version 0 had it
        """Makes ready what every request needs."""
        PREPARED.append(self)

    async def open(self, request: ChatRequest, scope: StreamScope) -> AsyncIterator[Delta]:
        """Gives the answer's deltas."""
        for delta in self._answer():
            yield delta

    def open_sync(self, request: ChatRequest, scope: StreamScope) -> Iterator[Delta]:
        """The same for synchronous code."""
        yield from self._answer()

    def _answer(self, **unused: Any) -> Iterator[Delta]:
        yield ContentDelta("as ever")
        yield FinishDelta("stop", raw="done")
