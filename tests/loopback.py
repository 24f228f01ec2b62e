"""A real server on loopback that says exactly the bytes of a script, and then what it saw.

It runs in threads of its own, so it serves asynchronous and synchronous clients alike. Waits in a
script end with an event that a test sets or with the client's going away, never with a sleep.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

#: The longest that a script waits for anything; a test that reaches it has failed.
LIMIT_S = 20.0


@dataclass(frozen=True)
class Hold:
    """Waits until the client goes away, or until the event is set."""

    until: threading.Event | None = None


@dataclass(frozen=True)
class Reset:
    """Resets the connection (RST) instead of closing it."""


@dataclass(frozen=True)
class Close:
    """Closes the connection, whatever of the answer is still missing."""


@dataclass(frozen=True)
class Repeat:
    """Sends the same bytes every `every_s` seconds until the client goes away."""

    data: bytes
    every_s: float


Action: TypeAlias = bytes | Hold | Reset | Close | Repeat


@dataclass
class Connection:
    """What the server saw of one connection.

    Attributes:
        client_port: The port of the client's end.
        requests: Head and body of each request, as they came.
        gone: Set when the client has closed its side.
    """

    client_port: int = 0
    requests: list[bytes] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)


class LoopbackServer:
    """Answers the n-th request with the n-th script; the last one serves all further requests."""

    def __init__(
        self, scripts: Sequence[Iterable[Action]], tls: ssl.SSLContext | None = None
    ) -> None:
        self._scripts = [list(script) for script in scripts]
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._served = 0
        self._sockets: set[socket.socket] = set()
        self.connections: list[Connection] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The server's address."""
        scheme = "https" if self._tls is not None else "http"
        return f"{scheme}://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[bytes]:
        """All requests in the order in which they came."""
        return [request for connection in self.connections for request in connection.requests]

    def close(self) -> None:
        """Closes everything that is open."""
        # Shutting down wakes the threads that wait on a socket; closing alone would not.
        shut_down(self._listener)
        self._listener.close()
        with self._lock:
            for each in self._sockets:
                shut_down(each)

    def _accept(self) -> None:
        while True:
            try:
                peer, (_, client_port) = self._listener.accept()
            except OSError:
                return
            connection = Connection(client_port)
            self.connections.append(connection)
            with self._lock:
                self._sockets.add(peer)
            threading.Thread(target=self._serve, args=(peer, connection), daemon=True).start()

    def _serve(self, peer: socket.socket, connection: Connection) -> None:
        try:
            peer.settimeout(LIMIT_S)
            if self._tls is not None:
                raw, peer = peer, self._tls.wrap_socket(peer, server_side=True)
                with self._lock:
                    self._sockets.discard(raw)
                    self._sockets.add(peer)
            while True:
                request = _read_request(peer)
                if not request:
                    return
                connection.requests.append(request)
                with self._lock:
                    script = self._scripts[min(self._served, len(self._scripts) - 1)]
                    self._served += 1
                if not all(self._act(peer, action, connection) for action in script):
                    return
        except OSError:
            return  # the client went away, which is what many scripts are for
        finally:
            with self._lock:
                self._sockets.discard(peer)
            peer.close()
            connection.gone.set()

    def _act(self, peer: socket.socket, action: Action, connection: Connection) -> bool:
        """Does one action; says whether the connection goes on."""
        match action:
            case bytes():
                peer.sendall(action)
                return True
            case Reset():
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case Close():
                return False
            case Hold(until):
                if until is not None:
                    return until.wait(LIMIT_S)
                return bool(peer.recv(1))
            case Repeat(data, every_s):
                peer.settimeout(every_s)
                while True:
                    peer.sendall(data)
                    try:
                        if not peer.recv(1):
                            return False
                    except TimeoutError:
                        continue


def shut_down(each: socket.socket) -> None:
    """Ends both directions of a socket, unless its other end did so already."""
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


def _read_request(peer: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        data = peer.recv(65536)
        if not data:
            return b""
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        data = peer.recv(65536)
        if not data:
            raise ConnectionResetError  # the client went away in the midst of its request
        body += data
    return head + b"\r\n\r\n" + body


def head(
    status: int = 200, content_type: str = "text/event-stream", *lines: str, chunked: bool = True
) -> bytes:
    """The head of an answer; without `chunked` the body ends with the connection."""
    coding = ["transfer-encoding: chunked"] if chunked else ["connection: close"]
    all_lines = [f"HTTP/1.1 {status} X", f"content-type: {content_type}", *coding, *lines]
    return "\r\n".join([*all_lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """Bytes in HTTP's chunked coding; none end the body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


END = chunk(b"")


@contextmanager
def serving(
    *scripts: Iterable[Action], tls: ssl.SSLContext | None = None
) -> Iterator[LoopbackServer]:
    """Runs a server for the time of a test."""
    server = LoopbackServer(scripts, tls)
    try:
        yield server
    finally:
        server.close()
