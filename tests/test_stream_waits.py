"""Whose time a deadline counts, what a stop wakes, and what happens when closing itself fails."""

import logging
import threading
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from streamkit.assembly.deltas import ContentDelta, Delta, FinishDelta
from streamkit.chunks import EndChunk, ErrorChunk, Usage, UsageChunk
from streamkit.model import Model
from streamkit.plugin import ProviderSpec
from streamkit.provider import Emitter, Frame, StreamProvider, StreamScope
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings, Timeouts
from streamkit.stream import ChunkStream
from streamkit.transport.memory import ManualClock, MemoryTransport, Pause, Reply
from tests.closing import (
    LIMIT_S,
    SPEC,
    TextProvider,
    make_model,
    open_client,
    open_sync_client,
    say,
    text_of,
)
from tests.loopback import END, Hold, head, serving

# Deadlines and slow consumers.


class UsageProvider(TextProvider):
    """Tells a token count in the frame `USAGE`."""

    def decode(self, frame: Frame, emit: Emitter) -> None:
        if frame.text() == "USAGE":
            emit.usage(Usage(output_tokens=2))
        else:
            super().decode(frame, emit)


def scripted(
    *body: bytes | Pause, timeouts: Timeouts | None = None
) -> tuple[ChunkStream, ManualClock]:
    transport = MemoryTransport([Reply(body)])
    settings = ProviderSettings(provider="text", base_url="http://text.invalid")
    model = Model(
        UsageProvider(SPEC, settings),
        "m",
        transport=transport,
        clock=transport.clock,
        timeouts=timeouts,
    )
    return model.stream("hi"), transport.clock


def test_the_time_that_the_consumer_takes_is_not_the_services() -> None:
    stream, clock = scripted(
        b"data: one\n\n",
        Pause(50.0),
        b"data: two\n\n",
        Pause(50.0),
        b"data: FINISH\n\n",
        timeouts=Timeouts(idle=60.0),
    )
    chunks = []
    for chunk in stream:
        chunks.append(chunk)
        clock.now += 1_000.0
    assert text_of(chunks) == "onetwo"
    assert isinstance(chunks[-1], EndChunk)


def test_the_services_own_silence_still_counts_after_a_slow_consumer() -> None:
    stream, clock = scripted(
        b"data: one\n\n", Pause(70.0), b"data: FINISH\n\n", timeouts=Timeouts(idle=60.0)
    )
    next(stream)
    next(stream)
    clock.now += 1_000.0
    (last,) = stream
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "timeout_idle"


def test_the_total_counts_the_consumers_time_too() -> None:
    stream, clock = scripted(
        b"data: one\n\n", Pause(1.0), b"data: two\n\n", timeouts=Timeouts(total=100.0)
    )
    next(stream)
    next(stream)
    clock.now += 1_000.0
    (last,) = stream
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "timeout_total"


def test_a_slow_consumer_loses_nothing_that_follows_the_finish_reason() -> None:
    stream, clock = scripted(
        b"data: one\n\ndata: FINISH\n\n", Pause(1.0), b"data: USAGE\n\ndata: [DONE]\n\n"
    )
    next(stream)
    next(stream)
    clock.now += 1_000.0
    rest = list(stream)
    assert [type(each) for each in rest] == [UsageChunk, EndChunk]


@pytest.mark.anyio
async def test_a_slow_consumer_of_a_real_connection_is_not_taken_for_a_silent_service() -> None:
    # The server goes on once the deadline has passed twice over, while nobody reads.
    second, third = threading.Event(), threading.Event()
    end = say("three", "FINISH", "[DONE]") + END
    script = (head() + say("one"), Hold(second), say("two"), Hold(third), end)
    with serving(script) as server:
        async with open_client() as client:
            timeouts = Timeouts(idle=0.2)
            stream = make_model(server.url, client, timeouts=timeouts).stream("hi")
            chunks = [await anext(stream), await anext(stream)]
            second.set()
            chunks.append(await anext(stream))
            await anyio.to_thread.run_sync(threading.Event().wait, 0.5)
            third.set()
            chunks += [each async for each in stream]
    assert text_of(chunks) == "onetwothree"
    assert isinstance(chunks[-1], EndChunk)


def test_a_slow_synchronous_consumer_is_not_taken_for_a_silent_service() -> None:
    second, third = threading.Event(), threading.Event()
    end = say("three", "FINISH", "[DONE]") + END
    script = (head() + say("one"), Hold(second), say("two"), Hold(third), end)
    with serving(script) as server, open_sync_client() as client:
        stream = make_model(server.url, client, timeouts=Timeouts(idle=0.2)).stream("hi")
        chunks = [next(stream), next(stream)]
        second.set()
        chunks.append(next(stream))
        threading.Event().wait(0.5)
        third.set()
        chunks += stream
    assert text_of(chunks) == "onetwothree"
    assert isinstance(chunks[-1], EndChunk)


# A provider that makes itself ready.


class PreparingProvider(TextProvider):
    """Is ready once it is let go on."""

    def __init__(self) -> None:
        settings = ProviderSettings(provider="text", base_url="http://text.invalid")
        super().__init__(SPEC, settings)
        self.began = threading.Event()
        self.go_on = threading.Event()

    def prepare(self, request: ChatRequest | None) -> None:
        self.began.set()
        assert self.go_on.wait(LIMIT_S)


@pytest.fixture
def preparing() -> Iterator[PreparingProvider]:
    """A provider that is let go on at the end of the test."""
    provider = PreparingProvider()
    yield provider
    provider.go_on.set()


@pytest.mark.parametrize("way", ["stop", "aclose", "cancel"])
@pytest.mark.anyio
async def test_a_stream_that_waits_for_its_provider_to_be_ready_ends_at_once(
    preparing: PreparingProvider, way: str
) -> None:
    transport = MemoryTransport([])
    stream = Model(preparing, "m", transport=transport).stream("hi")
    await anext(stream)
    rest: list[object] = []

    async def read() -> None:
        rest.extend([each async for each in stream])

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.to_thread.run_sync(preparing.began.wait, LIMIT_S)
            match way:
                case "stop":
                    stream.stop()
                case "aclose":
                    await stream.aclose()
                case _:
                    group.cancel_scope.cancel()
    assert [type(each) for each in rest] == ([EndChunk] if way == "stop" else [])
    assert stream.response.state == ("stopped" if way == "stop" else "abandoned")
    assert transport.requests == []


@pytest.mark.anyio
async def test_the_deadline_holds_while_a_provider_makes_itself_ready(
    preparing: PreparingProvider,
) -> None:
    timeouts = Timeouts(first_content=0.05)
    stream = Model(preparing, "m", transport=MemoryTransport([]), timeouts=timeouts).stream("hi")
    with anyio.fail_after(LIMIT_S):
        chunks = [each async for each in stream]
    assert isinstance(chunks[-1], ErrorChunk)
    assert chunks[-1].error.kind == "timeout_first_content"


# Closing that fails.


class StumblingProvider(StreamProvider):
    """Raises when it is closed before its end."""

    async def open(self, request: ChatRequest, scope: StreamScope) -> AsyncIterator[Delta]:
        try:
            yield ContentDelta("one")
            yield FinishDelta("stop")
        except GeneratorExit:
            raise ZeroDivisionError("sk-canary-closing") from None

    def open_sync(self, request: ChatRequest, scope: StreamScope) -> Iterator[Delta]:
        try:
            yield ContentDelta("one")
            yield FinishDelta("stop")
        except GeneratorExit:
            raise ZeroDivisionError("sk-canary-closing") from None


def stumbling_stream() -> ChunkStream:
    spec = ProviderSpec(
        name="stumbling", api_version=1, factory="tests.test_stream_waits:StumblingProvider"
    )
    return Model(StumblingProvider(spec, ProviderSettings(provider="stumbling")), "m").stream("hi")


@pytest.mark.anyio
async def test_a_failure_to_close_is_logged_and_not_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "streamkit"):
        async with stumbling_stream() as stream:
            await anext(stream)
            await anext(stream)
    assert stream.response.text == "one"
    assert [record.getMessage() for record in caplog.records] == [
        f"stream {stream.stream_id} did not close cleanly: ZeroDivisionError"
    ]


def test_a_synchronous_failure_to_close_is_logged_and_not_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "streamkit"), stumbling_stream() as stream:
        next(stream)
        next(stream)
    assert stream.response.text == "one"
    assert [record.getMessage() for record in caplog.records] == [
        f"stream {stream.stream_id} did not close cleanly: ZeroDivisionError"
    ]


def test_a_limit_of_none_waits_for_ever() -> None:
    timeouts = Timeouts(first_content=None, idle=None, total=None)
    stream, _ = scripted(b"data: one\n\n", Pause(10_000.0), b"data: FINISH\n\n", timeouts=timeouts)
    assert isinstance(list(stream)[-1], EndChunk)
