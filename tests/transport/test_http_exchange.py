"""One exchange over HTTP, below the stream: what is sent, what is shown, what a wait obeys."""

import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import pytest

from streamkit.settings import Timeouts
from streamkit.transport.base import DeadlinePassed, Interrupted, OutgoingRequest, TransportFailure
from streamkit.transport.exchanges import HTTPExchange, SyncHTTPExchange
from streamkit.transport.http import HTTPTransport
from tests.http_clients import async_client_of, every_client, every_family, sync_client_of
from tests.loopback import END as BODY_END
from tests.loopback import Action, Close, Hold, LoopbackServer, chunk, head, serving

_LIMITS = Timeouts(connect=5, first_content=7, idle=9)
_KEY = "sk-canary-0123456789abcdef"


def _request(server: LoopbackServer, method: str = "POST") -> OutgoingRequest:
    body = b'{"secret words":1}' if method == "POST" else None
    headers = {"authorization": f"Bearer {_KEY}", "accept-encoding": "identity"}
    return OutgoingRequest(method=method, url=f"{server.url}/x", headers=headers, body=body)


def _soon(seconds: float = 0.1) -> float:
    return time.monotonic() + seconds


@asynccontextmanager
async def _opened(
    family: Any, server: LoopbackServer, deadline: float = math.inf
) -> AsyncIterator[HTTPExchange]:
    async with async_client_of(family) as client:
        opening = HTTPTransport(client).opening()
        exchange = await opening.open(_request(server), deadline, _LIMITS)
        yield exchange
        await exchange.close()


@contextmanager
def _opened_sync(
    family: Any, server: LoopbackServer, deadline: float = math.inf
) -> Iterator[SyncHTTPExchange]:
    with sync_client_of(family) as client:
        opening = HTTPTransport(client).opening()
        exchange = opening.open_sync(_request(server), deadline, _LIMITS)
        yield exchange
        exchange.close()


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 15


_ANSWER = [head(200, "text/plain", "X-One: 1", "X-Two: a", "X-Two: b"), chunk(b"a"), BODY_END]


def test_a_request_shows_neither_its_headers_nor_its_body() -> None:
    with serving(_ANSWER) as server:
        shown = repr(_request(server))
    assert _KEY not in shown
    assert "secret words" not in shown


@pytest.mark.anyio
@every_client
async def test_what_is_sent_and_what_comes_back(family: Any) -> None:
    with serving(_ANSWER) as server:
        async with _opened(family, server) as exchange:
            assert exchange.has_watch
            assert exchange.head.status == 200
            assert exchange.head.headers["x-one"] == "1"
            assert exchange.head.headers["x-two"] == "a, b"
            assert [await exchange.read(math.inf), await exchange.read(math.inf)] == [b"a", None]
        _check_sent(server)


@every_client
def test_what_is_sent_and_what_comes_back_in_synchronous_code(family: Any) -> None:
    with serving(_ANSWER) as server:
        with _opened_sync(family, server) as exchange:
            assert exchange.has_watch
            assert exchange.head.status == 200
            assert exchange.head.headers["x-two"] == "a, b"
            assert [exchange.read(math.inf), exchange.read(math.inf)] == [b"a", None]
        _check_sent(server)


def _check_sent(server: LoopbackServer) -> None:
    (sent,) = server.requests
    assert sent.startswith(b"POST /x HTTP/1.1\r\n")
    assert sent.endswith(b'\r\n\r\n{"secret words":1}')
    assert b"accept-encoding: identity\r\n" in sent.lower()
    assert b"authorization: bearer " + _KEY.encode() + b"\r\n" in sent.lower()


@every_client
def test_a_request_without_a_body_has_none(family: Any) -> None:
    with serving(_ANSWER) as server, sync_client_of(family) as client:
        opening = HTTPTransport(client).opening()
        opening.open_sync(_request(server, "GET"), math.inf, _LIMITS).close()
        sent = server.requests[0]
    assert sent.startswith(b"GET /x HTTP/1.1\r\n")
    assert sent.endswith(b"\r\n\r\n")


@pytest.mark.anyio
@every_client
async def test_the_deadline_of_each_read_counts_for_that_read(family: Any) -> None:
    with serving([head(), chunk(b"a"), Hold()]) as server:
        async with _opened(family, server, _soon(10)) as exchange:
            assert await exchange.read(_soon(10)) == b"a"
            with pytest.raises(DeadlinePassed):
                await exchange.read(_soon())
        assert server.connections[0].gone.wait(10)


@every_client
def test_the_deadline_of_each_read_counts_in_synchronous_code(family: Any) -> None:
    with serving([head(), chunk(b"a"), Hold()]) as server:
        with _opened_sync(family, server, _soon(10)) as exchange:
            assert exchange.read(_soon(10)) == b"a"
            with pytest.raises(DeadlinePassed):
                exchange.read(_soon())
        assert server.connections[0].gone.wait(10)


@pytest.mark.anyio
@every_client
async def test_a_deadline_that_moves_on_is_obeyed_where_it_went(family: Any) -> None:
    with serving([head(), chunk(b"a"), Hold()]) as server:
        async with _opened(family, server) as exchange:
            assert await exchange.read(_soon(0.05)) == b"a"
            with pytest.raises(DeadlinePassed):
                await exchange.read(until := _soon(0.2))
            assert time.monotonic() >= until


@pytest.mark.anyio
@every_client
async def test_opening_obeys_its_deadline(family: Any) -> None:
    with serving([Hold()]) as server:
        for deadline in (_soon(), time.monotonic() - 1):
            with pytest.raises(DeadlinePassed):
                async with _opened(family, server, deadline):
                    pass
        with pytest.raises(DeadlinePassed), _opened_sync(family, server, _soon()):
            pass


@pytest.mark.anyio
@every_client
async def test_an_opening_that_was_interrupted_does_not_open(family: Any) -> None:
    with serving(_ANSWER) as server:
        async with async_client_of(family) as client:
            opening = HTTPTransport(client).opening()
            opening.interrupt()
            with pytest.raises(Interrupted):
                await opening.open(_request(server), math.inf, _LIMITS)
        with sync_client_of(family) as client:
            sync_opening = HTTPTransport(client).opening()
            sync_opening.interrupt()
            with pytest.raises(Interrupted):
                sync_opening.open_sync(_request(server), math.inf, _LIMITS)


@every_client
def test_an_interrupt_from_a_thread_wakes_a_synchronous_opening(family: Any) -> None:
    with serving([Hold()]) as server, sync_client_of(family) as client:
        opening = HTTPTransport(client).opening()

        def interrupt_once_it_waits() -> None:
            while not server.requests:
                threading.Event().wait(0.002)
            opening.interrupt()

        thread = threading.Thread(target=interrupt_once_it_waits)
        thread.start()
        with pytest.raises(Interrupted):
            opening.open_sync(_request(server), math.inf, _LIMITS)
        thread.join()
        assert server.connections[0].gone.wait(10)


@pytest.mark.anyio
@every_client
async def test_a_read_that_was_interrupted_before_it_began_fails_at_once(family: Any) -> None:
    with serving([head(), Hold()]) as server:
        async with _opened(family, server) as exchange:
            exchange.interrupt()
            with anyio.fail_after(10), pytest.raises(Interrupted):
                await exchange.read(math.inf)
        with _opened_sync(family, server) as sync_exchange:
            sync_exchange.interrupt()
            with pytest.raises(Interrupted):
                sync_exchange.read(math.inf)


@pytest.mark.anyio
@every_client
async def test_a_connection_that_broke_is_told_by_the_name_of_its_error(family: Any) -> None:
    # Nothing of either package is ever asked for: only the names of its exceptions are known.
    broken: dict[str, list[Action]] = {
        "connection": [Close()],
        "protocol": [b"nonsense\r\n\r\n", Close()],
    }
    for kind, script in broken.items():
        with serving(script) as server:
            with pytest.raises(TransportFailure) as caught:
                async with _opened(family, server):
                    pass
            with pytest.raises(TransportFailure) as caught_sync, _opened_sync(family, server):
                pass
        assert (caught.value.kind, caught_sync.value.kind) == (kind, kind)


@pytest.mark.anyio
@every_client
async def test_a_body_that_is_cut_is_truncated(family: Any) -> None:
    with serving([head(), chunk(b"a"), Close()]) as server:
        async with _opened(family, server) as exchange:
            assert await exchange.read(math.inf) == b"a"
            with pytest.raises(TransportFailure) as caught:
                await exchange.read(math.inf)
        with _opened_sync(family, server) as sync_exchange:
            assert sync_exchange.read(math.inf) == b"a"
            with pytest.raises(TransportFailure) as caught_sync:
                sync_exchange.read(math.inf)
    assert (caught.value.kind, caught_sync.value.kind) == ("truncated", "truncated")


# Without a socket of its own, a wait has nothing but what the client offers.


def _handler(family: Any, seen: list[Any]) -> Any:
    def answer(request: Any) -> Any:
        seen.append(request.extensions["timeout"])
        return family.Response(200, content=b"a")

    return family.MockTransport(answer)


@every_family
@pytest.mark.parametrize(
    ("limits", "longest"),
    [
        (Timeouts(connect=5, first_content=7, idle=9), 9),
        (Timeouts(connect=5, first_content=9, idle=7), 9),
        (Timeouts(connect=5, first_content=7, idle=None), None),
        (Timeouts(connect=5, first_content=None, idle=9), None),
    ],
)
def test_a_synchronous_read_without_a_socket_blocks_no_longer_than_the_longest_limit(
    family: Any, limits: Timeouts, longest: float | None
) -> None:
    seen: list[Any] = []
    with family.Client(transport=_handler(family, seen)) as client:
        request = OutgoingRequest(method="GET", url="http://x.test/", headers={}, body=None)
        exchange = HTTPTransport(client).opening().open_sync(request, math.inf, limits)
        assert not exchange.has_watch
        assert exchange.read(math.inf) == b"a"
        exchange.close()
    assert seen[0]["read"] == longest
    assert seen[0]["connect"] == 5


@every_family
def test_the_wait_for_a_connection_ends_with_the_deadline_in_synchronous_code(family: Any) -> None:
    seen: list[Any] = []
    with family.Client(transport=_handler(family, seen)) as client:
        request = OutgoingRequest(method="GET", url="http://x.test/", headers={}, body=None)
        transport = HTTPTransport(client)
        transport.opening().open_sync(request, _soon(2), _LIMITS).close()
        transport.opening().open_sync(request, _soon(60), _LIMITS).close()
    assert 1 < seen[0]["connect"] <= 2
    assert 1 < seen[0]["pool"] <= 2
    assert seen[1]["connect"] == seen[1]["pool"] == 5


@pytest.mark.anyio
@every_family
async def test_an_answer_over_http_2_shares_its_socket_and_is_not_watched(family: Any) -> None:
    def answer(request: object) -> Any:
        extensions = {"http_version": b"HTTP/2", "network_stream": object()}
        return family.Response(200, content=b"a", extensions=extensions)

    async with family.AsyncClient(transport=family.MockTransport(answer)) as client:
        request = OutgoingRequest(method="GET", url="http://x.test/", headers={}, body=None)
        exchange = await HTTPTransport(client).opening().open(request, math.inf, _LIMITS)
        assert not exchange.has_watch
        assert await exchange.read(math.inf) == b"a"
        await exchange.close()
