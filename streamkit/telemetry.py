"""What streamkit tells the program's own log: facts, never contents and never keys."""

import logging
from typing import Final

from streamkit.chunks import ErrorChunk

_LOG: Final = logging.getLogger("streamkit")


def log_failure(chunk: ErrorChunk) -> None:
    """Logs a terminal error once, by its facts: a service's sentence may quote the request."""
    error = chunk.error
    _LOG.warning(
        "stream %s of %s/%s failed: %s (status %s)",
        chunk.stream_id,
        error.provider,
        error.model,
        error.kind,
        error.status,
        extra={
            "streamkit_kind": error.kind,
            "streamkit_provider": error.provider,
            "streamkit_model": error.model,
            "streamkit_status": error.status,
            "streamkit_request_id": error.request_id,
            "streamkit_stream_id": chunk.stream_id,
        },
    )


def log_bad_close(stream_id: str, error: Exception) -> None:
    """Logs that letting go of a stream's connection or provider failed.

    The answer is what it is: how its connection ends changes nothing more.
    """
    _LOG.warning("stream %s did not close cleanly: %s", stream_id, type(error).__name__)
