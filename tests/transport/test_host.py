import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio
import pytest
import sniffio
import trio

from streamkit.transport.host import Host, run_apart, run_to_the_end

LIMIT_S = 10.0


@pytest.mark.anyio
async def test_a_call_from_a_thread_runs_in_the_loop() -> None:
    host, called = Host(), anyio.Event()
    assert await anyio.to_thread.run_sync(host.call_soon, called.set)
    with anyio.fail_after(LIMIT_S):
        await called.wait()


@pytest.mark.anyio
async def test_a_spawned_coroutine_runs_to_its_end() -> None:
    host, ended = Host(), anyio.Event()

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        ended.set()

    assert await anyio.to_thread.run_sync(host.spawn, work)
    with anyio.fail_after(LIMIT_S):
        await ended.wait()


def test_a_loop_that_has_ended_takes_no_calls() -> None:
    async def make() -> Host:
        return Host()

    async def never() -> None:
        raise AssertionError

    for host in (asyncio.run(make()), trio.run(make)):
        assert host.call_soon(print) is False
        assert host.spawn(never) is False


@pytest.mark.anyio
async def test_what_runs_apart_gives_its_result_and_its_error() -> None:
    async def give() -> int:
        return 7

    async def fail() -> int:
        raise ZeroDivisionError

    assert await run_apart(give, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        await run_apart(fail, lambda: None)


@pytest.mark.parametrize("cancels", [1, 2])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_a_native_cancellation_reaches_what_runs_apart_by_its_scope_alone(
    cancels: int,
) -> None:
    log: list[str] = []
    scope = anyio.CancelScope()

    async def work() -> None:
        with scope:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    for _ in range(5):
                        await asyncio.sleep(0)
                log.append("in order")

    task = asyncio.create_task(run_apart(work, scope.cancel))
    await anyio.wait_all_tasks_blocked()
    for _ in range(cancels):
        task.cancel()
        await asyncio.sleep(0)
    with anyio.fail_after(LIMIT_S), pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["in order"]


@pytest.mark.anyio
async def test_what_must_end_ends_although_its_caller_is_cancelled() -> None:
    log: list[str] = []

    async def work() -> None:
        await anyio.wait_all_tasks_blocked()
        log.append("ended")

    with anyio.fail_after(LIMIT_S), anyio.CancelScope() as scope:
        scope.cancel()
        await run_to_the_end(work)
        assert log == ["ended"]
        await anyio.lowlevel.checkpoint()
        raise AssertionError("The cancellation was swallowed.")
    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_what_must_end_ends_although_its_caller_is_cancelled_natively() -> None:
    log: list[str] = []
    work_goes_on = anyio.Event()

    async def work() -> None:
        await work_goes_on.wait()
        log.append("ended")

    async def call() -> None:
        await run_to_the_end(work)
        await anyio.lowlevel.checkpoint()

    async def cancelled(call: Coroutine[Any, Any, None]) -> None:
        if sniffio.current_async_library() == "trio":
            with trio.CancelScope() as scope:
                scope.cancel()
                work_goes_on.set()
                await call
            assert scope.cancelled_caught
        else:
            task = asyncio.create_task(call)
            await anyio.wait_all_tasks_blocked()
            task.cancel()
            await asyncio.sleep(0)
            assert not task.done()
            work_goes_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    with anyio.fail_after(LIMIT_S):
        await cancelled(call())
    assert log == ["ended"]
