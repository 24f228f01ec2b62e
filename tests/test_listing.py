"""Lists of models over a real connection: what a service offers, and how each failure is told."""

import functools
import json
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Final

import anyio
import pytest

import streamkit
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.listing import list_models, list_models_sync, show_model, show_model_sync
from streamkit.plugin import Capabilities, Capability
from streamkit.provider import Frame, HTTPCall, HTTPProvider, ModelInfo
from streamkit.request import ChatRequest
from streamkit.settings import Timeouts
from tests.bad_input import KEY, every_way
from tests.closing import (
    LIMIT_S,
    TextProvider,
    client_sockets,
    open_client,
    open_sync_client,
    until,
)
from tests.hooked import registry_of, use
from tests.loopback import END, Action, Close, Hold, LoopbackServer, Repeat, chunk, head, serving

JSON: Final = "application/json"
LISTS: Final[dict[str, tuple[str, Any]]] = {
    "openai": ("GET /models ", {"object": "list", "data": [{"id": "one"}, {"id": "two"}]}),
    "moonshot": ("GET /models ", {"object": "list", "data": [{"id": "one"}, {"id": "two"}]}),
    "ollama": ("GET /api/tags ", {"models": [{"name": "one"}, {"name": "two"}]}),
}
every_provider = pytest.mark.parametrize("name", LISTS)

Script = Iterable[Action]


def answer(payload: Any, status: int = 200, *lines: str) -> Script:
    """A whole answer; bytes are its body as they are."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return (head(status, JSON, *lines) + (chunk(body) if body else b"") + END,)


def whole(name: str = "openai") -> Script:
    return answer(LISTS[name][1])


def ask(
    way: str,
    server: LoopbackServer | str,
    name: str = "openai",
    what: str = "list_models",
    **access: Any,
) -> Any:
    """Asks a server in one of the three ways."""
    url = server if isinstance(server, str) else server.url
    access = {"base_url": url, "api_key": KEY, **access}
    if way == "sync":
        return getattr(streamkit, f"{what}_sync")(name, **access)

    async def asked() -> Any:
        with anyio.fail_after(LIMIT_S):
            return await getattr(streamkit, what)(name, **access)

    return anyio.run(asked, backend=way)


def refused(way: str, server: LoopbackServer | str, *args: str, **access: Any) -> ProviderError:
    """The error that asking ends in, which shows the key to nobody."""
    with pytest.raises(ProviderError) as caught:
        ask(way, server, *args, **access)
    assert not [text for text in everything_of(caught.value) if KEY in text]
    return caught.value


def everything_of(error: BaseException) -> Iterator[str]:
    """All that somebody might print or log of an exception and of what led to it."""
    yield from traceback.format_exception(error)
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None:
            yield f"{each!r} {each!s} {vars(each)}"
            pending += [each.__cause__, each.__context__]


# What a service offers.


@every_way
@every_provider
def test_a_service_lists_its_models(way: str, name: str) -> None:
    with serving(whole(name)) as server:
        models = ask(way, server, name)
        (request,) = server.requests
    assert [model.id for model in models] == ["one", "two"]
    assert all(isinstance(model, ModelInfo) for model in models)
    assert request.decode().startswith(LISTS[name][0])
    assert f"authorization: bearer {KEY}".encode() in request.lower()


@every_way
def test_a_service_without_models_lists_none(way: str) -> None:
    with serving(answer({"data": []})) as server:
        assert ask(way, server) == []


SHOWN = {
    "model_info": {"general.architecture": "llama", "llama.context_length": 8192},
    "capabilities": ["completion", "tools"],
}


@every_way
def test_a_service_tells_of_one_model(way: str) -> None:
    with serving(answer(SHOWN)) as server:
        model = ask(way, server, "ollama/llama-test:8b", "show_model")
        (request,) = server.requests
    assert (model.id, model.context_window) == ("llama-test:8b", 8192)
    assert model.capabilities.tools is Capability.YES
    assert request.startswith(b"POST /api/show ")
    assert json.loads(request.partition(b"\r\n\r\n")[2]) == {"model": "llama-test:8b"}


@every_way
def test_a_model_that_the_service_does_not_know_is_not_found(way: str) -> None:
    with serving(answer({"error": "model 'nope' not found"}, 404)) as server:
        assert refused(way, server, "ollama/nope", "show_model").kind == "not_found"


@every_way
def test_a_redirect_within_the_service_is_followed(way: str) -> None:
    with serving(answer(b"", 308, "location: /models/?all=1"), whole()) as server:
        assert len(ask(way, server)) == 2
        assert server.requests[1].startswith(b"GET /models/?all=1 ")


# Connections.


def test_the_connection_of_a_list_is_used_again() -> None:
    with serving(whole()) as server, open_sync_client() as client:
        for _ in range(3):
            ask("sync", server, http_client=client)
        assert len(server.connections) == 1


@pytest.mark.anyio
async def test_the_connection_of_an_asynchronous_list_is_used_again() -> None:
    with serving(whole()) as server:
        async with open_client() as client:
            for _ in range(3):
                await list_models("openai", api_key=KEY, base_url=server.url, http_client=client)
        assert len(server.connections) == 1


@every_way
def test_the_connection_of_an_error_that_was_read_whole_is_used_again(way: str) -> None:
    async def twice() -> None:
        async with open_client() as client:
            for _ in range(2):
                with pytest.raises(ProviderError):
                    await list_models(
                        "openai", api_key=KEY, base_url=server.url, http_client=client
                    )

    with serving(answer({"error": {"message": "no"}}, 500)) as server:
        if way == "sync":
            with open_sync_client() as client:
                refused(way, server, http_client=client)
                refused(way, server, http_client=client)
        else:
            anyio.run(twice, backend=way)
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    "script", [(Hold(),), (head(200, JSON) + chunk(b'{"data": ['), Hold())], ids=["head", "body"]
)
@pytest.mark.anyio
async def test_a_list_that_is_cancelled_closes_its_connection(script: Script) -> None:
    with serving(script) as server:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                asking = functools.partial(list_models, api_key=KEY, base_url=server.url)
                group.start_soon(asking, "openai")
                await until(lambda: bool(server.requests))
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
        assert server.connections[0].gone.wait(1.0)
        assert client_sockets(server) == 0


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


def test_how_long_to_wait_is_told_also_where_the_provider_does_not_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, broken("classify", ProviderError("overloaded", "Busy.")))
    with serving(answer(b"busy", 503, "retry-after: 7")) as server:
        assert refused("sync", server, "fake").retry_after_s == 7.0


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
        assert server.connections[0].gone.wait(LIMIT_S)
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


# Failures that are known without asking.


@pytest.mark.parametrize("what", ["list_models", "show_model"])
@every_way
def test_a_provider_without_a_service_does_not_list_models(way: str, what: str) -> None:
    name = "echo" if what == "list_models" else "echo/echo"
    with pytest.raises(
        ProviderError, match=r"`echo` does not (list|describe) its models"
    ) as caught:
        ask(way, "http://127.0.0.1:1", name, what, base_url=None, api_key=None)
    assert caught.value.kind == "unsupported"


@every_way
def test_a_service_that_describes_no_single_model_says_so(way: str) -> None:
    with serving(whole()) as server:
        assert refused(way, server, "openai/one", "show_model").kind == "unsupported"
        assert server.connections == []


WRONG: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "no such provider": ("opneai", {}, "No provider `opneai` is installed"),
    "no name": ("", {}, "is installed"),
    "a setting that there is not": ("openai", {"apikey": KEY}, "has no setting 'apikey'"),
    "no key": ("openai", {"api_key": " "}, "is empty"),
    "no address": ("openai", {"base_url": "models"}, "must start with http"),
    "no client": ("openai", {"http_client": 5}, "httpx's shape"),
    "two ways": ("openai", {"http_client": 5, "network": streamkit.Network()}, "Give either"),
    "no network": ("openai", {"network": "http://127.0.0.1"}, "`network` must be Network"),
    "no timeouts": ("openai", {"timeouts": 5}, "`timeouts` must be Timeouts"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_argument_is_refused_before_anything_is_sent(what: str) -> None:
    name, access, says = WRONG[what]
    for way in ("sync", "asyncio"):
        with serving(whole()) as server:
            with pytest.raises(ConfigurationError, match=says) as caught:
                ask(way, server, name, **access)
            assert server.connections == []
        assert KEY not in repr(caught.value)


@pytest.mark.anyio
async def test_a_client_of_the_wrong_kind_is_refused() -> None:
    with open_sync_client() as client, pytest.raises(ConfigurationError, match="AsyncClient"):
        await list_models("openai", api_key=KEY, http_client=client)
    async with open_client() as client:
        with pytest.raises(ConfigurationError, match="a Client"):
            list_models_sync("openai", api_key=KEY, http_client=client)


def test_a_callable_that_gives_no_key_is_told_without_what_it_raised() -> None:
    def give() -> str:
        raise ValueError(KEY)

    with pytest.raises(ConfigurationError, match="raised ValueError") as caught:
        list_models_sync("openai", api_key=give, base_url="http://127.0.0.1:1")
    assert not [text for text in everything_of(caught.value) if KEY in text]


# Providers.


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


# The same for all four.

FOUR: Final[dict[str, Callable[..., Any]]] = {
    "list_models": list_models,
    "list_models_sync": list_models_sync,
    "show_model": show_model,
    "show_model_sync": show_model_sync,
}


@pytest.mark.parametrize("name", FOUR)
def test_each_of_them_is_the_packages_own(name: str) -> None:
    assert getattr(streamkit, name) is FOUR[name]


@pytest.mark.anyio
async def test_nothing_is_asked_before_it_is_awaited() -> None:
    with serving(whole()) as server:
        asking: Coroutine[Any, Any, list[ModelInfo]] = list_models(
            "openai", api_key=KEY, base_url=server.url
        )
        await anyio.wait_all_tasks_blocked()
        assert server.connections == []
        assert len(await asking) == 2
