import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest

from streamkit_conformance.transports.loopback import Answered, LoopbackServer
from streamkit_conformance.transports.mock import real_client
from streamkit_conformance.wire import Wire

_READS = (b"a", b"bc", b"\xe2", b"\x82\xac")
_WHOLE = Wire(200, (), _READS)
#: The longest that a test waits for what should be at once.
_LIMIT_S = 5.0


def _wire(ending: Any) -> Wire:
    return Wire(200, (), _READS, ending)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as made:
        yield made


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with real_client(is_async=False) as made:
        yield made


def _is_gone(answered: Answered) -> bool:
    return answered.gone.wait(_LIMIT_S)


def _ask(server: LoopbackServer) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", server.port), timeout=_LIMIT_S)
    caller.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    return caller


# Subjects with a transport of their own.


@pytest.mark.parametrize(
    ("ending", "is_reset"),
    [("end", False), ("read_error", False), ("protocol_error", False), ("reset", True)],
)
def test_raw_reads_go_out_as_they_are(ending: Any, is_reset: bool) -> None:
    with LoopbackServer(raw_end=b"\n") as server:
        server.answer([_wire(ending)], allowed=-1)
        assert server.url == f"tcp://127.0.0.1:{server.port}"
        with socket.create_connection(("127.0.0.1", server.port), timeout=_LIMIT_S) as caller:
            caller.sendall(b'{"n":')
            caller.sendall(b" 1}\nmore")
            body = b"".join(_READS)
            received = b""
            while len(received) < len(body):
                received += caller.recv(65536)
            assert received == body
            server.allow()
            if is_reset:
                with pytest.raises(ConnectionResetError):
                    caller.recv(1)
            else:
                assert caller.recv(1) == b""
        assert [each.body for each in server.requests] == [b'{"n": 1}\n']
        assert _is_gone(server.answers[0])


def test_requests_that_come_together_are_answered_one_after_the_other() -> None:
    with LoopbackServer() as server:
        server.answer([Wire(200, (("content-length", "1"),), (each,)) for each in (b"1", b"2")])
        with socket.create_connection(("127.0.0.1", server.port), timeout=_LIMIT_S) as caller:
            caller.sendall(b"GET /one HTTP/1.1\r\n\r\nGET /two HTTP/1.1\r\n\r\n")
            received = b""
            while not received.endswith(b"\r\n\r\n2"):
                received += caller.recv(65536)
        assert received.count(b"HTTP/1.1 200 OK") == 2
        assert [each.url.rpartition("/")[2] for each in server.requests] == ["one", "two"]


# One server, many cases.


def test_a_new_case_begins_afresh(server: LoopbackServer, client: httpx.Client) -> None:
    server.answer([_wire("stall")])
    with client.stream("GET", server.url) as response:
        reads = response.iter_raw()
        assert next(reads) == b"a"
        (old,) = server.answers
        server.answer([Wire(200, (), (b"new",))])
        with pytest.raises(httpx.RemoteProtocolError):
            list(reads)
    assert _is_gone(old)
    assert server.requests == []
    assert client.get(server.url).text == "new"
    assert len(server.requests) == 1
    assert old.request != server.requests[0] or old not in server.answers


def test_without_a_case_nobody_is_answered(server: LoopbackServer, client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(server.url)
    assert server.requests == []


def _open_sockets() -> int:
    return len(psutil.Process().net_connections("all"))


def _threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith("loopback")}


_LEFT_OPEN: dict[str, Callable[[LoopbackServer], None]] = {
    "idle": lambda server: server.answer([_WHOLE]),
    "held": lambda server: server.answer([_WHOLE], allowed=1),
    "stalled": lambda server: server.answer([_wire("stall")]),
    "without a head": lambda server: server.answer([Wire(0, (), (), before="stall_head")]),
    "slow": lambda server: server.answer([_WHOLE], every_s=60.0),
    "unread": lambda server: server.answer([Wire(200, (), (b"x" * 1_000_000,) * 50)]),
    "half closed": lambda server: server.answer([_wire("protocol_error")]),
    "reset": lambda server: server.answer([_wire("reset")]),
}


@pytest.mark.parametrize("prepare", _LEFT_OPEN.values(), ids=_LEFT_OPEN.keys())
def test_closing_leaves_no_thread_and_no_socket(prepare: Callable[[LoopbackServer], None]) -> None:
    sockets, threads = _open_sockets(), _threads()
    with LoopbackServer() as server:
        prepare(server)
        callers = [_ask(server) for _ in range(3)]
        assert server.wait_until(lambda: len(server.answers) == 3)
    server.close()  # once more does no harm
    assert _threads() == threads
    for each in callers:
        each.close()
    assert _open_sockets() == sockets
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_what_a_client_left_open_ends_with_the_next_case(server: LoopbackServer) -> None:
    threads = len(_threads())
    server.answer([_wire("stall")])
    with _ask(server):
        assert server.wait_until(lambda: bool(server.answers))
        old = server.answers[0]
        server.answer([_WHOLE])
        assert _is_gone(old)
    assert len(_threads()) <= threads + 1
