"""Connections that cannot be made, break, or carry the answer in an unusual way: real sockets."""

import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from streamkit.chunks import StreamChunk
from streamkit.settings import Timeouts
from streamkit.transport.clients import Network
from tests.bad_input import (
    END,
    end_of,
    error_of,
    every_way,
    read,
    read_server,
    said,
    socket_model,
    text_of,
)
from tests.http_clients import every_client, every_family
from tests.loopback import END as BODY_END
from tests.loopback import Action, Close, Hold, Reset, chunk, head, serving

_ANSWER = said("Hel") + said("lo") + END


# No connection.


@every_way
def test_a_port_where_nobody_listens(way: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # held and not listened on: nobody else can be there
        port = held.getsockname()[1]
        error = error_of(read(way, socket_model(f"http://127.0.0.1:{port}")))
    assert (error.kind, error.status, error.retryable) == ("connection", None, True)
    assert "refuses the connection" in error.message


@every_way
def test_a_host_name_that_does_not_exist(way: str) -> None:
    # `.invalid` never resolves (RFC 6761).
    # A proxy of the machine's would look the name up in our place.
    network = Network(trust_env=False)
    error = error_of(read(way, socket_model("http://streamkit-test.invalid", network=network)))
    assert error.kind == "connection"
    assert "cannot be resolved" in error.message


@contextmanager
def _full_backlog() -> Iterator[str]:
    """A listener that answers no further connection: its queue is full and nobody accepts."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        second.setblocking(False)
        with suppress(BlockingIOError):
            second.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@every_way
def test_a_connection_that_is_not_made_in_time(way: str) -> None:
    with _full_backlog() as url:
        error = error_of(read(way, socket_model(url, timeouts=Timeouts(connect=0.2))))
    assert (error.kind, error.retryable) == ("timeout_connect", True)


@every_way
@pytest.mark.parametrize("limit", ["first_content", "total"])
def test_a_connection_that_is_not_made_before_another_limit(way: str, limit: str) -> None:
    timeouts = Timeouts(**{"connect": 12.0, limit: 0.2})
    with _full_backlog() as url:
        error = error_of(read(way, socket_model(url, timeouts=timeouts)))
    assert error.kind == f"timeout_{limit}"


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _certificate(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def _trusting(authority: trustme.CA, folder: Path) -> Network:
    file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return Network(ca_file=str(file))


def _script(*reads: bytes) -> Sequence[Action]:
    return [head(), *map(chunk, reads), BODY_END]


@every_way
def test_a_certificate_of_an_unknown_authority(way: str, authority: trustme.CA) -> None:
    with serving(_script(_ANSWER), tls=_certificate(authority, "127.0.0.1")) as server:
        error = error_of(read(way, socket_model(server)))
        assert server.requests == []
    assert error.kind == "connection"
    assert "certificate is not trusted" in error.message


@every_way
@every_family
def test_a_given_client_with_its_usual_trust_refuses_an_unknown_authority(
    way: str, family: Any, authority: trustme.CA
) -> None:
    # httpx2 asks the operating system, httpx its own list: neither knows this one.
    with serving(_script(_ANSWER), tls=_certificate(authority, "127.0.0.1")) as server:
        error = error_of(read_server(way, server, family, client_options={"verify": True}))
        assert server.requests == []
    assert error.kind == "connection"
    assert "certificate is not trusted" in error.message


@every_way
@every_family
def test_a_given_client_over_tls(way: str, family: Any, authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serving(_script(_ANSWER), tls=_certificate(authority, "127.0.0.1")) as server:
        chunks = read_server(way, server, family, client_options={"verify": trusting})
    end_of(chunks)
    assert text_of(chunks) == "Hello"


@every_way
def test_a_certificate_for_another_host(way: str, authority: trustme.CA, tmp_path: Path) -> None:
    network = _trusting(authority, tmp_path)
    with serving(_script(_ANSWER), tls=_certificate(authority, "other.test")) as server:
        error = error_of(read(way, socket_model(server, network=network)))
        assert server.requests == []
    assert error.kind == "connection"
    assert "certificate is not trusted" in error.message


@every_way
def test_a_trusted_certificate(way: str, authority: trustme.CA, tmp_path: Path) -> None:
    network = _trusting(authority, tmp_path)
    with serving(_script(_ANSWER), tls=_certificate(authority, "127.0.0.1")) as server:
        chunks = read(way, socket_model(server, network=network))
    end_of(chunks)
    assert text_of(chunks) == "Hello"


@every_way
def test_an_answer_over_tls_that_is_cut(way: str, authority: trustme.CA, tmp_path: Path) -> None:
    network = _trusting(authority, tmp_path)
    script: list[Action] = [head(), chunk(said("Hel")), Close()]
    with serving(script, tls=_certificate(authority, "127.0.0.1")) as server:
        chunks = read(way, socket_model(server, network=network))
    assert error_of(chunks).kind in {"truncated", "connection"}
    assert text_of(chunks) == "Hel"


@every_way
def test_tls_to_a_server_that_speaks_none(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = error_of(read(way, socket_model(f"https://127.0.0.1:{listener.getsockname()[1]}")))
        thread.join()
    assert error.kind == "connection"
    assert "TLS" in error.message


@every_way
def test_plain_http_to_a_server_that_speaks_tls(way: str, authority: trustme.CA) -> None:
    with serving(_script(_ANSWER), tls=_certificate(authority, "127.0.0.1")) as server:
        error = error_of(read(way, socket_model(server.url.replace("https:", "http:"))))
    # An alert that is no HTTP, or a connection that is closed before one was read.
    assert error.kind in {"protocol", "connection"}


# What breaks before the answer.

_NO_HEADS: dict[str, tuple[list[Action], str]] = {
    "closed at once": ([Close()], "connection"),
    "reset at once": ([Reset()], "connection"),
    "closed inside the head": ([b"HTTP/1.1 200 OK\r\ncontent-ty", Close()], "connection"),
    "reset inside the head": ([b"HTTP/1.1 200 OK\r\ncontent-ty", Reset()], "connection"),
    "no HTTP": ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Close()], "protocol"),
    "an impossible status": ([b"HTTP/1.1 9x9 Huh\r\n\r\n", Close()], "protocol"),
    "an impossible length": ([b"HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\n"], "protocol"),
    "a head without an end": (
        [b"HTTP/1.1 200 OK\r\n", *[b"x-padding: " + b"x" * 4000 + b"\r\n"] * 100, Close()],
        "protocol",
    ),
}


@every_way
@every_client
@pytest.mark.parametrize(("script", "kind"), _NO_HEADS.values(), ids=_NO_HEADS.keys())
def test_an_answer_without_a_whole_head(
    family: Any, way: str, script: list[Action], kind: str
) -> None:
    with serving(script) as server:
        error = error_of(read_server(way, server, family))
    assert (error.kind, error.status) == (kind, None)


# What breaks inside the answer.


@every_way
@every_client
def test_a_body_whose_length_is_known_and_cut(family: Any, way: str) -> None:
    plain = head(chunked=False).replace(b"connection: close", b"content-length: 4000")
    with serving([plain, said("Hel"), Close()]) as server:
        chunks = read_server(way, server, family)
    assert error_of(chunks).kind == "truncated"
    assert text_of(chunks) == "Hel"


@every_way
@every_client
def test_a_chunk_whose_size_is_no_number(family: Any, way: str) -> None:
    with serving([head(), chunk(said("Hel")), b"zz\r\nabc\r\n", Close()]) as server:
        chunks = read_server(way, server, family)
    assert error_of(chunks).kind == "protocol"
    assert text_of(chunks) == "Hel"


@every_way
@every_client
def test_the_reset_of_a_connection_keeps_what_was_read(family: Any, way: str) -> None:
    has_come = threading.Event()

    def on_chunk(each: StreamChunk) -> None:
        if each.type == "content":
            has_come.set()

    with serving([head(), chunk(said("Hel")), Hold(has_come), Reset()]) as server:
        chunks = read_server(way, server, family, on_chunk)
    error = error_of(chunks)
    assert error.kind == "connection"
    assert "reset" in error.message
    assert text_of(chunks) == "Hel"


# Unusual ways to carry it.


@every_way
@every_client
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_body_that_ends_with_its_connection(family: Any, way: str, version: bytes) -> None:
    plain = head(chunked=False).replace(b"HTTP/1.1", b"HTTP/" + version)
    with serving([plain, said("Hel"), said("lo") + END, Close()]) as server:
        chunks = read_server(way, server, family)
    end_of(chunks)
    assert text_of(chunks) == "Hello"


@every_way
@every_client
def test_a_body_that_ends_with_its_connection_too_early(family: Any, way: str) -> None:
    with serving([head(chunked=False), said("Hel"), Close()]) as server:
        chunks = read_server(way, server, family)
    assert error_of(chunks).kind == "truncated"
    assert text_of(chunks) == "Hel"


@every_way
@every_client
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(_ANSWER)),
        ("deflate", zlib.compress(_ANSWER)),
        ("GZip", gzip.compress(_ANSWER)),
        ("gzip", gzip.compress(_ANSWER[:50]) + gzip.compress(_ANSWER[50:])),
        ("identity", _ANSWER),
    ],
    ids=["gzip", "deflate", "odd case", "two files", "identity"],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_body_that_was_compressed_unasked(
    family: Any, way: str, coding: str, body: bytes, size: int
) -> None:
    reads = [chunk(body[place : place + size]) for place in range(0, len(body), size)]
    script = [head(200, "text/event-stream", f"content-encoding: {coding}"), *reads, BODY_END]
    with serving(script) as server:
        chunks = read_server(way, server, family)
        assert b"accept-encoding: identity" in server.requests[0].lower()
    end_of(chunks)
    assert text_of(chunks) == "Hello"


@every_way
@every_client
def test_a_compressed_error_body(family: Any, way: str) -> None:
    body = gzip.compress(b'{"error":{"message":"Slow down."}}')
    script = [head(429, "application/json", "content-encoding: gzip"), chunk(body), BODY_END]
    with serving(script) as server:
        error = error_of(read_server(way, server, family))
    assert (error.kind, error.message) == ("rate_limit", "Slow down.")


@every_way
@every_client
def test_a_compression_that_is_broken(family: Any, way: str) -> None:
    broken = b"\x1f\x8b\x08\x00 this is no gzip at all"
    script = [head(200, "text/event-stream", "content-encoding: gzip"), chunk(broken), BODY_END]
    with serving(script) as server:
        error = error_of(read_server(way, server, family))
    assert error.kind == "protocol"
    assert "compression is broken" in error.message


@every_way
@every_client
def test_a_compression_that_is_cut(family: Any, way: str) -> None:
    body = gzip.compress(said("Hel") + said("lo") * 50)[:-20]
    script = [head(200, "text/event-stream", "content-encoding: gzip"), chunk(body), BODY_END]
    with serving(script) as server:
        chunks = read_server(way, server, family)
    assert error_of(chunks).kind == "truncated"
    assert text_of(chunks).startswith("Hel")


@every_way
def test_a_bomb_of_compressed_blanks_is_bounded(way: str) -> None:
    bomb = gzip.compress(b"data: " + b" " * (32 * 1024 * 1024), 1)
    script = [head(200, "text/event-stream", "content-encoding: gzip"), chunk(bomb), BODY_END]
    with serving(script) as server:
        error = error_of(read(way, socket_model(server)))
    assert error.kind == "protocol"


@every_way
@every_client
def test_a_compression_that_is_not_known(family: Any, way: str) -> None:
    script = [head(200, "text/event-stream", "content-encoding: br"), chunk(b"?"), BODY_END]
    with serving(script) as server:
        error = error_of(read_server(way, server, family))
    assert error.kind == "protocol"
    assert "unasked" in error.message
    assert error.detail == "content-encoding: br"


@every_way
def test_a_status_counts_though_its_body_cannot_be_unpacked(way: str) -> None:
    script = [head(429, "application/json", "content-encoding: br"), chunk(b"?"), BODY_END]
    with serving(script) as server:
        assert error_of(read(way, socket_model(server))).kind == "rate_limit"


# Connections used again.


@pytest.mark.anyio
async def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    script: list[Action] = [head(), chunk(_ANSWER), BODY_END, Close()]
    with serving(script) as server:
        model = socket_model(server)
        for number in range(3):
            response = await model.generate("Hello")
            assert response.text == "Hello"
            assert server.connections[number].gone.wait(10)
        assert len(server.connections) == 3


def test_a_kept_connection_that_the_server_closed_is_replaced_in_synchronous_code() -> None:
    with serving([head(), chunk(_ANSWER), BODY_END, Close()]) as server:
        model = socket_model(server)
        for number in range(3):
            assert model.generate_sync("Hello").text == "Hello"
            assert server.connections[number].gone.wait(10)
        assert len(server.connections) == 3


@every_way
@every_client
def test_an_interim_answer_is_not_the_answer(family: Any, way: str) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    with serving([interim + head(), chunk(_ANSWER), BODY_END]) as server:
        chunks = read_server(way, server, family)
    end_of(chunks)
    assert text_of(chunks) == "Hello"
