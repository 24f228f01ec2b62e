import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from streamkit_conformance.dialects import openai_sse
from streamkit_conformance.rules import find
from streamkit_conformance.rules.disc import Look, judge_import, judge_listing, look_at
from streamkit_conformance.target import Conformance
from streamkit_conformance.verdict import Fail, NotApplicable, Outcome, Pass, Untestable

# Each of these starts an interpreter.
pytestmark = pytest.mark.integration

MANIFEST = """
from streamkit.plugin import ProviderSpec, hookimpl

@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    return [ProviderSpec(name="acme", api_version=1, factory="streamkit.provider:HTTPProvider")]
"""


def _inspected(rule: str, subject: object) -> Outcome:
    inspect = find(rule).inspect
    assert inspect is not None
    return inspect(Conformance(subject, dialect=openai_sse()))  # type: ignore[arg-type]


def _installed() -> EntryPoint:
    """Any provider that is installed here."""
    return min(entry_points(group="streamkit.providers"), key=lambda each: each.name)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which plug-ins can be laid out as if they were installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    look_at.cache_clear()
    yield tmp_path
    look_at.cache_clear()


def _lay_out(site: Path, manifest: str, distribution: str = "streamkit-acme") -> None:
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(manifest)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[streamkit.providers]\nacme = {module}\n")


@pytest.mark.parametrize("rule", ["SK-DISC-001", "SK-DISC-002"])
def test_a_provider_that_is_installed_is_found_and_costs_nothing(rule: str) -> None:
    assert _inspected(rule, _installed().name) == Pass()


@pytest.mark.parametrize("rule", ["SK-DISC-001", "SK-DISC-002"])
def test_a_subject_that_is_made_by_a_function_is_no_plug_in(rule: str) -> None:
    assert isinstance(_inspected(rule, lambda env: env), NotApplicable)


@pytest.mark.parametrize("rule", ["SK-DISC-001", "SK-DISC-002"])
def test_a_name_without_an_entry_point_is_no_plug_in(rule: str) -> None:
    assert isinstance(_inspected(rule, "nobody-has-this-name"), NotApplicable)


def test_a_right_plug_in_has_nothing_against_it(site: Path) -> None:
    _lay_out(site, MANIFEST)
    assert look_at("acme") == Look(owners=("streamkit-acme",))


def test_one_interpreter_looks_for_both_rules(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _lay_out(site, MANIFEST)
    started: list[object] = []
    run = subprocess.run

    def counted(*arguments: object, **options: object) -> object:
        started.append(arguments)
        return run(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    assert _inspected("SK-DISC-001", "acme") == Pass()
    assert _inspected("SK-DISC-002", "acme") == Pass()
    assert len(started) == 1


def test_a_misspelt_hook_is_found(site: Path) -> None:
    _lay_out(
        site, MANIFEST + "\n@hookimpl\ndef streamkit_secrets(provider, name):\n    return None\n"
    )
    outcome = _inspected("SK-DISC-001", "acme")
    assert isinstance(outcome, Fail)
    assert "streamkit_secrets" in outcome.got
    assert _inspected("SK-DISC-002", "acme") == Pass()


def test_a_hook_with_another_parameter_is_found(site: Path) -> None:
    _lay_out(site, MANIFEST.replace("streamkit_providers()", "streamkit_providers(settings)"))
    assert isinstance(_inspected("SK-DISC-001", "acme"), Fail)


def test_a_class_that_does_not_exist_is_found(site: Path) -> None:
    _lay_out(site, MANIFEST.replace(":HTTPProvider", ":Missing"))
    outcome = _inspected("SK-DISC-001", "acme")
    assert isinstance(outcome, Fail)
    assert "Missing" in outcome.got
    assert _inspected("SK-DISC-002", "acme") == Pass()


def test_two_of_one_name_are_found(site: Path) -> None:
    _lay_out(site, MANIFEST)
    _lay_out(site, MANIFEST, "other-acme")
    outcome = _inspected("SK-DISC-001", "acme")
    assert isinstance(outcome, Fail)
    assert outcome.got == "other-acme and streamkit-acme"


def test_a_manifest_that_imports_an_http_client_is_found(site: Path) -> None:
    _lay_out(site, f"import httpx\n{MANIFEST}")
    outcome = _inspected("SK-DISC-002", "acme")
    assert isinstance(outcome, Fail)
    assert "httpx" in outcome.got
    assert _inspected("SK-DISC-001", "acme") == Pass()


def test_a_manifest_that_needs_a_key_is_found(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-canary-here-it-is-set")
    _lay_out(site, f'import os\nKEY = os.environ["ACME_API_KEY"]\n{MANIFEST}')
    outcome = _inspected("SK-DISC-002", "acme")
    assert isinstance(outcome, Fail)
    assert "ACME_API_KEY" in outcome.got


def test_a_manifest_that_reaches_for_the_network_is_found(site: Path) -> None:
    reach = (
        "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 9), 0.1)\n"
        "except OSError:\n    pass\n"
    )
    _lay_out(site, reach + MANIFEST)
    outcome = _inspected("SK-DISC-002", "acme")
    assert isinstance(outcome, Fail)
    assert "192.0.2.1" in outcome.got
    assert _inspected("SK-DISC-001", "acme") == Pass()


def test_what_the_manifest_prints_is_no_answer(site: Path) -> None:
    _lay_out(site, f'print("hello")\n{MANIFEST}')
    assert look_at("acme").owners == ("streamkit-acme",)


def test_an_interpreter_that_cannot_look_makes_the_rule_untestable(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(site / "no-python"))
    assert isinstance(_inspected("SK-DISC-001", "acme"), Untestable)


def test_an_interpreter_that_dies_makes_the_rule_untestable(site: Path) -> None:
    _lay_out(site, f"import os\nos._exit(3)\n{MANIFEST}")
    assert isinstance(_inspected("SK-DISC-002", "acme"), Untestable)


@pytest.mark.parametrize(
    ("look", "listing", "importing"),
    [
        (Look(owners=("a",)), Pass, Pass),
        (Look(owners=("a", "b")), Fail, Pass),
        (Look(owners=("a",), problems=("misspelt",)), Fail, Pass),
        (Look(owners=("a",), failure="KeyError: KEY"), Fail, Fail),
        (Look(owners=("a",), connections=("socket.connect",)), Pass, Fail),
        (Look(owners=("a",), clients=("httpx",)), Pass, Fail),
    ],
)
def test_each_thing_that_is_wrong_has_its_rule(look: Look, listing: type, importing: type) -> None:
    assert isinstance(judge_listing(look), listing)
    assert isinstance(judge_import(look), importing)
