from functools import partial

import pytest

from streamkit.wire.frames import Frame, FramingError
from streamkit.wire.sse import SSEFramer
from tests.wire.reads import Outcome, assert_spent, drain, drain_every_way, feed

MIB = 1024 * 1024
NEXT = b'event: next\ndata: {"next":1}\n\n'


def frames_of(body: bytes) -> list[Frame]:
    """Return the frames of a complete body, read in every way and with more behind it."""
    outcome = drain_every_way(SSEFramer, body)
    assert outcome.fault is None
    assert not outcome.pending
    behind = drain(SSEFramer(), [body + NEXT])
    assert behind.frames == [*outcome.frames, Frame(b'{"next":1}', "next")]
    for place in range(len(body) + 1):
        later = drain(SSEFramer(), [b"data: before\n\n", body[:place], body[place:], NEXT])
        assert later.frames == [Frame(b"before"), *behind.frames]
    return outcome.frames


def data_of(body: bytes) -> list[bytes]:
    return [frame.data for frame in frames_of(body)]


def test_one_byte_order_mark_is_dropped() -> None:
    body = b"\xef\xbb\xbfdata: a\n\ndata: b\n\n"
    assert drain_every_way(SSEFramer, body).frames == [Frame(b"a"), Frame(b"b")]


def test_a_second_byte_order_mark_makes_another_field() -> None:
    body = b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n"
    assert data_of(body) == [b"c"]


def test_a_character_cut_over_two_reads_is_whole() -> None:
    assert data_of('data: "😀é"\n\n'.encode()) == ['"😀é"'.encode()]


def test_invalid_utf_8_in_data_is_left_for_the_reader_of_the_frame() -> None:
    (frame,) = frames_of(b'data: "\xff"\n\n')
    with pytest.raises(FramingError, match="not valid UTF-8"):
        frame.json()


def test_invalid_utf_8_in_an_event_name_is_a_fault() -> None:
    body = b"data: a\n\nevent: \xff\ndata: b\n\ndata: c\n\n"
    assert drain_every_way(SSEFramer, body) == Outcome(
        [Frame(b"a")], "the name of an event is not valid UTF-8", pending=False
    )


def test_invalid_utf_8_in_what_is_ignored_is_ignored() -> None:
    assert data_of(b": \xff\nid: \xff\n\xff: 1\ndata: a\n\n") == [b"a"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_of_the_standard_works(end: bytes) -> None:
    lines = [b"event: x", b"data: a", b"data: b", b"", b": c", b"data: c", b"", b""]
    assert frames_of(end.join(lines)) == [Frame(b"a\nb", "x"), Frame(b"c")]


def test_line_ends_may_be_mixed() -> None:
    assert data_of(b"data: a\r\ndata: b\ndata: c\r\rdata: d\n\r\ndata: e\r\n\n") == [
        b"a\nb\nc",
        b"d",
        b"e",
    ]


def test_nothing_else_ends_a_line() -> None:
    value = '{"a":"\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"}'.encode()
    assert data_of(b"data: " + value + b"\n\n") == [value]


def test_a_crlf_cut_in_two_ends_no_event() -> None:
    reads = [b"data: a\r", b"\ndata: b\r", b"\n\r", b"\ndata: c\r\n\r\n"]
    assert drain(SSEFramer(), reads).frames == [Frame(b"a\nb"), Frame(b"c")]


def test_a_cr_that_ends_an_event_does_not_delay_it() -> None:
    framer = SSEFramer()
    assert framer.feed(b"data: a\r\r") == [Frame(b"a")]
    assert framer.feed(b"\n") == []
    assert framer.feed(b"data: b\n\n") == [Frame(b"b")]


def test_an_empty_line_ends_an_event_and_further_ones_are_harmless() -> None:
    assert data_of(b"\n\ndata: a\n\n\n\n\ndata: b\n\n\n") == [b"a", b"b"]


def test_an_event_without_data_is_none_and_its_name_is_forgotten() -> None:
    assert frames_of(b"event: x\n\ndata: a\n\n") == [Frame(b"a")]


@pytest.mark.parametrize("empty", [b"data\n\n", b"data:\n\n", b"data: \n\n", b"event: x\ndata\n\n"])
def test_an_event_with_empty_data_is_none(empty: bytes) -> None:
    assert frames_of(b"data: a\n\n" + empty + b"data: b\n\n") == [Frame(b"a"), Frame(b"b")]
    assert drain(SSEFramer(), [b"data: a\n\n", empty]).frames == [Frame(b"a")]


def test_comments_are_ignored_wherever_they_stand_and_counted() -> None:
    body = b": a\n\n:\nevent: x\n: data: no\ndata: a\n:b\ndata: b\n\n: OPENROUTER PROCESSING\n\n"
    assert frames_of(body) == [Frame(b"a\nb", "x")]
    framer = SSEFramer()
    framer.feed(body)
    assert (framer.comment_count, framer.event_count) == (5, 1)


def test_a_keep_alive_gives_no_frame_and_leaves_nothing_pending() -> None:
    framer = SSEFramer()
    framer.feed(b"data: a\n\n")
    assert framer.feed(b": keep-alive\n\n") == []
    assert framer.comment_count == 1
    assert not framer.pending


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'data:{"a":1}', b'{"a":1}'),
        (b'data: {"a":1}', b'{"a":1}'),
        (b"data:  x", b" x"),
        (b"data: x ", b"x "),
        (b"data:\tx", b"\tx"),
        (b"data::x", b":x"),
        (b"data: a: b", b"a: b"),
    ],
)
def test_the_value_is_what_follows_the_first_colon_less_one_space(
    line: bytes, value: bytes
) -> None:
    assert data_of(line + b"\n\n") == [value]


def test_a_line_without_a_colon_is_a_field_with_an_empty_value() -> None:
    assert frames_of(b"event: x\nevent\ndata\ndata: a\ndata\n\n") == [Frame(b"\na\n")]


@pytest.mark.parametrize("line", [b" data: x", b"Data: x", b"data : x", b"datax: x", b"dat: x"])
def test_any_other_field_is_ignored(line: bytes) -> None:
    assert data_of(line + b"\ndata: a\n\n" + line + b"\n\n") == [b"a"]


def test_several_data_lines_are_joined_with_lf() -> None:
    (frame,) = frames_of(b'data: {"a":\ndata: 1,\ndata:\ndata:"b":2}\n\n')
    assert frame.data == b'{"a":\n1,\n\n"b":2}'
    assert frame.object() == {"a": 1, "b": 2}


def test_events_of_several_lines_among_plain_ones_stay_whole() -> None:
    assert data_of(b"data: a\n\ndata: b\ndata: c\n\ndata: d\n\n") == [b"a", b"b\nc", b"d"]


def test_the_last_event_name_counts_and_only_for_its_event() -> None:
    body = "event: x\nevent: y\ndata: a\n\ndata: b\n\nevent:é\ndata: c\n\n".encode()
    assert frames_of(body) == [
        Frame(b"a", "y"),
        Frame(b"b"),
        Frame(b"c", "é"),
    ]


def test_an_event_name_may_follow_the_data() -> None:
    assert frames_of(b"data: a\nevent: x\n\ndata: b\n\n") == [Frame(b"a", "x"), Frame(b"b")]


def test_id_and_retry_are_ignored() -> None:
    assert frames_of(b"id: 1\x00\nretry: soon\ndata: a\nid: 2\n\nretry: 10\n\n") == [Frame(b"a")]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_a_dangling_done_is_accepted(end: bytes) -> None:
    for line in (b"data: [DONE]", b"data:[DONE]"):
        assert data_of_end(b"data: a\n\n" + line + end) == [b"a", b"[DONE]"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_dangling_json_is_accepted_if_it_parses(end: bytes) -> None:
    assert data_of_end(b'event: x\ndata: {"a":\ndata: 1}' + end) == [b'{"a":\n1}']


def data_of_end(body: bytes) -> list[bytes]:
    """Return the frames of a body with a dangling end; nothing can come behind it."""
    outcome = drain_every_way(SSEFramer, body)
    assert outcome.fault is None
    assert not outcome.pending
    return [frame.data for frame in outcome.frames]


@pytest.mark.parametrize(
    "rest",
    [
        b"data: [DONE",
        b'data: {"a":',
        b'data: {"a":1}\ndata: {',
        b'data: {"a":1}\ndat',
        b'data: {"a":1}\nevent: err',
        b'data: "\xc3',
        b"data: 12",
        b"data: 12\n",
        b"data: words\n",
        b"event: message_stop\n",
        b"event: \xc3",
        b"dat",
        b"data:",
    ],
)
def test_a_dangling_event_that_may_be_cut_off_leaves_pending_true(rest: bytes) -> None:
    outcome = drain_every_way(SSEFramer, b"data: a\n\n" + rest)
    assert outcome == Outcome([Frame(b"a")], None, pending=True)


@pytest.mark.parametrize("rest", [b"", b"\n", b": keep-ali", b":", b": keep-alive\n"])
def test_a_body_that_ends_between_events_leaves_nothing_pending(rest: bytes) -> None:
    assert data_of_end(b"data: a\n\n" + rest) == [b"a"]


def test_an_empty_body_has_no_frames() -> None:
    assert data_of_end(b"") == []


def test_a_frame_is_returned_by_the_read_that_completes_it() -> None:
    framer = SSEFramer()
    assert framer.feed(b"data: a") == []
    assert framer.pending
    assert framer.feed(b"\n") == []
    assert framer.pending
    assert framer.feed(b"\ndata: b\n\ndata: c\n\nda") == [Frame(b"a"), Frame(b"b"), Frame(b"c")]
    assert framer.feed(b"ta: d\n\n") == [Frame(b"d")]
    assert not framer.pending
    assert framer.feed(b"data: e\n\n") == [Frame(b"e")]
    assert framer.event_count == 5


FAULT = "a frame exceeds 10 bytes"
limited = partial(SSEFramer, max_frame_bytes=10)


@pytest.mark.parametrize(
    "event",
    [
        b"data: 12345678901\n\n",
        b"data:12345678901\n\n",
        b"data: 1234\ndata: 123456\n\n",
        b"data: 1234\ndata: 12345\ndata:\n\n",
        b"data\n" * 12 + b"\n",
        b"data: 12345678901",
        b": 3456789012345678",
        b"x: 56789012345678",
        b"event: x\rdata: 12345678901\r\r",
    ],
)
def test_an_event_or_a_line_over_the_limit_is_a_fault(event: bytes) -> None:
    body = b"data: a\n\n" + event
    assert drain_every_way(limited, body) == Outcome([Frame(b"a")], FAULT, pending=False)
    assert feed(limited(), [b"data: a\n\n", event + b"data: b\n\n"]).fault == FAULT


@pytest.mark.parametrize(
    "event",
    [
        b"data: 1234567890\n\n",
        b"data:1234567890\n\n",
        b"data: 1234\ndata: 12345\n\n",
        b"data\n" * 11 + b"\n",
        b": 345678901234\ndata: 1234567890\n\n",
        b"event: 123456789\r\ndata: 1234567890\r\n\r\n",
    ],
)
def test_an_event_at_the_limit_passes(event: bytes) -> None:
    assert len(drain_every_way(limited, event).frames) == 1
    many = drain(limited(), [event * 3, event, event * 2])
    assert (many.fault, len(many.frames)) == (None, 6)


def test_a_dangling_event_over_the_limit_is_a_fault() -> None:
    assert drain_every_way(limited, b"data:12345678901").fault == FAULT


def test_a_fault_spends_the_framer() -> None:
    framer = SSEFramer(max_frame_bytes=10)
    framer.feed(b"data: a\n\n")
    with pytest.raises(FramingError) as caught:
        framer.feed(b"data: b\n\ndata: c\n\ndata: 12345678901\n\ndata: d\n\n")
    assert caught.value.frames == [Frame(b"b"), Frame(b"c")]
    assert_spent(framer, FAULT)


def test_an_event_of_8_mib_passes() -> None:
    value = b'{"image":"' + b"x" * (8 * MIB) + b'"}'
    body = b"data: " + value + b"\n\n"
    reads = [body[place : place + 65536] for place in range(0, len(body), 65536)]
    assert drain(SSEFramer(), reads).frames == [Frame(value)]
    assert drain(SSEFramer(), [b"data: a\n\n", body]).frames == [Frame(b"a"), Frame(value)]


@pytest.mark.parametrize("start", [b"data: ", b": "])
def test_an_endless_line_of_17_mib_is_a_fault(start: bytes) -> None:
    reads = [start] + [b"x" * 65536] * (17 * 16)
    assert drain(SSEFramer(), reads) == Outcome([], "a frame exceeds 16777216 bytes", False)


def test_an_endless_event_of_many_lines_is_a_fault() -> None:
    lines = (b"data: " + b"x" * 1018 + b"\n") * 64
    assert drain(SSEFramer(), [lines] * (17 * 16)).fault == "a frame exceeds 16777216 bytes"


def test_what_is_held_is_not_searched_again_for_every_byte() -> None:
    # A framer that looked at all it holds for every read would look at 160 GiB here: this test
    # would not fail, it would not end.
    framer = SSEFramer()
    framer.feed(b"data: " + b"x" * 8 * MIB)
    for _ in range(20_000):
        assert framer.feed(b"x") == []
    assert framer.feed(b"\n\n") == [Frame(b"x" * (8 * MIB + 20_000))]
