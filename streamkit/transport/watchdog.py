"""One thread that ends waits whose time is up, by shutting their sockets down.

A cancel scope around every read costs half of what a chunk costs, and synchronous code has none.
Shutting down the socket wakes a reader on every backend and from any thread, so a deadline costs a
stream two assignments for each read. The thread sleeps until the earliest deadline; a deadline that
moved on meanwhile is looked at again when its old time comes. It starts with the first stream that
has a limit and never ends; a forked process starts its own.
"""

import heapq
import itertools
import math
import os
import socket
import threading
import time
import weakref
from typing import Any, Final


class Watch:
    """The guard of one exchange's socket.

    Attributes:
        deadline: When the pending read must be over, by `time.monotonic()`; may be moved at will.
        armed_for: When the thread will look next; a deadline before that needs `arm()`. It is to be
            read after `deadline` was set: the thread does it the other way round.
        has_fired: The socket was shut down.
    """

    __slots__ = (
        "__weakref__",
        "_lock",
        "_process",
        "_socket",
        "armed_for",
        "deadline",
        "has_fired",
    )

    def __init__(self, raw_socket: Any) -> None:
        self._socket: Any = raw_socket
        # Reentrant: the garbage collector may drop the stream of this very watch meanwhile.
        self._lock = threading.RLock()
        self._process = os.getpid()
        self.deadline = math.inf
        self.armed_for = math.inf
        self.has_fired = False

    def arm(self, deadline: float) -> None:
        """Makes the thread look at `deadline`, which is before what it knew."""
        self.deadline = deadline
        self.armed_for = deadline
        if deadline != math.inf:  # for which nobody has to wait, and no lock could
            _WATCHDOG.add(self, deadline)

    def disarm(self) -> None:
        """The socket is no longer this exchange's: nothing may touch it from here on."""
        with self._lock:
            self._socket = None

    def fire(self) -> None:
        """Shuts the socket down, which ends a pending read; from any thread."""
        with self._lock:
            if self._socket is None or self.has_fired:
                return
            self.has_fired = True
            # In a forked process the connection is still its parent's.
            if self._process == os.getpid():
                shut_down(self._socket)

    def look(self, now: float) -> float | None:
        """Fires if the time is up; else says when to look again, `None` for never."""
        if self.has_fired or self._socket is None:
            return None
        if now >= self.deadline:
            self.fire()
            return None
        deadline = self.armed_for = self.deadline
        while self.deadline < deadline:
            # A read began in between and saw the old time, so it did not arm.
            deadline = self.armed_for = self.deadline
        return None if deadline == math.inf else deadline


def shut_down(raw_socket: Any) -> None:
    """Shuts down both directions of a socket that somebody else owns and will close."""
    try:
        # A duplicate of the descriptor: event loops hand out stand-ins without `shutdown`.
        with socket.fromfd(raw_socket.fileno(), socket.AF_INET, socket.SOCK_STREAM) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed or reset already: there is nothing left to end


class _Watchdog:
    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, weakref.ref[Watch]]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch, deadline: float) -> None:
        entry = (deadline, next(self._numbers), weakref.ref(watch))
        with self._condition:
            heapq.heappush(self._heap, entry)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="streamkit-deadlines", daemon=True
                )
                self._thread.start()
            elif self._heap[0] is entry:
                self._condition.notify()

    def _run(self) -> None:
        condition, heap = self._condition, self._heap
        while True:
            with condition:
                while not heap or heap[0][0] > time.monotonic():
                    condition.wait(heap[0][0] - time.monotonic() if heap else None)
                _, number, reference = heapq.heappop(heap)
            watch = reference()
            again = watch.look(time.monotonic()) if watch is not None else None
            if again is not None:
                with condition:
                    heapq.heappush(heap, (again, number, reference))
            del watch


_WATCHDOG: Final = _Watchdog()
