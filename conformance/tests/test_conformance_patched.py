import importlib.util
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from streamkit_conformance.case import BACKENDS, Backend
from streamkit_conformance.transports.guard import only_loopback
from streamkit_conformance.transports.mock import Mock
from streamkit_conformance.transports.patched import patched, without_certificates
from streamkit_conformance.wire import Wire

_URL = "https://service.invalid/v1/chat?x=%20y"
_FAMILIES = pytest.mark.parametrize("family", [httpx, httpx2], ids=["httpx", "httpx2"])
_BACKENDS = pytest.mark.parametrize("backend", BACKENDS)
_EURO = Wire(
    200, (("content-type", "text/event-stream"), ("x-a", "1")), (b"a", b"\xe2", b"\x82\xac")
)


def _ask(family: Any, backend: Backend, hear: Callable[[Any], None]) -> None:
    """Makes a client as a subject would, asks, and tells of the answer and each of its reads."""
    if backend == "sync":
        with family.Client() as client, client.stream("POST", _URL, json={"n": 1}) as response:
            hear(response)
            for read in response.iter_raw():
                hear(read)
    else:
        anyio.run(_ask_async, family, hear, backend=backend)


async def _ask_async(family: Any, hear: Callable[[Any], None]) -> None:
    async with (
        family.AsyncClient() as client,
        client.stream("POST", _URL, json={"n": 1}) as response,
    ):
        hear(response)
        async for read in response.aiter_raw():
            hear(read)


@_FAMILIES
@_BACKENDS
def test_a_client_of_the_subjects_own_is_answered_read_by_read(
    family: Any, backend: Backend
) -> None:
    mock = Mock([_EURO])
    heard: list[Any] = []
    with only_loopback() as guard, patched(mock.handle):
        _ask(family, backend, heard.append)
    response, *reads = heard
    assert (response.status_code, response.headers["x-a"]) == (200, "1")
    assert reads == list(_EURO.reads)
    assert isinstance(response, family.Response)
    assert guard.attempts == []


@_FAMILIES
@_BACKENDS
def test_the_request_comes_as_it_was_sent(family: Any, backend: Backend) -> None:
    mock = Mock([_EURO])
    with patched(mock.handle):
        _ask(family, backend, lambda _: None)
    (request,) = mock.requests
    assert (request.method, request.url, request.json) == ("POST", _URL, {"n": 1})
    assert ("content-type", "application/json") in request.headers


@_FAMILIES
def test_a_body_that_is_sent_piece_by_piece_comes_whole(family: Any) -> None:
    mock = Mock([_EURO])

    def pieces() -> Iterator[bytes]:
        yield from (b"one ", b"two")

    async def later_pieces() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    async def ask() -> None:
        async with family.AsyncClient() as client:
            await client.post(_URL, content=later_pieces())

    with patched(mock.handle):
        with family.Client() as client:
            client.post(_URL, content=pieces())
        anyio.run(ask)
    assert [each.body for each in mock.requests] == [b"one two", b"one two"]


@_FAMILIES
@_BACKENDS
def test_every_request_gets_the_answer_whose_turn_it_is(family: Any, backend: Backend) -> None:
    mock = Mock([Wire(200, (), (b"first",)), Wire(200, (), (b"second",))])
    reads: list[Any] = []
    with patched(mock.handle):
        for _ in range(3):
            _ask(family, backend, reads.append)
    assert [each for each in reads if isinstance(each, bytes)] == [b"first", b"second", b"second"]


@_FAMILIES
@_BACKENDS
@pytest.mark.parametrize(
    ("wire", "error", "reads"),
    [
        (Wire(0, (), (), before="connect"), "ConnectError", []),
        (Wire(200, (), (b"a",), "read_error"), "ReadError", [b"a"]),
        (Wire(200, (), (b"a",), "protocol_error"), "RemoteProtocolError", [b"a"]),
    ],
)
def test_errors_are_those_of_the_clients_own_family(
    family: Any, backend: Backend, wire: Wire, error: str, reads: list[bytes]
) -> None:
    heard: list[Any] = []
    with patched(Mock([wire]).handle), pytest.raises(getattr(family, error)) as caught:
        _ask(family, backend, heard.append)
    assert [each for each in heard if isinstance(each, bytes)] == reads
    assert str(caught.value.request.url) == _URL


@_FAMILIES
def test_an_error_that_the_clients_transport_does_not_know_becomes_the_nearest(
    family: Any,
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.CloseError("closing failed", request=request)

    with patched(fail), pytest.raises(family.NetworkError, match="closing failed"):
        _ask(family, "sync", lambda _: None)


# The clients leave generators of their own to the garbage collector, of which trio tells.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@_FAMILIES
@_BACKENDS
def test_leaving_an_answer_early_closes_it(family: Any, backend: Backend) -> None:
    mock = Mock([_EURO])

    def leave(heard: Any) -> None:
        if heard == b"a":
            raise InterruptedError

    with patched(mock.handle), pytest.raises(InterruptedError):
        _ask(family, backend, leave)
    assert [(each.served, each.is_closed) for each in mock.answers] == [(1, True)]


@_FAMILIES
@_BACKENDS
def test_afterwards_clients_are_on_their_own_again(family: Any, backend: Backend) -> None:
    with patched(Mock([_EURO]).handle):
        _ask(family, backend, lambda _: None)
    with only_loopback() as guard, without_certificates(), pytest.raises(family.ConnectError):
        _ask(family, backend, lambda _: None)
    assert {each.address for each in guard.attempts} == {"service.invalid:443"}


@_FAMILIES
def test_a_client_with_a_transport_of_its_own_is_left_alone(family: Any) -> None:
    mock = Mock([_EURO])
    own = family.MockTransport(lambda request: family.Response(202, request=request))
    with patched(mock.handle), family.Client(transport=own) as client:
        assert client.get(_URL).status_code == 202
    assert mock.requests == []


def test_httpx_alone_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "httpcore2" else real(name)
    )
    mock = Mock([_EURO])
    with patched(mock.handle):
        _ask(httpx, "sync", lambda _: None)
    assert len(mock.requests) == 1


@_FAMILIES
def test_no_certificates_are_loaded_meanwhile(family: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    loaded: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *what: loaded.append(what))
    with patched(Mock([_EURO]).handle):
        trusting_nobody = family.create_ssl_context()
    assert trusting_nobody.verify_mode is ssl.CERT_REQUIRED
    assert loaded == []
    family.create_ssl_context()
    assert len(loaded) == 1


def test_contexts_of_servers_stay_what_they_are() -> None:
    with without_certificates():
        served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        asked = ssl.create_default_context(cafile="of no use")
    assert served.verify_mode is ssl.CERT_NONE
    assert asked.verify_mode is ssl.CERT_REQUIRED
