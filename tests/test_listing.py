"""Lists of models over a real connection: what a service offers, and what is known without it."""

import functools
import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

import anyio
import pytest

import streamkit
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.listing import list_models, list_models_sync, show_model, show_model_sync
from streamkit.plugin import Capability
from streamkit.provider import ModelInfo
from tests.bad_input import KEY, every_way
from tests.closing import LIMIT_S, client_sockets, open_client, open_sync_client, until
from tests.listings import (
    JSON,
    LISTS,
    Script,
    answer,
    ask,
    every_provider,
    everything_of,
    refused,
    whole,
)
from tests.loopback import Hold, chunk, head, serving

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
