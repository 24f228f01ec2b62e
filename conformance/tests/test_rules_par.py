from typing import Any

import pytest

from streamkit.chunks import StreamChunk, Usage, UsageChunk
from streamkit.errors import ConfigurationError
from streamkit.plugin import Capabilities
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.verdict import Fail, Irrelevant, NotApplicable, Outcome, Pass
from tests.handmade_traces import OLLAMA, OPENAI, call, case, end, error, judged, said, trace

CLAIMED = Capabilities.of(yes="non_stream tools usage")
TEXT = [*said("  One\n", "two \U0001f350 "), end()]
ARGUMENTS = '{"city": "Oslo"}'


def _judged(
    rule: str,
    what: str,
    streamed: list[StreamChunk],
    whole: list[StreamChunk],
    *,
    dialect: Dialect = OPENAI,
    claims: Capabilities = CLAIMED,
    **more: Any,
) -> Outcome:
    """What a rule says of a stream, and of the same answer in one piece."""
    of = case(rule, what, dialect)
    first = trace(of, *streamed, dialect=dialect, claims=claims)
    first.others = [trace(of.then[0], *whole, dialect=dialect, claims=claims, **more)]
    return judged(rule, first)


def _told(input: int, output: int) -> list[StreamChunk]:
    usage = Usage(input_tokens=input, output_tokens=output)
    return [*said("One ", "two."), UsageChunk(stream_id="", index=0, usage=usage), end()]


@pytest.mark.parametrize("rule", ["SK-PAR-001", "SK-PAR-002", "SK-PAR-003"])
def test_the_same_answer_is_asked_for_both_ways(rule: str) -> None:
    what = {"SK-PAR-001": "text", "SK-PAR-002": "401", "SK-PAR-003": "usage"}[rule]
    of = case(rule, what)
    (whole,) = of.then
    assert of.ask.stream
    assert not whole.ask.stream
    assert of.script == whole.script


@pytest.mark.parametrize(
    ("rule", "what"), [("SK-PAR-001", "text"), ("SK-PAR-002", "401"), ("SK-PAR-003", "usage")]
)
def test_a_refusal_to_be_asked_for_one_piece_is_a_matter_of_claims(rule: str, what: str) -> None:
    refused = ConfigurationError("Only streams.")
    assert _judged(rule, what, TEXT, [], refused=refused) == Irrelevant()
    left_open = _judged(rule, what, TEXT, [], refused=refused, claims=Capabilities())
    assert isinstance(left_open, NotApplicable)
    assert judged(rule, trace(case(rule, what), *TEXT)) == Irrelevant()


def test_the_same_text_in_one_piece_passes() -> None:
    whole = [*said("  One\ntwo \U0001f350 "), end()]
    assert _judged("SK-PAR-001", "text", TEXT, whole) == Pass()


@pytest.mark.parametrize(
    "whole",
    [
        [*said("One\ntwo \U0001f350"), end()],
        [*said("  One\ntwo \U0001f350 "), end("other")],
        [*said("  One\ntwo \U0001f350 ")],
        [error("protocol")],
        [],
    ],
    ids=["stripped", "other reason", "no end", "error", "nothing"],
)
def test_another_text_or_end_in_one_piece_fails(whole: list[StreamChunk]) -> None:
    assert isinstance(_judged("SK-PAR-001", "text", TEXT, whole), Fail)
    crashed = _judged("SK-PAR-001", "text", TEXT, [], raised=KeyError("delta"))
    assert isinstance(crashed, Fail)
    assert "KeyError" in crashed.got


def test_a_stream_that_is_wrong_itself_is_another_rule() -> None:
    wrong = [*said("One\ntwo"), end()]
    assert _judged("SK-PAR-001", "text", wrong, TEXT) == Irrelevant()
    assert _judged("SK-PAR-001", "text", TEXT[:-1], TEXT) == Irrelevant()


def test_the_same_error_in_one_piece_passes() -> None:
    failed: list[StreamChunk] = [error("authentication", status=401, retryable=False)]
    assert _judged("SK-PAR-002", "401", failed, failed) == Pass()


@pytest.mark.parametrize(
    "whole",
    [
        [error("unknown", status=401, retryable=False)],
        [error("authentication", status=None, retryable=False)],
        [error("authentication", status=401, retryable=True)],
        [end()],
    ],
    ids=["kind", "status", "retryable", "no error"],
)
def test_another_error_in_one_piece_fails(whole: list[StreamChunk]) -> None:
    failed: list[StreamChunk] = [error("authentication", status=401, retryable=False)]
    assert isinstance(_judged("SK-PAR-002", "401", failed, whole), Fail)


def test_a_stream_with_the_wrong_error_is_another_rule() -> None:
    whole: list[StreamChunk] = [error("authentication", status=401, retryable=False)]
    wrong: list[StreamChunk] = [error("unknown", status=401)]
    assert _judged("SK-PAR-002", "401", wrong, whole) == Irrelevant()
    assert _judged("SK-PAR-002", "401", TEXT, whole) == Irrelevant()


@pytest.mark.parametrize("dialect", [OPENAI, OLLAMA], ids=lambda each: each.name)
def test_the_same_calls_in_one_piece_pass(dialect: Dialect) -> None:
    streamed = [*call("call_a1", "look_up", '{"city":', ' "Oslo"}'), end("tool_calls")]
    whole = [*call("call_a1", "look_up", '{"city":"Oslo"}'), end("tool_calls")]
    assert _judged("SK-PAR-003", "a call", streamed, whole, dialect=dialect) == Pass()


def test_ids_that_the_subject_made_may_be_others() -> None:
    streamed = [*call("made_1", "look_up", ARGUMENTS), end("tool_calls")]
    whole = [*call("made_2", "look_up", ARGUMENTS), end("tool_calls")]
    assert _judged("SK-PAR-003", "a call", streamed, whole) == Pass()


@pytest.mark.parametrize(
    "whole",
    [
        [*call("call_x", "look_up", ARGUMENTS), end("tool_calls")],
        [*call("call_a1", "look_up", "{}"), end("tool_calls")],
        [*call("call_a1", "look_up", ARGUMENTS)[:1], end("tool_calls")],
        [end()],
        [error("protocol")],
    ],
    ids=["other id", "other arguments", "not done", "no call", "error"],
)
def test_other_calls_in_one_piece_fail(whole: list[StreamChunk]) -> None:
    streamed = [*call("call_a1", "look_up", ARGUMENTS), end("tool_calls")]
    assert isinstance(_judged("SK-PAR-003", "a call", streamed, whole), Fail)


def test_usage_in_one_piece_is_the_same() -> None:
    right = _told(4711, 137)
    assert _judged("SK-PAR-003", "usage", right, right) == Pass()
    others = (_told(4711, 138), [*said("One two."), end()], [*said(), error("protocol")])
    for whole in others:
        assert isinstance(_judged("SK-PAR-003", "usage", right, whole), Fail)
    assert _judged("SK-PAR-003", "usage", _told(1, 2), right) == Irrelevant()


def test_what_is_denied_is_not_compared() -> None:
    denied = Capabilities.of(yes="non_stream", no="tools usage")
    right = [*call("call_a1", "look_up", ARGUMENTS), end("tool_calls")]
    outcome = _judged("SK-PAR-003", "a call", right, [end()], claims=denied)
    assert isinstance(outcome, NotApplicable)
