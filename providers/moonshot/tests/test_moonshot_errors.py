"""What Moonshot's failures mean: the three meanings of 429, keys, contexts, paths, gateways."""

import json
from typing import Any

import pytest

import streamkit_moonshot
from streamkit.errors import ProviderError
from streamkit.provider import Emitter, Frame
from streamkit.settings import resolve_settings
from streamkit_moonshot.provider import MoonshotProvider
from tests.wire_recordings import recordings_folder, recordings_of

(SPEC,) = streamkit_moonshot.streamkit_providers()
ACCOUNT = "org-00000000000000000000000000000000<ak-000000000000000000000000000000>"


def moonshot(**settings: Any) -> MoonshotProvider:
    known = {"MOONSHOT_API_KEY": "sk-canary-0123456789"}
    return MoonshotProvider(SPEC, resolve_settings(SPEC, environment=known, **settings))


def classified(
    status: int, type: str, message: str = "It failed.", **settings: Any
) -> ProviderError:
    body = json.dumps({"error": {"message": message, "type": type}}).encode()
    return moonshot(**settings).classify(status, {"content-type": "application/json"}, body)


@pytest.mark.parametrize(
    ("type", "kind", "retryable"),
    [
        ("rate_limit_reached_error", "rate_limit", True),
        ("engine_overloaded_error", "overloaded", True),
        ("exceeded_current_quota_error", "quota", False),
    ],
)
def test_the_type_tells_the_three_meanings_of_429_apart(
    type: str, kind: str, retryable: bool
) -> None:
    error = classified(429, type)
    assert (error.kind, error.retryable, error.provider_code) == (kind, retryable, type)
    assert error.retry_after_s is None


def test_the_recorded_rate_limit_says_how_long_to_wait_and_who_answered() -> None:
    recordings_folder()
    recording = next(
        each for each in recordings_of("moonshot-chat") if each.name.endswith("429-rate-limit")
    )
    error = moonshot().classify(recording.status, recording.headers, recording.body)
    assert (error.kind, error.retry_after_s) == ("rate_limit", 1.0)
    assert error.request_id == recording.headers["msh-request-id"]
    assert error.evidence == "status 429, type rate_limit_reached_error"
    assert "rate_limit_reached_error" in (error.detail or "")
    assert b"org-0" in recording.body
    shown = f"{error} {error!r} {error.detail} {error.args}"
    assert "org-0" not in shown
    assert "ak-0" not in shown
    assert "request reached organization max RPM: 3" in error.message


@pytest.mark.parametrize(
    ("status", "type", "kind"),
    [
        (400, "invalid_request_error", "invalid_request"),
        (400, "content_filter", "content_filter"),
        (401, "invalid_authentication_error", "authentication"),
        (401, "incorrect_api_key_error", "authentication"),
        (403, "permission_denied_error", "permission"),
        (403, "exceeded_current_quota_error", "quota"),
        (404, "resource_not_found_error", "not_found"),
        (499, "client_closed_request", "provider"),
        (500, "server_error", "provider"),
        (500, "unexpected_output", "provider"),
        (503, "server_unavailable", "overloaded"),
    ],
)
def test_a_documented_failure_has_its_kind(status: int, type: str, kind: str) -> None:
    assert classified(status, type).kind == kind


def test_kimi_code_without_a_membership_is_a_quota() -> None:
    assert classified(402, "", base_url="https://api.kimi.com/coding/v1").kind == "quota"


@pytest.mark.parametrize(
    "message",
    [
        "Invalid request: Your request exceeded model token limit : 8192 (requested: 9000)",
        "Input token length too long",
    ],
)
def test_a_full_context_is_known_by_its_message_alone(message: str) -> None:
    error = classified(400, "invalid_request_error", message)
    assert (error.kind, error.retryable) == ("context_overflow", False)
    assert error.message == message


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({}, 'region="cn"'),
        ({"options": {"region": "cn"}}, 'region="international"'),
        ({"base_url": "https://api.kimi.com/coding/v1"}, "Kimi Code takes its own keys"),
    ],
)
def test_a_refused_key_is_told_of_the_other_platform(settings: dict[str, Any], hint: str) -> None:
    error = classified(401, "invalid_authentication_error", "Invalid Authentication", **settings)
    assert error.message.startswith("Invalid Authentication. ")
    assert hint in error.message


def test_a_refused_key_at_another_address_has_no_hint() -> None:
    error = classified(
        401,
        "invalid_authentication_error",
        "Invalid Authentication",
        base_url="https://proxy.example/v1",
    )
    assert error.message == "Invalid Authentication"


def test_a_path_that_does_not_exist_says_what_the_base_url_lacks() -> None:
    payload = {
        "code": 5,
        "error": "url.not_found",
        "message": "没找到对象",
        "method": "POST",
        "scode": "0x5",
        "status": False,
    }
    body = json.dumps(payload, ensure_ascii=False).encode()
    error = moonshot(base_url="https://api.moonshot.ai").classify(404, {}, body)
    assert error.kind == "not_found"
    assert error.message.startswith("没找到对象. ")
    assert "its base URL ends in /v1" in error.message


def test_another_404_has_no_hint() -> None:
    error = classified(404, "resource_not_found_error", "Not found the model x")
    assert error.message == "Not found the model x"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("account org-abc<ak-xyz> over", "account [redacted]<[redacted]> over"),
        ("account org-a<ak-b over", "account [redacted]<[redacted] over"),
        ("account org-a <ak-b>", "account [redacted] <[redacted]>"),
        (f"account {ACCOUNT} over", "account [redacted]<[redacted]> over"),
        (f"account org-abc{ACCOUNT[36:]}", "account [redacted]<[redacted]>"),
        ("account org-7 over", "account [redacted] over"),
        ("key ak-x1", "key [redacted]"),
        ("the org-wide limit of org-owners", "the org-wide limit of org-owners"),
        ("soy milk<oak-milk>, a break-1", "soy milk<oak-milk>, a break-1"),
    ],
)
def test_account_ids_of_any_length_are_hidden_and_words_are_not(said: str, shown: str) -> None:
    assert classified(429, "engine_overloaded_error", said).message == shown


def test_account_ids_are_hidden_in_a_body_that_is_no_json() -> None:
    body = rb'error: {"message":"account org-abc\u003cak-xyz\u003e"}'
    error = moonshot().classify(500, {}, body)
    assert "abc" not in f"{error.message} {error.detail}"
    assert "xyz" not in f"{error.message} {error.detail}"


def test_the_page_of_a_gateway_is_a_failure_worth_another_try() -> None:
    page = b"<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>"
    error = moonshot().classify(504, {"content-type": "text/html"}, page)
    assert (error.kind, error.retryable) == ("provider", True)
    assert "504 Gateway Time-out" in error.message


def test_what_the_service_says_of_another_try_counts() -> None:
    body = b'{"error":{"message":"It failed.","type":"server_error"}}'
    assert moonshot().classify(500, {}, body).retryable
    assert not moonshot().classify(500, {"x-should-retry": "false"}, body).retryable


def test_an_error_inside_the_answer_is_raised_without_the_account() -> None:
    payload = {
        "error": {
            "message": f"Your account {ACCOUNT}: the engine is currently overloaded",
            "type": "engine_overloaded_error",
        }
    }
    with pytest.raises(ProviderError) as caught:
        moonshot().decode(Frame(json.dumps(payload).encode()), Emitter())
    error = caught.value
    assert (error.kind, error.retryable) == ("overloaded", True)
    assert "org-0" not in f"{error} {error.detail} {error.args} {error.__context__!r}"
