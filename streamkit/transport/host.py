"""The event loop that a stream lives in, reachable from any thread and from finalisers."""

import math
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import anyio.to_thread
from anyio import CancelScope
from anyio.lowlevel import current_token

from streamkit.clock import SYSTEM_CLOCK, Clock
from streamkit.transport.base import DeadlinePassed, Interrupted

_T = TypeVar("_T")

_RUNNING: Final[set[Any]] = set()  # the loop keeps only weak references to its tasks


class Host:
    """A running event loop of asyncio or trio; made inside of it."""

    __slots__ = ("_native",)

    def __init__(self) -> None:
        self._native: Any = current_token().native_token

    def call_soon(self, call: Callable[[], object]) -> bool:
        """Runs `call` in the loop's thread soon; says whether the loop still takes calls."""
        schedule = getattr(self._native, "call_soon_threadsafe", None)
        try:
            (schedule or self._native.run_sync_soon)(call)
        except RuntimeError:  # the loop is closed; trio's RunFinishedError is one too
            return False
        return True

    def spawn(self, make: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Runs a coroutine in the loop as a task of its own; says whether the loop takes it."""

        def start() -> None:
            if hasattr(self._native, "create_task"):
                task = self._native.create_task(make())
                _RUNNING.add(task)
                task.add_done_callback(_RUNNING.discard)
            else:
                import trio

                trio.lowlevel.spawn_system_task(make)

        return self.call_soon(start)


def loop_deadline(deadline: float, now: float) -> float:
    """A deadline on a clock that says `now`, as one on the event loop's."""
    return math.inf if deadline == math.inf else anyio.current_time() + (deadline - now)


class BlockingCall:
    """A blocking call in a thread of its own, with a wait for it that can be ended.

    What ends the wait does not end the call: it goes on in its thread, and nobody hears of it.
    """

    def __init__(self, call: Callable[[], object], clock: Clock = SYSTEM_CLOCK) -> None:
        self._call = call
        self._clock = clock
        self._wake: Callable[[], object] = lambda: None
        self._is_interrupted = False

    def interrupt(self) -> None:
        """Ends the wait, now or as soon as it begins; from any thread."""
        self._is_interrupted = True
        self._wake()

    async def run(self, deadline: float) -> None:
        """Waits for the call in asynchronous code.

        Raises:
            TransportFailure: The deadline passed, or the wait was interrupted.
        """
        host = Host()
        until = loop_deadline(deadline, self._clock.monotonic())
        with CancelScope(deadline=until) as scope:
            self._wake = lambda: host.call_soon(scope.cancel)
            if self._is_interrupted:
                scope.cancel()
            await anyio.to_thread.run_sync(self._call, abandon_on_cancel=True)
            return
        raise Interrupted if self._is_interrupted else DeadlinePassed

    def run_sync(self, deadline: float) -> None:
        """Waits for the call in synchronous code; see `run`."""
        outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                self._call()
            except Exception as error:  # raised by the one who waits
                outcome.put(error)
            else:
                outcome.put(None)

        self._wake = lambda: outcome.put(Interrupted())
        if self._is_interrupted:
            raise Interrupted
        threading.Thread(target=work, name="streamkit-prepare", daemon=True).start()
        left = None if deadline == math.inf else max(0.0, deadline - self._clock.monotonic())
        try:
            error = outcome.get(timeout=left)
        except queue.Empty:
            raise DeadlinePassed from None
        if error is not None:
            raise error


async def run_apart(
    make: Callable[[], Coroutine[Any, Any, _T]], cancel: Callable[[], object]
) -> _T:
    """Runs a coroutine so that a cancellation of the caller reaches it through `cancel` alone.

    asyncio's own `task.cancel()` goes through every shield, also through those behind which the
    HTTP client keeps its pool in order. So in asyncio the coroutine runs in a task that nobody else
    knows; trio's cancellations respect shields, and there it runs in place.

    Returns when the coroutine has ended, and raises the caller's cancellation after that.
    """
    loop = current_token().native_token
    if not hasattr(loop, "create_task"):
        return await make()
    import asyncio

    task: asyncio.Task[_T] = loop.create_task(make())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        cancel()
        with CancelScope(shield=True):
            while not task.done():
                try:
                    await asyncio.wait([task])
                except asyncio.CancelledError:
                    continue  # once more: the first one is raised below
        if not task.cancelled():
            task.exception()  # seen; what the caller learns is that it was cancelled
        raise


async def run_to_the_end(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a coroutine to its end, also when the caller is cancelled, in whatever way."""
    with CancelScope(shield=True):
        await run_apart(make, lambda: None)
