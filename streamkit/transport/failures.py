"""What an HTTP client's exceptions mean, by name: clients of httpx's shape share the names.

No exception of a client leaves the transport: it holds the request, and so the key.
"""

import math
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final

from streamkit.transport.base import DeadlinePassed, TransportFailure

# By the name of the exception or of one of its bases, the nearest first.
_BY_NAME: Final[dict[str, tuple[str, str]]] = {
    "ConnectTimeout": ("timeout_connect", "No connection to the service in time."),
    "PoolTimeout": ("timeout_connect", "The HTTP client had no free connection in time."),
    "ReadTimeout": ("timeout_idle", "The service was silent for too long."),
    "WriteTimeout": ("timeout_idle", "The service did not take the request in time."),
    "TimeoutException": ("timeout_idle", "The service took too long."),
    "ConnectError": ("connection", "The service cannot be reached."),
    "ReadError": ("connection", "The connection broke while the answer was being read."),
    "WriteError": ("connection", "The connection broke while the request was being sent."),
    "CloseError": ("connection", "The connection broke while it was being closed."),
    "ProxyError": ("connection", "The proxy refused the connection."),
    "RemoteProtocolError": ("protocol", "The service broke the rules of HTTP."),
    "LocalProtocolError": ("invalid_request", "The request cannot be sent over HTTP."),
    "DecodingError": ("protocol", "The answer's compression is broken."),
    "UnsupportedProtocol": ("configuration", "The base URL's scheme is not supported."),
    "InvalidURL": ("configuration", "The base URL is not valid."),
    "TransportError": ("connection", "The connection failed."),
}

# What the words of h11, the HTTP parser under httpx, tell beyond the exception's name.
_BY_WORDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("peer closed connection", "truncated", "The connection closed before the answer's end."),
    ("server disconnected", "connection", "The service closed the connection without an answer."),
)

_BY_CAUSE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (socket.gaierror, "The service's host name cannot be resolved."),
    (ssl.SSLCertVerificationError, "The service's TLS certificate is not trusted."),
    (ssl.SSLError, "The TLS connection to the service failed."),
    (ConnectionRefusedError, "The service refuses the connection: nothing listens there."),
    (ConnectionResetError, "The service reset the connection."),
)


def failure_of(error: Exception) -> TransportFailure:
    """Says what an exception of the HTTP client means."""
    chain = list(_causes(error))
    # A client over a client wraps an exception in one of the same name and words.
    detail = " < ".join(dict.fromkeys(f"{type(each).__name__}: {each}" for each in chain))
    names = (cls.__name__ for cls in type(error).__mro__)
    known = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
    if known is None:
        message = f"The HTTP client failed: {type(error).__name__}."
        return TransportFailure("connection", message, detail)
    kind, message = known
    if kind == "protocol":
        words = str(error).lower()
        for phrase, its_kind, its_message in _BY_WORDS:
            if phrase in words:
                return TransportFailure(its_kind, its_message, detail)
    if kind == "connection":
        for cause, its_message in _BY_CAUSE:
            if any(isinstance(each, cause) for each in chain):
                return TransportFailure(kind, its_message, detail)
    return TransportFailure(kind, message, detail)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending = [error]
    while pending:
        each = pending.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        # trio puts what failed at each of a host's addresses into a group.
        pending += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        pending.append(each.__cause__ or each.__context__)


def failure_by(error: Exception, deadline: float = math.inf) -> TransportFailure:
    """What an exception of the client means.

    Its limits for reading and writing stand for the stream's own, and so does its limit for
    connecting when the deadline has passed as well: which of them it was is told elsewhere, once.
    """
    failure = error if isinstance(error, TransportFailure) else failure_of(error)
    is_late = failure.kind == "timeout_connect" and time.monotonic() >= deadline
    return DeadlinePassed() if failure.kind == "timeout_idle" or is_late else failure
