"""Where an Ollama server is, and which key it may see."""

import os
import subprocess
import sys
from typing import Any, Final

import pytest
from pydantic import SecretStr

import streamkit_ollama
from streamkit.request import build_request
from streamkit.settings import resolve_settings
from streamkit_ollama.provider import OllamaProvider

CANARY: Final = "sk-canary-0123456789"
(SPEC,) = streamkit_ollama.streamkit_providers()


def ollama(environment: dict[str, str] | None = None, **settings: Any) -> OllamaProvider:
    return OllamaProvider(SPEC, resolve_settings(SPEC, environment=environment or {}, **settings))


def key_sent(provider: OllamaProvider) -> bool:
    """Whether the key goes out, in its one header, with every call alike."""
    calls = [
        provider.request(build_request("qwen3", "Hello")),
        provider.list_models(),
        provider.show_model("qwen3"),
    ]
    sent = {call.headers.get("Authorization") for call in calls if call is not None}
    assert len(calls) == 3
    assert sent in ({None}, {f"Bearer {CANARY}"})
    return sent != {None}


def test_the_factory_names_the_provider_class() -> None:
    assert SPEC.factory == f"{OllamaProvider.__module__}:{OllamaProvider.__name__}"


def test_without_any_setting_this_machine_is_asked_without_a_key() -> None:
    provider = ollama()
    assert provider.base_url == "http://127.0.0.1:11434"
    assert not key_sent(provider)


@pytest.mark.parametrize(
    "url", ["https://ollama.com", "https://ollama.com:443/", "https://api.ollama.com"]
)
def test_the_key_of_the_cloud_is_sent_to_the_cloud(url: str) -> None:
    assert key_sent(ollama({"OLLAMA_API_KEY": CANARY}, base_url=url))
    assert key_sent(ollama({"OLLAMA_API_KEY": CANARY, "OLLAMA_HOST": url}))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434",
        "http://ollama.com",
        "https://ollama.com.evil.example",
        "https://notollama.com",
        "https://ollama.com@evil.example",
        "https://proxy.example/ollama.com",
    ],
)
def test_the_key_of_the_cloud_is_sent_nowhere_else(url: str) -> None:
    assert not key_sent(ollama({"OLLAMA_API_KEY": CANARY}, base_url=url))
    assert not key_sent(ollama({"OLLAMA_API_KEY": CANARY, "OLLAMA_HOST": url}))


def test_a_key_of_a_plug_in_counts_as_one_of_the_cloud() -> None:
    def ask(provider: str, setting: str) -> tuple[str, str] | None:
        return (CANARY, "the plug-in vault")

    assert not key_sent(ollama(ask_secret=ask))
    assert key_sent(ollama(ask_secret=ask, base_url="https://ollama.com"))


def test_a_key_that_is_given_for_a_server_is_sent_to_it() -> None:
    assert key_sent(ollama(api_key=CANARY, base_url="https://proxy.example"))
    assert key_sent(ollama(api_key=SecretStr(CANARY)))
    table = {"base_url": "https://proxy.example", "api_key": CANARY}
    assert key_sent(ollama(table=table, table_place="the config file x, table [providers.ollama]"))


def test_the_key_stands_in_one_header_and_nowhere_else() -> None:
    provider = ollama({"OLLAMA_API_KEY": CANARY}, base_url="https://ollama.com")
    sent = provider.request(build_request("gpt-oss:120b", "Hello"))
    assert CANARY not in f"{sent!r} {sent.path} {sent.json} {provider!r} {provider.settings!r}"


def test_describing_the_provider_imports_no_http_client_and_no_pydantic() -> None:
    program = (
        "import sys, streamkit_ollama\n"
        "(spec,) = streamkit_ollama.streamkit_providers()\n"
        "spec.env[0].parse('localhost')\n"
        "heavy = {'anyio', 'asyncio', 'httpx', 'pydantic', 'streamkit.provider'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    environment = {"PATH": os.environ.get("PATH", "")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
