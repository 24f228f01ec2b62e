"""What a transport is: the one thing that waits, and how its failures are told.

A transport opens an exchange: one request that was sent, and its answer, read as bytes. There is a
form for asynchronous code and one for synchronous code; what is decided about the bytes is decided
elsewhere, once for both.

Deadlines are given to each call as a point on the clock of the stream (`Clock.monotonic`, seconds);
`math.inf` is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from streamkit.settings import Timeouts

ReadT = TypeVar("ReadT", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """One HTTP request, ready to send.

    Attributes:
        url: The whole address; a password may stand in it: never shown.
        headers: All of them, the key's too: never shown.
        body: The bytes to send; `None` sends none.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


class TransportFailure(Exception):
    """An exchange failed before its answer was read to the end.

    Attributes:
        kind: The schema's kind: `connection`, `timeout_connect`, `protocol`, `truncated`, …
        message: A sentence for users, without secrets.
        detail: More for developers; redacted by whoever shows it.
    """

    def __init__(self, kind: str, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.detail = detail


class DeadlinePassed(TransportFailure):
    """The deadline of the call passed."""

    def __init__(self) -> None:
        super().__init__("timeout_total", "The deadline passed.")


class Interrupted(TransportFailure):
    """`interrupt()` was called."""

    def __init__(self) -> None:
        super().__init__("interrupted", "The exchange was interrupted.")


@dataclass(frozen=True, slots=True)
class Head:
    """The status line and the headers of an answer, names in lower case."""

    status: int
    headers: Mapping[str, str]


class Exchange(Protocol, Generic[ReadT]):
    """An answer that is being read by asynchronous code; one reader at a time."""

    @property
    def head(self) -> Head:
        """Status and headers."""
        ...

    async def read(self, deadline: float) -> ReadT | None:
        """Waits for the next read; `None` at the end of the body.

        Raises:
            TransportFailure: The exchange failed, its deadline passed, or it was interrupted.
        """
        ...

    def interrupt(self) -> None:
        """Wakes a pending read, now or as soon as it begins; from any thread, at any time."""
        ...

    async def close(self, drain_s: float = 0.0) -> None:
        """Lets go of the connection; idempotent, and done even when the caller is cancelled.

        Args:
            drain_s: Seconds to spend on reading the rest of the body, so that the connection can be
                used again. 0 closes the connection when the body was not read to its end.
        """
        ...

    def abandon(self) -> None:
        """Lets go without waiting, from any thread, with no reader left: for finalisers."""
        ...


class SyncExchange(Protocol, Generic[ReadT]):
    """The same for synchronous code."""

    @property
    def head(self) -> Head:
        """Status and headers."""
        ...

    def read(self, deadline: float) -> ReadT | None:
        """Blocks until the next read; see `Exchange.read`."""
        ...

    def interrupt(self) -> None:
        """Wakes a pending read; see `Exchange.interrupt`."""
        ...

    def close(self, drain_s: float = 0.0) -> None:
        """Lets go of the connection; see `Exchange.close`."""
        ...

    def abandon(self) -> None:
        """Lets go without waiting; see `Exchange.abandon`."""
        ...


class Transport(Protocol):
    """Opens exchanges. Made once for a model and used by all of its streams."""

    def check(self, *, is_async: bool) -> None:
        """Refuses a use that cannot work, before anything is sent.

        Raises:
            ConfigurationError: Such as asynchronous use of a synchronous client.
        """
        ...

    def opening(self) -> "Opening":
        """Makes the handle for one exchange to be opened."""
        ...


class Opening(Protocol):
    """One exchange before it is open."""

    async def open(
        self, request: OutgoingRequest, deadline: float, timeouts: Timeouts
    ) -> Exchange[bytes]:
        """Sends the request and waits for status and headers.

        Raises:
            TransportFailure: There is no answer, the deadline passed, or it was interrupted.
        """
        ...

    def open_sync(
        self, request: OutgoingRequest, deadline: float, timeouts: Timeouts
    ) -> SyncExchange[bytes]:
        """The same for synchronous code."""
        ...

    def interrupt(self) -> None:
        """Wakes the pending opening, now or as soon as it begins; from any thread."""
        ...
