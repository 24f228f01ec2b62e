"""A transport without a network: plays scripted answers, cut, paused and broken at will.

Pauses pass on a clock of their own, so a test of a deadline takes no time.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from streamkit.settings import Timeouts
from streamkit.transport.base import (
    DeadlinePassed,
    Head,
    Interrupted,
    OutgoingRequest,
    TransportFailure,
)


@dataclass
class ManualClock:
    """A clock that moves only when it is told to.

    Attributes:
        now: Seconds; both the monotonic and the wall clock's.
    """

    now: float = 1_000_000.0

    def monotonic(self) -> float:
        """The time."""
        return self.now

    def wall(self) -> float:
        """The time."""
        return self.now

    def wait(self, seconds: float, deadline: float) -> None:
        """Lets time pass, but not beyond a deadline.

        Raises:
            DeadlinePassed: The deadline comes first.
        """
        if self.now + seconds >= deadline:
            self.now = max(self.now, deadline)
            raise DeadlinePassed
        self.now += seconds


@dataclass(frozen=True, slots=True)
class Pause:
    """The service is silent for some seconds; `math.inf` is for ever."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Break:
    """The connection breaks.

    Attributes:
        kind: `connection` for a reset, `truncated` for a close before the body's end.
    """

    kind: str = "connection"
    message: str = "The connection broke while the answer was being read."


Event: TypeAlias = bytes | Pause | Break


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer.

    Attributes:
        body: Reads, pauses and breaks in order; bytes alone are one read.
        before_head: Seconds of silence before the status, or a break instead of an answer.
    """

    body: Sequence[Event] | bytes = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    before_head: float | Break = 0.0

    def events(self) -> Iterable[Event]:
        """The body's events, one by one."""
        return (self.body,) if isinstance(self.body, bytes) else self.body


class MemoryTransport:
    """Answers each request with the next scripted reply, and remembers what was sent.

    Args:
        replies: The answers in order; a request beyond them fails to connect.
        clock: The clock on which pauses pass; give the same one to the model.

    Attributes:
        requests: The requests that were sent.
        open_exchanges: Exchanges that were opened and not closed.
    """

    def __init__(self, replies: Iterable[Reply | bytes], clock: ManualClock | None = None) -> None:
        self._replies = [Reply(reply) if isinstance(reply, bytes) else reply for reply in replies]
        self.clock = clock or ManualClock()
        self.requests: list[OutgoingRequest] = []
        self.open_exchanges = 0

    def check(self, *, is_async: bool) -> None:
        """Every use works."""

    def opening(self) -> "MemoryOpening":
        """Makes the handle for one exchange to be opened."""
        return MemoryOpening(self)

    def take(self, request: OutgoingRequest, deadline: float) -> Reply:
        """Takes the next reply and waits for its head."""
        number = len(self.requests)
        self.requests.append(request)
        if number >= len(self._replies):
            raise TransportFailure("connection", "The script has no reply for this request.")
        reply = self._replies[number]
        if isinstance(reply.before_head, Break):
            raise TransportFailure(reply.before_head.kind, reply.before_head.message)
        if reply.before_head:
            self.clock.wait(reply.before_head, deadline)
        self.open_exchanges += 1
        return reply


class _Play:
    """One reply being played."""

    def __init__(self, transport: MemoryTransport, reply: Reply) -> None:
        self._transport = transport
        self._events = iter(reply.events())
        self._is_closed = False
        self._is_interrupted = False
        headers = {name.lower(): value for name, value in reply.headers.items()}
        self.head = Head(reply.status, headers)

    def next_read(self, deadline: float) -> bytes | None:
        for event in self._events:
            if self._is_interrupted:
                raise Interrupted
            match event:
                case bytes():
                    return event
                case Pause(seconds):
                    if seconds == math.inf and deadline == math.inf:
                        raise TransportFailure(
                            "protocol", "The script waits for ever and no deadline ends it."
                        )
                    self._transport.clock.wait(seconds, deadline)
                case Break(kind, message):
                    raise TransportFailure(kind, message)
        return None

    def interrupt(self) -> None:
        """Makes the next read fail."""
        self._is_interrupted = True

    def finish(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._transport.open_exchanges -= 1

    def abandon(self) -> None:
        """Closes."""
        self.finish()


class MemoryExchange(_Play):
    """One reply, read by asynchronous code."""

    async def read(self, deadline: float) -> bytes | None:
        """The next read; `None` at the end."""
        return self.next_read(deadline)

    async def close(self, drain_s: float = 0.0) -> None:
        """Closes."""
        self.finish()


class SyncMemoryExchange(_Play):
    """One reply, read by synchronous code."""

    def read(self, deadline: float) -> bytes | None:
        """The next read; `None` at the end."""
        return self.next_read(deadline)

    def close(self, drain_s: float = 0.0) -> None:
        """Closes."""
        self.finish()


class MemoryOpening:
    """One exchange before it is open."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport
        self._is_interrupted = False

    def interrupt(self) -> None:
        """Makes the opening fail."""
        self._is_interrupted = True

    async def open(
        self, request: OutgoingRequest, deadline: float, timeouts: Timeouts
    ) -> MemoryExchange:
        """Takes the next reply."""
        return MemoryExchange(*self._begin(request, deadline))

    def open_sync(
        self, request: OutgoingRequest, deadline: float, timeouts: Timeouts
    ) -> SyncMemoryExchange:
        """Takes the next reply."""
        return SyncMemoryExchange(*self._begin(request, deadline))

    def _begin(self, request: OutgoingRequest, deadline: float) -> tuple[MemoryTransport, Reply]:
        if self._is_interrupted:
            raise Interrupted
        return self._transport, self._transport.take(request, deadline)
