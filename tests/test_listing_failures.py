"""How each failure of a service that is asked for its models is told, and that no key is."""

import logging
import socket
from typing import Final

import pytest

from streamkit.provider import HTTPProvider
from streamkit.settings import Timeouts
from tests.bad_input import KEY, every_way
from tests.closing import LIMIT_S
from tests.listings import JSON, Script, answer, every_provider, refused
from tests.loopback import Close, Hold, Repeat, chunk, head, serving

# Failures of the service.

_UNAUTHORIZED = {"error": {"message": f"Incorrect API key: {KEY}", "code": "invalid_api_key"}}
_PAGE = b"<!doctype html><title>404</title>" + KEY.encode()

FAILURES: Final[dict[str, tuple[Script, str, int | None, str]]] = {
    "401": (answer(_UNAUTHORIZED, 401), "authentication", 401, "[redacted]"),
    "403": (answer({"error": {"message": "not yours"}}, 403), "permission", 403, ""),
    "404 in HTML": (answer(_PAGE, 404), "not_found", 404, ""),
    "429": (answer({"error": {"message": "slow"}}, 429, "retry-after: 7"), "rate_limit", 429, ""),
    "500": (answer({"error": {"message": "boom"}}, 500), "provider", 500, ""),
    "502 without a body": (answer(b"", 502), "provider", 502, ""),
    "503 cut off": (
        (head(503, JSON) + chunk(b'{"error":{"message":"busy'), Close()),
        "overloaded",
        503,
        "",
    ),
    "an endless error": (
        (head(500, JSON), Repeat(chunk(b"x" * 65536), 0.001)),
        "provider",
        500,
        "",
    ),
    "no JSON": (answer(b"hello " + KEY.encode()), "protocol", 200, "malformed"),
    "half a JSON": (answer(b'{"data": [{"id": "one"}'), "protocol", 200, "malformed"),
    "no UTF-8": (answer(b'{"data": "\xff"}'), "protocol", 200, "malformed"),
    "HTML": (answer(_PAGE), "protocol", 200, "HTML page"),
    "nothing": (answer(b""), "empty_response", 200, "empty body"),
    "blanks": (answer(b" \r\n"), "empty_response", 200, "empty body"),
    "another shape": (answer({"data": 5}), "protocol", 200, "no list"),
    "a text": (answer("models"), "protocol", 200, "no list"),
    "null": (answer(None), "protocol", 200, "no list"),
    "an error with success": (answer({"error": {"message": "boom"}}), "provider", 200, "boom"),
    "cut off": (
        (head(200, JSON) + chunk(b'{"data": [{"id": "one"}]}'), Close()),
        "truncated",
        200,
        "",
    ),
    "no HTTP": ((b"SSH-2.0-OpenSSH\r\n\r\n", Close()), "protocol", None, ""),
    "closed": ((Close(),), "connection", None, ""),
    "a redirect elsewhere": (
        answer(b"", 302, f"location: https://{KEY}.test/models"),
        "configuration",
        302,
        "Set base_url",
    ),
    "a redirect without an end": (answer(b"", 307, "location: /models"), "protocol", None, "end"),
}


@every_way
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_told_by_its_kind(
    way: str, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    script, kind, status, says = FAILURES[failure]
    with serving(script) as server, caplog.at_level(logging.DEBUG, "streamkit"):
        error = refused(way, server)
    assert (error.kind, error.status) == (kind, status)
    assert says in error.message
    assert 0 < len(error.message) <= 500
    assert KEY not in caplog.text


@every_way
def test_how_long_the_service_wants_to_be_left_alone_is_told(way: str) -> None:
    lines = ("retry-after: 7", "x-request-id: req_1")
    with serving(answer({"error": {"message": "slow"}}, 429, *lines)) as server:
        error = refused(way, server)
    assert (error.retry_after_s, error.retryable, error.request_id) == (7.0, True, "req_1")


@pytest.mark.parametrize("way", ["asyncio", "trio"])
def test_an_error_that_does_not_end_is_told_by_its_beginning(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamkit.listing.ERROR_BODY_S", 1000.0)
    endless = (head(500, JSON), Repeat(chunk(b"x" * 65536), 0.001))
    with serving(endless) as server:
        assert refused(way, server, timeouts=Timeouts()).kind == "provider"


@every_way
def test_a_list_that_does_not_end_is_given_up(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPProvider, "max_frame_bytes", 100_000)
    with serving((head(200, JSON), Repeat(chunk(b" {" * 20_000), 0.001))) as server:
        error = refused(way, server)
        assert server.connections[0].gone.wait(LIMIT_S)
    assert error.kind == "protocol"
    assert "100" in error.message


@every_way
def test_a_refused_connection_is_told_with_its_address(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(way, f"http://127.0.0.1:{port}")
    assert (error.kind, error.status) == ("connection", None)
    assert f"GET http://127.0.0.1:{port}/models" in (error.detail or "")


STALLS: Final[dict[str, tuple[Script, Timeouts, str, str]]] = {
    "before the head": ((Hold(),), Timeouts(first_content=0.2), "timeout_first_content", "0.2 s"),
    "after the head": (
        (head(200, JSON), Hold()),
        Timeouts(first_content=0.2),
        "timeout_first_content",
        "0.2 s",
    ),
    "in the body": (
        (head(200, JSON) + chunk(b"{"), Hold()),
        Timeouts(idle=0.2),
        "timeout_idle",
        "0.2 s",
    ),
    "drop by drop": (
        (head(200, JSON), Repeat(chunk(b"["), 0.02)),
        Timeouts(total=0.3),
        "timeout_total",
        "0.3 s",
    ),
}


@every_way
@pytest.mark.parametrize("where", STALLS)
def test_a_service_that_stalls_is_given_up_when_the_limit_passes(way: str, where: str) -> None:
    script, timeouts, kind, says = STALLS[where]
    with serving(script) as server:
        error = refused(way, server, timeouts=timeouts)
        # A limit that passes before there is a connection at all leaves none to close.
        assert all(each.gone.wait(LIMIT_S) for each in server.connections)
    assert error.kind == kind
    assert says in error.message


@every_way
def test_an_error_whose_body_stalls_is_told_all_the_same(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamkit.listing.ERROR_BODY_S", 0.2)
    with serving((head(401, JSON) + chunk(b'{"error":'), Hold())) as server:
        assert refused(way, server).kind == "authentication"


@every_provider
def test_no_failure_of_any_provider_shows_the_key(name: str) -> None:
    for failure in ("401", "404 in HTML", "no JSON", "HTML", "a redirect elsewhere"):
        with serving(FAILURES[failure][0]) as server:
            assert refused("sync", server, name).kind == FAILURES[failure][1]
