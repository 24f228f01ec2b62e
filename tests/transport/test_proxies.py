"""Proxies, those of the environment and those that are given; and cookies, which are not kept."""

from collections.abc import Iterator

import anyio
import pytest

import streamkit
from streamkit import Model, Network
from streamkit.transport import clients
from tests.loopback import END, LoopbackServer, chunk, head, serving

KEY = "sk-canary-0123456789abcdef"
SCRIPT = (
    head(200, "text/event-stream", "set-cookie: session=canary"),
    chunk(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'),
    chunk(b"data: [DONE]\n\n"),
    END,
)
ELSEWHERE = "http://service.invalid/v1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    # The process's own client is made for one environment; these tests change it.
    monkeypatch.setattr(clients, "_SYNC_CLIENTS", {})
    with serving(SCRIPT) as running:
        yield running
    for client in clients._SYNC_CLIENTS.values():
        client.close()


def ask(base_url: str, network: Network | None = None) -> list[str]:
    """What is said in synchronous code, in asyncio and in trio."""

    def model() -> Model:
        return streamkit.get_model("openai/m", api_key=KEY, base_url=base_url, network=network)

    async def in_async() -> str:
        return (await model().generate("Hi")).text

    return [
        model().generate_sync("Hi").text,
        anyio.run(in_async),
        anyio.run(in_async, backend="trio"),
    ]


def test_a_proxy_of_the_environment_is_used_for_the_network(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert ask(ELSEWHERE) == ["Hi"] * 3
    assert all(each.startswith(b"POST http://service.invalid/v1/") for each in server.requests)


def test_loopback_is_reached_without_the_environments_proxy(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert ask(server.url) == ["Hi"] * 3


def test_a_proxy_that_is_given_is_used(server: LoopbackServer) -> None:
    assert ask(ELSEWHERE, Network(proxy=server.url)) == ["Hi"] * 3
    assert all(each.startswith(b"POST http://service.invalid/v1/") for each in server.requests)


def test_the_environment_is_left_alone_when_it_is_not_trusted(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    model = streamkit.get_model(
        "openai/m", api_key=KEY, base_url=ELSEWHERE, network=Network(trust_env=False)
    )
    with pytest.raises(streamkit.ConnectionFailedError, match="cannot be resolved"):
        model.generate_sync("Hi")
    assert server.requests == []


def test_no_cookie_of_one_request_goes_along_with_the_next(server: LoopbackServer) -> None:
    assert ask(server.url) == ["Hi"] * 3
    assert ask(server.url) == ["Hi"] * 3
    assert not any(b"cookie" in each.lower() for each in server.requests)
