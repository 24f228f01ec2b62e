from typing import Any

import pytest

from streamkit.chunks import ContentChunk, ReasoningChunk, StreamChunk, Usage, UsageChunk
from streamkit.errors import ConfigurationError
from streamkit.plugin import Capabilities
from streamkit_conformance.rules.asks import ASKS
from streamkit_conformance.rules.claims import asked_for, said_by
from streamkit_conformance.verdict import Fail, Irrelevant, NotApplicable, Outcome, Pass
from tests.handmade_traces import call, case, cases, end, error, judged, request, said, trace

NAMES = ("tools", "parallel_tools", "reasoning", "usage")
ALL = Capabilities.of(yes="tools parallel_tools reasoning usage json_schema images non_stream")
NONE = Capabilities.of(
    no="tools parallel_tools reasoning usage json_schema images logprobs prefill non_stream"
)
OPEN = Capabilities()
TEXT = said("Let me ", "see.")


def _comes_out(name: str) -> list[StreamChunk]:
    """An answer with one capability, as it must come out."""
    match name:
        case "tools":
            return [*TEXT, *call("call_a1", "look_up", '{"city": "Oslo"}'), end("tool_calls")]
        case "parallel_tools":
            second = call("call_b2", "add", '{"left": 2}')
            return [*_comes_out("tools")[:-1], *second, end("tool_calls")]
        case "reasoning":
            thought = ReasoningChunk(stream_id="", index=0, part=0, content="Two apples.")
            return [thought, *TEXT, end()]
    usage = UsageChunk(stream_id="", index=0, usage=Usage(input_tokens=4711, output_tokens=137))
    return [*TEXT, usage, end()]


def _judged(
    rule: str, what: str, *chunks: StreamChunk, claims: Capabilities, **more: Any
) -> Outcome:
    return judged(rule, trace(case(rule, what), *chunks, claims=claims, **more))


# SK-CAP-001


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_that_is_kept_passes(name: str) -> None:
    assert _judged("SK-CAP-001", name, *_comes_out(name), claims=ALL) == Pass()


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_of_which_nothing_comes_out_fails(name: str) -> None:
    assert isinstance(_judged("SK-CAP-001", name, *TEXT, end(), claims=ALL), Fail)
    crashed = _judged("SK-CAP-001", name, claims=ALL, raised=KeyError("reasoning"))
    # A record of usage that breaks the stream has a rule of its own.
    assert isinstance(crashed, Irrelevant if name == "usage" else Fail)
    assert "KeyError" in getattr(crashed, "got", "KeyError")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_open_may_come_out_or_not(name: str) -> None:
    for chunks in (_comes_out(name), [*TEXT, end()]):
        assert isinstance(_judged("SK-CAP-001", name, *chunks, claims=OPEN), NotApplicable)
        assert _judged("SK-CAP-002", name, *chunks, claims=OPEN) == Pass()


def test_what_comes_out_in_the_wrong_place_is_another_rule() -> None:
    shown = [*said("Two apples."), *TEXT, end()]
    assert _judged("SK-CAP-001", "reasoning", *shown, claims=ALL) == Irrelevant()
    assert _judged("SK-CAP-002", "reasoning", *shown, claims=OPEN) == Irrelevant()
    assert isinstance(_judged("SK-CAP-002", "reasoning", *shown, claims=NONE), Fail)
    glued = [*TEXT, *call("call_a1", "look_up", '{"city": "Oslo", "left": 2}'), end()]
    assert _judged("SK-CAP-001", "parallel_tools", *glued, claims=ALL) == Irrelevant()
    lone = [*TEXT, *call("call_a1", "look_up", '{"city": "Oslo"}'), end()]
    assert isinstance(_judged("SK-CAP-001", "parallel_tools", *lone, claims=ALL), Fail)


def test_a_claim_whose_request_is_refused_fails() -> None:
    refused = error("unsupported", "No images here.", partial=False)
    outcome = _judged("SK-CAP-001", "asks for images", refused, claims=ALL)
    assert isinstance(outcome, Fail)
    assert "No images here." in outcome.got
    raised = ConfigurationError("No tools here.")
    assert isinstance(_judged("SK-CAP-001", "asks for tools", claims=ALL, refused=raised), Fail)


def test_a_claim_whose_request_is_sent_passes() -> None:
    sent = [request()]
    answered = _judged("SK-CAP-001", "asks for images", *TEXT, end(), claims=ALL, requests=sent)
    assert answered == Pass()
    # What the service makes of it is not the claim's fault.
    failed = error("invalid_request", "The picture is too dark.", partial=False)
    assert _judged("SK-CAP-001", "asks for images", failed, claims=ALL, requests=sent) == Pass()
    nothing = _judged("SK-CAP-001", "asks for logprobs", *TEXT, end(), claims=ALL)
    assert isinstance(nothing, NotApplicable)


# SK-CAP-002


@pytest.mark.parametrize("name", NAMES)
def test_what_is_denied_and_stays_away_passes(name: str) -> None:
    assert _judged("SK-CAP-002", name, *TEXT, end(), claims=NONE) == Pass()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_denied_and_comes_out_fails(name: str) -> None:
    assert isinstance(_judged("SK-CAP-002", name, *_comes_out(name), claims=NONE), Fail)


def test_usage_in_the_last_chunk_alone_came_out_too() -> None:
    last = end().model_copy(update={"usage": Usage(input_tokens=1)})
    assert isinstance(_judged("SK-CAP-002", "usage", *TEXT, last, claims=NONE), Fail)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("claims", [NONE, OPEN], ids=["denied", "open"])
def test_text_harmed_by_what_is_not_claimed_fails(name: str, claims: Capabilities) -> None:
    for chunks in ([*TEXT[:1], end()], [*TEXT, error("protocol")], TEXT):
        assert isinstance(_judged("SK-CAP-002", name, *chunks, claims=claims), Fail)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_claimed_is_not_this_rules_matter(name: str) -> None:
    outcome = _judged("SK-CAP-002", name, *_comes_out(name), claims=ALL)
    assert isinstance(outcome, NotApplicable)
    assert _judged("SK-CAP-002", "text only", *TEXT, end(), claims=ALL) == Pass()


# SK-CAP-003


@pytest.mark.parametrize("name", sorted(ASKS))
def test_a_request_for_what_is_denied_passes_when_refused_in_words(name: str) -> None:
    what = f"asks for {name}"
    raised = ConfigurationError("The model cannot do that.")
    assert _judged("SK-CAP-003", what, claims=NONE, refused=raised) == Pass()
    for kind in ("unsupported", "configuration"):
        refused = error(kind, partial=False)
        assert _judged("SK-CAP-003", what, refused, claims=NONE) == Pass()


@pytest.mark.parametrize("name", sorted(ASKS))
def test_a_request_for_what_is_denied_fails_when_sent_or_answered_or_crashing(name: str) -> None:
    what = f"asks for {name}"
    refused = error("unsupported", partial=False)
    sent = _judged("SK-CAP-003", what, refused, claims=NONE, requests=[request()])
    assert isinstance(sent, Fail)
    assert isinstance(_judged("SK-CAP-003", what, *TEXT, end(), claims=NONE), Fail)
    assert isinstance(_judged("SK-CAP-003", what, claims=NONE, refused=TypeError("no")), Fail)
    assert isinstance(_judged("SK-CAP-003", what, claims=NONE), Fail)


@pytest.mark.parametrize("name", sorted(ASKS))
def test_a_request_for_what_is_not_denied_is_not_this_rules_matter(name: str) -> None:
    outcome = _judged("SK-CAP-003", f"asks for {name}", *TEXT, end(), claims=OPEN)
    assert isinstance(outcome, NotApplicable)


def test_each_request_asks_for_what_it_is_named_after() -> None:
    assert all(name in asked_for(ask) for name, ask in ASKS.items())
    assert not asked_for(case("SK-CAP-002", "tools").ask)


@pytest.mark.parametrize("rule", ["SK-CAP-001", "SK-CAP-002"])
def test_each_answer_holds_what_it_is_named_after(rule: str) -> None:
    for name in NAMES:
        assert name in said_by(case(rule, name).script)
    assert {each.name.split("/")[1] for each in cases(rule)} >= set(NAMES)


# SK-CAP-004


def _refusal(*texts: str) -> list[StreamChunk]:
    return [
        ContentChunk(stream_id="", index=0, part=0, content=each, refusal=True) for each in texts
    ]


def test_a_refusal_that_is_flagged_passes() -> None:
    words = _refusal("I cannot ", "help with that.")
    assert _judged("SK-CAP-004", "refusal", *words, end(), claims=OPEN) == Pass()
    begun = [*said("Sure. ", "No: "), *words, end()]
    assert _judged("SK-CAP-004", "after text", *begun, claims=OPEN) == Pass()
    assert _judged("SK-CAP-004", "as text", *said("I cannot help with that."), claims=OPEN) == (
        Pass()
    )


def test_a_refusal_that_is_lost_cut_or_not_flagged_fails() -> None:
    for chunks in (
        [error("empty_response", partial=False)],
        [*_refusal("I cannot "), end()],
        [*said("I cannot ", "help with that."), end()],
    ):
        assert isinstance(_judged("SK-CAP-004", "refusal", *chunks, claims=OPEN), Fail)
    assert isinstance(_judged("SK-CAP-004", "as text", end(), claims=OPEN), Fail)


def test_text_lost_beside_a_refusal_is_another_rule() -> None:
    words = _refusal("I cannot ", "help with that.")
    cut = [*said("Sure. "), *words, end()]
    assert _judged("SK-CAP-004", "after text", *cut, claims=OPEN) == Irrelevant()
