"""One exchange over HTTP, below the stream: what is sent, what is shown, what a wait obeys."""

import math
import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest

from streamkit.settings import Timeouts
from streamkit.transport.base import DeadlinePassed, Interrupted, OutgoingRequest
from streamkit.transport.exchanges import HTTPExchange, SyncHTTPExchange
from streamkit.transport.http import HTTPTransport
from tests.loopback import END as BODY_END
from tests.loopback import Hold, LoopbackServer, chunk, head, serving

_LIMITS = Timeouts(connect=5, first_content=7, idle=9)
_KEY = "sk-canary-0123456789abcdef"


def _request(server: LoopbackServer, method: str = "POST") -> OutgoingRequest:
    body = b'{"secret words":1}' if method == "POST" else None
    headers = {"authorization": f"Bearer {_KEY}", "accept-encoding": "identity"}
    return OutgoingRequest(method=method, url=f"{server.url}/x", headers=headers, body=body)


def _soon(seconds: float = 0.1) -> float:
    return time.monotonic() + seconds


async def _open(server: LoopbackServer, deadline: float = math.inf) -> HTTPExchange:
    return await HTTPTransport().opening().open(_request(server), deadline, _LIMITS)


def _open_sync(server: LoopbackServer, deadline: float = math.inf) -> SyncHTTPExchange:
    return HTTPTransport().opening().open_sync(_request(server), deadline, _LIMITS)


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
async def test_what_is_sent_and_what_comes_back() -> None:
    with serving(_ANSWER) as server:
        exchange = await _open(server)
        assert exchange.head.status == 200
        assert exchange.head.headers["x-one"] == "1"
        assert exchange.head.headers["x-two"] == "a, b"
        assert [await exchange.read(math.inf), await exchange.read(math.inf)] == [b"a", None]
        await exchange.close()
        sent = server.requests[0]
    assert sent.startswith(b"POST /x HTTP/1.1\r\n")
    assert sent.endswith(b'\r\n\r\n{"secret words":1}')


def test_a_request_without_a_body_has_none() -> None:
    with serving(_ANSWER) as server:
        exchange = HTTPTransport().opening().open_sync(_request(server, "GET"), math.inf, _LIMITS)
        exchange.close()
        sent = server.requests[0]
    assert sent.startswith(b"GET /x HTTP/1.1\r\n")
    assert sent.endswith(b"\r\n\r\n")


@pytest.mark.anyio
async def test_the_deadline_of_each_read_counts_for_that_read() -> None:
    with serving([head(), chunk(b"a"), Hold()]) as server:
        exchange = await _open(server, _soon(10))
        assert await exchange.read(_soon(10)) == b"a"
        with pytest.raises(DeadlinePassed):
            await exchange.read(_soon())
        await exchange.close()
        assert server.connections[0].gone.wait(10)


def test_the_deadline_of_each_read_counts_in_synchronous_code() -> None:
    with serving([head(), chunk(b"a"), Hold()]) as server:
        exchange = _open_sync(server, _soon(10))
        assert exchange.read(_soon(10)) == b"a"
        with pytest.raises(DeadlinePassed):
            exchange.read(_soon())
        exchange.close()
        assert server.connections[0].gone.wait(10)


@pytest.mark.anyio
async def test_a_deadline_that_moves_on_is_obeyed_where_it_went() -> None:
    with serving([head(), chunk(b"a"), Hold()]) as server:
        exchange = await _open(server)
        assert await exchange.read(_soon(0.05)) == b"a"
        with pytest.raises(DeadlinePassed):
            await exchange.read(until := _soon(0.3))
        assert time.monotonic() >= until
        await exchange.close()


@pytest.mark.anyio
async def test_opening_obeys_its_deadline() -> None:
    with serving([Hold()]) as server:
        with pytest.raises(DeadlinePassed):
            await _open(server, _soon())
        with pytest.raises(DeadlinePassed):
            _open_sync(server, _soon())
        with pytest.raises(DeadlinePassed):
            await _open(server, time.monotonic() - 1)


@pytest.mark.anyio
async def test_an_opening_that_was_interrupted_does_not_open() -> None:
    with serving(_ANSWER) as server:
        opening = HTTPTransport().opening()
        opening.interrupt()
        with pytest.raises(Interrupted):
            await opening.open(_request(server), math.inf, _LIMITS)
        with pytest.raises(Interrupted):
            opening.open_sync(_request(server), math.inf, _LIMITS)


@pytest.mark.anyio
async def test_a_read_that_was_interrupted_before_it_began_fails_at_once() -> None:
    with serving([head(), Hold()]) as server:
        exchange = await _open(server)
        exchange.interrupt()
        with anyio.fail_after(10), pytest.raises(Interrupted):
            await exchange.read(math.inf)
        await exchange.close()
        sync_exchange = _open_sync(server)
        sync_exchange.interrupt()
        with pytest.raises(Interrupted):
            sync_exchange.read(math.inf)
        sync_exchange.close()


# Without a socket of its own, a wait has nothing but what the client offers.


def _handler(seen: list[Any]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(200, content=b"a")

    return httpx.MockTransport(answer)


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
    limits: Timeouts, longest: float | None
) -> None:
    seen: list[Any] = []
    with httpx.Client(transport=_handler(seen)) as client:
        request = OutgoingRequest(method="GET", url="http://x.test/", headers={}, body=None)
        exchange = HTTPTransport(client).opening().open_sync(request, math.inf, limits)
        assert not exchange.has_watch
        assert exchange.read(math.inf) == b"a"
        exchange.close()
    assert seen[0]["read"] == longest
    assert seen[0]["connect"] == 5


def test_the_wait_for_a_connection_ends_with_the_deadline_in_synchronous_code() -> None:
    seen: list[Any] = []
    with httpx.Client(transport=_handler(seen)) as client:
        request = OutgoingRequest(method="GET", url="http://x.test/", headers={}, body=None)
        transport = HTTPTransport(client)
        transport.opening().open_sync(request, _soon(2), _LIMITS).close()
        transport.opening().open_sync(request, _soon(60), _LIMITS).close()
    assert 1 < seen[0]["connect"] <= 2
    assert 1 < seen[0]["pool"] <= 2
    assert seen[1]["connect"] == seen[1]["pool"] == 5


@pytest.mark.anyio
async def test_an_answer_over_http_2_shares_its_socket_and_is_not_watched() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        extensions = {"http_version": b"HTTP/2", "network_stream": object()}
        return httpx.Response(200, content=b"a", extensions=extensions)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        request = OutgoingRequest(method="GET", url="http://x.test/", headers={}, body=None)
        exchange = await HTTPTransport(client).opening().open(request, math.inf, _LIMITS)
        assert not exchange.has_watch
        assert await exchange.read(math.inf) == b"a"
        await exchange.close()
