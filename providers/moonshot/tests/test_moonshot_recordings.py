"""Recorded answers of Kimi models, Moonshot's own and other hosts', come out as their manifest
expects, however they are cut; and the recorded requests are what the provider writes."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

import streamkit_moonshot
from streamkit.chunks import UsageChunk
from streamkit.messages import Tool
from streamkit.provider import HTTPCall
from streamkit.request import build_request
from streamkit.settings import ProviderSettings
from streamkit_moonshot.provider import MoonshotProvider
from tests.recorded_answers import (
    Answer,
    actual_facts,
    any_places,
    chunks_of,
    every_place,
    expected_facts,
    play,
)
from tests.wire_recordings import Recording, manifest, recordings_folder, recordings_of

(SPEC,) = streamkit_moonshot.streamkit_providers()

OWN = recordings_of("moonshot-chat")
# The same models at other hosts, and the ids that Moonshot itself gives to tool calls.
OF_OTHERS = [
    recording
    for recording in recordings_of("openai-compat")
    if "kimi" in recording.name or recording.name.endswith("variant-c-tool-call")
]
RECORDINGS = [*OWN, *OF_OTHERS]

# Where more is said than the service did: a hint behind its message.
HINTED = {"moonshot-chat/error-401-bad-key": 'region="cn"'}

every_recording = pytest.mark.parametrize(
    "recording", RECORDINGS, ids=[recording.name for recording in RECORDINGS]
)


def moonshot() -> MoonshotProvider:
    return MoonshotProvider(
        SPEC,
        ProviderSettings(
            provider="moonshot",
            base_url=SPEC.base_url,
            api_key=SecretStr("sk-canary-0123456789"),
        ),
    )


def found(name: str) -> Recording:
    recordings_folder()
    return next(recording for recording in RECORDINGS if recording.name == name)


def wire_ids(answer: Answer) -> list[str]:
    """The service's own ids of the calls, as they stand in the metadata."""
    return [(call.metadata or {})["moonshot"]["id"] for call in answer.response.tool_calls]


def test_every_recording_of_moonshot_is_read() -> None:
    entries = manifest(recordings_folder() / "recordings")["entries"]
    listed = [entry["name"] for entry in entries if entry["dialect"] == "moonshot-chat"]
    assert [recording.name for recording in OWN] == listed
    assert len(OWN) == 11
    assert len(OF_OTHERS) == 6


@every_recording
def test_a_recording_gives_what_is_expected(recording: Recording) -> None:
    answer = play(recording, [recording.body], moonshot())
    actual = actual_facts(answer)
    expected = expected_facts(recording)
    for position, wire_id in enumerate(wire_ids(answer)):
        actual[f"tool_calls[{position}].id"] = wire_id
    if recording.name in HINTED:
        assert HINTED[recording.name] in actual["error.message"]
        assert actual.pop("error.message").startswith(expected.pop("error.message"))
    assert {name: actual.get(name) for name in expected} == expected


@every_recording
def test_a_recording_read_byte_by_byte_gives_the_same_chunks(recording: Recording) -> None:
    cut_up = chunks_of(recording, moonshot(), every_place(recording))
    assert cut_up == chunks_of(recording, moonshot())


@every_recording
@given(data=st.data())
@settings(max_examples=settings().max_examples // 5)
def test_a_recording_cut_anywhere_gives_the_same_chunks(
    recording: Recording, data: st.DataObject
) -> None:
    cut_up = chunks_of(recording, moonshot(), data.draw(any_places(recording)))
    assert cut_up == chunks_of(recording, moonshot())


def test_usage_that_is_told_twice_is_counted_once() -> None:
    recording = found("moonshot-chat/kimi-k3-stream-tail-double-usage")
    assert recording.body.count(b'"usage"') == 2
    answer = play(recording, [recording.body], moonshot())
    told = [chunk.usage for chunk in answer.chunks if isinstance(chunk, UsageChunk)]
    assert len(told) == 1
    assert told[0].input_tokens == 110
    assert told[0].output_tokens == 61
    assert answer.response.usage == told[0]


def test_usage_in_the_choice_alone_is_counted() -> None:
    recording = found("moonshot-chat/kimi-k3-stream-tail-double-usage")
    frames = recording.body.split(b"\n\n")
    assert b'"choices":[],' in frames[2]
    body = b"\n\n".join([*frames[:2], *frames[3:]])
    usage = play(recording, [body], moonshot()).response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (110, 61, 45)


@pytest.mark.parametrize("recording", OF_OTHERS, ids=[recording.name for recording in OF_OTHERS])
def test_no_recorded_call_keeps_the_id_that_repeats_in_every_turn(recording: Recording) -> None:
    calls = play(recording, [recording.body], moonshot()).response.tool_calls
    assert len({call.call_id for call in calls}) == len(calls) > 0
    assert all(re.fullmatch(r"call_[0-9a-f]{24}", call.call_id) for call in calls)


# Requests.


def recorded_request(name: str) -> dict[str, Any]:
    entries = manifest(recordings_folder() / "recordings")["entries"]
    body: dict[str, Any] = next(entry for entry in entries if entry["name"] == name)["request"][
        "body"
    ]
    return body


def written(recorded: dict[str, Any], **more: Any) -> HTTPCall:
    """What the provider writes for a request that asks for the same as a recorded one."""
    taken: dict[str, Any] = {
        name: recorded[name]
        for name in ("temperature", "max_tokens", "tool_choice", "parallel_tool_calls", "stream")
        if name in recorded
    }
    tools = [
        Tool.model_validate(tool["function"])
        for tool in recorded.get("tools", ())
        if tool["type"] == "function"
    ]
    asked: dict[str, Any] = {"stream": False, **taken, "tools": tools, **more}
    messages = [
        {"role": message["role"], "parts": message["content"]} for message in recorded["messages"]
    ]
    return moonshot().request(build_request(recorded["model"], messages, **asked))


def test_a_recorded_request_of_moonshot_is_written_the_same() -> None:
    recorded = recorded_request("moonshot-chat/kimi-k3-cached-json")
    assert written(recorded).json == {**recorded, "stream": False}


def test_a_recorded_token_limit_goes_out_under_its_documented_name() -> None:
    recorded = recorded_request("moonshot-chat/kimi-k3-finish-length-json")
    limit = recorded["max_tokens"]
    expected = {**recorded, "stream": False, "max_completion_tokens": limit}
    del expected["max_tokens"]
    assert written(recorded).json == expected


def test_the_recorded_temperature_that_was_refused_is_left_out_and_noticed() -> None:
    recorded = recorded_request("moonshot-chat/error-400-temperature")
    call = written(recorded)
    expected = {**recorded, "stream": False}
    del expected["temperature"]
    assert call.json == expected
    assert [notice.code for notice in call.notices] == ["setting_ignored"]
    assert "`temperature` is fixed at 1" in call.notices[0].message


@pytest.mark.parametrize("recording", OF_OTHERS, ids=[recording.name for recording in OF_OTHERS])
def test_a_recorded_request_of_another_host_is_written_the_same(recording: Recording) -> None:
    recorded = recorded_request(recording.name)
    expected = {"stream": False, **recorded}
    if "max_tokens" in expected:
        expected["max_completion_tokens"] = expected.pop("max_tokens")
    extra = {name: recorded[name] for name in ("usage",) if name in recorded}
    assert written(recorded, extra=extra).json == expected
