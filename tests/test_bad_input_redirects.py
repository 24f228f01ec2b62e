"""Redirects: followed only where the key may go, with the method and the body as they were."""

from typing import Any

import pytest

from streamkit.flow import MAX_REDIRECTS
from streamkit.transport.memory import Reply
from tests.bad_input import (
    END,
    KEY,
    end_of,
    error_of,
    every_way,
    memory_model,
    read,
    read_reply,
    read_server,
    said,
    text_of,
)
from tests.bad_replies import as_script
from tests.http_clients import every_client, every_family
from tests.loopback import serving

_ANSWER = Reply(said("Hello") + END)


def _to(location: str, status: int = 307) -> Reply:
    return Reply(b"", status=status, headers={"Location": location})


@every_way
@every_client
@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_within_the_origin_is_followed_with_the_body(
    family: Any, way: str, status: int
) -> None:
    with serving(as_script(_to("/v2/chat", status)), as_script(_ANSWER)) as server:
        chunks = read_server(way, server, family)
        first, second = server.requests
    end_of(chunks)
    assert text_of(chunks) == "Hello"
    assert second.startswith(b"POST /v2/chat HTTP/1.1\r\n")
    assert second.partition(b"\r\n\r\n")[2] == first.partition(b"\r\n\r\n")[2] != b""
    assert KEY.encode() in second


def test_every_form_of_the_same_origin_leads_nowhere_else() -> None:
    for location in (
        "/v2",
        "v2",
        "?version=2",
        "//api.openai.com/v2",
        "https://api.openai.com/v2",
        "https://api.openai.com:443/v2",
        "https://API.OpenAI.com/v2",
        "HTTPS://api.openai.com/v2",
        # Whatever an HTTP client may take these for, no other host is ever asked.
        "https://evil.example\\@api.openai.com/v2",
        "https://evil.example:443@api.openai.com/v2",
        "https://api.openai.com\\@evil.example/../v2",
    ):
        model, transport = memory_model(_to(location), _ANSWER)
        read("sync", model)
        for request in transport.requests:
            assert request.method == "POST"
            assert request.url.startswith("https://api.openai.com/")


_ELSEWHERE = {
    "another host": "https://evil.example/v2",
    "another host without a scheme": "//evil.example/v2",
    "another port": "https://api.openai.com:8443/v2",
    "another scheme": "http://api.openai.com/v2",
    "the host as a user": "https://api.openai.com@evil.example/v2",
    "a subdomain": "https://x.api.openai.com/v2",
    "a longer name": "https://api.openai.com.evil.example/v2",
    "no http at all": "file:///etc/passwd",
    "a script": "javascript:alert(1)",
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", _ELSEWHERE.values(), ids=_ELSEWHERE.keys())
def test_a_redirect_to_another_origin_is_not_followed(location: str, status: int) -> None:
    # One reply alone: a second request would be told by its own error.
    error = error_of(read_reply("sync", _to(location, status)))
    assert (error.kind, error.status, error.retryable) == ("configuration", status, False)
    assert "the key is not sent there" in error.message


@every_way
@every_client
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_key_reaches_another_server(family: Any, way: str, status: int) -> None:
    with serving(as_script(_ANSWER)) as other:
        with serving(as_script(_to(f"{other.url}/v2", status))) as server:
            error = error_of(read_server(way, server, family))
            assert len(server.requests) == 1
        assert other.connections == []
    assert error.kind == "configuration"


@every_way
@every_family
def test_no_client_of_the_callers_follows_redirects_by_itself(way: str, family: Any) -> None:
    follows = {"follow_redirects": True}
    with serving(as_script(_ANSWER)) as other, serving(as_script(_to(other.url))) as server:
        chunks = read_server(way, server, family, client_options=follows)
        assert error_of(chunks).kind == "configuration"
        assert other.connections == []


@every_way
@every_client
@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_may_change_the_method_is_not_followed(
    family: Any, way: str, status: int
) -> None:
    # Clients turn these into GET, without the messages: what came back would be no answer to them.
    with serving(as_script(_to("/v2", status)), as_script(_ANSWER)) as server:
        error = error_of(read_server(way, server, family))
        assert len(server.requests) == 1
    assert (error.kind, error.status) == ("configuration", status)


@every_way
@every_client
def test_redirects_without_an_end_end(family: Any, way: str) -> None:
    with serving(as_script(_to("/again"))) as server:
        error = error_of(read_server(way, server, family))
        assert len(server.requests) == MAX_REDIRECTS + 1
    assert error.kind == "protocol"
    assert "without an end" in error.message


def test_as_many_redirects_as_are_allowed_are_followed() -> None:
    chunks = read_reply("sync", *[_to("/again")] * MAX_REDIRECTS, _ANSWER)
    end_of(chunks)
    assert text_of(chunks) == "Hello"


@every_way
@pytest.mark.parametrize("location", ["http://[", "https://api.openai.com:99999/", "//[::1"])
def test_a_redirect_to_what_is_no_address(way: str, location: str) -> None:
    error = error_of(read_reply(way, _to(location)))
    assert (error.kind, error.status) == ("protocol", 307)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_nowhere_is_an_error_with_its_status(status: int) -> None:
    error = error_of(read_reply("sync", Reply(b"", status=status)))
    assert (error.kind, error.status) == ("configuration", status)


def test_a_secret_in_the_place_that_a_redirect_leads_to_is_not_shown() -> None:
    location = f"https://user:{KEY}@evil.example/v2?key={KEY}"
    error = error_of(read_reply("sync", _to(location)))  # the judge looks for the key
    assert "https://evil.example/v2," in error.message
