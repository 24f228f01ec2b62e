"""What one stream does next: decides, never waits.

`StreamFlow.run()` is a generator that serves asynchronous and synchronous code alike. It yields
what is to be done (a `Step`) or what is to be delivered (a list of chunks), and is sent what came
of it. Failures of a step are thrown in; nothing but cancellation comes out.

The rules kept here:

1. The first thing delivered is `start`; nothing is sent before the second is asked for.
2. One attempt for each stream. A failure before any content would be the place to try again.
3. A deadline belongs to each wait: first content, idle, total, and short graces at the end.
4. The connection is let go of before an error is delivered, and after a terminator once the rest
   of the body was read, so that it can be used again.
5. What a request leaves out is told when it was opened or has failed, before whatever follows.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from streamkit.assembly.assembler import Assembler
from streamkit.attempt import DeltaAttempt, HTTPAttempt, plugin_error, refuse_async
from streamkit.chunks import StreamChunk
from streamkit.clock import Clock
from streamkit.errors import ProviderError, StreamkitError
from streamkit.outgoing import outgoing_request, redirect_target
from streamkit.provider import AnyProvider, HTTPCall, HTTPProvider, NoticeDelta, Provider
from streamkit.redaction import Redactor
from streamkit.request import ChatRequest
from streamkit.settings import Timeouts
from streamkit.transport.base import (
    DeadlinePassed,
    Head,
    OutgoingRequest,
    TransportFailure,
)

#: Seconds that an answer may take to end after its finish reason.
END_GRACE_S: Final = 2.0
#: Seconds for the rest of the body after the terminator.
DRAIN_S: Final = 0.25
#: Seconds for the body of an error.
ERROR_BODY_S: Final = 5.0
MAX_REDIRECTS: Final = 5


@dataclass(frozen=True, slots=True)
class Prepare:
    """Run the provider's `prepare()`, which may block."""

    request: ChatRequest


@dataclass(frozen=True, slots=True)
class Open:
    """Send the request and wait for status and headers; answered with a `Head`."""

    request: OutgoingRequest


@dataclass(frozen=True, slots=True)
class OpenDeltas:
    """Begin to ask a `StreamProvider`; answered with `None`."""

    request: ChatRequest


@dataclass(frozen=True, slots=True)
class Read:
    """Wait for the next read until `StreamFlow.deadline`; answered with it, `None` at the end."""


@dataclass(frozen=True, slots=True)
class Release:
    """Let go of the connection, after reading the rest of the body for `drain_s` seconds."""

    drain_s: float = 0.0


Step: TypeAlias = Prepare | Open | OpenDeltas | Read | Release
Flow: TypeAlias = Generator[Step | list[StreamChunk], Any, None]

READ: Final = Read()

#: Gives the request that is to be sent in place of the one that was made; may raise to refuse it.
Policy: TypeAlias = Callable[[ChatRequest], ChatRequest]


class _Attempt(Protocol):
    made_progress: bool

    @property
    def is_error_body(self) -> bool: ...
    def received(self, data: Any, elapsed_ms: int) -> list[StreamChunk]: ...
    def ended(
        self, elapsed_ms: int, failure: TransportFailure | None = None
    ) -> list[StreamChunk]: ...


class StreamFlow:
    """The decisions of one stream.

    Args:
        provider: Whom to ask.
        request: What to ask.
        assembler: Makes the chunks.
        redactor: Learns the secrets of the request as they become known.
        timeouts: The caller's limits.
        clock: Tells the time.
        policy: Changes or refuses the request, before each attempt.

    Attributes:
        deadline: Until when the pending step may wait, on the clock; `math.inf` is for ever.
        clock: The clock of the deadlines.
        stop_requested: The caller wants the stream to end.
    """

    def __init__(
        self,
        provider: AnyProvider,
        request: ChatRequest,
        *,
        assembler: Assembler,
        redactor: Redactor,
        timeouts: Timeouts,
        clock: Clock,
        policy: Policy | None = None,
    ) -> None:
        self._provider = provider
        self._request = request
        self._policy = policy
        self._assembler = assembler
        self._redactor = redactor
        self._timeouts = timeouts
        self.clock = clock
        self._began = 0.0
        self._total_deadline = math.inf
        self._first_content_deadline = math.inf
        self._held: list[StreamChunk] = []  # made before there was anything to deliver
        self._target = ""  # the method and the address of the last request
        self.deadline = math.inf
        self.stop_requested = False

    @property
    def has_begun(self) -> bool:
        """Whether any chunk was asked for."""
        return self._assembler.next_index > 0

    def progress(self) -> tuple[int, int]:
        """Milliseconds since the first chunk was asked for, and how many were made."""
        return self._elapsed(self.clock.monotonic()), self._assembler.next_index

    def run(self) -> Flow:
        """The stream from its first chunk to its last."""
        self._began = self.clock.monotonic()
        yield [self._assembler.start()]
        if self.stop_requested:
            yield self._cancelled()
            return
        now = self.clock.monotonic()
        self._total_deadline = now + _or_forever(self._timeouts.total)
        self._first_content_deadline = now + _or_forever(self._timeouts.first_content)
        self._assembler.begin_attempt(self._elapsed(now))
        try:
            attempt = yield from self._opened()
        except TransportFailure as failure:
            yield self._failed(failure)
        except Exception as error:
            yield Release()
            yield self._refused(self._in_words(error))
        else:
            yield from self._read(attempt)

    # Opening.

    def _opened(self) -> Generator[Step | list[StreamChunk], Any, _Attempt]:
        self.deadline = min(self._first_content_deadline, self._total_deadline)
        provider = self._provider
        request = self._request if self._policy is None else self._policy(self._request)
        if type(provider).prepare is not Provider.prepare:
            yield Prepare(request)
        if not isinstance(provider, HTTPProvider):
            yield OpenDeltas(request)
            return DeltaAttempt(provider.name, self._assembler)
        call = self._call(provider, request)
        if call.notices:
            elapsed_ms = self._elapsed(self.clock.monotonic())
            self._assembler.feed(call.notices, elapsed_ms, self._held)
        outgoing = outgoing_request(provider, call, self._redactor)
        for _ in range(MAX_REDIRECTS + 1):
            self._target = f"{outgoing.method} {outgoing.url}"
            head: Head = yield Open(outgoing)
            target = redirect_target(outgoing, head)
            if target is None:
                break
            yield Release()
            outgoing = target
        else:
            raise ProviderError("protocol", "The service redirects without an end.")
        attempt = HTTPAttempt(provider, call.framing, self._assembler, self.clock.wall())
        attempt.opened(head.status, head.headers)
        if self._held:
            told_at = self.clock.monotonic()
            yield self._with_held([])
            # The time that the consumer took is not the service's.
            away = self.clock.monotonic() - told_at
            self.deadline = min(self.deadline + away, self._total_deadline)
        return attempt

    def _call(self, provider: HTTPProvider, request: ChatRequest) -> HTTPCall:
        call = provider.request(request)
        refuse_async(provider.name, "request", call)
        if not isinstance(call, HTTPCall):
            raise TypeError(f"request() gave {type(call).__name__}")
        if not all(isinstance(each, NoticeDelta) for each in call.notices):
            raise TypeError("request() gave notices that are no NoticeDelta")
        return call

    def _in_words(self, error: Exception) -> ProviderError:
        """What a plug-in raised, as the error that the stream ends with."""
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, StreamkitError):
            return ProviderError("configuration", str(error))
        return plugin_error(self._provider.name, error)

    # Reading.

    def _read(self, attempt: _Attempt) -> Flow:
        if attempt.is_error_body:
            self.deadline = min(self.clock.monotonic() + ERROR_BODY_S, self._total_deadline)
        assembler, now_of = self._assembler, self.clock.monotonic
        idle, began = _or_forever(self._timeouts.idle), self._began
        total_deadline = self._total_deadline
        settled_until: float | None = None
        while True:
            if self.stop_requested:
                yield Release()
                yield self._cancelled()
                return
            try:
                data = yield READ
            except TransportFailure as failure:
                yield Release()
                yield self._broken_off(attempt, failure)
                return
            except Exception as error:
                # A transport tells its failures as such; a `StreamProvider` in its own words.
                yield Release()
                yield self._refused(self._in_words(error))
                return
            now = now_of()
            elapsed_ms = int((now - began) * 1000)
            if data is None:
                chunks = attempt.ended(elapsed_ms)
            else:
                chunks = attempt.received(data, elapsed_ms)
            if assembler.is_over:
                break
            if assembler.has_evidence:
                # Complete, but for its end marker: a grace that keep-alives do not prolong.
                settled_until = settled_until or now + END_GRACE_S
                self.deadline = min(settled_until, self._total_deadline)
            elif attempt.made_progress:
                deadline = now + idle
                self.deadline = deadline if deadline < total_deadline else total_deadline
            if chunks:
                yield chunks
                # The time that the consumer took is not the service's.
                away = now_of() - now
                self.deadline = min(self.deadline + away, total_deadline)
                if settled_until is not None:
                    settled_until += away
        if data is not None and chunks[-1].type == "end":
            # The terminator came and the body goes on: what the caller waits for comes first.
            yield chunks
            yield Release(DRAIN_S)
        else:
            yield Release()
            yield chunks

    def _broken_off(self, attempt: _Attempt, failure: TransportFailure) -> list[StreamChunk]:
        now = self.clock.monotonic()
        if self.stop_requested:
            return self._cancelled()
        if isinstance(failure, DeadlinePassed) and not attempt.is_error_body:
            if self._assembler.has_evidence and now < self._total_deadline:
                return attempt.ended(self._elapsed(now))
            failure = self._expired(now)
        return attempt.ended(self._elapsed(now), failure)

    # Ends.

    def _cancelled(self) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        self._assembler.cancel(self._elapsed(self.clock.monotonic()), out)
        return self._with_held(out)

    def _with_held(self, chunks: list[StreamChunk]) -> list[StreamChunk]:
        """The chunks that wait for delivery, then these."""
        held, self._held = self._held, []
        return held + chunks

    def _failed(self, failure: TransportFailure) -> list[StreamChunk]:
        if self.stop_requested:
            return self._cancelled()
        if isinstance(failure, DeadlinePassed):
            failure = self._expired(self.clock.monotonic())
        detail = ": ".join(filter(None, (self._target, failure.detail)))
        return self._refused(ProviderError(failure.kind, failure.message, detail=detail or None))

    def _refused(self, error: ProviderError) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        self._assembler.fail(error, self._elapsed(self.clock.monotonic()), out)
        return self._with_held(out)

    def _expired(self, now: float) -> TransportFailure:
        """Which of the caller's limits it was that passed."""
        if now >= self._total_deadline:
            return TransportFailure(
                "timeout_total", f"The answer took longer than {self._timeouts.total:g} s in all."
            )
        if not self._assembler.has_spoken:
            return TransportFailure(
                "timeout_first_content",
                f"No content came within {self._timeouts.first_content or 0:g} s.",
            )
        return TransportFailure(
            "timeout_idle", f"No further content came within {self._timeouts.idle or 0:g} s."
        )

    def _elapsed(self, now: float) -> int:
        return int((now - self._began) * 1000)


def _or_forever(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
