"""Streamkit's own clients: few, shared, closed with what they live in."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest
import trio

from streamkit.transport import clients
from streamkit.transport.clients import Network, async_client, sync_client
from tests.closing import COMPLETE, SPEAKS_AND_HOLDS, make_model, say, text_of, warned
from tests.loopback import END, Hold, LoopbackServer, head, serving

LIMIT_S = 30.0


@pytest.fixture
def complete() -> Iterator[LoopbackServer]:
    """A server that gives whole answers."""
    with serving(COMPLETE) as server:
        yield server


# Asynchronous clients.


@pytest.mark.anyio
async def test_one_loop_has_one_client_for_all_models(complete: LoopbackServer) -> None:
    for _ in range(3):
        await make_model(complete.url).stream("hi").collect()
    assert len(complete.requests) == 3
    assert len(complete.connections) == 1
    network = Network()
    assert await async_client(network, is_secure=False) is await async_client(
        Network(), is_secure=False
    )


@pytest.mark.anyio
async def test_each_network_has_a_client_of_its_own(complete: LoopbackServer) -> None:
    other = Network(trust_env=False)
    await make_model(complete.url).stream("hi").collect()
    await make_model(complete.url, network=other).stream("hi").collect()
    assert len(complete.connections) == 2
    assert await async_client(other, is_secure=False) is not await async_client(
        Network(), is_secure=False
    )


@pytest.mark.parametrize("run", [asyncio.run, lambda call: trio.run(lambda: call)])
def test_each_loop_has_a_client_of_its_own_which_ends_with_it(
    run: Any, complete: LoopbackServer
) -> None:
    seen: list[Any] = []

    async def main() -> None:
        await make_model(complete.url).stream("hi").collect()
        seen.append(await async_client(Network(), is_secure=False))
        assert not seen[-1].is_closed

    with warned() as warnings:
        run(main())
        run(main())
    assert seen[0] is not seen[1]
    assert all(client.is_closed for client in seen)
    assert all(each.gone.wait(1.0) for each in complete.connections)
    assert len(complete.connections) == 2
    assert warnings == []


@pytest.mark.anyio
async def test_two_hundred_streams_on_the_default_client_leave_nothing() -> None:
    with serving(SPEAKS_AND_HOLDS) as server, warned() as warnings:
        model = make_model(server.url)

        async def break_off() -> None:
            async with model.stream("hi") as stream:
                await anext(stream)
                await anext(stream)

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                for _ in range(200):
                    group.start_soon(break_off)
        client: Any = await async_client(Network(), is_secure=False)
        assert client._transport._pool.connections == []
        assert len(server.connections) == 200
    assert warnings == []


# The synchronous client.


def test_the_synchronous_client_is_shared_by_threads(complete: LoopbackServer) -> None:
    model = make_model(complete.url)
    network = Network()
    with ThreadPoolExecutor(8) as threads:
        same = set(threads.map(lambda _: sync_client(network, is_secure=False), range(16)))
        responses = list(threads.map(lambda _: model.stream("hi").collect_sync(), range(40)))
    assert len(same) == 1
    assert {response.text for response in responses} == {"onetwo"}
    assert len(complete.connections) <= 8


# Trust.


def test_trusted_certificates_are_loaded_once_and_only_for_https(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[str] = []
    create = httpx.create_ssl_context

    def counted(**options: Any) -> Any:
        loaded.append("certificates")
        return create(**options)

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    clients._trusted.cache_clear()
    network = Network(trust_env=False)
    options = clients._options(network, is_secure=False)()
    assert loaded == []
    assert options["verify"].get_ca_certs() == []
    contexts = {id(clients._options(network, is_secure=True)()["verify"]) for _ in range(3)}
    assert loaded == ["certificates"]
    assert len(contexts) == 1
    clients._trusted.cache_clear()


# Forks.

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


def forked(in_child: Any) -> int:
    """Runs a call in a forked process; gives its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(int(LIMIT_S))  # a child that hangs must not outlive its test
        try:
            in_child()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_streams_and_the_stream_of_its_parent_goes_on() -> None:
    go_on = threading.Event()
    script = (head() + say("one"), Hold(go_on), say("two", "FINISH", "[DONE]") + END)
    with serving(script, COMPLETE) as server:
        model = make_model(server.url)
        stream = model.stream("hi")
        chunks = [next(stream), next(stream)]

        def in_child() -> None:
            nonlocal stream
            assert model.stream("hi").collect_sync().text == "onetwo"
            assert asyncio.run(model.stream("hi").collect()).text == "onetwo"
            del stream, chunks[:]  # the child's copy of the parent's stream ends here

        assert forked(in_child) == 0
        go_on.set()
        chunks.extend(stream)
        assert text_of(chunks) == "onetwo"


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_another_thread_makes_a_client_locks_nothing_up(
    complete: LoopbackServer,
) -> None:
    has_lock, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with clients._SYNC_LOCK:
            has_lock.set()
            let_go.wait(LIMIT_S)

    thread = threading.Thread(target=hold)
    thread.start()
    assert has_lock.wait(LIMIT_S)
    threading.Timer(0.1, let_go.set).start()
    assert forked(lambda: make_model(complete.url).stream("hi").collect_sync()) == 0
    thread.join()


# The end of the interpreter.

PROGRAMS = {
    "asyncio": "asyncio.run(read())",
    "trio": "import trio; trio.run(read)",
    "sync": "model.stream('hi').collect_sync()",
    "sync_broken_off": "stream = model.stream('hi'); next(stream); next(stream); stream.close()",
    "loop_without_asyncio_run": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(read())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()""",
    "asyncio_abandoned": "asyncio.run(abandon())",
    "sync_abandoned": "stream = model.stream('hi'); next(stream); next(stream)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_ends_without_a_foreign_warning(name: str) -> None:
    is_abandoned = "abandoned" in name
    with serving(SPEAKS_AND_HOLDS if is_abandoned else COMPLETE) as server:
        errors = run_program(PROGRAMS[name], server.url)
        assert all(each.gone.wait(1.0) for each in server.connections)
    # A stream that is left half-way warns; nothing else does.
    warned_of = [line for line in errors if "Warning" in line]
    assert len(warned_of) == is_abandoned
    assert all("ResourceWarning: <ChunkStream" in line for line in warned_of)
    assert is_abandoned or errors == []


def run_program(last_lines: str, url: str) -> list[str]:
    program = f"""
        import asyncio, sys
        from tests.closing import make_model

        model = make_model({url!r})

        async def read():
            assert (await model.stream("hi").collect()).text == "onetwo"

        async def abandon():
            global stream
            stream = model.stream("hi")
            await anext(stream)
            await anext(stream)

        {last_lines.strip()}
    """
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # In development mode asyncio tells of slow steps.
    return [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
