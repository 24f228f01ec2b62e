"""Usage, facts and errors of a chat completion, wherever a server puts them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.assembly.deltas import (
    ContentDelta,
    IdentityDelta,
    MetadataDelta,
    UsageDelta,
)
from streamkit.chunks import Usage
from streamkit.errors import ProviderError
from streamkit.openai_decode import read_usage
from streamkit.provider import Emitter, Frame
from streamkit.wire.frames import FramingError
from tests.compatible_servers import chunk, compatible, decoded, failure, frame

TOLD = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


@pytest.mark.parametrize(
    "payload",
    [
        {"choices": [], "usage": TOLD},
        {"usage": TOLD},
        chunk({}, usage=TOLD),
        {"choices": [{"index": 1, "delta": {}}], "usage": TOLD},
        {**chunk({}), "usage": TOLD},
        {**chunk({}), "usage": None, "x_groq": {"usage": TOLD}},
        {"choices": [], "x_groq": {"usage": TOLD}},
    ],
)
def test_usage_is_found_in_each_of_its_places(payload: Any) -> None:
    assert decoded(payload) == [UsageDelta(Usage(input_tokens=5, output_tokens=7), TOLD)]


USAGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"prompt_tokens": 5}, {"input_tokens": 5}),
    ({"prompt_tokens": 0, "completion_tokens": 0}, {"input_tokens": 0, "output_tokens": 0}),
    ({**TOLD, "cached_tokens": 3}, {"cache_read_tokens": 3}),
    ({**TOLD, "prompt_cache_hit_tokens": 3}, {"cache_read_tokens": 3}),
    ({**TOLD, "prompt_tokens_details": {"cached_tokens": 0}}, {"cache_read_tokens": 0}),
    ({**TOLD, "prompt_tokens_details": {"cache_write_tokens": 4}}, {"cache_write_tokens": 4}),
    ({**TOLD, "prompt_tokens_details": None}, {"cache_read_tokens": None}),
    (
        {**TOLD, "completion_tokens_details": {"reasoning_tokens": 6}},
        {"output_tokens": 7, "reasoning_tokens": 6},
    ),
    (
        {**TOLD, "total_tokens": 18, "completion_tokens_details": {"reasoning_tokens": 6}},
        {"output_tokens": 13, "reasoning_tokens": 6},
    ),
    ({"prompt_tokens": 5.0, "completion_tokens": True}, {"input_tokens": 5, "output_tokens": None}),
]


@pytest.mark.parametrize(("wire", "counts"), USAGES)
def test_usage_is_counted_one_way(wire: dict[str, Any], counts: dict[str, Any]) -> None:
    usage = read_usage(wire)
    assert usage is not None
    assert {name: getattr(usage, name) for name in counts} == counts


def test_without_a_total_the_server_s_way_of_counting_holds() -> None:
    wire = {"completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 6}}
    apart = read_usage(wire, output_includes_reasoning=False)
    within = read_usage(wire)
    assert apart is not None
    assert within is not None
    assert (apart.output_tokens, within.output_tokens) == (13, 7)


@pytest.mark.parametrize("wire", [{}, {"queue_time": 0.1}, "many", None, {"prompt_tokens": -1}])
def test_usage_that_tells_nothing_is_none(wire: Any) -> None:
    assert read_usage(wire) is None
    assert decoded({"choices": [], "usage": wire}) == []


def test_the_identity_is_told_once() -> None:
    assert decoded(
        {"id": "", "model": "", "choices": []},
        {"id": "a", "model": "m", **chunk({"content": "x"})},
        {"id": "b", "model": "m", **chunk({"content": "y"})},
    ) == [
        IdentityDelta("a", "m"),
        ContentDelta("x"),
        ContentDelta("y"),
    ]


def test_the_model_may_be_told_after_the_id() -> None:
    deltas = decoded({"id": "a", **chunk({})}, {"id": "a", "model": "m", **chunk({})})
    assert deltas == [IdentityDelta("a", None), IdentityDelta("a", "m")]


def test_logprobs_ride_on_their_content() -> None:
    tokens = [{"token": "a", "logprob": -0.1}]
    assert decoded(chunk({"content": "a"}, logprobs={"content": tokens})) == [
        ContentDelta("a", metadata={"logprobs": tokens})
    ]


def test_logprobs_of_tokens_without_text_wait_for_it() -> None:
    first, second = {"token": "\\xf0"}, {"token": "\\x9f"}
    assert decoded(
        chunk({"content": ""}, logprobs={"content": [first]}),
        chunk({"content": "x"}, logprobs={"content": [second]}),
    ) == [ContentDelta("x", metadata={"logprobs": [first, second]})]


def test_annotations_are_facts_about_the_answer() -> None:
    notes = [{"type": "url_citation"}]
    assert decoded(chunk({"content": "a", "annotations": notes})) == [
        ContentDelta("a"),
        MetadataDelta({"annotations": notes}),
    ]


def test_citations_that_are_repeated_count_once() -> None:
    assert decoded(
        {**chunk({}), "citations": ["a"]},
        {**chunk({}), "citations": ["a"]},
        {**chunk({}), "citations": ["a", "b"]},
    ) == [MetadataDelta({"citations": ["a"]}), MetadataDelta({"citations": ["b"]})]


@pytest.mark.parametrize("name", ["moderation", "prompt_filter_results"])
def test_judgements_of_the_service_are_facts_about_the_answer(name: str) -> None:
    assert decoded({"choices": [], name: {"flagged": False}}) == [
        MetadataDelta({name: {"flagged": False}})
    ]


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"error": {"message": "no", "type": "insufficient_quota"}}, "quota"),
        ({"error": {"message": "no", "code": 429}}, "rate_limit"),
        ({"error": "no"}, "provider"),
        ({**chunk({"content": ""}, finish_reason="error"), "error": {"message": "no"}}, "provider"),
        ({"object": "error", "message": "no", "type": "x", "code": 400}, "invalid_request"),
        ({"detail": "no"}, "provider"),
        ({"message": "no", "status": 503}, "overloaded"),
        (frame({"message": "no", "code": "slow_down"}, "error"), "overloaded"),
        (frame("no", "error"), "provider"),
        (Frame(b"no", "error"), "provider"),
    ],
)
def test_an_error_inside_the_answer_is_raised(payload: Any, kind: str) -> None:
    error = failure(payload)
    assert (error.kind, error.message) == (kind, "no")


FAULT = {"message": "no", "code": 502}


@pytest.mark.parametrize(
    "payload",
    [
        chunk({}, error=FAULT),
        chunk({}, error=FAULT, finish_reason="stop"),
        chunk({}, error=FAULT, finish_reason="error"),
        chunk(None, error="no"),
        chunk({"error": FAULT}),
        {"choices": [{"message": {"content": None}, "finish_reason": "stop", "error": FAULT}]},
        {"choices": [{"message": {"content": None, "error": "no"}, "finish_reason": "stop"}]},
    ],
)
def test_an_error_inside_the_choice_is_raised(payload: Any) -> None:
    error = failure(payload)
    assert (error.kind, error.message) == ("provider", "no")
    assert failure({**payload, "usage": TOLD}, error_path="fault.detail").message == "no"


@pytest.mark.parametrize("nothing", [None, "", {}, False])
def test_an_error_that_says_nothing_is_none(nothing: Any) -> None:
    answer = chunk({"content": "a", "error": nothing}, error=nothing)
    assert decoded(answer, answer) == [ContentDelta("a"), ContentDelta("a")]


@pytest.mark.parametrize("place", ["delta", "message"])
def test_what_was_said_beside_an_error_of_the_choice_is_kept(place: str) -> None:
    choice = {place: {"content": "The sky"}, "finish_reason": "stop", "error": FAULT}
    emit = Emitter()
    for content in ("a", "b"):
        compatible().decode(frame(chunk({"content": content})), emit)
    with pytest.raises(ProviderError, match="no") as caught:
        compatible().decode(frame({"choices": [choice], "usage": TOLD}), emit)
    assert emit.deltas == [
        "a",
        "b",
        "The sky",
        UsageDelta(Usage(input_tokens=5, output_tokens=7), TOLD),
    ]
    assert "The sky" not in str(caught.value.detail)


def test_usage_beside_an_error_is_kept() -> None:
    emit = Emitter()
    with pytest.raises(ProviderError):
        compatible().decode(frame({"error": "no", "choices": [{}], "usage": TOLD}), emit)
    assert emit.deltas == [UsageDelta(Usage(input_tokens=5, output_tokens=7), TOLD)]


def test_the_server_s_own_error_codes_count() -> None:
    error = failure({"error": {"code": "1211", "message": "x"}}, error_kinds={"1211": "not_found"})
    assert error.kind == "not_found"


@pytest.mark.parametrize(
    "payload",
    [
        {"choices": "x"},
        {"choices": {"0": {}}},
        {"choices": [None]},
        chunk("text"),
        chunk({"content": 5}),
        chunk({"content": {"a": 1}}),
        chunk({"refusal": ["x"]}),
        chunk({"tool_calls": {"index": 0}}),
        chunk({"tool_calls": ["f"]}),
    ],
)
def test_a_frame_that_makes_no_sense_is_a_protocol_error(payload: Any) -> None:
    assert failure(payload).kind == "protocol"


def test_an_audio_answer_is_refused() -> None:
    assert failure(chunk({"audio": {"id": "a", "data": "…"}})).kind == "unsupported"


@pytest.mark.parametrize("data", [b"<html>", b"[1]", b'"x"', b'{"choices":[', b"[DON", b"\xff"])
def test_a_frame_that_is_no_json_object_is_a_fault_of_the_frame(data: bytes) -> None:
    with pytest.raises(FramingError):
        decoded(Frame(data))


WIRE_NAMES = [
    "id",
    "model",
    "object",
    "choices",
    "index",
    "delta",
    "message",
    "content",
    "role",
    "refusal",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "tool_calls",
    "function",
    "function_call",
    "custom",
    "name",
    "arguments",
    "input",
    "type",
    "text",
    "thinking",
    "finish_reason",
    "logprobs",
    "usage",
    "x_groq",
    "prompt_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "annotations",
    "citations",
    "error",
    "detail",
    "extra_content",
]
names = st.sampled_from(WIRE_NAMES)
numbers = st.integers(-1, 5) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)
some_choices = st.lists(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("index", "delta", "message", "finish_reason", "error"), values)
    ),
    max_size=2,
)
some_payloads = st.dictionaries(names, values, max_size=5) | st.fixed_dictionaries(
    {"choices": some_choices}, optional={"usage": values, "error": values}
)


@given(payloads=st.lists(some_payloads, max_size=4))
def test_whatever_a_frame_holds_it_is_read_or_refused_in_words(payloads: list[Any]) -> None:
    emit = Emitter()
    refusals = []
    for payload in payloads:
        try:
            compatible().decode(frame(payload), emit)
        except ProviderError as error:
            refusals.append(error.message)
    assert all(refusals)
