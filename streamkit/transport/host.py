"""The event loop that a stream lives in, reachable from any thread and from finalisers."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from anyio.lowlevel import current_token

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
