import json
from functools import partial
from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamkit.wire.frames import Frame, FramingError
from streamkit.wire.ndjson import NDJSONFramer
from tests.wire.reads import Outcome, assert_spent, bytewise, cut, drain, drain_every_way


def frames_of(body: bytes) -> list[bytes]:
    """Return the frames of a complete body, read in every way and with more behind it."""
    outcome = drain_every_way(NDJSONFramer, body)
    assert outcome.fault is None
    assert not outcome.pending
    behind = drain(NDJSONFramer(), [body + b'\n{"next":1}\n'])
    assert behind.frames == [*outcome.frames, Frame(b'{"next":1}')]
    return [frame.data for frame in outcome.frames]


def test_a_line_is_a_frame() -> None:
    assert frames_of(b'{"a":1}\n{"b":2}\n') == [b'{"a":1}', b'{"b":2}']


def test_crlf_ends_a_line() -> None:
    assert frames_of(b'{"a":1}\r\n{"b":2}\r\n') == [b'{"a":1}', b'{"b":2}']


def test_a_lone_cr_is_whitespace_and_ends_nothing() -> None:
    assert frames_of(b'{"a":\r1}\n') == [b'{"a":\r1}']
    (frame,) = drain(NDJSONFramer(), [b'{"a":1}\r{"b":2}\n']).frames
    with pytest.raises(FramingError, match="trailing characters"):
        frame.json()


def test_blank_lines_are_skipped() -> None:
    assert frames_of(b'\n\r\n{"a":1}\n \t\r\n\n{"b":2}\n\n') == [b'{"a":1}', b'{"b":2}']


def test_one_byte_order_mark_is_dropped() -> None:
    assert frames_of(b'\xef\xbb\xbf{"a":1}\n') == [b'{"a":1}']


def test_line_separators_inside_json_end_nothing() -> None:
    line = '{"a":"\u2028\u2029\x85\x0b\x0c\x1c"}'.encode()
    assert frames_of(line + b"\n") == [line]


def test_a_last_line_without_its_end_is_accepted_if_it_parses() -> None:
    assert frames_of(b'{"a":1}\n{"b":2}') == [b'{"a":1}', b'{"b":2}']
    assert frames_of(b'{"b":2}\r') == [b'{"b":2}']


@pytest.mark.parametrize("rest", [b'{"b":', b'{"b":"\xc3', b"12", b"nul", b"{}{"])
def test_a_last_line_that_may_be_cut_off_leaves_pending_true(rest: bytes) -> None:
    outcome = drain_every_way(NDJSONFramer, b'{"a":1}\n' + rest)
    assert outcome == Outcome([Frame(b'{"a":1}')], None, pending=True)


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n", b"  "])
def test_a_body_without_a_line_has_no_frames(body: bytes) -> None:
    assert frames_of(body) == []


def test_a_frame_is_returned_by_the_read_that_completes_it() -> None:
    framer = NDJSONFramer()
    assert framer.feed(b'{"a"') == []
    assert framer.pending
    assert framer.feed(b':1}\n{"b"') == [Frame(b'{"a":1}')]
    assert framer.feed(b":2}\n") == [Frame(b'{"b":2}')]
    assert not framer.pending
    assert framer.feed(b'{"c":3}\r\n') == [Frame(b'{"c":3}')]


def test_the_limit_counts_the_line_without_its_end() -> None:
    limited = partial(NDJSONFramer, max_frame_bytes=4)
    for end in (b"\n", b"\r\n"):
        assert drain_every_way(limited, b"1234" + end).fault is None
        assert drain_every_way(limited, b"{}\n12345" + end + b"1\n") == Outcome(
            [Frame(b"{}")], "a frame exceeds 4 bytes", pending=False
        )
        outcome = drain(limited(), [b"1\n", b"{...}" + end])
        assert outcome.fault == "a frame exceeds 4 bytes"


def test_a_fault_spends_the_framer() -> None:
    framer = NDJSONFramer(max_frame_bytes=4)
    assert framer.feed(b"[1]\n") == [Frame(b"[1]")]
    with pytest.raises(FramingError) as caught:
        framer.feed(b"{}\n123456\n")
    assert caught.value.frames == [Frame(b"{}")]
    assert_spent(framer, "a frame exceeds 4 bytes")
    # A byte too long, where the place of a CR was: the splitter of lines let it through.
    framer = NDJSONFramer(max_frame_bytes=4)
    with pytest.raises(FramingError):
        framer.feed(b"12345\n")
    assert_spent(framer, "a frame exceeds 4 bytes")


def test_a_frame_of_8_mib_passes_and_one_of_17_does_not() -> None:
    body = b'{"image":"' + b"x" * (8 * 1024 * 1024) + b'"}\n'
    reads = [body[place : place + 65536] for place in range(0, len(body), 65536)]
    assert drain(NDJSONFramer(), reads).frames == [Frame(body[:-1])]
    framer = NDJSONFramer()
    assert drain(framer, [b"x" * 65536] * 17 * 16).fault == "a frame exceeds 16777216 bytes"


def test_a_body_is_the_same_at_every_two_cuts() -> None:
    # A byte order mark, both line ends, empty lines, characters of several bytes, no last LF.
    whole = '\ufeff\n{"a":"é\u2028"}\r\n \r\n{"b":\r1}\n\n{"c":"🌊"}'.encode()
    expected = drain(NDJSONFramer(), [whole])
    assert [frame.data for frame in expected.frames] == [
        '{"a":"é\u2028"}'.encode(),
        b'{"b":\r1}',
        '{"c":"🌊"}'.encode(),
    ]
    places = range(len(whole) + 1)
    for first, second in combinations(places, 2):
        reads = [whole[:first], whole[first:second], whole[second:]]
        assert drain(NDJSONFramer(), reads) == expected


def test_a_body_that_ends_anywhere_gives_the_lines_that_are_whole() -> None:
    lines = [b'{"a":1}', b'{"b":"\xc3\xa9"}', b'{"c":[2]}']
    body = b"\r\n".join(lines) + b"\r\n"
    for place in range(len(body) + 1):
        outcome = drain_every_way(NDJSONFramer, body[:place])
        begun = [each for each in lines if body.index(each) < place]
        whole = [each for each in lines if body.index(each) + len(each) <= place]
        assert outcome == Outcome([Frame(each) for each in whole], None, pending=begun != whole)


json_lines = st.lists(
    st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=3), max_size=5
)


@given(json_lines, st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n \n"]), st.data())
def test_any_lines_cut_anywhere_are_read_back(
    lines: list[dict[str, str]], end: bytes, data: st.DataObject
) -> None:
    texts = [json.dumps(line, ensure_ascii=False).encode() for line in lines]
    _, reads = data.draw(cut(st.just(b"".join(text + end for text in texts))))
    assert drain(NDJSONFramer(), reads) == Outcome([Frame(text) for text in texts], None, False)
    one_a_read = [text + end for text in texts]
    assert drain(NDJSONFramer(), one_a_read).frames == [Frame(text) for text in texts]


scraps: list[Any] = [b"\n", b"\r", b"\r\n", b"{}", b"{", b"\xef\xbb\xbf", b" ", b"1", b"\xff"]
bodies = st.lists(st.sampled_from(scraps) | st.binary(max_size=4), max_size=20).map(b"".join)


@given(cut(bodies), st.sampled_from([1, 2, 3, 5, 1000]))
@example((b"{}\n{}\r\n", [b"{}\n", b"{}\r\n"]), 2)
def test_arbitrary_bytes_give_the_same_at_every_cut(
    case: tuple[bytes, list[bytes]], limit: int
) -> None:
    body, reads = case
    make = partial(NDJSONFramer, max_frame_bytes=limit)
    assert drain(make(), reads) == drain(make(), [body]) == drain(make(), bytewise(body))
