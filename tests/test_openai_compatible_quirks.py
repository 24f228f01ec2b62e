"""Each quirk of an OpenAI-compatible server makes its difference, and only that."""

from typing import Any, get_args

import pytest

from streamkit.assembly.deltas import (
    ContentDelta,
    FinishDelta,
    NoticeDelta,
    ReasoningDelta,
    TerminatorDelta,
    UsageDelta,
)
from streamkit.chunks import Usage
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.messages import Message, ReasoningPart, TextPart, Tool, ToolCall, ToolResult
from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import ProviderSpec, Quirks, Setting
from streamkit.provider import Emitter, Frame, HTTPCall
from streamkit.request import ChatRequest, build_request
from streamkit.settings import ProviderSettings
from streamkit.wire.frames import FramingError
from tests.compatible_servers import chunk, compatible, decoded, failure, frame

TOLD = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
COUNTED = UsageDelta(Usage(input_tokens=5, output_tokens=7), TOLD)
DONE = Frame(b"[DONE]")


ODD = Quirks(
    system_role="root",
    max_tokens_field="top",
    include_usage=False,
    reasoning_replay="thoughts",
    prefill_field="partial",
    ignored=frozenset({"top_p"}),
    unsupported=frozenset({"seed"}),
)


class Small(OpenAICompatibleProvider):
    """A provider with quirks of its own, and a model that differs."""

    quirks = Quirks(max_tokens_field="limit")

    def quirks_of(self, model: str) -> Quirks:
        return ODD if model == "odd" else self.quirks


def small(quirks: Quirks | None = None) -> Small:
    spec = ProviderSpec(name="acme", api_version=1, factory="acme:Small", quirks=quirks)
    return Small(spec, ProviderSettings(provider="acme", base_url="http://localhost"))


def asked(messages: Any = "Hello", *, quirks: Any = None, **settings: Any) -> HTTPCall:
    return compatible(**(quirks or {})).request(build_request("m-1", messages, **settings))


def body(call: HTTPCall) -> dict[str, Any]:
    return dict(call.json or {})


# Where quirks come from.


def test_the_quirks_of_the_spec_come_before_those_of_the_class() -> None:
    assert small().quirks.max_tokens_field == "limit"
    assert small(Quirks(max_tokens_field="top")).quirks == Quirks(max_tokens_field="top")


def test_requests_may_differ_between_models() -> None:
    said = Message.assistant(ReasoningPart(text="Hm."), TextPart(text="The sky"))
    messages = [Message.system("s"), Message.user("u"), said]

    def made(model: str, **settings: Any) -> HTTPCall:
        return small().request(build_request(model, messages, max_tokens=1, **settings))

    odd, even = made("odd", top_p=0.5), made("even", top_p=0.5, seed=1)
    assert body(odd) == {
        "model": "odd",
        "messages": [
            {"role": "root", "content": "s"},
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": "The sky", "thoughts": "Hm.", "partial": True},
        ],
        "stream": True,
        "top": 1,
    }
    assert [notice.code for notice in odd.notices] == ["setting_ignored"]
    assert (body(even)["top_p"], body(even)["limit"], even.notices) == (0.5, 1, ())
    assert body(even)["messages"][2]["reasoning_content"] == "Hm."
    with pytest.raises(ProviderError, match="`seed`"):
        made("odd", seed=1)


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        ({"unsupported": {"temprature"}}, "`unsupported` cannot hold `temprature` (perhaps `tempe"),
        ({"ignored": {"model", "seed"}}, "`ignored` cannot hold `model`, only tools, tool_choice"),
        ({"evidence": {"done"}}, "`evidence` cannot hold `done`, only finish_reason, terminator."),
        ({"evidence": frozenset()}, "`evidence` must not be empty: no answer could ever be compl"),
        ({"error_kinds": {"E": "qouta"}}, "`error_kinds` cannot hold `qouta` (perhaps `quota` is "),
        ({"headers": {"A": "ü"}}, "`headers` gives `A` a value that no header can carry: "),
        ({"headers": {"Bad Name": "x"}}, "`headers` has a name that must be a header's name: "),
        ({"key_header": ""}, "`key_header` must be a header's name: letters, digits and hyphens."),
        ({"usage_path": "a..b"}, "`usage_path` must be names or positions with a dot between them"),
        ({"error_path": "choices"}, "`error_path` cannot be choices: every answer has it, and "),
        ({"max_tokens_field": ""}, "`max_tokens_field` must not be empty."),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused_at_once(quirks: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        small(Quirks(**quirks))
    assert str(caught.value).startswith(f"The quirks of `acme`: {words}")


def test_what_a_server_may_refuse_or_ignore_is_every_setting_of_a_request() -> None:
    no_settings = {"model", "messages", "stream", "extra", "request_id", "conversation_id"}
    assert set(get_args(Setting)) == set(ChatRequest.model_fields) - no_settings


# Settings that a server ignores.

GIVEN: dict[str, Any] = {
    "temperature": 0,
    "top_p": 0.5,
    "max_tokens": 5,
    "stop": ["x"],
    "seed": 1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "reasoning_effort": "low",
    "logprobs": 2,
    "output_schema": {"type": "object"},
    "parallel_tool_calls": False,
}


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_an_ignored_setting_is_left_out_and_said(name: str) -> None:
    quirks = {"ignored": frozenset({name})}
    call = asked(quirks=quirks, **{name: GIVEN[name]})
    assert body(call) == body(asked())
    assert [notice.code for notice in call.notices] == ["setting_ignored"]
    assert f"`{name}`" in call.notices[0].message
    assert "acme/m-1" in call.notices[0].message
    assert body(asked(**{name: GIVEN[name]})) != body(asked())


def test_each_ignored_setting_has_its_notice_in_a_fixed_order() -> None:
    call = asked(quirks={"ignored": frozenset(GIVEN)}, seed=1, logprobs=0, stop="x")
    assert [notice.message.split("`")[1] for notice in call.notices] == ["logprobs", "seed", "stop"]


def test_what_was_not_given_needs_no_notice() -> None:
    assert asked(quirks={"ignored": frozenset(GIVEN)}).notices == ()


def test_ignored_tools_leave_nothing_behind_that_is_about_them() -> None:
    settings: dict[str, Any] = {
        "tools": [Tool(name="f")],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    }
    call = asked(quirks={"ignored": frozenset({"tools"})}, **settings)
    assert body(call) == body(asked())
    told = [notice.message.split("`")[1] for notice in call.notices]
    assert told == sorted(settings)


def test_an_ignored_setting_may_still_be_forced() -> None:
    call = asked(quirks={"ignored": frozenset({"seed"})}, extra={"seed": 3})
    assert body(call)["seed"] == 3


def test_a_subclass_may_say_more_of_the_settings() -> None:
    class Warm(OpenAICompatibleProvider):
        def settings_of(self, request: ChatRequest) -> tuple[dict[str, Any], list[NoticeDelta]]:
            settings, notices = super().settings_of(request)
            settings["warmth"] = settings.pop("temperature")
            return settings, [*notices, NoticeDelta("setting_ignored", "It is warm.")]

    plain = compatible()
    call = Warm(plain.spec, plain.settings).request(build_request("m", "Hello", temperature=1))
    assert (body(call)["warmth"], call.notices[-1].message) == (1, "It is warm.")


def test_a_subclass_may_write_the_messages_as_a_whole() -> None:
    class Numbered(OpenAICompatibleProvider):
        def encode_messages(self, request: ChatRequest) -> list[dict[str, Any]]:
            return [{**entry, "n": n} for n, entry in enumerate(super().encode_messages(request))]

    plain = compatible()
    messages = [Message.user("a"), Message.assistant("b"), Message.user("c")]
    call = Numbered(plain.spec, plain.settings).request(build_request("m", messages))
    assert [entry["n"] for entry in body(call)["messages"]] == [0, 1, 2]


# The beginning of an answer.


def test_a_last_assistant_message_asks_to_be_continued() -> None:
    messages = [Message.assistant("a"), Message.user("b"), Message.assistant("The sky")]
    sent = body(asked(messages, quirks={"prefill_field": "partial"}))["messages"]
    assert sent[-1] == {"role": "assistant", "content": "The sky", "partial": True}
    assert "partial" not in sent[0]
    assert "partial" not in body(asked(messages))["messages"][-1]


@pytest.mark.parametrize(
    "last",
    [
        Message.user("b"),
        Message.assistant(ToolCall(call_id="1", name="f", arguments={})),
        Message.assistant(
            ToolCall(call_id="1", name="f", arguments={}),
            ToolResult(call_id="1", name="f", output="x"),
        ),
    ],
)
def test_any_other_last_message_does_not(last: Message) -> None:
    call = asked(
        [Message.user("a"), last], quirks={"prefill_field": "partial"}, tools=[Tool(name="f")]
    )
    assert all("partial" not in entry for entry in body(call)["messages"])


# Where things stand in an answer.


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        ("choices.0.usage", chunk({}, usage=TOLD)),
        ("x_groq.usage", {"choices": [], "x_groq": {"usage": TOLD}}),
        ("meta.tokens", {**chunk({}), "meta": {"tokens": TOLD}}),
        ("meta.1", {"choices": [], "meta": [None, TOLD]}),
        ("counts", {"counts": TOLD, "usage": {"prompt_tokens": 99}}),
    ],
)
def test_usage_is_read_where_the_path_says(path: str, payload: Any) -> None:
    assert decoded(payload, usage_path=path) == [COUNTED]


@pytest.mark.parametrize("path", ["meta.tokens", "choices.1.usage", "choices.x", "usage.0", "id.a"])
def test_usage_elsewhere_does_not_count_then(path: str) -> None:
    assert decoded({**chunk({}, usage=TOLD), "usage": TOLD}, usage_path=path) == []


def test_usage_of_an_own_place_is_seen_beside_plain_text() -> None:
    plain = {**chunk({"content": "a"}), "meta": None}
    told = {**chunk({"content": "a"}), "meta": TOLD}
    assert decoded(plain, plain, told, told, usage_path="meta") == [
        *[ContentDelta("a")] * 3,
        COUNTED,
        ContentDelta("a"),
        COUNTED,
    ]


FAULT = {"code": "E42", "message": "no"}


@pytest.mark.parametrize(
    "payload",
    [
        {"fault": {"detail": FAULT}},
        {**chunk({"content": "x"}), "fault": {"detail": FAULT}},
        {"choices": [], "fault": {"detail": FAULT}, "id": "a", "object": "chat.completion.chunk"},
        frame({"fault": {"detail": FAULT}}, "error"),
        {"fault": {"detail": "no", "code": "E42"}},
    ],
)
def test_an_error_is_found_where_the_path_says(payload: Any) -> None:
    error = failure(payload, error_path="fault.detail", error_kinds={"E42": "quota"})
    assert (error.kind, error.message, error.provider_code) == ("quota", "no", "E42")


def test_without_the_path_such_an_answer_is_no_error() -> None:
    assert decoded({**chunk({"content": "x"}), "fault": {"detail": FAULT}}) == [ContentDelta("x")]


def test_errors_in_their_usual_place_still_count() -> None:
    assert failure({"error": "no"}, error_path="fault.detail").message == "no"
    assert failure({"detail": "no"}, error_path="fault.detail").message == "no"


def test_a_failed_status_and_a_list_of_models_know_the_path() -> None:
    provider = compatible(error_path="fault.detail", error_kinds={"E42": "quota"})
    payload = {"fault": {"detail": FAULT}}
    answer = frame(payload)
    assert provider.classify(400, {}, answer.data).kind == "quota"
    assert compatible().classify(400, {}, answer.data).kind == "invalid_request"
    with pytest.raises(ProviderError) as caught:
        provider.decode_models(answer)
    assert caught.value.kind == "quota"


def test_reasoning_is_read_from_the_server_s_fields() -> None:
    both = chunk({"thoughts": "a", "reasoning": "b"})
    assert decoded(both, reasoning_fields=("thoughts",)) == [ReasoningDelta("a")]
    assert decoded(both) == [ReasoningDelta("b")]


# Frames that only keep the connection open.


@pytest.mark.parametrize(
    "quiet",
    [
        Frame(b"ping"),
        Frame(b" ping\n"),
        Frame(b'{"type":"ping","message":"still here"}'),
        Frame(b""),
        Frame(b"1", "heartbeat"),
        Frame(b"\xff", "heartbeat"),
    ],
)
def test_a_keep_alive_adds_nothing(quiet: Frame) -> None:
    texts = frozenset({"ping", '{"type":"ping","message":"still here"}', "", "heartbeat"})
    content = chunk({"content": "a"})
    assert decoded(content, quiet, content, quiet, content, keep_alive=texts) == [
        *[ContentDelta("a")] * 3
    ]
    with pytest.raises((FramingError, ProviderError)):
        decoded(content, quiet)


def test_what_is_no_keep_alive_is_read_as_ever() -> None:
    with pytest.raises(FramingError):
        decoded(Frame(b"pong"), keep_alive=frozenset({"ping"}))
    assert failure(frame("no", "error"), keep_alive=frozenset({"error"})).message == "no"


# What proves an answer whole.

STOPPED = chunk({}, finish_reason="stop")


def test_a_finish_reason_that_proves_nothing_waits_for_the_end_marker() -> None:
    evidence = frozenset({"terminator"})
    assert decoded(STOPPED, evidence=evidence) == []
    assert decoded(STOPPED, {"choices": [], "usage": TOLD}, DONE, evidence=evidence) == [
        COUNTED,
        FinishDelta("stop", "stop"),
        TerminatorDelta(True),
    ]


def test_the_last_finish_reason_counts_there_too() -> None:
    length = chunk({}, finish_reason="length")
    assert decoded(STOPPED, length, DONE, evidence=frozenset({"terminator"})) == [
        FinishDelta("length", "length"),
        TerminatorDelta(True),
    ]


def test_an_end_marker_may_prove_nothing() -> None:
    evidence = frozenset({"finish_reason"})
    assert decoded(DONE, evidence=evidence) == [TerminatorDelta(False)]
    assert decoded(DONE) == [TerminatorDelta(True)]


@pytest.mark.parametrize("evidence", [{"terminator"}, {"finish_reason"}])
def test_a_whole_answer_needs_no_proof(evidence: set[str]) -> None:
    message = {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}
    assert decoded({"choices": [message]}, evidence=frozenset(evidence)) == [
        ContentDelta("a"),
        FinishDelta("stop", "stop"),
        TerminatorDelta(True),
    ]


def test_a_last_assistant_message_of_several_parts_is_one_beginning() -> None:
    parts = Message.assistant(TextPart(text="The "), TextPart(text="sky"))
    sent = body(asked([Message.user("a"), parts], quirks={"prefill_field": "prefix"}))["messages"]
    assert sent[-1] == {"role": "assistant", "content": "The sky", "prefix": True}


def test_nothing_of_one_answer_is_kept_for_the_next() -> None:
    provider = compatible(evidence=frozenset({"terminator"}))
    provider.decode(frame(STOPPED), Emitter())
    emit = Emitter()
    provider.decode(DONE, emit)
    assert emit.deltas == [TerminatorDelta(True)]
