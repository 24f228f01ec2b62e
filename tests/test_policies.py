"""Plug-ins may change a request before it is sent, or refuse it; a broken one fails that stream."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

import streamkit
from streamkit.chunks import ErrorChunk, ErrorInfo, StreamChunk
from streamkit.errors import ProviderError
from streamkit.messages import Message
from streamkit.model import Model
from streamkit.plugin import Capabilities, ProviderSpec
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings
from streamkit.transport.memory import MemoryTransport
from tests.bad_input import END as FINISHED
from tests.bad_input import KEY, every_way, read, said
from tests.closing import SPEC, TextProvider
from tests.hooked import ASKED_SPEC, AskedProvider, registry_of, use
from tests.loopback import END, LoopbackServer, chunk, head, serving

WHOLE = (head(), chunk(said("one") + FINISHED), END)


def with_policies(
    monkeypatch: pytest.MonkeyPatch, server: LoopbackServer, *policies: Any, **settings: Any
) -> Model:
    """OpenAI's model at a server, in an environment where these policies are installed."""
    use(monkeypatch, registry_of(monkeypatch, *policies))
    return streamkit.get_model("openai/gpt-test", base_url=server.url, api_key=KEY, **settings)


def bodies(server: LoopbackServer) -> list[dict[str, Any]]:
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]


def policy(what: Any) -> Any:
    """A policy that raises, gives, or is called with the request."""

    def streamkit_request(request: ChatRequest) -> Any:
        if isinstance(what, BaseException):
            raise what
        return what(request) if callable(what) else what

    return streamkit_request


def changed_to(**fields: Any) -> Any:
    """A policy that sets fields, without a look at whether they may be."""
    return policy(lambda request: request.model_copy(update=fields))


cooler = changed_to(temperature=0.25)
one_more_stop = policy(
    lambda request: request.model_copy(update={"stop": (*request.stop, str(len(request.stop)))})
)
no_change = policy(None)


def error_of(chunks: list[StreamChunk]) -> ErrorInfo:
    """The error of a stream that failed before anything was said."""
    assert [chunk.type for chunk in chunks] == ["start", "error"]
    assert isinstance(chunks[-1], ErrorChunk)
    return chunks[-1].error


# What is sent.


@every_way
def test_what_a_policy_gives_is_what_is_sent(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    with serving(WHOLE) as server:
        model = with_policies(monkeypatch, server, cooler, defaults={"temperature": 1.5})
        assert read(way, model)[-1].type == "end"
        (body,) = bodies(server)
    assert body["temperature"] == 0.25
    assert body["messages"] == [{"role": "user", "content": "Hello"}]


def test_each_policy_is_given_what_the_one_before_it_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(WHOLE) as server:
        policies = (one_more_stop, no_change, one_more_stop, cooler)
        model = with_policies(monkeypatch, server, *policies)
        read("sync", model)
        (body,) = bodies(server)
    assert body["stop"] == ["0", "1"]
    assert body["temperature"] == 0.25


def test_a_policy_is_told_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[ProviderSpec] = []

    def streamkit_request(spec: ProviderSpec) -> None:
        told.append(spec)

    with serving(WHOLE) as server:
        model = with_policies(monkeypatch, server, streamkit_request)
        read("sync", model)
    assert told == [model.provider.spec]


def test_a_policy_is_asked_once_for_each_stream_and_not_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[ChatRequest] = []
    with serving(WHOLE) as server:
        model = with_policies(monkeypatch, server, policy(asked.append))
        stream = model.stream("one")
        assert next(stream).type == "start"
        assert asked == []
        assert [chunk.type for chunk in stream] == ["content", "end"]
        assert asked == [stream.request]
        model.generate_sync("two")
    assert [request.messages[0].text for request in asked] == ["one", "two"]


def test_the_stream_keeps_the_request_of_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(WHOLE) as server:
        stream = with_policies(monkeypatch, server, cooler).stream("Hello", temperature=1.0)
        stream.collect_sync()
    assert stream.request.temperature == 1.0


def test_a_model_made_by_hand_has_the_policies_that_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = registry_of(monkeypatch, cooler)
    use(monkeypatch, registry)
    provider = AskedProvider(ASKED_SPEC, ProviderSettings(provider="asked"))
    Model(provider, "m").generate_sync("Hello")
    Model(provider, "m", hooks=registry.hooks).generate_sync("Hello")
    assert [request.temperature for request in provider.asked] == [None, 0.25]


@every_way
def test_a_provider_that_is_not_http_is_given_the_changed_request(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    provider = AskedProvider(ASKED_SPEC, ProviderSettings(provider="asked"))
    read(way, Model(provider, "m", hooks=registry_of(monkeypatch, cooler).hooks))
    assert [request.temperature for request in provider.asked] == [0.25]


class PreparedProvider(TextProvider):
    """Remembers what it was to be made ready for."""

    prepared: list[ChatRequest | None]

    def prepare(self, request: ChatRequest | None) -> None:
        self.prepared.append(request)


@every_way
def test_a_provider_is_made_ready_for_the_changed_request(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    settings = ProviderSettings(provider="text", base_url="http://text.invalid")
    provider = PreparedProvider(SPEC, settings)
    provider.prepared = []
    hooks = registry_of(monkeypatch, cooler).hooks
    transport = MemoryTransport([b"data: one\n\ndata: FINISH\n\n"])
    read(way, Model(provider, "m", transport=transport, hooks=hooks))
    assert [request and request.temperature for request in provider.prepared] == [0.25]


# What fails.


@every_way
@pytest.mark.parametrize("raised", [ValueError("no luck"), SystemExit(3)], ids=repr)
def test_a_policy_that_raises_fails_the_stream_as_a_plugin_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, way: str, raised: BaseException
) -> None:
    with serving(WHOLE) as server:
        error = error_of(read(way, with_policies(monkeypatch, server, policy(raised))))
        assert server.connections == []
    assert error.kind == "plugin"
    assert "plugin_0" in error.message
    assert type(raised).__name__ in error.message
    assert not error.retryable


@every_way
def test_a_policy_that_refuses_in_the_words_of_the_schema_keeps_them(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    refusal = ProviderError("quota", "The team's budget is used up.", retry_after_s=60.0)
    with serving(WHOLE) as server:
        error = error_of(read(way, with_policies(monkeypatch, server, policy(refusal))))
        assert server.connections == []
    assert (error.kind, error.message, error.retry_after_s) == (
        "quota",
        "The team's budget is used up.",
        60.0,
    )


def test_the_stream_after_one_that_a_policy_refused_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def only_two(request: ChatRequest) -> None:
        if request.messages[0].text != "two":
            raise ValueError(request)

    with serving(WHOLE) as server:
        model = with_policies(monkeypatch, server, policy(only_two))
        assert error_of(read("sync", model)).kind == "plugin"
        assert model.generate_sync("two").text == "one"


IMPOSSIBLE = {
    "no request": (policy(lambda request: {"model": request.model}), "made dict of a request"),
    "another model": (changed_to(model="gpt-other"), "it is for 'gpt-other'"),
    "no messages": (changed_to(messages=()), "There are no messages"),
    "what is no message": (changed_to(messages=(5,)), "Message 0 is int"),
    "a setting out of bounds": (changed_to(temperature=-1), "`temperature`"),
    "a setting of the wrong type": (changed_to(max_tokens="many"), "`max_tokens`"),
    "what the provider refuses": (
        changed_to(messages=(Message.user("a"), Message.assistant("b"))),
        "cannot do what the request asks for: prefill",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_policy_that_makes_something_impossible_of_a_request_is_told_so(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    broken, says = IMPOSSIBLE[name]
    with serving(WHOLE) as server:
        error = error_of(read("sync", with_policies(monkeypatch, server, broken)))
        assert server.connections == []
    assert error.kind == "plugin"
    assert says in error.message


@pytest.mark.parametrize(
    "raised",
    [
        ValueError(f"with {KEY} that is not allowed"),
        ProviderError("permission", f"With {KEY} that is not allowed.", detail=f"key {KEY}"),
    ],
    ids=["as a bug", "as a refusal"],
)
def test_a_key_that_a_policy_quotes_is_hidden(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, raised: Exception
) -> None:
    with serving(WHOLE) as server:
        chunks = read("sync", with_policies(monkeypatch, server, policy(raised)))
    detail = error_of(chunks).detail or ""
    assert "[redacted]" in detail
    assert not [each for each in (repr(chunks), caplog.text) if KEY in each]


def test_a_key_without_a_shape_that_a_policy_quotes_is_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = "canary/without+a=shape"
    settings = ProviderSettings(provider="asked", api_key=SecretStr(key))
    hooks = registry_of(monkeypatch, policy(ValueError(key))).hooks
    chunks = read("sync", Model(AskedProvider(ASKED_SPEC, settings), "m", hooks=hooks))
    assert error_of(chunks).detail == "[redacted]"


def test_a_policy_may_not_ask_for_what_the_model_surely_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = ProviderSpec(
        name="asked", api_version=1, factory="", capabilities=Capabilities.of(no="tools")
    )
    provider = AskedProvider(spec, ProviderSettings(provider="asked"))
    hooks = registry_of(monkeypatch, changed_to(tools=({"name": "f"},))).hooks
    error = error_of(read("sync", Model(provider, "m", hooks=hooks)))
    assert error.kind == "plugin"
    assert provider.asked == []
