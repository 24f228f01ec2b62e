"""What a failed response means: every status and every shape of body that services send."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.classify import classify_response, error_from_payload, request_id_of, retry_after

JSON = {"content-type": "application/json"}


def body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


# Status, body, kind, whether asking again may help.
ANSWERS: list[tuple[int, bytes, str, bool]] = [
    (400, body(message="x", type="invalid_request_error", code=None), "invalid_request", False),
    (400, body(message="x", code="unsupported_parameter"), "invalid_request", False),
    (400, body(message="x", code="context_length_exceeded"), "context_overflow", False),
    (400, body(message="x", type="exceed_context_size_error"), "context_overflow", False),
    (400, body(message="x", code="content_filter", type=None), "content_filter", False),
    (400, body(message="x", type="content_filter"), "content_filter", False),
    (400, body(message="x", code="tool_use_failed"), "tool_use_failed", False),
    (400, body(message="x", code="model_not_found"), "not_found", False),
    (400, b'{"code":"bad","error":"Incorrect API key provided"}', "authentication", False),
    (
        401,
        body(message="x", type="invalid_request_error", code="invalid_api_key"),
        "authentication",
        False,
    ),
    (401, body(message="x", type="api_error"), "authentication", False),
    (401, body(message="x", code="rate_limit_exceeded"), "authentication", False),
    (402, body(message="Insufficient Balance"), "quota", False),
    (402, body(message="x", type="rate_limit_error"), "quota", False),
    (403, body(message="x", type="permission_denied_error"), "permission", False),
    (403, body(message="x", type="exceeded_current_quota_error"), "quota", False),
    (404, body(message="x", code="model_not_found"), "not_found", False),
    (404, b'{"code":5,"error":"url.not_found"}', "not_found", False),
    (405, b"", "invalid_request", False),
    (408, b"", "provider", True),
    (409, body(message="conflict"), "provider", True),
    (410, b"", "not_found", False),
    (413, b"", "invalid_request", False),
    (418, b"", "invalid_request", False),
    (422, b'{"detail":"no"}', "invalid_request", False),
    (429, body(message="x", type="requests", code="rate_limit_exceeded"), "rate_limit", True),
    (429, body(message="x", type="rate_limit_reached_error"), "rate_limit", True),
    (429, body(message="You exceeded your current quota"), "rate_limit", True),
    (429, body(message="x", type="insufficient_quota"), "quota", False),
    (429, body(message="x", code="project_spend_limit_exceeded"), "quota", False),
    (429, body(message="x", type="engine_overloaded_error"), "overloaded", True),
    (499, body(message="x", type="client_closed_request"), "provider", True),
    (500, body(message="x", type="server_error"), "provider", True),
    (501, body(message="x", code=501, type="not_supported_error"), "unsupported", False),
    (502, b"<html><title>502 Bad Gateway</title></html>", "provider", True),
    (503, body(message="Loading model", type="unavailable_error", code=503), "overloaded", True),
    (503, body(message="x", code="slow_down"), "overloaded", True),
    (504, b"<!DOCTYPE html><p>late</p>", "provider", True),
    (529, body(message="x", type="overloaded_error"), "overloaded", True),
    (599, b"", "provider", True),
    (307, b"", "configuration", False),
]


@pytest.mark.parametrize(("status", "answer", "kind", "retryable"), ANSWERS)
def test_a_failed_response_has_its_kind(
    status: int, answer: bytes, kind: str, retryable: bool
) -> None:
    error = classify_response(status, JSON, answer)
    assert (error.kind, error.retryable, error.status) == (kind, retryable, status)
    assert str(status) in (error.evidence or "")


MESSAGES = [
    ("This model's maximum context length is 1048565 tokens.", "context_overflow"),
    ("Your input exceeds the context window of this model.", "context_overflow"),
    ("the request exceeds the available context size", "context_overflow"),
    ("prompt is too long: 9 tokens > 8 maximum", "context_overflow"),
    ("prompt too long; exceeded max context length by 9 tokens", "context_overflow"),
    ("Your request exceeded model token limit : 8 (requested: 9)", "context_overflow"),
    ("Input token length too long", "context_overflow"),
    ("Incorrect API key provided: sk-can***ary", "authentication"),
    ("invalid api key", "authentication"),
    ("API key not valid. Please pass a valid API key.", "authentication"),
    ("Insufficient Balance", "quota"),
    ("triggering the content management policy", "content_filter"),
    ("Model Not Exist", "not_found"),
    ("Loading model", "overloaded"),
    ("The engine is currently overloaded, please try again later", "overloaded"),
    ("Rate limit reached for requests", "rate_limit"),
    ("something else", "invalid_request"),
]


@pytest.mark.parametrize(("message", "kind"), MESSAGES)
def test_words_of_the_message_decide_where_nothing_else_does(message: str, kind: str) -> None:
    error = classify_response(400, JSON, body(message=message, type="invalid_request_error"))
    assert error.kind == kind


def test_words_of_the_message_do_not_overrule_a_telling_status() -> None:
    error = classify_response(403, JSON, body(message="your context window is closed"))
    assert error.kind == "permission"


# Body, the sentence that is shown.
SENTENCES: list[tuple[bytes, str]] = [
    (body(message="Slow down."), "Slow down."),
    (b'{"error":"Slow down."}', "Slow down."),
    (b'{"error":{"message":{"detail":[{"loc":["body","n"],"msg":"too big"}]}}}', "body.n: too big"),
    (b'{"detail":"Slow down."}', "Slow down."),
    (
        b'{"detail":[{"loc":["body","messages",0],"msg":"missing"},{"msg":"odd"}]}',
        "body.messages.0: missing; odd",
    ),
    (b'{"message":"Slow down."}', "Slow down."),
    (b'{"object":"error","message":"Slow down.","type":"x","code":400}', "Slow down."),
    (b'[{"error":{"code":418,"message":"Slow down.","status":"X"}}]', "Slow down."),
    (b'"Slow down."', "Slow down."),
    (b"\xef\xbb\xbf" + body(message="Slow down."), "Slow down."),
    (b"no healthy upstream\n", "no healthy upstream"),
    (b'{"error":{"message":"Slow down, the server', "Slow down, the server"),
    (body(message="half \ud83d character"), "half \ufffd character"),
    (b"", "The service answered with status 418 and an empty body."),
    (b" \n", "The service answered with status 418 and an empty body."),
    (b"{}", "The service answered with status 418 without saying why."),
    (b'{"error":{"message":"  "}}', "The service answered with status 418 without saying why."),
    (b'{"error": NaN', "The service answered with status 418 without saying why."),
    (b"[]", "The service answered with status 418 without saying why."),
    (b"\xff\xfe\x00", "The service answered with bytes that are no text."),
    (
        b"<html><head><title>\n 418 I&#39;m a teapot </title>",
        "The service answered with an HTML page, not an API answer: 418 I'm a teapot",
    ),
    (
        b"\n<!doctype HTML><body>caf\xe9",
        "The service answered with an HTML page, not an API answer.",
    ),
    ("so viel d\u00fc".encode()[:-1], "so viel d\ufffd"),
]


@pytest.mark.parametrize(("answer", "sentence"), SENTENCES)
def test_the_message_is_the_service_s_own_sentence(answer: bytes, sentence: str) -> None:
    assert classify_response(418, {}, answer).message == sentence


def test_a_redirect_says_what_to_check() -> None:
    assert "base URL" in classify_response(302, {}, b"").message


WRONG_ADDRESSES = [
    (404, b"<html><head><title>404 Not Found</title></head>"),
    (404, b"\xef\xbb\xbf <!DOCTYPE html><p>lost"),
    (405, b"<html><title>405 Not Allowed</title>"),
    (404, b""),
    (404, b"404 page not found\n"),
    (404, b"Not Found"),
    (404, b'{"detail":"Not Found"}'),
    (405, b'{"detail":"Method Not Allowed"}'),
    (404, b'{"timestamp":1,"status":404,"error":"Not Found","path":"/chat/completions"}'),
    (404, body(message="File Not Found", type="not_found_error", code=404)),
    (404, body(message="Invalid URL (POST /chat/completions)", type="invalid_request_error")),
    (404, body(message="Unknown request URL: POST /chat/completions. Check it.", code="x")),
    (404, b'{"message":"no Route matched with those values"}'),
    (404, b'{"error":"Unexpected endpoint or method. (POST /completions)"}'),
]


@pytest.mark.parametrize(("status", "answer"), WRONG_ADDRESSES)
def test_a_wrong_address_says_what_to_check(status: int, answer: bytes) -> None:
    error = classify_response(status, {}, answer)
    assert error.message.endswith("; check the base URL.")
    assert ".;" not in error.message
    assert error.kind == ("not_found" if status == 404 else "invalid_request")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (404, body(message="The model `x` does not exist or you do not have access to it.")),
        (404, b'{"error":"model \'x\' not found"}'),
        (404, b"no such deployment"),
        (404, body(message="Model not found")),
        (400, b"<html><title>400 Bad Request</title>"),
        (503, b""),
    ],
)
def test_any_other_failure_says_nothing_of_the_address(status: int, answer: bytes) -> None:
    assert "base URL" not in classify_response(status, {}, answer).message


# Error object, the service's name for the error.
CODES: list[tuple[dict[str, Any], str | None]] = [
    ({"code": "a", "type": "b"}, "a"),
    ({"code": None, "type": "b"}, "b"),
    ({"code": 400, "type": "b"}, "b"),
    ({"code": 400}, "400"),
    ({"code": "400"}, "400"),
    ({"code": "1211"}, "1211"),
    ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, "RESOURCE_EXHAUSTED"),
    ({"code": True}, None),
    ({}, None),
]


@pytest.mark.parametrize(("error", "code"), CODES)
def test_the_provider_code_is_the_most_telling_name(error: dict[str, Any], code: str) -> None:
    assert classify_response(400, {}, body(message="x", **error)).provider_code == code


def test_a_reason_in_the_details_counts() -> None:
    answer = body(
        code=400,
        message="no",
        status="INVALID_ARGUMENT",
        details=[{"@type": "x", "reason": "API_KEY_INVALID"}],
    )
    assert classify_response(400, {}, answer).kind == "authentication"


def test_an_inner_error_counts() -> None:
    answer = body(message="no", code="other", innererror={"code": "content_filter"})
    assert classify_response(400, {}, answer).kind == "content_filter"


def test_the_provider_s_own_table_comes_first() -> None:
    kinds = {"1211": "not_found", "odd": "quota", "401": "permission"}
    assert classify_response(400, {}, body(message="x", code="1211"), kinds).kind == "not_found"
    assert classify_response(401, {}, body(message="x", type="odd"), kinds).kind == "quota"
    assert classify_response(401, {}, body(message="x", code=401), kinds).kind == "permission"


@pytest.mark.parametrize(("word", "retryable"), [("true", True), ("FALSE", False), ("", True)])
def test_the_service_may_say_whether_to_ask_again(word: str, retryable: bool) -> None:
    assert classify_response(503, {"X-Should-Retry": word}, b"").retryable is retryable


# An error inside an answer that began well: payload, kind.
PAYLOADS: list[tuple[Any, str]] = [
    ({"error": {"code": 400, "message": "Token limit reached"}}, "invalid_request"),
    ({"error": {"code": "429", "message": "x"}}, "rate_limit"),
    ({"error": {"message": "x", "status_code": 503}}, "overloaded"),
    ({"error": {"message": "x", "type": "invalid_request_error"}}, "invalid_request"),
    ({"error": {"message": "x", "type": "server_error"}}, "provider"),
    ({"error": {"message": "The model is overloaded"}}, "overloaded"),
    ({"error": "something broke"}, "provider"),
    ("something broke", "provider"),
    ({"error": {"code": 5, "message": "x"}}, "provider"),
    (None, "provider"),
]


@pytest.mark.parametrize(("payload", "kind"), PAYLOADS)
@pytest.mark.parametrize("status", [None, 200])
def test_an_error_inside_an_answer_has_its_kind(
    payload: Any, kind: str, status: int | None
) -> None:
    error = error_from_payload(payload, status=status)
    assert (error.kind, error.status) == (kind, status)
    assert error.message
    assert error.evidence


def test_an_error_that_says_nothing_still_has_a_message() -> None:
    assert error_from_payload({"error": True}, status=None).message == (
        "The service reported an error without saying which."
    )


def test_the_detail_is_the_raw_body_bounded() -> None:
    error = classify_response(500, {}, b"\xffabc" + b"x" * 100_000)
    assert error.detail is not None
    assert error.detail.startswith("\ufffdabcx")
    assert len(error.detail) < 10_000


def test_the_detail_of_a_payload_is_its_json_even_with_half_a_character() -> None:
    assert error_from_payload({"error": "x"}, status=None).detail == '{"error":"x"}'
    detail = error_from_payload({"error": "\ud83d"}, status=None).detail
    assert detail is not None
    detail.encode()


REQUEST_IDS = [
    ({"X-Request-Id": "a"}, "a"),
    ({"request-id": "a"}, "a"),
    ({"Msh-Request-Id": "a", "X-Msh-Trace-Id": "b"}, "a"),
    ({"x-generation-id": "a"}, "a"),
    ({"x-ds-trace-id": "a"}, "a"),
    ({"mistral-correlation-id": "a"}, "a"),
    ({"apim-request-id": "b", "x-request-id": "a"}, "a"),
    ({"x-request-id": ""}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "found"), REQUEST_IDS)
def test_the_request_id_is_found_under_its_names(
    headers: dict[str, str], found: str | None
) -> None:
    assert request_id_of(headers) == found
    assert classify_response(500, headers, b"").request_id == found


def test_the_request_id_may_stand_in_the_body() -> None:
    answer = b'{"type":"error","error":{"type":"api_error","message":"x"},"request_id":"req_1"}'
    assert classify_response(500, {}, answer).request_id == "req_1"


NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"Retry-After": "1"}, 1.0),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after": "86400"}, 86400.0),
    ({"retry-after": "-1"}, None),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "1", "retry-after-ms": "0"}, 1.0),
    ({"retry-after": "1", "retry-after-ms": "-5"}, 1.0),
    ({"retry-after": "1", "retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "soon"}, None),
    ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
    ({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30.0),
    ({"retry-after": "Tue, 14 Nov 2023 23:13:50 +0100"}, 30.0),
    ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
    ({"retry-after": "Tue, 99 Nov 2023 22:00:00 GMT"}, None),
    ({"retry-after": "Tue, 14 Nov 99999 22:00:00 GMT"}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_the_wait_is_what_the_service_asked_for(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, NOW) == seconds


def test_a_date_without_a_zone_is_in_utc_wherever_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC-9")
    time.tzset()
    try:
        assert retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, NOW) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_wait_that_needs_no_clock_is_on_the_error() -> None:
    dated = {"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}
    assert classify_response(429, {"Retry-After": "7"}, b"").retry_after_s == 7
    assert classify_response(429, dated, b"").retry_after_s is None


@given(status=st.integers(300, 599), answer=st.binary(max_size=200))
def test_any_bytes_become_an_error_with_a_message(status: int, answer: bytes) -> None:
    error = classify_response(status, {}, answer)
    assert error.message.strip()
    error.message.encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "detail", "details", "loc", "status"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(payload=json_values)
def test_any_json_becomes_an_error_with_a_message(payload: Any) -> None:
    assert error_from_payload(payload, status=None).message.strip()
    assert classify_response(400, {}, json.dumps(payload).encode()).message.strip()
