"""No failure shows a key: not in a chunk, a repr, a log record, an exception or its traceback."""

import logging
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

import streamkit
from streamkit.chunks import StreamChunk, chunk_to_json
from streamkit.errors import StreamFailed
from streamkit.model import Model
from streamkit.plugin import ProviderSpec
from streamkit.settings import Timeouts, resolve_settings
from streamkit.transport.memory import Reply
from streamkit_openai.provider import OpenAIProvider
from tests.bad_input import (
    END,
    error_of,
    every_way,
    memory_model,
    read,
    said,
    socket_model,
)
from tests.bad_replies import ANSWERS, as_script
from tests.bad_statuses import STATUSES
from tests.loopback import Close, Hold, Reset, chunk, head, serving

# One that has a shape by which keys are known, and one that is known by its value alone.
_KEYS = ["sk-canary-0123456789abcdef", "canary/without+a=shape"]
every_key = pytest.mark.parametrize("key", _KEYS)

_ECHO = b'{"error":{"message":"Bad key: KEY","type":"KEY","code":"KEY","param":"KEY"},"id":"KEY"}'


def _echoes(key: str) -> dict[str, Reply]:
    """Answers of services that say the key back, wherever they can."""
    secret = key.encode()
    echo = _ECHO.replace(b"KEY", secret)
    headers = {"x-request-id": key, "retry-after": key, "www-authenticate": f"Bearer {key}"}
    return {
        "as an error": Reply(echo, status=401, headers=headers),
        "as words": Reply(b"Bearer " + secret + b" is not valid", status=401, headers=headers),
        "in HTML": Reply(b"<html><title>" + secret + b"</title></html>", status=403),
        "beside bytes that are no text": Reply(b"\xff" + secret, status=500),
        "in an answer that begins well": Reply(b"data: " + echo + b"\n\n", headers=headers),
        "as an event": Reply(b"event: error\ndata: " + secret + b"\n\n"),
        "in an HTML answer": Reply(b"<html>" + secret),
        "in a frame that is no JSON": Reply(b"data: {" + secret + b"}\n\n"),
        "in a frame that is not UTF-8": Reply(b'data: {"a":"\xff' + secret + b'"}\n\n'),
        "in the name of an event": Reply(b"event: " + secret + b"\ndata: {\n\n"),
        "in a redirect": Reply(status=307, headers={"location": f"https://a:{key}@b.test/?{key}"}),
        "in a redirect's host": Reply(
            status=302, headers={"location": f"https://{key}.test/{key}"}
        ),
    }


def _shown(value: object) -> str:
    return f"{value!r} {value!s}"


def _all_of(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and each not in seen:
            seen.append(each)
            pending += [each.__cause__, each.__context__]
    yield from seen


def _everything_of(error: StreamFailed) -> str:
    """All that somebody might print or log of an exception."""
    texts = traceback.format_exception(error) + [_shown(each) for each in _all_of(error)]
    texts += [repr(vars(each)) for each in _all_of(error)]
    return "".join([*texts, repr(error.partial), error.partial.model_dump_json()])


@contextmanager
def _hiding(key: str, caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Collects what is shown within, and the log at its most talkative; finds no key there."""
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        yield shown
    for record in caplog.records:
        shown += [record.getMessage(), repr(vars(record)), str(record.exc_text)]
    assert shown
    assert not [text for text in shown if key in text]
    # No part of it either, such as a limit on length would leave.
    assert not [text for text in shown if key[:10] in text or key[-10:] in text]


def _chunks_shown(chunks: list[StreamChunk]) -> list[str]:
    return [chunk_to_json(each) + _shown(each) + repr(each.model_dump()) for each in chunks]


def _raised(model: Model) -> str:
    with pytest.raises(StreamFailed) as caught:
        model.generate_sync("Hello")
    return _everything_of(caught.value)


@every_key
@pytest.mark.parametrize("name", [*ANSWERS, *STATUSES])
def test_no_bad_reply_shows_the_key(key: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    reply = (ANSWERS.get(name) or STATUSES[name]).reply
    with _hiding(key, caplog) as shown:
        model, _ = memory_model(reply, reply, api_key=key)
        shown += _chunks_shown(read("sync", model))
        shown += [_raised(model), repr(model), repr(model.provider), repr(vars(model.provider))]


@every_key
@pytest.mark.parametrize("name", _echoes(""))
def test_no_service_that_says_the_key_back_makes_it_shown(
    key: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = _echoes(key)[name]
    with _hiding(key, caplog) as shown:
        model, _ = memory_model(reply, reply, api_key=key)
        shown += _chunks_shown(read("sync", model))
        shown.append(_raised(model))


@every_key
def test_a_key_that_a_callable_gives_is_hidden_as_well(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = _echoes(key)["as an error"]
    with _hiding(key, caplog) as shown:
        model, transport = memory_model(reply, reply, api_key=lambda: key)
        shown += _chunks_shown(read("sync", model))
        shown += [_raised(model), repr(transport.requests)]
    assert transport.requests[0].headers["authorization"] == f"Bearer {key}"


_BROKEN: dict[str, list[Any]] = {
    "closed": [Close()],
    "reset": [Reset()],
    "silent": [Hold()],
    "silent mid-stream": [head(), chunk(said("Hi")), Hold()],
    "no HTTP": [b"what?\r\n\r\n", Close()],
    "cut": [head(), chunk(said("Hi")), Close()],
}


@every_way
@every_key
@pytest.mark.parametrize("script", _BROKEN.values(), ids=_BROKEN.keys())
def test_no_broken_connection_shows_the_key(
    way: str, key: str, script: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    timeouts = Timeouts(first_content=0.1, idle=0.1)
    with serving(script) as server, _hiding(key, caplog) as shown:
        model = socket_model(server, api_key=key, timeouts=timeouts)
        shown += _chunks_shown(read(way, model))
        shown.append(_raised(model))


@every_way
@every_key
@pytest.mark.parametrize("name", _echoes(""))
def test_no_echo_over_a_real_socket_shows_the_key(
    way: str, key: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Only our own log records: at DEBUG, httpcore writes every header of an answer to its own.
    caplog.set_level(logging.INFO, "httpcore")
    with serving(as_script(_echoes(key)[name])) as server, _hiding(key, caplog) as shown:
        model = socket_model(server, api_key=key)
        shown += _chunks_shown(read(way, model))
        shown.append(_raised(model))


@every_key
def test_an_exception_that_holds_the_request_stays_inside(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(
            f"no way to send {request.headers['authorization']}", request=request
        )

    with httpx.Client(transport=httpx.MockTransport(fail)) as client, _hiding(key, caplog) as shown:
        model = streamkit.get_model(
            "openai/gpt-test", api_key=key, base_url="http://x.test", http_client=client
        )
        shown += _chunks_shown(read("sync", model))
        shown.append(_raised(model))
        with pytest.raises(StreamFailed) as caught:
            model.generate_sync("Hello")
    assert [type(each) for each in _all_of(caught.value)] == [type(caught.value)]


def _keyless(base_url: str) -> Model:
    """A provider of the same dialect that sends no key."""
    spec = ProviderSpec(name="keyless", api_version=1, factory="", needs_key=False)
    return Model(OpenAIProvider(spec, resolve_settings(spec, base_url=base_url)), "gpt-test")


@every_way
def test_a_password_in_the_base_url_is_sent_and_hidden(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    script = as_script(Reply(b'{"error":"who is canary:password?"}', status=401))
    with serving(script) as server, _hiding("canary:password", caplog) as shown:
        model = _keyless(server.url.replace("http://", "http://user:canary%3Apassword@"))
        shown += _chunks_shown(read(way, model))
        shown.append(_raised(model))
        for request in server.requests:
            assert b"\r\nauthorization: basic " + b64encode(b"user:canary:password").lower() in (
                request.lower()
            )


def test_a_password_in_the_base_url_beside_a_key_is_refused_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(as_script(Reply(status=401))) as server, _hiding("canary-pass", caplog) as shown:
        model = socket_model(server.url.replace("http://", "http://user:canary-pass@"))
        chunks = read("sync", model)
        shown += _chunks_shown(chunks)
        assert server.connections == []
    assert error_of(chunks).kind == "configuration"
    assert "base URL" in error_of(chunks).message


def test_a_key_in_an_answer_is_the_answer() -> None:
    # What the model says is delivered byte for byte: nothing is hidden there.
    model, _ = memory_model(said("Bearer abcdef") + END, api_key="abcdef")
    assert model.generate_sync("Hello").text == "Bearer abcdef"
