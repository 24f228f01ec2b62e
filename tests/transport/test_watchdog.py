import gc
import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from streamkit.transport.watchdog import Watch, shut_down

LIMIT_S = 10.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    ours.settimeout(LIMIT_S)
    theirs.settimeout(LIMIT_S)
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_a_wait_ends_when_its_deadline_passes(pair: Pair) -> None:
    ours, theirs = pair
    watch = Watch(ours)
    watch.arm(time.monotonic() + 0.05)
    assert ours.recv(1) == b""
    assert theirs.recv(1) == b""
    assert watch.has_fired


def test_a_deadline_that_moved_on_is_kept_at_its_new_time(pair: Pair) -> None:
    ours, _ = pair
    watch = Watch(ours)
    watch.arm(time.monotonic() + 0.02)
    later = time.monotonic() + 0.2
    watch.deadline = later
    assert ours.recv(1) == b""
    assert time.monotonic() >= later


def test_an_earlier_deadline_comes_before_a_later_one(pair: Pair) -> None:
    ours, _ = pair
    watch = Watch(ours)
    watch.arm(time.monotonic() + 1_000)
    watch.arm(time.monotonic() + 0.05)
    assert ours.recv(1) == b""


def test_many_watches_fire_each_at_its_own_time() -> None:
    pairs = [socket.socketpair() for _ in range(20)]
    watches = []
    for number, (ours, _) in enumerate(pairs):
        watch = Watch(ours)
        watch.arm(time.monotonic() + (1_000 if number % 2 else 0.05))
        watches.append(watch)
    for ours, _ in pairs[::2]:
        ours.settimeout(LIMIT_S)
        assert ours.recv(1) == b""
    assert [watch.has_fired for watch in watches] == [True, False] * 10
    for both in pairs:
        for each in both:
            each.close()


def test_nothing_touches_a_socket_after_it_was_disarmed(pair: Pair) -> None:
    ours, theirs = pair
    watch = Watch(ours)
    watch.arm(time.monotonic() + 0.02)
    watch.disarm()
    watch.fire()
    assert watch.look(math.inf) is None
    theirs.send(b"x")
    assert ours.recv(1) == b"x"
    assert not watch.has_fired


def test_firing_wakes_a_reader_in_another_thread(pair: Pair) -> None:
    ours, _ = pair
    watch = Watch(ours)
    thread = threading.Thread(target=watch.fire)
    thread.start()
    assert ours.recv(1) == b""
    thread.join()


def test_a_watch_between_two_reads_fires_never(pair: Pair) -> None:
    ours, _ = pair
    watch = Watch(ours)
    watch.arm(100.0)
    watch.deadline = math.inf
    assert watch.look(200.0) is None
    assert watch.armed_for == math.inf  # so that the next read arms it again
    assert not watch.has_fired


def test_a_look_says_when_to_look_again(pair: Pair) -> None:
    ours, _ = pair
    watch = Watch(ours)
    watch.deadline = 100.0
    assert watch.look(50.0) == 100.0
    assert watch.armed_for == 100.0
    assert watch.look(100.0) is None
    assert watch.has_fired


class DeadlineMovesDuringTheLook(Watch):
    """A reader sets a new deadline between the thread's steps, and sees the old `armed_for`."""

    times = iter([math.inf, math.inf, 70.0, 70.0, 70.0])

    @property
    def deadline(self) -> float:
        """The deadline, as it changes."""
        return next(self.times)

    @deadline.setter
    def deadline(self, _: float) -> None:
        pass


def test_a_deadline_set_while_the_thread_looks_is_not_missed(pair: Pair) -> None:
    watch = DeadlineMovesDuringTheLook(pair[0])
    assert watch.look(50.0) == 70.0
    assert watch.armed_for == 70.0


def test_a_dropped_watch_is_forgotten(pair: Pair) -> None:
    ours, theirs = pair
    watch = Watch(ours)
    watch.arm(time.monotonic() + 0.02)
    reference = weakref.ref(watch)
    del watch
    gc.collect()
    assert reference() is None
    theirs.send(b"x")
    assert ours.recv(1) == b"x"


def test_a_watch_may_be_fired_while_it_fires() -> None:
    """The garbage collector may run in the midst of it, and drop the watch's own stream."""
    watch: Watch

    def again() -> int:
        watch.fire()
        return -1

    watch = Watch(SimpleNamespace(fileno=again))
    thread = threading.Thread(target=watch.fire, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def test_shutting_down_a_closed_socket_is_no_error() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    ours.close()
    shut_down(ours)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_does_not_end_the_connections_of_its_parent(pair: Pair) -> None:
    ours, theirs = pair
    watch = Watch(ours)
    child = os.fork()
    if child == 0:
        watch.fire()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    theirs.send(b"x")
    assert ours.recv(1) == b"x"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_a_watchdog_of_its_own(pair: Pair) -> None:
    Watch(pair[0]).arm(time.monotonic() + 1_000)  # the parent's thread runs now
    child = os.fork()
    if child == 0:
        ours, _ = socket.socketpair()
        ours.settimeout(LIMIT_S)
        watch = Watch(ours)
        watch.arm(time.monotonic() + 0.05)
        os._exit(0 if ours.recv(1) == b"" else 1)
    assert os.waitpid(child, 0)[1] == 0
