import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.assembly.tool_calls import parse_arguments
from streamkit.chunks import InvalidArguments
from tests.chunk_strategies import json_values, texts


@given(st.dictionaries(texts, json_values, max_size=4))
def test_an_object_is_read_as_it_was_written(arguments: dict[str, object]) -> None:
    assert parse_arguments(json.dumps(arguments)) == arguments


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_no_text_means_no_arguments(text: str) -> None:
    assert parse_arguments(text) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"city": ', "not valid JSON"),
        ("city=Paris", "not valid JSON"),
        ('{"a": 1} {"b": 2}', "not valid JSON"),
        ('{"a": NaN}', "not valid JSON"),
        ('{"a": Infinity}', "not valid JSON"),
        ('{"a": "\\ud83d", "b": NaN}', "not valid JSON"),
        ('{"a": "\\ud83d", "b": }', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('["\\ud83d", ' * 100_000, "not valid JSON"),
        ("[]", "a JSON list, not an object"),
        ('"text"', "a JSON str, not an object"),
        ("null", "a JSON NoneType, not an object"),
        ("5", "a JSON int, not an object"),
    ],
)
def test_what_is_no_object_is_kept_with_the_reason(text: str, reason: str) -> None:
    read = parse_arguments(text)
    assert isinstance(read, InvalidArguments)
    assert read.text == text
    assert reason in read.reason


def test_escaped_halves_are_joined_or_replaced() -> None:
    text = '{"both": "\\ud83d\\ude00", "one": "a\\ud83d"}'
    assert parse_arguments(text) == {"both": "😀", "one": "a\ufffd"}
