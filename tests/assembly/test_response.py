from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamkit.assembly.deltas import (
    ContentDelta,
    Delta,
    FinishDelta,
    IdentityDelta,
    MetadataDelta,
    ReasoningDelta,
    ToolCallDelta,
    ToolResultDelta,
    UsageDelta,
)
from streamkit.assembly.response import Response, ResponseBuilder
from streamkit.chunks import (
    ContentChunk,
    NoticeChunk,
    ReasoningChunk,
    ResetChunk,
    StreamChunk,
    Usage,
    chunk_to_json,
    parse_chunk,
)
from streamkit.messages import Message, ReasoningPart, TextPart, ToolCall, ToolResult
from tests.assembly.builders import assemble

STOP = FinishDelta("stop", "end_turn")


def response_of(chunks: list[StreamChunk], *, is_closed: bool = False) -> Response:
    builder = ResponseBuilder()
    builder.extend(chunks)
    return builder.response(is_closed=is_closed)


def respond(*deltas: Delta, end: str = "complete") -> Response:
    return response_of(assemble(deltas, end))


def test_a_response_is_what_the_stream_said() -> None:
    usage = Usage(input_tokens=3, output_tokens=2)
    response = respond(
        IdentityDelta("msg_1", "large-2026"),
        ReasoningDelta("Let me "),
        ReasoningDelta("see."),
        ContentDelta("Sun"),
        ContentDelta("ny."),
        UsageDelta(usage, {"prompt_tokens": 3}),
        MetadataDelta({"citations": ["a"]}),
        STOP,
    )
    assert response.parts == (ReasoningPart(text="Let me see."), TextPart(text="Sunny."))
    assert (response.text, response.reasoning, response.refusal) == ("Sunny.", "Let me see.", None)
    assert (response.provider, response.model) == ("acme", "large-2026")
    assert response.response_id == "msg_1"
    assert (response.finish_reason, response.raw_finish_reason) == ("stop", "end_turn")
    assert response.usage == usage
    assert response.metadata == {"acme": {"usage": {"prompt_tokens": 3}, "citations": ["a"]}}
    assert response.state == "complete"


def test_the_model_that_was_asked_stands_until_the_service_names_one() -> None:
    assert respond(ContentDelta("a"), STOP).model == "large"


def test_nothing_yet_is_an_empty_response() -> None:
    assert ResponseBuilder().response() == Response()


def test_a_refusal_is_kept_apart_from_the_answer() -> None:
    response = respond(ContentDelta("I can"), ContentDelta("not help.", refusal=True), STOP)
    assert (response.text, response.refusal) == ("I can", "not help.")


def test_texts_with_something_between_them_are_parts_of_their_own() -> None:
    response = respond(ContentDelta("a"), ReasoningDelta("b"), ContentDelta("c"), STOP)
    assert [part.type for part in response.parts] == ["text", "reasoning", "text"]
    assert response.text == "ac"


def test_metadata_of_one_part_is_joined() -> None:
    response = respond(
        ContentDelta("a", metadata={"logprobs": [1], "seen": {"x": 1}, "last": "old"}),
        ContentDelta("b"),
        ContentDelta("c", metadata={"logprobs": [2], "seen": {"y": 2}, "last": "new"}),
        STOP,
    )
    assert response.parts == (
        TextPart(
            text="abc",
            metadata={"acme": {"logprobs": [1, 2], "seen": {"x": 1, "y": 2}, "last": "new"}},
        ),
    )


def test_a_signature_stays_with_its_reasoning() -> None:
    response = respond(
        ReasoningDelta("a"),
        ReasoningDelta("", metadata={"signature": "s"}),
        ContentDelta("b"),
        STOP,
    )
    assert response.message().parts == (
        ReasoningPart(text="a", metadata={"acme": {"signature": "s"}}),
        TextPart(text="b"),
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_reasoning_is_redacted_when_any_end_of_it_is(is_first: bool) -> None:
    pieces = [ReasoningDelta("", redacted=True), ReasoningDelta("a")]
    response = respond(*(pieces if is_first else pieces[::-1]), STOP)
    assert response.parts == (ReasoningPart(text="a", redacted=True),)


# Tool calls.


def test_a_tool_call_is_there_once_it_is_whole() -> None:
    deltas = [ToolCallDelta(0, "c1", "f", '{"a":'), ToolCallDelta(0, arguments=" 1}")]
    chunks = assemble([*deltas, FinishDelta("tool_calls")])
    assert response_of(chunks[:3]).tool_calls == ()
    (call,) = response_of(chunks).tool_calls
    assert call == ToolCall(call_id="c1", name="f", arguments={"a": 1}, arguments_text='{"a": 1}')


def test_arguments_that_do_not_parse_are_kept_as_text_with_the_reason() -> None:
    (call,) = respond(ToolCallDelta(0, "c1", "f", '{"a":'), STOP).tool_calls
    assert call.arguments is None
    assert call.arguments_text == '{"a":'
    assert "not valid JSON" in (call.invalid or "")


def test_a_free_text_tool_has_an_input_and_no_arguments() -> None:
    (call,) = respond(ToolCallDelta(0, "c1", "sh", "ls -l", free_text=True), STOP).tool_calls
    assert (call.input, call.arguments_text, call.arguments) == ("ls -l", "", None)


def test_calls_stand_in_the_order_in_which_they_began() -> None:
    response = respond(
        ToolCallDelta(1, "c1", "f", "{", metadata={"extra_content": {"t": 1}}),
        ToolCallDelta(0, "c0", "g", "{}"),
        ToolCallDelta(1, arguments="}"),
        STOP,
    )
    assert [call.call_id for call in response.tool_calls] == ["c1", "c0"]
    assert response.tool_calls[0].metadata == {"acme": {"extra_content": {"t": 1}}}


def test_what_a_providers_own_tool_gave_is_a_part_too() -> None:
    response = respond(
        ToolCallDelta(0, "c1", "search", "{}", executed_by="provider", done=True),
        ToolResultDelta("c1", "search", {"hits": []}, is_error=True),
        ContentDelta("Nothing."),
        STOP,
    )
    assert response.parts[1] == ToolResult(
        call_id="c1", name="search", output={"hits": []}, is_error=True, executed_by="provider"
    )


# States.


@pytest.mark.parametrize(
    ("deltas", "end", "state"),
    [
        ([ContentDelta("a"), STOP], "complete", "complete"),
        ([ContentDelta("a")], "complete", "failed"),
        ([ContentDelta("a")], "cancel", "stopped"),
        ([ContentDelta("a")], "fail", "failed"),
        ([ContentDelta("a")], "none", "incomplete"),
    ],
)
def test_the_state_follows_the_last_chunk(deltas: list[Delta], end: str, state: str) -> None:
    response = respond(*deltas, end=end)
    assert response.state == state
    assert response.text == "a"
    assert (response.error is not None) == (state == "failed")


def test_a_stream_that_was_closed_before_its_end_is_abandoned() -> None:
    chunks = assemble([ContentDelta("a")], end="none")
    assert response_of(chunks, is_closed=True).state == "abandoned"


def test_a_complete_stream_stays_complete_when_it_is_closed() -> None:
    assert response_of(assemble([ContentDelta("a"), STOP]), is_closed=True).state == "complete"


# Resets, notices, and what this version does not know.


def test_a_reset_discards_the_parts_that_began_after_it() -> None:
    def envelope(index: int) -> dict[str, Any]:
        return {"stream_id": "s", "index": index}

    chunks: list[StreamChunk] = [
        ContentChunk(**envelope(1), part=0, content="kept"),
        ReasoningChunk(**envelope(2), part=1, content="gone"),
        ResetChunk(**envelope(3), reason="r", attempt=2, provider="p", model="m", keep_through=1),
        ContentChunk(**envelope(4), part=2, content=" too"),
    ]
    assert response_of(chunks).parts == (TextPart(text="kept"), TextPart(text=" too"))


def test_notices_and_unknown_chunks_say_nothing() -> None:
    chunks = [
        NoticeChunk(stream_id="s", index=1, code="c", message="m"),
        parse_chunk({"type": "video", "stream_id": "s", "index": 2}),
    ]
    assert response_of(chunks) == Response()


# History.


@given(
    texts=st.lists(
        st.tuples(st.sampled_from(["text", "refusal", "reasoning"]), st.text()), max_size=6
    ),
    cut=st.integers(0, 8),
)
def test_a_response_goes_into_history_and_back_without_loss(
    texts: list[tuple[str, str]], cut: int
) -> None:
    made: list[Delta] = [
        ReasoningDelta(text, metadata={"signature": text})
        if kind == "reasoning"
        else ContentDelta(text, kind == "refusal")
        for kind, text in texts
    ]
    chunks = assemble([*made, ToolCallDelta(0, "c1", "f", '{"a": 1.0}'), STOP])
    response = response_of(chunks)
    message = response.message()
    assert Message.model_validate_json(message.model_dump_json()).parts == response.parts
    # Read in two goes or from JSON, the chunks say the same.
    builder = ResponseBuilder()
    builder.extend(chunks[:cut])
    builder.extend([parse_chunk(chunk_to_json(chunk)) for chunk in chunks[cut:]])
    assert builder.response() == response


def test_a_response_that_says_nothing_is_no_message() -> None:
    with pytest.raises(ValidationError, match="at least one part"):
        Response().message()


def test_the_last_chunk_is_known() -> None:
    builder = ResponseBuilder()
    chunks = assemble([ContentDelta("a"), STOP])
    builder.extend(chunks[:-1])
    assert builder.terminal is None
    builder.extend(chunks[-1:])
    assert builder.terminal is chunks[-1]
