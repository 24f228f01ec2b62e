"""Exchanges with a provider that gives deltas itself, in the shape of those over HTTP."""

from collections.abc import AsyncIterator, Callable, Iterator

import anyio

from streamkit.assembly.deltas import Delta
from streamkit.clock import SYSTEM_CLOCK, Clock
from streamkit.transport.base import DeadlinePassed, Head, Interrupted
from streamkit.transport.host import Host, loop_deadline

_HEAD = Head(200, {})
_CLOSE_S = 2.0


class DeltaExchange:
    """A provider's asynchronous generator being read; a cancel scope keeps its deadlines."""

    head = _HEAD

    def __init__(self, deltas: AsyncIterator[Delta], clock: Clock = SYSTEM_CLOCK) -> None:
        self._deltas = deltas
        self._clock = clock
        self._host = Host()
        self._scope: anyio.CancelScope | None = None
        self._is_interrupted = False
        self._is_closed = False

    async def read(self, deadline: float) -> list[Delta] | None:
        """Waits for the next delta; `None` when there are no more."""
        with anyio.CancelScope(deadline=loop_deadline(deadline, self._clock.monotonic())) as scope:
            self._scope = scope
            if self._is_interrupted:
                scope.cancel()
            try:
                return [await anext(self._deltas)]
            except StopAsyncIteration:
                return None
            finally:
                self._scope = None
        raise Interrupted if self._is_interrupted else DeadlinePassed

    def interrupt(self) -> None:
        """Wakes a pending read, now or as soon as it begins; from any thread."""
        self._is_interrupted = True
        self._host.call_soon(self._cancel_scope)

    def _cancel_scope(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    async def close(self, drain_s: float = 0.0) -> None:
        """Closes the generator, even when the caller is cancelled."""
        if self._is_closed:
            return
        self._is_closed = True
        close = getattr(self._deltas, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSE_S):
                await close()

    def abandon(self) -> None:
        """Lets the loop close the generator."""
        if not self._is_closed:
            self._host.spawn(self.close)


class SyncDeltaExchange:
    """A provider's generator being read; its deadlines are seen between two deltas."""

    head = _HEAD

    def __init__(self, deltas: Iterator[Delta], clock: Clock = SYSTEM_CLOCK) -> None:
        self._deltas = deltas
        self._clock = clock
        self._is_interrupted = False

    def read(self, deadline: float) -> list[Delta] | None:
        """Blocks until the next delta; `None` when there are no more."""
        if self._is_interrupted:
            raise Interrupted
        if self._clock.monotonic() >= deadline:
            raise DeadlinePassed
        for delta in self._deltas:
            return [delta]
        return None

    def interrupt(self) -> None:
        """Makes the next read fail."""
        self._is_interrupted = True

    def close(self, drain_s: float = 0.0) -> None:
        """Closes the generator."""
        close: Callable[[], None] | None = getattr(self._deltas, "close", None)
        if close is not None:
            close()

    def abandon(self) -> None:
        """Closes the generator."""
        self.close()
