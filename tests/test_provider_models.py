"""`OpenAIModel` and its like: a model whose provider stands in code, the same as by `get_model`."""

import importlib
import json
from pathlib import Path
from typing import Any, ClassVar, Final, assert_type

import pytest

import streamkit
from streamkit.chunks import StreamChunk
from streamkit.config_file import load_config
from streamkit.errors import ConfigurationError
from streamkit.model import Model, ProviderModel
from streamkit.plugin import EnvVar, ProviderSpec
from streamkit.provider import HTTPProvider
from streamkit.registry.discovery import default_registry
from streamkit.settings import Timeouts
from streamkit.stream import ChunkStream
from streamkit.telemetry import StreamSummary
from streamkit.transport.clients import Network
from streamkit_moonshot import MoonshotModel
from streamkit_ollama import OllamaModel
from streamkit_openai import OpenAIModel
from tests.bad_input import END as FINISHED
from tests.bad_input import KEY, every_way, read, said
from tests.closing import TextProvider
from tests.hooked import registry_of, use
from tests.loopback import END, chunk, head, serving
from tests.registry.plugins import Plugins
from tests.test_public_api import loaded_after, roots

CLASSES: Final = {"openai": "OpenAIModel", "moonshot": "MoonshotModel", "ollama": "OllamaModel"}
every_provider = pytest.mark.parametrize("name", CLASSES)


def _line(text: str, **fields: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    return json.dumps({"model": "m", "message": message, "done": False, **fields}).encode() + b"\n"


EVENTS = (head(), chunk(said("one") + said("two") + FINISHED), END)
LINES = (
    head(200, "application/x-ndjson"),
    chunk(_line("one") + _line("two") + _line("", done=True, done_reason="stop")),
    END,
)
ANSWERS: Final = {"openai": EVENTS, "moonshot": EVENTS, "ollama": LINES}


def class_of(name: str) -> Any:
    """The class that the provider's package offers."""
    return getattr(importlib.import_module(f"streamkit_{name}"), CLASSES[name])


class Streaming:
    """A model whose streams are made by `generate_response_stream()`."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def stream(self, text: str) -> ChunkStream:
        return self._model.generate_response_stream(text, system="Be brief.", max_tokens=5)


def as_told(chunks: list[StreamChunk]) -> list[dict[str, Any]]:
    """Chunks without what differs from one stream to the next."""
    told = [chunk.model_dump(exclude={"stream_id", "elapsed_ms", "ttfc_ms"}) for chunk in chunks]
    for each in told:
        for attempt in each.get("attempts", ()):
            del attempt["duration_ms"]
    return told


@every_way
@every_provider
def test_it_streams_what_get_model_streams(way: str, name: str) -> None:
    with serving(ANSWERS[name]) as server:
        options: dict[str, Any] = {"base_url": server.url, "api_key": KEY, "defaults": {"seed": 7}}
        by_class = class_of(name)("m", **options)
        by_name = streamkit.get_model(f"{name}/m", **options)
        streamed = [as_told(read(way, Streaming(each))) for each in (by_class, by_name)]  # type: ignore[arg-type]
        requests = [request.partition(b"\r\nhost")[0] for request in server.requests]
        bodies = [json.loads(each.partition(b"\r\n\r\n")[2]) for each in server.requests]
    assert streamed[0] == streamed[1]
    assert [each["type"] for each in streamed[0]][:3] == ["start", "content", "content"]
    assert "".join(each.get("content", "") for each in streamed[0]) == "onetwo"
    assert requests[0] == requests[1]
    assert bodies[0] == bodies[1]


@every_provider
def test_it_is_what_get_model_makes(name: str) -> None:
    by_class = class_of(name)("m", api_key=KEY)
    by_name = streamkit.get_model(f"{name}/m", api_key=KEY)
    assert isinstance(by_class, ProviderModel)
    assert isinstance(by_class, Model)
    assert by_class.ref == by_name.ref == f"{name}/m"
    assert by_class.capabilities == by_name.capabilities
    assert type(by_class.provider) is type(by_name.provider)
    assert by_class.provider.spec == default_registry().describe(name)
    assert by_class.provider.settings == by_name.provider.settings
    assert KEY not in repr(by_class) + repr(by_class.provider)


@every_provider
def test_the_package_alone_brings_no_model_and_nothing_heavy(name: str) -> None:
    loaded = loaded_after(f"import streamkit_{name}")
    assert not {"httpx", "pydantic", "pydantic_core", "anyio", "asyncio"} & roots(loaded)
    assert f"streamkit_{name}.model" not in loaded


@every_provider
def test_the_class_is_found_by_every_way_of_importing_it(name: str) -> None:
    package = importlib.import_module(f"streamkit_{name}")
    module = importlib.import_module(f"streamkit_{name}.model")
    assert getattr(module, CLASSES[name]) is class_of(name)
    assert CLASSES[name] in package.__all__
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = package.Nothing


def test_type_checkers_know_it() -> None:
    models = OpenAIModel("m", api_key=KEY), MoonshotModel("m", api_key=KEY), OllamaModel("m")
    assert_type(models, tuple[OpenAIModel, MoonshotModel, OllamaModel])
    for model in models:
        assert_type(model.generate_response_stream("hi"), ChunkStream)
        assert_type(model.ref, str)


# What is wrong with it is told when it is made.

WRONG: Final[dict[str, tuple[tuple[Any, ...], dict[str, Any], str]]] = {
    "no name": (("",), {}, "name is empty"),
    "a blank name": ((" ",), {}, "name is empty"),
    "None for a name": ((None,), {}, "name is empty"),
    "a number for a name": ((5,), {}, "`name` must be str"),
    "an empty key": (("m",), {"api_key": ""}, "key"),
    "a key with a line break": (("m",), {"api_key": "a\n"}, "line break"),
    "no address": (("m",), {"base_url": "nowhere"}, "must start with http"),
    "no client": (("m",), {"http_client": object()}, "httpx's shape"),
    "no network": (("m",), {"network": "proxy"}, "`network` must be Network"),
    "two ways": (("m",), {"http_client": object(), "network": Network()}, "Give either"),
    "no timeouts": (("m",), {"timeouts": 5}, "`timeouts` must be Timeouts"),
    "no defaults": (("m",), {"defaults": 5}, "`defaults` must be Mapping"),
    "a setting that there is not": (("m",), {"nonsense": 1}, "has no setting 'nonsense'"),
}


@every_provider
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_argument_is_refused(name: str, what: str) -> None:
    arguments, options, says = WRONG[what]
    with pytest.raises(ConfigurationError, match=says):
        class_of(name)(*arguments, **{"api_key": KEY, **options})


@pytest.mark.parametrize("name", ["openai", "moonshot"])
def test_a_missing_key_is_refused_with_the_variable_that_gives_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"{name.upper()}_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=f"{name.upper()}_API_KEY"):
        class_of(name)("m")


def test_its_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", KEY)
    monkeypatch.setenv("OLLAMA_HOST", "example.test:9000")
    assert class_of("moonshot")("m").provider.settings.reveal_key() == KEY
    assert class_of("ollama")("m").provider.settings.base_url == "http://example.test:9000"


def test_a_providers_own_settings_are_taken() -> None:
    model = class_of("moonshot")("m", api_key=KEY, region="cn")
    assert model.provider.base_url == "https://api.moonshot.cn/v1"
    assert class_of("ollama")("m", keep_alive="10m").provider.settings.options == {
        "keep_alive": "10m"
    }


# A class of one's own.


class TextModel(ProviderModel):
    """A model of a provider that is installed nowhere."""

    spec = ProviderSpec(
        name="text",
        api_version=1,
        factory="tests.closing:TextProvider",
        needs_key=False,
        env=(EnvVar("TEXT_URL", "base_url"),),
    )
    provider_class: ClassVar[type[HTTPProvider]] = TextProvider


def test_a_class_of_ones_own_needs_no_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    assert TextModel.spec.name not in default_registry().names()
    events = b"data: one\n\ndata: FINISH\n\ndata: [DONE]\n\n"
    with serving((head(), chunk(events), END)) as server:
        monkeypatch.setenv("TEXT_URL", server.url)
        model = TextModel("m", timeouts=Timeouts(total=10))
        assert model.generate_sync("hi").text == "one"
    assert model.ref == "text/m"


def test_a_provider_class_that_raises_is_told_as_a_broken_plugin() -> None:
    class Broken(TextProvider):
        def __init__(self, *given: Any) -> None:
            raise KeyError("no luck")

    class BrokenModel(TextModel):
        provider_class = Broken

    with pytest.raises(ConfigurationError, match=r"`text` .* does not work: KeyError"):
        BrokenModel("m")


def test_a_provider_class_that_is_none_is_told_as_a_broken_plugin() -> None:
    class NoneModel(TextModel):
        provider_class = dict  # type: ignore[assignment]

    with pytest.raises(ConfigurationError, match=r"`text` .* does not work"):
        NoneModel("m")


def test_plugins_hold_for_it_as_for_models_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def streamkit_stream_finished(summary: StreamSummary) -> None:
        told.append(summary.outcome)

    use(monkeypatch, registry_of(monkeypatch, streamkit_stream_finished))
    with serving(EVENTS) as server:
        class_of("openai")("m", api_key=KEY, base_url=server.url).generate_sync("hi")
    assert told == ["complete"]


# The config file.


def with_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    """An environment whose config file says this."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    plugins = Plugins(monkeypatch, tmp_path)
    plugins.config = load_config({"STREAMKIT_CONFIG": str(path)})
    plugins.point("openai", "streamkit_openai")
    use(monkeypatch, plugins.registry())
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_its_table_in_the_config_file_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = f'[providers.openai]\nbase_url = "http://proxy.test/v1"\napi_key = "{KEY}"\n'
    with_table(monkeypatch, tmp_path, text)
    for model in (class_of("openai")("m"), streamkit.get_model("openai/m")):
        assert model.provider.settings.base_url == "http://proxy.test/v1"
        assert model.provider.settings.reveal_key() == KEY


def test_the_key_of_a_server_that_claims_its_name_is_not_sent_to_its_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (
        '[providers.openai]\nkind = "openai-compatible"\n'
        f'base_url = "http://mine.test/v1"\napi_key = "{KEY}"\n'
    )
    with_table(monkeypatch, tmp_path, text)
    for make in (class_of("openai"), lambda name: streamkit.get_model(f"openai/{name}")):
        with pytest.raises(ConfigurationError, match="needs an API key"):
            make("m")
