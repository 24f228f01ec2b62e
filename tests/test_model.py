"""What is known without asking anybody is refused when a model or a stream is made."""

import json
import logging
import time
from typing import Any

import pytest

import streamkit
from streamkit import ConfigurationError, Message, Model, Network
from streamkit.chunks import EndChunk, ErrorChunk, chunk_to_json
from streamkit.making import make_provider
from streamkit.plugin import Capabilities, EnvVar, ProviderSpec
from streamkit.provider import HTTPProvider, ProviderSettings
from streamkit.testing import Answer, ManualClock, MemoryTransport, Pause, Reply, ScriptedModel
from streamkit.transport.http import HTTPTransport
from tests.closing import TextProvider
from tests.compatible_servers import compatible

KEY = "sk-canary-abc/def+0123456789"
WHOLE = (
    b'data: {"id":"%s","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


@pytest.mark.parametrize(
    "arguments",
    [
        {"timeouts": 30},
        {"timeouts": {"total": 5}},
        {"defaults": 5},
        {"network": "http://127.0.0.1:8080"},
        {"http_client": object()},
        {"base_url": 5},
        {"http_client": 5, "network": Network()},
    ],
)
def test_an_argument_of_the_wrong_type_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        streamkit.get_model("openai/any", api_key=KEY, **arguments)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"timeout": 3},
            "no setting 'timeout'. Did you mean `timeouts`? `timeouts` is an argument",
        ),
        (
            {"http_clients": 3},
            "Did you mean `http_client`? `http_client` is an argument of its own",
        ),
        (
            {"max_tokens": 5},
            (
                "no setting 'max_tokens'. `max_tokens` goes into the call, such as "
                "stream(…, max_tokens=…), or into defaults={…}. It takes: "
            ),
        ),
        ({"max_token": 5}, "Did you mean `max_tokens`? `max_tokens` goes into the call"),
        ({"zone": 5}, "no setting 'zone'. It takes: "),
    ],
)
def test_what_is_no_setting_of_a_provider_is_told_with_where_it_goes(
    given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        streamkit.get_model("openai/any", api_key=KEY, **given)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ((), "`text` has no base URL. Pass base_url=…; the plug-in's own is the base_url of its "),
        ((EnvVar("TEXT_URL", "base_url"),), "Pass base_url=… or set TEXT_URL; the plug-in's own"),
    ],
)
def test_a_missing_address_is_told_when_the_model_is_made(
    variables: tuple[EnvVar, ...], says: str
) -> None:
    spec = ProviderSpec(name="text", api_version=1, factory="a:A", needs_key=False, env=variables)
    with pytest.raises(ConfigurationError) as caught:
        make_provider(spec, lambda: TextProvider)
    assert says in str(caught.value)


def test_a_provider_may_learn_its_address_later() -> None:
    class Late(TextProvider):
        @property
        def base_url(self) -> str:
            return ""

    spec = ProviderSpec(name="text", api_version=1, factory="a:A", needs_key=False)
    assert isinstance(make_provider(spec, lambda: Late), Late)


@pytest.mark.parametrize("ref", [5, None, b"openai/gpt"])
def test_a_reference_that_is_no_text_is_refused(ref: Any) -> None:
    with pytest.raises(ConfigurationError, match="provider/model"):
        streamkit.get_model(ref)


@pytest.mark.parametrize("settings", [{"model": "other"}, {"nonsense": 1}])
def test_a_setting_that_is_none_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        streamkit.get_model("echo/echo").stream("Hi", **settings)


def of_capabilities(capabilities: Capabilities) -> Model:
    provider = compatible()
    provider.spec = ProviderSpec(
        name="acme", api_version=1, factory="a:A", capabilities=capabilities
    )
    return Model(provider, "m", transport=MemoryTransport([]))


@pytest.mark.parametrize(
    ("capability", "request_"),
    [
        ("tools", {"tools": [{"name": "f"}]}),
        ("parallel_tools", {"tools": [{"name": "f"}], "parallel_tool_calls": True}),
        ("json_schema", {"output_schema": {"type": "object"}}),
        ("logprobs", {"logprobs": 0}),
        ("non_stream", {"stream": False}),
        ("prefill", {"messages": [Message.user("Hi"), Message.assistant("He")]}),
    ],
)
def test_a_sure_no_is_refused_and_the_unknown_passes(
    capability: str, request_: dict[str, Any]
) -> None:
    messages = request_.pop("messages", "Hi")
    of_capabilities(Capabilities()).stream(messages, **request_)
    with pytest.raises(ConfigurationError, match="cannot do what the request asks for"):
        of_capabilities(Capabilities.of(no=capability)).stream(messages, **request_)


def test_an_answer_in_one_piece_comes_as_the_same_chunks() -> None:
    body = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    transport = MemoryTransport([Reply(body)])
    model = Model(compatible(), "m", transport=transport)
    assert model.generate_sync("Hello", stream=False).text == "Hi"
    assert b'"stream":false' in (transport.requests[0].body or b"")


def test_a_scripted_model_does_not_mind_how_long_the_machine_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + 4_000_000)
    assert ScriptedModel([Answer(text="Hi")]).generate_sync("Hello").text == "Hi"


def test_a_scripted_pause_passes_on_the_transports_own_clock() -> None:
    transport = MemoryTransport([Reply([Pause(0.5), WHOLE])])
    last = list(Model(compatible(), "m", transport=transport).stream("Hello"))[-1]
    assert isinstance(last, EndChunk)
    assert last.ttfc_ms == 500


def test_a_clock_of_ones_own_over_a_network_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the machine's clock counts"):
        Model(compatible(), "m", transport=HTTPTransport(), clock=ManualClock())


def test_a_callable_key_that_raises_is_the_callers_and_says_nothing_of_its_own() -> None:
    def from_vault() -> str:
        raise RuntimeError("vault at secret-host-7 is sealed")

    model = streamkit.get_model("openai/any", api_key=from_vault)
    last = list(model.stream("Hi"))[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "configuration"
    assert "RuntimeError" in last.error.message
    assert "secret-host-7" not in chunk_to_json(last)


# Of no known shape: only its value tells it.
PLAIN_KEY = "canary/abc+0123456789xyz"


@pytest.mark.parametrize(
    "form", [PLAIN_KEY, PLAIN_KEY.replace("/", "\\/"), "canary%2Fabc%2B0123456789xyz"]
)
def test_a_key_said_back_in_any_place_and_form_is_hidden(form: str) -> None:
    said = json.dumps(f"no {form}").encode()
    failure = b'data: {"error":{"message":%s,"code":"x"}}\n\n' % said
    fact = b'data: {"choices":[],"citations":[%s]}\n\n' % said
    transport = MemoryTransport([Reply(fact + WHOLE % PLAIN_KEY.encode()), Reply(failure)])
    model = Model(compatible(key=PLAIN_KEY), "m", transport=transport)
    answered, failed = (
        "".join(chunk_to_json(chunk) for chunk in model.stream("Hi")) for _ in range(2)
    )
    for shown in (answered, failed):
        assert json.dumps(form)[1:-1] not in shown
        assert "[redacted]" in shown
    assert "citations" in answered


def test_a_secret_setting_of_a_provider_is_hidden() -> None:
    class Acme(HTTPProvider):
        def request(self, request: Any) -> Any:
            raise streamkit.ProviderError("unknown", "refused with s3cret-canary-tenant")

        def decode(self, frame: Any, emit: Any) -> None:
            raise AssertionError

    env = (EnvVar("ACME_TENANT", "tenant", secret=True),)
    spec = ProviderSpec(name="acme", api_version=1, factory="a:A", env=env, needs_key=False)
    settings = ProviderSettings(
        provider="acme", base_url="http://localhost", options={"tenant": "s3cret-canary-tenant"}
    )
    last = list(Model(Acme(spec, settings), "m", transport=MemoryTransport([])).stream("Hi"))[-1]
    assert "s3cret-canary-tenant" not in chunk_to_json(last)


def test_a_password_of_a_proxy_and_a_plain_key_stand_in_no_repr() -> None:
    assert "canary" not in repr(Network(proxy="http://user:canary@127.0.0.1:1"))
    settings = ProviderSettings(provider="acme", api_key="sk-canary-plain-text")  # type: ignore[arg-type]
    assert "canary" not in repr(settings)
    assert settings.reveal_key() == "sk-canary-plain-text"


@pytest.mark.parametrize(
    "network", [Network(ca_file="/nowhere/ca.pem"), Network(proxy="gopher://127.0.0.1")]
)
def test_a_client_that_cannot_be_made_is_a_configuration_error(network: Network) -> None:
    model = streamkit.get_model(
        "openai/any", api_key=KEY, base_url="https://127.0.0.1:1", network=network
    )
    last = list(model.stream("Hi"))[-1]
    assert isinstance(last, ErrorChunk)
    assert (last.error.kind, last.error.retryable) == ("configuration", False)
    assert "`proxy` and `ca_file`" in last.error.message


@pytest.mark.parametrize("body", [b"Internal Server Error", b'"oops"', b'[{"error":"oops"}]'])
def test_what_a_body_without_an_answer_said_is_told_to_developers(body: bytes) -> None:
    model = Model(compatible(), "m", transport=MemoryTransport([Reply(body)]))
    last = list(model.stream("Hi"))[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.kind in {"truncated", "protocol"}
    assert body.decode() in (last.error.detail or "")


def test_a_failure_to_connect_says_where() -> None:
    model = streamkit.get_model("openai/any", api_key=KEY, base_url="http://127.0.0.1:1/v1")
    last = list(model.stream("Hi"))[-1]
    assert isinstance(last, ErrorChunk)
    assert "POST http://127.0.0.1:1/v1/chat/completions" in (last.error.detail or "")


def test_the_log_tells_facts_and_not_what_the_service_quoted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = b'{"error":{"message":"your prompt my-private-words is refused"}}'
    model = Model(compatible(), "m", transport=MemoryTransport([Reply(body, status=400)]))
    with caplog.at_level(logging.WARNING, logger="streamkit"):
        list(model.stream("Hi"))
    assert "invalid_request (status 400)" in caplog.text
    assert "my-private-words" not in caplog.text
