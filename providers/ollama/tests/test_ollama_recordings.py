"""Ollama's recorded answers come out of its provider as their manifest expects, however cut."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamkit_ollama
from streamkit.settings import resolve_settings
from streamkit_ollama.provider import OllamaProvider
from tests.recorded_answers import (
    actual_facts,
    any_places,
    chunks_of,
    every_place,
    expected_facts,
    play,
)
from tests.wire_recordings import Recording, recordings_folder, recordings_of

(SPEC,) = streamkit_ollama.streamkit_providers()
PROVIDER = OllamaProvider(SPEC, resolve_settings(SPEC, environment={}))

# `/api/generate` is never asked here, but its errors are those of the chat, and its lines differ in
# where the text stands.
RECORDINGS = [*recordings_of("ollama-chat"), *recordings_of("ollama-generate")]

every_recording = pytest.mark.parametrize(
    "recording", RECORDINGS, ids=[recording.name for recording in RECORDINGS]
)

# Where the expectation differs from what the schema promises: success that says nothing is an error
# here, and these two say nothing.
SILENT: Final = {"ollama-chat/doc-load-model-json", "ollama-chat/doc-unload-model-json"}

WIRE_NAMES: Final = {"input": "prompt_eval_count", "output": "eval_count"}
DURATIONS: Final = (
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
)


def expected_of(recording: Recording) -> dict[str, Any]:
    """What the manifest expects of a recording, as far as the wire says it."""
    facts = {
        name: value
        for name, value in expected_facts(recording).items()
        # The counts have names of their own here; arguments come as objects, calls without ids.
        if not name.startswith("wire_usage.")
        and not (name.startswith("tool_calls[") and value is None)
    }
    if recording.name in SILENT:
        facts = {name: facts[name] for name in ("text", "reasoning", "tool_calls", "usage")}
        return facts | {"is_complete": False, "error.kind": "empty_response"}
    return facts


def test_every_recording_is_found() -> None:
    folder = recordings_folder() / "recordings"
    files = {
        path
        for dialect in ("ollama-chat", "ollama-generate")
        for path in folder.glob(f"{dialect}/*")
    }
    assert {recording.path for recording in RECORDINGS} == files
    assert len(files) >= 17
    assert {recording.name for recording in RECORDINGS} >= SILENT


@every_recording
def test_a_recording_of_ollama_gives_what_is_expected(recording: Recording) -> None:
    answer = play(recording, [recording.body], PROVIDER)
    actual, expected = actual_facts(answer), expected_of(recording)
    assert {name: actual.get(name) for name in expected} == expected


@every_recording
def test_the_server_s_own_counts_and_durations_are_kept(recording: Recording) -> None:
    told = (play(recording, [recording.body], PROVIDER).response.metadata or {}).get("ollama", {})
    usage = recording.expected["usage"] or {}
    wire = {theirs: usage[ours] for ours, theirs in WIRE_NAMES.items() if ours in usage}
    assert told.get("usage", {}) == wire
    durations = {name: told[name] for name in DURATIONS if name in told}
    assert durations == recording.expected.get("timings_ns", {})


@every_recording
def test_a_recording_of_ollama_read_byte_by_byte_gives_the_same(recording: Recording) -> None:
    cut_up = chunks_of(recording, PROVIDER, every_place(recording))
    assert cut_up == chunks_of(recording, PROVIDER)


@every_recording
@given(data=st.data())
@settings(max_examples=settings().max_examples // 5)
def test_a_recording_of_ollama_cut_anywhere_gives_the_same(
    recording: Recording, data: st.DataObject
) -> None:
    cut_up = chunks_of(recording, PROVIDER, data.draw(any_places(recording)))
    assert cut_up == chunks_of(recording, PROVIDER)


@every_recording
def test_a_recording_of_ollama_that_breaks_off_is_never_complete(recording: Recording) -> None:
    body = recording.body.rstrip()
    if recording.status >= 300 or not recording.is_stream:
        body = body[:-1]
    last_line = body.rfind(b"\n") + 1
    for length in (0, 1, last_line // 2, last_line, len(body) - 1):
        answer = play(recording, [body[:length]], PROVIDER)
        assert answer.response.state != "complete"
        assert answer.response.error is not None
