"""`OllamaModel`, and the same by its reference: one model, however it is named."""

import json

import pytest

import streamkit
import streamkit_ollama
from streamkit.errors import ProviderError
from streamkit.listing import list_models_sync, show_model_sync
from streamkit.model import ProviderModel
from streamkit_ollama.provider import OllamaProvider
from tests.loopback import END, chunk, head, serving

LINE = {
    "model": "qwen3:8b",
    "message": {"role": "assistant", "content": "Blue"},
    "done": True,
    "done_reason": "stop",
}
ANSWER = [head(200, "application/x-ndjson"), chunk(json.dumps(LINE).encode() + b"\n"), END]


def test_the_class_is_a_model_made_for_those_who_name_the_provider_in_code() -> None:
    with serving(ANSWER) as server:
        model = streamkit_ollama.OllamaModel("qwen3:8b", base_url=server.url, keep_alive=0)
        text = "".join(model.generate_response_stream("Why?").text())
    assert text == "Blue"
    assert b'"keep_alive":0' in server.requests[0]
    assert isinstance(model, ProviderModel)
    assert model.ref == "ollama/qwen3:8b"


@pytest.mark.parametrize("ref", ["ollama/qwen3:8b", "ollama:qwen3:8b"])
def test_a_reference_of_both_forms_gives_the_model(ref: str) -> None:
    model = streamkit.get_model(ref, base_url="http://127.0.0.1:1")
    assert isinstance(model.provider, OllamaProvider)
    assert model.name == "qwen3:8b"


def test_a_model_s_name_may_hold_what_separates_it_elsewhere() -> None:
    model = streamkit.get_model("ollama/hf.co/name/model:Q4_K_M", base_url="http://127.0.0.1:1")
    assert model.name == "hf.co/name/model:Q4_K_M"


def test_the_environment_says_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(ANSWER) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url.removeprefix("http://") + "/")
        assert streamkit.get_model("ollama/qwen3:8b").generate_sync("Why?").text == "Blue"


def test_the_server_is_asked_for_its_models_and_for_one_of_them() -> None:
    listed = b'{"models":[{"name":"qwen3:8b","size":5}]}'
    shown = b'{"capabilities":["completion","tools"],"model_info":{}}'
    missing = chunk(b'{"error":"model \'other\' not found"}')
    scripts = [[head(200, "application/json"), chunk(body), END] for body in (listed, shown)]
    with serving(*scripts, [head(404, "application/json"), missing, END]) as server:
        (model,) = list_models_sync("ollama", base_url=server.url)
        told = show_model_sync("ollama/qwen3:8b", base_url=server.url)
        with pytest.raises(ProviderError, match="model 'other' not found"):
            show_model_sync("ollama/other", base_url=server.url)
    assert (model.id, model.metadata["size"]) == ("qwen3:8b", 5)
    assert told.capabilities is not None
    assert told.capabilities.tools == "yes"
    asked = [request.partition(b" HTTP")[0] for request in server.requests]
    assert asked == [b"GET /api/tags", b"POST /api/show", b"POST /api/show"]


def test_a_name_that_the_package_does_not_have_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="OllamaModle"):
        streamkit_ollama.OllamaModle  # noqa: B018  # looking it up is the test
