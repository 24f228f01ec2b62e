"""A real server on loopback: resets, stalls, slow answers, and clients that leave.

It runs in threads of its own, so it serves asynchronous and synchronous clients alike, also those
that are not httpx. It reads the whole of a request before it answers: a socket that is closed with
bytes unread sends a reset where an end was meant. All its waits end with an event: more may be
sent, the client went away, the server closes.
"""

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from streamkit_conformance.trace import SentRequest
from streamkit_conformance.transports.serving import (
    LAST_CHUNK,
    NotHTTP,
    chunk,
    head,
    is_chunked,
    read_request,
)
from streamkit_conformance.wire import Wire

__all__ = ["Answered", "LoopbackServer"]


@dataclass(eq=False)
class Answered:
    """What the server saw of one answer that it gave.

    Attributes:
        wire: The answer.
        request: What it answers.
        connection: The number of the connection, from 0; answers may share one.
        served: How many of its reads were sent.
        is_finished: It was sent whole, its ending included, before the client left.
        gone: Set when the client's side of the connection is closed. After a reset by the server
            it is set at once: nothing is left that a client could close.
        gone_at: When, in seconds of `time.monotonic`.
    """

    wire: Wire
    request: SentRequest
    connection: int
    served: int = 0
    is_finished: bool = False
    gone: threading.Event = field(default_factory=threading.Event)
    gone_at: float = 0.0


@dataclass(eq=False)
class _Case:
    """What is answered until the next case, and what was seen of it."""

    origin: str
    raw_end: bytes | None
    changed: threading.Condition
    wires: Sequence[Wire] = ()
    allowed: int | None = None
    every_s: float = 0.0
    more: int = 0
    answers: list[Answered] = field(default_factory=list)
    connections: "list[_Connection]" = field(default_factory=list)

    def may_send(self, step: int, wire: Wire) -> bool:
        """Whether a read, or behind the last one the ending, may be sent now."""
        if self.allowed is None:
            return True
        steps = len(wire.reads) + 1
        first = self.allowed if self.allowed >= 0 else steps + self.allowed
        return step < first + self.more

    def begin(self, request: SentRequest, connection: int) -> Answered | None:
        """The answer to the next request; `None` before anyone said what to answer."""
        if not self.wires:
            return None
        with self.changed:
            wire = self.wires[min(len(self.answers), len(self.wires) - 1)]
            answered = Answered(wire, request, connection)
            self.answers.append(answered)
            self.changed.notify_all()
        return answered


class LoopbackServer:
    """Answers with wires on 127.0.0.1; one server serves many cases, one after the other.

    Attributes:
        port: Where it listens.

    Args:
        raw_end: For subjects whose transport is no HTTP: a request ends with these bytes, and the
            reads of its answer go out as they are; closing the connection ends it.
        port: Where to listen; 0 takes a free one.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, *, raw_end: bytes | None = None, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._raw_end = raw_end
        self._changed = threading.Condition()
        self._case = _Case(self.url, raw_end, self._changed)
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        self._wakes, self._woken = socket.socketpair()
        self._accepting = threading.Thread(target=self._accept, name="loopback", daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """The server's address, without a slash at its end."""
        scheme = "http" if self._raw_end is None else "tcp"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def answers(self) -> list[Answered]:
        """The answers that were begun in this case, in the order of their requests."""
        return self._case.answers

    @property
    def requests(self) -> list[SentRequest]:
        """The requests that came in this case, in order."""
        return [each.request for each in self.answers]

    def answer(
        self, wires: Sequence[Wire], *, allowed: int | None = None, every_s: float = 0.0
    ) -> None:
        """Begins a case: the next requests get these answers in order, the last one all further.

        Connections that are still open from the case before are closed.

        Args:
            wires: The answers.
            allowed: How many steps each answer may go until `allow` says more. A read is a step,
                the ending behind the reads is the last one. Below 0: all but the last so many.
            every_s: Seconds from one read to the next, for answers that are slow and steady.
        """
        case = _Case(self.url, self._raw_end, self._changed, tuple(wires), allowed, every_s)
        with self._changed:
            self._case, old = case, self._case
        for each in old.connections:
            each.drop()

    def redirect_to(self, url: str, *, status: int = 307) -> None:
        """Begins a case that sends every request to another address."""
        headers = (("location", url), ("content-length", "0"))
        self.answer([Wire(status, headers, ())])

    def allow(self, steps: int = 1) -> None:
        """Lets each answer go so many steps further."""
        with self._changed:
            self._case.more += steps
        self._wake()

    def allow_all(self) -> None:
        """Lets the answers go on to their end."""
        with self._changed:
            self._case.allowed = None
        self._wake()

    def wait_until(self, holds: Callable[[], bool], limit_s: float = 5.0) -> bool:
        """Waits until something holds of what the server saw; says whether it does."""
        with self._changed:
            return self._changed.wait_for(holds, limit_s)

    def close(self) -> None:
        """Closes everything that is open and ends the threads."""
        if self._is_closed:
            return
        self._is_closed = True
        self._wakes.send(b"x")
        self._accepting.join()
        self._wakes.close()
        for each in self._case.connections:
            each.drop()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        with self._listener, self._woken, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                selector.select()
                if self._is_closed:
                    return
                self._begin(self._listener.accept()[0])

    def _begin(self, peer: socket.socket) -> None:
        # Each read is sent at once; else the network would join small ones and wait with them.
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            connection = _Connection(self._case, peer, len(self._case.connections))
            self._case.connections.append(connection)
        thread = threading.Thread(target=connection.serve, name="loopback peer", daemon=True)
        self._threads = [thread, *(each for each in self._threads if each.is_alive())]
        thread.start()

    def _wake(self) -> None:
        for each in list(self._case.connections):
            each.wake()


class _Gone(Exception):
    """The client has left, or the server lets the connection go."""


class _Connection:
    """One connection, served by one thread."""

    def __init__(self, case: _Case, peer: socket.socket, number: int) -> None:
        self._case = case
        self._peer = peer
        self._number = number
        self._received = bytearray()
        self._answers: list[Answered] = []
        self._is_dropped = False
        self._is_open = True
        self._lock = threading.Lock()  # no other thread may touch a socket that is closed
        self._wakes, self._woken = socket.socketpair()
        self._wakes.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(peer, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def wake(self) -> None:
        """Makes the thread look again at what it waits for; safe from any thread."""
        # A full buffer means that it is being woken already.
        with self._lock, suppress(BlockingIOError):
            if self._is_open:
                self._wakes.send(b"x")

    def drop(self) -> None:
        """Ends the connection; safe from any thread."""
        self._is_dropped = True
        with self._lock, suppress(OSError):  # the client may have ended it at the same time
            if self._is_open:
                # This ends a send, too, that waits for a client that does not read.
                self._peer.shutdown(socket.SHUT_RDWR)
        self.wake()

    def serve(self) -> None:
        """Answers requests until one side ends the connection."""
        try:
            while self._answer(self._next_request()):
                pass
        except (_Gone, NotHTTP, OSError):
            return  # the client left, which is what many cases are for, or it speaks no HTTP
        finally:
            self._close()

    def _close(self) -> None:
        with self._lock:
            self._is_open = False
            self._selector.close()
            for each in (self._peer, self._wakes, self._woken):
                each.close()
        with self._case.changed:
            for answered in self._answers:
                answered.gone_at = time.monotonic()
                answered.gone.set()
            self._case.changed.notify_all()

    def _next_request(self) -> SentRequest:
        while (request := self._take_request()) is None:
            self._look(None)
        return request

    def _take_request(self) -> SentRequest | None:
        if self._case.raw_end is not None:
            before, end, rest = self._received.partition(self._case.raw_end)
            if not end:
                return None
            self._received = rest
            return SentRequest("", self._case.origin, (), bytes(before + end))
        found = read_request(bytes(self._received), self._case.origin)
        if found is None:
            return None
        del self._received[: found.size]
        return found.request

    def _answer(self, request: SentRequest) -> bool:
        """Gives one answer; says whether the connection goes on."""
        answered = self._case.begin(request, self._number)
        if answered is None:
            return False
        self._answers.append(answered)
        wire = answered.wire
        if wire.before:
            if wire.before == "stall_head":
                self._stay()
            # A server that is there cannot be away; it can only be of no use.
            self._reset(answered)
            return False
        is_raw = self._case.raw_end is not None
        is_coded = is_chunked(wire) and not is_raw
        if not is_raw:
            self._peer.sendall(head(wire))
        for number, read in enumerate(wire.reads):
            self._wait_for_step(number, wire)
            # Noted first: no chunk may come out of a read, or an end be seen, that was not noted.
            self._note(answered, served=number + 1)
            self._peer.sendall(chunk(read) if is_coded else read)
        self._wait_for_step(len(wire.reads), wire)
        if wire.ending == "end" and not is_raw:
            self._note(answered, is_finished=True)
            self._peer.sendall(LAST_CHUNK if is_coded else b"")
            return True
        self._break_off(answered)
        return False

    def _break_off(self, answered: Answered) -> None:
        """Ends the connection as the wire says, and waits until the client has left it too."""
        match answered.wire.ending:
            case "reset":
                self._reset(answered)
            case "stall":
                self._stay()
            case "end" | "read_error" | "protocol_error":
                self._note(answered, is_finished=True)
                self._peer.shutdown(socket.SHUT_WR)
                self._stay()

    def _reset(self, answered: Answered) -> None:
        # With a linger of 0 seconds closing sends a reset.
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._note(answered, is_finished=True)

    def _note(
        self, answered: Answered, *, served: int | None = None, is_finished: bool = False
    ) -> None:
        with self._case.changed:
            answered.served = answered.served if served is None else served
            answered.is_finished = is_finished
            self._case.changed.notify_all()

    def _wait_for_step(self, step: int, wire: Wire) -> None:
        if step and self._case.every_s:
            due = time.monotonic() + self._case.every_s
            while (left := due - time.monotonic()) > 0:
                self._look(left)
        while not self._case.may_send(step, wire):
            self._look(None)
        self._look(0)  # a client that has left is not sent what comes now

    def _stay(self) -> None:
        while True:
            self._look(None)

    def _look(self, limit_s: float | None) -> None:
        """Waits for bytes or for being woken, at most so many seconds.

        Raises:
            _Gone: The client closed its side, or the server wants the connection to end.
        """
        for key, _ in self._selector.select(limit_s):
            if key.fileobj is self._woken:
                self._woken.recv(4096)
            else:
                data = self._peer.recv(65536)
                if not data:
                    raise _Gone
                self._received += data
        if self._is_dropped:
            raise _Gone
