"""What streamkit tells of its streams: facts, never contents and never keys."""

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from streamkit.chunks import Attempt, EndChunk, ErrorChunk, Usage
from streamkit.request import ChatRequest

_LOG: Final = logging.getLogger("streamkit")

Outcome: TypeAlias = Literal["complete", "stopped", "failed", "abandoned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """How one stream went, for metrics and audits.

    Attributes:
        stream_id: The id that its chunks carry.
        provider: The provider's name.
        model: The model that was asked.
        outcome: `complete`, `stopped` by its caller, `failed`, or `abandoned`: closed, cancelled or
            dropped before its end.
        duration_ms: Milliseconds from the first chunk asked for to the stream's end.
        chunks: How many chunks were made for it, also those that nobody asked for.
        attempts: The requests that were made for it; those of an abandoned stream are not told.
        ttfc_ms: Milliseconds from its first request to its first content.
        usage: Token counts, where the service tells them.
        finish_reason: Why the answer ended.
        error_kind: The kind of the error that it ended in.
        request_id: The caller's own id of the request.
        conversation_id: The conversation that it belongs to.
    """

    stream_id: str
    provider: str
    model: str
    outcome: Outcome
    duration_ms: int
    chunks: int
    attempts: tuple[Attempt, ...] = ()
    ttfc_ms: int | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    error_kind: str | None = None
    request_id: str | None = None
    conversation_id: str | None = None


def summary_of(
    stream_id: str,
    provider: str,
    request: ChatRequest,
    terminal: EndChunk | ErrorChunk | None,
    duration_ms: int,
    chunks: int,
) -> StreamSummary:
    """Sums up a stream that ended with this chunk, or without one."""
    facts: dict[str, Any] = {"outcome": "abandoned"}
    if terminal is not None:
        facts = {name: getattr(terminal, name) for name in ("attempts", "ttfc_ms", "usage")}
    if isinstance(terminal, EndChunk):
        is_stopped = terminal.finish_reason == "cancelled"
        facts["outcome"] = "stopped" if is_stopped else "complete"
        facts["finish_reason"] = terminal.finish_reason
    elif terminal is not None:
        facts.update(outcome="failed", error_kind=terminal.error.kind)
    return StreamSummary(
        stream_id=stream_id,
        provider=provider,
        model=request.model,
        duration_ms=duration_ms,
        chunks=chunks,
        request_id=request.request_id,
        conversation_id=request.conversation_id,
        **facts,
    )


def tell_apart(tell: Callable[[StreamSummary], None], summary: StreamSummary) -> None:
    """Tells of a stream that was dropped, from a thread of its own.

    A finaliser runs wherever the garbage collector does, perhaps while its thread holds the very
    lock that a plug-in's hook will ask for. Where the interpreter ends nobody is told any more: no
    thread starts then.
    """
    if not sys.is_finalizing():
        name = "streamkit-finished"
        threading.Thread(target=tell, args=(summary,), name=name, daemon=True).start()


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
