"""The shortcut for frames that differ in their text alone reads what the long way reads."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamkit.assembly.deltas import ContentDelta, Delta
from streamkit.openai_decode import decode_frame
from streamkit.openai_template import ContentTemplate
from streamkit.plugin import Quirks
from streamkit.provider import Emitter
from streamkit.wire.frames import Frame, FramingError
from tests.compatible_servers import spelled_out

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ['"', "\\", '\\"', '"},"content":"', "\u2028", "é", "😀", '","obfuscation":"a']
    ),
)


def frame(text: Any, ascii_only: bool = False, spaced: bool = False, **beside: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    payload = {"id": "x", "model": "m", "choices": [choice], **beside}
    separators = None if spaced else (",", ":")
    return json.dumps(payload, ensure_ascii=ascii_only, separators=separators).encode()


def read(frames: list[bytes], *, with_shortcut: bool) -> list[Delta] | str:
    emit = Emitter()
    try:
        for data in frames:
            if not with_shortcut:
                emit.memory.pop("template", None)
            decode_frame(Frame(data), emit, Quirks())
    except FramingError as error:
        return error.reason
    return spelled_out(emit.deltas)


@given(
    st.lists(TEXTS, min_size=2, max_size=8),
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, {"obfuscation": "aB3"}, {"obfuscation": ""}, {"obfuscation": 'a"b'}]),
)
def test_both_ways_read_the_same_texts(
    texts: list[str], ascii_only: bool, spaced: bool, beside: dict[str, str]
) -> None:
    frames = [frame(text, ascii_only, spaced, **beside) for text in texts]
    assert read(frames, with_shortcut=True) == read(frames, with_shortcut=False)


@given(st.binary(max_size=20))
@example(b'x"},"finish_reason":"stop","y":{"z":"')
@example(b"\\")
@example(b"\xff")
@example(b'","b":"')
def test_both_ways_agree_on_any_bytes_in_place_of_the_text(middle: bytes) -> None:
    frames = [frame("one"), frame("two"), frame("TEXT").replace(b"TEXT", middle)]
    assert read(frames, with_shortcut=True) == read(frames, with_shortcut=False)


@given(st.binary(max_size=12))
@example(b'a","x":"b')
@example(b"\\")
@example(b'a\\"')
def test_both_ways_agree_on_any_bytes_in_place_of_the_padding(padding: bytes) -> None:
    padded = frame("three", obfuscation="PAD").replace(b"PAD", padding)
    frames = [frame("one", obfuscation="aB"), frame("two", obfuscation="c"), padded]
    assert read(frames, with_shortcut=True) == read(frames, with_shortcut=False)


def test_a_frame_with_another_field_is_read_in_full() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    frames = [frame("a"), frame("b"), frame("c", usage=usage)]
    kinds = [type(delta).__name__ for delta in read(frames, with_shortcut=True)]
    assert kinds == ["IdentityDelta", "ContentDelta", "ContentDelta", "ContentDelta", "UsageDelta"]


@pytest.mark.parametrize("beside", [{}, {"obfuscation": "aZ0"}])
def test_the_second_frame_takes_the_shortcut(beside: dict[str, Any]) -> None:
    template = ContentTemplate()
    template.learn(frame("one", **beside), "one")
    assert template.text_of(frame("two\n", **beside)) == "two\n"


def test_the_padding_may_differ_in_length() -> None:
    template = ContentTemplate()
    template.learn(frame("one", obfuscation="aZ0"), "one")
    assert template.text_of(frame("two", obfuscation="bbbbbbb")) == "two"
    assert template.text_of(frame("two", obfuscation="")) == "two"


def test_a_frame_with_two_contents_teaches_nothing() -> None:
    template = ContentTemplate()
    data = frame("one", other={"content": "one"})
    template.learn(data, "one")
    assert template.text_of(data) is None


def test_a_server_that_varies_every_frame_is_given_up() -> None:
    template = ContentTemplate()
    for number in range(20):
        assert template.text_of(frame("x", created=number)) is None
        template.learn(frame("x", created=number), "x")
    assert template.text_of(frame("x", created=19)) is None


def test_half_a_character_teaches_nothing() -> None:
    data = frame("HALF").replace(b"HALF", b"\\ud83d")
    assert read([data, data], with_shortcut=True) == read([data, data], with_shortcut=False)
    assert ContentDelta("\ud83d") in read([data], with_shortcut=True)
