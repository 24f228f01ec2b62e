"""Plug-ins are told of every stream that ended, once, in facts; whatever they do harms nothing."""

import asyncio
import gc
import logging
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.to_thread
import pytest

from streamkit.assembly.response import Response
from streamkit.chunks import StreamChunk, Usage
from streamkit.errors import ProviderError
from streamkit.model import Model
from streamkit.registry.hooks import Hooks
from streamkit.settings import ProviderSettings
from streamkit.stream import ChunkStream
from streamkit.telemetry import StreamSummary
from streamkit.testing import Answer, ScriptedModel
from streamkit.transport.http import HTTPTransport
from streamkit.transport.memory import Break, ManualClock, MemoryTransport, Pause, Reply
from tests.bad_input import every_way, read
from tests.closing import (
    LIMIT_S,
    SPEAKS_AND_HOLDS,
    SPEC,
    TextProvider,
    client_sockets,
    in_thread,
    until,
    warned,
)
from tests.hooked import registry_of
from tests.loopback import Hold, LoopbackServer, serving

WHOLE = b"data: one\n\ndata: two\n\ndata: FINISH\n\ndata: [DONE]\n\n"


class Told:
    """What a plug-in was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._summaries: queue.SimpleQueue[StreamSummary] = queue.SimpleQueue()

        def streamkit_stream_finished(summary: StreamSummary) -> None:
            self._summaries.put(summary)

        self.hooks = registry_of(monkeypatch, streamkit_stream_finished).hooks

    def once(self) -> StreamSummary:
        """The one summary; fails when there is none or another one."""
        summary = self._summaries.get(timeout=LIMIT_S)
        self.nothing()
        return summary

    def nothing(self) -> None:
        """Fails when there is a summary."""
        gc.collect()
        assert self._summaries.empty()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


def scripted(hooks: Hooks, *replies: Reply | bytes) -> tuple[Model, ManualClock]:
    """A model that is answered by a script, and its clock."""
    transport = MemoryTransport(replies)
    settings = ProviderSettings(provider="text", base_url="http://text.invalid")
    return Model(
        TextProvider(SPEC, settings), "m", transport=transport, hooks=hooks
    ), transport.clock


def served(server: LoopbackServer, hooks: Hooks) -> Model:
    """A model at a server."""
    settings = ProviderSettings(provider="text", base_url=server.url)
    return Model(TextProvider(SPEC, settings), "m", transport=HTTPTransport(), hooks=hooks)


# Once, however a stream ends.


@every_way
@pytest.mark.parametrize(
    ("reply", "outcome", "error_kind", "chunks"),
    [
        (Reply(WHOLE), "complete", None, 4),
        (Reply(before_head=Break()), "failed", "connection", 2),
        (Reply(b"no", status=401), "failed", "authentication", 2),
        (Reply((b"data: one\n\n", Break())), "failed", "connection", 3),
        (Reply((b"data: one\n\n",)), "failed", "truncated", 3),
    ],
    ids=["complete", "no answer", "an error status", "broken off", "cut"],
)
def test_a_stream_that_was_read_to_its_end_is_told_of_once(
    told: Told, way: str, reply: Reply, outcome: str, error_kind: str | None, chunks: int
) -> None:
    model, _ = scripted(told.hooks, reply)
    assert len(read(way, model)) == chunks
    summary = told.once()
    assert (summary.outcome, summary.error_kind, summary.chunks) == (outcome, error_kind, chunks)


@every_way
def test_a_stream_that_its_caller_stopped_is_told_of_once(told: Told, way: str) -> None:
    streams: list[ChunkStream] = []

    class Remembering(Model):
        def stream(self, *messages: Any, **settings: Any) -> ChunkStream:
            streams.append(super().stream(*messages, **settings))
            return streams[-1]

    settings = ProviderSettings(provider="text", base_url="http://text.invalid")
    transport = MemoryTransport([Reply((b"data: one\n\n", WHOLE))])
    model = Remembering(TextProvider(SPEC, settings), "m", transport=transport, hooks=told.hooks)

    def on_chunk(chunk: StreamChunk) -> None:
        if chunk.type == "content":
            streams[0].stop()

    read(way, model, on_chunk)
    summary = told.once()
    assert (summary.outcome, summary.finish_reason) == ("stopped", "cancelled")


def test_it_is_told_before_the_last_chunk_is_asked_for(told: Told) -> None:
    model, _ = scripted(told.hooks, WHOLE)
    with model.stream("hi") as stream:
        next(stream)
        told.nothing()
        next(stream)
        assert told.once().outcome == "complete"
    told.nothing()


@pytest.mark.parametrize("read_before", [1, 2])
def test_a_stream_that_is_closed_early_is_told_of_once(told: Told, read_before: int) -> None:
    model, _ = scripted(told.hooks, Reply((b"data: one\n\n", WHOLE)))
    stream = model.stream("hi")
    for _ in range(read_before):
        next(stream)
    stream.close()
    stream.close()
    assert list(stream) == []
    del stream
    summary = told.once()
    assert (summary.outcome, summary.chunks) == ("abandoned", read_before)
    assert (summary.finish_reason, summary.error_kind, summary.attempts) == (None, None, ())


@pytest.mark.parametrize("read_before", [1, 2])
@pytest.mark.anyio
async def test_an_asynchronous_stream_that_is_closed_early_is_told_of_once(
    told: Told, read_before: int
) -> None:
    model, _ = scripted(told.hooks, Reply((b"data: one\n\n", WHOLE)))
    stream = model.stream("hi")
    for _ in range(read_before):
        await anext(stream)
    await stream.aclose()
    await stream.aclose()
    del stream
    assert told.once().outcome == "abandoned"


def test_a_stream_that_several_threads_close_at_once_is_told_of_once(told: Told) -> None:
    model, _ = scripted(told.hooks, WHOLE)
    stream = model.stream("hi")
    next(stream)
    barrier = threading.Barrier(8)

    def close() -> None:
        barrier.wait(LIMIT_S)
        stream.close()

    for thread in [in_thread(close) for _ in range(8)]:
        thread.join(LIMIT_S)
    assert told.once().outcome == "abandoned"


@pytest.mark.anyio
async def test_a_stream_that_is_closed_while_it_is_read_is_told_of_once(told: Told) -> None:
    with serving(SPEAKS_AND_HOLDS) as server:
        stream = served(server, told.hooks).stream("hi")
        await anext(stream)
        await anext(stream)
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(stream.collect)
                await anyio.wait_all_tasks_blocked()
                await stream.aclose()
    assert told.once().outcome == "abandoned"


Read = Callable[[], Coroutine[Any, Any, Any]]


async def cancel_by_scope(read: Read, is_ready: Callable[[], bool]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await until(is_ready)
        group.cancel_scope.cancel()


async def cancel_by_task(read: Read, is_ready: Callable[[], bool]) -> None:
    task = asyncio.create_task(read())
    await until(is_ready)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


CANCELLATIONS = [
    ("asyncio", cancel_by_scope),
    ("trio", cancel_by_scope),
    ("asyncio", cancel_by_task),
]


@pytest.mark.parametrize(("anyio_backend", "cancel"), CANCELLATIONS)
@pytest.mark.parametrize(
    ("script", "said"), [(SPEAKS_AND_HOLDS, "one"), ((Hold(),), "")], ids=["reading", "opening"]
)
@pytest.mark.anyio
async def test_a_stream_that_is_cancelled_is_told_of_once(
    told: Told, cancel: Callable[..., Coroutine[Any, Any, None]], script: Any, said: str
) -> None:
    with serving(script) as server:
        stream = served(server, told.hooks).stream("hi")

        async def read_on() -> None:
            async for _ in stream:
                pass  # and nobody closes it

        with anyio.fail_after(LIMIT_S):
            await cancel(read_on, lambda: bool(server.requests) and stream.response.text == said)
        summary = told.once()
    assert (summary.outcome, summary.chunks) == ("abandoned", 2 if said else 1)
    assert stream.response.state == "abandoned"


# Dropped.


def test_a_stream_that_is_dropped_half_read_is_told_of_once(told: Told) -> None:
    with serving(SPEAKS_AND_HOLDS) as server, warned() as warnings:
        stream = served(server, told.hooks).stream("hi")
        next(stream)
        next(stream)
        del stream
        assert told.once().outcome == "abandoned"
    assert len(warnings) == 1


@pytest.mark.anyio
async def test_an_asynchronous_stream_that_is_dropped_half_read_is_told_of_once(
    told: Told,
) -> None:
    with serving(SPEAKS_AND_HOLDS) as server, warned() as warnings:
        stream = served(server, told.hooks).stream("hi")
        await anext(stream)
        await anext(stream)
        del stream
        summary = await anyio.to_thread.run_sync(told.once)
        assert summary.outcome == "abandoned"
        await until(lambda: client_sockets(server) == 0)
    assert len(warnings) == 1


def test_a_stream_that_is_dropped_after_its_start_is_told_of_once(told: Told) -> None:
    model, _ = scripted(told.hooks, WHOLE)
    stream = model.stream("hi")
    next(stream)
    del stream
    assert told.once().outcome == "abandoned"


def test_a_read_that_is_thrown_away_half_way_is_told_of_once(told: Told) -> None:
    streams: list[ChunkStream] = []

    async def begin() -> None:
        with serving((Hold(),)) as server:
            streams.append(served(server, told.hooks).stream("hi"))
            await anext(streams[0])
            reading = anext(streams[0])
            reading.send(None)  # a task that nobody resumes
            reading.close()

    asyncio.run(begin())
    assert told.once().outcome == "abandoned"
    assert streams[0].response.state == "abandoned"


def test_a_dropped_stream_waits_for_no_lock_of_a_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    # A finaliser runs wherever the garbage collector does: here, inside of the plug-in itself.
    lock = threading.Lock()
    summaries: queue.SimpleQueue[StreamSummary] = queue.SimpleQueue()

    def streamkit_stream_finished(summary: StreamSummary) -> None:
        with lock:
            summaries.put(summary)

    model, _ = scripted(registry_of(monkeypatch, streamkit_stream_finished).hooks, WHOLE)
    stream = model.stream("hi")
    next(stream)
    with lock:
        del stream
        gc.collect()
        assert summaries.empty()
    assert summaries.get(timeout=LIMIT_S).outcome == "abandoned"


# Never read.


@pytest.mark.anyio
async def test_a_stream_that_nobody_read_is_not_told_of(told: Told) -> None:
    model, _ = scripted(told.hooks)
    model.stream("dropped")
    model.stream("closed").close()
    await model.stream("closed").aclose()
    asked_and_closed = model.stream("asked, and closed before it was awaited")
    reading = anext(asked_and_closed)
    await asked_and_closed.aclose()
    with pytest.raises(StopAsyncIteration):
        await reading
    told.nothing()


def test_a_model_made_by_hand_tells_nobody(told: Told) -> None:
    settings = ProviderSettings(provider="text", base_url="http://text.invalid")
    transport = MemoryTransport([WHOLE])
    Model(TextProvider(SPEC, settings), "m", transport=transport).generate_sync("hi")
    told.nothing()


# What is told.


def test_the_facts_of_a_whole_answer(told: Told) -> None:
    body = (Pause(0.25), b"data: one\n\n", Pause(1.5), WHOLE)
    reply = Reply(body, headers={"x-request-id": "req_1"})
    model, clock = scripted(told.hooks, reply)
    stream = model.stream("hi", request_id="mine", conversation_id="talk")
    next(stream)
    clock.now += 10.0
    for _ in stream:
        pass
    summary = told.once()
    assert summary == StreamSummary(
        stream_id=stream.stream_id,
        provider="text",
        model="m",
        outcome="complete",
        duration_ms=11_750,
        chunks=5,
        attempts=summary.attempts,
        ttfc_ms=250,
        finish_reason="stop",
        request_id="mine",
        conversation_id="talk",
    )
    (attempt,) = summary.attempts
    assert (attempt.outcome, attempt.status, attempt.request_id) == ("ok", 200, "req_1")
    assert attempt.duration_ms == 1_750


class Listening(ScriptedModel):
    """A scripted model that tells of its streams."""

    def __init__(self, hooks: Hooks, *answers: Answer) -> None:
        super().__init__(answers)
        self._tell = hooks.finished


def test_the_facts_of_a_failure(told: Told) -> None:
    usage = Usage(input_tokens=3, output_tokens=1)
    error = ProviderError("overloaded", "Too busy.", status=529)
    model = Listening(told.hooks, Answer(text="Half", usage=usage, error=error))
    list(model.stream("hi"))
    summary = told.once()
    assert (summary.outcome, summary.error_kind) == ("failed", "overloaded")
    assert summary.finish_reason is None
    assert [attempt.outcome for attempt in summary.attempts] == ["overloaded"]


def test_the_counts_that_a_service_told_are_told(told: Told) -> None:
    usage = Usage(input_tokens=3, output_tokens=1)
    Listening(told.hooks, Answer(text="Hi", usage=usage)).generate_sync("hi")
    assert told.once().usage == usage


def test_the_time_of_an_abandoned_stream_ends_where_it_was_closed(told: Told) -> None:
    model, clock = scripted(told.hooks, WHOLE)
    with model.stream("hi") as stream:
        next(stream)
        clock.now += 2.5
    assert told.once().duration_ms == 2_500


def test_nothing_of_what_was_asked_or_said_is_told(told: Told) -> None:
    model, _ = scripted(
        told.hooks,
        b"data: canary-answer\n\ndata: FINISH\n\n",
        Reply(b'{"error":{"message":"canary-error"}}', status=500),
        Reply((b"data: canary-answer\n\n", Break())),
    )
    for _ in range(3):
        read("sync", model)
        assert "canary" not in repr(told.once())


# What a plug-in may do.


def broken(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> Hooks:
    def streamkit_stream_finished(summary: StreamSummary) -> None:
        raise raised

    return registry_of(monkeypatch, streamkit_stream_finished).hooks


@every_way
@pytest.mark.parametrize("raised", [ValueError("canary"), SystemExit("canary")], ids=repr)
def test_a_hook_that_raises_harms_nothing_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    way: str,
    raised: BaseException,
) -> None:
    model, _ = scripted(broken(monkeypatch, raised), WHOLE, WHOLE)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            assert [chunk.type for chunk in read(way, model)][-1] == "end"
    (record,) = [each for each in caplog.records if each.name == "streamkit.plugins"]
    assert record.levelno == logging.WARNING
    assert type(raised).__name__ in record.getMessage()
    assert "canary" not in caplog.text


def test_a_hook_that_raises_for_a_dropped_stream_harms_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached: queue.SimpleQueue[None] = queue.SimpleQueue()

    def streamkit_stream_finished(summary: StreamSummary) -> None:
        reached.put(None)
        raise ValueError

    model, _ = scripted(registry_of(monkeypatch, streamkit_stream_finished).hooks, WHOLE)
    stream = model.stream("hi")
    next(stream)
    del stream
    reached.get(timeout=LIMIT_S)


def test_one_hook_that_raises_does_not_silence_another(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def make(what: Callable[[], object]) -> Any:
        def streamkit_stream_finished() -> None:
            what()

        return streamkit_stream_finished

    def fail() -> None:
        raise ValueError

    hooks = map(make, (lambda: told.append("first"), fail, lambda: told.append("last")))
    model, _ = scripted(registry_of(monkeypatch, *hooks).hooks, WHOLE)
    assert isinstance(model.generate_sync("hi"), Response)
    assert sorted(told) == ["first", "last"]


def test_a_summary_cannot_be_changed_by_one_plugin_for_another(told: Told) -> None:
    model, _ = scripted(told.hooks, WHOLE)
    model.generate_sync("hi")
    with pytest.raises(AttributeError):
        told.once().outcome = "failed"  # type: ignore[misc]
