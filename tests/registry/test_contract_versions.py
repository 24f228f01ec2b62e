from typing import Any

import pytest

import streamkit
from streamkit.errors import ConfigurationError
from streamkit.plugin import API_VERSION, CompatSpec, ProviderSpec, hookimpl
from streamkit.provider import StreamProvider
from streamkit.registry.adapters import adapted
from streamkit.registry.discovery import Registry
from tests.hooked import use
from tests.registry import plugin_of_version_0 as old
from tests.registry.plugins import Acme, Plugins, spec


@pytest.fixture
def registry(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with the plug-in of version 0, which `get_model` uses."""
    plugins.point("old", old.__name__)
    registry = plugins.registry()
    use(monkeypatch, registry)
    monkeypatch.setattr(old, "PREPARED", [])
    return registry


def test_a_plug_in_of_the_version_before_streams_in_synchronous_code(registry: Registry) -> None:
    model = streamkit.get_model("old/any")
    assert model.generate_sync("Hi").text == "as ever"
    assert [type(each).__name__ for each in old.PREPARED] == ["OldProvider"]


@pytest.mark.anyio
async def test_a_plug_in_of_the_version_before_streams_on_every_event_loop(
    registry: Registry,
) -> None:
    model = streamkit.get_model("old/any")
    assert (await model.generate("Hi")).text == "as ever"
    assert len(old.PREPARED) == 1


def test_an_adapted_class_is_told_the_request_and_keeps_its_name(registry: Registry) -> None:
    made = registry.load("old")
    assert issubclass(made, old.OldProvider)
    assert (made.__name__, made.__module__) == ("OldProvider", old.__name__)
    assert registry.describe("old").api_version == 0
    assert registry.records()[0].problem is None


def test_what_needs_no_adapting_is_taken_as_it_is() -> None:
    assert adapted(Acme, API_VERSION) is Acme
    assert adapted(Acme, 0) is Acme
    assert adapted(StreamProvider, 0) is StreamProvider


def test_a_row_of_the_version_before_works(plugins: Plugins) -> None:
    plugins.add("acme", [CompatSpec(name="acme", base_url="https://a.example", api_version=0)])
    assert plugins.registry().load("acme").__name__ == "OpenAICompatibleProvider"


@pytest.mark.parametrize(
    ("version", "says", "remedy"),
    [
        (
            API_VERSION + 1,
            (
                f"it is written for version {API_VERSION + 1} of the plug-in contract, and this "
                f"streamkit works with {API_VERSION - 1} and {API_VERSION}"
            ),
            "pip install --upgrade streamkit-llm",
        ),
        (
            API_VERSION - 2,
            (
                f"it is written for version {API_VERSION - 2} of the plug-in contract, and this "
                f"streamkit works with {API_VERSION - 1} and {API_VERSION}"
            ),
            "pip install --upgrade streamkit-acme",
        ),
        (
            True,
            "its api_version is True (bool), and must be a whole number such as 1",
            "tell the author of streamkit-acme",
        ),
        (
            "1",
            "its api_version is '1' (str), and must be a whole number such as 1",
            "tell the author of streamkit-acme",
        ),
        (
            1.0,
            "its api_version is 1.0 (float), and must be a whole number such as 1",
            "tell the author of streamkit-acme",
        ),
        (
            None,
            "its api_version is None (NoneType), and must be a whole number such as 1",
            "tell the author of streamkit-acme",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["ProviderSpec", "CompatSpec"])
def test_another_version_is_refused_with_what_mends_it(
    plugins: Plugins, kind: str, version: Any, says: str, remedy: str
) -> None:
    row = CompatSpec(name="acme", base_url="https://a.example", api_version=version)
    made = spec("acme", api_version=version) if kind == "ProviderSpec" else row
    plugins.add("acme", [made], owner="streamkit-acme")
    plugins.add("other", [spec("other")])
    registry = plugins.registry()
    with pytest.raises(ConfigurationError) as caught:
        registry.describe("acme")
    assert f"(streamkit-acme) does not work: {says}. To mend it: {remedy}." in str(caught.value)
    acme, other = registry.records()
    assert (acme.problem, acme.remedy, acme.specs) == (says, remedy, ())
    assert other.problem is None


def test_a_missing_version_is_said_to_be_missing(plugins: Plugins) -> None:
    @hookimpl
    def streamkit_providers() -> object:
        return [ProviderSpec(name="acme", factory="a:A")]  # type: ignore[call-arg]  # the fault

    plugins.module("plugin_of_acme", streamkit_providers=streamkit_providers)
    plugins.point("acme", "plugin_of_acme")
    (record,) = plugins.registry().records()
    assert record.problem is not None
    assert "missing 1 required keyword-only argument: 'api_version'" in record.problem
