"""What a client's exceptions mean: by their names, their causes and, last, their words."""

import inspect
import socket
import ssl
from typing import Any

import httpx
import pytest

from streamkit.transport.failures import failure_of
from tests.http_clients import every_family

_KINDS = {
    "CloseError": "connection",
    "ConnectError": "connection",
    "ConnectTimeout": "timeout_connect",
    "DecodingError": "protocol",
    "InvalidURL": "configuration",
    "LocalProtocolError": "invalid_request",
    "NetworkError": "connection",
    "PoolTimeout": "timeout_connect",
    "ProtocolError": "connection",
    "ProxyError": "connection",
    "ReadError": "connection",
    "ReadTimeout": "timeout_idle",
    "RemoteProtocolError": "protocol",
    "TimeoutException": "timeout_idle",
    "TransportError": "connection",
    "UnsupportedProtocol": "configuration",
    "WriteError": "connection",
    "WriteTimeout": "timeout_idle",
}
# What clients raise for uses of them that are not made here.
_OTHERS = {
    "CookieConflict",
    "HTTPError",
    "HTTPStatusError",
    "RequestError",
    "RequestNotRead",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TooManyRedirects",
}


@every_family
def test_every_exception_of_a_client_has_been_thought_of(family: Any) -> None:
    names = {
        name
        for name, each in vars(family).items()
        if inspect.isclass(each) and issubclass(each, Exception)
    }
    assert names - {"SSEError"} == {*_KINDS, *_OTHERS}  # httpx2 reads events itself, when asked to


@every_family
@pytest.mark.parametrize(("name", "kind"), _KINDS.items())
def test_an_exception_of_a_client_has_a_kind(family: Any, name: str, kind: str) -> None:
    error: Exception = getattr(family, name)("what the client says")
    failure = failure_of(error)
    assert failure.kind == kind
    assert failure.message.endswith(".")
    assert failure.detail == f"{name}: what the client says"


def test_only_the_name_counts_and_not_the_package() -> None:
    class ReadTimeout(Exception):
        pass

    class Special(ReadTimeout):
        pass

    assert failure_of(ReadTimeout()).kind == failure_of(Special()).kind == "timeout_idle"


def test_what_no_client_is_known_to_raise_is_a_connection_failure_with_its_name() -> None:
    failure = failure_of(KeyError("oops"))
    assert failure.kind == "connection"
    assert "KeyError" in failure.message
    assert failure.detail == "KeyError: 'oops'"


def _caused_by(cause: BaseException) -> Exception:
    error = httpx.ConnectError("All connection attempts failed")
    inner = OSError("inner")
    inner.__cause__ = cause
    error.__context__ = inner
    return error


_CAUSES: list[tuple[BaseException, str]] = [
    (socket.gaierror(-2, "Name or service not known"), "host name cannot be resolved"),
    (ssl.SSLCertVerificationError("self-signed"), "certificate is not trusted"),
    (ssl.SSLError("wrong version"), "TLS connection to the service failed"),
    (ConnectionRefusedError(111, "refused"), "nothing listens there"),
    (ConnectionResetError(104, "reset"), "reset the connection"),
    (ExceptionGroup("all of them", [OSError("v6"), ConnectionRefusedError()]), "nothing listens"),
    (ValueError("anything else"), "cannot be reached"),
]


@pytest.mark.parametrize(
    ("cause", "says"), _CAUSES, ids=[type(each[0]).__name__ for each in _CAUSES]
)
def test_the_cause_of_a_broken_connection_is_told(cause: BaseException, says: str) -> None:
    failure = failure_of(_caused_by(cause))
    assert failure.kind == "connection"
    assert says in failure.message
    assert failure.detail is not None
    assert type(cause).__name__ in failure.detail


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("peer closed connection without sending complete message body", "truncated"),
        ("Server disconnected without sending a response.", "connection"),
        ("illegal status line", "protocol"),
    ],
)
def test_the_parsers_words_tell_a_close_from_a_broken_rule(words: str, kind: str) -> None:
    assert failure_of(httpx.RemoteProtocolError(words)).kind == kind


def test_a_cause_that_only_repeats_the_failure_is_told_once() -> None:
    inner = httpx.ConnectError("no such host")
    inner.__cause__ = OSError("no such host")
    outer = httpx.ConnectError("no such host")
    outer.__cause__ = inner
    assert failure_of(outer).detail == "ConnectError: no such host < OSError: no such host"


def test_causes_in_a_circle_come_to_an_end() -> None:
    first, second = httpx.ReadError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    assert failure_of(first).detail == "ReadError: first < OSError: second"
