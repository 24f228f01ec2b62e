import sys
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pytest

from streamkit.config_file import Config
from streamkit.errors import ConfigurationError
from streamkit.plugin import API_VERSION, ProviderSpec, hookimpl
from streamkit.registry.discovery import PROVIDERS as GROUP
from streamkit.registry.discovery import Registry, default_registry


class Acme:
    """A provider's class, as far as the registry cares."""


class Plugins:
    """Manifests in modules of their own, as installed distributions would have them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._points: list[EntryPoint] = []

    def module(self, name: str, **contents: Any) -> ModuleType:
        module = ModuleType(name)
        vars(module).update(contents)
        self._monkeypatch.setitem(sys.modules, name, module)
        return module

    def point(self, name: str, value: str) -> None:
        self._points.append(EntryPoint(name=name, value=value, group=GROUP))

    def add(self, name: str, specs: Any, module: str | None = None) -> None:
        """Installs a plug-in whose hook gives `specs`, or raises it."""

        @hookimpl
        def streamkit_providers() -> Any:
            if isinstance(specs, Exception):
                raise specs
            return specs

        value = module or f"plugin_of_{name}"
        self.module(value, streamkit_providers=streamkit_providers, Acme=Acme)
        self.point(name, value)

    def registry(self) -> Registry:
        return Registry(self._points, [], Config)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    return Plugins(monkeypatch)


def spec(name: str, **fields: Any) -> ProviderSpec:
    return ProviderSpec(
        **{"name": name, "api_version": API_VERSION, "factory": f"plugin_of_{name}:Acme", **fields}
    )


# List.


def test_names_are_listed_without_importing_anything() -> None:
    registry = Registry(
        [EntryPoint("zeta", "no.such.module", GROUP), EntryPoint("beta", "x", GROUP)], [], Config
    )
    assert registry.names() == ["beta", "zeta"]


def test_the_default_registry_holds_what_is_installed() -> None:
    assert {"echo", "local", "openai"} <= set(default_registry().names())
    assert default_registry() is default_registry()


def test_the_first_of_two_entry_points_with_one_name_counts(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme", title="first")], module="plugin_one")
    plugins.add("acme", [spec("acme", title="second")], module="plugin_two")
    assert plugins.registry().describe("acme").title == "first"


# References.


@pytest.mark.parametrize(
    ("ref", "parts"),
    [
        ("acme/large", ("acme", "large")),
        ("acme:large", ("acme", "large")),
        ("acme/library/large:8b", ("acme", "library/large:8b")),
        ("acme:library/large:8b", ("acme", "library/large:8b")),
        ("acme/ft:large:me", ("acme", "ft:large:me")),
    ],
)
def test_a_reference_is_split_at_its_first_separator(ref: str, parts: tuple[str, str]) -> None:
    assert Registry([EntryPoint("acme", "x", GROUP)], [], Config).resolve(ref) == parts


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("", "Write the model as provider/model"),
        ("  ", "Write the model as provider/model"),
        (None, "Write the model as provider/model"),
        (5, "Write the model as provider/model"),
        ("acme", "names no model. Write provider/model; installed providers: acme"),
        ("large", "names no model. Write provider/model; installed providers: acme"),
        ("acme/", "names no model"),
        ("acme: ", "names no model"),
        ("acne/large", "No provider `acne` is installed. Did you mean `acme`?"),
        ("other/large", r"Installed: acme\. Install its plug-in: .* streamkit-other"),
        ("/large", "No provider `` is installed"),
    ],
)
def test_what_is_no_reference_is_refused_with_what_to_write(ref: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Registry([EntryPoint("acme", "x", GROUP)], [], Config).resolve(ref)


def test_an_empty_environment_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"Installed: none\."):
        Registry([], [], Config).resolve("acme/large")


# Describe.


def test_a_provider_is_described_by_its_own_manifest(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme", title="Acme")])
    plugins.add("other", [spec("other", title="Other")])
    registry = plugins.registry()
    assert registry.describe("acme").title == "Acme"
    assert registry.describe("other").title == "Other"


def test_a_provider_is_described_once(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")])
    registry = plugins.registry()
    assert registry.describe("acme") is registry.describe("acme")


def test_several_names_may_share_a_module(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme"), spec("acme-eu")], module="shared_plugin")
    plugins.point("acme-eu", "shared_plugin")
    registry = plugins.registry()
    assert registry.describe("acme").name == "acme"
    assert registry.describe("acme-eu").name == "acme-eu"


def test_a_provider_that_is_not_installed_is_not_described() -> None:
    with pytest.raises(ConfigurationError, match="No provider `acme` is installed"):
        Registry([], [], Config).describe("acme")


def install_broken(plugins: Plugins, how: str) -> None:
    match how:
        case "missing module":
            plugins.point("bad", "no_such_module_of_a_plugin")
        case "raising hook":
            plugins.add("bad", RuntimeError("no luck"))
        case "no list":
            plugins.add("bad", 5)
        case "wrong type":
            plugins.add("bad", [{"name": "bad"}])
        case "wrong signature":

            @hookimpl
            def streamkit_providers(invented: str) -> list[ProviderSpec]:
                return [spec("bad")]

            plugins.module("plugin_of_bad", streamkit_providers=streamkit_providers)
            plugins.point("bad", "plugin_of_bad")


BROKEN = {
    "missing module": "ModuleNotFoundError",
    "raising hook": "RuntimeError: no luck",
    "no list": "TypeError",
    "wrong type": "TypeError: its hook gave dict instead of ProviderSpec",
    "wrong signature": "PluginValidationError",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_says_why_each_time_it_is_asked_for(plugins: Plugins, how: str) -> None:
    install_broken(plugins, how)
    registry = plugins.registry()
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=f"plug-in of `bad` .* is broken: {BROKEN[how]}"
        ):
            registry.describe("bad")


@pytest.mark.parametrize("how", BROKEN)
def test_one_broken_plugin_breaks_no_other(plugins: Plugins, how: str) -> None:
    install_broken(plugins, how)
    plugins.add("acme", [spec("acme")])
    registry = plugins.registry()
    with pytest.raises(ConfigurationError):
        registry.describe("bad")
    assert registry.describe("acme").name == "acme"
    assert registry.load("acme") is Acme
    assert registry.names() == ["acme", "bad"]


def test_a_broken_plugin_is_called_by_its_distribution(plugins: Plugins) -> None:
    plugins.add("echo", RuntimeError("no luck"), module="streamkit_echo")
    installed = [each for each in entry_points(group=GROUP) if each.name == "echo"]
    with pytest.raises(ConfigurationError, match=r"of `echo` \(streamkit-echo\) is broken"):
        Registry(installed).describe("echo")


def test_a_manifest_that_does_not_describe_its_name_is_refused(plugins: Plugins) -> None:
    plugins.add("acme", [spec("other")])
    with pytest.raises(ConfigurationError, match="plugin_of_acme describes no provider `acme`"):
        plugins.registry().describe("acme")


def test_a_manifest_without_a_hook_describes_nothing(plugins: Plugins) -> None:
    plugins.module("plugin_of_acme")
    plugins.point("acme", "plugin_of_acme")
    with pytest.raises(ConfigurationError, match="describes no provider `acme`"):
        plugins.registry().describe("acme")


@pytest.mark.parametrize(
    ("distribution", "command"),
    [
        ("streamkit-acme", "pip install --upgrade streamkit-llm streamkit-acme"),
        (None, "pip install --upgrade streamkit-llm"),
    ],
)
def test_another_version_of_the_contract_is_refused_with_the_command_that_mends_it(
    plugins: Plugins, distribution: str | None, command: str
) -> None:
    plugins.add("acme", [spec("acme", api_version=API_VERSION + 1, distribution=distribution)])
    with pytest.raises(ConfigurationError, match=f"{command}$"):
        plugins.registry().describe("acme")


# Load.


def test_the_class_is_imported_when_it_is_asked_for(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")])
    assert plugins.registry().load("acme") is Acme


@pytest.mark.parametrize(
    "factory", ["no_such_module:Acme", "plugin_of_acme:Gone", "plugin_of_acme"]
)
def test_a_factory_that_leads_nowhere_is_a_broken_plugin(plugins: Plugins, factory: str) -> None:
    plugins.add("acme", [spec("acme", factory=factory)])
    with pytest.raises(ConfigurationError, match=r"plug-in of `acme` .* is broken"):
        plugins.registry().load("acme")
