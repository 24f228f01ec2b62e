"""What comes of an Ollama server's lines, also of those that it should never send."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

import streamkit_ollama
from streamkit.assembly.response import Response
from streamkit.chunks import Usage
from streamkit.errors import ProviderError
from streamkit.model import Model
from streamkit.provider import (
    ContentDelta,
    Emitter,
    FinishDelta,
    Frame,
    IdentityDelta,
    MetadataDelta,
    ReasoningDelta,
    TerminatorDelta,
    ToolCallDelta,
    UsageDelta,
)
from streamkit.settings import resolve_settings
from streamkit.testing import MemoryTransport
from streamkit.wire.frames import FramingError
from streamkit_ollama.provider import OllamaProvider

(SPEC,) = streamkit_ollama.streamkit_providers()
PROVIDER = OllamaProvider(SPEC, resolve_settings(SPEC, environment={}))


def line(done: object = False, *, facts: dict[str, Any] | None = None, **message: Any) -> Frame:
    said = {"role": "assistant", "content": "", **message}
    head = {"model": "qwen3", "created_at": "2026-05-01T10:00:00Z", "message": said, "done": done}
    return Frame(to_json({**head, **(facts or {})}))


def deltas(*frames: Frame) -> list[Any]:
    emit = Emitter()
    for frame in frames:
        PROVIDER.decode(frame, emit)
    return emit.deltas


def ending(**facts: Any) -> list[Any]:
    """What a last line adds that has these facts."""
    return deltas(line(content="Hi"), line(True, facts=facts))[2:]


def failure(data: bytes) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        deltas(line(content="Hi"), Frame(data))
    return raised.value


def answer(*lines: Frame) -> Response:
    """What comes of the lines in a whole stream."""
    body = b"".join(each.data + b"\n" for each in lines)
    model = Model(PROVIDER, "qwen3", transport=MemoryTransport([body]))
    stream = model.stream("Hello")
    for _ in stream:
        pass
    return stream.response


def test_a_text_alone_becomes_the_cheapest_delta() -> None:
    first, *rest = deltas(line(content="Hi"), line(content=" there"), line(content=""))
    assert first == IdentityDelta(None, "qwen3")
    assert rest == ["Hi", " there"]


def test_reasoning_comes_before_the_text_of_its_line() -> None:
    assert deltas(line(content="So.", thinking="Hm."))[1:] == [ReasoningDelta("Hm."), "So."]


def test_the_server_s_name_of_the_model_is_told_once() -> None:
    told = deltas(line(content="a"), line(content="b", thinking="c"), line(content="d"))
    assert [each for each in told if isinstance(each, IdentityDelta)] == [
        IdentityDelta(None, "qwen3")
    ]


def test_every_tool_call_is_a_call_of_its_own_whatever_its_index() -> None:
    same = {"function": {"index": 0, "name": "f", "arguments": {"x": 1}}}
    named = {"id": "call_1", **same}
    told = deltas(line(tool_calls=[same, named]), line(tool_calls=[same]))[1:]
    assert told == [
        ToolCallDelta(0, None, "f", '{"x":1}', done=True),
        ToolCallDelta(1, "call_1", "f", '{"x":1}', done=True, metadata={"id": "call_1"}),
        ToolCallDelta(2, None, "f", '{"x":1}', done=True),
    ]


def test_two_equal_calls_without_ids_get_ids_of_their_own() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    response = answer(line(tool_calls=[call, call]), line(True, facts={"done_reason": "stop"}))
    first, second = response.tool_calls
    assert first.call_id != second.call_id
    assert response.finish_reason == "tool_calls"
    assert response.raw_finish_reason == "stop"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(None, ""), ('{"x":1}', '{"x":1}'), ({}, "{}"), ([1], "[1]"), ("", "")],
)
def test_arguments_of_any_form_become_text(arguments: object, text: str) -> None:
    told = deltas(line(tool_calls=[{"function": {"name": "f", "arguments": arguments}}]))
    assert told[1].arguments == text


def test_half_a_character_in_arguments_is_kept_as_its_escape() -> None:
    raw = (
        b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"x":"\\ud83d"}}}]},'
        b'"done":false}'
    )
    assert deltas(Frame(raw))[0].arguments == '{"x": "\\ud83d"}'


@pytest.mark.parametrize(
    ("given", "reason", "raw"),
    [
        ("stop", "stop", "stop"),
        ("length", "length", "length"),
        ("load", "stop", "load"),
        ("unload", "stop", "unload"),
        ("guard", "other", "guard"),
        (7, "other", "7"),
        ("", "stop", None),
        (None, "stop", None),
    ],
)
def test_every_done_reason_ends_the_answer(given: object, reason: str, raw: str | None) -> None:
    assert ending(done_reason=given) == [FinishDelta(reason, raw), TerminatorDelta()]


def test_an_absent_done_reason_ends_the_answer_too() -> None:
    assert ending() == [FinishDelta("stop", None), TerminatorDelta()]


@pytest.mark.parametrize("given", ["length", "guard"])
def test_a_reason_that_says_more_is_kept_beside_tool_calls(given: str) -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    told = deltas(line(tool_calls=[call]), line(True, facts={"done_reason": given}))
    assert told[-2].raw == given
    assert told[-2].reason != "tool_calls"


@pytest.mark.parametrize("given", ["load", "unload"])
def test_a_model_that_was_only_loaded_or_unloaded_gave_no_answer(given: str) -> None:
    response = answer(line(True, facts={"done_reason": given}))
    assert response.error is not None
    assert response.error.kind == "empty_response"
    assert f"{given}ed the model" in response.error.message
    assert response.error.retryable


def test_an_answer_that_says_nothing_is_an_error() -> None:
    response = answer(line(), line(True, facts={"done_reason": "stop"}))
    assert response.error is not None
    assert response.error.kind == "empty_response"


def test_counts_are_told_as_they_are_with_the_server_s_own_beside_them() -> None:
    told = ending(prompt_eval_count=26, prompt_eval_cached_count=20, eval_count=298)
    assert told[0] == UsageDelta(
        Usage(input_tokens=26, output_tokens=298, cache_read_tokens=20),
        {"prompt_eval_count": 26, "prompt_eval_cached_count": 20, "eval_count": 298},
    )


def test_a_count_that_is_missing_is_null_and_a_zero_is_zero() -> None:
    told = ending(prompt_eval_cached_count=0, eval_count=3)
    assert told[0].usage == Usage(output_tokens=3, cache_read_tokens=0)


@pytest.mark.parametrize("count", [-1, True, "3", None])
def test_a_count_that_is_none_is_null(count: object) -> None:
    assert not any(isinstance(each, UsageDelta) for each in ending(eval_count=count))


def test_durations_and_the_remote_host_ride_in_the_metadata() -> None:
    facts = {
        "total_duration": 9,
        "load_duration": 1,
        "prompt_eval_duration": 2,
        "eval_duration": 3,
        "remote_model": "gpt-oss:120b",
        "remote_host": "https://ollama.com:443",
    }
    assert ending(**facts)[0] == MetadataDelta(facts)


def test_log_probabilities_ride_with_their_text() -> None:
    tokens = [{"token": "Hi", "logprob": -0.1}]
    told = deltas(
        line(content="Hi", facts={"logprobs": tokens}),
        line(thinking="Hm", facts={"logprobs": tokens}),
        line(facts={"logprobs": tokens}),
    )
    assert told[1:] == [
        ContentDelta("Hi", False, {"logprobs": tokens}),
        ReasoningDelta("Hm", False, {"logprobs": tokens}),
        MetadataDelta({"logprobs": tokens}),
    ]


def test_log_probabilities_are_read_from_a_line_that_lacks_something_else() -> None:
    tokens = [{"token": "Hi", "logprob": -0.1}]
    short = {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": False}
    told = deltas(line(content="So "), Frame(to_json({**short, "logprobs": tokens})))
    assert told[-1] == ContentDelta("Hi", False, {"logprobs": tokens})


def test_a_whole_answer_is_a_line_that_holds_all_of_it() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    told = deltas(line(True, content="So.", thinking="Hm.", tool_calls=[call]))
    assert [type(each) for each in told] == [
        IdentityDelta,
        ReasoningDelta,
        str,
        ToolCallDelta,
        FinishDelta,
        TerminatorDelta,
    ]


def test_nothing_behind_the_end_belongs_to_the_answer() -> None:
    response = answer(line(content="Hi"), line(True), line(content="more"))
    assert (response.text, response.state) == ("Hi", "complete")


def test_a_stream_without_its_end_is_truncated() -> None:
    response = answer(line(content="Hi"))
    assert response.error is not None
    assert (response.error.kind, response.text) == ("truncated", "Hi")


@pytest.mark.parametrize("done", [None, 0, 1, "true"])
def test_only_true_is_the_end(done: object) -> None:
    assert not any(isinstance(each, FinishDelta) for each in deltas(line(done, content="Hi")))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("an error was encountered", "an error was encountered"),
        ({"message": "out of memory"}, "out of memory"),
    ],
)
def test_an_error_in_mid_stream_is_the_end_of_it(error: object, message: str) -> None:
    told = failure(to_json({"error": error}))
    assert (told.kind, told.message) == ("provider", message)
    response = answer(line(content="Hi"), Frame(to_json({"error": error})))
    assert response.error is not None
    assert (response.error.message, response.text) == (message, "Hi")


def test_an_error_counts_also_beside_a_message() -> None:
    assert failure(line(content="x", facts={"error": "broken"}).data).message == "broken"
    message = {"role": "assistant", "content": "x"}
    as_long_as_usual = {"model": "qwen3", "message": message, "done": False, "error": "broken"}
    assert failure(to_json(as_long_as_usual)).message == "broken"


def test_an_empty_error_is_none() -> None:
    assert deltas(line(content="Hi", facts={"error": ""}))[1:] == ["Hi"]


def test_a_message_that_is_text_is_an_error_of_something_in_between() -> None:
    assert failure(b'{"message":"Internal Server Error"}').message == "Internal Server Error"


@pytest.mark.parametrize(
    ("raw", "kind", "message"),
    [
        (b"unexpected EOF", "protocol", "unexpected EOF"),
        (b'"out of luck"', "protocol", "out of luck"),
        (b"rate limit reached", "rate_limit", "rate limit reached"),
        (b"null", "protocol", "null"),
        (b"\xff\xfe", "protocol", "The service answered with bytes that are no text."),
    ],
)
def test_a_line_that_is_no_json_is_itself_the_error(raw: bytes, kind: str, message: str) -> None:
    told = failure(raw)
    assert (told.kind, told.message) == (kind, message)


@pytest.mark.parametrize("raw", [b'{"message":', b"[1]", b"[", b'{"a":"\xff"}'])
def test_a_broken_object_is_malformed(raw: bytes) -> None:
    with pytest.raises(FramingError):
        deltas(line(content="Hi"), Frame(raw))
    response = answer(line(content="Hi"), Frame(raw), line(True))
    assert response.error is not None
    assert (response.error.kind, response.text) == ("protocol", "Hi")


@pytest.mark.parametrize(
    "message",
    [
        7,
        {"content": 7},
        {"thinking": ["x"]},
        {"tool_calls": {}},
        {"tool_calls": [7]},
        {"tool_calls": [{"function": {"arguments": {}}}]},
        {"tool_calls": [{"function": {"name": ""}}]},
        {"tool_calls": [{}]},
    ],
)
def test_a_message_that_makes_no_sense_is_a_protocol_error(message: object) -> None:
    assert failure(to_json({"message": message, "done": False})).kind == "protocol"


def test_a_plain_line_whose_text_is_none_is_a_protocol_error() -> None:
    assert failure(line(content=7).data).kind == "protocol"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
WORDS = (
    "message", "done", "done_reason", "error", "model", "response", "thinking", "logprobs",
    "content", "role", "tool_calls", "function", "name", "arguments", "id", "eval_count",
    "prompt_eval_count", "total_duration", "signin_url",
)  # fmt: skip
objects = st.recursive(
    json_values,
    lambda inner: (
        st.dictionaries(st.sampled_from(WORDS), inner, max_size=6) | st.lists(inner, max_size=2)
    ),
    max_leaves=12,
)
likely_lines = st.dictionaries(st.sampled_from(WORDS), objects, max_size=8)


@given(st.lists(likely_lines, max_size=4))
def test_no_object_raises_anything_but_what_a_provider_may(lines: list[dict[str, Any]]) -> None:
    emit = Emitter()
    for each in lines:
        try:
            PROVIDER.decode(Frame(to_json(each)), emit)
        except (ProviderError, FramingError):
            return


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_what_a_provider_may(data: bytes) -> None:
    for raw in (data, b'{"message":' + data + b"}"):
        try:
            PROVIDER.decode(Frame(raw), Emitter())
        except (ProviderError, FramingError):
            continue


@given(st.lists(likely_lines, max_size=4))
def test_no_object_breaks_a_stream(lines: list[dict[str, Any]]) -> None:
    response = answer(*(Frame(to_json(each)) for each in lines))
    assert response.error is None or response.error.kind != "plugin"
