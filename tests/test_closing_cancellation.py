"""A cancellation may come at every single await, and scopes may be entered between two reads."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
import sniffio

from streamkit.chunks import ContentChunk, EndChunk
from streamkit.model import Model
from tests.closing import (
    COMPLETE,
    LIMIT_S,
    SPEAKS_AND_HOLDS,
    make_model,
    on_every_loop,
    open_client,
    say,
    suspended_generators,
    text_of,
    until,
    warned,
)
from tests.http_clients import every_family
from tests.loopback import END, Action, Hold, head, serving

Body = Callable[[Model], Coroutine[Any, Any, None]]


class Moment:
    """Counts the suspensions of coroutines, and calls `act` right before the n-th of them."""

    def __init__(self, number: int) -> None:
        self._missing = number
        self.act: Callable[[], object] = lambda: None
        self.has_come = False

    def suspend(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self.has_come = True
            self.act()

    async def watch(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await _Watched(coroutine, self)

    @contextmanager
    def watch_new_tasks(self) -> Iterator[None]:
        """In asyncio, what a stream does in tasks of its own counts as well."""
        if sniffio.current_async_library() != "asyncio":
            yield
            return
        loop = asyncio.get_running_loop()
        factory = loop.get_task_factory()
        loop.set_task_factory(
            lambda loop, coroutine, **options: asyncio.Task(
                self.watch(cast(Coroutine[Any, Any, Any], coroutine)), loop=loop, **options
            )
        )
        try:
            yield
        finally:
            loop.set_task_factory(factory)


class _Watched:
    def __init__(self, coroutine: Coroutine[Any, Any, Any], moment: Moment) -> None:
        self._coroutine = coroutine
        self._moment = moment

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine = self._coroutine
        try:
            waiting_for = coroutine.send(None)
            while True:
                self._moment.suspend()
                try:
                    answer = yield waiting_for
                except BaseException as error:
                    waiting_for = coroutine.throw(error)
                else:
                    waiting_for = coroutine.send(answer)
        except StopIteration as stop:
            return stop.value


async def read_to_the_end(model: Model) -> None:
    stream = model.stream("hi")
    assert text_of([each async for each in stream]) == "onetwo"


async def break_off(model: Model) -> None:
    async with model.stream("hi") as stream:
        async for chunk in stream:
            if isinstance(chunk, ContentChunk):
                break


async def stop(model: Model) -> None:
    stream = model.stream("hi")
    async for chunk in stream:
        if isinstance(chunk, ContentChunk):
            stream.stop()
    assert stream.response.state == "stopped"


SLOWLY: tuple[Action, ...] = (head(), say("one"), say("two"), say("FINISH"), say("[DONE]"), END)
#: What is done, and what the server does meanwhile.
BODIES: dict[str, tuple[Body, tuple[Action, ...]]] = {
    "read": (read_to_the_end, COMPLETE),
    "read_slowly": (read_to_the_end, SLOWLY),
    "break_off": (break_off, SPEAKS_AND_HOLDS),
    "break_off_after_the_end": (break_off, COMPLETE),
    "stop": (stop, SPEAKS_AND_HOLDS),
}


def busy_in(client: Any) -> list[object]:
    """Requests, and connections that are neither closed nor free to be used again."""
    pool = client._transport._pool
    return [*pool._requests, *(each for each in pool._connections if not each.is_idle())]


async def nothing_is_left(client: Any) -> None:
    await until(lambda: busy_in(client) == [])


@every_family
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.anyio
async def test_a_cancelled_scope_at_any_await_is_not_swallowed_and_leaves_nothing(
    family: Any,
    name: str,
) -> None:
    body, script = BODIES[name]
    with serving(script) as server, warned() as warnings:
        async with open_client(family) as client:
            model = make_model(server.url, client)
            for number in range(1, 200):
                with anyio.fail_after(LIMIT_S), anyio.CancelScope() as scope:
                    moment = Moment(number)
                    moment.act = scope.cancel
                    with moment.watch_new_tasks():
                        await moment.watch(body(model))
                        # A cancellation that came while closing was shielded is still there.
                        await anyio.lowlevel.checkpoint()
                assert scope.cancelled_caught == moment.has_come
                await nothing_is_left(client)
                if not moment.has_come:
                    break
            assert number > 8
            gc.collect()
            assert suspended_generators() == []
    assert warnings == []


@every_family
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_a_cancelled_task_at_any_await_is_not_swallowed_and_leaves_nothing(
    family: Any, name: str
) -> None:
    body, script = BODIES[name]
    with serving(script) as server, warned() as warnings:
        async with open_client(family) as client:
            model = make_model(server.url, client)
            for number in range(1, 200):
                moment = Moment(number)
                with moment.watch_new_tasks():
                    task = asyncio.create_task(body(model))
                    moment.act = task.cancel
                    await asyncio.wait([task], timeout=LIMIT_S)
                assert task.done()
                assert task.cancelled() == moment.has_come
                await nothing_is_left(client)
                if not moment.has_come:
                    break
            assert number > 8
            gc.collect()
            assert suspended_generators() == []
    assert warnings == []


# Scopes and tasks between two reads. A stream that held a scope or a task group of its own while a
# chunk is with its consumer would break the nesting of scopes, or belong to one task.


@every_family
@on_every_loop
@pytest.mark.anyio
async def test_scopes_may_be_entered_and_left_in_any_order_between_reads(family: Any) -> None:
    with serving((*SLOWLY, Hold())) as server:
        async with open_client(family) as client:
            stream = make_model(server.url, client).stream("hi")
            with anyio.fail_after(LIMIT_S):
                await anext(stream)
                outer = anyio.CancelScope()
                with outer:
                    await anext(stream)
                    with anyio.move_on_after(LIMIT_S):
                        await anext(stream)
                # Entered before a read and left after it, around another scope's end.
                with anyio.CancelScope(), anyio.CancelScope(shield=True):
                    last = await anext(stream)
                assert isinstance(last, EndChunk)
                outer.cancel()
                assert [each async for each in stream] == []


@every_family
@on_every_loop
@pytest.mark.anyio
async def test_each_chunk_may_be_read_in_another_task(family: Any) -> None:
    with serving(SLOWLY) as server, warned() as warnings:
        async with open_client(family) as client:
            stream = make_model(server.url, client).stream("hi")
            chunks = []

            async def read_one() -> None:
                with anyio.fail_after(LIMIT_S):
                    chunks.append(await anext(stream))

            while stream.response.state == "incomplete":
                async with anyio.create_task_group() as group:
                    group.start_soon(read_one)
            await stream.aclose()
            assert text_of(chunks) == "onetwo"
            assert stream.response.state == "complete"
    assert warnings == []


@every_family
@on_every_loop
@pytest.mark.anyio
async def test_a_scope_that_passes_during_a_read_is_the_only_one_that_catches_it(
    family: Any,
) -> None:
    with serving(SPEAKS_AND_HOLDS) as server:
        async with open_client(family) as client:
            stream = make_model(server.url, client).stream("hi")
            await anext(stream)
            await anext(stream)
            with anyio.fail_after(LIMIT_S) as outer, anyio.move_on_after(0.05) as inner:
                await anext(stream)
            assert inner.cancelled_caught
            assert not outer.cancelled_caught
            assert stream.response.state == "abandoned"


@every_family
@on_every_loop
@pytest.mark.anyio
async def test_a_generator_around_a_stream_may_be_closed_in_another_task(family: Any) -> None:
    """As a web framework does it: it iterates in one task and closes in another."""

    async def texts(model: Model) -> AsyncIterator[str]:
        async with model.stream("hi") as stream:
            async for text in stream.text():
                yield text

    with serving(SPEAKS_AND_HOLDS) as server, warned() as warnings:
        async with open_client(family) as client:
            generator = texts(make_model(server.url, client))
            seen: list[str] = []

            async def read_one() -> None:
                seen.append(await anext(generator))

            async with anyio.create_task_group() as group:
                group.start_soon(read_one)
            async with anyio.create_task_group() as group:
                group.start_soon(generator.aclose)  # type: ignore[attr-defined]
            await nothing_is_left(client)
    assert seen == ["one"]
    assert warnings == []
