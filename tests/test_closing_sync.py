"""Every way to end a stream in synchronous code, for two hundred in threads and at any moment."""

import gc
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trustme

from streamkit.chunks import ContentChunk, EndChunk, ErrorChunk, StreamChunk
from streamkit.model import Model
from streamkit.settings import Timeouts
from streamkit.stream import ChunkStream
from tests.closing import (
    LIMIT_S,
    PROMPT_S,
    SPEAKS_AND_HOLDS,
    all_gone,
    client_sockets,
    in_thread,
    make_model,
    open_sync_client,
    pool_of,
    say,
    warned,
)
from tests.http_clients import every_family
from tests.loopback import Action, Close, Hold, LoopbackServer, Reset, chunk, head, serving

STREAMS = 200


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for other threads; each look takes milliseconds itself."""
    for _ in range(5_000):
        if condition():
            return
        threading.Event().wait(0.002)
    raise AssertionError("It did not come to pass.")


def nothing_is_left(server: LoopbackServer, client: Any) -> None:
    assert all_gone(list(server.connections))
    wait_until(lambda: pool_of(client) == [])
    wait_until(lambda: client_sockets(server) == 0)


def speaking(stream: ChunkStream) -> None:
    for each in stream:
        if isinstance(each, ContentChunk):
            return
    raise AssertionError(stream.response)


def break_off_in_a_with(stream: ChunkStream, meeting: threading.Barrier) -> None:
    with stream:
        speaking(stream)
        meeting.wait(LIMIT_S)
    assert stream.response.state == "abandoned"


def break_off_and_close(stream: ChunkStream, meeting: threading.Barrier) -> None:
    speaking(stream)
    meeting.wait(LIMIT_S)
    stream.close()
    assert list(stream) == []
    assert stream.response.state == "abandoned"


def stop_between_reads(stream: ChunkStream, meeting: threading.Barrier) -> None:
    speaking(stream)
    meeting.wait(LIMIT_S)
    stream.stop()
    read_the_stopped_end(stream)


def stop_from_another_thread(stream: ChunkStream, meeting: threading.Barrier) -> None:
    speaking(stream)
    meeting.wait(LIMIT_S)
    thread = in_thread(stream.stop)
    read_the_stopped_end(stream)
    thread.join()


def read_the_stopped_end(stream: ChunkStream) -> None:
    rest = list(stream)
    assert [type(each) for each in rest] == [EndChunk]
    assert stream.response.state == "stopped"
    assert stream.response.text == "one"


def close_from_another_thread(stream: ChunkStream, meeting: threading.Barrier) -> None:
    speaking(stream)
    meeting.wait(LIMIT_S)
    thread = in_thread(stream.close)
    assert list(stream) == []
    thread.join()
    assert stream.response.state == "abandoned"


def read_to_the_failure(stream: ChunkStream, meeting: threading.Barrier) -> None:
    chunks = list(stream)
    assert isinstance(chunks[-1], ErrorChunk)
    assert stream.response.state == "failed"
    meeting.wait(LIMIT_S)


Way = Callable[[ChunkStream, threading.Barrier], None]


def run_all(model: Model, way: Way) -> None:
    meeting = threading.Barrier(STREAMS)
    with ThreadPoolExecutor(STREAMS) as threads:
        for each in [threads.submit(way, model.stream("hi"), meeting) for _ in range(STREAMS)]:
            each.result()


@every_family
@pytest.mark.parametrize(
    "way",
    [
        break_off_in_a_with,
        break_off_and_close,
        stop_between_reads,
        stop_from_another_thread,
        close_from_another_thread,
    ],
)
def test_nothing_is_left_of_two_hundred_synchronous_streams(family: Any, way: Way) -> None:
    with (
        serving(SPEAKS_AND_HOLDS) as server,
        open_sync_client(family) as client,
        warned() as warnings,
    ):
        run_all(make_model(server.url, client), way)
        nothing_is_left(server, client)
    assert warnings == []


FAILURES: dict[str, tuple[Action, ...]] = {
    "reset": (head() + say("one"), Reset()),
    "truncated": (head() + say("one") + say("two")[:-4], Close()),
    "malformed": (head() + say("one") + chunk(b"data: \xff\xff\n\n"), Hold()),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_nothing_is_left_of_two_hundred_failed_synchronous_streams(failure: str) -> None:
    with (
        serving(FAILURES[failure]) as server,
        open_sync_client() as client,
        warned() as warnings,
    ):
        run_all(make_model(server.url, client), read_to_the_failure)
        nothing_is_left(server, client)
    assert warnings == []


@every_family
def test_two_hundred_abandoned_synchronous_streams_close_their_connections(family: Any) -> None:
    with (
        serving(SPEAKS_AND_HOLDS) as server,
        open_sync_client(family) as client,
        warned() as warnings,
    ):
        model = make_model(server.url, client)
        streams = [model.stream("hi") for _ in range(STREAMS)]
        for stream in streams:
            speaking(stream)
        del stream
        streams.clear()
        gc.collect()
        nothing_is_left(server, client)
    assert len(warnings) == STREAMS
    assert all("ResourceWarning: <ChunkStream" in each for each in warnings)


# Each way at the moments when a read is pending.

_TERMINATED: tuple[Action, ...] = (head() + say("one", "FINISH", "[DONE]"), Hold())
_UNTIL_CLOSED: tuple[Action, ...] = (head(chunked=False) + b"data: one\n\n", Hold())
#: What the server does, and how many chunks were read before.
PENDING: dict[str, tuple[tuple[Action, ...], int]] = {
    "opening": ((Hold(),), 1),
    "before_content": ((head(), Hold()), 1),
    "mid_content": (SPEAKS_AND_HOLDS, 2),
    "mid_content_until_closed": (_UNTIL_CLOSED, 2),
}


def brought_to(name: str, server: LoopbackServer, client: Any) -> ChunkStream:
    stream = make_model(server.url, client).stream("hi")
    for _ in range(PENDING[name][1]):
        next(stream)
    return stream


def read_until_stopped(stream: ChunkStream, server: LoopbackServer) -> list[StreamChunk]:
    """Reads what is left, while another thread stops the stream as soon as a read is pending."""
    has_ended = threading.Event()

    def stop_once_it_waits() -> None:
        wait_until(lambda: len(server.requests) > 0)
        stream.stop()
        assert has_ended.wait(PROMPT_S)

    with ThreadPoolExecutor(1) as threads:
        stopping = threads.submit(stop_once_it_waits)
        rest = list(stream)
        has_ended.set()
        stopping.result()
    return rest


@every_family
@pytest.mark.parametrize("name", PENDING)
def test_a_stop_from_a_thread_wakes_a_pending_read(family: Any, name: str) -> None:
    with (
        serving(PENDING[name][0]) as server,
        open_sync_client(family) as client,
        warned() as warnings,
    ):
        stream = brought_to(name, server, client)
        rest = read_until_stopped(stream, server)
        assert isinstance(rest[-1], EndChunk)
        assert rest[-1].finish_reason == "cancelled"
        assert stream.response.state == "stopped"
        nothing_is_left(server, client)
    assert warnings == []


@every_family
@pytest.mark.parametrize("name", PENDING)
def test_a_close_from_a_thread_wakes_a_pending_read_which_delivers_nothing(
    family: Any, name: str
) -> None:
    with serving(PENDING[name][0]) as server, open_sync_client(family) as client:
        stream = brought_to(name, server, client)

        def close_once_it_waits() -> None:
            wait_until(lambda: len(server.requests) > 0)
            stream.close()

        thread = in_thread(close_once_it_waits)
        assert list(stream) == []
        thread.join()
        assert stream.response.state == "abandoned"
        nothing_is_left(server, client)


@every_family
def test_closing_between_terminator_and_drain_keeps_the_end(family: Any) -> None:
    with serving(_TERMINATED) as server, open_sync_client(family) as client:
        stream = make_model(server.url, client).stream("hi")
        with stream:
            for each in stream:
                if isinstance(each, EndChunk):
                    break
        assert stream.response.state == "complete"
        nothing_is_left(server, client)


@every_family
@pytest.mark.parametrize("name", ["before_content", "mid_content", "mid_content_until_closed"])
def test_a_deadline_ends_a_pending_synchronous_read(family: Any, name: str) -> None:
    timeouts = Timeouts(first_content=0.2, idle=0.2)
    with serving(PENDING[name][0]) as server, open_sync_client(family) as client:
        chunks = list(make_model(server.url, client, timeouts=timeouts).stream("hi"))
        assert isinstance(chunks[-1], ErrorChunk)
        kind = "timeout_first_content" if name == "before_content" else "timeout_idle"
        assert chunks[-1].error.kind == kind
        nothing_is_left(server, client)


# TLS takes the socket over in the midst of the opening.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that the tests' clients trust."""
    return trustme.CA()


@every_family
@pytest.mark.parametrize("name", ["opening", "mid_content"])
def test_a_stop_from_a_thread_wakes_a_pending_read_over_tls(
    family: Any, name: str, authority: trustme.CA
) -> None:
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    with (
        serving(PENDING[name][0], tls=theirs) as server,
        family.Client(verify=ours, timeout=None) as client,
    ):
        rest = read_until_stopped(brought_to(name, server, client), server)
        assert isinstance(rest[-1], EndChunk)
        assert rest[-1].finish_reason == "cancelled"
        nothing_is_left(server, client)
