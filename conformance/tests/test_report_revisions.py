from dataclasses import replace
from itertools import pairwise

import pytest

from streamkit_conformance.revisions import REVISIONS, is_scored, revision_order
from streamkit_conformance.rules import all_rules
from streamkit_conformance.rules.registry import CURRENT, Rule

RULE = Rule(
    id="SK-LIFE-999",
    level="MUST",
    profile="core",
    statement="",
    reason="",
    wire="",
    since="2026.1",
)


def test_the_current_revision_lists_exactly_the_rules_that_are_no_preview() -> None:
    registered = [each.id for each in all_rules() if is_scored(each, CURRENT)]
    assert list(REVISIONS[CURRENT]) == registered, (
        "a rule that is new in a revision that is out must be a preview; a rule that is listed "
        "must stay"
    )


def test_a_revision_keeps_all_rules_of_the_one_before() -> None:
    ordered = sorted(REVISIONS, key=revision_order)
    assert ordered[-1] == CURRENT
    for before, after in pairwise(ordered):
        assert set(REVISIONS[before]) <= set(REVISIONS[after])


@pytest.mark.parametrize(
    ("since", "revision", "scored"),
    [
        ("2026.1", "2026.1", True),
        ("2026.2", "2026.1", False),
        ("2026.2", "2026.10", True),
        ("2026.10", "2026.2", False),
        ("2027.1", "2026.10", False),
        ("2026.1", "", True),
    ],
)
def test_a_rule_is_scored_from_its_own_revision_on(since: str, revision: str, scored: bool) -> None:
    assert is_scored(replace(RULE, since=since), revision) is scored


def test_a_preview_is_scored_nowhere() -> None:
    assert not is_scored(replace(RULE, is_preview=True), "2026.1")


def test_what_is_no_revision_is_refused() -> None:
    with pytest.raises(ValueError, match="no revision"):
        revision_order("latest")
