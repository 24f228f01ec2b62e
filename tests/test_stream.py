"""What a stream promises to the code that holds it: claims, order of ends, views, memory."""

import gc
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import anyio
import pytest

from streamkit.assembly.deltas import ContentDelta, Delta, FinishDelta
from streamkit.chunks import ContentChunk, EndChunk, StartChunk
from streamkit.errors import StreamClaimedError, StreamFailed
from streamkit.model import Model
from streamkit.plugin import ProviderSpec
from streamkit.provider import StreamProvider, StreamScope
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings
from streamkit.stream import ChunkStream
from streamkit.transport.memory import Break, MemoryTransport, Reply
from tests.closing import SPEC, TextProvider, text_of, warned

FRAMES = b"data: one\n\ndata: two\n\ndata: three\n\ndata: FINISH\n\ndata: [DONE]\n\n"


def memory_stream(*body: bytes | Break) -> tuple[ChunkStream, MemoryTransport]:
    """A stream whose answer comes in the given reads, and what it is read from."""
    transport = MemoryTransport([Reply(body or (FRAMES,))])
    provider = TextProvider(SPEC, ProviderSettings(provider="text", base_url="http://text.invalid"))
    model = Model(provider, "m", transport=transport, clock=transport.clock)
    return model.stream("hi"), transport


# Claims.


@pytest.mark.anyio
async def test_a_stream_that_asynchronous_code_reads_refuses_synchronous_code() -> None:
    stream, _ = memory_stream()
    await anext(stream)
    with pytest.raises(StreamClaimedError, match=r"by async(hronous)? code"):
        next(stream)
    with pytest.raises(StreamClaimedError, match=r"by async(hronous)? code"):
        stream.close()
    assert text_of([each async for each in stream]) == "onetwothree"


@pytest.mark.anyio
async def test_a_stream_that_synchronous_code_reads_refuses_asynchronous_code() -> None:
    stream, _ = memory_stream()
    next(stream)
    with pytest.raises(StreamClaimedError, match=r"by sync(hronous)? code"):
        await anext(stream)
    with pytest.raises(StreamClaimedError, match=r"by sync(hronous)? code"):
        await stream.aclose()
    assert text_of(list(stream)) == "onetwothree"


class WaitingProvider(StreamProvider):
    """Says a word, then waits for ever."""

    has_ended = False

    async def open(self, request: ChatRequest, scope: StreamScope) -> AsyncIterator[Delta]:
        try:
            yield ContentDelta("one")
            await anyio.sleep_forever()
        finally:
            type(self).has_ended = True

    def open_sync(self, request: ChatRequest, scope: StreamScope) -> Iterator[Delta]:
        try:
            yield ContentDelta("one")
            yield ContentDelta("two")
            yield FinishDelta("stop")
        finally:
            type(self).has_ended = True


def waiting_stream() -> ChunkStream:
    WaitingProvider.has_ended = False
    spec = ProviderSpec(name="waiting", api_version=1, factory="tests.test_stream:WaitingProvider")
    return Model(WaitingProvider(spec, ProviderSettings(provider="waiting")), "m").stream("hi")


@pytest.mark.anyio
async def test_a_second_reader_is_refused_and_the_first_goes_on() -> None:
    stream = waiting_stream()
    rest: list[object] = []
    await anext(stream)
    await anext(stream)

    async def read() -> None:
        rest.extend([each async for each in stream])

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(StreamClaimedError, match="Two readers"):
                await anext(stream)
            stream.stop()
    assert [type(each) for each in rest] == [EndChunk]


# Closing.


@pytest.mark.anyio
async def test_nothing_more_is_delivered_after_aclose_not_even_what_had_come() -> None:
    stream, transport = memory_stream()
    assert isinstance(await anext(stream), StartChunk)
    assert text_of([await anext(stream)]) == "one"
    await stream.aclose()
    assert [each async for each in stream] == []
    assert stream.response.text == "one"
    assert stream.response.state == "abandoned"
    assert transport.open_exchanges == 0


def test_nothing_more_is_delivered_after_close_not_even_what_had_come() -> None:
    stream, transport = memory_stream()
    next(stream)
    next(stream)
    stream.close()
    assert list(stream) == []
    assert stream.response.text == "one"
    assert stream.response.state == "abandoned"
    assert transport.open_exchanges == 0


@pytest.mark.anyio
async def test_a_read_that_was_asked_for_before_aclose_and_runs_after_it_delivers_nothing() -> None:
    stream, _ = memory_stream()
    await anext(stream)
    await anext(stream)
    reading = anext(stream)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await reading
    assert stream.response.text == "one"


@pytest.mark.anyio
async def test_reads_that_are_asked_for_at_once_and_run_in_turn_get_each_its_chunk() -> None:
    stream, _ = memory_stream()
    chunks = [await reading for reading in [anext(stream), anext(stream), anext(stream)]]
    await anext(stream)
    last, past_the_end = anext(stream), anext(stream)
    assert isinstance(await last, EndChunk)
    with pytest.raises(StopAsyncIteration):
        await past_the_end
    assert text_of(chunks) == "onetwo"


@pytest.mark.anyio
async def test_aclose_may_be_repeated_and_come_first() -> None:
    stream, transport = memory_stream()
    await stream.aclose()
    await stream.aclose()
    assert [each async for each in stream] == []
    assert transport.requests == []
    assert stream.response.state == "abandoned"


def test_close_may_be_repeated_and_come_first() -> None:
    stream, transport = memory_stream()
    stream.close()
    stream.close()
    assert list(stream) == []
    assert transport.requests == []


@pytest.mark.anyio
async def test_aclose_after_the_end_changes_nothing() -> None:
    stream, transport = memory_stream()
    chunks = [each async for each in stream]
    await stream.aclose()
    stream.stop()
    assert isinstance(chunks[-1], EndChunk)
    assert stream.response.state == "complete"
    assert transport.open_exchanges == 0


@pytest.mark.anyio
async def test_the_generator_of_a_provider_is_closed_with_its_stream() -> None:
    async with waiting_stream() as stream:
        await anext(stream)
        await anext(stream)
        assert not WaitingProvider.has_ended
    assert WaitingProvider.has_ended


def test_the_synchronous_generator_of_a_provider_is_closed_with_its_stream() -> None:
    with waiting_stream() as stream:
        next(stream)
        next(stream)
        assert not WaitingProvider.has_ended
    assert WaitingProvider.has_ended


@pytest.mark.anyio
async def test_what_comes_at_the_moment_of_aclose_is_not_delivered_to_the_pending_reader() -> None:
    gate = anyio.Event()
    log: list[str] = []

    class Gated(WaitingProvider):
        async def open(self, request: ChatRequest, scope: StreamScope) -> AsyncIterator[Delta]:
            try:
                yield ContentDelta("one")
                await gate.wait()
                yield ContentDelta("two")
            finally:
                log.append("closed")

    spec = ProviderSpec(name="gated", api_version=1, factory="tests.test_stream:WaitingProvider")
    stream = Model(Gated(spec, ProviderSettings(provider="gated")), "m").stream("hi")
    await anext(stream)
    await anext(stream)
    rest: list[object] = []

    async def read_one() -> None:
        with suppress(StopAsyncIteration):
            rest.append(await anext(stream))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(read_one)
            await anyio.wait_all_tasks_blocked()
            gate.set()
            await stream.aclose()
    assert rest == []
    assert log == ["closed"]
    assert stream.response.text == "one"


# Stopping.


@pytest.mark.anyio
async def test_a_stream_stopped_before_its_start_sends_nothing_and_ends_cancelled() -> None:
    stream, transport = memory_stream()
    stream.stop()
    stream.stop()
    chunks = [each async for each in stream]
    assert [type(each) for each in chunks] == [StartChunk, EndChunk]
    assert transport.requests == []
    assert stream.response.state == "stopped"
    assert stream.response.finish_reason == "cancelled"


def test_stopping_delivers_what_had_come_and_then_ends_cancelled() -> None:
    stream, transport = memory_stream(b"data: one\n\ndata: two\n\n", b"data: three\n\n")
    next(stream)
    next(stream)
    stream.stop()
    rest = list(stream)
    assert text_of(rest) == "two"
    assert stream.response.state == "stopped"
    assert transport.open_exchanges == 0


def test_stopping_after_the_end_had_come_leaves_the_end_as_it_is() -> None:
    stream, _ = memory_stream()
    next(stream)
    next(stream)
    stream.stop()
    rest = list(stream)
    assert isinstance(rest[-1], EndChunk)
    assert rest[-1].finish_reason == "stop"
    assert stream.response.state == "complete"


# Views.


@pytest.mark.anyio
async def test_the_view_of_the_text_may_be_left_early_without_a_warning() -> None:
    with warned() as warnings:
        stream, transport = memory_stream()
        async with stream:
            async for text in stream.text():
                assert text == "one"
                break
        assert transport.open_exchanges == 0
        del stream
    assert warnings == []


def test_the_synchronous_view_of_the_text_may_be_left_early_without_a_warning() -> None:
    with warned() as warnings:
        stream, transport = memory_stream()
        with stream:
            for text in stream.text():
                assert text == "one"
                break
        assert transport.open_exchanges == 0
        del stream
    assert warnings == []


@pytest.mark.anyio
async def test_the_view_of_the_text_raises_what_broke_the_stream_and_keeps_what_came() -> None:
    stream, _ = memory_stream(b"data: one\n\n", Break())
    texts = stream.text()
    assert await anext(texts) == "one"
    with pytest.raises(StreamFailed) as caught:
        await anext(texts)
    assert caught.value.partial is not None
    assert caught.value.partial.text == "one"


def test_collecting_raises_what_broke_the_stream_and_keeps_what_came() -> None:
    stream, transport = memory_stream(b"data: one\n\n", Break())
    with pytest.raises(StreamFailed) as caught:
        stream.collect_sync()
    assert caught.value.error.kind == "connection"
    assert caught.value.partial is not None
    assert caught.value.partial.text == "one"
    assert transport.open_exchanges == 0


def test_the_view_of_the_text_shares_the_stream_and_goes_on_where_it_was() -> None:
    stream, _ = memory_stream()
    first = next(iter(stream.text()))
    rest = "".join(chunk.content for chunk in stream if isinstance(chunk, ContentChunk))
    assert (first, rest) == ("one", "twothree")
    assert list(stream) == []


# Memory.


def test_what_a_stream_keeps_grows_by_its_text_only() -> None:
    def held_after(frames: int) -> int:
        body = (b"data: %s\n\n" % (b"x" * 10) for _ in range(frames))
        transport = MemoryTransport([Reply([*body])])
        settings = ProviderSettings(provider="text", base_url="http://text.invalid")
        stream = Model(TextProvider(SPEC, settings), "m", transport=transport).stream("hi")
        next(stream)
        next(stream)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for each in stream:
            if each.index == frames - 10:
                break
        del each
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        stream.close()
        return after - before

    frames = 5_000
    assert held_after(frames) < 2 * 10 * frames + 20_000


def test_a_stream_may_be_read_in_another_thread_than_the_one_that_made_it() -> None:
    stream, _ = memory_stream()
    chunks: list[object] = []
    thread = threading.Thread(target=lambda: chunks.extend(stream))
    thread.start()
    thread.join()
    assert isinstance(chunks[-1], EndChunk)
    assert sum(isinstance(each, ContentChunk) for each in chunks) == 3
