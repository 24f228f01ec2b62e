import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from streamkit_conformance.transports.guard import Attempt, Blocked, only_loopback
from streamkit_conformance.transports.loopback import LoopbackServer
from streamkit_conformance.transports.patched import without_certificates
from streamkit_conformance.wire import Wire

_FAMILIES = pytest.mark.parametrize("family", [httpx, httpx2], ids=["httpx", "httpx2"])
_AWAY = pytest.mark.parametrize(
    ("host", "address"),
    [
        ("service.invalid", "service.invalid:80"),
        ("192.0.2.1", "192.0.2.1:80"),
        ("[2001:db8::1]", "2001:db8::1:80"),
    ],
)
#: An address for documents (RFC 5737): nobody has it.
_NOWHERE = ("192.0.2.1", 9)


def _ask(family: Any, url: str) -> int:
    with without_certificates(), family.Client(trust_env=False) as client:
        return int(client.get(url).status_code)


async def _ask_async(family: Any, url: str) -> int:
    with without_certificates():
        async with family.AsyncClient(trust_env=False) as client:
            return int((await client.get(url)).status_code)


@_FAMILIES
@_AWAY
def test_a_sync_client_reaches_nobody_and_is_told_on(family: Any, host: str, address: str) -> None:
    refused = pytest.raises(family.ConnectError, match="nothing but loopback")
    with only_loopback() as guard, refused:
        _ask(family, f"http://{host}/")
    assert {each.address for each in guard.attempts} == {address}


@pytest.mark.anyio
@_FAMILIES
@_AWAY
async def test_an_async_client_reaches_nobody_and_is_told_on(
    family: Any, host: str, address: str
) -> None:
    with only_loopback() as guard, pytest.raises(family.ConnectError):
        await _ask_async(family, f"http://{host}/")
    assert address in {each.address for each in guard.attempts}


@_FAMILIES
def test_loopback_is_reached_by_sync_clients(family: Any) -> None:
    with LoopbackServer() as server, only_loopback() as guard:
        server.answer([Wire(200, (), (b"here",))])
        assert _ask(family, server.url) == 200
        assert _ask(family, server.url.replace("127.0.0.1", "localhost")) == 200
    assert guard.attempts == []


@pytest.mark.anyio
@_FAMILIES
async def test_loopback_is_reached_by_async_clients(family: Any) -> None:
    with LoopbackServer() as server, only_loopback() as guard:
        server.answer([Wire(200, (), (b"here",))])
        assert await _ask_async(family, server.url) == 200
        assert await _ask_async(family, server.url.replace("127.0.0.1", "localhost")) == 200
    assert guard.attempts == []


def test_who_swallows_the_error_is_seen_all_the_same() -> None:
    with only_loopback() as guard, suppress(OSError):
        socket.create_connection(("service.invalid", 443))
    assert guard.attempts == [Attempt("socket.getaddrinfo", "service.invalid:443")]


def _over(kind: int, use: Callable[[socket.socket], object]) -> Callable[[], object]:
    def act() -> object:
        with socket.socket(socket.AF_INET, kind) as made:
            return use(made)

    return act


@pytest.mark.parametrize(
    ("event", "act"),
    [
        ("socket.connect", _over(socket.SOCK_STREAM, lambda each: each.connect(_NOWHERE))),
        ("socket.connect", _over(socket.SOCK_STREAM, lambda each: each.connect_ex(_NOWHERE))),
        ("socket.sendto", _over(socket.SOCK_DGRAM, lambda each: each.sendto(b"x", _NOWHERE))),
        (
            "socket.sendmsg",
            _over(socket.SOCK_DGRAM, lambda each: each.sendmsg([b"x"], [], 0, _NOWHERE)),
        ),
        ("socket.gethostbyname", lambda: socket.gethostbyname("service.invalid")),
        ("socket.gethostbyname", lambda: socket.gethostbyname_ex("service.invalid")),
        ("socket.gethostbyaddr", lambda: socket.gethostbyaddr("192.0.2.1")),
        ("socket.getnameinfo", lambda: socket.getnameinfo(_NOWHERE, 0)),
        ("socket.getaddrinfo", lambda: socket.getaddrinfo(b"service.invalid", 443)),
    ],
)
def test_every_way_out_is_refused(event: str, act: Callable[[], object]) -> None:
    with only_loopback() as guard, pytest.raises(Blocked, match=event):
        act()
    assert [each.event for each in guard.attempts] == [event]


@pytest.mark.parametrize(
    "host",
    [
        *(None, "localhost", "LOCALHOST", b"localhost", "127.0.0.1", "127.8.9.10", "::1"),
        *("::ffff:127.0.0.1", "0.0.0.0", "::"),
    ],
)
def test_this_machine_may_be_looked_up(host: Any) -> None:
    with only_loopback() as guard:
        assert socket.getaddrinfo(host, 80)
    assert guard.attempts == []


@pytest.mark.parametrize(
    "host",
    [
        *("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%1", "10.0.0.1", "128.0.0.1"),
        *("localhost.invalid", "x.localhost", "localhost.", "notlocalhost", "127.0.0.1.invalid"),
        "",
    ],
)
def test_nobody_else_may_be_looked_up(host: str) -> None:
    with only_loopback(), pytest.raises(Blocked):
        socket.getaddrinfo(host, 80)


def test_sockets_of_this_machine_are_left_alone(tmp_path: Path) -> None:
    with only_loopback() as guard, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(tmp_path / "socket"))
            listener.accept()[0].close()
    assert guard.attempts == []


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="only Linux has these sockets")
def test_sockets_to_the_system_itself_are_left_alone() -> None:
    with only_loopback() as guard:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as made:
            made.connect((0, 0))
        assert guard.attempts == []


def test_python_is_asked_once_for_all_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    with only_loopback():
        asked: list[object] = []
        monkeypatch.setattr(sys, "addaudithook", asked.append)
    with only_loopback():
        assert not _looks_up_an_address()
    assert asked == []


def test_a_connected_socket_sends_without_being_asked_again() -> None:
    with only_loopback() as guard, socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.connect(receiver.getsockname())
            sender.sendmsg([b"x"])
            assert receiver.recv(1) == b"x"
    assert guard.attempts == []


def _looks_up_an_address() -> bool:
    """Whether a look-up that needs no network is let through."""
    with suppress(Blocked):
        return bool(socket.getaddrinfo("192.0.2.1", 9, flags=socket.AI_NUMERICHOST))
    return False


def test_it_is_off_before_and_after() -> None:
    assert _looks_up_an_address()
    with only_loopback():
        assert not _looks_up_an_address()
    assert _looks_up_an_address()


def test_it_is_off_after_an_error() -> None:
    with pytest.raises(Blocked), only_loopback():
        socket.getaddrinfo("service.invalid", 80)
    assert _looks_up_an_address()


def test_within_itself_it_stays_on_and_both_are_told() -> None:
    with only_loopback() as outer:
        with only_loopback() as inner:
            assert not _looks_up_an_address()
        assert not _looks_up_an_address()
    assert len(inner.attempts) == 1
    assert len(outer.attempts) == 2


def test_other_threads_are_held_and_told_on() -> None:
    looked_up: list[bool] = []
    with only_loopback() as guard:
        thread = threading.Thread(target=lambda: looked_up.append(_looks_up_an_address()))
        thread.start()
        thread.join()
    assert looked_up == [False]
    assert len(guard.attempts) == 1


@pytest.mark.anyio
async def test_concurrent_guards_end_in_any_order() -> None:
    first_is_off, second_is_on = anyio.Event(), anyio.Event()

    async def first() -> None:
        with only_loopback():
            await second_is_on.wait()
        first_is_off.set()

    async def second() -> None:
        with only_loopback():
            second_is_on.set()
            await first_is_off.wait()
            assert not _looks_up_an_address()

    async with anyio.create_task_group() as group:
        group.start_soon(first)
        group.start_soon(second)
    assert _looks_up_an_address()
