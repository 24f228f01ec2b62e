"""Text, reasoning and the end of a chat completion, however a server writes them."""

from typing import Any

import pytest

from streamkit.assembly.deltas import (
    ContentDelta,
    FinishDelta,
    ReasoningDelta,
    TerminatorDelta,
    ToolCallDelta,
)
from streamkit.errors import ProviderError
from streamkit.provider import Emitter, Frame
from tests.compatible_servers import chunk, compatible, decoded, failure, frame, piece, spelled_out


def test_content_is_text() -> None:
    assert decoded(chunk({"content": " a\n"})) == [ContentDelta(" a\n")]


@pytest.mark.parametrize(
    "payload",
    [
        {"choices": []},
        {"choices": None},
        {},
        {"unknown": 1},
        {"id": "", "model": "", "choices": []},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0, "message": None}], "object": "chat.completion.chunk"},
        chunk({}),
        chunk({"role": "assistant"}),
        chunk({"content": None}),
        chunk({"content": ""}),
        chunk({"content": "", "role": "assistant", "refusal": None, "tool_calls": None}),
        chunk({"content": []}),
        chunk({"reasoning_content": None, "reasoning": "", "reasoning_details": []}),
        chunk({"tool_calls": []}),
        chunk({"tool_calls": [{"index": 0}]}),
        chunk({}, finish_reason=None, logprobs=None, usage=None),
        chunk({}, finish_reason=""),
        {"choices": [], "error": None, "usage": None},
        {"choices": [], "error": ""},
    ],
)
def test_a_frame_that_says_nothing_adds_nothing(payload: Any) -> None:
    assert decoded(payload) == []


def test_only_the_first_choice_counts() -> None:
    other = {"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}
    first = {"index": 0, "delta": {"content": "a"}}
    assert decoded({"choices": [other]}) == []
    assert decoded({"choices": [other, first]}) == [ContentDelta("a")]


@pytest.mark.parametrize("index", [{}, {"index": None}, {"index": "0"}])
def test_a_choice_without_a_number_is_the_first(index: dict[str, Any]) -> None:
    payload = {"choices": [{**index, "delta": {"content": "a"}}]}
    assert decoded(payload) == [ContentDelta("a")]


def test_of_several_choices_without_numbers_the_first_counts() -> None:
    payload = {"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]}
    assert decoded(payload) == [ContentDelta("a")]


def test_a_later_choice_without_a_number_is_not_the_first() -> None:
    other = {"index": 1, "delta": {"content": "b"}}
    assert decoded({"choices": [other, {"delta": {"content": "c"}}]}) == []


def test_a_refusal_is_flagged() -> None:
    assert decoded(chunk({"refusal": "No."})) == [ContentDelta("No.", refusal=True)]


def test_content_may_be_a_list_of_thinking_and_text() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"type": "reference"}]},
        {"type": "thinking", "thinking": "!"},
        {"type": "text", "text": "Yes"},
        ".",
        {"type": "image_url"},
        None,
    ]
    assert decoded(chunk({"content": parts})) == [
        ReasoningDelta("Hm"),
        ReasoningDelta("!"),
        ContentDelta("Yes"),
        ContentDelta("."),
    ]


def test_lone_halves_of_characters_pass_through() -> None:
    data = b'{"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}'
    assert decoded(Frame(data)) == [ContentDelta("a\ud83d")]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_comes_under_either_name(field: str) -> None:
    assert decoded(chunk({field: "Hm", "content": None})) == [ReasoningDelta("Hm")]


def test_reasoning_in_two_fields_is_read_once() -> None:
    assert decoded(chunk({"reasoning": "Hm", "reasoning_content": "Hm"})) == [ReasoningDelta("Hm")]


def test_reasoning_comes_before_the_content_of_the_same_delta() -> None:
    assert decoded(chunk({"content": "Yes", "reasoning": "Hm"})) == [
        ReasoningDelta("Hm"),
        ContentDelta("Yes"),
    ]


def test_thinking_parts_beside_a_reasoning_field_are_not_read_again() -> None:
    parts = [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Yes"}]
    assert decoded(chunk({"content": parts, "reasoning": "Hm"})) == [
        ReasoningDelta("Hm"),
        ContentDelta("Yes"),
    ]


def test_reasoning_fields_are_the_server_s() -> None:
    deltas = decoded(chunk({"thoughts": "Hm", "reasoning": "x"}), reasoning_fields=("thoughts",))
    assert deltas == [ReasoningDelta("Hm")]


def test_reasoning_details_are_kept_and_their_text_is_read_once() -> None:
    details = [{"type": "reasoning.text", "text": "Hm", "index": 0}]
    kept = {"reasoning_details": details}
    both = decoded(chunk({"reasoning": "Hm", "reasoning_details": details}))
    alone = decoded(chunk({"reasoning_details": details}))
    assert both == alone == [ReasoningDelta("Hm", metadata=kept)]


def test_reasoning_details_without_a_text_are_kept() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    assert decoded(chunk({"reasoning_details": details})) == [
        ReasoningDelta("", metadata={"reasoning_details": details})
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("end_turn", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("model_length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("moon_phase", "other"),
    ],
)
def test_a_finish_reason_is_normalised_beside_its_raw_word(raw: str, reason: str) -> None:
    assert decoded(chunk({}, finish_reason=raw)) == [FinishDelta(reason, raw)]


def test_the_finish_reason_comes_after_the_content_of_its_frame() -> None:
    assert decoded(chunk({"content": "a"}, finish_reason="stop")) == [
        ContentDelta("a"),
        FinishDelta("stop", "stop"),
    ]


def test_a_forced_call_that_ends_with_stop_ended_for_its_call() -> None:
    deltas = decoded(
        chunk({"tool_calls": [piece("{}", "f", index=0, id="a")]}, finish_reason="stop")
    )
    assert deltas[-1] == FinishDelta("tool_calls", "stop")


@pytest.mark.parametrize(
    ("raw", "kind"), [("error", "provider"), ("insufficient_system_resource", "overloaded")]
)
def test_a_finish_reason_may_report_a_failure(raw: str, kind: str) -> None:
    error = failure(chunk({"content": "a"}, finish_reason=raw))
    assert (error.kind, error.provider_code, error.retryable) == (kind, raw, True)


def test_what_came_in_the_frame_of_a_failure_is_kept() -> None:
    emit = Emitter()
    with pytest.raises(ProviderError):
        compatible().decode(frame(chunk({"content": "a"}, finish_reason="error")), emit)
    assert spelled_out(emit.deltas) == [ContentDelta("a")]


@pytest.mark.parametrize("data", [b"[DONE]", b" [DONE]", b"[DONE] and more"])
def test_done_is_the_terminator(data: bytes) -> None:
    assert decoded(Frame(data)) == [TerminatorDelta(evidence=True)]


def test_done_proves_nothing_where_the_server_is_known_to_send_it_early() -> None:
    deltas = decoded(Frame(b"[DONE]"), evidence=frozenset({"finish_reason"}))
    assert deltas == [TerminatorDelta(evidence=False)]


def whole(**choice: Any) -> dict[str, Any]:
    return {"object": "chat.completion", "choices": [{"index": 0, **choice}]}


def test_a_whole_answer_is_read_like_a_streamed_one() -> None:
    message = {
        "role": "assistant",
        "content": "Yes",
        "reasoning_content": "Hm",
        "tool_calls": [piece("{}", "f", id="a"), piece("{}", "g", id="b")],
    }
    deltas = decoded(whole(message=message, finish_reason="tool_calls"))
    assert deltas == [
        ReasoningDelta("Hm"),
        ContentDelta("Yes"),
        ToolCallDelta(0, "a", "f", "{}"),
        ToolCallDelta(1, "b", "g", "{}"),
        FinishDelta("tool_calls", "tool_calls"),
        TerminatorDelta(),
    ]


def test_a_whole_answer_without_a_finish_reason_is_complete() -> None:
    assert decoded(whole(message={"content": "a"}, finish_reason=None)) == [
        ContentDelta("a"),
        TerminatorDelta(),
    ]


def test_a_chunk_with_a_message_is_not_the_whole_answer() -> None:
    payload = {**whole(message={"content": "a"}), "object": "chat.completion.chunk"}
    assert decoded(payload) == [ContentDelta("a")]


def test_a_filtered_answer_may_have_no_message() -> None:
    assert decoded(whole(finish_reason="content_filter")) == [
        FinishDelta("content_filter", "content_filter")
    ]


def test_a_whole_answer_without_choices_is_none() -> None:
    assert failure({"object": "chat.completion", "id": "a"}).kind == "protocol"
