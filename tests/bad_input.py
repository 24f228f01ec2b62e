"""How the tests of bad input ask, read and judge: one question, three ways of reading.

Where no provider is named it is OpenAI's, in server-sent events; `bad_lines` has Ollama's lines.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

import anyio
import pytest
from pydantic_core import to_json

import streamkit
from streamkit.chunks import (
    ContentChunk,
    EndChunk,
    ErrorChunk,
    ErrorInfo,
    StartChunk,
    StreamChunk,
    chunk_to_json,
    parse_chunk,
)
from streamkit.model import Model
from streamkit.provider import HTTPProvider
from streamkit.registry.discovery import default_registry
from streamkit.settings import Timeouts, resolve_settings
from streamkit.stream import ChunkStream
from streamkit.transport.memory import ManualClock, MemoryTransport, Reply
from tests.http_clients import async_client_of, sync_client_of
from tests.loopback import LoopbackServer

#: A key that must never be seen again.
KEY: Final = "sk-canary-0123456789abcdef"

#: Whom the tests ask, and for which model.
MODELS: Final = {"openai": "gpt-test", "ollama": "llama-test"}

#: Marks a test that reads its streams in each of the three ways.
every_way = pytest.mark.parametrize("way", ["asyncio", "trio", "sync"])

# Above every limit that a test sets: whoever runs into it hangs.
_HANGS_S: Final = 15.0
_GENEROUS: Final = Timeouts(connect=10, first_content=10, idle=10)

ChunkT = TypeVar("ChunkT", bound=StreamChunk)


def event(payload: object, name: str = "") -> bytes:
    """A server-sent event; bytes are its data as they are, all else is written as JSON."""
    data = payload if isinstance(payload, bytes) else to_json(payload)
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"


def delta(finish_reason: str | None = None, **fields: Any) -> bytes:
    """The event of one delta."""
    choice = {"index": 0, "delta": fields, "finish_reason": finish_reason}
    return event({"id": "answer-1", "model": "gpt-test-1", "choices": [choice]})


def said(text: str) -> bytes:
    """The event of a piece of the answer."""
    return delta(content=text)


FINISH: Final = delta("stop")
USAGE: Final = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}})
DONE: Final = event(b"[DONE]")
END: Final = FINISH + DONE

WHOLE_ANSWER: Final = {
    "id": "answer-1",
    "object": "chat.completion",
    "model": "gpt-test-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}


def socket_model(
    server: LoopbackServer | str, *, provider: str = "openai", **options: Any
) -> Model:
    """A provider's model at a server's address."""
    url = server if isinstance(server, str) else server.url
    options = {"api_key": KEY, "timeouts": _GENEROUS, **options}
    return streamkit.get_model(f"{provider}/{MODELS[provider]}", base_url=url, **options)


def memory_model(
    *replies: Reply | bytes,
    provider: str = "openai",
    timeouts: Timeouts | None = None,
    clock: ManualClock | None = None,
    max_frame_bytes: int | None = None,
    api_key: Any = KEY,
) -> tuple[Model, MemoryTransport]:
    """A provider's model that is answered by a script, and its transport."""
    registry = default_registry()
    spec = registry.describe(provider)
    settings = resolve_settings(spec, api_key=api_key, environment={})
    made = registry.load(provider)(spec, settings)
    assert isinstance(made, HTTPProvider)
    if max_frame_bytes is not None:
        made.max_frame_bytes = max_frame_bytes  # type: ignore[misc]  # for this one object
    transport = MemoryTransport(replies, clock)
    model = Model(
        made, MODELS[provider], transport=transport, clock=transport.clock, timeouts=timeouts
    )
    return model, transport


def read(
    way: str,
    model: Model,
    on_chunk: Callable[[StreamChunk], object] = id,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> list[StreamChunk]:
    """Asks the model and reads its answer in one of the three ways, judged by what always holds.

    Args:
        on_chunk: Called with each chunk as it comes.
        settings: What the request asks for besides.
    """
    make = functools.partial(model.stream, "Hello", **settings)
    if way == "sync":
        return judged(_read_sync(make, on_chunk))
    return judged(anyio.run(_read, make, on_chunk, backend=way))


def read_server(
    way: str,
    server: LoopbackServer | str,
    family: Any,
    on_chunk: Callable[[StreamChunk], object] = id,
    *,
    client_options: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> list[StreamChunk]:
    """Asks a server through a client of a family; `None` asks through streamkit's own."""

    async def with_client() -> list[StreamChunk]:
        async with async_client_of(family, **client_options) as client:
            model = socket_model(server, http_client=client, **options)
            return await _read(functools.partial(model.stream, "Hello"), on_chunk)

    if way != "sync":
        return judged(anyio.run(with_client, backend=way))
    with sync_client_of(family, **client_options) as client:
        return read(way, socket_model(server, http_client=client, **options), on_chunk)


def read_reply(
    way: str,
    *replies: Reply | bytes,
    settings: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> list[StreamChunk]:
    """What comes of scripted replies; an error is not told before its connection is let go of."""
    model, transport = memory_model(*replies, **options)

    def on_chunk(chunk: StreamChunk) -> None:
        assert transport.open_exchanges == 0 or not isinstance(chunk, ErrorChunk)

    chunks = read(way, model, on_chunk, settings)
    assert transport.open_exchanges == 0
    return chunks


def _read_sync(
    make: Callable[[], ChunkStream], on_chunk: Callable[[StreamChunk], object]
) -> list[StreamChunk]:
    chunks = []
    with make() as stream:
        for chunk in stream:
            on_chunk(chunk)
            chunks.append(chunk)
    return chunks


async def _read(
    make: Callable[[], ChunkStream], on_chunk: Callable[[StreamChunk], object]
) -> list[StreamChunk]:
    chunks = []
    with anyio.fail_after(_HANGS_S):
        async with make() as stream:
            async for chunk in stream:
                on_chunk(chunk)
                chunks.append(chunk)
    return chunks


def judged(chunks: list[StreamChunk]) -> list[StreamChunk]:
    """Checks what holds for every stream, however it went, and returns it."""
    assert isinstance(chunks[0], StartChunk)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert isinstance(chunks[-1], EndChunk | ErrorChunk)
    assert not any(isinstance(each, StartChunk | EndChunk | ErrorChunk) for each in chunks[1:-1])
    assert len({chunk.stream_id for chunk in chunks}) == 1
    for chunk in chunks:
        written = chunk_to_json(chunk)
        assert parse_chunk(written) == chunk
        assert KEY not in written + repr(chunk)
    return chunks


def text_of(chunks: Iterable[StreamChunk]) -> str:
    """The answer as far as it came."""
    return "".join(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk))


def end_of(chunks: list[StreamChunk]) -> EndChunk:
    """The last chunk of a stream that went well."""
    return _last(chunks, EndChunk)


def error_of(chunks: list[StreamChunk]) -> ErrorInfo:
    """The error of a stream that failed: something to say, and whether anything came before it."""
    last = _last(chunks, ErrorChunk)
    assert last.partial is any(chunk.part is not None for chunk in chunks)
    assert 0 < len(last.error.message) <= 500
    assert (last.error.provider, last.error.model) in MODELS.items()
    return last.error


def _last(chunks: list[StreamChunk], wanted: type[ChunkT]) -> ChunkT:
    last = chunks[-1]
    assert isinstance(last, wanted), chunk_to_json(last)
    return last
