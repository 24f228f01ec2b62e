import re
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from streamkit.wire.frames import Frame
from streamkit.wire.sse import SSEFramer
from tests.wire.reads import Outcome, bytewise, cut, drain, feed


def reference(body: bytes) -> list[Frame]:
    """Read a body the slow and obvious way, up to the last empty line or a bad event name."""
    *lines, _unfinished = re.split(rb"\r\n|\r|\n", body.removeprefix(b"\xef\xbb\xbf"))
    frames = []
    values: list[bytes] = []
    event = ""
    for line in lines:
        field = re.fullmatch(rb"(?s)([^:]*)(?::\x20?(.*))?", line)
        assert field is not None
        name, value = field[1], field[2] or b""
        if line == b"":
            if b"\n".join(values) != b"":
                frames.append(Frame(b"\n".join(values), event))
            values, event = [], ""
        elif name == b"data":
            values.append(value)
        elif name == b"event":
            try:
                event = value.decode()
            except UnicodeDecodeError:
                return frames
    return frames


line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
line_text = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=6)
noise = st.sampled_from([b": comment", b":", b"id: 7", b"retry: 5", b" data: x", b"Data: x", b"x"])


@st.composite
def event_lines(draw: st.DrawFn) -> tuple[Frame, list[bytes]]:
    """Draw an event, and its lines in some style that the standard allows."""
    values = [text.encode() for text in draw(st.lists(line_text, min_size=1, max_size=3))]
    event = draw(st.sampled_from(["", "", "error", "message.délta"]))
    lines = [b"event: " + event.encode()] if event else []
    for value in values:
        # The space is optional unless the value itself begins with one.
        space = b" " if value.startswith(b" ") or draw(st.booleans()) else b""
        lines += [*draw(st.lists(noise, max_size=1)), b"data:" + space + value]
    return Frame(b"\n".join(values), event), lines + [b""] * draw(st.integers(1, 2))


@st.composite
def written_events(draw: st.DrawFn) -> tuple[list[Frame], list[bytes]]:
    """Draw events, and each of them as bytes."""
    frames, texts = [], []
    usual = draw(st.none() | line_ends)
    for frame, lines in draw(st.lists(event_lines(), max_size=6)):
        text = b""
        for line in lines:
            # After a CR, the LF of an empty line would be taken for the second half of a CR LF.
            after_cr = not line and text.endswith(b"\r")
            text += line + (usual or (b"\r" if after_cr else draw(line_ends)))
        frames.append(frame)
        texts.append(text)
    return frames, texts


@given(written_events(), st.data())
def test_any_events_in_any_style_cut_anywhere_are_read_back(
    written: tuple[list[Frame], list[bytes]], data: st.DataObject
) -> None:
    frames, texts = written
    body, reads = data.draw(cut(st.just(b"".join(texts))))
    expected = Outcome(frames, None, pending=False)
    for way in (reads, [body], bytewise(body), texts):
        assert drain(SSEFramer(), way) == expected
    assert reference(body) == frames


@given(written_events())
def test_one_event_a_read_gives_one_frame_a_read(
    written: tuple[list[Frame], list[bytes]],
) -> None:
    framer = SSEFramer()
    assert [framer.feed(text) for text in written[1]] == [[frame] for frame in written[0]]


plain_events = st.lists(
    st.sampled_from([b"data: a\n\n", b'data: {"a":1}\n\n', b"data: [DONE]\n\n"]), max_size=3
).map(b"".join)
line_scraps = [b"\n", b"\n\n", b"\r", b"\r\n", b"data", b"data: ", b"data:", b"event", b"event: "]
other_scraps = [
    b":",
    b" ",
    b"{}",
    b"[DONE]",
    b"1",
    b"\xff",
    b"\xef\xbb\xbf",
    "\u2028".encode(),
    b"a",
]
scraps = st.sampled_from(line_scraps) | st.sampled_from(other_scraps)
read_lists = st.lists(plain_events | scraps | st.binary(max_size=4), max_size=20)


@given(read_lists, st.sampled_from([1, 2, 3, 5, 8, 1000]), st.data())
def test_arbitrary_bytes_give_the_same_at_every_cut(
    parts: list[bytes], limit: int, data: st.DataObject
) -> None:
    body, reads = data.draw(cut(st.just(b"".join(parts))))
    make = partial(SSEFramer, max_frame_bytes=limit)
    whole = drain(make(), [body])
    for way in (reads, bytewise(body), parts):
        assert drain(make(), way) == whole


@given(read_lists)
def test_arbitrary_bytes_are_read_as_the_reference_reads_them(parts: list[bytes]) -> None:
    body = b"".join(parts)
    assert feed(SSEFramer(), [body]).frames == reference(body)
    assert feed(SSEFramer(), [b"data: a\n\n", *parts]).frames == reference(b"data: a\n\n" + body)
