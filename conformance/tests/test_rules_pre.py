from email.utils import parsedate_to_datetime
from time import time

import pytest

from streamkit_conformance.case import Case
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.rules import all_rules
from streamkit_conformance.rules.registry import Plan, Rule
from streamkit_conformance.verdict import Fail, Irrelevant, Pass
from streamkit_conformance.wire import write
from tests.handmade_traces import DIALECTS, case, cases, end, error, judged, said, trace

GROUPS = frozenset({"PRE", "MID", "TRUNC", "TIME", "RES", "ISO", "SEC", "DISC", "RETRY"})
MINE = [each for each in all_rules() if each.group in GROUPS]


def _all_cases(dialect: Dialect) -> list[Case]:
    plan = Plan(dialect, "test-model", {})
    made = [each for rule in MINE if rule.cases is not None for each in rule.cases(plan)]
    return [each for each in made if not dialect.missing(each.script)]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_every_case_is_written_in_every_dialect(dialect: Dialect) -> None:
    made = _all_cases(dialect)
    for each in made:
        for one in (each, *each.then):
            wire = write(one, dialect)
            assert wire.before or wire.status >= 200
            if one.script.fault is None:
                assert wire.body


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_cases_of_one_name_are_one_case(dialect: Dialect) -> None:
    by_name: dict[str, Case] = {}
    for each in _all_cases(dialect):
        for one in filter(None, (each, each.base)):
            assert by_name.setdefault(one.name, one) == one


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_few_cases_need_a_socket(dialect: Dialect) -> None:
    names = {each.name for each in _all_cases(dialect) if each.via == "loopback"}
    assert len(names) <= 12


@pytest.mark.parametrize("rule", MINE, ids=lambda each: each.id)
def test_a_rule_says_what_holds_why_and_how_it_looks(rule: Rule) -> None:
    for text in (rule.statement, rule.reason, rule.wire):
        assert len(text) > 20
    assert "expected:" in rule.wire


def test_a_status_has_its_kind_and_stands_in_the_error() -> None:
    refused = case("SK-PRE-001", "status=401")
    right = error("authentication", status=401, partial=False)
    assert judged("SK-PRE-001", trace(refused, right)) == Pass()
    wrong = judged("SK-PRE-001", trace(refused, error("unknown", status=401)))
    assert isinstance(wrong, Fail)
    assert "another kind" in wrong.message
    without = judged("SK-PRE-001", trace(refused, error("authentication")))
    assert isinstance(without, Fail)
    assert "lacks the status" in without.message
    assert isinstance(judged("SK-PRE-001", trace(refused, *said("Hello"), end())), Fail)


def test_what_was_raised_or_just_ended_is_judged_by_other_rules() -> None:
    refused = case("SK-PRE-001", "status=401")
    assert judged("SK-PRE-001", trace(refused, raised=ValueError("x"))) == Irrelevant()
    assert judged("SK-PRE-001", trace(refused)) == Irrelevant()
    assert judged("SK-PRE-001", trace(case("SK-MID-001", "none"), end())) == Irrelevant()
    broken = case("SK-MID-001", "after=1")
    assert judged("SK-PRE-001", trace(broken, error("provider"))) == Irrelevant()


@pytest.mark.parametrize("what", ["html", "empty", "huge", "text"])
def test_the_message_about_any_body_is_bounded_and_not_empty(what: str) -> None:
    body = case("SK-PRE-002", f"body={what}")
    assert judged("SK-PRE-002", trace(body, error("provider", "Status 502."))) == Pass()
    assert isinstance(judged("SK-PRE-002", trace(body, error("provider", " "))), Fail)
    assert isinstance(judged("SK-PRE-002", trace(body, error("provider", "x" * 501))), Fail)
    assert judged("SK-PRE-002", trace(case("SK-PRE-003", "dns"), error("connection"))) == (
        Irrelevant()
    )


def test_nobody_there_is_a_connection_and_worth_another_try() -> None:
    nobody = case("SK-PRE-003", "connect")
    assert judged("SK-PRE-003", trace(nobody, error("connection"))) == Pass()
    hopeless = error("connection", retryable=False)
    assert isinstance(judged("SK-PRE-003", trace(nobody, hopeless)), Fail)
    assert judged("SK-PRE-003", trace(case("SK-PRE-003", "tls"), hopeless)) == Pass()
    assert isinstance(judged("SK-PRE-003", trace(nobody, error("provider"))), Fail)
    other = case("SK-PRE-004", "empty_body")
    assert judged("SK-PRE-003", trace(other, error("empty_response"))) == Irrelevant()


@pytest.mark.parametrize("what", ["json_error", "html_body", "empty_body"])
def test_a_200_without_an_answer_is_no_success(what: str) -> None:
    no_answer = case("SK-PRE-004", what)
    assert isinstance(judged("SK-PRE-004", trace(no_answer, end())), Fail)
    kind = {"empty_body": "empty_response"}.get(what, "protocol")
    assert judged("SK-PRE-004", trace(no_answer, error(kind, partial=False))) == Pass()
    assert isinstance(judged("SK-PRE-004", trace(no_answer, error("connection"))), Fail)
    status = case("SK-PRE-001", "status=500")
    assert judged("SK-PRE-004", trace(status, error("provider"))) == Irrelevant()


def test_a_wait_that_the_service_asks_for_comes_out() -> None:
    number, _, date = cases("SK-PRE-005")
    told = error("rate_limit", retry_after_s=7.0)
    assert judged("SK-PRE-005", trace(number, told)) == Pass()
    assert isinstance(judged("SK-PRE-005", trace(number, error("rate_limit"))), Fail)
    assert isinstance(judged("SK-PRE-005", trace(date, told)), Fail)
    assert isinstance(judged("SK-PRE-005", trace(date, error("rate_limit"))), Fail)
    none = case("SK-PRE-006", "none")
    assert judged("SK-PRE-005", trace(none, error("rate_limit"))) == Irrelevant()


def test_a_date_is_as_many_seconds_as_there_are_until_then() -> None:
    date = case("SK-PRE-005", "date/status=429")
    text = next(value for name, value in write(date, DIALECTS[0]).headers if name == "retry-after")
    seconds = parsedate_to_datetime(text).timestamp() - time()
    told = error("rate_limit", retry_after_s=seconds)
    assert judged("SK-PRE-005", trace(date, told)) == Pass()


@pytest.mark.parametrize("what", ["zero", "negative", "huge", "past-date", "no-number"])
def test_a_wait_without_sense_is_no_wait(what: str) -> None:
    odd = case("SK-PRE-006", what)
    for right in (None, 0.0, 3.5):
        told = error("rate_limit", retry_after_s=right)
        assert judged("SK-PRE-006", trace(odd, told)) == Pass()
    for wrong in (-5.0, float("inf"), float("nan")):
        told = error("rate_limit", retry_after_s=wrong)
        assert isinstance(judged("SK-PRE-006", trace(odd, told)), Fail)
    assert isinstance(judged("SK-PRE-006", trace(odd, error("plugin"))), Fail)
    assert judged("SK-PRE-006", trace(odd, raised=ValueError("soon"))) == Irrelevant()


def test_the_services_id_of_a_request_comes_out() -> None:
    refused = case("SK-PRE-007", "status=500")
    named = error("provider", request_id="req-7b61f0c4")
    assert judged("SK-PRE-007", trace(refused, named)) == Pass()
    assert isinstance(judged("SK-PRE-007", trace(refused, error("provider"))), Fail)
    unnamed = case("SK-PRE-001", "status=500")
    assert judged("SK-PRE-007", trace(unnamed, error("provider"))) == Irrelevant()


@pytest.mark.parametrize("number", range(1, 8))
def test_what_was_raised_is_no_matter_of_these_rules(number: int) -> None:
    rule = f"SK-PRE-00{number}"
    for each in cases(rule):
        assert judged(rule, trace(each, raised=ValueError("x"))) == Irrelevant()
        assert judged(rule, trace(each, refused=ValueError("x"))) == Irrelevant()
        assert judged(rule, trace(each, is_hung=True)) == Irrelevant()


@pytest.mark.parametrize("number", range(1, 8))
def test_another_fault_is_no_matter_of_these_rules(number: int) -> None:
    broken = trace(case("SK-MID-001", "after=1"), *said("Hello"), error("provider"))
    assert judged(f"SK-PRE-00{number}", broken) == Irrelevant()
