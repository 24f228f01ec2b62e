from hypothesis import given
from hypothesis import strategies as st

from streamkit.assembly.unicode import is_whole, mended, mended_value, split_trailing_half

# Text as services cut it: any code points, halves of characters among them.
torn = st.text(
    st.characters(codec="utf-8") | st.sampled_from(["\ud83d", "\ude00", "\udbff", "\udc00"]),
    max_size=12,
)


@given(torn)
def test_mended_text_is_whole(text: str) -> None:
    assert is_whole(mended(text))


@given(st.text())
def test_whole_text_stays_as_it_is(text: str) -> None:
    assert is_whole(text)
    assert mended(text) == text
    assert split_trailing_half(text) == (text, "")


def test_two_halves_become_their_character() -> None:
    assert mended("a\ud83d\ude00b") == "a😀b"


def test_each_half_without_another_becomes_one_replacement() -> None:
    assert mended("\ud83d\ud83d a \ude00") == "\ufffd\ufffd a \ufffd"


def test_halves_in_the_wrong_order_are_two_replacements() -> None:
    assert mended("\ude00\ud83d") == "\ufffd\ufffd"


@given(torn)
def test_what_is_split_off_is_one_high_half(text: str) -> None:
    rest, half = split_trailing_half(text)
    assert rest + half == text
    assert half == "" or "\ud800" <= half <= "\udbff"
    assert not rest or half or not "\ud800" <= rest[-1] <= "\udbff"


def test_every_text_of_a_value_is_mended() -> None:
    torn_value = {"a\ud83d": ["\ude00", 5, None, {"b": "ok \ud83d\ude00"}], "c": 1.5}
    assert mended_value(torn_value) == {"a\ufffd": ["\ufffd", 5, None, {"b": "ok 😀"}], "c": 1.5}
