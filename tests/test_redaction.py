"""No secret in any chunk, repr, log record, exception chain or address."""

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import SecretStr

from streamkit.chunks import ErrorChunk, chunk_to_json
from streamkit.errors import ProviderError
from streamkit.messages import Message
from streamkit.model import Model
from streamkit.plugin import ProviderSpec
from streamkit.provider import Emitter, Frame, HTTPCall, HTTPProvider
from streamkit.redaction import HIDDEN, Redactor, secret_headers
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings
from streamkit.transport.base import OutgoingRequest
from streamkit.transport.memory import Break, MemoryTransport, Reply

KEY = "canary-of-no-known-shape"
PASSWORD = "canary-password"
OPTION = "canary-option"


# The redactor.


def test_a_secret_is_hidden_wherever_it_stands() -> None:
    assert Redactor([KEY]).text(f"a {KEY}, b{KEY}b") == f"a {HIDDEN}, b{HIDDEN}b"


def test_a_secret_that_contains_another_is_hidden_whole() -> None:
    assert Redactor(["canary", "canary-longer"]).text("canary-longer") == HIDDEN


def test_empty_secrets_hide_nothing() -> None:
    assert Redactor(["", ""]).text("abc") == "abc"


def test_a_redactor_learns_more() -> None:
    redactor = Redactor()
    redactor.learn([KEY, ""])
    redactor.learn([PASSWORD])
    assert redactor.text(f"{KEY} {PASSWORD}") == f"{HIDDEN} {HIDDEN}"


def test_the_redactors_repr_holds_no_secret() -> None:
    assert repr(Redactor([KEY])) == "Redactor(1 secrets)"


@pytest.mark.parametrize(
    "shape",
    [
        "sk-canary-0123456789",
        "sk-proj-abc_def-ghi",
        "sk-ant-0123****abcd",
        "gsk_0123456789abcdef",
        "xai-0123456789abcdef",
        "AIzaSyA0123456789abcdefghijklm",
        "org-0123456789abcdef",
        "ak-0123456789abcdef",
        "user_2abcdefghijkl",
    ],
)
def test_the_known_shapes_of_keys_and_accounts_are_hidden(shape: str) -> None:
    assert Redactor().text(f"The key {shape} is wrong.") == f"The key {HIDDEN} is wrong."


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcd1234", f"Authorization: Bearer {HIDDEN}"),
        ("at https://me:pw@host/v1", f"at https://{HIDDEN}@host/v1"),
        ("at https://me:p@w@host/v1", f"at https://{HIDDEN}@host/v1"),
        ("at https://token@host", f"at https://{HIDDEN}@host"),
    ],
)
def test_what_stands_behind_bearer_or_before_an_at_sign_is_hidden(text: str, hidden: str) -> None:
    assert Redactor().text(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "The task-force asked for sk-8 and organic risk-taking.",
        "See https://example.com/docs@v2 or mail a@example.com.",
        "Bearer of news",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor([KEY]).text(text) == text


def test_a_text_is_cut_after_its_secrets_are_hidden() -> None:
    # Cut first, the end would be half a secret that nothing recognises.
    text = Redactor([KEY]).text("x" * 95 + KEY, limit=100)
    assert len(text) == 100
    assert text == "x" * 95 + HIDDEN[:4] + "…"


def test_every_string_of_a_json_value_is_redacted() -> None:
    value = {f"a{KEY}": [KEY, 5, None, True, {"deep": (KEY,)}]}
    assert Redactor([KEY]).value(value) == {
        f"a{HIDDEN}": [HIDDEN, 5, None, True, {"deep": [HIDDEN]}]
    }


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "x-api-key",
        "API-Key",
        "X-Goog-Api-Key",
        "Proxy-Authorization",
        "Cookie",
        "x-acme-token",
        "X-Acme-Secret",
    ],
)
def test_headers_that_carry_secrets_are_known_by_their_names(name: str) -> None:
    assert KEY in secret_headers({name: f"Bearer {KEY}"})
    assert KEY in secret_headers({name: KEY})


def test_other_headers_are_no_secrets() -> None:
    assert secret_headers({"accept": "text/event-stream", "user-agent": "streamkit/0.1"}) == []


# Representations.


def settings(**fields: Any) -> ProviderSettings:
    return ProviderSettings(
        **{
            "provider": "leaky",
            "base_url": f"https://me:{PASSWORD}@leaky.example/v1",
            "api_key": SecretStr(KEY),
            "options": {"token": OPTION},
            **fields,
        }
    )


class LeakyProvider(HTTPProvider):
    """Puts its secrets wherever a careless service or plug-in would."""

    def request(self, request: ChatRequest) -> HTTPCall:
        return HTTPCall(path="/chat", json={}, headers={"X-Odd-Key": self.reveal_key() or ""})

    def decode(self, frame: Frame, emit: Emitter) -> None:
        payload = frame.object()
        for name, value in payload.items():
            match name:
                case "text":
                    emit.content(value)
                case "notice":
                    emit.notice("hint", value)
                case "raise":
                    raise RuntimeError(value)
                case "error":
                    raise ProviderError(
                        "provider",
                        value,
                        detail=value,
                        provider_code=value,
                        request_id=value,
                        evidence=value,
                    )
        emit.finish("stop")

    def secrets(self) -> list[str]:
        return [OPTION]


LEAKY = ProviderSpec(name="leaky", api_version=1, factory="nowhere:Nothing")


def model(reply: Reply | bytes, **fields: Any) -> Model:
    provider = LeakyProvider(LEAKY, settings(**fields))
    return Model(provider, "m", transport=MemoryTransport([reply]))


REPRESENTED: dict[str, Callable[[], object]] = {
    "settings": settings,
    "provider": lambda: LeakyProvider(LEAKY, settings()),
    "model": lambda: model(b""),
    "stream": lambda: model(b"").stream("Hi"),
    "call": lambda: HTTPCall(path="/x", headers={"Authorization": f"Bearer {KEY}"}),
    "outgoing request": lambda: OutgoingRequest(
        method="POST",
        url=f"https://me:{PASSWORD}@leaky.example/v1",
        headers={"Authorization": f"Bearer {KEY}"},
        body=f"{KEY}".encode(),
    ),
}


@pytest.mark.parametrize("make", REPRESENTED.values(), ids=REPRESENTED)
def test_no_repr_shows_a_secret(make: Callable[[], object]) -> None:
    shown = f"{make()!r} {make()!s}"
    assert not [secret for secret in (KEY, PASSWORD, OPTION) if secret in shown]


def test_a_key_that_a_callable_gives_is_not_in_the_repr() -> None:
    assert KEY not in repr(settings(api_key=lambda: KEY))


@pytest.mark.parametrize("userinfo", [KEY, f"me:{KEY}", "me:canary%20with%20blanks"])
def test_what_stands_before_the_host_is_hidden_when_a_service_repeats_it(userinfo: str) -> None:
    secret = userinfo.rpartition(":")[2]
    body = json.dumps({"error": {"message": f"{secret} {unquote(secret)} is wrong"}}).encode()
    url = f"https://{userinfo}@leaky.example"
    last = list(model(Reply(body, status=401), base_url=url).stream("Hi"))[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.message == f"{HIDDEN} {HIDDEN} is wrong"


# A whole stream, its log record and its exception.

ALL = f"{KEY} {PASSWORD} {OPTION} sk-canary-0123456789 https://me:{PASSWORD}@leaky.example"


def frame(**payload: str) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


FAILURES: dict[str, Reply | bytes] = {
    "error status": Reply(
        json.dumps({"error": {"message": ALL, "code": ALL}}).encode(), status=401
    ),
    "error status without JSON": Reply(ALL.encode(), status=500),
    "error status with an id": Reply(b"{}", status=500, headers={"x-request-id": ALL}),
    "html": Reply(f"<html>{ALL}".encode()),
    "error in a frame": frame(text="a", error=ALL),
    "exception of the plug-in": frame(**{"text": "a", "raise": ALL}),
    "connection": Reply([frame(text="a")[:5], Break(message=ALL)]),
    "no connection": Reply(before_head=Break(message=ALL)),
    "redirect": Reply(
        b"", status=302, headers={"location": f"https://me:{PASSWORD}@other.example/{KEY}"}
    ),
    "malformed": f"data: {{{ALL}\n\n".encode(),
    "notice": frame(text="a", notice=ALL) + frame(error=ALL),
}


@pytest.mark.parametrize("key", [SecretStr(KEY), lambda: KEY], ids=["key", "callable"])
@pytest.mark.parametrize("reply", FAILURES.values(), ids=FAILURES)
def test_no_secret_is_in_a_chunk_a_log_record_or_an_exception(
    reply: Reply | bytes, key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    chunks = list(model(reply, api_key=key).stream("Hi"))
    assert chunks[-1].type == "error"
    # Every terminal error is logged, once.
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    shown = [chunk_to_json(chunk) for chunk in chunks] + [repr(chunk) for chunk in chunks]
    shown += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    try:
        model(reply, api_key=key).generate_sync(Message.user("Hi"))
    except Exception as error:  # whatever it is, all of it is shown
        shown += [repr(error), *traceback.format_exception(error)]
    secrets = (KEY, PASSWORD, OPTION, "sk-canary-0123456789")
    assert len(shown) > 5
    assert not [(secret, text) for secret in secrets for text in shown if secret in text]
