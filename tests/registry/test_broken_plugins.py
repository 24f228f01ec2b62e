"""Whatever a plug-in does wrong, it says so itself and nothing else is the worse for it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pluggy
import pytest

from streamkit.errors import ConfigurationError
from streamkit.plugin import Capabilities, ProviderSpec, hookimpl
from streamkit.registry.discovery import PLUGINS, PROVIDERS
from streamkit.registry.manifests import broken
from streamkit.registry.records import PluginRecord, text_of
from tests.registry.plugins import Acme, Plugins, spec


@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    return [spec("bad")]


@hookimpl
def unknown_argument(invented: str) -> list[ProviderSpec]:
    raise AssertionError(invented)


@hookimpl(wrapper=True)
def new_wrapper() -> Any:
    return (yield)


@hookimpl(hookwrapper=True)
def old_wrapper() -> Any:
    yield


def _raising(error: BaseException) -> Callable[[], Any]:
    @hookimpl
    def hook() -> Any:
        raise error

    return hook


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even this")


#: What the plug-in's hook gives, and what is said of it.
HOOK_GIVES = {
    "no list": (5, "TypeError: its hook gave int instead of a list"),
    "nothing": (None, "TypeError: its hook gave NoneType instead of a list"),
    "one, not a list of one": (
        spec("bad"),
        "TypeError: its hook gave ProviderSpec instead of a list",
    ),
    "rows of another type": (
        [{"name": "bad"}],
        "TypeError: its hook gave dict instead of ProviderSpec or CompatSpec",
    ),
    "another provider": ([spec("other")], "it describes no provider `bad`: it describes `other`"),
    "an error": (RuntimeError("no\nluck"), "RuntimeError: no luck"),
    "an error without words": (RuntimeError(), "RuntimeError"),
    "an error that cannot be read": (
        Unreadable(),
        "Unreadable: its text cannot be read: RuntimeError",
    ),
    "an exit": (SystemExit(3), "SystemExit: 3"),
    "a factory without a class": (
        [spec("bad", factory="plugin_of_bad")],
        "it describes `bad` with what cannot be read in: factory",
    ),
    "fields of other types": (
        [spec("bad", title=None, env="BAD_KEY", capabilities={}, options="region")],
        "it describes `bad` with what cannot be read in: title, env, capabilities, options",
    ),
    "variables that are none": (
        [spec("bad", env=("BAD_KEY",), model_capabilities={"a": "tools"}, options=(5,))],
        "it describes `bad` with what cannot be read in: env, model_capabilities, options",
    ),
}

#: The plug-in's contents by name, and what is said of it.
MODULE_HOLDS: dict[str, tuple[dict[str, Any], str]] = {
    "no hook": (
        {},
        "it describes no provider `bad`; it has no hook that is marked with @hookimpl",
    ),
    "a hook without its mark": (
        {"streamkit_providers": lambda: [spec("bad")]},
        "it describes no provider `bad`; it has no hook that is marked with @hookimpl",
    ),
    "a misspelt hook": (
        {"streamkit_provider": streamkit_providers},
        (
            "it describes no provider `bad`; it has a hook that streamkit does not know: "
            "streamkit_provider; perhaps streamkit_providers is meant"
        ),
    ),
    "an unknown hook": (
        {"telepathy": streamkit_providers},
        "it describes no provider `bad`; it has a hook that streamkit does not know: telepathy",
    ),
    "a hook that wants more than there is": (
        {"streamkit_providers": unknown_argument},
        "PluginValidationError: Plugin 'plugin_of_bad' for hook 'streamkit_providers'",
    ),
    "a wrapper": (
        {"streamkit_providers": new_wrapper},
        (
            "it describes no provider `bad`; it wraps the hook streamkit_providers, "
            "and wrappers are not called here"
        ),
    ),
    "a wrapper of the old kind": (
        {"streamkit_providers": old_wrapper},
        (
            "it describes no provider `bad`; it wraps the hook streamkit_providers, "
            "and wrappers are not called here"
        ),
    ),
}

BROKEN = {
    **{f"its hook gives {how}": (None, given, says) for how, (given, says) in HOOK_GIVES.items()},
    **{f"its module holds {how}": (c, None, says) for how, (c, says) in MODULE_HOLDS.items()},
}


def install(plugins: Plugins, how: str) -> str:
    """Installs a provider `bad` that is broken in this way; returns what is to be said of it."""
    contents, given, says = BROKEN[how]
    if contents is None:
        plugins.add("bad", given, owner="streamkit-bad")
    else:
        plugins.module("plugin_of_bad", **contents)
        plugins.point("bad", "plugin_of_bad", owner="streamkit-bad")
    return says


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_says_why_each_time_it_is_asked_for(plugins: Plugins, how: str) -> None:
    says = install(plugins, how)
    registry = plugins.registry()
    for ask in [registry.describe, registry.load, registry.describe]:
        with pytest.raises(ConfigurationError) as caught:
            ask("bad")
        assert str(caught.value).startswith(
            f"The plug-in of `bad` (streamkit-bad) does not work: {says}"
        )
        assert "To mend it: " in str(caught.value)


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_is_a_record_in_one_line_with_a_remedy(plugins: Plugins, how: str) -> None:
    says = install(plugins, how)
    (record,) = plugins.registry().records()
    assert (record.name, record.group) == ("bad", PROVIDERS)
    assert (record.distribution, record.version) == ("streamkit-bad", "1.2.0")
    assert record.specs == ()
    assert record.problem is not None
    assert record.problem.startswith(says)
    assert "\n" not in record.problem
    assert record.remedy is not None
    assert "streamkit-bad" in record.remedy


@pytest.mark.parametrize("how", BROKEN)
def test_one_broken_plugin_breaks_no_other(plugins: Plugins, how: str) -> None:
    install(plugins, how)
    plugins.add("acme", [spec("acme")])
    registry = plugins.registry()
    with pytest.raises(ConfigurationError):
        registry.describe("bad")
    assert registry.describe("acme").name == "acme"
    assert registry.load("acme") is Acme
    assert registry.names() == ["acme", "bad"]


@pytest.mark.parametrize("group", [PROVIDERS, PLUGINS])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no_such_module_of_a_plugin", "ModuleNotFoundError: No module named 'no_such_module"),
        ("streamkit.plugin:Gone", "AttributeError: module 'streamkit.plugin' has no attribute"),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_broken_plugin(
    plugins: Plugins, group: str, value: str, says: str
) -> None:
    plugins.point("bad", value, group)
    (record,) = plugins.registry().records()
    assert record.problem is not None
    assert record.problem.startswith(says)
    assert record.remedy is not None
    assert record.remedy.startswith("mend or remove the module ")
    assert record.traceback is not None
    assert "Traceback" in record.traceback


@pytest.mark.parametrize("value", ["not a module", ":", ""])
def test_an_entry_point_that_names_no_module_is_told(plugins: Plugins, value: str) -> None:
    plugins.point("bad", value)
    (record,) = plugins.registry().records()
    assert record.problem == f"its entry point {value!r} names no module"


def test_what_the_author_did_wrong_is_shown_where_it_happened(plugins: Plugins) -> None:
    install(plugins, "its hook gives an error")
    (record,) = plugins.registry().records()
    assert record.traceback is not None
    assert "in streamkit_providers" in record.traceback
    assert record.remedy == (
        "pip install --upgrade streamkit-llm streamkit-bad, tell its author, "
        "or pip uninstall streamkit-bad"
    )


def test_an_unknown_hook_may_be_one_of_a_newer_streamkit(plugins: Plugins) -> None:
    install(plugins, "its module holds an unknown hook")
    (record,) = plugins.registry().records()
    assert record.remedy == (
        "tell the author of streamkit-bad, or, if it is meant for a newer streamkit, "
        "pip install --upgrade streamkit-llm"
    )


def test_an_interrupt_is_no_fault_of_the_plug_in(plugins: Plugins) -> None:
    plugins.add("acme", KeyboardInterrupt())
    registry = plugins.registry()
    with pytest.raises(KeyboardInterrupt):
        registry.describe("acme")


@pytest.mark.parametrize(
    ("name", "hook", "says"),
    [
        (
            "streamkit_secrets",
            streamkit_providers,
            (
                "it has a hook that streamkit does not know: streamkit_secrets; perhaps "
                "streamkit_secret is meant"
            ),
        ),
        (
            "streamkit_commands",
            streamkit_providers,
            (
                "its hook streamkit_commands is never called: it needs an entry point in the group "
                "streamkit.plugins"
            ),
        ),
    ],
)
def test_a_hook_that_would_never_be_called_is_told_and_the_provider_works(
    plugins: Plugins, name: str, hook: Any, says: str
) -> None:
    contents = {name: hook, "streamkit_providers": streamkit_providers, "Acme": Acme}
    plugins.module("plugin_of_bad", **contents)
    plugins.point("bad", "plugin_of_bad")
    registry = plugins.registry()
    assert registry.load("bad") is Acme
    (record,) = registry.records()
    assert record.specs == (spec("bad"),)
    assert record.problem == says
    assert record.remedy is not None
    assert "tell the author of plugin_of_bad" in record.remedy


def test_a_hook_that_says_it_is_optional_may_be_unknown(plugins: Plugins) -> None:
    @hookimpl(optionalhook=True)
    def streamkit_of_tomorrow() -> None:
        """For a later streamkit."""

    plugins.module(
        "plugin_of_bad",
        streamkit_of_tomorrow=streamkit_of_tomorrow,
        streamkit_providers=streamkit_providers,
    )
    plugins.point("bad", "plugin_of_bad")
    (record,) = plugins.registry().records()
    assert record.problem is None


def test_a_provider_in_the_group_of_other_plug_ins_is_told_of(plugins: Plugins) -> None:
    plugins.module("plugin_of_bad", streamkit_providers=streamkit_providers)
    plugins.point("bad", "plugin_of_bad", PLUGINS)
    (record,) = plugins.registry().records()
    assert record.problem == (
        "its hook streamkit_providers is never called: it needs an entry point in the group "
        "streamkit.providers"
    )


def test_a_module_may_stand_in_both_groups(plugins: Plugins) -> None:
    @hookimpl
    def streamkit_secret(provider: str, name: str) -> str:
        return "sk-canary-0123456789"

    plugins.module(
        "plugin_of_bad", streamkit_providers=streamkit_providers, streamkit_secret=streamkit_secret
    )
    plugins.point("bad", "plugin_of_bad")
    plugins.point("secrets", "plugin_of_bad", PLUGINS)
    registry = plugins.registry()
    assert [each.problem for each in registry.records()] == [None, None]
    assert registry.hooks.secret("acme", "api_key") is not None


def half_right(plugins: Plugins) -> None:
    """Installs a plug-in with a right hook before a wrong one."""

    def streamkit_secret(provider: str) -> str:
        raise AssertionError("it is called")

    def streamkit_stream_finished(invented: str) -> None:
        raise AssertionError("it is called")

    plugins.add_hooks("half", streamkit_secret, streamkit_stream_finished)


def test_a_plug_in_with_a_hook_that_cannot_be_called_has_none(plugins: Plugins) -> None:
    half_right(plugins)
    registry = plugins.registry()
    (record,) = registry.records()
    assert record.problem is not None
    assert record.problem.startswith("PluginValidationError")
    assert not registry.hooks.has("streamkit_secret")


def test_hooks_that_an_older_pluggy_leaves_behind_are_forgotten(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = pluggy.PluginManager.register

    def as_pluggy_1_5(self: pluggy.PluginManager, plugin: Any, name: str | None = None) -> None:
        del plugin.streamkit_stream_finished
        register(self, plugin, name)
        raise pluggy.PluginValidationError(plugin, "found after the hooks before it were added")

    monkeypatch.setattr(pluggy.PluginManager, "register", as_pluggy_1_5)
    half_right(plugins)
    registry = plugins.registry()
    (record,) = registry.records()
    assert record.problem is not None
    assert record.problem.startswith("PluginValidationError: found after")
    assert not registry.hooks.has("streamkit_secret")


def test_an_entry_point_to_nothing_is_told(plugins: Plugins) -> None:
    plugins.module("plugin_of_bad", manifest=None)
    plugins.point("bad", "plugin_of_bad:manifest")
    (record,) = plugins.registry().records()
    assert record.problem == "it has no hook that is marked with @hookimpl"


def test_one_object_under_two_names_is_told_and_works_under_the_first(plugins: Plugins) -> None:
    module = plugins.module("plugin_of_bad", streamkit_providers=streamkit_providers)
    plugins.module("the_same", again=module)
    plugins.point("bad", "plugin_of_bad")
    plugins.point("worse", "the_same:again")
    first, second = plugins.registry().records()
    assert (first.problem, first.specs) == (None, (spec("bad"),))
    assert second.problem is not None
    assert second.problem.startswith("ValueError: Plugin already registered under a different name")


def test_a_long_fault_is_cut() -> None:
    assert text_of(ValueError("x" * 10_000)) == "x" * 499 + "…"


def test_a_problem_takes_what_was_described_away(plugins: Plugins) -> None:
    record = PluginRecord(name="bad", group=PROVIDERS, module="m", specs=(spec("bad"),))
    told = broken(record, ValueError("no"))
    assert told == replace(
        record,
        specs=(),
        problem="ValueError: no",
        remedy="mend or remove the module m",
        traceback="ValueError: no\n",
    )
    assert "traceback" not in repr(told)


def test_lists_are_as_good_as_tuples(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme", options=["region"], env=[])])
    plugins.add("other", [spec("other", model_capabilities={"a*": Capabilities()})])
    assert [each.problem for each in plugins.registry().records()] == [None, None]


def test_the_modules_of_other_providers_are_not_imported(plugins: Plugins) -> None:
    plugins.add("acme", [spec("acme")])
    plugins.point("other", "xml.sax.expatreader")
    sys.modules.pop("xml.sax.expatreader", None)
    plugins.registry().describe("acme")
    assert "xml.sax.expatreader" not in sys.modules
