"""Tool calls in the assembler: ids, names, pieces that alternate, and when a call is whole."""

from typing import Any

import pytest

from streamkit.assembly.deltas import (
    ContentDelta,
    Delta,
    FinishDelta,
    ReasoningDelta,
    TerminatorDelta,
    ToolCallDelta,
)
from streamkit.chunks import ErrorChunk, StreamChunk, ToolCallChunk
from tests.assembly.builders import assemble, of_type

CALLS = FinishDelta("tool_calls", "tool_use")


def calls_of(chunks: list[StreamChunk]) -> list[ToolCallChunk]:
    return [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]


def calls(*deltas: Delta) -> list[ToolCallChunk]:
    return calls_of(assemble([*deltas, CALLS]))


def pieces(*deltas: Delta) -> list[tuple[str, str, str, bool]]:
    return [(call.call_id, call.name, call.arguments_delta, call.done) for call in calls(*deltas)]


def test_id_and_name_stand_on_every_chunk_and_done_is_its_own() -> None:
    assert pieces(ToolCallDelta(0, "c1", "f", '{"a"'), ToolCallDelta(0, arguments=": 1}")) == [
        ("c1", "f", '{"a"', False),
        ("c1", "f", ": 1}", False),
        ("c1", "f", "", True),
    ]


def test_the_arguments_of_a_whole_call_are_parsed() -> None:
    whole = calls(ToolCallDelta(0, "c1", "f", '{"a": [1, 2.0]}'))[-1]
    assert (whole.arguments, whole.input, whole.invalid) == ({"a": [1, 2.0]}, None, None)


def test_arguments_that_do_not_parse_are_told_as_they_came() -> None:
    whole = calls(ToolCallDelta(0, "c1", "f", '{"a":'))[-1]
    assert whole.arguments is None
    assert whole.invalid is not None
    assert whole.invalid.text == '{"a":'


def test_free_text_is_an_input_and_not_parsed() -> None:
    whole = calls(
        ToolCallDelta(0, "c1", "sh", "{", free_text=True), ToolCallDelta(0, arguments="}")
    )[-1]
    assert (whole.arguments, whole.input, whole.invalid) == (None, "{}", None)


def test_each_call_is_a_part_and_pieces_may_alternate() -> None:
    made = calls(
        ToolCallDelta("x", "c1", "f", "{"),
        ToolCallDelta("y", "c2", "g", "{"),
        ToolCallDelta("x", arguments="}"),
        ToolCallDelta("y", arguments="}"),
    )
    assert [(call.part, call.call_id, call.arguments_delta) for call in made] == [
        (0, "c1", "{"),
        (1, "c2", "{"),
        (0, "c1", "}"),
        (1, "c2", "}"),
        (0, "c1", ""),
        (1, "c2", ""),
    ]


def test_text_between_pieces_of_a_call_does_not_end_it() -> None:
    chunks = assemble(
        [
            ToolCallDelta(0, "c1", "f", "{"),
            ContentDelta("a"),
            ToolCallDelta(0, arguments="}"),
            CALLS,
        ]
    )
    assert [chunk.part for chunk in chunks if chunk.part is not None] == [0, 1, 0, 0]
    assert calls_of(chunks)[-1].arguments == {}


def test_a_call_that_says_it_is_whole_is_done_at_once() -> None:
    chunks = assemble([ToolCallDelta(0, "c1", "f", "{}", done=True), ContentDelta("a"), CALLS])
    assert [chunk.type for chunk in chunks[1:4]] == ["tool_call", "tool_call", "content"]
    assert [call.done for call in calls_of(chunks)] == [False, True]


def test_more_of_a_call_that_was_whole_is_a_protocol_error() -> None:
    chunks = assemble(
        [ToolCallDelta(0, "c1", "f", "{}", done=True), ToolCallDelta(0, arguments="{")]
    )
    assert isinstance(chunks[-1], ErrorChunk)
    assert chunks[-1].error.kind == "protocol"


# Ids and names.


def test_a_missing_id_is_made_up_unique_and_stable() -> None:
    made = pieces(
        ToolCallDelta(0, name="f"), ToolCallDelta(0, arguments="{}"), ToolCallDelta(1, name="g")
    )
    assert [call_id for call_id, *_ in made] == ["call_1", "call_1", "call_2", "call_1", "call_2"]


def test_an_id_that_comes_late_does_not_change_one_that_was_shown() -> None:
    made = pieces(ToolCallDelta(0, name="f"), ToolCallDelta(0, "late", arguments="{}"))
    assert {call_id for call_id, *_ in made} == {"call_1"}


def test_two_calls_with_one_id_are_told_apart() -> None:
    made = pieces(ToolCallDelta(0, "same", "f"), ToolCallDelta(1, "same", "g"))
    assert [call_id for call_id, *_ in made] == ["same", "call_1", "same", "call_1"]


def test_a_name_that_comes_late_is_waited_for() -> None:
    made = pieces(
        ToolCallDelta(0, "c1"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, name="f", arguments=": 1}"),
    )
    assert made == [("c1", "f", '{"a": 1}', False), ("c1", "f", "", True)]


def test_the_first_name_counts() -> None:
    made = pieces(ToolCallDelta(0, "c1", "f", "{}"), ToolCallDelta(0, name="f", arguments=" "))
    assert {name for _, name, *_ in made} == {"f"}


@pytest.mark.parametrize(
    "delta", [ToolCallDelta(0, "c1"), ToolCallDelta(0, "c1", arguments="{}", done=True)]
)
def test_a_call_without_a_name_is_a_protocol_error(delta: ToolCallDelta) -> None:
    last = assemble([ContentDelta("a"), delta, CALLS])[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "protocol"
    assert last.partial


def test_metadata_alone_is_worth_a_chunk() -> None:
    made = calls(ToolCallDelta(0, "c1", "f"), ToolCallDelta(0, metadata={"signature": "s"}))
    assert [call.metadata for call in made] == [None, {"acme": {"signature": "s"}}, None]


def test_a_piece_that_adds_nothing_is_no_chunk() -> None:
    assert len(pieces(ToolCallDelta(0, "c1", "f", "{}"), ToolCallDelta(0), ToolCallDelta(0))) == 2


def test_who_runs_the_tool_needs_to_be_said_only_once() -> None:
    made = calls(
        ToolCallDelta(0, "c1", "f", "{", executed_by="provider"), ToolCallDelta(0, arguments="}")
    )
    assert {call.executed_by for call in made} == {"provider"}


# The finish reason.


@pytest.mark.parametrize(
    ("deltas", "reason"),
    [
        ([FinishDelta("stop", "stop")], "tool_calls"),
        ([FinishDelta("other", "done")], "tool_calls"),
        ([TerminatorDelta()], "tool_calls"),
        ([FinishDelta("length", "length")], "length"),
        ([FinishDelta("content_filter")], "content_filter"),
    ],
)
def test_calls_say_more_than_a_vague_finish_reason(deltas: list[Delta], reason: str) -> None:
    (end,) = of_type(assemble([ToolCallDelta(0, "c1", "f"), *deltas]), "end")
    assert end["finish_reason"] == reason


def test_a_tool_that_the_provider_ran_asks_for_nothing() -> None:
    call = ToolCallDelta(0, "c1", "f", "{}", executed_by="provider", done=True)
    (end,) = of_type(assemble([call, ContentDelta("a"), FinishDelta("stop")]), "end")
    assert end["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "delta",
    [
        ToolCallDelta(1, "c2", "g"),
        ToolCallDelta(0, arguments="}"),
        ToolCallDelta(0, arguments="\ud83d"),
    ],
)
@pytest.mark.parametrize("end", ["complete", "cancel", "fail"])
def test_more_of_a_call_after_the_finish_reason_is_a_protocol_error(delta: Delta, end: str) -> None:
    last = assemble([ToolCallDelta(0, "c1", "f", "{"), CALLS, delta], end)[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "protocol"


def test_that_a_call_is_whole_may_be_said_after_the_finish_reason() -> None:
    chunks = assemble([ToolCallDelta(0, "c1", "f", "{}"), CALLS, ToolCallDelta(0, done=True)])
    assert [chunk.type for chunk in chunks[1:]] == ["tool_call", "tool_call", "end"]


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_a_call_that_is_cut_off_is_never_done(end: str) -> None:
    chunks = assemble([ToolCallDelta(0, "c1", "f", "{}")], end)
    assert [call.done for call in calls_of(chunks)] == [False]


# Half characters.


def emoji(*deltas: Delta) -> list[str]:
    """The texts of the chunks, in order."""
    return [
        chunk.get("content", chunk.get("arguments_delta", ""))
        for chunk in of_type(assemble([*deltas, CALLS]), "content", "reasoning", "tool_call")
        if not chunk.get("done")
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda text: ContentDelta(text),
        lambda text: ContentDelta(text, refusal=True),
        lambda text: ReasoningDelta(text),
        lambda text: ToolCallDelta(0, "c1", "f", text),
    ],
)
def test_two_halves_of_a_character_in_two_deltas_are_joined(make: Any) -> None:
    assert emoji(make("a\ud83d"), make("\ude00b")) == ["a", "😀b"]
    assert emoji(make("\ud83d"), make("\ude00"))[-1] == "😀"
    # Kept apart by something of another kind, each half is replaced.
    parted = emoji(make("\ud83d"), ContentDelta("x", refusal=make("").__class__ is ContentDelta))
    assert "\ufffd" in "".join(parted)


@pytest.mark.parametrize("end", ["complete", "cancel", "fail"])
@pytest.mark.parametrize(
    "delta",
    [ContentDelta("\ud83d"), ReasoningDelta("\ud83d"), ToolCallDelta(0, "c1", "f", "\ud83d")],
)
def test_a_half_that_stays_alone_at_the_end_is_replaced(delta: Delta, end: str) -> None:
    proof = [CALLS] if end == "complete" else []
    chunks = assemble([delta, *proof], end)
    said = list(of_type(chunks, "content", "reasoning", "tool_call"))
    assert (
        "".join(each.get("content", each.get("arguments_delta", "")) for each in said) == "\ufffd"
    )


def test_a_half_is_replaced_before_its_call_is_done() -> None:
    made = calls(ToolCallDelta(0, "c1", "f", '{"a": "\ud83d', done=True))
    assert [call.done for call in made] == [False, False, True]
    assert made[-1].invalid is not None
    assert made[-1].invalid.text == '{"a": "\ufffd'


def test_a_half_that_came_before_its_calls_name_waits_with_the_rest() -> None:
    made = calls(
        ToolCallDelta(0, "c1", arguments='{"a": "\ud83d'),
        ContentDelta("x"),
        ToolCallDelta(0, name="f", arguments='"}'),
    )
    assert made[0].arguments_delta == '{"a": "\ufffd"}'


def test_no_other_text_of_a_chunk_holds_half_a_character() -> None:
    made = calls(ToolCallDelta(0, "c\ud83d", "f\ud83d", "{}", metadata={"a\ud83d": "\ude00"}))
    assert (made[0].call_id, made[0].name) == ("c\ufffd", "f\ufffd")
    assert made[0].metadata == {"acme": {"a\ufffd": "\ufffd"}}
