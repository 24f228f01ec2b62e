"""The transport without a network: what its scripts promise to those who test with it."""

import math

import pytest

from streamkit.settings import Timeouts
from streamkit.transport.base import DeadlinePassed, Interrupted, OutgoingRequest, TransportFailure
from streamkit.transport.memory import (
    Break,
    Event,
    ManualClock,
    MemoryTransport,
    Pause,
    Reply,
    SyncMemoryExchange,
)

_REQUEST = OutgoingRequest(method="POST", url="http://x.test/", headers={}, body=b"{}")


def _open(transport: MemoryTransport, deadline: float = math.inf) -> SyncMemoryExchange:
    return transport.opening().open_sync(_REQUEST, deadline, Timeouts())


def _exchange(*events: Event) -> SyncMemoryExchange:
    return _open(MemoryTransport([Reply(events)]))


def test_the_clock_moves_when_it_is_told_to_and_never_beyond_a_deadline() -> None:
    clock = ManualClock(10.0)
    clock.wait(5, deadline=20.0)
    assert clock.monotonic() == clock.wall() == 15.0
    with pytest.raises(DeadlinePassed):
        clock.wait(5, deadline=20.0)
    assert clock.now == 20.0


def test_a_deadline_that_is_long_past_does_not_turn_the_clock_back() -> None:
    clock = ManualClock(10.0)
    with pytest.raises(DeadlinePassed):
        clock.wait(1, deadline=3.0)
    assert clock.now == 10.0


def test_reads_come_one_by_one_and_then_the_end() -> None:
    exchange = _exchange(b"a", b"b")
    assert [exchange.read(math.inf) for _ in range(4)] == [b"a", b"b", None, None]


def test_bytes_alone_are_one_read_with_status_200() -> None:
    exchange = _open(MemoryTransport([b"abc"]))
    assert exchange.head.status == 200
    assert exchange.read(math.inf) == b"abc"


def test_header_names_are_in_lower_case() -> None:
    exchange = _open(MemoryTransport([Reply(status=429, headers={"Retry-After": "7"})]))
    assert (exchange.head.status, exchange.head.headers) == (429, {"retry-after": "7"})


def test_a_pause_passes_on_the_clock() -> None:
    transport = MemoryTransport([Reply([Pause(3), b"a"], before_head=2)])
    began = transport.clock.now
    assert _open(transport).read(math.inf) == b"a"
    assert transport.clock.now == began + 5


def test_a_pause_longer_than_the_deadline_ends_at_it() -> None:
    transport = MemoryTransport([Reply([Pause(math.inf)])])
    until = transport.clock.now + 4
    with pytest.raises(DeadlinePassed):
        _open(transport).read(until)
    assert transport.clock.now == until


def test_silence_before_the_head_ends_at_the_deadline() -> None:
    transport = MemoryTransport([Reply(before_head=9)])
    with pytest.raises(DeadlinePassed):
        _open(transport, transport.clock.now + 4)
    assert transport.open_exchanges == 0


def test_a_script_that_would_wait_for_ever_says_so() -> None:
    with pytest.raises(TransportFailure, match="waits for ever"):
        _exchange(Pause(math.inf)).read(math.inf)


@pytest.mark.parametrize("kind", ["connection", "truncated"])
def test_a_break_is_a_failure_of_its_kind(kind: str) -> None:
    exchange = _exchange(b"a", Break(kind, "Gone."))
    assert exchange.read(math.inf) == b"a"
    with pytest.raises(TransportFailure, match="Gone") as caught:
        exchange.read(math.inf)
    assert caught.value.kind == kind


def test_a_break_instead_of_an_answer() -> None:
    transport = MemoryTransport([Reply(before_head=Break("connection"))])
    with pytest.raises(TransportFailure):
        _open(transport)
    assert len(transport.requests) == 1
    assert transport.open_exchanges == 0


def test_each_request_takes_the_next_reply_and_one_too_many_fails() -> None:
    transport = MemoryTransport([b"a", b"b"])
    assert [_open(transport).read(math.inf) for _ in range(2)] == [b"a", b"b"]
    with pytest.raises(TransportFailure, match="no reply"):
        _open(transport)
    assert transport.requests == [_REQUEST] * 3


def test_exchanges_are_counted_until_they_are_closed_once() -> None:
    transport = MemoryTransport([b"a", b"b"])
    first, second = _open(transport), _open(transport)
    assert transport.open_exchanges == 2
    first.close()
    first.close()
    second.abandon()
    assert transport.open_exchanges == 0


def test_an_interruption_ends_the_next_read() -> None:
    exchange = _exchange(b"a", b"b")
    exchange.interrupt()
    with pytest.raises(Interrupted):
        exchange.read(math.inf)


def test_an_opening_that_was_interrupted_sends_nothing() -> None:
    transport = MemoryTransport([b"a"])
    opening = transport.opening()
    opening.interrupt()
    with pytest.raises(Interrupted):
        opening.open_sync(_REQUEST, math.inf, Timeouts())
    assert transport.requests == []


@pytest.mark.anyio
async def test_asynchronous_code_reads_the_same() -> None:
    transport = MemoryTransport([Reply([b"a", Pause(1), b"b"])])
    transport.check(is_async=True)
    exchange = await transport.opening().open(_REQUEST, math.inf, Timeouts())
    assert [await exchange.read(math.inf) for _ in range(3)] == [b"a", b"b", None]
    await exchange.close()
    assert transport.open_exchanges == 0
