"""What a server tells of its models, and what of it helps to choose one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

import streamkit_ollama
from streamkit.errors import ProviderError
from streamkit.plugin import Capabilities, Capability
from streamkit.provider import Frame, ModelInfo
from streamkit.settings import resolve_settings
from streamkit.wire.frames import FramingError
from streamkit_ollama.provider import OllamaProvider

(SPEC,) = streamkit_ollama.streamkit_providers()
PROVIDER = OllamaProvider(SPEC, resolve_settings(SPEC, environment={}))
DETAILS = {"format": "gguf", "family": "qwen3", "parameter_size": "8.2B"}
NONE = Capabilities.of(no="tools reasoning images")


def models(payload: Any) -> list[ModelInfo]:
    return PROVIDER.decode_models(Frame(to_json(payload)))


def model(payload: Any) -> ModelInfo:
    return PROVIDER.decode_model("qwen3", Frame(to_json(payload)))


def test_the_list_is_asked_for_where_the_server_has_it() -> None:
    call = PROVIDER.list_models()
    assert call is not None
    assert (call.method, call.path, call.framing, call.json) == ("GET", "/api/tags", "json", None)


def test_a_list_tells_names_capabilities_and_details() -> None:
    listed = models(
        {
            "models": [
                {
                    "name": "qwen3:latest",
                    "model": "qwen3:latest",
                    "modified_at": "2026-05-01T10:00:00Z",
                    "size": 5_200_000_000,
                    "digest": "a1b2",
                    "details": DETAILS,
                    "capabilities": ["completion", "tools", "thinking"],
                },
                {"model": "old"},
                {"size": 1},
                "nonsense",
            ]
        }
    )
    assert [each.id for each in listed] == ["qwen3:latest", "old"]
    assert listed[0].capabilities == Capabilities.of(yes="tools reasoning", no="images")
    assert listed[0].metadata["details"] == DETAILS
    assert listed[0].metadata["size"] == 5_200_000_000
    assert listed[1] == ModelInfo(id="old")


@pytest.mark.parametrize("payload", [{"models": []}, {"models": None}])
def test_a_server_without_models_has_none(payload: dict[str, Any]) -> None:
    assert models(payload) == []


@pytest.mark.parametrize("payload", [{}, {"models": {}}, {"data": []}])
def test_what_is_no_list_is_a_protocol_error(payload: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as raised:
        models(payload)
    assert raised.value.kind == "protocol"


def test_an_error_in_place_of_a_list_is_told() -> None:
    with pytest.raises(ProviderError, match="out of disk"):
        models({"error": "out of disk"})


def test_one_model_is_asked_for_by_its_name() -> None:
    call = PROVIDER.show_model("qwen3:8b")
    assert call is not None
    assert (call.method, call.path, call.json) == ("POST", "/api/show", {"model": "qwen3:8b"})


def test_one_model_tells_its_window_and_what_it_can_do() -> None:
    told = model(
        {
            "license": "long " * 1000,
            "template": "{{ .Prompt }}",
            "parameters": "stop <|im_end|>",
            "details": DETAILS,
            "model_info": {
                "general.architecture": "qwen3",
                "qwen3.context_length": 40960,
                "qwen3.embedding_length": 4096,
                "tokenizer.ggml.tokens": None,
            },
            "capabilities": ["completion", "vision"],
        }
    )
    assert (told.id, told.context_window) == ("qwen3", 40960)
    assert told.capabilities == Capabilities.of(yes="images", no="tools reasoning")
    assert told.metadata == {
        "capabilities": ["completion", "vision"],
        "details": DETAILS,
        "parameters": "stop <|im_end|>",
    }


def test_an_older_server_leaves_unknown_what_it_does_not_tell() -> None:
    assert model({"details": DETAILS}) == ModelInfo(id="qwen3", metadata={"details": DETAILS})


def test_a_model_that_only_embeds_can_do_none_of_it() -> None:
    told = model({"capabilities": ["embedding"]}).capabilities
    assert told == NONE
    assert told.prefill is Capability.UNKNOWN


@pytest.mark.parametrize("window", [None, 0, -1, "40960", True, 1.5])
def test_a_window_that_is_none_is_unknown(window: object) -> None:
    facts = {"general.architecture": "x", "x.context_length": window}
    assert model({"model_info": facts}).context_window is None


def test_an_error_in_place_of_a_model_is_told() -> None:
    with pytest.raises(ProviderError, match="not found"):
        model({"error": "model 'qwen3' not found"})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
words = st.sampled_from(["models", "name", "error", "model_info", "capabilities", "details"])


@given(st.dictionaries(words, values | st.lists(st.dictionaries(words, values)), max_size=4))
def test_no_object_raises_anything_but_what_a_provider_may(payload: dict[str, Any]) -> None:
    for read in (models, model):
        try:
            read(payload)
        except (ProviderError, FramingError):
            continue
