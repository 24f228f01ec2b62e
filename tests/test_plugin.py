from dataclasses import FrozenInstanceError, fields

import pytest

from streamkit import plugin
from streamkit.plugin import (
    Capabilities,
    Capability,
    Command,
    CompatSpec,
    EnvVar,
    ProviderSpec,
    Quirks,
)

YES, NO, UNKNOWN = Capability.YES, Capability.NO, Capability.UNKNOWN


def spec(**models: Capabilities) -> ProviderSpec:
    return ProviderSpec(
        name="acme",
        api_version=1,
        factory="acme.provider:Acme",
        capabilities=Capabilities.of(yes="tools usage running_usage", no="images"),
        model_capabilities=models,
    )


def test_every_capability_is_unknown_until_someone_says() -> None:
    assert {getattr(Capabilities(), each.name) for each in fields(Capabilities)} == {UNKNOWN}


def test_a_list_of_capabilities_is_written_in_words() -> None:
    made = Capabilities.of(yes="tools usage", no="images")
    assert (made.tools, made.usage, made.images, made.logprobs) == (YES, YES, NO, UNKNOWN)


def test_a_word_that_is_no_capability_is_refused() -> None:
    with pytest.raises(TypeError, match="telepathy"):
        Capabilities.of(yes="telepathy")


@pytest.mark.parametrize(
    ("word", "is_refused"), [("images", True), ("tools", False), ("logprobs", False)]
)
def test_only_a_sure_no_is_refused(word: str, is_refused: bool) -> None:
    assert spec().capabilities.is_refused(word) is is_refused


def test_a_model_without_own_answers_has_the_providers() -> None:
    assert spec().capabilities_of("any") == spec().capabilities


def test_a_models_own_answers_stand_over_the_providers() -> None:
    merged = spec(small=Capabilities.of(yes="images", no="tools")).capabilities_of("small")
    assert (merged.images, merged.tools) == (YES, NO)


def test_what_a_model_does_not_say_is_the_providers_answer() -> None:
    merged = spec(small=Capabilities.of(no="tools")).capabilities_of("small")
    assert (merged.usage, merged.running_usage, merged.images) == (YES, YES, NO)
    assert merged.logprobs is UNKNOWN


@pytest.mark.parametrize(
    ("model", "images"),
    [
        ("kimi-k2", YES),
        ("kimi-k2-turbo", NO),
        ("kimi-k2.6", NO),
        ("kimi-latest", YES),
        ("KIMI-K2", UNKNOWN),
        ("other", UNKNOWN),
    ],
)
def test_a_models_own_name_counts_before_the_first_pattern_that_fits(
    model: str, images: Capability
) -> None:
    described = ProviderSpec(
        name="acme",
        api_version=1,
        factory="acme.provider:Acme",
        model_capabilities={
            "kimi-k2*": Capabilities.of(no="images"),
            "kimi-*": Capabilities.of(yes="images"),
            "kimi-k2": Capabilities.of(yes="images"),
        },
    )
    assert described.capabilities_of(model).images is images


# Servers as rows of data.


def test_a_row_becomes_the_description_of_a_provider() -> None:
    row = CompatSpec(
        name="acme",
        base_url="https://api.acme.example/v1",
        title="Acme",
        key_env="ACME_KEY",
        base_url_env="ACME_URL",
        capabilities=Capabilities.of(yes="tools"),
        model_capabilities={"small": Capabilities.of(no="tools")},
        default_model="small",
        distribution="acme-servers",
        api_version=0,
        quirks=Quirks(include_usage=False),
    )
    assert row.as_provider_spec() == ProviderSpec(
        name="acme",
        api_version=0,
        factory="streamkit.openai_compatible:OpenAICompatibleProvider",
        title="Acme",
        base_url="https://api.acme.example/v1",
        env=(EnvVar("ACME_KEY", "api_key", secret=True), EnvVar("ACME_URL", "base_url")),
        capabilities=Capabilities.of(yes="tools"),
        model_capabilities={"small": Capabilities.of(no="tools")},
        default_model="small",
        distribution="acme-servers",
        quirks=Quirks(include_usage=False),
    )


@pytest.mark.parametrize(
    ("key_env", "needs_key", "is_needed"),
    [
        (None, None, False),
        ("ACME_KEY", None, True),
        ("ACME_KEY", False, False),
        (None, True, True),
    ],
)
def test_a_server_with_a_variable_for_its_key_needs_one_unless_it_says_not(
    key_env: str | None, needs_key: bool | None, is_needed: bool
) -> None:
    row = CompatSpec(name="acme", base_url="http://x", key_env=key_env, needs_key=needs_key)
    described = row.as_provider_spec()
    assert described.needs_key is is_needed
    assert len(described.env) == (key_env is not None)


def test_what_may_hold_a_secret_is_not_shown() -> None:
    row = CompatSpec(
        name="acme",
        base_url="https://me:sk-canary@acme.example",
        quirks=Quirks(headers={"authorization": "Bearer sk-canary"}),
    )
    assert "canary" not in repr(row) + repr(row.as_provider_spec())


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Capabilities(), "tools"),
        (EnvVar("ACME_API_KEY", "api_key"), "name"),
        (Quirks(), "system_role"),
        (spec(), "name"),
        (CompatSpec(name="acme", base_url="http://x"), "name"),
        (Command(name="greet", help="Says hello", run="a:b"), "run"),
    ],
)
def test_descriptions_cannot_be_changed(value: object, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, "other")


def test_a_hook_is_marked_for_streamkit() -> None:
    @plugin.hookimpl
    def streamkit_providers() -> list[ProviderSpec]:
        return []

    assert hasattr(streamkit_providers, f"{plugin.PROJECT_NAME}_impl")
