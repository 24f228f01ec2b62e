"""Proxies, those of the environment and those that are given; and cookies, which are not kept."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

import streamkit
from streamkit import Model, Network
from streamkit.transport import clients
from tests.bad_input import end_of, error_of, every_way, read_server
from tests.http_clients import every_family
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


@every_way
@every_family
def test_the_proxy_of_a_given_client_is_used(server: LoopbackServer, way: str, family: Any) -> None:
    chunks = read_server(way, ELSEWHERE, family, client_options={"proxy": server.url})
    assert end_of(chunks).finish_reason == "stop"
    assert all(each.startswith(b"POST http://service.invalid/v1/") for each in server.requests)


@every_way
@every_family
def test_a_proxy_that_refuses_is_no_answer(way: str, family: Any) -> None:
    tunnel = [b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n"]
    with serving(tunnel) as proxy:
        options = {"proxy": proxy.url}
        chunks = read_server(way, "https://service.invalid/v1", family, client_options=options)
        assert [each.split(b"\r\n")[0] for each in proxy.requests] == [
            b"CONNECT service.invalid:443 HTTP/1.1"
        ]
    error = error_of(chunks)
    assert error.kind == "connection"
    assert "proxy refused" in error.message
