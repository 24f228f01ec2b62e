import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from streamkit_conformance.transports.loopback import Answered, LoopbackServer
from streamkit_conformance.transports.mock import real_client
from streamkit_conformance.wire import Wire

_HEADERS = (("content-type", "text/event-stream"),)
_READS = (b"a", b"bc", b"\xe2", b"\x82\xac")
_WHOLE = Wire(200, _HEADERS, _READS)
#: The longest that a test waits for what should be at once.
_LIMIT_S = 5.0


def _wire(ending: Any) -> Wire:
    return Wire(200, _HEADERS, _READS, ending)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as made:
        yield made


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with real_client(is_async=False) as made:
        yield made


@pytest.fixture
async def async_client(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with real_client(is_async=True) as made:
        yield made


def _is_gone(answered: Answered) -> bool:
    return answered.gone.wait(_LIMIT_S)


async def _is_gone_async(answered: Answered) -> bool:
    return await anyio.to_thread.run_sync(_is_gone, answered)


async def _read_async(client: httpx.AsyncClient, url: str, reads: list[bytes]) -> None:
    async with client.stream("GET", url) as response:
        async for read in response.aiter_raw():
            reads.append(read)  # noqa: PERF401  # what came before an error counts


def _read(client: httpx.Client, url: str, reads: list[bytes]) -> None:
    with client.stream("GET", url) as response:
        reads.extend(response.iter_raw())


# What is sent and what is seen.


def test_every_read_of_a_wire_is_a_read_of_the_clients(
    server: LoopbackServer, client: httpx.Client
) -> None:
    server.answer([_WHOLE])
    with client.stream("GET", server.url) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, _HEADERS[0][1])
        assert tuple(response.iter_raw()) == _READS
    (answered,) = server.answers
    assert (answered.wire, answered.served, answered.is_finished) == (_WHOLE, len(_READS), True)


@pytest.mark.anyio
async def test_asynchronous_clients_get_the_same_reads(
    server: LoopbackServer, async_client: httpx.AsyncClient
) -> None:
    server.answer([_WHOLE])
    reads: list[bytes] = []
    await _read_async(async_client, server.url, reads)
    assert tuple(reads) == _READS


def test_requests_are_kept_whole_and_in_order(server: LoopbackServer, client: httpx.Client) -> None:
    server.answer([_WHOLE])
    client.post(f"{server.url}/v1/chat?a=%20b", content=b"x" * 200_000, headers={"X-Key": "k"})
    client.put(f"{server.url}/piece", content=iter([b"one ", b"two"]))
    first, second = server.requests
    assert (first.method, first.url) == ("POST", f"{server.url}/v1/chat?a=%20b")
    assert ("x-key", "k") in first.headers
    assert first.body == b"x" * 200_000
    assert (second.method, second.body) == ("PUT", b"one two")


def test_answers_come_in_order_and_the_last_serves_all_further_requests(
    server: LoopbackServer, client: httpx.Client
) -> None:
    server.answer([Wire(200, (), (b"first",)), Wire(200, (), (b"second",))])
    assert [client.get(server.url).text for _ in range(3)] == ["first", "second", "second"]


def test_a_connection_serves_one_request_after_the_other(
    server: LoopbackServer, client: httpx.Client
) -> None:
    server.answer([_WHOLE])
    for _ in range(3):
        client.get(server.url)
    assert {each.connection for each in server.answers} == {0}
    assert not server.answers[0].gone.is_set()
    client.close()
    assert all(_is_gone(each) for each in server.answers)


def test_streams_at_the_same_time_have_connections_of_their_own(
    server: LoopbackServer, client: httpx.Client
) -> None:
    server.answer([_WHOLE], allowed=1)
    with client.stream("GET", server.url) as one, client.stream("GET", server.url) as other:
        reads = one.iter_raw(), other.iter_raw()
        assert [next(each) for each in reads] == [b"a", b"a"]
        server.allow_all()
        assert [b"".join(each) for each in reads] == [b"".join(_READS[1:])] * 2
    assert [each.connection for each in server.answers] == [0, 1]


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (Wire(429, (("retry-after", "2"), ("content-type", "application/json")), (b"{}",)), b"{}"),
        (Wire(503, (("content-length", "2"),), (b"no",)), b"no"),
        (Wire(499, (), ()), b""),
        (Wire(204, (), ()), b""),
        (Wire(304, (), ()), b""),
    ],
)
def test_any_status_may_be_answered(
    server: LoopbackServer, client: httpx.Client, wire: Wire, body: bytes
) -> None:
    server.answer([wire])
    for _ in range(2):  # the second shows that the first ended where the client thinks it did
        response = client.get(server.url)
        assert (response.status_code, response.content) == (wire.status, body)
        assert set(wire.headers) <= set(response.headers.items())
    assert {each.connection for each in server.answers} == {0}


def test_a_redirection_leads_to_another_origin(
    server: LoopbackServer, client: httpx.Client
) -> None:
    with LoopbackServer() as other:
        server.redirect_to(f"{other.url}/elsewhere")
        other.answer([_WHOLE])
        headers = {"authorization": "Bearer sk-canary-1", "x-api-key": "sk-canary-1"}
        client.post(server.url, content=b"x", headers=headers, follow_redirects=True)
        (seen,) = other.requests
    assert (seen.method, seen.url, seen.body) == ("POST", f"{other.url}/elsewhere", b"x")
    assert "authorization" not in dict(seen.headers)
    assert dict(seen.headers)["x-api-key"] == "sk-canary-1"
    assert dict(server.requests[0].headers)["authorization"] == "Bearer sk-canary-1"


# Held answers, and clients that leave.


def test_no_more_is_sent_than_is_allowed(server: LoopbackServer, client: httpx.Client) -> None:
    server.answer([_WHOLE], allowed=2)
    with client.stream("GET", server.url) as response:
        reads = response.iter_raw()
        assert [next(reads), next(reads)] == [b"a", b"bc"]
        assert server.answers[0].served == 2
        server.allow()
        assert next(reads) == b"\xe2"
        assert server.answers[0].served == 3
        server.allow_all()
        assert list(reads) == [b"\x82\xac"]


def test_below_zero_the_last_steps_are_held(server: LoopbackServer, client: httpx.Client) -> None:
    server.answer([_wire("reset")], allowed=-2)
    with client.stream("GET", server.url) as response:
        reads = response.iter_raw()
        assert [next(reads) for _ in range(3)] == list(_READS[:3])
        answered = server.answers[0]
        assert (answered.served, answered.is_finished) == (3, False)
        server.allow()
        assert server.wait_until(lambda: answered.served == 4)
        assert not answered.is_finished
        server.allow()
        assert server.wait_until(lambda: answered.is_finished)


def test_nothing_is_sent_of_a_body_that_is_held_whole(
    server: LoopbackServer, client: httpx.Client
) -> None:
    server.answer([_WHOLE], allowed=0)
    with client.stream("GET", server.url) as response:
        assert response.status_code == 200
        assert server.answers[0].served == 0
        server.allow_all()
        assert tuple(response.iter_raw()) == _READS


# httpx leaves generators of its own to the garbage collector, of which trio tells.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.anyio
@pytest.mark.parametrize("options", [{"allowed": 1}, {}], ids=["held", "stalled"])
async def test_a_cancelled_client_is_seen_to_leave(
    server: LoopbackServer, async_client: httpx.AsyncClient, options: dict[str, Any]
) -> None:
    server.answer([Wire(200, _HEADERS, (b"a",), "stall")], **options)
    with anyio.CancelScope() as scope:
        async with async_client.stream("GET", server.url) as response:
            async for read in response.aiter_raw():
                assert read == b"a"
                scope.cancel()
    assert scope.cancelled_caught
    (answered,) = server.answers
    assert await _is_gone_async(answered)
    assert (answered.served, answered.is_finished) == (1, False)


def test_a_client_that_breaks_out_is_seen_to_leave(
    server: LoopbackServer, client: httpx.Client
) -> None:
    server.answer([_WHOLE], allowed=1)
    before = time.monotonic()
    with client.stream("GET", server.url) as response:
        reads = response.iter_raw()
        assert next(reads) == b"a"
        assert not server.answers[0].gone.is_set()
    (answered,) = server.answers
    assert _is_gone(answered)
    assert before < answered.gone_at <= time.monotonic()
    assert (answered.served, answered.is_finished) == (1, False)


def test_who_leaves_while_the_server_is_sending_is_seen_too(server: LoopbackServer) -> None:
    server.answer([Wire(200, (), (b"x" * 1_000_000,) * 50)])
    with socket.create_connection(("127.0.0.1", server.port)) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert server.wait_until(lambda: bool(server.answers))
    assert _is_gone(server.answers[0])
    assert not server.answers[0].is_finished


# How it breaks off.


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("reset", httpx.ReadError),
        ("read_error", httpx.RemoteProtocolError),
        ("protocol_error", httpx.RemoteProtocolError),
    ],
)
def test_sync_clients_get_what_was_sent_before_it_broke(
    server: LoopbackServer, client: httpx.Client, ending: str, error: type[Exception]
) -> None:
    server.answer([_wire(ending)], allowed=-1)
    with client.stream("GET", server.url) as response:
        reads = response.iter_raw()
        assert [next(reads) for _ in _READS] == list(_READS)
        server.allow()
        with pytest.raises(error):
            next(reads)
    assert _is_gone(server.answers[0])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("reset", httpx.ReadError),
        ("read_error", httpx.RemoteProtocolError),
        ("protocol_error", httpx.RemoteProtocolError),
    ],
)
async def test_async_clients_get_what_was_sent_before_it_broke(
    server: LoopbackServer, async_client: httpx.AsyncClient, ending: str, error: type[Exception]
) -> None:
    server.answer([_wire(ending)], allowed=-1)
    async with async_client.stream("GET", server.url) as response:
        reads = response.aiter_raw()
        assert [await anext(reads) for _ in _READS] == list(_READS)
        server.allow()
        with pytest.raises(error):
            await anext(reads)
    assert await _is_gone_async(server.answers[0])


def _ask(server: LoopbackServer) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", server.port), timeout=_LIMIT_S)
    caller.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    return caller


def _receive(caller: socket.socket) -> bytes:
    """All bytes up to the end."""
    return b"".join(iter(lambda: caller.recv(65536), b""))


def test_a_reset_is_a_reset(server: LoopbackServer) -> None:
    server.answer([_wire("reset")])
    with _ask(server) as caller, pytest.raises(ConnectionResetError):
        _receive(caller)


def test_an_end_inside_the_body_is_no_reset_and_waits_for_the_client(
    server: LoopbackServer,
) -> None:
    server.answer([_wire("protocol_error")])
    with _ask(server) as caller:
        received = _receive(caller)
        assert received.endswith(b"2\r\n\x82\xac\r\n")
        assert server.answers[0].is_finished
        assert not server.answers[0].gone.is_set()
    assert _is_gone(server.answers[0])


@pytest.mark.parametrize("wire", [_wire("stall"), Wire(0, (), (), before="stall_head")])
def test_silence_runs_into_a_sync_clients_own_limit(
    server: LoopbackServer, client: httpx.Client, wire: Wire
) -> None:
    server.answer([wire])
    client.timeout = httpx.Timeout(0.1)
    reads: list[bytes] = []
    with pytest.raises(httpx.ReadTimeout):
        _read(client, server.url, reads)
    assert _is_gone(server.answers[0])
    assert (server.answers[0].served, server.answers[0].is_finished) == (len(wire.reads), False)


@pytest.mark.anyio
@pytest.mark.parametrize("wire", [_wire("stall"), Wire(0, (), (), before="stall_head")])
async def test_silence_runs_into_an_async_clients_own_limit(
    server: LoopbackServer, async_client: httpx.AsyncClient, wire: Wire
) -> None:
    server.answer([wire])
    async_client.timeout = httpx.Timeout(0.1)
    reads: list[bytes] = []
    with pytest.raises(httpx.ReadTimeout):
        await _read_async(async_client, server.url, reads)
    assert tuple(reads) == wire.reads
    assert await _is_gone_async(server.answers[0])


def test_a_service_that_is_not_there_breaks_off_before_its_answer(
    server: LoopbackServer, client: httpx.Client
) -> None:
    server.answer([Wire(0, (), (), before="connect")])
    with pytest.raises(httpx.TransportError):
        client.get(server.url)
    assert len(server.requests) == 1


def test_slow_and_steady_reads_keep_their_distance(
    server: LoopbackServer, client: httpx.Client
) -> None:
    server.answer([_WHOLE], every_s=0.03)
    client.timeout = httpx.Timeout(_LIMIT_S)
    before = time.monotonic()
    assert client.get(server.url).content == b"".join(_READS)
    assert time.monotonic() - before >= 0.03 * (len(_READS) - 1)


@pytest.mark.parametrize("first", [b"\x16\x03\x01 a client that wants TLS", b"HELLO\r\n\r\n"])
def test_who_speaks_no_http_is_let_go_at_once(server: LoopbackServer, first: bytes) -> None:
    server.answer([_WHOLE])
    with socket.create_connection(("127.0.0.1", server.port), timeout=_LIMIT_S) as caller:
        caller.sendall(first)
        assert _receive(caller) == b""
    assert server.requests == []
