"""How the wire tests feed a framer: one body, cut in every way, and what came of it."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import strategies as st

from streamkit.wire.frames import Frame, Framer, FramingError


class Outcome(NamedTuple):
    """All that a framer said about one body."""

    frames: list[Frame]
    fault: str | None
    pending: bool


def feed(framer: Framer, reads: Iterable[bytes]) -> Outcome:
    """Feed the reads and leave the body open."""
    frames: list[Frame] = []
    try:
        for read in reads:
            frames += framer.feed(read)
    except FramingError as fault:
        return Outcome(frames + fault.frames, fault.reason, pending=False)
    return Outcome(frames, None, framer.pending)


def drain(framer: Framer, reads: Iterable[bytes]) -> Outcome:
    """Feed the reads and end the body."""
    outcome = feed(framer, reads)
    if outcome.fault is not None:
        return outcome
    try:
        frames = outcome.frames + framer.close()
    except FramingError as fault:
        return Outcome(outcome.frames + fault.frames, fault.reason, pending=False)
    return Outcome(frames, None, framer.pending)


def assert_spent(framer: Framer, reason: str) -> None:
    """Check that a framer that has failed says so again at every call, and says nothing else."""
    calls: list[Callable[[], list[Frame]]] = [
        lambda: framer.feed(b"{}\n"),
        lambda: framer.feed(b"data: a\n\n"),
        framer.close,
    ]
    for call in calls:
        with pytest.raises(FramingError) as caught:
            call()
        assert (caught.value.reason, caught.value.frames) == (reason, [])


def bytewise(body: bytes) -> list[bytes]:
    """Cut a body into single bytes."""
    return [body[place : place + 1] for place in range(len(body))]


def drain_every_way(make: Callable[[], Framer], body: bytes) -> Outcome:
    """Return what comes of a body, which must be the same whole and at every single cut."""
    whole = drain(make(), [body])
    assert drain(make(), bytewise(body)) == whole
    for place in range(len(body) + 1):
        assert drain(make(), [body[:place], b"", body[place:]]) == whole
    return whole


@st.composite
def cut(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """Draw a body, and the same body cut into reads, some of them empty."""
    body = draw(bodies)
    places = draw(st.lists(st.integers(0, len(body)), max_size=8))
    edges = [0, *sorted(places), len(body)]
    return body, [body[start:end] for start, end in pairwise(edges)]
