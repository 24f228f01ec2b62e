"""HTTP/1.1 as the server on loopback speaks it: bytes in, a request out; a wire in, bytes out.

No I/O here: `loopback.py` does it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from streamkit_conformance.trace import SentRequest
from streamkit_conformance.wire import Wire

__all__ = ["LAST_CHUNK", "NotHTTP", "ReadRequest", "chunk", "head", "is_chunked", "read_request"]

LAST_CHUNK: Final = b"0\r\n\r\n"
#: Statuses whose answers have no body, whatever their headers say (RFC 9110, section 6.4.1).
_WITHOUT_A_BODY: Final = frozenset({204, 304})


class NotHTTP(ValueError):
    """What came is no request of HTTP/1.1; a client that wants TLS begins like that."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A whole request, and how many bytes it took."""

    request: SentRequest
    size: int


def read_request(received: bytes, origin: str) -> ReadRequest | None:
    """Reads a request from the start of what was received; `None` while it is not whole.

    Args:
        received: The bytes so far, possibly with more behind the request.
        origin: Scheme, host and port, for the request's URL.

    Raises:
        NotHTTP: It cannot become a request, however much follows.
    """
    lines, end = _head(received)
    if end is None:
        return None
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise NotHTTP(f"no line of a request: {lines[0][:80]!r}")
    headers = tuple(_header(line) for line in lines[1:])
    body, size = _body(received, end, dict(headers))
    if body is None:
        return None
    url = words[1] if "://" in words[1] else origin + words[1]
    return ReadRequest(SentRequest(words[0], url, headers, body), size)


def _head(received: bytes) -> tuple[list[str], int | None]:
    if received and not received[:1].isalpha():
        raise NotHTTP("a request begins with a method")
    head, separator, _ = received.partition(b"\r\n\r\n")
    if not separator:
        return [], None
    return head.decode("latin-1").split("\r\n"), len(head) + len(separator)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise NotHTTP(f"no header: {line[:80]!r}")
    return name.lower(), value.strip()


def _body(received: bytes, start: int, headers: dict[str, str]) -> tuple[bytes | None, int]:
    """The body that starts there and the place behind it; no body while it is not whole."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunked_body(received, start)
    try:
        end = start + int(headers.get("content-length", "0"))
    except ValueError as error:
        raise NotHTTP("the length of the body is no number") from error
    return (received[start:end], end) if len(received) >= end else (None, start)


def _chunked_body(received: bytes, start: int) -> tuple[bytes | None, int]:
    body = b""
    while True:
        line_end = received.find(b"\r\n", start)
        if line_end < 0:
            return None, start
        try:
            size = int(received[start:line_end].partition(b";")[0], 16)
        except ValueError as error:
            raise NotHTTP("the size of a chunk is no number") from error
        start = line_end + 2
        if size == 0:
            # Trailers, if any, end with an empty line.
            end = received.find(b"\r\n\r\n", line_end)
            return (None, start) if end < 0 else (body, end + 4)
        if len(received) < start + size + 2:
            return None, start
        body += received[start : start + size]
        start += size + 2


def is_chunked(wire: Wire) -> bool:
    """Whether the answer's body goes in HTTP's chunked coding."""
    names = {name.lower() for name, _ in wire.headers}
    return wire.status not in _WITHOUT_A_BODY and "content-length" not in names


def head(wire: Wire) -> bytes:
    """The head of an answer."""
    coding = [("transfer-encoding", "chunked")] if is_chunked(wire) else []
    return _written(wire.status, [*wire.headers, *coding])


def _written(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Some of a body in HTTP's chunked coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)
