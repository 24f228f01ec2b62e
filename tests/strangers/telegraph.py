"""The service of the how-to's plug-in with its own transport: lines of JSON over TCP."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

#: The longest that anything is waited for; a test that reaches it has failed.
LIMIT_S: Final = 20.0

#: A question that is answered with one word, after which the line hangs up.
CUT: Final = "cut"
#: A question that is answered with one word and then with silence.
SILENCE: Final = "silence"
#: A question that is answered with what is no line of this service.
NOISE: Final = "noise"


class Telegraph:
    """Repeats what it is asked, word by word.

    Attributes:
        address: Where it listens, as `host:port`.
        questions: What it was sent.
        hung_up: For each connection in turn, set when its client has closed it.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        host, port = listener.getsockname()
        self.address = f"{host}:{port}"
        self.questions: list[dict[str, str]] = []
        self.hung_up: list[threading.Event] = []

    def accept(self) -> None:
        """Serves one connection after another, each in a thread, until the listener is closed."""
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            gone = threading.Event()
            self.hung_up.append(gone)
            threading.Thread(target=self._serve, args=(wire, gone), daemon=True).start()

    def _serve(self, wire: socket.socket, gone: threading.Event) -> None:
        wire.settimeout(LIMIT_S)
        with wire, wire.makefile("rb") as lines, suppress(OSError):
            question = json.loads(lines.readline())
            self.questions.append(question)
            match question["text"]:
                case "cut":
                    wire.sendall(_line(word="half"))
                    return
                case "silence":
                    wire.sendall(_line(word="still"))
                case "noise":
                    wire.sendall(b"???\n")
                case text:
                    for word in text.split(" "):
                        wire.sendall(_line(word=f"{word} "))
                    wire.sendall(_line(stop="end of message"))
            if not lines.read(1):
                gone.set()


def _line(**told: str) -> bytes:
    return json.dumps(told).encode() + b"\n"


@contextmanager
def telegraph() -> Iterator[Telegraph]:
    """Runs the service for the time of a test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = Telegraph(listener)
        threading.Thread(target=service.accept, daemon=True).start()
        try:
            yield service
        finally:
            listener.shutdown(socket.SHUT_RDWR)
