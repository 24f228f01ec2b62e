"""The rules of a stream: order, index, parts, proof of completion, errors."""

from typing import Any

import pytest

from streamkit.assembly.deltas import (
    ContentDelta,
    Delta,
    FinishDelta,
    IdentityDelta,
    MetadataDelta,
    NoticeDelta,
    ReasoningDelta,
    TerminatorDelta,
    ToolResultDelta,
    UsageDelta,
)
from streamkit.chunks import EndChunk, ErrorChunk, StreamChunk, Usage
from streamkit.errors import ProviderError
from streamkit.redaction import HIDDEN, Redactor
from tests.assembly.builders import assemble, new_assembler, of_type, own

KEY = "canary-key"
STOP = FinishDelta("stop", "end_turn")
USAGE = Usage(input_tokens=3, output_tokens=1)


def end_of(*deltas: Delta, end: str = "complete", **fields: Any) -> EndChunk:
    last = assemble(deltas, end, **fields)[-1]
    assert isinstance(last, EndChunk)
    return last


def error_of(*deltas: Delta, end: str = "complete", **fields: Any) -> ErrorChunk:
    last = assemble(deltas, end, **fields)[-1]
    assert isinstance(last, ErrorChunk)
    return last


# Order, index and parts.


def test_the_start_tells_who_was_asked_and_by_whom() -> None:
    start = new_assembler(request_id="mine", conversation_id="talk").start()
    assert start.index == 0
    assert own(start) == {
        "type": "start",
        "provider": "acme",
        "model": "large",
        "request_id": "mine",
        "conversation_id": "talk",
    }


def test_a_run_of_one_kind_is_one_part() -> None:
    chunks = assemble(
        [
            ReasoningDelta("a"),
            ReasoningDelta("b"),
            ContentDelta("c"),
            ContentDelta("d"),
            ContentDelta("e", refusal=True),
            ContentDelta("f"),
            STOP,
        ]
    )
    assert [chunk.part for chunk in chunks] == [None, 0, 0, 1, 1, 2, 3, None]


def test_a_refusal_is_content_with_a_flag() -> None:
    (chunk,) = of_type(assemble([ContentDelta("No.", refusal=True), STOP]), "content")
    assert chunk == {"type": "content", "part": 0, "content": "No.", "refusal": True}


def test_an_empty_delta_is_dropped_and_ends_no_run() -> None:
    chunks = assemble(
        [ReasoningDelta("a"), ContentDelta(""), ReasoningDelta(""), ReasoningDelta("b"), STOP]
    )
    assert list(of_type(chunks, "reasoning", "content")) == [
        {"type": "reasoning", "part": 0, "content": "a"},
        {"type": "reasoning", "part": 0, "content": "b"},
    ]


@pytest.mark.parametrize(
    "delta", [ReasoningDelta("", redacted=True), ReasoningDelta("", metadata={"signature": "s"})]
)
def test_reasoning_without_text_counts_when_it_is_redacted_or_signed(delta: ReasoningDelta) -> None:
    (chunk,) = of_type(assemble([delta, STOP]), "reasoning")
    assert chunk["content"] == ""


def test_metadata_stands_under_the_providers_name() -> None:
    chunks = assemble(
        [
            ContentDelta("a", metadata={"logprobs": []}),
            ReasoningDelta("b", metadata={"signature": "s"}),
            MetadataDelta({"citations": ["x"]}),
            STOP,
        ]
    )
    assert [chunk.metadata for chunk in chunks] == [
        None,
        {"acme": {"logprobs": []}},
        {"acme": {"signature": "s"}},
        {"acme": {"citations": ["x"]}},
    ]


def test_a_stream_within_another_takes_its_index_and_part() -> None:
    chunks = assemble([ContentDelta("a"), STOP], first_index=7, first_part=3)
    assert [(chunk.index, chunk.part) for chunk in chunks] == [(7, None), (8, 3), (9, None)]


def test_the_result_of_a_providers_own_tool_is_a_part() -> None:
    (chunk,) = of_type(assemble([ToolResultDelta("c1", "f", {"a": 1}), STOP]), "tool_result")
    assert chunk == {
        "type": "tool_result",
        "part": 0,
        "call_id": "c1",
        "name": "f",
        "output": {"a": 1},
        "executed_by": "provider",
    }


def test_a_notice_is_redacted_and_ends_nothing() -> None:
    chunks = assemble(
        [ContentDelta("a"), NoticeDelta("hint", f"key {KEY}"), ContentDelta("b"), STOP],
        redactor=Redactor([KEY]),
    )
    assert list(of_type(chunks, "notice")) == [
        {"type": "notice", "code": "hint", "message": f"key {HIDDEN}"}
    ]
    assert [chunk.part for chunk in chunks if chunk.type == "content"] == [0, 0]


# Usage, identity and facts about the whole answer.


def test_the_last_usage_counts_once_right_before_the_end() -> None:
    chunks = assemble(
        [UsageDelta(Usage(input_tokens=1)), ContentDelta("a"), STOP, UsageDelta(USAGE)]
    )
    assert [chunk.type for chunk in chunks] == ["start", "content", "usage", "end"]
    assert own(chunks[2])["usage"] == USAGE.model_dump(exclude_defaults=True)
    assert end_of(ContentDelta("a"), UsageDelta(USAGE), STOP).usage == USAGE


def test_usage_that_was_not_told_is_not_sent() -> None:
    chunks = assemble([ContentDelta("a"), STOP])
    assert not list(of_type(chunks, "usage"))
    assert end_of(ContentDelta("a"), STOP).usage is None


def test_usage_stands_before_an_error_too() -> None:
    chunks = assemble([ContentDelta("a"), UsageDelta(USAGE, {"tokens": 4})], "fail")
    assert [chunk.type for chunk in chunks[-2:]] == ["usage", "error"]
    error = error_of(ContentDelta("a"), UsageDelta(USAGE, {"tokens": 4}), end="fail")
    assert error.usage == USAGE
    assert error.metadata == {"acme": {"usage": {"tokens": 4}}}


def test_the_first_identity_counts() -> None:
    end = end_of(
        IdentityDelta(None, "large-2026"),
        IdentityDelta("msg_1", "other"),
        IdentityDelta("msg_2"),
        ContentDelta("a"),
        STOP,
    )
    assert (end.response_id, end.model) == ("msg_1", "large-2026")


def test_lists_of_facts_grow_and_other_facts_are_replaced() -> None:
    end = end_of(
        MetadataDelta({"citations": ["a"], "score": 1, "mixed": ["x"]}),
        MetadataDelta({"citations": ["b"], "score": 2, "mixed": "y"}),
        ContentDelta("a"),
        STOP,
    )
    assert end.metadata == {"acme": {"citations": ["a", "b"], "score": 2, "mixed": "y"}}


# `end` is given only on evidence.


def test_a_finish_reason_proves_that_the_answer_is_complete() -> None:
    end = end_of(ContentDelta("a"), STOP)
    assert (end.finish_reason, end.raw_finish_reason) == ("stop", "end_turn")


def test_a_terminator_that_counts_proves_it_as_well() -> None:
    end = end_of(ContentDelta("a"), TerminatorDelta())
    assert (end.finish_reason, end.raw_finish_reason) == ("other", None)


@pytest.mark.parametrize("behind", [[], [TerminatorDelta(evidence=False)], [UsageDelta(USAGE)]])
def test_without_evidence_the_end_of_the_bytes_is_truncated_and_the_partial_is_kept(
    behind: list[Delta],
) -> None:
    chunks = assemble([ContentDelta("as far as it came"), *behind])
    error = chunks[-1]
    assert isinstance(error, ErrorChunk)
    assert error.error.kind == "truncated"
    assert error.partial
    assert next(of_type(chunks, "content"))["content"] == "as far as it came"


def test_how_the_bytes_ended_is_told_to_developers() -> None:
    assembler, out = new_assembler(), list[StreamChunk]()
    assembler.complete(0, out, detail="inside a frame")
    assert isinstance(out[-1], ErrorChunk)
    assert out[-1].error.detail == "inside a frame"


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "other", "cancelled"])
def test_success_that_says_nothing_is_an_empty_response(reason: str) -> None:
    error = error_of(FinishDelta(reason), UsageDelta(USAGE))
    assert error.error.kind == "empty_response"
    assert not error.partial


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_reason_that_explains_it_makes_an_empty_answer_an_end(reason: str) -> None:
    assert end_of(FinishDelta(reason)).finish_reason == reason


@pytest.mark.parametrize(
    "delta",
    [
        ContentDelta(" "),
        ContentDelta("No.", refusal=True),
        ReasoningDelta("hm"),
        ReasoningDelta("", redacted=True),
        ToolResultDelta("c", "f", None),
    ],
)
def test_anything_that_is_said_is_no_empty_response(delta: Delta) -> None:
    assert end_of(delta, STOP).finish_reason == "stop"


def test_a_repeated_finish_reason_is_allowed_and_the_last_counts() -> None:
    end = end_of(ContentDelta("a"), FinishDelta("stop", "a"), FinishDelta("length", "b"))
    assert (end.finish_reason, end.raw_finish_reason) == ("length", "b")


@pytest.mark.parametrize(
    "delta",
    [
        ContentDelta("b"),
        ContentDelta("b", refusal=True),
        ContentDelta("\ud83d"),
        ReasoningDelta("b"),
        ReasoningDelta("\ud83d"),
        ReasoningDelta("", redacted=True),
        ToolResultDelta("c", "f", None),
    ],
)
@pytest.mark.parametrize("end", ["complete", "cancel", "fail"])
def test_more_of_the_answer_after_its_finish_reason_is_a_protocol_error(
    delta: Delta, end: str
) -> None:
    error = error_of(ContentDelta("a"), STOP, delta, end=end)
    assert error.error.kind == "protocol"
    assert error.partial


def test_nothing_counts_behind_the_terminator() -> None:
    chunks = assemble([ContentDelta("a"), TerminatorDelta(), ContentDelta("b"), UsageDelta(USAGE)])
    assert [chunk.type for chunk in chunks] == ["start", "content", "end"]


def test_the_callers_own_stop_needs_no_evidence() -> None:
    end = end_of(ContentDelta("a"), UsageDelta(USAGE), end="cancel")
    assert end.finish_reason == "cancelled"
    assert end.usage == USAGE
    assert [attempt.outcome for attempt in end.attempts] == ["cancelled"]


# One terminal chunk, and nothing after it.


@pytest.mark.parametrize("first", ["complete", "cancel", "fail"])
@pytest.mark.parametrize("second", ["complete", "cancel", "fail"])
def test_nothing_follows_the_terminal_chunk(first: str, second: str) -> None:
    assembler, out = new_assembler(), list[StreamChunk]()
    assembler.feed([ContentDelta("a"), STOP, UsageDelta(USAGE)], 0, out)
    for end in (first, second):
        match end:
            case "complete":
                assembler.complete(1, out)
            case "cancel":
                assembler.cancel(1, out)
            case "fail":
                assembler.fail(ProviderError("connection", "It broke."), 1, out)
        assert assembler.is_over
    assert [chunk.type in {"end", "error"} for chunk in out] == [False, False, True]


# Times and attempts.


def test_the_first_content_is_timed_from_the_request() -> None:
    end = end_of(ContentDelta("a"), STOP)
    assert end.ttfc_ms == 15
    (attempt,) = end.attempts
    assert attempt.model_dump() == {
        "provider": "acme",
        "model": "large",
        "outcome": "ok",
        "status": 200,
        "request_id": "req_1",
        "duration_ms": 20,
    }


def test_an_answer_that_never_spoke_has_no_first_content() -> None:
    assert end_of(FinishDelta("length")).ttfc_ms is None


def test_the_attempt_of_a_failure_ends_in_its_kind() -> None:
    error = error_of(ContentDelta("a"), end="fail")
    assert [attempt.outcome for attempt in error.attempts] == ["connection"]
    assert error.ttfc_ms == 15


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_without_a_request_there_was_no_attempt(end: str) -> None:
    assembler, out = new_assembler(), list[StreamChunk]()
    if end == "cancel":
        assembler.cancel(0, out)
    else:
        assembler.fail(ProviderError("connection", "It broke."), 0, out)
    assert own(out[-1]).get("attempts", ()) == ()


def test_a_second_attempt_is_timed_by_itself_and_content_from_the_first() -> None:
    assembler, out = new_assembler(), list[StreamChunk]()
    assembler.begin_attempt(10)
    assembler.answered(503, "req_1")
    assembler.begin_attempt(100)
    assembler.feed([ContentDelta("a"), STOP], 150, out)
    assembler.complete(160, out)
    assert isinstance(out[-1], EndChunk)
    assert out[-1].ttfc_ms == 140
    (attempt,) = out[-1].attempts
    assert (attempt.duration_ms, attempt.status, attempt.request_id) == (60, None, None)


@pytest.mark.parametrize("between", [None, ReasoningDelta("hm"), ContentDelta("no", refusal=True)])
def test_a_text_alone_is_content(between: Delta | None) -> None:
    middle = [between] if between is not None else []
    alone: list[Delta] = ["a", "é", *middle, "\ud83d", "\ude00", "b", STOP]
    spelled = [ContentDelta(each) if isinstance(each, str) else each for each in alone]
    assert assemble(alone) == assemble(spelled)


def test_a_text_alone_after_the_finish_reason_is_a_protocol_error() -> None:
    assert error_of("a", STOP, "b").error.kind == "protocol"
