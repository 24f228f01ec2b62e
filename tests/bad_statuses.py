"""Statuses and bodies of failed requests, and what must come of each: data for several tests."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json

from streamkit.transport.memory import Reply
from tests.bad_input import KEY

HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True)
class Refused:
    """A failed request, and what must come of it.

    Attributes:
        says: Words that the error's message holds.
    """

    reply: Reply
    kind: str
    retryable: bool
    says: str = ""


def _openai(
    status: int, message: str, kind: str, retryable: bool, type: str | None, code: Any = None
) -> Refused:
    error = {"message": message, "type": type, "param": None, "code": code}
    reply = Reply(to_json({"error": error}), status=status)
    return Refused(reply, kind, retryable, message)


def _body(status: int, body: Any, kind: str, retryable: bool, says: str = "") -> Refused:
    data = body if isinstance(body, bytes) else to_json(body)
    return Refused(Reply(data, status=status), kind, retryable, says)


_INVALID: Final = "invalid_request_error"

#: OpenAI's own.
_DOCUMENTED: Final[dict[str, Refused]] = {
    "400 unsupported value": _openai(
        400, "Unsupported value.", "invalid_request", False, _INVALID, "unsupported_value"
    ),
    "400 unsupported parameter": _openai(
        400,
        "Use max_completion_tokens.",
        "invalid_request",
        False,
        _INVALID,
        "unsupported_parameter",
    ),
    "400 without a code": _openai(400, "Bad tool.", "invalid_request", False, _INVALID),
    "400 context": _openai(
        400, "Too much.", "context_overflow", False, _INVALID, "context_length_exceeded"
    ),
    "400 context in words": _openai(
        400,
        "Your input exceeds the context window of this model.",
        "context_overflow",
        False,
        _INVALID,
    ),
    "400 content filter": _openai(400, "Blocked.", "content_filter", False, None, "content_filter"),
    "400 model": _openai(400, "No such model.", "not_found", False, _INVALID, "model_not_found"),
    "401": _openai(401, "Incorrect key.", "authentication", False, _INVALID, "invalid_api_key"),
    "403 country": _openai(
        403, "Not there.", "permission", False, None, "unsupported_country_region_territory"
    ),
    "404": _openai(404, "No such model.", "not_found", False, _INVALID, "model_not_found"),
    "409": _openai(409, "Conflict.", "provider", True, None),
    "413": _openai(413, "Too large.", "invalid_request", False, None),
    "429 quota": _openai(
        429, "Pay first.", "quota", False, "insufficient_quota", "insufficient_quota"
    ),
    "429 credit": _openai(429, "Empty.", "quota", False, None, "credit_balance_exhausted"),
    "429 organization": _openai(
        429, "Spent.", "quota", False, None, "organization_spend_limit_exceeded"
    ),
    "429 project": _openai(429, "Spent.", "quota", False, None, "project_spend_limit_exceeded"),
    "429 requests": _openai(
        429, "Slow down.", "rate_limit", True, "requests", "rate_limit_exceeded"
    ),
    "429 tokens": _openai(429, "Slow down.", "rate_limit", True, "tokens", "rate_limit_exceeded"),
    "500": _openai(500, "Oh no.", "provider", True, "server_error"),
    "503 slow down": _openai(503, "Slow down.", "overloaded", True, None, "slow_down"),
    "503 overloaded": _openai(503, "Full.", "overloaded", True, None, "server_is_overloaded"),
}

#: Of the services that speak its dialect, and of whatever stands in between.
_OTHERS: Final[dict[str, Refused]] = {
    "400 authentication in words": _body(
        400,
        {"code": "x", "error": "Incorrect API key provided"},
        "authentication",
        False,
        "API key",
    ),
    "400 tool use": _openai(
        400, "Bad call.", "tool_use_failed", False, _INVALID, "tool_use_failed"
    ),
    "402": _openai(402, "Insufficient Balance", "quota", False, "unknown_error"),
    "405": _body(405, {"detail": "Method Not Allowed"}, "invalid_request", False, "Not Allowed"),
    "408": _body(408, b"", "provider", True, "status 408"),
    "422 message": _body(
        422, {"object": "error", "message": "No."}, "invalid_request", False, "No."
    ),
    "422 list": _body(
        422,
        {"detail": [{"loc": ["body", "n"], "msg": "too many"}]},
        "invalid_request",
        False,
        "too many",
    ),
    "429 engine": _openai(429, "Full.", "overloaded", True, "engine_overloaded_error"),
    "429 account": _openai(429, "Empty.", "quota", False, "exceeded_current_quota_error"),
    "502 HTML": _body(502, HTML, "provider", True, "502 Bad Gateway"),
    "503 loading": _openai(503, "Loading model", "overloaded", True, "unavailable_error", 503),
    "504 empty": _body(504, b"", "provider", True, "empty body"),
    "529": _body(529, {"type": "overloaded_error"}, "overloaded", True),
    "401 detail": _body(401, {"detail": "Invalid API Key"}, "authentication", False, "Invalid"),
    "500 bare string": _body(500, "it broke", "provider", True, "it broke"),
    "500 error string": _body(500, {"error": "it broke"}, "provider", True, "it broke"),
    "500 list": _body(500, [{"error": {"message": "it broke"}}], "provider", True, "it broke"),
    "500 number": _body(500, 17, "provider", True),
    "500 empty object": _body(500, {}, "provider", True, "status 500"),
    "500 words": _body(500, b"upstream connect error", "provider", True, "upstream connect error"),
    "500 HTML": _body(500, HTML, "provider", True, "HTML page"),
    "500 empty": _body(500, b"", "provider", True, "empty body"),
    "500 not UTF-8": _body(500, b"\xff\xfe\x00broken\x80", "provider", True, "no text"),
    "500 JSON not UTF-8": _body(500, b'{"error":"\xff\xfe"}', "provider", True),
    "500 cut JSON": _body(500, b'{"error":{"message":"it bro', "provider", True, "it bro"),
    "500 deep JSON": _body(500, b"[" * 10_000, "provider", True),
    "500 lone surrogate": _body(
        500, b'{"error":{"message":"a\\ud83d","code":"\\ude00"}}', "provider", True, "a\ufffd"
    ),
    "500 byte order mark": _body(
        500, b'\xef\xbb\xbf{"error":"it broke"}', "provider", True, "it broke"
    ),
    "500 NUL": _body(500, {"error": "a\0b"}, "provider", True),
    "500 long": _body(500, {"error": "word " * 9000}, "provider", True, "word word"),
    "500 the key": _body(
        500,
        {"error": {"message": f"Bad {KEY}", "code": KEY, "type": KEY}},
        "provider",
        True,
        "Bad [",
    ),
    "300": _body(300, b"", "configuration", False, "base URL"),
    "304": _body(304, b"", "configuration", False),
    "418": _body(418, b"", "invalid_request", False, "418"),
    "599": _body(599, b"", "provider", True, "599"),
}

STATUSES: Final = {**_DOCUMENTED, **_OTHERS}
