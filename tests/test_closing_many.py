"""Two hundred streams at once, ended in every way there is: nothing is left of them."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
import sniffio
import trio

from streamkit.chunks import ContentChunk, EndChunk, ErrorChunk
from streamkit.model import Model
from streamkit.stream import ChunkStream
from tests.closing import (
    LIMIT_S,
    SPEAKS_AND_HOLDS,
    Leftovers,
    in_thread,
    make_model,
    on_every_loop,
    open_client,
    say,
    warned,
)
from tests.http_clients import every_family
from tests.loopback import Action, Close, Repeat, Reset, chunk, head, serving

STREAMS = 200
#: With httpx2, whose connections are let go of by the same code.
FEWER_STREAMS = 40


pytestmark = pytest.mark.anyio


class Meeting:
    """Where all streams wait until every one of them is as far as it can come."""

    def __init__(self, expected: int) -> None:
        self._missing = expected
        self._everyone = anyio.Event()
        self._go = anyio.Event()

    async def arrive(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._everyone.set()
        await self._go.wait()

    async def preside(self) -> None:
        await self._everyone.wait()
        await anyio.wait_all_tasks_blocked()  # reads that were begun meanwhile are pending now
        self._go.set()


async def speaking(stream: ChunkStream) -> None:
    """Reads until the first word."""
    async for chunk_ in stream:
        if isinstance(chunk_, ContentChunk):
            return
    raise AssertionError(stream.response)


async def break_off_in_a_with(stream: ChunkStream, meeting: Meeting) -> None:
    async with stream:
        await speaking(stream)
        await meeting.arrive()
    assert stream.response.state == "abandoned"


async def break_off_and_close(stream: ChunkStream, meeting: Meeting) -> None:
    await speaking(stream)
    await meeting.arrive()
    await stream.aclose()
    assert stream.response.text == "one"
    assert [each async for each in stream] == []


async def leave_by_an_error(stream: ChunkStream, meeting: Meeting) -> None:
    async def body() -> None:
        async with stream:
            await speaking(stream)
            await meeting.arrive()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()


async def cancel_the_scope(stream: ChunkStream, meeting: Meeting) -> None:
    await speaking(stream)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_when_all_wait, meeting, scope)
            await anext(stream)
            raise AssertionError("The cancellation was swallowed.")
    assert scope.cancelled_caught
    assert stream.response.state == "abandoned"


async def cancel_natively(stream: ChunkStream, meeting: Meeting) -> None:
    """As frameworks without anyio do it: `task.cancel()`, or a scope of trio's own."""
    await speaking(stream)
    if sniffio.current_async_library() == "trio":
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_when_all_wait, meeting, scope)
                await anext(stream)
        assert scope.cancelled_caught
    else:
        task = asyncio.create_task(read_on(stream))
        await meeting.arrive()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stream.response.state == "abandoned"


async def read_on(stream: ChunkStream) -> None:
    await anext(stream)


async def cancel_when_all_wait(
    meeting: Meeting, scope: anyio.CancelScope | trio.CancelScope
) -> None:
    await meeting.arrive()
    scope.cancel()


async def stop_between_reads(stream: ChunkStream, meeting: Meeting) -> None:
    await speaking(stream)
    await meeting.arrive()
    stream.stop()
    await read_the_stopped_end(stream)


async def stop_a_pending_read(stream: ChunkStream, meeting: Meeting) -> None:
    await speaking(stream)
    async with anyio.create_task_group() as group:
        group.start_soon(read_the_stopped_end, stream)
        await meeting.arrive()
        stream.stop()


async def stop_from_a_thread(stream: ChunkStream, meeting: Meeting) -> None:
    await speaking(stream)
    async with anyio.create_task_group() as group:
        group.start_soon(read_the_stopped_end, stream)
        await meeting.arrive()
        thread = in_thread(stream.stop)
    thread.join()


async def read_the_stopped_end(stream: ChunkStream) -> None:
    rest = [each async for each in stream]
    assert [type(each) for each in rest] == [EndChunk]
    assert isinstance(rest[0], EndChunk)
    assert rest[0].finish_reason == "cancelled"
    assert stream.response.state == "stopped"
    assert stream.response.text == "one"


async def close_while_another_reads(stream: ChunkStream, meeting: Meeting) -> None:
    await speaking(stream)
    rest: list[object] = []

    async def read() -> None:
        rest.extend([each async for each in stream])

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await meeting.arrive()
        await stream.aclose()
    assert rest == []
    assert stream.response.state == "abandoned"


async def read_to_the_failure(stream: ChunkStream, meeting: Meeting) -> None:
    chunks = [each async for each in stream]
    assert isinstance(chunks[-1], ErrorChunk)
    assert stream.response.state == "failed"
    await meeting.arrive()


Way = Callable[[ChunkStream, Meeting], Coroutine[Any, Any, None]]


async def run_all(model: Model, way: Way, streams: int = STREAMS) -> None:
    meeting = Meeting(streams)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(meeting.preside)
            for _ in range(streams):
                group.start_soon(way, model.stream("hi"), meeting)


@every_family
@pytest.mark.parametrize(
    "way",
    [
        break_off_in_a_with,
        break_off_and_close,
        leave_by_an_error,
        cancel_the_scope,
        stop_between_reads,
        stop_a_pending_read,
        stop_from_a_thread,
        cancel_natively,
        close_while_another_reads,
    ],
)
async def test_nothing_is_left_of_streams_that_were_broken_off(family: Any, way: Way) -> None:
    with serving(SPEAKS_AND_HOLDS) as server, warned() as warnings:
        async with open_client(family) as client:
            leftovers = Leftovers(server, client)
            streams = STREAMS if family is httpx else FEWER_STREAMS
            await run_all(make_model(server.url, client), way, streams)
            assert len(server.connections) == streams
            await leftovers.none_left()
    assert warnings == []


@every_family
@on_every_loop
async def test_two_hundred_abandoned_streams_close_their_connections(family: Any) -> None:
    with serving(SPEAKS_AND_HOLDS) as server, warned() as warnings:
        async with open_client(family) as client:
            leftovers = Leftovers(server, client)
            model = make_model(server.url, client)
            streams = [model.stream("hi") for _ in range(STREAMS)]
            with anyio.fail_after(LIMIT_S):
                async with anyio.create_task_group() as group:
                    for stream in streams:
                        group.start_soon(speaking, stream)
            del stream
            streams.clear()
            gc.collect()
            await leftovers.none_left()
    # Our own warning for each of them, and nobody else's.
    assert len(warnings) == STREAMS
    assert all("ResourceWarning: <ChunkStream" in each for each in warnings)


FAILURES: dict[str, tuple[Action, ...]] = {
    "reset": (head() + say("one"), Reset()),
    "truncated": (head() + say("one") + say("two")[:-4], Close()),
    "status": (head(500, "application/json") + chunk(b'{"error": "no"}') + chunk(b""),),
}
#: Fewer of these: they differ in what is read, not in how it is let go of.
MORE_FAILURES: dict[str, tuple[Action, ...]] = {
    **FAILURES,
    "status_that_never_ends": (head(500) + chunk(b"x" * 70_000), Repeat(chunk(b"x"), 0.01)),
    "malformed": (head() + say("one") + chunk(b"data: \xff\xff\n\n"), Repeat(say("x"), 0.01)),
    "no_http": (b"nonsense\r\n\r\n",),
    "closed_before_the_head": (Close(),),
}


async def fail(family: Any, script: tuple[Action, ...], streams: int) -> None:
    with serving(script) as server, warned() as warnings:
        async with open_client(family) as client:
            leftovers = Leftovers(server, client)
            await run_all(make_model(server.url, client), read_to_the_failure, streams)
            # Where the whole error was read, the connection may be used again: that is no leftover.
            await client._transport._pool.aclose()
            await leftovers.none_left()
    assert warnings == []


@pytest.mark.parametrize("failure", FAILURES)
async def test_nothing_is_left_of_two_hundred_failed_streams(failure: str) -> None:
    await fail(httpx, FAILURES[failure], STREAMS)


@every_family
@pytest.mark.parametrize("failure", MORE_FAILURES)
async def test_nothing_is_left_of_streams_that_failed(family: Any, failure: str) -> None:
    await fail(family, MORE_FAILURES[failure], 20)


@every_family
async def test_nothing_is_left_of_two_hundred_refused_streams(family: Any) -> None:
    with serving(SPEAKS_AND_HOLDS) as server:
        url = server.url
    with warned() as warnings:
        async with open_client(family) as client:
            leftovers = Leftovers(server, client)
            await run_all(make_model(url, client), read_to_the_failure)
            await leftovers.none_left()
    assert warnings == []
