from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.wire.frames import Frame, FramingError
from streamkit.wire.json_body import JSONBodyFramer
from tests.wire.reads import Outcome, assert_spent, bytewise, cut, drain, drain_every_way


def test_the_body_is_one_frame_and_comes_at_the_end() -> None:
    framer = JSONBodyFramer()
    assert framer.feed(b'{"a":1}') == []
    assert framer.pending
    assert framer.close() == [Frame(b'{"a":1}')]
    assert not framer.pending
    assert framer.close() == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":\n1}',
        b'\n\n\r\n {"a":\n1}',
        b'{"a":\n1}\r\n',
        b'\xef\xbb\xbf{"a":\n1}',
        b'\xef\xbb\xbf\n{"a":\n1}\n',
    ],
)
def test_what_stands_around_the_json_is_dropped(body: bytes) -> None:
    outcome = drain_every_way(JSONBodyFramer, body)
    assert outcome == Outcome([Frame(b'{"a":\n1}')], None, pending=False)


@pytest.mark.parametrize("body", [b"", b"\n\n", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_body_is_no_frame(body: bytes) -> None:
    assert drain_every_way(JSONBodyFramer, body) == Outcome([], None, pending=False)


def test_a_body_that_is_no_json_is_a_frame_all_the_same() -> None:
    page = b"<html>502 Bad Gateway</html>"
    assert drain_every_way(JSONBodyFramer, page).frames == [Frame(page)]


def test_keep_alive_lines_do_not_count_against_the_limit() -> None:
    framer = JSONBodyFramer(max_frame_bytes=4)
    assert drain(framer, [b"\n"] * 100 + [b"[1]\n"]).frames == [Frame(b"[1]")]


def test_a_body_over_the_limit_is_a_fault_and_spends_the_framer() -> None:
    limited = partial(JSONBodyFramer, max_frame_bytes=4)
    assert drain_every_way(limited, b"[10]").fault is None
    assert drain_every_way(limited, b"[100]").fault == "a frame exceeds 4 bytes"
    framer = limited()
    with pytest.raises(FramingError):
        framer.feed(b"[100]")
    assert_spent(framer, "a frame exceeds 4 bytes")


def test_a_body_of_8_mib_passes_and_one_of_17_does_not() -> None:
    mib = b"x" * (1024 * 1024)
    assert drain(JSONBodyFramer(), [mib] * 8).frames == [Frame(mib * 8)]
    assert drain(JSONBodyFramer(), [mib] * 17).fault == "a frame exceeds 16777216 bytes"


scraps = st.sampled_from(
    [b"\n", b" ", b"\r", b"\xef", b"\xbb\xbf", b"\xef\xbb\xbf", b"{}", b"\x0c"]
)


@given(
    cut(st.lists(scraps | st.binary(max_size=4), max_size=12).map(b"".join)),
    st.sampled_from([1, 4, 1000]),
)
def test_arbitrary_bytes_give_the_same_at_every_cut(
    case: tuple[bytes, list[bytes]], limit: int
) -> None:
    body, reads = case
    make = partial(JSONBodyFramer, max_frame_bytes=limit)
    assert drain(make(), reads) == drain(make(), [body]) == drain(make(), bytewise(body))
