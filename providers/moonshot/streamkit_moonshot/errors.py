"""What Moonshot's errors say to people: without account ids, with a hint where one helps."""

from typing import Final
from urllib.parse import urlsplit

from streamkit.errors import ProviderError
from streamkit.redaction import Redactor

__all__ = ["in_words"]

# The service's messages name the account as `org-…<ak-…>`, which nobody else should read.
_REDACTOR: Final = Redactor()

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


def in_words(error: ProviderError, base_url: str) -> ProviderError:
    """The same error, safe to show and to log, with a hint where the cause is a known one."""
    hint = _hint(error, base_url)
    message = _REDACTOR.text(error.message)
    return ProviderError(
        error.kind,
        f"{message.rstrip('.')}. {hint}" if hint else message,
        detail=None if error.detail is None else _REDACTOR.text(error.detail),
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        status=error.status,
        provider_code=error.provider_code,
        request_id=error.request_id,
        evidence=error.evidence,
    )


def _hint(error: ProviderError, base_url: str) -> str | None:
    if error.status == 401:
        return _KEY_HINTS.get(urlsplit(base_url).hostname or "")
    if error.status == 404 and error.message == _NO_SUCH_PATH:
        return "The service knows no such path: its base URL ends in /v1."
    return None
