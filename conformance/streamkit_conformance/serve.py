"""Plays a recording on loopback, for curl and for whatever else can ask for a URL."""

from collections.abc import Iterator
from contextlib import contextmanager

from streamkit_conformance.skwire import Recording, SkwireError
from streamkit_conformance.transports.loopback import LoopbackServer

__all__ = ["curl", "served"]

#: So far apart that each read arrives as one of its own.
APART_S = 0.05


@contextmanager
def served(
    recording: Recording, *, port: int = 0, apart_s: float = APART_S
) -> Iterator[LoopbackServer]:
    """Answers every request on 127.0.0.1 with a recording, whatever its path and method.

    Args:
        recording: The answer.
        port: Where to listen; 0 takes a free one.
        apart_s: Seconds from one read to the next.

    Raises:
        SkwireError: It is of a service that could not be reached, which no server can play.
        OSError: The port is taken.
    """
    before = recording.wire.before
    if before in ("connect", "dns", "tls"):
        raise SkwireError(f"there is no answer to serve: the connection itself failed ({before})")
    with LoopbackServer(port=port) as server:
        server.answer([recording.wire], every_s=apart_s)
        yield server


def curl(server: LoopbackServer) -> str:
    """The command that shows what is served, as it arrives."""
    return f"curl --no-buffer --include {server.url}/v1/chat/completions --json '{{}}'"
