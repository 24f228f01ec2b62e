"""Every way to end a stream, at every moment of its life, in asynchronous code."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
import sniffio
import trio

from streamkit.chunks import EndChunk, StreamChunk
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
    until,
    warned,
)
from tests.http_clients import every_family
from tests.loopback import Action, Hold, LoopbackServer, head, serving


@every_family
@dataclass(frozen=True)
class Moment:
    """A point in the life of a stream.

    Attributes:
        script: What the server does.
        delivered: Chunks that were read before.
        is_pending: The next chunk is being waited for.
        is_ended: The end was delivered.
    """

    script: tuple[Action, ...] = SPEAKS_AND_HOLDS
    delivered: int = 0
    is_pending: bool = False
    is_ended: bool = False


_TERMINATED: tuple[Action, ...] = (head() + say("one", "FINISH", "[DONE]"), Hold())
_UNTIL_CLOSED: tuple[Action, ...] = (head(chunked=False) + b"data: one\n\n", Hold())

MOMENTS = {
    "before_start": Moment(),
    "after_start": Moment(delivered=1),
    "opening": Moment((Hold(),), delivered=1, is_pending=True),
    "before_content": Moment((head(), Hold()), delivered=1, is_pending=True),
    "between_reads": Moment(delivered=2),
    "mid_content": Moment(delivered=2, is_pending=True),
    "mid_content_until_closed": Moment(_UNTIL_CLOSED, delivered=2, is_pending=True),
    "before_the_drain": Moment(_TERMINATED, delivered=3, is_ended=True),
    "draining": Moment(_TERMINATED, delivered=3, is_pending=True, is_ended=True),
}

Reader = Callable[[], Coroutine[Any, Any, None]]
Way = Callable[[ChunkStream, Reader], Coroutine[Any, Any, None]]


async def aclose(stream: ChunkStream, read: Reader) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        await stream.aclose()
        await stream.aclose()


async def cancel(stream: ChunkStream, read: Reader) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()


async def cancel_natively(stream: ChunkStream, read: Reader) -> None:
    if sniffio.current_async_library() == "trio":
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    else:
        task = asyncio.create_task(read())
        await anyio.wait_all_tasks_blocked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def stop(stream: ChunkStream, read: Reader) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        stream.stop()
        stream.stop()


async def stop_in_a_thread(stream: ChunkStream, read: Reader) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        thread = in_thread(stream.stop)
    thread.join()


PENDING = [name for name, moment in MOMENTS.items() if moment.is_pending]
RESTING = [name for name, moment in MOMENTS.items() if not moment.is_pending]


async def brought_to(moment: Moment, server: LoopbackServer, client: Any) -> ChunkStream:
    stream = make_model(server.url, client).stream("hi")
    for _ in range(moment.delivered):
        await anext(stream)
    return stream


@every_family
@on_every_loop
@pytest.mark.parametrize("name", PENDING)
@pytest.mark.parametrize("way", [aclose, cancel, cancel_natively, stop, stop_in_a_thread])
@pytest.mark.anyio
async def test_a_pending_read_ends_and_leaves_nothing(family: Any, way: Way, name: str) -> None:
    moment = MOMENTS[name]
    rest: list[StreamChunk] = []
    with serving(moment.script) as server, warned() as warnings:
        async with open_client(family) as client:
            leftovers = Leftovers(server, client)
            stream = await brought_to(moment, server, client)

            async def read() -> None:
                rest.extend([each async for each in stream])

            async def wait_as_well() -> None:
                # The opening is pending once the server has the request.
                async with anyio.create_task_group() as group:
                    group.start_soon(read)
                    await until(lambda: len(server.requests) > 0)

            with anyio.fail_after(LIMIT_S):
                await way(stream, wait_as_well if name == "opening" else read)
            check_end(stream, rest, is_stopped=way in {stop, stop_in_a_thread}, moment=moment)
            await leftovers.none_left()
    assert warnings == []


def check_end(
    stream: ChunkStream, rest: list[StreamChunk], *, is_stopped: bool, moment: Moment
) -> None:
    if moment.is_ended:
        assert rest == []
        assert stream.response.state == "complete"
    elif is_stopped:
        assert isinstance(rest[-1], EndChunk)
        assert rest[-1].finish_reason == "cancelled"
        assert stream.response.state == "stopped"
    else:
        assert rest == []
        assert stream.response.state == "abandoned"


@every_family
@pytest.mark.parametrize("name", RESTING)
@pytest.mark.anyio
async def test_closing_between_reads_leaves_nothing(family: Any, name: str) -> None:
    moment = MOMENTS[name]
    with serving(moment.script) as server, warned() as warnings:
        async with open_client(family) as client:
            leftovers = Leftovers(server, client)
            stream = await brought_to(moment, server, client)
            async with stream:
                pass
            await stream.aclose()
            check_end(stream, [each async for each in stream], is_stopped=False, moment=moment)
            await leftovers.none_left()
    assert warnings == []


@every_family
@pytest.mark.parametrize("name", RESTING)
@pytest.mark.anyio
async def test_stopping_between_reads_leaves_nothing(family: Any, name: str) -> None:
    moment = MOMENTS[name]
    with serving(moment.script) as server, warned() as warnings:
        async with open_client(family) as client:
            leftovers = Leftovers(server, client)
            stream = await brought_to(moment, server, client)
            stream.stop()
            check_end(stream, [each async for each in stream], is_stopped=True, moment=moment)
            await leftovers.none_left()
    assert warnings == []


@every_family
@pytest.mark.parametrize("name", RESTING)
@pytest.mark.anyio
async def test_dropping_a_stream_between_reads_leaves_nothing(family: Any, name: str) -> None:
    moment = MOMENTS[name]
    with serving(moment.script) as server, warned() as warnings:
        async with open_client(family) as client:
            leftovers = Leftovers(server, client)
            stream = await brought_to(moment, server, client)
            del stream
            await leftovers.none_left()
    # Only what was left half-way is worth a warning.
    assert len(warnings) == (1 if name == "between_reads" else 0)


@every_family
@pytest.mark.anyio
async def test_a_stream_that_is_asked_by_a_cancelled_task_sends_nothing(family: Any) -> None:
    with serving(SPEAKS_AND_HOLDS) as server:
        async with open_client(family) as client:
            stream = make_model(server.url, client).stream("hi")
            await anext(stream)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anext(stream)
                raise AssertionError("The cancellation was swallowed.")
            assert scope.cancelled_caught
            assert stream.response.state == "abandoned"
    assert server.requests == []
