from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from streamkit.config_file import Config, load_config
from streamkit.errors import ConfigurationError
from streamkit.plugin import CompatSpec, hookimpl
from streamkit.registry.discovery import (
    CONFIG_FILE,
    PLUGINS,
    PROVIDERS,
    Registry,
    default_registry,
)
from streamkit.registry.records import PluginRecord
from tests.registry.plugins import Acme, Plugins, spec

ACME = {"kind": "openai-compatible", "base_url": "https://api.acme.example/v1"}


def record_named(registry: Registry, name: str, group: str = PROVIDERS) -> list[PluginRecord]:
    return [each for each in registry.records() if (each.name, each.group) == (name, group)]


# List.


def test_names_are_listed_without_importing_anything() -> None:
    points = [EntryPoint("zeta", "no.such.module", PROVIDERS), EntryPoint("beta", "x", PROVIDERS)]
    assert Registry(points, [], Config).names() == ["beta", "zeta"]


def test_the_default_registry_holds_what_is_installed() -> None:
    assert {"echo", "local", "openai"} <= set(default_registry().names())
    assert default_registry() is default_registry()


def test_servers_of_the_config_file_are_listed_beside_the_installed_ones(plugins: Plugins) -> None:
    plugins.point("openai", "x")
    plugins.config = Config(
        path=Path("c.toml"), providers={"acme": ACME, "openai": {"base_url": "https://a.example"}}
    )
    assert plugins.registry().names() == ["acme", "openai"]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("owners", "winner"),
    [
        (("aaa-fake", "streamkit-acme"), "streamkit-acme"),
        (("AAA-fake", "Streamkit_Acme"), "Streamkit_Acme"),
        (("streamkit-acme-fork", "another-acme"), "another-acme"),
    ],
)
def test_a_name_belongs_to_the_distribution_called_after_it_and_else_to_the_first_in_the_alphabet(
    plugins: Plugins, owners: tuple[str, ...], winner: str, order: int
) -> None:
    for owner in owners[::order]:
        module = f"plugin_{owner.lower().replace('-', '_')}"
        plugins.add("acme", [spec("acme", title=owner)], module, owner)
    registry = plugins.registry()
    assert registry.names() == ["acme"]
    assert registry.describe("acme").title == winner
    kept, refused = record_named(registry, "acme")
    (loser,) = set(owners) - {winner}
    assert (kept.distribution, kept.problem) == (winner, None)
    assert (refused.distribution, refused.specs) == (loser, ())
    assert refused.problem == f"the name `acme` is taken by {winner}"
    assert refused.remedy == f"pip uninstall {loser} or pip uninstall {winner}"


def test_without_distributions_a_taken_name_is_told_by_its_module(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme", title="first")], "plugin_one")
    plugins.add("acme", [spec("acme", title="second")], "plugin_two")
    registry = plugins.registry()
    assert registry.describe("acme").title == "first"
    assert [each.problem for each in record_named(registry, "acme")] == [
        None,
        "the name `acme` is taken by plugin_one",
    ]
    assert record_named(registry, "acme")[1].remedy == "remove one of the two"


def test_an_entry_point_that_is_found_twice_is_one(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")])
    plugins.point("acme", "plugin_of_acme")
    assert len(record_named(plugins.registry(), "acme")) == 1


def test_two_distributions_that_bring_the_same_module_are_told(plugins: Plugins) -> None:
    for owner in ["streamkit-acme", "acme-fork"]:
        plugins.add("acme", [spec("acme")], owner=owner)
    kept, refused = record_named(plugins.registry(), "acme")
    assert (kept.distribution, kept.problem) == ("streamkit-acme", None)
    assert refused.problem == "the name `acme` is taken by streamkit-acme"


@pytest.mark.parametrize("name", ["a/b", "a:b", "a b", "", "a\tb", "a\x00b"])
def test_a_name_that_no_reference_could_hold_is_refused(name: str) -> None:
    registry = Registry([EntryPoint(name, "x", PROVIDERS)], [], Config)
    assert registry.names() == []
    (record,) = registry.records()
    assert record.problem == f"{name!r} cannot be a provider's name: no reference could hold it"
    assert record.remedy


# Describe.


def test_a_provider_is_described_by_its_own_manifest(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme", title="Acme")])
    plugins.add("other", [spec("other", title="Other")])
    registry = plugins.registry()
    assert registry.describe("acme").title == "Acme"
    assert registry.describe("other").title == "Other"


def test_a_provider_is_described_once(plugins: Plugins) -> None:
    calls = []

    @hookimpl
    def streamkit_providers() -> object:
        calls.append(1)
        return [spec("acme")]

    plugins.module("plugin_of_acme", streamkit_providers=streamkit_providers)
    plugins.point("acme", "plugin_of_acme")
    registry = plugins.registry()
    assert registry.describe("acme") is registry.describe("acme")
    registry.records()
    assert calls == [1]


@pytest.mark.parametrize("written", ["shared_plugin", "shared_plugin [extra]", " shared_plugin"])
def test_several_names_may_share_a_module(plugins: Plugins, written: str) -> None:
    plugins.add("acme", [spec("acme"), spec("acme-eu")], module="shared_plugin")
    plugins.points.append(EntryPoint("acme-eu", written, PROVIDERS))
    registry = plugins.registry()
    assert registry.describe("acme").name == "acme"
    assert registry.describe("acme-eu").name == "acme-eu"
    assert [each.problem for each in registry.records()] == [None, None]


def test_an_entry_point_may_name_an_object_in_a_module(plugins: Plugins) -> None:
    class Manifest:
        @hookimpl
        def streamkit_providers(self) -> object:
            return [spec("acme")]

    plugins.module("plugin_of_acme", manifest=Manifest())
    plugins.point("acme", "plugin_of_acme:manifest")
    assert plugins.registry().describe("acme").name == "acme"


def test_a_row_of_data_is_described_as_a_provider(plugins: Plugins) -> None:
    row = CompatSpec(name="acme", base_url="https://api.acme.example/v1", key_env="ACME_KEY")
    plugins.add("acme", [row])
    registry = plugins.registry()
    assert registry.describe("acme") == row.as_provider_spec()
    assert registry.load("acme").__name__ == "OpenAICompatibleProvider"


def test_a_provider_that_is_not_installed_is_not_described() -> None:
    registry = Registry([], [], Config)
    assert registry.record("acme") is None
    with pytest.raises(ConfigurationError, match="No provider `acme` is installed"):
        registry.describe("acme")


def test_a_table_of_the_config_file_is_described_like_a_plug_in(plugins: Plugins) -> None:
    plugins.config = Config(path=Path("c.toml"), providers={"acme": {**ACME, "title": "Acme"}})
    registry = plugins.registry()
    assert registry.describe("acme").title == "Acme"
    (record,) = registry.records()
    assert (record.name, record.group, record.module) == ("acme", CONFIG_FILE, "c.toml")
    assert record.problem is None


# Records.


def test_records_tell_of_both_groups_and_where_each_is_from(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")], owner="streamkit-acme")
    plugins.module("house_rules", streamkit_request=hookimpl(lambda request: None))
    plugins.point("rules", "house_rules", PLUGINS, owner="acme-rules")
    provider, plugin = plugins.registry().records()
    assert (provider.name, provider.group, provider.module) == ("acme", PROVIDERS, "plugin_of_acme")
    assert (provider.distribution, provider.version) == ("streamkit-acme", "1.2.0")
    assert provider.specs == (spec("acme"),)
    assert (plugin.name, plugin.group, plugin.module) == ("rules", PLUGINS, "house_rules")
    assert (plugin.owner, plugin.version, plugin.specs) == ("acme-rules", "1.2.0", ())
    assert all(each.import_s >= 0 for each in (provider, plugin))
    assert {provider.problem, plugin.problem} == {None}


def test_a_config_file_that_cannot_be_read_is_a_record_and_hides_no_plug_in(
    plugins: Plugins,
) -> None:
    def unreadable() -> Config:
        raise ConfigurationError("The config file c.toml is no\nvalid TOML.")

    plugins.add("acme", [spec("acme")])
    registry = Registry(plugins.points, [], unreadable)
    assert registry.names() == ["acme"]
    assert registry.describe("acme").name == "acme"
    assert registry.load("acme") is Acme
    plugin, config = registry.records()
    assert plugin.problem is None
    assert (config.group, config.problem) == (
        CONFIG_FILE,
        "The config file c.toml is no valid TOML.",
    )
    assert config.remedy == "mend the file"
    with pytest.raises(ConfigurationError, match="no\nvalid TOML"):
        registry.resolve("acme/large")


def test_a_config_file_that_was_mended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    environment = {"STREAMKIT_CONFIG": str(path)}
    registry = Registry([], [], lambda: load_config(environment))
    with pytest.raises(ConfigurationError):
        registry.config()
    path.write_text("")
    assert registry.config() is registry.config()


@pytest.mark.parametrize(
    ("name", "table", "problem", "remedy"),
    [
        (
            "acme",
            ACME,
            "the name `acme` is taken by the plug-in streamkit-acme",
            "give [providers.acme] another name, or leave out its `kind`",
        ),
        (
            "Acme",
            {"base_url": "https://a.example"},
            "[providers.Acme] gives settings to a provider that is not installed",
            "write [providers.acme], if that is meant",
        ),
        (
            "zzz",
            {},
            "[providers.zzz] gives settings to a provider that is not installed",
            'install it, or add kind = "openai-compatible" and its base_url',
        ),
        (
            "openai",
            {"base_url": "https://a.example"},
            "[providers.openai] gives settings to a provider that is not installed",
            (
                'pip install "streamkit-llm[openai]", or add kind = "openai-compatible" and its '
                "base_url"
            ),
        ),
        (
            "odd",
            {"kind": "soap"},
            '[providers.odd] has an unknown `kind`; the one that there is is "openai-compatible".',
            "mend c.toml",
        ),
        (
            "a/b",
            ACME,
            "'a/b' cannot be a provider's name: no reference could hold it.",
            "mend c.toml",
        ),
    ],
)
def test_a_table_that_cannot_count_is_told_with_what_mends_it(
    plugins: Plugins, name: str, table: dict[str, str], problem: str, remedy: str
) -> None:
    plugins.add("acme", [spec("acme")], owner="streamkit-acme")
    plugins.config = Config(path=Path("c.toml"), providers={name: table})
    registry = plugins.registry()
    (record,) = record_named(registry, name, CONFIG_FILE)
    assert (record.problem, record.remedy) == (problem, remedy)
    assert record.specs == ()
    assert registry.describe("acme") == spec("acme")


def test_a_table_of_settings_for_an_installed_provider_is_no_record_of_its_own(
    plugins: Plugins,
) -> None:
    plugins.add("acme", [spec("acme")])
    plugins.config = Config(path=Path("c.toml"), providers={"acme": {"api_key": "k"}})
    assert [each.group for each in plugins.registry().records()] == [PROVIDERS]


def test_a_broken_table_is_told_with_its_place_when_it_is_asked_for(plugins: Plugins) -> None:
    plugins.config = Config(path=Path("c.toml"), providers={"odd": {**ACME, "titles": "x"}})
    says = (
        r"The table \[providers.odd\] of c.toml does not work: \[providers.odd\] has `titles`, "
        r"which means nothing here. Did you mean `title`\? To mend it: mend c.toml. "
    )
    with pytest.raises(ConfigurationError, match=says):
        plugins.registry().describe("odd")


# Load.


def test_the_class_is_imported_when_it_is_asked_for(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")])
    assert plugins.registry().load("acme") is Acme


@pytest.mark.parametrize("factory", ["no_such_module:Acme", "plugin_of_acme:Gone"])
def test_a_factory_that_leads_nowhere_is_a_broken_plugin(plugins: Plugins, factory: str) -> None:
    plugins.add("acme", [spec("acme", factory=factory)])
    registry = plugins.registry()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"plug-in of `acme` .* does not work: \w+Err"):
            registry.load("acme")


def test_a_provider_without_a_plug_in_can_be_told_of_as_well() -> None:
    error = Registry([], [], Config).broken("acme", TypeError("acme:Acme makes no provider"))
    assert "The plug-in of `acme` (acme) does not work: TypeError: acme:Acme makes no" in str(error)
