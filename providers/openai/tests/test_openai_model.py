"""`OpenAIModel`: a model of OpenAI without the search for installed providers."""

import json

import pytest

from streamkit.errors import ConfigurationError
from streamkit_openai import OpenAIModel
from streamkit_openai.provider import OpenAIProvider
from tests.loopback import END, chunk, head, serving

CANARY = "sk-canary-0123456789"


def test_the_model_is_found_on_the_package() -> None:
    assert OpenAIModel.provider_class is OpenAIProvider
    assert OpenAIModel("gpt-5", api_key=CANARY).ref == "openai/gpt-5"


def test_a_model_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        OpenAIModel("gpt-5")


@pytest.mark.anyio
async def test_the_model_streams_an_answer() -> None:
    choice = {"index": 0, "delta": {"content": "Hi."}, "finish_reason": "stop"}
    body = f"data: {json.dumps({'id': 'chatcmpl-1', 'choices': [choice]})}\n\ndata: [DONE]\n\n"
    with serving([head(), chunk(body.encode()), END]) as server:
        model = OpenAIModel("gpt-5", api_key=CANARY, base_url=f"{server.url}/v1")
        async with model.generate_response_stream("Hello") as stream:
            kinds = [chunk.type async for chunk in stream]
    assert kinds == ["start", "content", "end"]
    assert stream.response.text == "Hi."
