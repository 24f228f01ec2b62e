from datetime import date
from pathlib import Path
from typing import Any

import pytest

from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.report.report import RuleResult
from streamkit_conformance.target import Conformance, TargetError, Waiver
from streamkit_conformance.verdict import Verdict
from streamkit_conformance.waivers import apply, apply_all, facts, read_waivers, waivers_of
from tests.made_reports import FAILURE

KNOWN = ("SK-FRAME-001", "SK-FRAME-002", "SK-LIFE-001")
TODAY = date(2026, 6, 15)
WAIVER = Waiver(rule="SK-FRAME-001", reason="a gateway cuts", until=TODAY, issue="our #12")


def result(verdict: Verdict, backend: str = "asyncio", rule: str = WAIVER.rule) -> RuleResult:
    is_fail = verdict is Verdict.FAIL
    return RuleResult(
        rule=rule,
        backend=backend,
        verdict=verdict,
        reason="" if verdict is Verdict.PASS else "it says so",
        judged=1,
        traces=1,
        failure=FAILURE if is_fail else None,
    )


# What becomes of a result.


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.VACUOUS, Verdict.UNTESTABLE])
def test_what_is_red_is_waived_up_to_its_last_day(verdict: Verdict) -> None:
    made = apply(result(verdict), [WAIVER], TODAY)
    assert made.verdict is Verdict.WAIVED
    assert made.reason == "waived until 2026-06-15: a gateway cuts (our #12)"
    assert made.failure == result(verdict).failure


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_waiver_is_stale_the_day_after(verdict: Verdict) -> None:
    made = apply(result(verdict), [WAIVER], date(2026, 6, 16))
    assert made.verdict is Verdict.STALE_WAIVER
    assert "the waiver ended on 2026-06-15" in made.reason


def test_an_ended_waiver_still_tells_of_the_failure() -> None:
    made = apply(result(Verdict.FAIL), [WAIVER], date(2027, 1, 1))
    assert made.failure is FAILURE
    assert "fail (it says so)" in made.reason


def test_a_rule_that_is_kept_makes_its_waiver_stale() -> None:
    made = apply(result(Verdict.PASS, "trio"), [WAIVER], TODAY)
    assert made.verdict is Verdict.STALE_WAIVER
    assert "the rule is kept on trio" in made.reason
    assert "backends = " in made.reason


def test_a_waiver_is_about_its_own_rule() -> None:
    other = result(Verdict.FAIL, rule="SK-FRAME-002")
    assert apply(other, [WAIVER], TODAY) is other


def test_a_waiver_for_one_backend_leaves_the_others_alone() -> None:
    waiver = Waiver(rule=WAIVER.rule, reason="x", until=TODAY, backends=("trio",))
    given = [result(Verdict.PASS, "asyncio"), result(Verdict.FAIL, "trio")]
    verdicts = [each.verdict for each in apply_all(given, [waiver], TODAY)]
    assert verdicts == [Verdict.PASS, Verdict.WAIVED]


def test_a_waiver_does_not_mind_a_backend_that_says_nothing() -> None:
    given = [result(Verdict.FAIL, "asyncio"), result(Verdict.NOT_APPLICABLE, "sync")]
    verdicts = [each.verdict for each in apply_all(given, [WAIVER], TODAY)]
    assert verdicts == [Verdict.WAIVED, Verdict.NOT_APPLICABLE]


def test_a_waiver_of_what_is_not_applicable_anywhere_is_stale() -> None:
    given = [result(Verdict.NOT_APPLICABLE, each) for each in ("asyncio", "trio")]
    made = apply_all(given, [WAIVER], TODAY)
    assert {each.verdict for each in made} == {Verdict.STALE_WAIVER}
    assert "not applicable (it says so)" in made[0].reason


def test_a_report_shows_the_facts_of_a_waiver() -> None:
    assert facts([WAIVER]) == (
        {
            "rule": "SK-FRAME-001",
            "reason": "a gateway cuts",
            "until": "2026-06-15",
            "issue": "our #12",
        },
    )


# Where they come from.


def project(folder: Path, rows: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(f"[tool.streamkit-conformance.waive]\n{rows}\n", encoding="utf-8")
    return path


def test_waivers_stand_in_pyproject(tmp_path: Path) -> None:
    path = project(
        tmp_path,
        'SK-FRAME-001 = { reason = "a", until = 2026-12-31, issue = "our #1" }\n'
        '[tool.streamkit-conformance.waive.SK-LIFE-001]\nreason = "b"\nuntil = "2027-01-02"\n'
        'backends = ["trio", "sync"]',
    )
    assert read_waivers(path, known=KNOWN) == [
        Waiver(rule="SK-FRAME-001", reason="a", until=date(2026, 12, 31), issue="our #1"),
        Waiver(rule="SK-LIFE-001", reason="b", until=date(2027, 1, 2), backends=("trio", "sync")),
    ]


@pytest.mark.parametrize("text", ["", "[tool.other]\nx = 1", "[tool.streamkit-conformance]"])
def test_a_project_without_waivers_has_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    assert read_waivers(path, known=KNOWN) == []


GOOD = 'reason = "r", until = 2026-12-31'


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"SK-FRAME-003 = {{ {GOOD} }}", "no rule 'SK-FRAME-003' to waive. Did you mean SK-FRAM"),
        ("SK-FRAME-001 = { until = 2026-12-31 }", "say why SK-FRAME-001 is waived"),
        ('SK-FRAME-001 = { reason = " ", until = 2026-12-31 }', "say why SK-FRAME-001 is waived"),
        ("SK-FRAME-001 = { reason = 7, until = 2026-12-31 }", "say why SK-FRAME-001 is waived"),
        ('SK-FRAME-001 = { reason = "r" }', "say until when, such as until = 2026-12-31"),
        ('SK-FRAME-001 = { reason = "r", until = "soon" }', "a day such as 2026-12-31, not 'soon'"),
        ('SK-FRAME-001 = { reason = "r", until = 2026 }', "a day such as 2026-12-31, not 2026"),
        (f"SK-FRAME-001 = {{ {GOOD}, untill = 1 }}", "there is no `untill`; there are reason"),
        (f'SK-FRAME-001 = {{ {GOOD}, backends = ["curio"] }}', "a list of asyncio, trio, sync"),
        (f'SK-FRAME-001 = {{ {GOOD}, backends = "trio" }}', "a list of asyncio, trio, sync"),
        ('SK-FRAME-001 = "later"', "SK-FRAME-001 = { reason = "),
    ],
)
def test_a_waiver_that_cannot_be_used_says_what_to_do(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(TargetError) as caught:
        read_waivers(project(tmp_path, row), known=KNOWN)
    assert said in str(caught.value)
    assert "pyproject.toml" in str(caught.value)


@pytest.mark.parametrize("text", ["[tool", "[tool.streamkit-conformance]\nwaive = 3", "\udce4"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(TargetError, match=r"pyproject\.toml"):
        read_waivers(path, known=KNOWN)


def target(*waivers: Waiver) -> Conformance:
    return Conformance("moonshot", dialect=Dialect(), waivers=waivers)


def test_the_nearest_pyproject_counts_and_the_targets_own_waivers_too(tmp_path: Path) -> None:
    project(tmp_path, f"SK-LIFE-001 = {{ {GOOD} }}")
    near = tmp_path / "package"
    (near / "tests").mkdir(parents=True)
    project(near, f"SK-FRAME-002 = {{ {GOOD} }}")
    found = waivers_of(target(WAIVER), near / "tests", known=KNOWN)
    assert [each.rule for each in found] == ["SK-FRAME-001", "SK-FRAME-002"]


def test_a_rule_that_is_waived_twice_is_refused(tmp_path: Path) -> None:
    project(tmp_path, f"SK-FRAME-001 = {{ {GOOD} }}")
    with pytest.raises(TargetError, match="waived twice"):
        waivers_of(target(WAIVER), tmp_path, known=KNOWN)


def test_two_waivers_for_two_backends_are_not_the_same(tmp_path: Path) -> None:
    project(tmp_path, "")
    pair = [
        Waiver(rule="SK-LIFE-001", reason="r", until=TODAY, backends=(each,))
        for each in ("asyncio", "trio")
    ]
    assert len(waivers_of(target(*pair), tmp_path, known=KNOWN)) == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rule": "SK-NOPE-001"}, "no rule 'SK-NOPE-001'"),
        ({"reason": ""}, "say why"),
        ({"until": "2026-12-31"}, "say until which day"),
        ({"backends": "trio"}, "must be a list of"),
    ],
)
def test_a_waiver_in_python_is_checked_alike(
    tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    project(tmp_path, "")
    given: dict[str, Any] = {"rule": "SK-LIFE-001", "reason": "r", "until": TODAY, **fields}
    with pytest.raises(TargetError, match=said):
        waivers_of(target(Waiver(**given)), tmp_path, known=KNOWN)
