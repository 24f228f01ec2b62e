import contextlib
import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.wire.frames import Frame, FramingError, is_whole_json

CANARY = "sk-canary-0123456789"


def reason(data: bytes) -> str:
    with pytest.raises(FramingError) as caught:
        Frame(data).json()
    return caught.value.reason


def test_text_is_strict_utf_8() -> None:
    assert Frame("né\u2028".encode()).text() == "né\u2028"
    with pytest.raises(FramingError) as caught:
        Frame(b"abc\xff").text()
    assert caught.value.reason == "the frame is not valid UTF-8: invalid byte at offset 3"


def test_json_is_parsed() -> None:
    assert Frame(b' {"a": [1, 2.5, null, true, "x"]} ').json() == {"a": [1, 2.5, None, True, "x"]}


def test_of_two_equal_keys_the_last_wins() -> None:
    assert Frame(b'{"a":1,"a":2}').json() == {"a": 2}


def test_line_separators_are_ordinary_characters_in_json() -> None:
    assert Frame('"\u2028\u2029\x85\x7f"'.encode()).json() == "\u2028\u2029\x85\x7f"


def test_an_escaped_nul_is_accepted_and_a_raw_one_refused() -> None:
    assert Frame(b'"\\u0000"').json() == "\x00"
    assert "control character" in reason(b'"\x00"')


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"\\ud83d"', "\ud83d"),
        (b'"\\uDE00"', "\ude00"),
        (b'{"a":"x\\ud83d","b":"\\ud83d\\ude00"}', {"a": "x\ud83d", "b": "\U0001f600"}),
        (b'["\\\\ud83d","\\ud83d"]', ["\\ud83d", "\ud83d"]),
        ('"é\\ud83d"'.encode(), "é\ud83d"),
    ],
)
def test_a_lone_surrogate_escape_is_accepted(data: bytes, value: Any) -> None:
    assert Frame(data).json() == value


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("beside", [b'"x"', b'"\\ud83d"'])
def test_nan_and_infinity_are_refused_also_beside_a_lone_surrogate(
    literal: bytes, beside: bytes
) -> None:
    assert reason(b"[" + beside + b"," + literal + b"]").startswith("the frame is not valid JSON: ")


@pytest.mark.parametrize("beside", [b'"x"', b'"\\ud83d"'])
def test_a_number_too_large_for_a_float_is_infinity(beside: bytes) -> None:
    assert Frame(b"[" + beside + b",1e999,-1e999]").json()[1:] == [float("inf"), float("-inf")]


@pytest.mark.parametrize("beside", [b"", b'"\\ud83d",'])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_a_fault_and_no_recursion_error(
    beside: bytes, opening: bytes, closing: bytes
) -> None:
    deep = b"[" + beside + opening * 100_000 + b"1" + closing * 100_000 + b"]"
    assert "recursion limit" in reason(deep)


def test_150_levels_are_not_too_deep() -> None:
    assert Frame(b"[" * 150 + b'"\\ud83d"' + b"]" * 150).json()


def test_an_integer_of_very_many_digits_is_a_fault() -> None:
    assert "number out of range" in reason(b"1" * 5000)
    assert "number out of range" in reason(b'["\\ud83d",' + b"1" * 5000 + b"]")


@pytest.mark.parametrize(
    ("data", "start", "end"),
    [
        (b"", "the frame is not valid JSON: ", " at line 1 column 0"),
        (b'{"a":', "the frame is not valid JSON: ", " at line 1 column 5"),
        (b'{"a":1}\n\n x', "the frame is not valid JSON: ", " at line 3 column 2"),
        (b'["\\ud83d", "\\x"]', "the frame is not valid JSON: ", " at line 1 column 14"),
        (b'["\xff"]', "the frame is not valid UTF-8: ", " at offset 2"),
        (b'"\xed\xa0\x80"', "the frame is not valid UTF-8: ", " at offset 1"),
    ],
)
def test_the_reason_says_what_is_wrong_and_where(data: bytes, start: str, end: str) -> None:
    said = reason(data)
    assert said.startswith(start)
    assert said.endswith(end)


def test_two_events_glued_together_are_a_fault() -> None:
    assert "not valid JSON" in reason(b'{"id":"chatcmpl-jQugNdata:{"id":"chatcmpl-1"}')


@pytest.mark.parametrize(
    "data",
    [
        CANARY.encode(),
        f'{{"key":"{CANARY}"'.encode(),
        f'{{"key":"{CANARY}", "half":"\\ud83d" {CANARY}'.encode(),
        f'{{"key":"{CANARY}'.encode() + b'\xff"}',
    ],
)
def test_the_content_shows_neither_in_the_error_nor_in_the_repr(data: bytes) -> None:
    frame = Frame(data, "error")
    with pytest.raises(FramingError) as caught:
        frame.json()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(frame)
    assert CANARY not in shown
    chained: BaseException | None = caught.value
    while chained is not None:
        assert CANARY not in str(vars(chained)) + str(chained.args)
        chained = chained.__cause__ or chained.__context__


def test_object_returns_an_object() -> None:
    assert Frame(b'{"a":1}').object() == {"a": 1}


@pytest.mark.parametrize("data", [b"[]", b'"x"', b"1", b"null"])
def test_object_refuses_any_other_json(data: bytes) -> None:
    with pytest.raises(FramingError, match=r"^the frame is not a JSON object$"):
        Frame(data).object()


def test_object_refuses_what_is_no_json() -> None:
    with pytest.raises(FramingError, match="not valid JSON"):
        Frame(b"{").object()


@pytest.mark.parametrize("data", [b"{}", b"[1]", b'"x"', b"null", b"true", b"false", b'"\\ud83d"'])
def test_json_that_cannot_go_on_is_whole(data: bytes) -> None:
    assert is_whole_json(data)


@pytest.mark.parametrize("data", [b"12", b"-1", b"1.5", b"", b'{"a":1', b"nul", b'"\xff"'])
def test_json_that_may_go_on_is_not_whole(data: bytes) -> None:
    assert not is_whole_json(data)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters()), children),
    max_leaves=20,
)


@given(json_values)
def test_any_json_that_python_writes_is_read_as_python_reads_it(value: Any) -> None:
    written = json.dumps(value)
    assert Frame(written.encode()).json() == json.loads(written)


@given(st.binary(max_size=50) | st.text(max_size=50).map(str.encode))
def test_arbitrary_bytes_are_json_or_a_framing_error(data: bytes) -> None:
    with contextlib.suppress(FramingError):
        Frame(data).json()
