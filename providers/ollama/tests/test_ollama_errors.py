"""What a failed answer of an Ollama server means: every row of its errors, and who is told what."""

from typing import Any, Final

import pytest
from pydantic_core import to_json

import streamkit_ollama
from streamkit.errors import ProviderError
from streamkit.provider import Emitter, Frame
from streamkit.settings import resolve_settings
from streamkit_ollama.decode import decode_line
from streamkit_ollama.provider import OllamaProvider

CANARY: Final = "sk-canary-0123456789"
(SPEC,) = streamkit_ollama.streamkit_providers()
SIGN_IN: Final = "https://ollama.com/connect?name=machine&key=c3NoLWVkMjU1MTk"


def classified(
    status: int, error: object, environment: dict[str, str] | None = None, **more: Any
) -> ProviderError:
    provider = OllamaProvider(SPEC, resolve_settings(SPEC, environment=environment or {}))
    body = error if isinstance(error, bytes) else to_json({"error": error, **more})
    return provider.classify(status, {}, body)


@pytest.mark.parametrize(
    ("status", "text", "kind", "retryable"),
    [
        (400, "missing request body", "invalid_request", False),
        (400, "model is required", "invalid_request", False),
        (400, 'invalid think value: "minimal"', "invalid_request", False),
        (400, '"llama3.2" does not support thinking', "invalid_request", False),
        (400, "registry.ollama.ai/library/x does not support tools", "invalid_request", False),
        # What `truncate: false` brings, from a server of one's own and from the cloud.
        (400, "the input length exceeds the context length", "context_overflow", False),
        (400, "prompt too long; exceeded max context length", "context_overflow", False),
        (401, "unauthorized", "authentication", False),
        (402, "this model requires a subscription", "quota", False),
        (403, "cloud models are disabled", "permission", False),
        (404, "model 'x' not found", "not_found", False),
        (404, 'model "x" not found, try pulling it first', "not_found", False),
        (405, "method not allowed", "invalid_request", False),
        (429, "you have reached your hourly usage limit", "rate_limit", True),
        (499, "request canceled", "provider", True),
        # What is wrong with the request itself has a server's status, and is as wrong again.
        (500, 'option "temperature" must be of type float32', "invalid_request", False),
        (500, 'option "stop" must be of an array of strings', "invalid_request", False),
        (500, "invalid JSON schema in format", "invalid_request", False),
        (
            500,
            'invalid format: "yaml"; expected "json" or a valid JSON Schema object',
            "invalid_request",
            False,
        ),
        (
            500,
            "failed to process inputs: this model is missing data required for image input",
            "invalid_request",
            False,
        ),
        (500, "llama runner process has terminated: exit status 2", "provider", True),
        (500, "model requires more system memory (9 GiB)", "provider", True),
        (502, "upstream unreachable", "provider", True),
        (
            503,
            "server busy, please try again.  maximum pending requests exceeded",
            "overloaded",
            True,
        ),
    ],
)
def test_a_status_and_its_text_give_the_kind(
    status: int, text: str, kind: str, retryable: bool
) -> None:
    error = classified(status, text)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.message.startswith(text)
    assert error.status == status


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"404 page not found", "not_found"),
        (500, b"", "provider"),
        (502, b"<html><title>Bad gateway</title></html>", "provider"),
        (400, to_json({"error": {"message": "bad"}}), "invalid_request"),
        (401, b"\xff\xfe", "authentication"),
        (401, b"[]", "authentication"),
    ],
)
def test_a_body_of_any_shape_gives_the_kind_of_its_status(
    status: int, body: bytes, kind: str
) -> None:
    error = classified(status, body)
    assert error.kind == kind
    assert error.message


def test_a_user_who_must_sign_in_is_told_how() -> None:
    error = classified(401, "unauthorized", signin_url=SIGN_IN)
    assert error.kind == "authentication"
    assert "`ollama signin`" in error.message
    # Whoever opens the address ties the server to an account: it is not for every reader.
    assert SIGN_IN not in error.message
    assert SIGN_IN in (error.detail or "")
    assert "signin_url" in (error.evidence or "")
    assert error.status == 401


def test_a_key_that_was_withheld_is_told_of_where_it_was_missed() -> None:
    environment = {"OLLAMA_API_KEY": CANARY, "OLLAMA_HOST": "https://proxy.example"}
    error = classified(401, "unauthorized", environment, signin_url=SIGN_IN)
    assert "OLLAMA_API_KEY is sent to ollama.com alone" in error.message
    assert "api_key=" in error.message
    assert CANARY not in error.message


def test_a_refused_key_of_the_cloud_is_told_without_a_hint() -> None:
    environment = {"OLLAMA_API_KEY": CANARY, "OLLAMA_HOST": "ollama.com"}
    assert classified(401, "unauthorized", environment).message == "unauthorized"


def test_a_level_that_a_model_does_not_have_is_told_with_the_way_out() -> None:
    error = classified(400, 'think value "low" is not supported for this model')
    assert error.kind == "invalid_request"
    assert error.message.endswith(
        'not supported for this model; extra={"think": True} has no level.'
    )


def test_a_wrong_request_that_is_found_out_in_mid_answer_is_not_sent_again() -> None:
    # A model that thinks is asked for its JSON only after its thinking.
    with pytest.raises(ProviderError) as raised:
        decode_line(Frame(to_json({"error": "invalid JSON schema in format"})), Emitter())
    assert (raised.value.kind, raised.value.retryable) == ("invalid_request", False)
    assert "invalid json schema" in (raised.value.evidence or "")
