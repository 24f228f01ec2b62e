"""Answers being read over HTTP, by asynchronous and by synchronous code.

How a pending read is woken, be it for a deadline or by `stop()`: a `Watch` shuts the answer's
socket down where it has one of its own (HTTP/1.1 over a real socket); else asynchronous reads run
in a cancel scope. Synchronous reads without a socket see a deadline only when they return.
"""

import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import anyio

from streamkit.transport.base import DeadlinePassed, Head, Interrupted, TransportFailure
from streamkit.transport.compression import Unpacker
from streamkit.transport.failures import failure_by
from streamkit.transport.host import Host, loop_deadline, run_to_the_end
from streamkit.transport.watchdog import Watch

#: Seconds that closing a connection may take before it is left to itself.
_CLOSE_S: Final = 2.0
# The sockets of connections that were used: looking one up costs as much as reading a chunk.
_SOCKETS: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()


class _Answer:
    """What both kinds of exchange know of an answer."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._is_exhausted = False
        self._is_closed = False
        self._is_interrupted = False
        self._watch = _watch(response)
        self.head = Head(
            int(response.status_code),
            {str(name).lower(): str(value) for name, value in response.headers.items()},
        )

    @property
    def has_watch(self) -> bool:
        """Whether a pending read can be woken by its socket."""
        return self._watch is not None

    def _unpacker(self) -> Unpacker | None:
        coding = self.head.headers.get("content-encoding", "").strip().lower()
        return Unpacker(coding) if coding not in {"", "identity"} else None

    def _failure(self, error: Exception) -> TransportFailure:
        if self._is_interrupted:
            return Interrupted()
        if self._watch is not None and self._watch.has_fired:
            return DeadlinePassed()
        return error if isinstance(error, TransportFailure) else failure_by(error)

    def _finished(self) -> None:
        """The body was read to its end: the connection may be somebody else's by now."""
        self._is_exhausted = True
        if self._watch is not None:
            self._watch.disarm()

    def _ended(self) -> None:
        """The body came to its end; raises when that was our own doing.

        A body without a length ends where its connection does, and a socket that was shut down
        looks no different.
        """
        self._finished()
        if self._is_interrupted:
            raise Interrupted
        if self._watch is not None and self._watch.has_fired:
            raise DeadlinePassed


class HTTPExchange(_Answer):
    """An answer being read by asynchronous code."""

    def __init__(self, response: Any, host: Host) -> None:
        super().__init__(response)
        self._host = host
        self._scope: anyio.CancelScope | None = None
        # The raw stream is cheaper than `aiter_bytes`, and none of its generators is left suspended
        # when a Content-Encoding turns out to be broken.
        self._next_raw: Callable[[], Any] = aiter(response.stream).__anext__
        unpacker = self._unpacker()
        self._next = self._next_raw if unpacker is None else self._unpacking(unpacker)

    async def read(self, deadline: float) -> bytes | None:
        """Waits for the next read; `None` at the end of the body."""
        watch = self._watch
        if watch is None:
            return await self._scoped_read(deadline)
        watch.deadline = deadline
        if deadline < watch.armed_for:
            watch.arm(deadline)
        try:
            data: bytes = await self._next()
        except StopAsyncIteration:
            self._ended()
            return None
        except Exception as error:
            raise self._failure(error) from None
        watch.deadline = math.inf  # until the next read the time is the consumer's
        return data

    def _unpacking(self, unpacker: Unpacker) -> Callable[[], Any]:
        async def next_unpacked() -> bytes:
            if not unpacker.has_more:
                try:
                    unpacker.feed(await self._next_raw())
                except StopAsyncIteration:
                    self._finished()
                    unpacker.close()
                    raise
            return unpacker.take()

        return next_unpacked

    async def _scoped_read(self, deadline: float) -> bytes | None:
        with anyio.CancelScope(deadline=loop_deadline(deadline, time.monotonic())) as scope:
            self._scope = scope
            if self._is_interrupted:
                scope.cancel()
            try:
                data: bytes = await self._next()
                return data
            except StopAsyncIteration:
                self._ended()
                return None
            except Exception as error:
                raise self._failure(error) from None
            finally:
                self._scope = None
        raise Interrupted if self._is_interrupted else DeadlinePassed

    def interrupt(self) -> None:
        """Wakes a pending read, now or as soon as it begins; from any thread."""
        self._is_interrupted = True
        if self._watch is not None:
            self._watch.fire()
        else:
            self._host.call_soon(self._cancel_scope)

    def _cancel_scope(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    async def close(self, drain_s: float = 0.0) -> None:
        """Lets go of the connection, even when the caller is cancelled."""
        if not self._is_closed:
            self._is_closed = True
            await run_to_the_end(lambda: self._let_go(drain_s))

    async def _let_go(self, drain_s: float) -> None:
        if not self._is_exhausted and drain_s > 0:
            with anyio.move_on_after(drain_s):
                await self._read_rest()
        if not self._is_exhausted:
            # A read that is cancelled at once unwinds the client's own generators; left suspended,
            # they would be closed by the garbage collector, with a warning.
            with anyio.CancelScope() as scope:
                scope.cancel()
                await self._read_rest()
        if self._watch is not None:
            self._watch.disarm()
        with anyio.move_on_after(_CLOSE_S):
            await self._response.aclose()

    async def _read_rest(self) -> None:
        try:
            while True:
                await self._next_raw()
        except StopAsyncIteration:
            self._finished()
        except Exception:
            # The stream has its terminal chunk: how its connection ends changes nothing any more,
            # and a broken one is not used again.
            return

    def abandon(self) -> None:
        """Lets go without waiting; the loop closes what is left."""
        if self._is_closed:
            return
        if self._watch is not None and not self._is_exhausted:
            self._watch.fire()
        self._host.spawn(self.close)


class SyncHTTPExchange(_Answer):
    """An answer being read by synchronous code."""

    def __init__(self, response: Any) -> None:
        super().__init__(response)
        self._next_raw: Callable[[], bytes] = iter(response.stream).__next__
        unpacker = self._unpacker()
        self._next = self._next_raw if unpacker is None else self._unpacking(unpacker)

    def read(self, deadline: float) -> bytes | None:
        """Blocks until the next read; `None` at the end of the body."""
        watch = self._watch
        if watch is not None:
            watch.deadline = deadline
            if deadline < watch.armed_for:
                watch.arm(deadline)
        elif self._is_interrupted:
            raise Interrupted
        elif time.monotonic() >= deadline:
            raise DeadlinePassed
        try:
            data = self._next()
        except StopIteration:
            self._ended()
            return None
        except Exception as error:
            raise self._failure(error) from None
        if watch is not None:
            watch.deadline = math.inf  # until the next read the time is the consumer's
        return data

    def _unpacking(self, unpacker: Unpacker) -> Callable[[], bytes]:
        def next_unpacked() -> bytes:
            if not unpacker.has_more:
                try:
                    unpacker.feed(self._next_raw())
                except StopIteration:
                    self._finished()
                    unpacker.close()
                    raise
            return unpacker.take()

        return next_unpacked

    def interrupt(self) -> None:
        """Wakes a pending read where there is a socket; else the next one fails."""
        self._is_interrupted = True
        if self._watch is not None:
            self._watch.fire()

    def close(self, drain_s: float = 0.0) -> None:
        """Lets go of the connection."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._is_exhausted and drain_s > 0 and self._watch is not None:
            self._watch.arm(time.monotonic() + drain_s)
            self._read_rest()
        if self._watch is not None:
            self._watch.disarm()
        self._response.close()

    def _read_rest(self) -> None:
        try:
            while True:
                self._next_raw()
        except StopIteration:
            self._finished()
        except Exception:
            return  # see HTTPExchange: a broken connection is not used again

    def abandon(self) -> None:
        """Lets go of the connection from a finaliser."""
        if self._is_closed:
            return
        if self._watch is not None and not self._is_exhausted:
            self._watch.fire()
        _closer(self.close)


def _closer(close: Callable[[], None]) -> None:
    """Closes from a thread of its own: a finaliser may run while this one holds the pool's lock."""
    if sys.is_finalizing():
        return  # no thread starts any more, and the process's sockets close with it
    threading.Thread(target=close, name="streamkit-close", daemon=True).start()


def _watch(response: Any) -> Watch | None:
    """A watch over the answer's socket, where that socket is this answer's alone."""
    extensions = getattr(response, "extensions", {})
    if extensions.get("http_version", b"") not in {b"HTTP/1.1", b"HTTP/1.0"}:
        return None  # HTTP/2 carries other answers on the same socket
    stream = extensions.get("network_stream")
    if stream is None:
        return None
    raw_socket = _SOCKETS.get(stream)
    if raw_socket is None:
        raw_socket = stream.get_extra_info("socket")
        if raw_socket is None:
            return None
        _SOCKETS[stream] = raw_socket
    return Watch(raw_socket)
