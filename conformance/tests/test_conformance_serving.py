import itertools

import pytest

from streamkit_conformance.trace import SentRequest
from streamkit_conformance.transports.serving import NotHTTP, head, read_request
from streamkit_conformance.wire import Wire

_ORIGIN = "http://127.0.0.1:1"
_LENGTH = b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
_CHUNKED = (
    b"PUT http://elsewhere/ HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"3;why=not\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
)
_TRAILERS = _CHUNKED[:-2] + b"X-After: all\r\n\r\n"
_NO_BODY = b"GET /a%20b HTTP/1.1\r\nX-Key:  k: v \r\n\r\n"
_REQUESTS = {
    _LENGTH: SentRequest(
        "POST", f"{_ORIGIN}/v1", (("host", "x"), ("content-length", "5")), b"hello"
    ),
    _CHUNKED: SentRequest(
        "PUT", "http://elsewhere/", (("transfer-encoding", "Chunked"),), b"hello"
    ),
    _TRAILERS: SentRequest(
        "PUT", "http://elsewhere/", (("transfer-encoding", "Chunked"),), b"hello"
    ),
    _NO_BODY: SentRequest("GET", f"{_ORIGIN}/a%20b", (("x-key", "k: v"),), b""),
}
_every_request = pytest.mark.parametrize(("sent", "request_"), _REQUESTS.items())


@_every_request
def test_a_request_is_read_whole_or_not_at_all(sent: bytes, request_: SentRequest) -> None:
    assert [read_request(sent[:size], _ORIGIN) for size in range(len(sent))] == [None] * len(sent)
    found = read_request(sent, _ORIGIN)
    assert found is not None
    assert (found.request, found.size) == (request_, len(sent))


def test_what_stands_behind_a_request_is_the_next_ones() -> None:
    for first, second in itertools.product(_REQUESTS, repeat=2):
        found = read_request(first + second, _ORIGIN)
        assert found is not None
        assert (found.request, found.size) == (_REQUESTS[first], len(first))


@pytest.mark.parametrize(
    "received",
    [
        b"\x16\x03\x01",
        b"HELLO\r\n\r\n",
        b"GET / FTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: five\r\n\r\n",
        b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nfive\r\n",
    ],
)
def test_what_can_become_no_request_is_refused_at_once(received: bytes) -> None:
    with pytest.raises(NotHTTP):
        read_request(received, _ORIGIN)


@pytest.mark.parametrize(
    ("wire", "written"),
    [
        (
            Wire(200, (("x-a", "1"),), ()),
            b"HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        (
            Wire(503, (("Content-Length", "2"),), ()),
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n",
        ),
        (
            Wire(499, (("content-length", "0"),), ()),
            b"HTTP/1.1 499 Unknown\r\ncontent-length: 0\r\n\r\n",
        ),
        (Wire(204, (), ()), b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
def test_the_head_says_where_the_body_ends(wire: Wire, written: bytes) -> None:
    assert head(wire) == written
