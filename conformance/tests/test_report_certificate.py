import json
from dataclasses import replace
from pathlib import Path

import pytest

from streamkit_conformance.certificate import certify, read_certificate
from streamkit_conformance.report.report import Report, RuleResult
from streamkit_conformance.target import TargetError
from streamkit_conformance.verdict import Verdict
from tests.made_reports import failed, report


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An import package that fails whoever imports it."""
    folder = tmp_path / "acme_certified"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_a_certificate_is_written_and_read_without_importing_the_package(package: Path) -> None:
    path = certify(report(), package)
    assert path == package / "conformance.json"
    found = read_certificate("acme_certified", "moonshot")
    assert found is not None
    assert found.claim == "streamkit 2026.1 · core"
    assert (found.provider_version, found.kit_version) == ("0.1.0", "0.1.0")
    assert found.date == "2026-11-25"


def test_it_tells_the_verdicts_of_each_rule_and_the_waivers(package: Path) -> None:
    waived = RuleResult(rule="SK-LIFE-001", backend="trio", verdict=Verdict.WAIVED, judged=1)
    waiver = {"rule": "SK-LIFE-001", "reason": "later", "until": "2026-12-31"}
    path = certify(report(waived, waivers=(waiver,)), package)
    facts = json.loads(path.read_text(encoding="utf-8"))["providers"]["moonshot"]
    assert facts["rules"]["SK-LIFE-001"] == {"waived": 1, "pass": 2}
    assert facts["counts"] == {"waived": 1, "pass": 104}
    assert facts["waivers"] == [waiver]
    assert facts["claim"].endswith(" with waivers")
    # One line for each rule, so that a change of one is a change of one line.
    assert path.read_text(encoding="utf-8").count("\n   ") == 35


def test_several_providers_share_a_package(package: Path) -> None:
    certify(report(), package)
    certify(report(target="acme"), package)
    certify(report(subject_version="0.2.0"), package)
    found = read_certificate("acme_certified", "moonshot")
    assert found is not None
    assert found.provider_version == "0.2.0"
    assert read_certificate("acme_certified", "acme") is not None
    assert read_certificate("acme_certified", "other") is None


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (report(failed("SK-LIFE-001")), "is not conformant, 1 red"),
        (Report(target="x"), "is not conformant, 1 red"),
        (report(selection="SK-LIFE"), "a run limited to SK-LIFE claims nothing"),
        (report(is_live=True), "a live run claims nothing"),
    ],
)
def test_what_claims_nothing_is_not_certified(package: Path, made: Report, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        certify(made, package)
    assert not (package / "conformance.json").exists()


def test_a_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="no import package"):
        certify(report(), tmp_path)


def test_a_file_that_is_no_certificate_is_not_overwritten(package: Path) -> None:
    path = package / "conformance.json"
    path.write_text("[]")
    with pytest.raises(TargetError, match="take it away"):
        certify(report(), package)
    assert path.read_text() == "[]"


def test_no_text_breaks_a_certificate(package: Path) -> None:
    waiver = {"rule": "SK-LIFE-001", "reason": 'a "\ud800\n', "until": "2026-12-31"}
    certify(replace(report(waivers=(waiver,)), target='m"\u2028'), package)
    assert read_certificate("acme_certified", 'm"\u2028') is not None
