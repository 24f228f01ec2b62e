"""OpenAI's recorded answers come out of its provider as their manifest expects."""

import pytest
from pydantic import SecretStr

import streamkit_openai
from streamkit.settings import ProviderSettings
from streamkit_openai.provider import OpenAIProvider
from tests.recorded_answers import actual_facts, expected_facts, play
from tests.wire_recordings import Recording, recordings_folder, recordings_of

RECORDINGS = recordings_of("openai-chat")
(SPEC,) = streamkit_openai.streamkit_providers()


def test_there_are_recordings() -> None:
    recordings_folder()
    assert RECORDINGS


@pytest.mark.parametrize("recording", RECORDINGS, ids=[each.name for each in RECORDINGS])
def test_a_recording_of_openai_gives_what_is_expected(recording: Recording) -> None:
    settings = ProviderSettings(
        provider="openai", base_url=SPEC.base_url, api_key=SecretStr("sk-canary-0123456789")
    )
    answer = play(recording, [recording.body], OpenAIProvider(SPEC, settings))
    actual, expected = actual_facts(answer), expected_facts(recording)
    assert {name: actual.get(name) for name in expected} == expected
