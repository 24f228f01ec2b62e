"""Every exception of streamkit.

    StreamkitError
    ├── ConfigurationError
    │   └── MissingKeyError
    ├── ProviderError
    ├── SchemaError
    ├── StreamClaimedError
    └── StreamFailed
        ├── AuthenticationError
        ├── ConnectionFailedError
        ├── ContentFilterError
        ├── ContextOverflowError
        ├── EmptyResponseError
        ├── InvalidRequestError
        ├── NotFoundError
        ├── OverloadedError
        ├── PermissionDeniedError
        ├── PluginError
        ├── ProtocolError
        ├── QuotaError
        ├── RateLimitError
        ├── ServiceError
        ├── StreamInterruptedError
        ├── StreamTimeoutError
        ├── StreamTruncatedError
        └── ToolUseFailedError

Three kinds of moment:

- `ConfigurationError`: raised when a model or a stream is created; yours to fix, nothing was sent.
- `ProviderError` is what plug-ins raise; the core turns it into the one `error` chunk of a stream.
- `StreamFailed` is what the views raise that cannot show an `error` chunk: `.text()`, `.collect()`,
  `generate()`. Its subclass tells the family, its `error` everything else.

A stream object itself never raises: its failures are its last chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streamkit.assembly.response import Response
    from streamkit.chunks import ErrorInfo


class StreamkitError(Exception):
    """The root of every exception that streamkit raises on purpose."""


class ConfigurationError(StreamkitError, ValueError):
    """Something known before any request is wrong; the message says what to do.

    Raised when a model or a stream is created: an unknown provider, a missing or malformed key,
    wrong types, an impossible setting. Nothing was sent.
    """


class MissingKeyError(ConfigurationError):
    """The provider needs an API key and none was given: it is not set up, and nothing is broken."""


class SchemaError(StreamkitError, ValueError):
    """Data that should be a chunk of the schema is not."""


class StreamClaimedError(StreamkitError, RuntimeError):
    """A stream was used in a second way: sync and async, or by two readers at once."""


# Whether asking again may help, where the service does not say so itself.
RETRYABLE_KINDS: Final = frozenset(
    {
        "connection",
        "empty_response",
        "overloaded",
        "protocol",
        "provider",
        "rate_limit",
        "timeout_connect",
        "timeout_first_content",
        "timeout_idle",
        "truncated",
    }
)


class ProviderError(StreamkitError):
    """A failed request, in the words of the schema; raised by providers, shown as an `error` chunk.

    Args:
        kind: One of the kinds of `ErrorInfo.kind`, such as `rate_limit` or `authentication`.
        message: A sentence that is safe to show to a user; redacted, cut to 500 characters.
        detail: More for developers, such as the service's raw body. Redacted and bounded too.
        retryable: Whether asking again may help; by default decided by `kind`.
        retry_after_s: Seconds that the service asked to wait.
        status: The HTTP status, when there was one.
        provider_code: The service's own error code or type.
        request_id: The service's id of the request.
        evidence: What the kind was decided on, such as `status 429, type insufficient_quota`.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        detail: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
        provider_code: str | None = None,
        request_id: str | None = None,
        evidence: str | None = None,
    ) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.detail = detail
        self.retryable = kind in RETRYABLE_KINDS if retryable is None else retryable
        self.retry_after_s = retry_after_s
        self.status = status
        self.provider_code = provider_code
        self.request_id = request_id
        self.evidence = evidence

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind!r}, {self.message!r})"


class StreamFailed(StreamkitError):
    """A stream ended in an `error` chunk, and the view in use cannot show one.

    The facts of the error stand on the exception under the names they have in `ErrorInfo`.

    Attributes:
        error: The `ErrorInfo` of the stream's last chunk.
        partial: The `Response` so far: what came before the failure is never lost.
    """

    def __init__(self, error: ErrorInfo, partial: Response) -> None:
        super().__init__(error, partial)
        self.error = error
        self.partial = partial
        self.kind = error.kind
        self.status = error.status
        self.retryable = error.retryable
        self.retry_after_s = error.retry_after_s
        self.provider = error.provider
        self.model = error.model
        self.provider_code = error.provider_code
        self.request_id = error.request_id

    def __str__(self) -> str:
        return f"{self.error.kind}: {self.error.message}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class AuthenticationError(StreamFailed):
    """The service refused the key."""


class ConnectionFailedError(StreamFailed):
    """The service could not be reached, or the connection broke."""


class ContentFilterError(StreamFailed):
    """The service's content filter stopped the request or the answer."""


class ContextOverflowError(StreamFailed):
    """The messages do not fit into the model's context window."""


class EmptyResponseError(StreamFailed):
    """The service answered with success and said nothing."""


class InvalidRequestError(StreamFailed):
    """The service, or the provider, does not accept the request as it is."""


class NotFoundError(StreamFailed):
    """The model or the address does not exist."""


class OverloadedError(StreamFailed):
    """The service is too busy; later it may answer."""


class PermissionDeniedError(StreamFailed):
    """The key is valid and may not do this."""


class PluginError(StreamFailed):
    """A plug-in raised something it should not have."""


class ProtocolError(StreamFailed):
    """The bytes that came are not what the service's protocol allows."""


class QuotaError(StreamFailed):
    """The account's credit or quota is used up; waiting does not help."""


class RateLimitError(StreamFailed):
    """Too many requests; `retry_after_s` says how long to wait when the service said so."""


class ServiceError(StreamFailed):
    """The service failed inside, or failed in a way that has no kind of its own."""


class StreamInterruptedError(StreamFailed):
    """The process that produced the stream went away or shut down."""


class StreamTimeoutError(StreamFailed):
    """A deadline passed: connect, first content, idle or total."""


class StreamTruncatedError(StreamFailed):
    """The answer stopped without its end marker; `partial` holds what came."""


class ToolUseFailedError(StreamFailed):
    """The model produced a tool call that the service could not accept."""


# One exception family per kind; a kind that is not here is a `ServiceError`.
FAMILIES: Final[dict[str, type[StreamFailed]]] = {
    "authentication": AuthenticationError,
    "circuit_open": OverloadedError,
    "configuration": InvalidRequestError,
    "connection": ConnectionFailedError,
    "content_filter": ContentFilterError,
    "context_overflow": ContextOverflowError,
    "empty_response": EmptyResponseError,
    "interrupted": StreamInterruptedError,
    "invalid_request": InvalidRequestError,
    "not_found": NotFoundError,
    "overloaded": OverloadedError,
    "permission": PermissionDeniedError,
    "plugin": PluginError,
    "protocol": ProtocolError,
    "provider": ServiceError,
    "quota": QuotaError,
    "rate_limit": RateLimitError,
    "shutdown": StreamInterruptedError,
    "timeout_connect": StreamTimeoutError,
    "timeout_first_content": StreamTimeoutError,
    "timeout_idle": StreamTimeoutError,
    "timeout_total": StreamTimeoutError,
    "tool_use_failed": ToolUseFailedError,
    "truncated": StreamTruncatedError,
    "unknown": ServiceError,
    "unsupported": InvalidRequestError,
}


def stream_failed(error: ErrorInfo, partial: Response) -> StreamFailed:
    """Makes the exception of the family that the error's kind belongs to."""
    return FAMILIES.get(error.kind, ServiceError)(error, partial)
