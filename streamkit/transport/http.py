"""The transport over httpx, or over any client of httpx's shape that a caller brings.

Only builtins go into the client, and nothing of it comes out: no type of it is ever asked for, and
its exceptions are told by name. A client that a caller brought is never closed here.

How a pending wait is woken, be it for a deadline or by `stop()`: a `Watch` shuts the answer's
socket down where it has one of its own (HTTP/1.1 over a real socket); else asynchronous waits run
in a cancel scope. Synchronous waits without a socket see a deadline only when their read returns.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from weakref import WeakKeyDictionary

import anyio

from streamkit.errors import ConfigurationError
from streamkit.settings import Timeouts
from streamkit.transport.base import (
    DeadlinePassed,
    Head,
    Interrupted,
    OutgoingRequest,
    TransportFailure,
)
from streamkit.transport.clients import Network, async_client, parsed_url, sync_client
from streamkit.transport.compression import Unpacker
from streamkit.transport.failures import failure_of
from streamkit.transport.host import Host, loop_deadline, run_apart, run_to_the_end
from streamkit.transport.watchdog import Watch

#: Seconds that closing a connection may take before it is left to itself.
_CLOSE_S = 2.0
# The sockets of connections that were used: looking one up costs as much as reading a chunk.
_SOCKETS: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()
# httpx's names for the waits before an answer can come.
_WAITS = ("connect", "pool", "write")
# httpcore's names for the moments when an opening has another socket: TLS takes the first one over.
_NEW_SOCKETS = ("connect_tcp.complete", "start_tls.complete")


class HTTPTransport:
    """Opens exchanges over HTTP.

    Args:
        client: The caller's client, or `None` for streamkit's own.
        network: How streamkit's own clients reach the network.
    """

    def __init__(self, client: Any = None, network: Network | None = None) -> None:
        if client is not None and not (
            hasattr(client, "build_request") and hasattr(client, "send")
        ):
            raise ConfigurationError(
                f"http_client must be a client of httpx's shape, not {type(client).__name__}."
            )
        self._client = client
        self._network = network or Network()

    def check(self, *, is_async: bool) -> None:
        """Refuses a client of the wrong kind.

        Raises:
            ConfigurationError: The caller's client is synchronous and the use is not, or the
                reverse.
        """
        if self._client is not None and hasattr(self._client, "aclose") != is_async:
            use, needed = ("async", "an AsyncClient") if is_async else ("sync", "a Client")
            raise ConfigurationError(f"For {use} use, http_client must be {needed}.")

    def opening(self) -> "HTTPOpening":
        """Makes the handle for one exchange to be opened."""
        return HTTPOpening(self._client, self._network)


class HTTPOpening:
    """One exchange before it is open."""

    def __init__(self, client: Any, network: Network) -> None:
        self._client = client
        self._network = network
        self._wake: Callable[[], object] | None = None
        self._opened: HTTPExchange | None = None
        self._is_interrupted = False

    def interrupt(self) -> None:
        """Wakes the pending opening, now or as soon as it begins; from any thread.

        In synchronous code an opening on a connection that is used again cannot be woken while it
        waits for headers: it ends with them, or with its deadline.
        """
        self._is_interrupted = True
        if self._wake is not None:
            self._wake()

    async def open(
        self, request: OutgoingRequest, deadline: float, timeouts: Timeouts
    ) -> "HTTPExchange":
        """Sends the request and waits for status and headers."""
        scope = anyio.CancelScope(deadline=loop_deadline(deadline))
        try:
            return await run_apart(
                lambda: self._open(request, deadline, timeouts, scope), scope.cancel
            )
        except BaseException:
            if self._opened is not None:
                await self._opened.close()
            raise

    async def _open(
        self,
        request: OutgoingRequest,
        deadline: float,
        timeouts: Timeouts,
        scope: anyio.CancelScope,
    ) -> "HTTPExchange":
        host = Host()
        limits = _limits(timeouts, read=None)
        with scope:
            self._wake = lambda: host.call_soon(scope.cancel)
            if self._is_interrupted:
                scope.cancel()
            client: Any = self._client
            url: Any = request.url
            try:
                if client is None:
                    url = parsed_url(url)
                    client = await async_client(self._network, is_secure=url.scheme == "https")
                built = _build(client, request, url, {"timeout": limits})
                response = await client.send(built, stream=True, follow_redirects=False)
            except Exception as error:
                raise _failure_of(error, deadline) from None
            finally:
                self._wake = None
            self._opened = HTTPExchange(response, host)
            return self._opened
        raise Interrupted if self._is_interrupted else DeadlinePassed

    def open_sync(
        self, request: OutgoingRequest, deadline: float, timeouts: Timeouts
    ) -> "SyncHTTPExchange":
        """The same for synchronous code."""
        watch: Watch | None = None

        def trace(event: str, info: Mapping[str, Any]) -> None:
            # Told by httpcore while it opens; only a new connection shows its socket here.
            nonlocal watch
            if event.endswith(_NEW_SOCKETS) and "return_value" in info:
                raw_socket = info["return_value"].get_extra_info("socket")
                if raw_socket is not None:
                    watch = Watch(raw_socket)
                    watch.arm(deadline)
                    self._wake = watch.fire
            # Never where something ends: an exception there would keep the connection from closing.
            if self._is_interrupted and event.endswith(".started") and "close" not in event:
                raise Interrupted

        remaining = None if deadline == math.inf else max(0.001, deadline - time.monotonic())
        limits = _limits(timeouts, read=remaining)
        if remaining is not None:
            # Nothing else ends the wait for a connection when the deadline passes.
            limits |= {name: min(remaining, limits[name] or remaining) for name in _WAITS}
        client: Any = self._client
        url: Any = request.url
        try:
            if client is None:
                url = parsed_url(url)
                client = sync_client(self._network, is_secure=url.scheme == "https")
            built = _build(client, request, url, {"timeout": limits, "trace": trace})
            response = client.send(built, stream=True, follow_redirects=False)
        except Interrupted:
            raise
        except Exception as error:
            if self._is_interrupted:
                raise Interrupted from None
            if watch is not None and watch.has_fired:
                raise DeadlinePassed from None
            raise _failure_of(error, deadline) from None
        finally:
            self._wake = None
            if watch is not None:
                watch.disarm()
        exchange = SyncHTTPExchange(response)
        # The client reads its limit when the body begins. The watch keeps the deadlines from here
        # on; without one, this is the longest that a read may block.
        longest = [each or math.inf for each in (timeouts.first_content, timeouts.idle)]
        limits["read"] = None if exchange.has_watch or math.inf in longest else max(longest)
        return exchange


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
        return error if isinstance(error, TransportFailure) else _failure_of(error)

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
        with anyio.CancelScope(deadline=loop_deadline(deadline)) as scope:
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
    import threading

    threading.Thread(target=close, name="streamkit-close", daemon=True).start()


def _build(client: Any, request: OutgoingRequest, url: Any, extensions: dict[str, Any]) -> Any:
    built: Any = client.build_request(
        request.method,
        url,
        headers=dict(request.headers),
        content=request.body,
        extensions=extensions,
    )
    stream = getattr(built, "stream", None)
    kind: Any = type(stream)
    if stream is not None and kind.__name__ == "ByteStream":
        stream.streamkit_body = request.body or b""
        stream.__class__ = _body_type(kind)
    return built


class _Once:
    """Gives one value to an `async for`."""

    def __init__(self, value: bytes) -> None:
        self._values = [value]

    def __aiter__(self) -> "_Once":
        return self

    async def __anext__(self) -> bytes:
        if not self._values:
            raise StopAsyncIteration
        return self._values.pop()


@cache
def _body_type(base: type[Any]) -> type[Any]:
    """A client's own type for a body, but sent without a generator.

    A request that is cancelled while it is sent would leave one suspended, and trio warns of that.
    """
    return type("Body", (base,), {"__aiter__": lambda self: _Once(self.streamkit_body)})


def _failure_of(error: Exception, deadline: float = math.inf) -> TransportFailure:
    """What an exception of the client means.

    Its limits for reading and writing stand for the stream's own, and so does its limit for
    connecting when the deadline has passed as well: which of them it was is told elsewhere, once.
    """
    failure = failure_of(error)
    is_late = failure.kind == "timeout_connect" and time.monotonic() >= deadline
    return DeadlinePassed() if failure.kind == "timeout_idle" or is_late else failure


def _limits(timeouts: Timeouts, read: float | None) -> dict[str, float | None]:
    """The limits as httpx's `timeout` extension holds them, in seconds."""
    return {
        "connect": timeouts.connect,
        "pool": timeouts.connect,
        "read": read,
        "write": timeouts.first_content,
    }


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
