"""What a failed answer means: status, headers and body in, one `ProviderError` out.

Pure, and good for any body: an error object, a bare string, another framework's shape, an HTML page
of a gateway, nothing at all, bytes that are no text.

The rules kept here:

1. The kind is decided by what says most and lies least: the provider's own table, then a telling
   `type`, a telling `code`, the status, a vague `type` or `code`. Words in the message come last,
   and only where all of these say no more than "bad request" or "server error".
2. A status that needs no help (401, 402, 404) is not overruled by anything but the provider's own
   table: services put `invalid_request_error` beside every one of them.
3. An error inside an answer that began well has no status of its own; a number between 400 and 599
   in its `code` is one.
4. Nothing here reads a clock: a `Retry-After` date needs `retry_after`, which is given the time.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from streamkit.error_body import (
    Facts,
    as_json,
    facts_of,
    is_html,
    parsed_body,
    sentence_of_text,
    whole_characters,
)
from streamkit.errors import ProviderError

__all__ = ["classify_response", "error_from_payload", "request_id_of", "retry_after"]

# More than anyone is shown: the text is cut again after secrets are hidden in it. Were the first
# cut the last, it could leave half a secret, which nobody would recognise as one.
MAX_DETAIL: Final = 8000

_STATUS_KINDS: Final[dict[int, str]] = {
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    # A timeout of the server's, a conflict with another request, a gateway that lost one side:
    # none of these is the request's fault, and asking again helps.
    408: "provider",
    409: "provider",
    410: "not_found",
    429: "rate_limit",
    499: "provider",
    501: "unsupported",
    503: "overloaded",
    529: "overloaded",
}
_CLASS_KINDS: Final[dict[int, str]] = {3: "configuration", 4: "invalid_request", 5: "provider"}

_SETTLED: Final = frozenset({401, 402, 404})

# The `type` and `code` of error objects that tell the kind whatever the status, in lower case.
_TELLING_WORDS: Final[dict[str, str]] = {
    word: kind
    for kind, words in {
        "authentication": "api_key_invalid authentication_error incorrect_api_key_error "
        "invalid_api_key invalid_authentication_error unauthenticated unauthorized",
        "permission": "permission_denied permission_denied_error permission_error "
        "unsupported_country_region_territory",
        "not_found": "deploymentnotfound model_not_found not_found not_found_error "
        "resource_not_found_error",
        "quota": "billing_hard_limit_reached credit_balance_exhausted "
        "exceeded_current_quota_error insufficient_quota organization_spend_limit_exceeded "
        "project_spend_limit_exceeded",
        "rate_limit": "rate_limit_error rate_limit_exceeded rate_limit_reached_error "
        "ratelimitreached resource_exhausted too_many_requests",
        "overloaded": "engine_overloaded_error overloaded_error server_is_overloaded "
        "server_unavailable slow_down unavailable",
        "context_overflow": "context_length_exceeded exceed_context_size_error "
        "model_context_window_exceeded",
        "content_filter": "content_filter content_policy_violation",
        "tool_use_failed": "tool_use_failed",
        "unsupported": "not_supported_error",
    }.items()
    for word in words.split()
}

# Words that services write beside very different failures: they count where there is no status.
_VAGUE_WORDS: Final[dict[str, str]] = {
    word: kind
    for kind, words in {
        "invalid_request": "bad_request invalid_argument invalid_request_error "
        "unsupported_parameter unsupported_value",
        "provider": "api_error deadline_exceeded internal internal_error internal_server_error "
        "server_error timeout_error unexpected_output",
    }.items()
    for word in words.split()
}

# The last resort. Each is part of a real message of a service that sends nothing better; the first
# that occurs counts.
_MESSAGE_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("context length", "context_overflow"),
    ("context window", "context_overflow"),
    ("context size", "context_overflow"),
    ("prompt is too long", "context_overflow"),
    ("prompt too long", "context_overflow"),
    ("exceeded model token limit", "context_overflow"),
    ("input token length too long", "context_overflow"),
    ("incorrect api key", "authentication"),
    ("invalid api key", "authentication"),
    ("api key not valid", "authentication"),
    ("insufficient balance", "quota"),
    ("content management policy", "content_filter"),
    ("model not exist", "not_found"),
    ("loading model", "overloaded"),
    ("overloaded", "overloaded"),
    ("rate limit", "rate_limit"),
)
_UNDECIDED: Final = frozenset({"invalid_request", "provider"})

_REQUEST_ID_HEADERS: Final = (
    "x-request-id",
    "request-id",
    "msh-request-id",
    "x-generation-id",
    "x-ds-trace-id",
    "mistral-correlation-id",
    "apim-request-id",
    "x-msh-trace-id",
    "x-trace-id",
)

# Where a request for a model that is missing and one to an address that is wrong look the same.
_WRONG_ADDRESS: Final = frozenset({404, 405})
_ADVICE: Final = "check the base URL."
# All that the answer to a wrong path says, in the words of servers and frameworks; or nothing.
_NO_SUCH_PATH: Final = re.compile(
    r"(?:40[45])?[ :]*(?:(?:(?:file|page|path|route|resource) )?not found|method not allowed)?\.?"
    r"|(?:cannot post|invalid url|no route|unexpected endpoint|unknown request url)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_NO_KINDS: Final[Mapping[str, str]] = {}


def classify_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    kinds: Mapping[str, str] = _NO_KINDS,
    error_path: str | None = None,
) -> ProviderError:
    """Says what a response means that is no answer.

    Args:
        status: The HTTP status.
        headers: The response's headers, in any case.
        body: As much of the body as was read, of any kind; it may be cut.
        kinds: The provider's own error codes and types, and the kinds that they mean.
        error_path: Where the provider's error stands in a JSON body, such as `fault.detail`.
    """
    detail = body[: 4 * MAX_DETAIL].decode("utf-8", "replace")[:MAX_DETAIL]
    payload = parsed_body(body)
    said = payload if isinstance(payload, dict | list | str) else sentence_of_text(body)
    facts = facts_of(said, error_path)
    if status in _WRONG_ADDRESS and (is_html(body) or _NO_SUCH_PATH.fullmatch(facts.sentence)):
        facts.sentence = f"{(facts.sentence or _silence(status, detail)).rstrip('.')}; {_ADVICE}"
    return _error(facts, said, status=status, headers=headers, kinds=kinds, detail=detail)


def error_from_payload(
    payload: Any,
    *,
    status: int | None,
    headers: Mapping[str, str] = _NO_KINDS,
    kinds: Mapping[str, str] = _NO_KINDS,
    error_path: str | None = None,
) -> ProviderError:
    """Says what an error means that came as JSON, such as one inside an answer that began well.

    Args:
        payload: The parsed JSON: an object that is or holds an error, or a bare string.
        status: The HTTP status, where it is known; one below 300 says nothing.
        headers: The response's headers, in any case.
        kinds: The provider's own error codes and types, and the kinds that they mean.
        error_path: Where the provider's error stands in the payload, such as `fault.detail`.
    """
    text = payload if isinstance(payload, str) else as_json(payload)
    detail = whole_characters(text)[:MAX_DETAIL]
    facts = facts_of(payload, error_path)
    return _error(facts, payload, status=status, headers=headers, kinds=kinds, detail=detail)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Says how many seconds the service asked to wait, or `None` when it did not say.

    Args:
        headers: The response's headers, in any case.
        now: The time in seconds since 1970, for a `Retry-After` that is a date.
    """
    lowered = _lowered(headers)
    seconds = _stated_seconds(lowered)
    if seconds is not None or "retry-after" not in lowered:
        return seconds
    try:
        moment = parsedate_to_datetime(lowered["retry-after"])
        # A date without a zone is in UTC, as RFC 9110 wants all of them.
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(0.0, zoned.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Finds the service's id of the request under the names that services give it."""
    lowered = _lowered(headers)
    return next((lowered[name] for name in _REQUEST_ID_HEADERS if lowered.get(name)), None)


def _error(
    facts: Facts,
    payload: Any,
    *,
    status: int | None,
    headers: Mapping[str, str],
    kinds: Mapping[str, str],
    detail: str,
) -> ProviderError:
    kind, evidence = _decide(status, facts, kinds)
    lowered = _lowered(headers)
    own_id = payload.get("request_id") if isinstance(payload, dict) else None
    return ProviderError(
        kind,
        facts.sentence or _silence(status, detail),
        detail=detail or None,
        retryable={"true": True, "false": False}.get(lowered.get("x-should-retry", "").lower()),
        retry_after_s=_stated_seconds(lowered),
        status=status,
        provider_code=facts.code(),
        request_id=request_id_of(lowered) or (own_id if isinstance(own_id, str) else None),
        evidence=evidence,
    )


def _decide(status: int | None, facts: Facts, kinds: Mapping[str, str]) -> tuple[str, str]:
    """The kind, and what it was decided on."""
    seen = [] if status is None else [f"status {status}"]
    names = list(facts.words)
    if facts.number is not None:
        names.append(("code", str(facts.number)))
    if status is None or status < 300:
        # The answer began well: its status says nothing, a number in the error may.
        status = facts.number
        seen = seen if status is None else [*seen, f"code {status}"]

    def because(kind: str, *reasons: str) -> tuple[str, str]:
        return kind, ", ".join([*seen, *reasons]) or "an error inside the answer"

    for where, word in names:
        if word in kinds:
            return because(kinds[word], f"{where} {word}")
    if status in _SETTLED:
        return because(_STATUS_KINDS[status])
    for where, word in facts.words:
        if word.lower() in _TELLING_WORDS:
            return because(_TELLING_WORDS[word.lower()], f"{where} {word}")
    kind, reasons = _vague_kind(status, facts)
    if kind in _UNDECIDED:
        message = facts.sentence.lower()
        for words, meaning in _MESSAGE_WORDS:
            if words in message:
                return because(meaning, f'the message says "{words}"')
    return because(kind, *reasons)


def _vague_kind(status: int | None, facts: Facts) -> tuple[str, list[str]]:
    if status is not None:
        kind = _STATUS_KINDS.get(status) or _CLASS_KINDS.get(status // 100, "provider")
        return kind, []
    for where, word in facts.words:
        if word.lower() in _VAGUE_WORDS:
            return _VAGUE_WORDS[word.lower()], [f"{where} {word}"]
    return "provider", []


def _silence(status: int | None, detail: str) -> str:
    """The message for an error that says nothing for people."""
    if status is None:
        return "The service reported an error without saying which."
    if 300 <= status < 400:
        return f"The service redirects to another address (status {status}); {_ADVICE}"
    how = "without saying why" if detail.strip() else "and an empty body"
    return f"The service answered with status {status} {how}."


def _stated_seconds(lowered: Mapping[str, str]) -> float | None:
    """The wait that the headers state as a number; a date is `retry_after`'s."""
    milliseconds = _number(lowered.get("retry-after-ms"))
    if milliseconds is not None and milliseconds > 0:
        return milliseconds / 1000
    seconds = _number(lowered.get("retry-after"))
    return seconds if seconds is not None and seconds >= 0 else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
