"""A whole answer leaves its connection to the next request; half an answer does not."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from streamkit.chunks import ContentChunk, EndChunk
from streamkit.stream import ChunkStream
from tests.closing import (
    COMPLETE,
    LIMIT_S,
    client_sockets,
    make_model,
    on_every_loop,
    open_client,
    open_sync_client,
    pool_of,
    say,
    text_of,
)
from tests.http_clients import every_family
from tests.loopback import END, Action, Hold, head, serving

Read = Callable[[ChunkStream], Coroutine[Any, Any, None]]

#: Whole answers, cut differently.
WHOLE: dict[str, tuple[Action, ...]] = {
    "in_one_read": COMPLETE,
    "body_ends_later": (head() + say("one", "two", "FINISH", "[DONE]"), END),
    "without_a_terminator": (head() + say("one", "two", "FINISH"), END),
    "with_more_behind_the_terminator": (head() + say("one", "two", "[DONE]"), say("late"), END),
}


async def read_to_the_end(stream: ChunkStream) -> None:
    assert text_of([each async for each in stream]) == "onetwo"


async def break_after_the_end_chunk(stream: ChunkStream) -> None:
    async with stream:
        async for each in stream:
            if isinstance(each, EndChunk):
                break
    assert stream.response.state == "complete"


@every_family
@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("read", [read_to_the_end, break_after_the_end_chunk])
@on_every_loop
@pytest.mark.anyio
async def test_the_connection_of_a_whole_answer_is_used_again(
    family: Any, read: Read, name: str
) -> None:
    with serving(WHOLE[name]) as server:
        async with open_client(family) as client:
            model = make_model(server.url, client)
            with anyio.fail_after(LIMIT_S):
                for _ in range(3):
                    await read(model.stream("hi"))
            assert len(server.requests) == 3
            assert len(server.connections) == 1


@every_family
@pytest.mark.parametrize("name", WHOLE)
def test_the_connection_of_a_whole_synchronous_answer_is_used_again(family: Any, name: str) -> None:
    with serving(WHOLE[name]) as server, open_sync_client(family) as client:
        model = make_model(server.url, client)
        list(model.stream("hi"))
        with model.stream("hi") as stream:
            for each in stream:
                if isinstance(each, EndChunk):
                    break
        list(model.stream("hi"))
        assert len(server.requests) == 3
        assert len(server.connections) == 1


#: The terminator, and then a body that never ends.
NEVER_DRAINED: Sequence[Action] = (head() + say("one", "FINISH", "[DONE]"), Hold())


@every_family
@on_every_loop
@pytest.mark.anyio
async def test_a_body_that_goes_on_after_the_terminator_is_given_up_soon(family: Any) -> None:
    with serving(NEVER_DRAINED, COMPLETE) as server:
        async with open_client(family) as client:
            model = make_model(server.url, client)
            with anyio.fail_after(LIMIT_S):
                await model.stream("hi").collect()
                await model.stream("hi").collect()
            assert len(server.connections) == 2


@every_family
def test_a_synchronous_body_that_goes_on_after_the_terminator_is_given_up_soon(family: Any) -> None:
    with serving(NEVER_DRAINED, COMPLETE) as server, open_sync_client(family) as client:
        model = make_model(server.url, client)
        model.stream("hi").collect_sync()
        model.stream("hi").collect_sync()
        assert len(server.connections) == 2


async def stop_midway(stream: ChunkStream) -> None:
    async for each in stream:
        if isinstance(each, ContentChunk):
            stream.stop()


async def close_midway(stream: ChunkStream) -> None:
    async with stream:
        async for each in stream:
            if isinstance(each, ContentChunk):
                break


async def cancel_midway(stream: ChunkStream) -> None:
    with anyio.CancelScope() as scope:
        async for each in stream:
            if isinstance(each, ContentChunk):
                scope.cancel()


@every_family
@pytest.mark.parametrize("end", [stop_midway, close_midway, cancel_midway])
@pytest.mark.anyio
async def test_the_connection_of_half_an_answer_is_never_used_again(family: Any, end: Read) -> None:
    # The rest of the first answer comes when its connection is used again: it would be garbage.
    with serving((head() + say("one"), Hold()), COMPLETE) as server:
        async with open_client(family) as client:
            model = make_model(server.url, client)
            with anyio.fail_after(LIMIT_S):
                await end(model.stream("hi"))
                assert pool_of(client) == []
                await read_to_the_end(model.stream("hi"))
            assert len(server.connections) == 2
            assert client_sockets(server) == 1


@pytest.mark.anyio
async def test_five_hundred_streams_are_open_at_once() -> None:
    script = (head() + say("one"), say("two", "FINISH", "[DONE]") + END)
    with serving(script) as server:
        async with AsyncExitStack() as stack:
            # Several clients: the time that httpx's pool takes grows by the square of its streams.
            clients = [await stack.enter_async_context(open_client()) for _ in range(10)]
            models = [make_model(server.url, client) for client in clients]
            streams = [model.stream("hi") for model in models for _ in range(50)]

            async def open_one(stream: ChunkStream) -> None:
                await anext(stream)
                await anext(stream)

            with anyio.fail_after(4 * LIMIT_S):
                async with anyio.create_task_group() as group:
                    for stream in streams:
                        group.start_soon(open_one, stream)
                assert len(server.connections) == 500
                async with anyio.create_task_group() as group:
                    for stream in streams:
                        group.start_soon(stream.collect)
            assert {each.response.text for each in streams} == {"onetwo"}
