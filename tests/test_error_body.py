"""Where the errors of a body stand, and what can be read of bodies that are none of the usual."""

import json
from typing import Any

import pytest

from streamkit.classify import classify_response, error_from_payload
from streamkit.error_body import facts_of, has_error, is_html, value_at


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", {"b": [1, {"c": 2}]}),
        ("a.b.1.c", 2),
        ("a.b.0", 1),
        ("a.b.2", None),
        ("a.b.-1", None),
        ("a.b.x", None),
        ("a.b.0.c", None),
        ("b", None),
        ("", None),
    ],
)
def test_a_path_leads_to_a_value_or_nowhere(path: str, found: Any) -> None:
    assert value_at({"a": {"b": [1, {"c": 2}]}}, path) == found


@pytest.mark.parametrize(
    ("payload", "path", "is_one"),
    [
        ({"error": "x"}, None, True),
        ({"error": None}, None, False),
        ({"fault": "x"}, None, False),
        ({"fault": "x"}, "fault", True),
        ({"fault": {}}, "fault", False),
        ({"error": "x"}, "fault", True),
    ],
)
def test_an_error_is_one_where_it_says_something(
    payload: dict[str, Any], path: str | None, is_one: bool
) -> None:
    assert has_error(payload, path) is is_one


@pytest.mark.parametrize(
    ("payload", "path", "kind", "message"),
    [
        (
            {"fault": {"detail": {"code": "slow_down", "message": "a"}}},
            "fault.detail",
            "overloaded",
            "a",
        ),
        ({"fault": {"detail": "a", "code": "slow_down"}}, "fault.detail", "overloaded", "a"),
        ({"fault": "a", "code": "slow_down"}, "fault", "overloaded", "a"),
        ({"faults": [{"message": "a", "code": "slow_down"}]}, "faults.0", "overloaded", "a"),
        ({"error": {"message": "a", "code": "slow_down"}}, "fault.detail", "overloaded", "a"),
        ({"fault": None, "message": "a", "code": "slow_down"}, "fault", "overloaded", "a"),
        ([{"fault": {"message": "a", "code": "slow_down"}}], "fault", "overloaded", "a"),
        ("a", "fault", "provider", "a"),
    ],
)
def test_an_error_may_stand_in_a_place_of_its_own(
    payload: Any, path: str, kind: str, message: str
) -> None:
    within = error_from_payload(payload, status=None, error_path=path)
    assert (within.kind, within.message) == (kind, message)
    failed = classify_response(500, {}, json.dumps(payload).encode(), error_path=path)
    assert failed.message == message


def test_an_empty_error_leaves_what_stands_beside_it() -> None:
    assert facts_of({"error": {}, "message": "a"}, None).sentence == "a"


@pytest.mark.parametrize(
    ("body", "is_page"),
    [
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML>", True),
        (b"<head>", True),
        (b"<header>", False),
        (b"see <html>", False),
        (b"", False),
    ],
)
def test_a_page_for_people_is_known_by_its_beginning(body: bytes, is_page: bool) -> None:
    assert is_html(body) is is_page
