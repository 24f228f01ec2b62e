"""The requests that one stream makes: how each went, and what an error of one looks like."""

from streamkit.assembly.unicode import mended_value
from streamkit.chunks import Attempt, ErrorInfo
from streamkit.errors import ProviderError
from streamkit.redaction import MAX_DETAIL, MAX_MESSAGE, Redactor


class AttemptLog:
    """Records the requests of one stream.

    Args:
        provider: The provider's name.
        model: The model that was asked.
        redactor: Hides the secrets of the request.

    Attributes:
        attempts: What is recorded so far.
    """

    def __init__(self, provider: str, model: str, redactor: Redactor) -> None:
        self._provider = provider
        self._model = model
        self._redactor = redactor
        self._began_ms = 0
        self._first_request_ms: int | None = None
        self._status: int | None = None
        self._request_id: str | None = None
        self.attempts: tuple[Attempt, ...] = ()

    def begin(self, elapsed_ms: int) -> None:
        """A request is about to be made."""
        self._began_ms = elapsed_ms
        self._status = self._request_id = None
        if self._first_request_ms is None:
            self._first_request_ms = elapsed_ms

    def answered(self, status: int, request_id: str | None) -> None:
        """The service's status and its id of the request are known."""
        self._status = status
        self._request_id = request_id

    def record(self, outcome: str, elapsed_ms: int) -> None:
        """The request ended; without one there is nothing to record."""
        if self._first_request_ms is None:
            return
        request_id = self._request_id
        attempt = Attempt(
            provider=self._provider,
            model=self._model,
            outcome=outcome,
            status=self._status,
            request_id=self._redactor.text(request_id) if request_id else None,
            duration_ms=max(0, elapsed_ms - self._began_ms),
        )
        self.attempts = (*self.attempts, attempt)

    def since_first_request(self, elapsed_ms: int | None) -> int | None:
        """Milliseconds from the first request to a moment of the stream."""
        if elapsed_ms is None or self._first_request_ms is None:
            return None
        return max(0, elapsed_ms - self._first_request_ms)

    def error_info(self, error: ProviderError) -> ErrorInfo:
        """An error as the schema shows it; one with facts of the wrong types is the plug-in's."""
        try:
            return self._error_info(error)
        except (AttributeError, TypeError, ValueError) as broken:
            # A stream ends in its error chunk all the same.
            message = "The provider raised a malformed error; this is a bug in its plug-in."
            return self._error_info(ProviderError("plugin", message, detail=str(broken)))

    def _error_info(self, error: ProviderError) -> ErrorInfo:
        """Redacted, cut, with the request's own facts."""

        def hide(text: str, limit: int = MAX_DETAIL) -> str:
            return self._redactor.text(mended_value(text), limit)

        message = " ".join(error.message.split()) or f"The request failed ({error.kind})."
        optional = {
            "detail": error.detail,
            "provider_code": error.provider_code,
            "request_id": error.request_id or self._request_id,
            "evidence": error.evidence,
        }
        return ErrorInfo(
            kind=error.kind,
            message=hide(message, MAX_MESSAGE),
            retryable=error.retryable,
            retry_after_s=error.retry_after_s,
            status=error.status if error.status is not None else self._status,
            provider=self._provider,
            model=self._model,
            **{name: hide(value) if value else None for name, value in optional.items()},
        )
