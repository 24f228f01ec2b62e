"""A plug-in that is installed and not found says where it is, and its author what to correct."""

import sys
from importlib.metadata import EntryPoint

import pytest

from streamkit.errors import ConfigurationError
from streamkit.plugin import API_VERSION, hookimpl
from streamkit.registry import discovery
from streamkit.registry.discovery import PLUGINS
from tests.registry.plugins import Acme, Plugins, spec


def message(plugins: Plugins, ref: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        plugins.registry().resolve(ref)
    return str(caught.value)


@pytest.mark.parametrize("group", ["streamkit.provider", "streamkit_providers"])
@pytest.mark.parametrize("is_direct", [False, True])
def test_a_group_that_nobody_looks_into_is_named(
    plugins: Plugins, group: str, is_direct: bool
) -> None:
    plugins.point("owl", "no_such_module", group, owner="streamkit-owl", is_direct=is_direct)
    says = f"its entry point is in the group {group}, where nobody looks; perhaps "
    assert message(plugins, "owl/x") == (
        f"No provider `owl` is installed. There is a plug-in streamkit-owl, but {says}"
        "streamkit.providers is meant. Installed: none."
    )
    (record,) = plugins.registry().records()
    assert record.problem == f"{says}streamkit.providers is meant"
    assert record.remedy == (
        "correct the group in its pyproject.toml and install it again"
        if is_direct
        else "tell the author of streamkit-owl"
    )


def test_a_plug_in_s_name_does_not_hide_another_s_group(plugins: Plugins) -> None:
    plugins.point("uhu", "no_such_module", "streamkit.provider", owner="streamkit-uhu")
    assert "streamkit-uhu" not in message(plugins, "owl/x")


def test_only_groups_that_resemble_ours_are_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = ["streamkit.provider", "streamkit.conformance", "streamlit.plugins", PLUGINS, "x"]
    points = [EntryPoint("owl", "owl", group) for group in groups]

    class Installed:
        def __init__(self) -> None:
            self.groups = set(groups)

        def select(self, group: str) -> list[EntryPoint]:
            return [point for point in points if point.group == group]

    monkeypatch.setattr(discovery, "entry_points", Installed)
    assert discovery._installed_strays() == [points[0]]


def test_an_entry_point_of_another_name_than_the_provider_is_named(plugins: Plugins) -> None:
    plugins.point("broken", "no_such_module")
    plugins.add("raising", KeyError("x"))
    plugins.add("uhu", [spec("owl")], owner="streamkit-owl")
    assert message(plugins, "owl/x") == (
        "No provider `owl` is installed. streamkit-owl describes it, but under the entry point "
        "`uhu` of the group streamkit.providers: it must be called `owl`, in streamkit.providers. "
        "Installed: broken, raising, uhu."
    )


def test_a_provider_among_the_other_plug_ins_is_named(plugins: Plugins) -> None:
    plugins.add("owl", [spec("owl")])
    plugins.points.clear()
    plugins.point("owl", "plugin_of_owl", PLUGINS, owner="streamkit-owl")
    assert "under the entry point `owl` of the group streamkit.plugins" in message(plugins, "owl/x")


def test_a_description_of_another_name_than_the_entry_point_is_named(plugins: Plugins) -> None:
    plugins.add("owl", [spec("eule"), spec("uhu")], owner="streamkit-owl", is_direct=True)
    (record,) = plugins.registry().records()
    assert record.problem == "it describes no provider `owl`: it describes `eule`, `uhu`"
    assert record.remedy == "mend plugin_of_owl; its entry point must be called the same"


@pytest.mark.parametrize("name", ["acne", "openai"])
def test_nothing_is_imported_for_a_name_that_is_misspelt_or_streamkits_own(
    plugins: Plugins, name: str
) -> None:
    plugins.point("acme", "xml.sax.expatreader")
    sys.modules.pop("xml.sax.expatreader", None)
    message(plugins, f"{name}/x")
    assert "xml.sax.expatreader" not in sys.modules


# What was installed from a folder or a file is mended there: no index is asked for its name.


def test_an_author_is_not_sent_to_an_index(plugins: Plugins) -> None:
    @hookimpl
    def streamkit_provider() -> None:
        """Misspelt."""

    old, shape = spec("old", api_version=API_VERSION - 2), spec("shape", title=None)
    plugins.add("old", [old], owner="streamkit-old", is_direct=True)
    plugins.add("raising", KeyError("x"), owner="streamkit-raising", is_direct=True)
    plugins.add("shape", [shape], owner="streamkit-shape", is_direct=True)
    plugins.add("unversioned", [spec("unversioned", api_version="1")], owner="u", is_direct=True)
    plugins.module("typo", streamkit_provider=streamkit_provider, Acme=Acme)
    plugins.point("typo", "typo", owner="streamkit-typo", is_direct=True)
    remedies = {record.name: record.remedy for record in plugins.registry().records()}
    assert remedies == {
        "old": "mend plugin_of_old",
        "raising": "mend plugin_of_raising, or pip uninstall streamkit-raising",
        "shape": "mend plugin_of_shape",
        "typo": (
            "rename it in typo, or, if it is meant for a newer streamkit, "
            "pip install --upgrade streamkit-llm"
        ),
        "unversioned": "mend plugin_of_unversioned",
    }


def test_a_newer_contract_wants_a_newer_streamkit_wherever_the_plug_in_is_from(
    plugins: Plugins,
) -> None:
    newer = spec("newer", api_version=API_VERSION + 1)
    plugins.add("newer", [newer], owner="streamkit-newer", is_direct=True)
    (record,) = plugins.registry().records()
    assert record.remedy == "pip install --upgrade streamkit-llm"
