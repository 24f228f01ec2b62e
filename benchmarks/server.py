"""The load server: a process of its own that streams rendered answers over loopback.

It prints its port as one JSON line, answers until its standard input closes, and notes for every
run what it sent, so that a runner which lost something is found out.
"""

import asyncio
import hashlib
import json
import resource
import sys
import time
from dataclasses import dataclass, field

from benchmarks.answers import (
    Shape,
    content_frame,
    ending,
    http_chunk,
    opening,
    parse_path,
    render,
)

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
EVENT_STREAM = b"text/event-stream; charset=utf-8"
CONTENT_TYPES = {
    "openai": EVENT_STREAM,
    "compatible": EVENT_STREAM,
    "ndjson": b"application/x-ndjson",
}
WRITE_BYTES = 64 * 1024
PACE_SECONDS = 0.005
# More waiting connections than any line opens at once.
BACKLOG = 4096


@dataclass(slots=True)
class Run:
    """What the server sent to one run.

    Attributes:
        connections: The connections that carried its requests.
        requests: How many requests it made.
        arrived: Set when as many requests have come as the shape's gate asks for.
        digests: SHA-256 of the contents of each kind of answer it was sent.
        content_bytes: The lengths of those answers' bodies.
    """

    connections: set[int] = field(default_factory=set)
    requests: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    digests: set[str] = field(default_factory=set)
    content_bytes: set[int] = field(default_factory=set)

    def report(self) -> bytes:
        """Return the notes as JSON."""
        notes = {
            "connections": len(self.connections),
            "requests": self.requests,
            "digests": sorted(self.digests),
            "content_bytes": sorted(self.content_bytes),
        }
        return json.dumps(notes).encode()


class LoadServer:
    """Answers every request by the shape that its path spells."""

    def __init__(self) -> None:
        """Start with no runs noted."""
        self.runs: dict[str, Run] = {}
        self.accepted = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client leaves it."""
        self.accepted += 1
        connection = self.accepted
        try:
            while path := await _read_request(reader):
                await self._answer(path, connection, reader, writer)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            # A client may leave at any time (the runs that must not lose anything are checked
            # by what they report), and the server ends with its parent, connections or not.
            return
        finally:
            writer.close()

    async def _answer(
        self,
        path: str,
        connection: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if path.startswith("/report/"):
            report = self.runs.pop(path.removeprefix("/report/"), Run()).report()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(report) + report)
            return
        name, shape = parse_path(path)
        run = self.runs.setdefault(name, Run())
        run.connections.add(connection)
        run.requests += 1
        if run.requests >= shape.gate:
            run.arrived.set()
        writer.write(HEAD % CONTENT_TYPES[shape.dialect])
        if shape.framing == "paced":
            await _send_paced(shape, run, writer)
            return
        answer = render(shape)
        run.digests.add(answer.digest)
        run.content_bytes.add(answer.content_bytes)
        await run.arrived.wait()
        for start in range(0, len(answer.body), WRITE_BYTES):
            writer.write(answer.body[start : start + WRITE_BYTES])
            await writer.drain()
        if shape.framing == "held":
            await reader.read()


async def _read_request(reader: asyncio.StreamReader) -> str:
    """Return the next request's path, or nothing when the client has left."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return ""
    request_line, *headers = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in headers if ": " in line)
    await reader.readexactly(int(fields.get("content-length", "0")))
    return request_line.split(" ")[1]


async def _send_paced(shape: Shape, run: Run, writer: asyncio.StreamWriter) -> None:
    digest = hashlib.sha256()
    sent = 0
    for frame in opening(shape.dialect):
        writer.write(http_chunk(frame))
        sent += len(frame)
    due = time.monotonic()
    for position in range(shape.chunks):
        due += PACE_SECONDS
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        text = f"{time.monotonic_ns()} "
        frame = content_frame(shape.dialect, text, position)
        writer.write(http_chunk(frame))
        digest.update(text.encode())
        sent += len(frame)
    frames = ending(shape.dialect, shape.chunks)
    # Noted before the end is written: the client may ask for the notes as soon as it sees it.
    run.digests.add(digest.hexdigest())
    run.content_bytes.add(sent + sum(map(len, frames)))
    writer.write(b"".join(map(http_chunk, frames)) + b"0\r\n\r\n")


def allow_many_sockets() -> None:
    """Raise this process's limit of open files as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _main() -> None:
    allow_many_sockets()
    handler = LoadServer()
    server = await asyncio.start_server(handler.serve, "127.0.0.1", 0, backlog=BACKLOG)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    # Standard input is the life line: it closes when the parent is gone, however it went.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
