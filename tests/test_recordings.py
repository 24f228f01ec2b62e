"""Recordings of real streams come out as their manifests expect, however they are cut."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import ProviderSpec
from streamkit.provider import HTTPProvider
from streamkit.settings import ProviderSettings
from tests.recorded_answers import (
    DIFFERENCES,
    actual_facts,
    any_places,
    chunks_of,
    every_place,
    expected_facts,
    play,
)
from tests.wire_recordings import (
    OWN,
    Recording,
    llamacpp_recordings,
    manifest,
    recordings_folder,
    recordings_of,
)

# The dialects read here; the others' recordings are for the providers that speak them.
DIALECTS = ("openai-chat", "openai-compat")
RECORDINGS = [
    *(recording for dialect in DIALECTS for recording in recordings_of(dialect)),
    *llamacpp_recordings(),
]

every_recording = pytest.mark.parametrize(
    "recording", RECORDINGS, ids=[recording.name for recording in RECORDINGS]
)


def provider() -> HTTPProvider:
    spec = ProviderSpec(
        name="recorded", api_version=1, factory="recorded:Recorded", base_url="http://localhost"
    )
    settings = ProviderSettings(provider="recorded", base_url="http://localhost")
    return OpenAICompatibleProvider(spec, settings)


def found_of(dialect: str) -> list[Recording]:
    return [recording for recording in RECORDINGS if recording.dialect == dialect]


# The names of these tests say how many recordings were found.
@pytest.mark.parametrize(
    "dialect", DIALECTS, ids=[f"{dialect}-{len(found_of(dialect))}-found" for dialect in DIALECTS]
)
def test_every_recording_of_the_dialect_is_read(dialect: str) -> None:
    folder = recordings_folder() / "recordings"
    listed = [entry for entry in manifest(folder)["entries"] if entry["dialect"] == dialect]
    found = found_of(dialect)
    assert len(found) == len(listed) > 0
    assert [digest(recording.path) for recording in found] == [entry["sha256"] for entry in listed]


def test_every_recording_of_llamacpp_is_whole() -> None:
    folder = OWN / "llamacpp"
    listed = manifest(folder)["recordings"]
    of_other_paths = {
        "anthropic_messages",
        "err_unknown_route",
        "health",
        "models",
        "responses_api",
    }
    assert {recording.name for recording in llamacpp_recordings()} == {
        f"llamacpp/{entry['name']}" for entry in listed if entry["name"] not in of_other_paths
    }
    assert {entry["file"] for entry in listed} == {
        path.name for path in folder.iterdir() if path.name not in {"MANIFEST.json", "README.md"}
    }
    assert all(digest(folder / entry["file"]) == entry["sha256"] for entry in listed)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_difference_belongs_to_a_recording() -> None:
    recordings_folder()
    assert set(DIFFERENCES) <= {recording.name for recording in RECORDINGS}


@every_recording
def test_a_recording_gives_what_is_expected(recording: Recording) -> None:
    answer = play(recording, [recording.body], provider())
    actual = actual_facts(answer)
    expected = expected_facts(recording)
    assert {name: actual.get(name) for name in expected} == expected


@every_recording
def test_a_recording_read_byte_by_byte_gives_the_same_chunks(recording: Recording) -> None:
    cut_up = chunks_of(recording, provider(), every_place(recording))
    assert cut_up == chunks_of(recording, provider())


@every_recording
@given(data=st.data())
@settings(max_examples=settings().max_examples // 5)
def test_a_recording_cut_anywhere_gives_the_same_chunks(
    recording: Recording, data: st.DataObject
) -> None:
    cut_up = chunks_of(recording, provider(), data.draw(any_places(recording)))
    assert cut_up == chunks_of(recording, provider())
