from collections.abc import Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from streamkit.config_file import Config
from streamkit.errors import ConfigurationError
from streamkit.plugin import ProviderSpec
from streamkit.registry import records, references
from streamkit.registry.discovery import PROVIDERS, Registry
from tests.registry.plugins import Plugins, spec


def registry_of(*names: str, **aliases: str) -> Registry:
    points = [EntryPoint(name, "no.such.module", PROVIDERS) for name in names]
    return Registry(points, [], lambda: Config(path=Path("c.toml"), aliases=aliases))


# Canonical references.


@pytest.mark.parametrize(
    ("ref", "parts"),
    [
        ("acme/large", ("acme", "large")),
        ("acme:large", ("acme", "large")),
        ("acme/library/large:8b", ("acme", "library/large:8b")),
        ("acme:library/large:8b", ("acme", "library/large:8b")),
        ("acme/ft:large:me", ("acme", "ft:large:me")),
        ("acme//large", ("acme", "/large")),
        ("openai:gpt-4o", ("openai", "gpt-4o")),
        ("ollama/hf.co/org/model:Q4_K_M", ("ollama", "hf.co/org/model:Q4_K_M")),
        ("ollama:qwen3:1.7b", ("ollama", "qwen3:1.7b")),
    ],
)
def test_a_reference_is_split_at_its_first_separator(ref: str, parts: tuple[str, str]) -> None:
    assert registry_of("acme", "openai", "ollama").resolve(ref) == parts


def test_a_canonical_reference_asks_no_plug_in(plugins: Plugins) -> None:
    def streamkit_resolve_model(ref: str) -> str:
        raise AssertionError(ref)

    plugins.add("acme", [spec("acme")])
    plugins.add_hooks("aliases", streamkit_resolve_model)
    plugins.config = Config(path=Path("c.toml"), aliases={"acme/large": "acme/small"})
    registry = plugins.registry()
    assert registry.resolve("acme/large") == ("acme", "large")
    assert registry.hooks.faults() == {}


# Aliases.


def test_an_alias_of_the_config_file_stands_for_a_model() -> None:
    registry = registry_of("acme", fast="acme/small:1b", **{"house/best": "acme:large"})
    assert registry.resolve("fast") == ("acme", "small:1b")
    assert registry.resolve("house/best") == ("acme", "large")


def test_a_provider_s_name_alone_may_be_an_alias() -> None:
    assert registry_of("acme", acme="acme/large").resolve("acme") == ("acme", "large")


def test_a_plug_in_may_know_aliases_and_sees_which_providers_there_are(plugins: Plugins) -> None:
    seen: dict[str, ProviderSpec] = {}

    def streamkit_resolve_model(ref: str, providers: Mapping[str, ProviderSpec]) -> str | None:
        seen.update(providers)
        assert len(providers) == len(seen)
        assert "bad" not in providers
        assert "gone" not in providers
        return "acme/large" if ref == "best" else None

    plugins.add("acme", [spec("acme")])
    plugins.point("bad", "no_such_module_of_a_plugin")
    plugins.add_hooks("aliases", streamkit_resolve_model)
    registry = plugins.registry()
    assert registry.resolve("best") == ("acme", "large")
    assert seen == {"acme": spec("acme")}
    with pytest.raises(ConfigurationError, match="'worst' names no model"):
        registry.resolve("worst")
    assert registry.hooks.faults() == {}


def test_the_users_own_alias_stands_over_a_plug_ins(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")])
    plugins.add_hooks("aliases", streamkit_resolve_model)
    plugins.config = Config(path=Path("c.toml"), aliases={"best": "acme/mine"})
    assert plugins.registry().resolve("best") == ("acme", "mine")


def streamkit_resolve_model(ref: str) -> str:
    return "gone/large"


@pytest.mark.parametrize("meant", ["gone/large", "large", "fast", "acme"])
def test_an_alias_that_means_no_model_is_told_with_what_it_means(meant: str) -> None:
    says = f"The alias 'fast' means '{meant}', which is no model of an installed provider. "
    with pytest.raises(ConfigurationError, match=says + "Installed: acme"):
        registry_of("acme", fast=meant).resolve("fast")


def test_a_plug_ins_alias_to_an_unknown_provider_is_told(plugins: Plugins) -> None:
    plugins.add_hooks("aliases", streamkit_resolve_model)
    with pytest.raises(ConfigurationError, match="The alias 'best' means 'gone/large'"):
        plugins.registry().resolve("best")


# What is no reference.


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("", "Write the model as provider/model"),
        ("  ", "Write the model as provider/model"),
        (None, "Write the model as provider/model"),
        (5, "Write the model as provider/model"),
        ("acme", "'acme' names no model: it is a provider. Write acme/MODEL."),
        ("large", "'large' names no model. Write provider/model. Installed: acme."),
        ("fats", "'fats' names no model. Write provider/model. Did you mean `fast`? Installed: "),
        ("acne", "'acne' names no model. Write provider/model. Did you mean `acme`? Installed: "),
        ("acmes", "'acmes' names no model. Write provider/model. Did you mean `acme`? Installed"),
        ("/large", "'/large' names no model. Write provider/model. Installed: acme."),
        ("acme/", "'acme/' names no model. Write provider/model. Installed: acme."),
        ("acme: ", "'acme: ' names no model. Write provider/model. Installed: acme."),
        ("acne/large", "No provider `acne` is installed. Did you mean `acme`? Installed: acme."),
        ("ACME/large", "No provider `ACME` is installed. Did you mean `acme`? Installed: acme."),
        ("qwen3:1.7b", "No provider `qwen3` is installed. Installed: acme. Install its plug-in "),
        ("hf.co/org/model", "No provider `hf.co` is installed. Installed: acme. Install its "),
    ],
)
def test_what_is_no_reference_is_refused_with_what_to_write(ref: Any, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry_of("acme", fast="acme/small").resolve(ref)
    assert str(caught.value).startswith(says)


def test_an_unknown_provider_may_be_described_in_the_config_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    says = f"describe it in {tmp_path}/streamkit/config.toml: \\[providers.NAME\\] with kind = "
    with pytest.raises(ConfigurationError, match=says):
        registry_of().resolve("zzz/large")


def test_an_empty_environment_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"Installed: none\."):
        registry_of().resolve("zzz/large")


# First-party providers.


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        (
            "ollama/qwen3",
            (
                "No provider `ollama` is installed. To install `ollama`: "
                'pip install "streamkit-llm[ollama]". Installed: openai.'
            ),
        ),
        (
            "Olama/qwen3",
            (
                "No provider `Olama` is installed. Did you mean `ollama`? To install `ollama`: "
                'pip install "streamkit-llm[ollama]". Installed: openai.'
            ),
        ),
        (
            "opnai/gpt",
            "No provider `opnai` is installed. Did you mean `openai`? Installed: openai.",
        ),
    ],
)
def test_a_provider_of_streamkits_own_is_offered_with_the_line_that_installs_it(
    ref: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {name: f'pip install "streamkit-llm[{name}]"' for name in ("ollama", "openai")}
    monkeypatch.setattr(references, "first_party", lambda: own)
    with pytest.raises(ConfigurationError) as caught:
        registry_of("openai").resolve(ref)
    assert str(caught.value) == says


def test_the_extras_of_the_distribution_say_which_providers_are_streamkits_own() -> None:
    assert {"echo", "local", "openai"} <= set(records.first_party())
    assert records.first_party()["openai"] == 'pip install "streamkit-llm[openai]"'


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["streamkit-acme; extra == 'acme'", "streamkit-acme; extra == 'all'"], ["acme"]),
        (['streamkit-acme<2,>=1; python_version >= "3.11" and extra == "acme"'], ["acme"]),
        (["streamkit-conformance; extra == 'conformance'", "httpx>=0.28"], []),
        (["streamkit-acme-eu; extra == 'acme'", "rich; extra == 'rich'"], []),
        (None, []),
    ],
)
def test_only_an_extra_that_is_called_after_its_provider_counts(
    monkeypatch: pytest.MonkeyPatch, lines: list[str] | None, names: list[str]
) -> None:
    monkeypatch.setattr(records, "requires", lambda name: lines)
    assert list(records.first_party.__wrapped__()) == names


def test_without_metadata_of_streamkit_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(records, "requires", none)
    assert records.first_party.__wrapped__() == {}
