"""Silence, and what is as good as silence: each of a stream's limits, to the very second."""

import math
from typing import Any

import pytest

from streamkit.errors import ConfigurationError
from streamkit.flow import END_GRACE_S
from streamkit.settings import Timeouts
from streamkit.transport.memory import Event, ManualClock, Pause, Reply
from tests.bad_input import (
    DONE,
    END,
    FINISH,
    USAGE,
    delta,
    end_of,
    error_of,
    event,
    every_way,
    memory_model,
    read,
    read_server,
    said,
    socket_model,
    text_of,
)
from tests.http_clients import every_client, every_family
from tests.loopback import END as BODY_END
from tests.loopback import Action, Close, Hold, Repeat, chunk, head, serving

_FOREVER = Pause(math.inf)
_COMMENT = b": keep-alive\n\n"
#: What keeps a connection busy and says nothing of the answer.
_KEEP_ALIVES = {
    "comments": _COMMENT,
    "empty lines": b"\n\n",
    "events without data": b"event: ping\ndata:\n\n",
    "frames without choices": event({"id": "answer-1", "model": "m", "choices": []}),
    "roles": delta(role="assistant", content=""),
    "empty texts": said(""),
    "running usage": USAGE,
}
every_keep_alive = pytest.mark.parametrize(
    "keep_alive", _KEEP_ALIVES.values(), ids=_KEEP_ALIVES.keys()
)


def _timed(way: str, reply: Reply, **limits: float | None) -> tuple[list[Any], float, ManualClock]:
    """The chunks of a reply, and how many seconds it took on the script's clock."""
    clock = ManualClock()
    began = clock.now
    timeouts = Timeouts(**{"first_content": None, "idle": None, "total": None, **limits})
    model, transport = memory_model(reply, clock=clock, timeouts=timeouts)
    chunks = read(way, model)
    assert transport.open_exchanges == 0
    return chunks, clock.now - began, clock


def _every(seconds: float, *reads: bytes) -> list[Event]:
    events: list[Event] = []
    for data in reads:
        events += [Pause(seconds), data]
    return events


# Silence, on the script's clock: exactly at the limit.


@every_way
@pytest.mark.parametrize(
    ("reply", "kind", "seconds", "text"),
    [
        (Reply(before_head=math.inf), "timeout_first_content", 30, ""),
        (Reply([_FOREVER]), "timeout_first_content", 30, ""),
        (Reply([_COMMENT, _FOREVER]), "timeout_first_content", 30, ""),
        (Reply([b'{"choices":', _FOREVER]), "timeout_first_content", 30, ""),
        (Reply([said("Hi"), _FOREVER]), "timeout_idle", 10, "Hi"),
        (Reply([Pause(25), said("Hi"), _FOREVER]), "timeout_idle", 35, "Hi"),
        (Reply([Pause(25), said("Hi")[:20], _FOREVER]), "timeout_first_content", 30, ""),
        (Reply([said("Hi"), said("!")[:20], _FOREVER]), "timeout_idle", 10, "Hi"),
        (Reply([*_every(9, *[said("x")] * 20)]), "timeout_total", 100, "x" * 11),
    ],
    ids=[
        "before headers",
        "after headers",
        "after a comment",
        "inside a JSON body",
        "mid-stream",
        "after late content",
        "inside the first frame",
        "inside a later frame",
        "never",
    ],
)
def test_silence_ends_at_its_limit(
    way: str, reply: Reply, kind: str, seconds: float, text: str
) -> None:
    chunks, took, _ = _timed(way, reply, first_content=30, idle=10, total=100)
    error = error_of(chunks)
    assert (error.kind, took) == (kind, seconds)
    assert error.retryable is (kind != "timeout_total")
    assert text_of(chunks) == text
    assert chunks[-1].elapsed_ms == seconds * 1000


_LIMITS = {
    "first_content": [Pause(10), said("Hi"), END],
    "idle": [said("Hi"), Pause(10), said("!"), END],
    "total": [said("Hi"), Pause(10), said("!"), END],
}


@every_way
@pytest.mark.parametrize(("limit", "events"), _LIMITS.items(), ids=_LIMITS.keys())
def test_a_limit_passes_at_its_second_and_not_before(
    way: str, limit: str, events: list[Event]
) -> None:
    in_time, _, _ = _timed(way, Reply(events), **{limit: 10.001})
    end_of(in_time)
    too_late, took, _ = _timed(way, Reply(events), **{limit: 10})
    assert error_of(too_late).kind == f"timeout_{limit}"
    assert took == 10


@every_way
def test_without_limits_the_longest_silence_is_waited_for(way: str) -> None:
    events: list[Event] = [Pause(1e6), said("Hi"), Pause(1e6), END]
    chunks, took, _ = _timed(way, Reply(events, before_head=1e6))
    end_of(chunks)
    assert took == 3e6


# Keep-alives do not count, content does.


@every_way
@every_keep_alive
def test_keep_alives_do_not_put_off_the_first_content(way: str, keep_alive: bytes) -> None:
    chunks, took, _ = _timed(way, Reply(_every(1, *[keep_alive] * 50)), first_content=30, idle=10)
    assert (error_of(chunks).kind, took) == ("timeout_first_content", 30)


@every_way
@every_keep_alive
def test_keep_alives_do_not_bring_the_idle_limit_forward(way: str, keep_alive: bytes) -> None:
    events: list[Event] = [keep_alive, Pause(25), said("Hi"), END]
    chunks, _, _ = _timed(way, Reply(events), first_content=30, idle=10)
    end_of(chunks)
    assert text_of(chunks) == "Hi"


@every_way
@every_keep_alive
def test_keep_alives_do_not_put_off_the_idle_limit(way: str, keep_alive: bytes) -> None:
    events = [said("Hi"), *_every(1, *[keep_alive] * 50)]
    chunks, took, _ = _timed(way, Reply(events), idle=10)
    assert (error_of(chunks).kind, took) == ("timeout_idle", 10)
    assert text_of(chunks) == "Hi"


@every_way
def test_a_frame_that_trickles_and_is_never_whole_is_silence(way: str) -> None:
    trickle = said("x" * 200)[:-2]
    reads = [bytes([byte]) for byte in trickle]
    chunks, took, _ = _timed(way, Reply(_every(1, *reads)), first_content=30, idle=10)
    assert (error_of(chunks).kind, took) == ("timeout_first_content", 30)


_CONTENT = {
    "text": said("x"),
    "reasoning": delta(reasoning_content="x"),
    "refusal": delta(refusal="x"),
    "tool call": delta(
        tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": " "}}]
    ),
}


@every_way
@pytest.mark.parametrize("content", _CONTENT.values(), ids=_CONTENT.keys())
def test_content_of_every_kind_puts_off_the_idle_limit(way: str, content: bytes) -> None:
    chunks, took, _ = _timed(
        way, Reply([*_every(9, *[content] * 20), END]), first_content=10, idle=10
    )
    end_of(chunks)
    assert took == 180


@every_way
def test_steady_content_does_not_put_off_the_total_limit(way: str) -> None:
    chunks, took, _ = _timed(
        way, Reply(_every(1, *[said("x")] * 99)), first_content=5, idle=5, total=50
    )
    error = error_of(chunks)
    assert (error.kind, took) == ("timeout_total", 50)
    assert text_of(chunks) == "x" * 49


@every_way
def test_the_total_limit_begins_with_the_request_and_not_with_the_stream(way: str) -> None:
    clock = ManualClock()
    model, _ = memory_model(
        Reply([Pause(9), said("Hi"), END]), clock=clock, timeouts=Timeouts(total=10)
    )

    def dawdle(each: Any) -> None:
        if each.type == "start":
            clock.now += 100

    end_of(read(way, model, dawdle))


# After the finish reason.


@every_way
@pytest.mark.parametrize(
    "rest",
    [[_FOREVER], _every(0.5, *[_COMMENT] * 50), _every(0.5, *[USAGE] * 50)],
    ids=["silence", "comments", "usage"],
)
def test_a_finish_reason_without_a_terminator_ends_after_a_grace(
    way: str, rest: list[Event]
) -> None:
    chunks, took, _ = _timed(way, Reply([said("Hi"), FINISH, *rest]), idle=10)
    end = end_of(chunks)
    assert took == END_GRACE_S == 2.0
    assert end.finish_reason == "stop"
    assert text_of(chunks) == "Hi"


@every_way
def test_what_comes_within_the_grace_is_read(way: str) -> None:
    events: list[Event] = [said("Hi"), FINISH, Pause(1.5), USAGE, DONE]
    chunks, took, _ = _timed(way, Reply(events), idle=10)
    end = end_of(chunks)
    assert end.usage is not None
    assert took == 1.5


@every_way
def test_the_total_limit_does_not_undo_a_finish_reason(way: str) -> None:
    chunks, took, _ = _timed(way, Reply([said("Hi"), Pause(9), FINISH, _FOREVER]), total=10)
    end_of(chunks)
    assert took == 10


@every_way
def test_silence_after_the_terminator_is_not_waited_for(way: str) -> None:
    chunks, took, _ = _timed(way, Reply([said("Hi"), END, _FOREVER]))
    end_of(chunks)
    assert took == 0


# The same on real sockets: the kind counts, how long it takes is the machine's affair.

_SHORT = {"first_content": 0.2, "idle": 0.2, "total": None}
_REAL: dict[str, tuple[list[Action], str, str]] = {
    "silence before headers": ([Hold()], "timeout_first_content", ""),
    "silence inside the headers": ([b"HTTP/1.1 200 OK\r\n", Hold()], "timeout_first_content", ""),
    "silence after headers": ([head(), Hold()], "timeout_first_content", ""),
    "silence mid-stream": ([head(), chunk(said("Hi")), Hold()], "timeout_idle", "Hi"),
    "silence inside a chunk": (
        [head(), chunk(said("Hi"))[:20], Hold()],
        "timeout_first_content",
        "",
    ),
    "comments before content": (
        [head(), Repeat(chunk(_COMMENT), 0.02)],
        "timeout_first_content",
        "",
    ),
    "comments mid-stream": (
        [head(), chunk(said("Hi")), Repeat(chunk(_COMMENT), 0.02)],
        "timeout_idle",
        "Hi",
    ),
    "a trickle": (
        [head(), chunk(b"data: "), Repeat(chunk(b"x"), 0.005)],
        "timeout_first_content",
        "",
    ),
    "silence in a compressed answer": (
        [head(200, "text/event-stream", "content-encoding: gzip"), Hold()],
        "timeout_first_content",
        "",
    ),
}


@every_way
@pytest.mark.parametrize(("script", "kind", "text"), _REAL.values(), ids=_REAL.keys())
def test_silence_on_a_real_socket(way: str, script: list[Action], kind: str, text: str) -> None:
    with serving(script) as server:
        chunks = read(way, socket_model(server, timeouts=Timeouts(**_SHORT)))
        assert server.connections[0].gone.wait(10)
    assert error_of(chunks).kind == kind
    assert text_of(chunks) == text


@every_way
@every_family
def test_silence_on_the_socket_of_a_given_client(way: str, family: Any) -> None:
    for name in ("silence before headers", "comments mid-stream"):
        script, kind, text = _REAL[name]
        with serving(script) as server:
            chunks = read_server(way, server, family, timeouts=Timeouts(**_SHORT))
            assert server.connections[0].gone.wait(10)
        assert error_of(chunks).kind == kind
        assert text_of(chunks) == text


@pytest.mark.parametrize("script", [[Hold()], [head(), Hold()]], ids=["no headers", "no body"])
def test_silence_on_a_connection_that_is_used_again(script: list[Action]) -> None:
    # In synchronous code, where such a connection has nothing but httpx's own limit until its head.
    answer: list[Action] = [head(), chunk(said("Hi") + END), BODY_END]
    with serving(answer, script) as server:
        model = socket_model(server, timeouts=Timeouts(**_SHORT))
        end_of(read("sync", model))
        assert error_of(read("sync", model)).kind == "timeout_first_content"
        assert len(server.connections) == 1


@every_way
@every_client
def test_steady_content_on_a_real_socket_and_the_total_limit(family: Any, way: str) -> None:
    timeouts = Timeouts(first_content=5, idle=5, total=0.3)
    with serving([head(), Repeat(chunk(said("x")), 0.01)]) as server:
        chunks = read_server(way, server, family, timeouts=timeouts)
    assert error_of(chunks).kind == "timeout_total"
    assert text_of(chunks)


@every_way
def test_a_flood_of_content_on_a_real_socket_and_the_total_limit(way: str) -> None:
    # There is always something to read, so no read ever waits.
    timeouts = Timeouts(first_content=5, idle=5, total=0.3)
    with serving([head(), Repeat(chunk(said("x" * 50)) * 20, 1e-6)]) as server:
        chunks = read(way, socket_model(server, timeouts=timeouts))
    assert error_of(chunks).kind == "timeout_total"


@every_way
@every_client
def test_a_finish_reason_without_a_terminator_on_a_real_socket(
    family: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamkit.flow.END_GRACE_S", 0.1)
    with serving([head(), chunk(said("Hi") + FINISH), Hold()]) as server:
        chunks = read_server(way, server, family)
        assert server.connections[0].gone.wait(10)
    end_of(chunks)
    assert text_of(chunks) == "Hi"


def test_a_stream_without_any_limit_leaves_the_limits_of_others_as_they_are() -> None:
    without = Timeouts(connect=None, first_content=None, idle=None, total=None)
    answer: list[Action] = [head(), chunk(said("Hi") + END), BODY_END, Close()]
    with serving(answer, answer, [head(), Hold()]) as server:
        end_of(read("sync", socket_model(server, timeouts=without)))
        end_of(read("asyncio", socket_model(server, timeouts=without)))
        chunks = read("sync", socket_model(server, timeouts=Timeouts(first_content=0.2)))
    assert error_of(chunks).kind == "timeout_first_content"


@every_way
def test_the_longest_limits_can_be_waited_for(way: str) -> None:
    longest = Timeouts(connect=1e8, first_content=1e8, idle=1e8, total=1e8)
    with serving([head(), chunk(said("Hi") + END), BODY_END]) as server:
        end_of(read(way, socket_model(server, timeouts=longest)))


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan, 1e9, "5", [5]], ids=repr)
@pytest.mark.parametrize("name", ["connect", "first_content", "idle", "total"])
def test_a_limit_that_cannot_be_waited_for_is_refused(name: str, seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"`{name}` must be seconds"):
        Timeouts(**{name: seconds})
