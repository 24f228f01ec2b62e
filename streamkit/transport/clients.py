"""The HTTP clients that streamkit makes itself: few, shared, and closed with what they live in.

An asynchronous client belongs to one event loop and is closed when that loop ends; the synchronous
one belongs to the process. Neither survives a fork. Loading the trusted certificates takes longer
than anything else in a first request, so they are loaded once, and only for https.
"""

import atexit
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final, TypeVar
from urllib.request import getproxies

import httpx
from anyio.lowlevel import RunVar

from streamkit.transport.base import TransportFailure

# No limit on connections: a stream that waits for a free one would look like a silent service.
_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=100, keepalive_expiry=30
)

_LOOPBACK: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How streamkit's own clients reach the network.

    Attributes:
        proxy: The address of a proxy for all requests.
        ca_file: A file with the certificates to trust, instead of the usual ones.
        trust_env: Take proxies and certificates from the environment (`HTTPS_PROXY`, …); addresses
            on loopback are reached directly all the same.
    """

    proxy: str | None = field(default=None, repr=False)  # a password may stand in it
    ca_file: str | None = None
    trust_env: bool = True


class _Straight:
    """Makes requests as a client does, without what a client adds to each: cookies, defaults."""

    #: No request can be sent any more.
    is_closed = False

    def build_request(
        self,
        method: str,
        url: httpx.URL,
        *,
        headers: dict[str, str],
        content: bytes | None,
        extensions: dict[str, Any],
    ) -> httpx.Request:
        """Makes one request."""
        return httpx.Request(method, url, headers=headers, content=content, extensions=extensions)


class StraightAsyncClient(_Straight):
    """A transport of httpx in the shape of its client, for asynchronous code.

    Redirects, cookies, authentication and hooks are not wanted here, and looking for them takes a
    tenth of the time to a first content. No cookie of one request goes along with another.
    """

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._transport = transport

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Sends a request and returns with the head of its answer."""
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Closes all connections."""
        self.is_closed = True
        await self._transport.aclose()


class StraightClient(_Straight):
    """The same for synchronous code."""

    def __init__(self, transport: httpx.HTTPTransport) -> None:
        self._transport = transport

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Sends a request and returns with the head of its answer."""
        return self._transport.handle_request(request)

    def close(self) -> None:
        """Closes all connections."""
        self.is_closed = True
        self._transport.close()


_Key = tuple[Network, bool]
_AnyAsync = httpx.AsyncClient | StraightAsyncClient
_AnySync = httpx.Client | StraightClient
_Made = TypeVar("_Made")
_Owned = tuple[_AnyAsync, AsyncGenerator[None, None]]

_ASYNC_CLIENTS: Final[RunVar[dict[_Key, _Owned]]] = RunVar("streamkit_http_clients")


async def async_client(network: Network, *, is_secure: bool) -> _AnyAsync:
    """The running event loop's client; made on first use."""
    try:
        clients = _ASYNC_CLIENTS.get()
    except LookupError:
        clients = {}
        _ASYNC_CLIENTS.set(clients)
    owned = clients.get((network, is_secure))
    if owned is None:
        client: _AnyAsync
        if _takes_proxies_from_environment(network):
            client = _made(httpx.AsyncClient, _client_options(network, is_secure))
        else:
            transport = _made(httpx.AsyncHTTPTransport, _options(network, is_secure))
            client = StraightAsyncClient(transport)
        owner = _closing(client)
        await anext(owner)
        owned = clients[network, is_secure] = (client, owner)
    return owned[0]


async def _closing(client: _AnyAsync) -> AsyncGenerator[None, None]:
    # Event loops close the asynchronous generators that were started in them when they end; this
    # one takes the client along.
    try:
        yield
    finally:
        await client.aclose()


_SYNC_CLIENTS: Final[dict[tuple[int, _Key], _AnySync]] = {}
_SYNC_LOCK: Final = threading.Lock()
if hasattr(os, "register_at_fork"):
    # A lock that another thread holds would stay locked in the forked process for ever.
    os.register_at_fork(
        before=_SYNC_LOCK.acquire,
        after_in_parent=_SYNC_LOCK.release,
        after_in_child=_SYNC_LOCK.release,
    )


def sync_client(network: Network, *, is_secure: bool) -> _AnySync:
    """The process's client; made on first use, safe to use from several threads."""
    key = (os.getpid(), (network, is_secure))
    with _SYNC_LOCK:
        client = _SYNC_CLIENTS.get(key)
        if client is None:
            if _takes_proxies_from_environment(network):
                client = _made(httpx.Client, _client_options(network, is_secure))
            else:
                client = StraightClient(_made(httpx.HTTPTransport, _options(network, is_secure)))
            _SYNC_CLIENTS[key] = client
        return client


@atexit.register
def _close_sync_clients() -> None:
    for (pid, _), client in _SYNC_CLIENTS.items():
        if pid == os.getpid():
            client.close()


def _takes_proxies_from_environment(network: Network) -> bool:
    """Whether a request may have to go through a proxy of the environment: httpx's client knows."""
    return network.proxy is None and network.trust_env and bool(getproxies())


def _made(kind: Callable[..., _Made], options: Callable[[], dict[str, Any]]) -> _Made:
    try:
        return kind(**options())
    except (ImportError, OSError, TypeError, ValueError, httpx.InvalidURL) as error:
        raise TransportFailure(
            "configuration",
            "The HTTP client cannot be made. Check `proxy` and `ca_file`, and HTTP_PROXY, "
            "HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE in the environment.",
            f"{type(error).__name__}: {error}",
        ) from None


def _options(network: Network, is_secure: bool) -> Callable[[], dict[str, Any]]:
    return lambda: {
        "verify": _trusted(network) if is_secure else _trusting_nobody(),
        "proxy": network.proxy,
        "trust_env": network.trust_env,
        "limits": _LIMITS,
    }


def _client_options(network: Network, is_secure: bool) -> Callable[[], dict[str, Any]]:
    return lambda: {
        **_options(network, is_secure)(),
        # A proxy from the environment is for the network; what runs on this machine is not there.
        "mounts": dict.fromkeys(_LOOPBACK),
        "follow_redirects": False,
        "timeout": None,
    }


@lru_cache(maxsize=256)
def parsed_url(url: str) -> httpx.URL:
    """An address as our own clients take it; a model asks the same one again and again."""
    return httpx.URL(url)


@cache
def _trusted(network: Network) -> ssl.SSLContext:
    if network.ca_file is not None:
        return ssl.create_default_context(cafile=network.ca_file)
    return httpx.create_ssl_context(trust_env=network.trust_env)


@cache
def _trusting_nobody() -> ssl.SSLContext:
    # For http:// only. Were it ever used for TLS, it would trust no certificate at all.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
