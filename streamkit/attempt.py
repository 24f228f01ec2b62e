"""One attempt: what came back for one request goes in, chunks come out. No I/O, no clock.

`HTTPAttempt` is fed status, headers and reads; `DeltaAttempt` the deltas of a provider that has its
own way to the model. Whatever happens becomes chunks: an attempt never raises.
"""

import traceback
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

from streamkit.assembly.assembler import Assembler
from streamkit.assembly.deltas import Delta
from streamkit.chunks import StreamChunk
from streamkit.classify import request_id_of, retry_after
from streamkit.errors import ProviderError
from streamkit.provider import Emitter, Framing, HTTPProvider
from streamkit.transport.base import TransportFailure
from streamkit.wire import (
    Frame,
    Framer,
    FramingError,
    JSONBodyFramer,
    NDJSONFramer,
    SSEFramer,
)

#: Bytes of an error body that are read; more is not needed to say what is wrong.
MAX_ERROR_BODY: Final = 64 * 1024

_FRAMERS: Final[dict[Framing, Callable[..., Framer]]] = {
    "sse": SSEFramer,
    "ndjson": NDJSONFramer,
    "json": JSONBodyFramer,
}
# Bytes of a body that tell a developer what it is.
_TELLING: Final = 2000
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
# How an event stream can begin: with `data`, `event`, `id` or `retry`, or with a comment's colon
# (HTML standard, server-sent events). One byte decides, however the body is cut: no JSON begins so.
_SSE_STARTS: Final = (b"d", b"e", b"i", b"r", b":")


def choose_framing(wanted: Framing, beginning: bytes) -> Framing:
    """Decides by its first bytes how a body is cut; servers and proxies mislabel their answers.

    A whole JSON body where a stream was asked is the answer, and the other way round.

    Raises:
        ProviderError: It is an HTML page (`protocol`).
    """
    first = beginning.lstrip(_BLANK)
    if first.startswith(b"<"):
        raise ProviderError(
            "protocol",
            "The service answered with an HTML page instead of an API answer. "
            "Check the base URL and any proxy in between.",
            detail=first.decode("utf-8", "replace"),
            evidence="the body begins with <",
        )
    if wanted == "sse" and first.startswith((b"{", b"[")):
        return "json"
    if wanted == "json" and first.startswith(_SSE_STARTS):
        return "sse"
    return wanted


class HTTPAttempt:
    """The answer to one HTTP request, as it comes.

    Args:
        provider: Decodes the frames and classifies the errors.
        framing: How the answer is cut into frames, if it is what was asked for.
        assembler: Makes the chunks.
        wall_time: Seconds since 1970 when the answer began, for dates in its headers.
    """

    def __init__(
        self, provider: HTTPProvider, framing: Framing, assembler: Assembler, wall_time: float = 0.0
    ) -> None:
        self._provider = provider
        self._decode = provider.decode
        self._framing = framing
        self._assembler = assembler
        self._wall_time = wall_time
        self._emit = Emitter()
        self._framer: Framer | None = None
        self._feed: Callable[[bytes], list[Frame]] = self._begin
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._held = b""
        self._error_body: bytearray | None = None
        self._was_empty = True
        self._beginning = b""
        self._has_frames = False

        #: The last read brought content, not only keep-alives, ids, counts or an empty text.
        self.made_progress = False

    @property
    def is_error_body(self) -> bool:
        """Whether what is being read is the body of an error."""
        return self._error_body is not None

    def opened(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers came; header names are in lower case."""
        self._status = status
        self._headers = headers
        self._assembler.answered(status, request_id_of(headers))
        if status >= 300:
            self._error_body = bytearray()

    def received(self, data: bytes, elapsed_ms: int) -> list[StreamChunk]:
        """Bytes came, cut anywhere; returns the chunks that they make."""
        if self._error_body is not None:
            self._error_body += data
            if len(self._error_body) > MAX_ERROR_BODY:
                return self._classified(elapsed_ms)
            return []
        out: list[StreamChunk] = []
        emit, decode = self._emit, self._decode
        deltas = emit.deltas
        fault: ProviderError | None = None
        try:
            frames = self._feed(data)
            if frames:
                self._has_frames = True
            elif len(self._beginning) < _TELLING:
                self._beginning += data[: _TELLING - len(self._beginning)]
            for frame in frames:
                given = decode(frame, emit)
                if given is not None:
                    refuse_async(self._provider.name, "decode", given)
        except Exception as error:
            fault = self._fault(error)
        if deltas:
            try:
                self._assembler.feed(deltas, elapsed_ms, out)
            except Exception as error:
                fault = self._fault(error)
            deltas.clear()
        self.made_progress = bool(out) and self._assembler.has_spoken
        if self._assembler.is_terminated:
            # Whatever stands behind the end marker is not part of the answer.
            self._assembler.complete(elapsed_ms, out)
        elif fault is not None:
            self._assembler.fail(fault, elapsed_ms, out)
        return out

    def ended(self, elapsed_ms: int, failure: TransportFailure | None = None) -> list[StreamChunk]:
        """The body ended, or broke off with a failure; returns the last chunks."""
        if self._error_body is not None:
            return self._classified(elapsed_ms)
        # A whole body that broke off is no JSON; the failure says so better than its parser.
        is_cut_body = failure is not None and isinstance(self._framer, JSONBodyFramer)
        out = [] if is_cut_body else self._flush(elapsed_ms)
        if self._assembler.is_over:
            return out
        if failure is not None and not self._assembler.has_evidence and failure.kind != "truncated":
            error = ProviderError(failure.kind, failure.message, detail=failure.detail)
            self._assembler.fail(error, elapsed_ms, out)
        elif self._was_empty and failure is None:
            message = "The service answered with success and an empty body."
            self._assembler.fail(ProviderError("empty_response", message), elapsed_ms, out)
        else:
            self._assembler.complete(elapsed_ms, out, detail=self._how_it_ended(failure))
        return out

    # The body.

    def _begin(self, data: bytes) -> list[Frame]:
        """Waits for the first byte that is no blank, then decides how the body is cut."""
        self._held += data
        if not self._held.lstrip(_BLANK):
            if len(self._held) > MAX_ERROR_BODY:
                self._held = self._held[:3]  # endless blanks; a byte order mark may stand first
            return []
        return self._choose()

    def _choose(self) -> list[Frame]:
        self._was_empty = False
        framing = choose_framing(self._framing, self._held)
        self._framer = _FRAMERS[framing](max_frame_bytes=self._provider.max_frame_bytes)
        self._feed = self._framer.feed
        held, self._held = self._held, b""
        return self._feed(held)

    def _flush(self, elapsed_ms: int) -> list[StreamChunk]:
        """What the framer still holds at the end of the body."""
        framer = self._framer
        if framer is None:
            return []
        self._feed = lambda _: framer.close()
        return self.received(b"", elapsed_ms)

    def _fault(self, error: Exception) -> ProviderError:
        """What went wrong in decoding one frame; deltas before it are kept."""
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, FramingError):
            for frame in error.frames:
                try:
                    refuse_async(self._provider.name, "decode", self._decode(frame, self._emit))
                except Exception as earlier:
                    return self._fault(earlier)
            message = f"The service sent something malformed: {error.reason}."
            # A whole body that is no JSON may say in words what happened.
            is_whole = isinstance(self._framer, JSONBodyFramer)
            return ProviderError("protocol", message, detail=self._began() if is_whole else None)
        return plugin_error(self._provider.name, error)

    def _how_it_ended(self, failure: TransportFailure | None) -> str:
        if failure is not None:
            return failure.detail or failure.message
        if not self._has_frames:
            return f"the body held no frame; {self._began()}"
        is_cut = self._framer is not None and self._framer.pending
        return "the body ended inside a frame" if is_cut else "the body ended after a whole frame"

    def _began(self) -> str:
        return f"it began: {self._beginning.decode('utf-8', 'replace')}"

    # Errors.

    def _classified(self, elapsed_ms: int) -> list[StreamChunk]:
        body = bytes(self._error_body or b"")[:MAX_ERROR_BODY]
        self._error_body = None
        try:
            error = self._provider.classify(self._status, self._headers, body)
            if not isinstance(error, ProviderError):
                raise TypeError(f"classify() gave {type(error).__name__}")
        except Exception as broken:
            error = plugin_error(self._provider.name, broken)
        if error.status is None:
            error.status = self._status
        wait = retry_after(self._headers, self._wall_time)
        if error.retry_after_s is None:
            error.retry_after_s = wait
        out: list[StreamChunk] = []
        self._assembler.fail(error, elapsed_ms, out)
        return out


class DeltaAttempt:
    """The answer of a provider that gives deltas itself."""

    def __init__(self, provider_name: str, assembler: Assembler) -> None:
        self._provider_name = provider_name
        self._assembler = assembler
        self.made_progress = False
        self.is_error_body = False

    def received(self, deltas: list[Delta], elapsed_ms: int) -> list[StreamChunk]:
        """Deltas came; returns the chunks that they make."""
        out: list[StreamChunk] = []
        try:
            self._assembler.feed(deltas, elapsed_ms, out)
        except ProviderError as error:
            self._assembler.fail(error, elapsed_ms, out)
        except Exception as error:
            self._assembler.fail(plugin_error(self._provider_name, error), elapsed_ms, out)
        self.made_progress = bool(out) and self._assembler.has_spoken
        if self._assembler.is_terminated:
            self._assembler.complete(elapsed_ms, out)
        return out

    def ended(self, elapsed_ms: int, failure: TransportFailure | None = None) -> list[StreamChunk]:
        """The deltas ended, or broke off; returns the last chunks."""
        out: list[StreamChunk] = []
        if failure is not None and not self._assembler.has_evidence:
            error = ProviderError(failure.kind, failure.message, detail=failure.detail)
            self._assembler.fail(error, elapsed_ms, out)
        else:
            self._assembler.complete(elapsed_ms, out, detail="the provider's deltas ended")
        return out


def refuse_async(name: str, method: str, given: object) -> None:
    """Refuses what an `async def` gives that the contract has as a plain function.

    Raises:
        ProviderError: It is a coroutine (`plugin`).
    """
    if isinstance(given, Coroutine):
        given.close()  # or Python warns that it was never awaited
        raise ProviderError(
            "plugin",
            f"The provider `{name}` has an `async def {method}`; {method}() must not be async.",
        )


def plugin_error(name: str, error: Exception) -> ProviderError:
    """What a plug-in's own bug becomes: the stream fails, the program does not."""
    # Few steps instead of few characters: a cut before secrets are hidden could leave half of one.
    lines = traceback.format_exception(error, limit=-6)
    return ProviderError(
        "plugin",
        f"The provider `{name}` raised {type(error).__name__}; this is a bug in its plug-in.",
        detail="".join(lines),
    )
