import gc
import math
import time
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from streamkit.assembly.deltas import ContentDelta, Delta
from streamkit.transport.base import DeadlinePassed, Interrupted
from streamkit.transport.deltas import DeltaExchange, SyncDeltaExchange

LIMIT_S = 10.0


class Source:
    """Gives a delta, then waits for ever; knows when it was closed."""

    def __init__(self) -> None:
        self.is_closed = anyio.Event()

    async def deltas(self) -> AsyncIterator[Delta]:
        try:
            yield ContentDelta("one")
            await anyio.sleep_forever()
        finally:
            self.is_closed.set()


@pytest.mark.anyio
async def test_deltas_come_one_by_one_and_then_none() -> None:
    async def deltas() -> AsyncIterator[Delta]:
        yield ContentDelta("one")
        yield ContentDelta("two")

    exchange = DeltaExchange(deltas())
    assert await exchange.read(math.inf) == [ContentDelta("one")]
    assert await exchange.read(math.inf) == [ContentDelta("two")]
    assert await exchange.read(math.inf) is None
    await exchange.close()


@pytest.mark.anyio
async def test_a_deadline_ends_a_read() -> None:
    source = Source()
    exchange = DeltaExchange(source.deltas())
    await exchange.read(math.inf)
    with anyio.fail_after(LIMIT_S), pytest.raises(DeadlinePassed):
        await exchange.read(time.monotonic() + 0.05)
    await exchange.close()
    assert source.is_closed.is_set()


@pytest.mark.anyio
async def test_an_interrupt_from_a_thread_ends_a_pending_read() -> None:
    exchange = DeltaExchange(Source().deltas())
    await exchange.read(math.inf)

    async def interrupt() -> None:
        await anyio.wait_all_tasks_blocked()
        await anyio.to_thread.run_sync(exchange.interrupt)

    async def read() -> None:
        with pytest.raises(Interrupted):
            await exchange.read(math.inf)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(interrupt)
            group.start_soon(read)
    await exchange.close()


@pytest.mark.anyio
async def test_an_interrupt_before_the_read_ends_it_too() -> None:
    exchange = DeltaExchange(Source().deltas())
    await exchange.read(math.inf)
    exchange.interrupt()
    with anyio.fail_after(LIMIT_S), pytest.raises(Interrupted):
        await exchange.read(math.inf)
    await exchange.close()


@pytest.mark.anyio
async def test_closing_closes_the_generator_once_also_for_a_cancelled_caller() -> None:
    source = Source()
    exchange = DeltaExchange(source.deltas())
    await exchange.read(math.inf)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await exchange.close()
        await exchange.close()
    assert source.is_closed.is_set()


@pytest.mark.anyio
async def test_an_abandoned_generator_is_closed_by_the_loop() -> None:
    source = Source()
    exchange = DeltaExchange(source.deltas())
    await exchange.read(math.inf)
    exchange.abandon()
    del exchange
    gc.collect()
    with anyio.fail_after(LIMIT_S):
        await source.is_closed.wait()


@pytest.mark.anyio
async def test_an_iterator_that_is_no_generator_needs_no_closing() -> None:
    class Once:
        def __aiter__(self) -> AsyncIterator[Delta]:
            return self

        async def __anext__(self) -> Delta:
            raise StopAsyncIteration

    exchange = DeltaExchange(Once())
    assert await exchange.read(math.inf) is None
    await exchange.close()


def sync_deltas(log: list[str]) -> Iterator[Delta]:
    try:
        yield ContentDelta("one")
        yield ContentDelta("two")
    finally:
        log.append("closed")


def test_synchronous_deltas_come_one_by_one_and_then_none() -> None:
    exchange = SyncDeltaExchange(sync_deltas([]))
    assert exchange.read(math.inf) == [ContentDelta("one")]
    assert exchange.read(math.inf) == [ContentDelta("two")]
    assert exchange.read(math.inf) is None


def test_a_synchronous_read_begins_neither_after_its_deadline_nor_after_an_interrupt() -> None:
    exchange = SyncDeltaExchange(sync_deltas([]))
    with pytest.raises(DeadlinePassed):
        exchange.read(time.monotonic() - 1)
    exchange.interrupt()
    with pytest.raises(Interrupted):
        exchange.read(math.inf)


@pytest.mark.parametrize("end", [SyncDeltaExchange.close, SyncDeltaExchange.abandon])
def test_a_synchronous_generator_is_closed_at_once(end: object) -> None:
    log: list[str] = []
    exchange = SyncDeltaExchange(sync_deltas(log))
    exchange.read(math.inf)
    end(exchange)  # type: ignore[operator]
    assert log == ["closed"]
