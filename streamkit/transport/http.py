"""The transport over httpx, or over any client of httpx's shape that a caller brings.

Only builtins go into the client, and nothing of it comes out: no type of it is ever asked for, and
its exceptions are told by name. A client that a caller brought is never closed here.

Here exchanges are opened; `exchanges` says how their answers are read.
"""

import math
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import anyio

from streamkit.errors import ConfigurationError
from streamkit.settings import Timeouts
from streamkit.transport.base import (
    DeadlinePassed,
    Interrupted,
    OutgoingRequest,
)
from streamkit.transport.clients import Network, async_client, parsed_url, sync_client
from streamkit.transport.exchanges import HTTPExchange, SyncHTTPExchange
from streamkit.transport.failures import failure_by
from streamkit.transport.host import Host, loop_deadline, run_apart
from streamkit.transport.watchdog import Watch

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
        scope = anyio.CancelScope(deadline=loop_deadline(deadline, time.monotonic()))
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
                raise failure_by(error, deadline) from None
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
            raise failure_by(error, deadline) from None
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


def _limits(timeouts: Timeouts, read: float | None) -> dict[str, float | None]:
    """The limits as httpx's `timeout` extension holds them, in seconds."""
    return {
        "connect": timeouts.connect,
        "pool": timeouts.connect,
        "read": read,
        "write": timeouts.first_content,
    }
