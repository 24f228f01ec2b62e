from typing import Any

import pytest

from streamkit.errors import ConfigurationError
from streamkit.plugin import ProviderSpec, hookimpl
from tests.registry.plugins import Acme, Plugins, spec


def target_giving(given: Any) -> Any:
    def streamkit_conformance_target(spec: ProviderSpec) -> Any:
        if isinstance(given, BaseException):
            raise given
        return given

    return streamkit_conformance_target


def add_provider(plugins: Plugins, name: str, target: Any) -> None:
    @hookimpl
    def streamkit_providers() -> Any:
        return [spec(name)]

    plugins.module(
        f"plugin_of_{name}",
        streamkit_providers=streamkit_providers,
        streamkit_conformance_target=hookimpl(target_giving(target)),
        Acme=Acme,
    )
    plugins.point(name, f"plugin_of_{name}")


def test_a_provider_says_itself_how_it_is_tested_and_before_all_plug_ins(plugins: Plugins) -> None:
    add_provider(plugins, "acme", "its own")
    plugins.add_hooks("aaa", target_giving("of a plug-in"))
    assert plugins.registry().conformance_target("acme") == "its own"


def test_a_plug_in_may_say_how_a_provider_is_tested_that_does_not(plugins: Plugins) -> None:
    add_provider(plugins, "acme", None)
    plugins.add_hooks("aaa", target_giving("of a plug-in"))
    assert plugins.registry().conformance_target("acme") == "of a plug-in"


def test_nobody_need_say_how_a_provider_is_tested(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")])
    assert plugins.registry().conformance_target("acme") is None


@pytest.mark.parametrize("error", [RuntimeError("no such dialect"), SystemExit("enough")])
def test_who_fails_to_say_how_it_is_tested_is_named(plugins: Plugins, error: BaseException) -> None:
    add_provider(plugins, "acme", error)
    with pytest.raises(ConfigurationError, match="plugin_of_acme raised") as caught:
        plugins.registry().conformance_target("acme")
    assert str(error) in str(caught.value)


def test_what_is_not_installed_cannot_be_tested(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")])
    with pytest.raises(ConfigurationError, match="Did you mean"):
        plugins.registry().conformance_target("acne")
