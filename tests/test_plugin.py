from dataclasses import FrozenInstanceError, fields

import pytest

from streamkit import plugin
from streamkit.plugin import Capabilities, Capability, EnvVar, ProviderSpec, Quirks

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
    ("value", "name"),
    [
        (Capabilities(), "tools"),
        (EnvVar("ACME_API_KEY", "api_key"), "name"),
        (Quirks(), "system_role"),
        (spec(), "name"),
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
