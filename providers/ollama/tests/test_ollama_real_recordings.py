"""What a real Ollama server answered comes out of the provider as it was, however it is cut."""

import hashlib
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamkit_ollama
from streamkit.plugin import Capabilities
from streamkit.provider import Frame
from streamkit.request import build_request
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
from tests.wire_recordings import OWN, Recording, manifest, ollama_recordings

(SPEC,) = streamkit_ollama.streamkit_providers()
PROVIDER = OllamaProvider(SPEC, resolve_settings(SPEC, environment={}))
FOLDER = OWN / "ollama"
ENTRIES: Final = {entry["name"]: entry for entry in manifest(FOLDER)["recordings"]}
RECORDINGS = ollama_recordings()

every_recording = pytest.mark.parametrize(
    "recording", RECORDINGS, ids=[recording.name for recording in RECORDINGS]
)

# Success that says nothing is an error here.
SILENT: Final = {f"ollama/{name}" for name in ("load", "load_whole", "unload", "too_long_cut")}
# Where the message says more than the server did.
MESSAGES: Final = {
    "ollama/err_effort_low": 'think value "low" is not supported for this model; '
    'extra={"think": True} has no level.',
    "ollama/err_wrong_path": "404 page not found; check the base URL.",
    "ollama/err_wrong_method": "405 method not allowed; check the base URL.",
}
DETERMINISTIC: Final[dict[str, Any]] = {"temperature": 0, "seed": 7}
QUESTION: Final = "What is the capital of France?"


def expected_of(recording: Recording) -> dict[str, Any]:
    """What the manifest expects of a recording, as far as the wire says it."""
    facts = {
        name: value
        for name, value in expected_facts(recording).items()
        # The counts have names of their own here, and arguments come as objects.
        if not name.startswith("wire_usage.")
        and not (name.startswith("tool_calls[") and value is None)
    }
    if recording.name in SILENT:
        facts = {name: facts[name] for name in ("text", "reasoning", "tool_calls", "usage")}
        facts |= {"is_complete": False, "error.kind": "empty_response"}
    if recording.name in MESSAGES:
        facts["error.message"] = MESSAGES[recording.name]
    return facts


def test_every_recording_is_whole() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"MANIFEST.json", "README.md"}
    assert {entry["file"] for entry in ENTRIES.values()} == files
    for entry in ENTRIES.values():
        body = (FOLDER / entry["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry["sha256"]
    assert {recording.name for recording in RECORDINGS} >= SILENT | set(MESSAGES)


@every_recording
def test_what_a_server_answered_gives_what_is_expected(recording: Recording) -> None:
    actual, expected = (
        actual_facts(play(recording, [recording.body], PROVIDER)),
        expected_of(recording),
    )
    assert {name: actual.get(name) for name in expected} == expected


@every_recording
def test_what_a_server_answered_gives_the_same_byte_by_byte(recording: Recording) -> None:
    cut_up = chunks_of(recording, PROVIDER, every_place(recording))
    assert cut_up == chunks_of(recording, PROVIDER)


@every_recording
@given(data=st.data())
@settings(max_examples=settings().max_examples // 5)
def test_what_a_server_answered_gives_the_same_cut_anywhere(
    recording: Recording, data: st.DataObject
) -> None:
    cut_up = chunks_of(recording, PROVIDER, data.draw(any_places(recording)))
    assert cut_up == chunks_of(recording, PROVIDER)


@every_recording
def test_what_a_server_answered_is_never_complete_when_it_breaks_off(recording: Recording) -> None:
    body = recording.body.rstrip()
    for length in (0, 1, len(body) // 2, body.rfind(b"\n") + 1, len(body) - 1):
        answer = play(recording, [body[:length]], PROVIDER)
        assert answer.response.state != "complete"
        assert answer.response.error is not None


@pytest.mark.parametrize("name", ["logprobs", "logprobs_whole"])
def test_a_server_s_log_probabilities_ride_in_the_metadata(name: str) -> None:
    (recording,) = (each for each in RECORDINGS if each.name == f"ollama/{name}")
    told = [
        probability
        for chunk in play(recording, [recording.body], PROVIDER).chunks
        for probability in ((chunk.metadata or {}).get("ollama") or {}).get("logprobs", ())
    ]
    assert len(told) == recording.expected["logprobs"] > 0
    assert "".join(each["token"] for each in told) == recording.expected["text"]
    assert all(len(each["top_logprobs"]) == 2 for each in told)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("plain", {"max_tokens": 12}),
        ("plain_whole", {"max_tokens": 12, "stream": False}),
        ("stop_sequence", {"max_tokens": 60, "stop": ["a"]}),
        ("logprobs", {"max_tokens": 4, "logprobs": 2}),
    ],
)
def test_what_the_server_was_asked_is_what_the_provider_asks(
    name: str, asked: dict[str, Any]
) -> None:
    call = PROVIDER.request(build_request("smollm2", QUESTION, **DETERMINISTIC, **asked))
    assert (call.path, call.json) == (ENTRIES[name]["path"], ENTRIES[name]["request"])


def test_a_server_s_list_tells_its_models() -> None:
    listed = PROVIDER.decode_models(Frame((FOLDER / "tags.json").read_bytes()))
    assert {each.id for each in listed} == {
        "smollm2:latest",
        "smollm2-list:latest",
        "smollm2-tagged:latest",
        "smollm2-thinks:latest",
        "smollm2-tools:latest",
    }
    # This version tells what a model can do only when it is asked for that model.
    assert all(each.capabilities is None for each in listed)
    assert all(each.metadata["details"]["parameter_size"] == "134.52M" for each in listed)


def test_a_server_tells_of_one_model_what_it_can_do() -> None:
    frame = Frame((FOLDER / "show_thinks.json").read_bytes())
    told = PROVIDER.decode_model("smollm2-thinks", frame)
    assert told.context_window == 8192
    assert told.capabilities == Capabilities.of(yes="reasoning", no="tools images")
    assert "num_ctx" in told.metadata["parameters"]
    assert "tensors" not in told.metadata
