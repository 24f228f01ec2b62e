"""Tool calls of a chat completion, however a server cuts and counts them."""

from typing import Any

import pytest

from streamkit.assembly.deltas import (
    FinishDelta,
    ToolCallDelta,
)
from tests.compatible_servers import calls, chunk, decoded, piece


def test_a_call_in_pieces_is_joined_by_its_index() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("", "add", index=0, id="c0", type="function")]}),
        chunk({"tool_calls": [piece('{"a"', index=0)]}),
        chunk({"tool_calls": [piece(":1}", None, index=0, id=None, type=None)]}),
    )
    assert calls(deltas) == [("c0", "add", '{"a":1}')]


def test_parallel_calls_may_alternate() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("", "f", index=0, id="a"), piece("", "g", index=1, id="b")]}),
        chunk({"tool_calls": [piece("1", index=1), piece("2", index=0)]}),
        chunk({"tool_calls": [piece("3", index=1)]}),
    )
    assert calls(deltas) == [("a", "f", "2"), ("b", "g", "13")]


def test_an_index_may_start_anywhere() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("", "f", index=1, id="a")]}),
        chunk({"tool_calls": [piece("{}", index=1)]}),
    )
    assert calls(deltas) == [("a", "f", "{}")]


def test_a_new_id_and_name_at_the_same_index_is_a_new_call() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("{}", "f", index=0, id="a")]}),
        chunk({"tool_calls": [piece("{}", "f", index=0, id="b")]}),
    )
    assert calls(deltas) == [("a", "f", "{}"), ("b", "f", "{}")]


def test_an_id_that_is_repeated_is_the_same_call() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("[", "f", index=0, id="a")]}),
        chunk({"tool_calls": [piece("]", "f", index=0, id="a")]}),
        chunk({"tool_calls": [piece("!", "", index=0, id="")]}),
        chunk({"tool_calls": [piece("?", index=0, id="b")]}),
    )
    assert calls(deltas) == [("a", "f", "[]!?")]


def test_a_name_that_is_repeated_without_an_id_is_the_same_call() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("[", "f", index=0, id="a")]}),
        chunk({"tool_calls": [piece("]", "f", index=0)]}),
    )
    assert calls(deltas) == [("a", "f", "[]")]


def test_an_id_may_come_late() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("", "f", index=0)]}),
        chunk({"tool_calls": [piece("{}", index=0, id="a")]}),
    )
    assert calls(deltas) == [("a", "f", "{}")]


def test_without_an_index_the_id_tells_the_call() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("", "f", id="a")]}),
        chunk({"tool_calls": [piece("", "g", id="b")]}),
        chunk({"tool_calls": [piece("1", id="a")]}),
        chunk({"tool_calls": [piece("2", id="b")]}),
        chunk({"tool_calls": [piece("3")]}),
    )
    assert calls(deltas) == [("a", "f", "1"), ("b", "g", "23")]


def test_without_an_index_the_place_in_the_list_tells_the_call() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("", "f", id="a"), piece("", "g", id="b")]}),
        chunk({"tool_calls": [piece("1"), piece("2")]}),
    )
    assert calls(deltas) == [("a", "f", "1"), ("b", "g", "2")]


def test_without_index_and_id_whole_calls_follow_each_other() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("{}", "f", id="")]}),
        chunk({"tool_calls": [piece("{}", "f", id="")]}),
    )
    assert calls(deltas) == [(None, "f", "{}"), (None, "f", "{}")]


@pytest.mark.parametrize(
    ("arguments", "text"), [({"a": 1}, '{"a":1}'), ([], "[]"), ("", ""), (None, "")]
)
def test_arguments_may_be_an_object_or_missing(arguments: Any, text: str) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}
    assert calls(decoded(chunk({"tool_calls": [call]}))) == [("a", "f", text)]


def test_an_object_of_arguments_is_written_once() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"a": 1}}}
    deltas = decoded(chunk({"tool_calls": [call]}), chunk({"tool_calls": [call]}))
    assert calls(deltas) == [("a", "f", '{"a":1}')]


def test_a_number_as_id_is_text() -> None:
    assert calls(decoded(chunk({"tool_calls": [piece("{}", "f", id=0, index=0)]}))) == [
        ("0", "f", "{}")
    ]


def test_a_custom_call_is_free_text() -> None:
    call = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    assert decoded(chunk({"tool_calls": [call]})) == [
        ToolCallDelta(0, "a", "sh", "ls", free_text=True)
    ]


def test_a_call_s_extras_are_kept() -> None:
    extra = {"google": {"thought_signature": "s"}}
    call = {**piece("{}", "f", index=0, id="a"), "extra_content": extra}
    assert decoded(chunk({"tool_calls": [call]})) == [
        ToolCallDelta(0, "a", "f", "{}", metadata={"extra_content": extra})
    ]


def test_the_deprecated_function_call_is_a_call() -> None:
    deltas = decoded(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({}, finish_reason="function_call"),
    )
    assert calls(deltas) == [(None, "f", "{}")]
    assert deltas[-1] == FinishDelta("tool_calls", "function_call")
