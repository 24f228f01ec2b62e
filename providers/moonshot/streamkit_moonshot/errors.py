"""What Moonshot's errors say to people: without account ids, with a hint where one helps."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

from streamkit.errors import ProviderError
from streamkit.redaction import HIDDEN, Redactor

__all__ = ["in_words"]

# The service's messages name the account as `org-…<ak-…>`, which nobody else should read.
_REDACTOR: Final = Redactor()

# Ids that are too short to be told by their length are told by the angle brackets or by a digit;
# `org-wide` is a word. Where the text is JSON, the service writes the brackets as escapes.
_ACCOUNT: Final = re.compile(
    r"""
        \borg-[\w*.\-]+(?=\s?(?:<|\\u003c)ak-)
      | (?:(?<=<)|(?<=\\u003c))(?:ak|org)-[\w*.\-]+
      | \b(?:ak|org)-(?=[\w*\-]*\d)[\w*\-]+
    """,
    re.VERBOSE,
)

# What a refused key may mean, by the host that refused it: each platform has keys of its own.
_KEY_HINTS: Final[dict[str, str]] = {
    "api.moonshot.ai": (
        "Keys of the China platform (platform.moonshot.cn) are refused here: for one of those "
        'give region="cn".'
    ),
    "api.moonshot.cn": (
        "Keys of the international platform (platform.moonshot.ai) are refused here: for one of "
        'those give region="international", and no other base URL.'
    ),
    "api.kimi.com": "Kimi Code takes its own keys only, not those of Moonshot's platforms.",
}
_NO_SUCH_PATH: Final = "url.not_found"


def in_words(error: ProviderError, base_url: str, payload: Any = None) -> ProviderError:
    """The same error, safe to show and to log, with a hint where the cause is a known one.

    Args:
        error: The error as it was read.
        base_url: The address that was asked.
        payload: The JSON of a failed response, where there is one.
    """
    hint = _hint(error, base_url, payload)
    message = _without_account(error.message)
    return ProviderError(
        error.kind,
        f"{message.rstrip('.')}. {hint}" if hint else message,
        detail=None if error.detail is None else _without_account(error.detail),
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        status=error.status,
        provider_code=error.provider_code,
        request_id=error.request_id,
        evidence=error.evidence,
    )


def _without_account(text: str) -> str:
    return _REDACTOR.text(_ACCOUNT.sub(HIDDEN, text))


def _hint(error: ProviderError, base_url: str, payload: Any) -> str | None:
    if error.status == 401:
        return _KEY_HINTS.get(urlsplit(base_url).hostname or "")
    # Its `error` is a bare word, and its `message` is for people, in Chinese.
    if isinstance(payload, dict) and payload.get("error") == _NO_SUCH_PATH:
        return "The service knows no such path: its base URL ends in /v1."
    return None
