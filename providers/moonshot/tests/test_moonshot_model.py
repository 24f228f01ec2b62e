"""`MoonshotModel`: a model of Moonshot without the search for installed providers."""

import json

import pytest

from streamkit.errors import ConfigurationError
from streamkit_moonshot import MoonshotModel
from streamkit_moonshot.provider import MoonshotProvider
from tests.loopback import END, chunk, head, serving

CANARY = "sk-canary-0123456789"


def test_the_model_is_found_on_the_package() -> None:
    assert MoonshotModel.provider_class is MoonshotProvider
    assert MoonshotModel("kimi-k2.6", api_key=CANARY).ref == "moonshot/kimi-k2.6"


def test_the_region_is_an_option_of_the_model() -> None:
    provider = MoonshotModel("kimi-k2.6", api_key=CANARY, region="cn").provider
    assert isinstance(provider, MoonshotProvider)
    assert provider.base_url == "https://api.moonshot.cn/v1"


def test_a_model_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOONSHOT_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="MOONSHOT_API_KEY"):
        MoonshotModel("kimi-k2.6")


@pytest.mark.anyio
async def test_the_model_streams_an_answer() -> None:
    choice = {"index": 0, "delta": {"content": "Hi."}, "finish_reason": "stop"}
    body = f"data: {json.dumps({'id': 'chatcmpl-1', 'choices': [choice]})}\n\ndata: [DONE]\n\n"
    with serving([head(), chunk(body.encode()), END]) as server:
        model = MoonshotModel("kimi-k3", api_key=CANARY, base_url=f"{server.url}/v1")
        async with model.generate_response_stream("Hello") as stream:
            kinds = [chunk.type async for chunk in stream]
    assert kinds == ["start", "content", "end"]
    assert stream.response.text == "Hi."
