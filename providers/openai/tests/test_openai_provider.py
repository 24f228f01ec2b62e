"""What OpenAI is sent: its own names for things, its headers, and the key in one place only."""

from typing import Any

import pytest
from pydantic import SecretStr

import streamkit_openai
from streamkit.errors import ConfigurationError
from streamkit.messages import Message, ReasoningPart
from streamkit.provider import HTTPCall
from streamkit.request import build_request
from streamkit.settings import resolve_settings
from streamkit_openai.provider import OpenAIProvider

CANARY = "sk-canary-0123456789"
(SPEC,) = streamkit_openai.streamkit_providers()


def openai(environment: dict[str, str] | None = None, **settings: Any) -> OpenAIProvider:
    known = {"OPENAI_API_KEY": CANARY} if environment is None else environment
    return OpenAIProvider(SPEC, resolve_settings(SPEC, environment=known, **settings))


def call(messages: Any = "Hello", **settings: Any) -> HTTPCall:
    return openai().request(build_request("gpt-5", messages, **settings))


def test_the_factory_names_the_provider_class() -> None:
    assert SPEC.factory == f"{OpenAIProvider.__module__}:{OpenAIProvider.__name__}"


def test_the_service_s_own_address_is_the_default() -> None:
    assert openai().base_url == "https://api.openai.com/v1"


def test_the_environment_gives_key_address_organization_and_project() -> None:
    provider = openai(
        {
            "OPENAI_API_KEY": CANARY,
            "OPENAI_BASE_URL": "https://proxy.example/v1/",
            "OPENAI_ORG_ID": "org-1",
            "OPENAI_PROJECT_ID": "proj_1",
        }
    )
    assert provider.base_url == "https://proxy.example/v1"
    assert provider.request_headers() == {
        "Authorization": f"Bearer {CANARY}",
        "OpenAI-Organization": "org-1",
        "OpenAI-Project": "proj_1",
    }


def test_an_argument_wins_over_the_environment() -> None:
    provider = openai(
        {"OPENAI_API_KEY": "sk-canary-other", "OPENAI_ORG_ID": "org-1"},
        api_key=SecretStr(CANARY),
        options={"organization": "org-2"},
    )
    assert provider.request_headers() == {
        "Authorization": f"Bearer {CANARY}",
        "OpenAI-Organization": "org-2",
    }


def test_without_a_key_there_is_no_provider() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        openai({})


def test_the_key_stands_in_one_header_and_nowhere_else() -> None:
    sent = call()
    assert sent.headers == {"Authorization": f"Bearer {CANARY}"}
    assert CANARY not in f"{sent.path} {sent.json}"
    assert CANARY not in f"{openai().settings!r} {openai()!r}"


def test_the_token_limit_is_the_one_that_reasoning_models_accept() -> None:
    body = call(max_tokens=7).json or {}
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body


def test_reasoning_of_the_history_is_not_sent() -> None:
    history = [Message.user("Hi"), Message.assistant(ReasoningPart(text="Hm"), "Hello"), "More"]
    messages = [Message.user(each) if isinstance(each, str) else each for each in history]
    assert (call(messages).json or {})["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "More"},
    ]
