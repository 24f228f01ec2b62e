"""What the tests of closing share: a small provider, scripted answers, a search for leftovers."""

import asyncio
import gc
import importlib.util
import threading
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import psutil
import pytest
import sniffio

from streamkit.chunks import StreamChunk
from streamkit.model import Model
from streamkit.plugin import ProviderSpec
from streamkit.provider import Emitter, Frame, HTTPCall, HTTPProvider
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings, Timeouts
from streamkit.transport.clients import Network
from streamkit.transport.http import HTTPTransport
from tests.http_clients import async_client_of, sync_client_of
from tests.loopback import END, Action, Connection, Hold, LoopbackServer, chunk, head

#: Seconds within which a server must see that its client let go of a connection.
PROMPT_S = 1.0
#: The longest that anything here may take; a test that reaches it has failed.
LIMIT_S = 15.0

#: Every event loop that streams run on here; uvloop where it is installed.
LOOPS: dict[str, Any] = {"asyncio": "asyncio", "trio": "trio"}
if importlib.util.find_spec("uvloop") is not None:
    LOOPS["uvloop"] = ("asyncio", {"use_uvloop": True})
#: For tests that are to run on all of them; others run on the two that every test runs on.
on_every_loop = pytest.mark.parametrize(
    "anyio_backend", [pytest.param(loop, id=name) for name, loop in LOOPS.items()]
)


class TextProvider(HTTPProvider):
    """Every frame is a text, but for the words `FINISH` and `[DONE]`."""

    def request(self, request: ChatRequest) -> HTTPCall:
        return HTTPCall(path="/chat", json={"model": request.model})

    def decode(self, frame: Frame, emit: Emitter) -> None:
        match frame.text():
            case "[DONE]":
                emit.terminator()
            case "FINISH":
                emit.finish("stop", raw="FINISH")
            case text:
                emit.content(text)


SPEC = ProviderSpec(
    name="text", api_version=1, factory="tests.closing:TextProvider", needs_key=False
)


def make_model(
    base_url: str,
    client: object = None,
    *,
    timeouts: Timeouts | None = None,
    network: Network | None = None,
    provider: type[HTTPProvider] = TextProvider,
) -> Model:
    """A model whose answers are the frames that a server sends."""
    settings = ProviderSettings(provider="text", base_url=base_url)
    transport = HTTPTransport(client, network)
    return Model(provider(SPEC, settings), "m", transport=transport, timeouts=timeouts)


def say(*texts: str) -> bytes:
    """Frames, all of them in one piece of HTTP's chunked coding."""
    return chunk("".join(f"data: {text}\n\n" for text in texts).encode())


#: Says one word and then nothing more: a stream to be broken off.
SPEAKS_AND_HOLDS: tuple[Action, ...] = (head() + say("one"), Hold())
#: A whole answer.
COMPLETE: tuple[Action, ...] = (head() + say("one", "two", "FINISH", "[DONE]") + END,)


def open_client(family: Any = httpx) -> AbstractAsyncContextManager[Any]:
    """A client without limits, of the test's own."""
    return async_client_of(family)


def open_sync_client(family: Any = httpx) -> AbstractContextManager[Any]:
    """The same for synchronous code."""
    return sync_client_of(family)


def pool_of(client: Any) -> list[str]:
    """Connections and requests that the client's pool still knows."""
    pool = client._transport._pool
    return [repr(each) for each in (*pool._connections, *pool._requests)]


def client_sockets(server: LoopbackServer) -> int:
    """Sockets of this process that are connected to the server.

    Told by both of their ends: the server's port alone may be that of an earlier one, to which some
    other test's client still holds a connection.
    """
    port = int(server.url.rpartition(":")[2])
    ends = {(each.client_port, port) for each in server.connections}
    ours = psutil.Process().net_connections("tcp")
    # One that only listens has no other end.
    pairs = [(getattr(each.laddr, "port", 0), getattr(each.raddr, "port", 0)) for each in ours]
    return sum(each in ends for each in pairs)


_OF_CLIENTS = frozenset({"httpcore", "httpcore2", "httpx", "httpx2"})


def suspended_generators() -> list[str]:
    """Generators of the HTTP client that wait half-way, for ever."""
    return [
        code.co_qualname
        for each in gc.get_objects()
        if isinstance(each, types.AsyncGeneratorType)
        and each.ag_frame is not None
        and not _OF_CLIENTS.isdisjoint(Path((code := each.ag_code).co_filename).parts)
    ]


def living_tasks() -> int:
    """Tasks of the running event loop."""
    if sniffio.current_async_library() == "trio":
        import trio

        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


def all_gone(connections: Iterable[Connection]) -> bool:
    """Whether the server sees each connection closed, promptly."""
    return all(each.gone.wait(PROMPT_S) for each in connections)


async def until(condition: Callable[[], bool]) -> None:
    """Lets other tasks run until the condition holds."""
    with anyio.fail_after(LIMIT_S):
        while not condition():
            await anyio.lowlevel.checkpoint()


@dataclass
class Leftovers:
    """What there was before streams were opened; afterwards it must be the same again."""

    server: LoopbackServer
    client: Any
    tasks: int = field(default_factory=living_tasks)

    async def none_left(self) -> None:
        """Fails when a connection, a socket, a task or a generator is left."""
        assert await anyio.to_thread.run_sync(all_gone, list(self.server.connections))
        # A worker thread and its task of the event loop stay, and are not ours.
        await until(lambda: living_tasks() <= self.tasks)
        await until(lambda: pool_of(self.client) == [])
        await until(lambda: client_sockets(self.server) == 0)
        gc.collect()
        assert suspended_generators() == []


@contextmanager
def warned() -> Iterator[list[str]]:
    """Collects every warning, those of finalisers too."""
    # What is there already is left out of the collector's sight: looking at it all takes longer
    # than the tests themselves.
    gc.freeze()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            texts: list[str] = []
            yield texts
            gc.collect()
            texts.extend(f"{each.category.__name__}: {each.message}" for each in caught)
    finally:
        gc.unfreeze()


def text_of(chunks: Sequence[StreamChunk]) -> str:
    """The contents, joined."""
    return "".join(getattr(each, "content", "") for each in chunks)


def in_thread(call: Callable[[], object]) -> threading.Thread:
    """Runs a call in a thread of its own."""
    thread = threading.Thread(target=call)
    thread.start()
    return thread
