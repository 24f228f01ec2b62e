from dataclasses import replace
from typing import get_args

import pytest

from streamkit_conformance.report.report import (
    FLOOR,
    FLOOR_WITHOUT_WIRE,
    LEVELS,
    NO_CLAIM,
    NOT_CONFORMANT,
    PROFILES,
    Report,
    RuleResult,
)
from streamkit_conformance.rules.registry import Profile
from streamkit_conformance.verdict import GREEN, Verdict
from tests.made_reports import BACKENDS, core, facts, failed, passed, report

TOOL = facts("SK-TOOL-001", profile="tools")
SHOULD = facts("SK-CONT-900", level="SHOULD")
PREVIEW = facts("SK-RETRY-001", is_scored=False)


def test_the_profiles_are_those_of_the_rule_book() -> None:
    assert get_args(Profile) == PROFILES


def test_a_run_in_which_all_passes_is_green_and_claims_what_it_showed() -> None:
    made = report(*passed([TOOL]), rules=[TOOL])
    assert (made.exit_code, made.claim) == (0, "streamkit 2026.1 · core+tools")


def test_one_red_must_makes_the_run_red_and_the_claim_goes() -> None:
    made = report(failed("SK-LIFE-001"))
    assert (made.exit_code, made.claim) == (1, NOT_CONFORMANT)
    assert [each.rule for each in made.red] == ["SK-LIFE-001"]


@pytest.mark.parametrize("verdict", [each for each in Verdict if each not in GREEN])
def test_what_was_not_shown_is_as_red_as_what_was_broken(verdict: Verdict) -> None:
    made = report(RuleResult(rule="SK-LIFE-001", backend="trio", verdict=verdict, judged=1))
    assert made.exit_code == 1


def test_an_empty_run_is_red() -> None:
    made = Report(target="x", revision="2026.1")
    assert made.exit_code == 1
    assert made.all_problems == ("nothing was judged",)


def test_a_run_of_too_few_rules_is_red_though_all_of_them_pass() -> None:
    rules = core(FLOOR - 1)
    made = Report(target="x", backends=BACKENDS, rules=tuple(rules), results=tuple(passed(rules)))
    assert not made.red
    assert made.exit_code == 1
    assert f"only {FLOOR - 1} rules of core" in made.all_problems[0]


def test_rules_of_other_profiles_and_previews_do_not_fill_the_floor() -> None:
    rules = core(FLOOR - 1)
    more = [TOOL, PREVIEW]
    made = Report(
        target="x",
        backends=BACKENDS,
        rules=(*rules, *more),
        results=tuple(passed([*rules, *more])),
    )
    assert f"only {FLOOR - 1} rules of core" in made.all_problems[0]


def test_a_backend_on_which_almost_nothing_was_judged_is_red() -> None:
    rules = core()
    results = [*passed(rules, ["asyncio"]), *passed(rules[:3], ["trio"])]
    made = report(backends=("asyncio", "trio"), rules=rules, results=tuple(results))
    assert made.all_problems == (
        f"only 3 rules of core were judged on trio, and at least {FLOOR // 2} must be",
    )


def test_a_subject_without_a_wire_has_a_floor_of_its_own() -> None:
    rules = core(FLOOR_WITHOUT_WIRE)
    made = report(rules=rules, results=tuple(passed(rules)), is_wire=False)
    assert made.exit_code == 0
    assert replace(made, is_wire=True).exit_code == 1


def test_a_limited_run_can_be_green_and_claims_nothing() -> None:
    rules = core(1)
    made = report(rules=rules, results=tuple(passed(rules)), selection="SK-LIFE")
    assert (made.exit_code, made.claim) == (0, NO_CLAIM)


def test_a_limited_run_that_matched_nothing_is_red() -> None:
    made = report(results=(), selection="SK-NOPE")
    assert made.exit_code == 1
    assert made.all_problems == ("nothing was judged by SK-NOPE",)


def test_a_pass_over_nothing_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="nothing was judged"):
        RuleResult(rule="SK-LIFE-001", backend="trio", verdict=Verdict.PASS)


def test_a_preview_is_never_red() -> None:
    made = report(failed(PREVIEW.id), rules=[PREVIEW], level="strict")
    assert made.exit_code == 0


def test_a_should_is_red_at_strict_alone() -> None:
    made = report(failed(SHOULD.id), rules=[SHOULD])
    codes = [replace(made, level=level).exit_code for level in LEVELS]
    assert codes == [0, 0, 0, 0, 1]


def test_a_level_includes_those_before_it_and_no_others() -> None:
    made = report(failed(TOOL.id), rules=[TOOL])
    codes = [replace(made, level=level).exit_code for level in LEVELS]
    assert codes == [0, 1, 1, 1, 1]
    assert replace(made, level="core").claim == "streamkit 2026.1 · core"


def test_strict_stands_in_the_claim() -> None:
    assert report(level="strict").claim == "streamkit 2026.1 · core+strict"


def test_a_profile_of_which_nothing_passed_is_not_claimed() -> None:
    no_tools = RuleResult(
        rule=TOOL.id, backend="trio", verdict=Verdict.NOT_APPLICABLE, reason="no tools"
    )
    made = report(no_tools, rules=[TOOL])
    assert (made.exit_code, made.claim) == (0, "streamkit 2026.1 · core")


def test_a_waiver_stands_in_the_claim() -> None:
    waived = RuleResult(rule="SK-LIFE-001", backend="trio", verdict=Verdict.WAIVED, judged=1)
    assert report(waived).claim == "streamkit 2026.1 · core with waivers"


def test_a_stale_waiver_is_red_at_every_level() -> None:
    stale = RuleResult(rule=TOOL.id, backend="trio", verdict=Verdict.STALE_WAIVER, judged=1)
    assert report(stale, rules=[TOOL], level="core").exit_code == 1


def test_a_backend_that_was_left_out_stands_in_the_claim() -> None:
    made = report(results=tuple(passed(core(), ["asyncio"])), backends=("asyncio",))
    assert made.claim == "streamkit 2026.1 · core · asyncio only"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="there are core, tools"):
        report(level="corr")
