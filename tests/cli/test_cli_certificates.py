"""What `streamkit providers` says of the certificate in a provider's package."""

import json
from pathlib import Path

import pytest

from streamkit.cli.certificates import certificate_of
from tests.cli.commands import streamkit

pytestmark = pytest.mark.integration

CLAIM = "streamkit 2026.1 · core+tools"
MANIFEST = """
from streamkit.plugin import ProviderSpec, hookimpl

@hookimpl
def streamkit_providers():
    return [ProviderSpec(name="acme", api_version=1, factory="acme_kit.provider:Never")]
"""


def install(folder: Path, certificate: object, *, module: str = "acme_kit") -> None:
    """Puts a package with a certificate into the folder, as an installer would.

    Its manifest may be a module deep within; the certificate is beside it.
    """
    site = folder / "site"
    facts = site / "streamkit_acme-1.2.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: streamkit-acme\nVersion: 1.2\n")
    (facts / "entry_points.txt").write_text(f"[streamkit.providers]\nacme = {module}\n")
    package = site.joinpath(*module.split("."))
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(MANIFEST)
    (package / "provider.py").write_text("raise AssertionError('the provider was imported')\n")
    if certificate is not None:
        text = certificate if isinstance(certificate, str) else json.dumps(certificate)
        (package / "conformance.json").write_text(text, encoding="utf-8")


def of_version(version: str) -> object:
    return {"format": 1, "providers": {"acme": {"claim": CLAIM, "provider_version": version}}}


def told(folder: Path) -> str | None:
    """What the command says of acme's conformance, to people and to programs alike."""
    done = streamkit("providers", "acme", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "broken" not in done.stdout
    found = json.loads(streamkit("providers", "acme", "--json", folder=folder).stdout)
    conformance: str | None = found[0]["conformance"]
    lines = [line for line in done.stdout.splitlines() if "conformance" in line]
    assert lines == (
        [f"      conformance, as its author says: {conformance}"] if conformance else []
    )
    return conformance


def test_the_claim_of_a_certificate_is_shown(tmp_path: Path) -> None:
    install(tmp_path, of_version("1.2"))
    assert told(tmp_path) == CLAIM


def test_a_certificate_deep_within_a_package_is_found(tmp_path: Path) -> None:
    install(tmp_path, of_version("1.2"), module="acme_space.kit")
    assert told(tmp_path) == CLAIM


def test_a_certificate_of_another_version_says_so(tmp_path: Path) -> None:
    install(tmp_path, of_version("1.1"))
    assert told(tmp_path) == f"{CLAIM} (of version 1.1, not of this one)"


@pytest.mark.parametrize("certificate", [None, {"format": 1, "providers": {"other": {}}}])
def test_where_there_is_none_nothing_is_said(tmp_path: Path, certificate: object) -> None:
    install(tmp_path, certificate)
    assert told(tmp_path) is None


def test_nothing_is_imported_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, of_version("1.2"), module="acme_still.kit")
    package = tmp_path / "site" / "acme_still"
    for place in (package, package / "kit"):
        (place / "__init__.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    found = certificate_of("acme_still.kit", "acme")
    assert found is not None
    assert found.claim == CLAIM


BROKEN = [
    "",
    "[]",
    "null",
    "\x00",
    '{"providers": []}',
    '{"providers": {"acme": 3}}',
    '{"providers": {"acme": {}}}',
    '{"providers": {"acme": {"claim": 7}}}',
    '{"providers": {"acme": {"claim": "x", "date": []}}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_certificate_is_a_value_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    install(tmp_path, text)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(ValueError, match=r"conformance\.json"):
        certificate_of("acme_kit", "acme")


def test_one_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, json.dumps(of_version("1.2")) + " " * 1_000_001)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(ValueError, match="too large"):
        certificate_of("acme_kit", "acme")


def test_a_broken_certificate_hides_nothing_else(tmp_path: Path) -> None:
    install(tmp_path, "[]")
    assert told(tmp_path) == "unknown: conformance.json is no certificate"


def test_a_claim_cannot_steer_the_terminal(tmp_path: Path) -> None:
    claim = "x\x1b]0;title\x07\n\n" + "y" * 1_000
    install(tmp_path, {"providers": {"acme": {"claim": claim}}})
    shown = streamkit("providers", "acme", folder=tmp_path).stdout
    assert "\x1b" not in shown
    assert len(shown) < 500


@pytest.mark.parametrize("module", ["no_such_package_at_all", "json.decoder:x", "sys", "."])
def test_a_module_without_a_certificate_has_none(module: str) -> None:
    assert certificate_of(module, "acme") is None
