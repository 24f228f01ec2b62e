"""What a list of models asks of a provider, and what its bugs become."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from streamkit.errors import ProviderError
from streamkit.plugin import Capabilities
from streamkit.provider import Frame, HTTPCall, HTTPProvider, ModelInfo
from streamkit.request import ChatRequest
from streamkit.settings import Timeouts
from tests.bad_input import KEY, every_way
from tests.closing import LIMIT_S, TextProvider
from tests.hooked import registry_of, use
from tests.listings import answer, ask, refused
from tests.loopback import serving


class ReadyProvider(TextProvider):
    """Lists one model, once it is ready."""

    prepared: list[ChatRequest | None] = []  # noqa: RUF012  # read by the test
    go_on: Callable[[], object] = staticmethod(lambda: None)

    def prepare(self, request: ChatRequest | None) -> None:
        self.prepared.append(request)
        self.go_on()

    def list_models(self) -> HTTPCall | None:
        assert self.prepared
        return HTTPCall(path="/models", method="GET", framing="json")

    def decode_models(self, frame: Frame) -> list[ModelInfo]:
        return [ModelInfo(id=frame.text())]

    def show_model(self, name: str) -> HTTPCall | None:
        return self.list_models()

    def decode_model(self, name: str, frame: Frame) -> ModelInfo:
        return ModelInfo(id=name)


def install(monkeypatch: pytest.MonkeyPatch, provider: type[HTTPProvider], **fields: Any) -> None:
    """Installs a provider of the name `fake`, which needs no key."""
    fields = {"needs_key": False, **fields}
    use(monkeypatch, registry_of(monkeypatch, providers={"fake": provider}, **fields))


@every_way
@pytest.mark.parametrize("what", ["list_models", "show_model"])
def test_a_provider_is_made_ready_first_without_a_request(
    monkeypatch: pytest.MonkeyPatch, way: str, what: str
) -> None:
    class Ready(ReadyProvider):
        prepared: list[ChatRequest | None] = []  # noqa: RUF012

    install(monkeypatch, Ready)
    with serving(answer(b"hello")) as server:
        ask(way, server, "fake" if what == "list_models" else "fake/m", what)
    assert Ready.prepared == [None]


@every_way
def test_a_provider_that_cannot_be_made_ready_says_why(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def fail() -> None:
        raise ProviderError("connection", f"The server did not start: {KEY}.")

    class Failing(ReadyProvider):
        go_on = staticmethod(fail)

    install(monkeypatch, Failing)
    with serving(answer(b"hello")) as server:
        error = refused(way, server, "fake")
        assert server.connections == []
    assert (error.kind, error.message) == ("connection", "The server did not start: [redacted].")


def test_a_secret_of_the_providers_own_is_hidden_even_before_it_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "canary/without+a=shape"

    def fail() -> None:
        raise ProviderError("connection", f"The server did not start: {secret}.")

    class Failing(ReadyProvider):
        go_on = staticmethod(fail)

        def secrets(self) -> list[str]:
            return [secret]

    install(monkeypatch, Failing)
    error = refused("sync", "http://127.0.0.1:1", "fake")
    assert error.message == "The server did not start: [redacted]."


@every_way
def test_a_provider_that_takes_too_long_to_be_ready_is_given_up(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    done = threading.Event()

    class Slow(ReadyProvider):
        go_on = staticmethod(lambda: done.wait(LIMIT_S))

    install(monkeypatch, Slow)
    error = refused(way, "http://127.0.0.1:1", "fake", timeouts=Timeouts(first_content=0.2))
    done.set()
    assert error.kind == "timeout_first_content"


@every_way
def test_a_provider_that_surely_lists_no_models_is_not_made_ready(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    class Refusing(ReadyProvider):
        prepared: list[ChatRequest | None] = []  # noqa: RUF012

    install(monkeypatch, Refusing, capabilities=Capabilities.of(no="list_models"))
    assert refused(way, "http://127.0.0.1:1", "fake").kind == "unsupported"
    assert Refusing.prepared == []


def test_a_provider_without_such_a_call_lists_no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, TextProvider)
    error = refused("sync", "http://127.0.0.1:1", "fake")
    assert (error.kind, error.message) == ("unsupported", "`fake` does not list its models.")


def broken(what: str, raised: Any) -> type[HTTPProvider]:
    """A provider one of whose functions raises, or gives the wrong thing."""

    def function(*given: Any) -> Any:
        if isinstance(raised, Exception) and not isinstance(raised, ProviderError):
            raise raised
        return raised

    return type("Broken", (ReadyProvider,), {what: function})


@every_way
@pytest.mark.parametrize(
    ("what", "raised"),
    [
        *((what, ValueError(f"quoting {KEY}")) for what in ("secrets", "list_models", "classify")),
        ("decode_models", ValueError(f"quoting {KEY}")),
        *((what, {"a": KEY}) for what in ("list_models", "classify", "decode_models")),
    ],
)
def test_a_bug_of_a_provider_is_told_as_one_and_shows_no_key(
    monkeypatch: pytest.MonkeyPatch, way: str, what: str, raised: Any
) -> None:
    install(monkeypatch, broken(what, raised))
    status = 500 if what == "classify" else 200
    with serving(answer(b"hello", status)) as server:
        error = refused(way, server, "fake")
    assert error.kind == "plugin"
    assert "`fake`" in error.message


def test_a_failure_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, broken("decode_models", ValueError("no luck")))
    with serving(answer(b"hello")) as server:
        error = refused("sync", server, "fake")
    assert (error.__cause__, error.__context__) == (None, None)
    assert "no luck" in (error.detail or "")


def test_how_long_to_wait_is_told_also_where_the_provider_does_not_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, broken("classify", ProviderError("overloaded", "Busy.")))
    with serving(answer(b"busy", 503, "retry-after: 7")) as server:
        assert refused("sync", server, "fake").retry_after_s == 7.0
