from typing import Any

import pytest

from streamkit.chunks import ContentChunk, EndChunk, ReasoningChunk, StreamChunk, Usage, UsageChunk
from streamkit.plugin import Capabilities
from streamkit_conformance import dialects
from streamkit_conformance.case import Case
from streamkit_conformance.script import Script, Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import Fail, Irrelevant, NotApplicable, Outcome, Pass
from tests.handmade_traces import OLLAMA, case, cases, end, error, judged, said, trace

CLAIMED = Capabilities.of(yes="reasoning usage")
DENIED = Capabilities.of(no="reasoning usage")
OPEN = Capabilities()


def _thought(*texts: str) -> list[StreamChunk]:
    return [ReasoningChunk(stream_id="", index=0, part=0, content=each) for each in texts]


def _seen(of: Case, *chunks: StreamChunk, claims: Capabilities = CLAIMED, **more: Any) -> Trace:
    return trace(of, *chunks, end(), claims=claims, **more)


FIRST = [*_thought("Two apples ", "and three pears."), *said("That makes ", "five.")]


# SK-REAS-001


def test_reasoning_as_it_was_sent_passes() -> None:
    assert judged("SK-REAS-001", _seen(case("SK-REAS-001", "first"), *FIRST)) == Pass()


@pytest.mark.parametrize(
    "chunks",
    [
        [*_thought("Two apples and three pears"), *said("That makes five.")],
        [*said("That makes five."), *_thought("Two apples and three pears.")],
        [*_thought("Two apples and three pears.") * 2, *said("That makes five.")],
    ],
    ids=["cut", "late", "twice"],
)
def test_reasoning_that_differs_fails(chunks: list[StreamChunk]) -> None:
    assert isinstance(judged("SK-REAS-001", _seen(case("SK-REAS-001", "first"), *chunks)), Fail)


def test_text_that_is_lost_or_late_leaves_nothing_to_compare_with() -> None:
    of = case("SK-REAS-003", "after text")
    lost = [*_thought("Was that all?")]
    assert judged("SK-REAS-003", _seen(of, *lost)) == Irrelevant()
    late = trace(of, *lost, end(), *said("One. "), claims=CLAIMED)
    assert judged("SK-REAS-003", late) == Irrelevant()
    assert judged("SK-REAS-003", trace(of, *lost, *said("One. "), claims=CLAIMED)) == Irrelevant()


def test_no_reasoning_at_all_is_a_matter_of_claims() -> None:
    of = case("SK-REAS-001", "first")
    bare = said("That makes ", "five.")
    for rule in ("SK-REAS-001", "SK-REAS-002"):
        assert judged(rule, _seen(of, *bare)) == Irrelevant()
        assert isinstance(judged(rule, _seen(of, *bare, claims=OPEN)), NotApplicable)
        assert isinstance(judged(rule, _seen(of, *FIRST, claims=DENIED)), NotApplicable)


def test_the_axes_of_reasoning_are_tried_for_both_rules() -> None:
    for rule in ("SK-REAS-001", "SK-REAS-002"):
        names = {each.name for each in cases(rule)}
        assert {f"{rule}/reasoning=details/records", f"{rule}/reasoning=null_content/records"} <= (
            names
        )


# SK-REAS-002


def test_reasoning_apart_from_text_passes() -> None:
    assert judged("SK-REAS-002", _seen(case("SK-REAS-002", "first"), *FIRST)) == Pass()


@pytest.mark.parametrize(
    "chunks",
    [
        said("Two apples and three pears.", "That makes five."),
        [*_thought("Two apples and three pears.That makes "), *said("five.")],
    ],
    ids=["shown", "hidden"],
)
def test_reasoning_mixed_with_text_fails_of_one_rule_alone(chunks: list[StreamChunk]) -> None:
    of = case("SK-REAS-002", "first")
    assert isinstance(judged("SK-REAS-002", _seen(of, *chunks)), Fail)
    assert judged("SK-REAS-001", _seen(of, *chunks)) == Irrelevant()


def test_words_that_stand_in_both_prove_nothing() -> None:
    of = case("SK-REAS-002", "first")
    same = of.with_(script=Script((*of.script.events[:2], Text("Two apples "), Text(" "))))
    chunks = [*_thought("Two apples ", "and three pears."), *said("Two apples ")]
    assert judged("SK-REAS-002", _seen(same, *chunks)) == Pass()


# SK-REAS-003


BETWEEN = [
    *said("One. "),
    *_thought("Go on."),
    *said("Two. "),
    *_thought("Once more."),
    *said("Three."),
]


def test_reasoning_that_keeps_its_place_passes() -> None:
    assert judged("SK-REAS-003", _seen(case("SK-REAS-003", "between text"), *BETWEEN)) == Pass()


def test_reasoning_moved_or_missing_fails() -> None:
    of = case("SK-REAS-003", "between text")
    moved = [*_thought("Go on.Once more."), *said("One. Two. Three.")]
    assert isinstance(judged("SK-REAS-003", _seen(of, *moved)), Fail)
    bare = said("One. Two. Three.")
    assert isinstance(judged("SK-REAS-003", _seen(of, *bare)), Fail)
    assert isinstance(judged("SK-REAS-003", _seen(of, *bare, claims=OPEN)), NotApplicable)
    shown = [*BETWEEN, *said("Go on.")]
    assert judged("SK-REAS-003", _seen(of, *shown)) == Irrelevant()


# USE


def _told(
    input: int | None, output: int | None, *, at_end: Usage | None = None, **more: Any
) -> list[StreamChunk]:
    usage = Usage(input_tokens=input, output_tokens=output, **more)
    last = EndChunk(stream_id="", index=0, finish_reason="stop", usage=at_end or usage)
    return [UsageChunk(stream_id="", index=0, usage=usage), last]


def _judged(rule: str, what: str, *chunks: StreamChunk, claims: Capabilities = CLAIMED) -> Outcome:
    return judged(rule, trace(case(rule, what), *chunks, claims=claims))


def test_counts_pass_as_they_were_told() -> None:
    assert _judged("SK-USE-001", "counts", *_told(4711, 137)) == Pass()
    assert _judged("SK-USE-001", "zero", *_told(4711, 0)) == Pass()
    assert _judged("SK-USE-001", "not told", end()) == Pass()
    estimate = _told(3, 4, source="estimated")
    assert _judged("SK-USE-001", "not told", *estimate) == Pass()
    assert _judged("SK-USE-001", "not told", *_told(None, None)) == Pass()


def test_counts_that_differ_or_are_made_up_fail() -> None:
    assert isinstance(_judged("SK-USE-001", "counts", *_told(4711, 138)), Fail)
    assert isinstance(_judged("SK-USE-001", "zero", *_told(4711, None)), Fail)
    assert isinstance(_judged("SK-USE-001", "zero", end()), Fail)
    assert isinstance(_judged("SK-USE-001", "not told", *_told(0, 0)), Fail)


def test_no_usage_at_all_is_a_matter_of_claims() -> None:
    assert _judged("SK-USE-001", "counts", end()) == Irrelevant()
    assert isinstance(_judged("SK-USE-001", "counts", end(), claims=OPEN), NotApplicable)
    # What the zero is compared with must tell counts, else the zero proves nothing.
    assert isinstance(_judged("SK-USE-001", "no zero", end()), Fail)


def _invariant(*chunks: StreamChunk, claims: Capabilities = CLAIMED) -> Outcome:
    return judged("SK-USE-002", trace(case("SK-USE-001", "counts"), *chunks, claims=claims))


def test_usage_told_once_before_the_end_passes() -> None:
    assert _invariant(*said("Hi"), *_told(1, 2)) == Pass()
    assert _invariant(*said("Hi"), _told(1, 2)[0]) == Pass()


def test_usage_told_twice_early_or_otherwise_fails() -> None:
    usage, last = _told(1, 2)
    for chunks in (
        [usage, usage, last],
        [usage, *said("Hi"), last],
        _told(1, 2, at_end=Usage(input_tokens=1, output_tokens=3)),
        [last],
        [usage, end()],
        [usage, error("truncated")],
    ):
        assert isinstance(_invariant(*chunks), Fail)
    twice = _invariant(usage, usage, last)
    assert isinstance(twice, Fail)
    assert twice.got == "2 of them"


def test_where_no_usage_comes_out_nothing_is_said_of_it() -> None:
    assert _invariant(end()) == Irrelevant()
    assert isinstance(_invariant(end(), claims=OPEN), NotApplicable)
    assert isinstance(_invariant(*_told(1, 2), claims=DENIED), NotApplicable)
    text = Case(name="text", script=Script((Text("Hi"),)))
    assert judged("SK-USE-002", trace(text, *said("Hi"), end(), claims=CLAIMED)) == Irrelevant()
    mute = dialects.openai_sse(usage=False)
    seen = trace(text, *said("Hi"), end(), claims=CLAIMED, dialect=mute)
    assert isinstance(judged("SK-USE-002", seen), NotApplicable)


def test_a_record_with_usage_alone_hides_nothing() -> None:
    rule, what = "SK-USE-003", "usage behind the finish"
    whole = said("Four ", "words ", "and more.")
    assert _judged(rule, what, *whole, *_told(4711, 137)) == Pass()
    assert isinstance(_judged(rule, what, *whole, error("protocol")), Fail)
    assert isinstance(_judged(rule, what, *whole, end("other")), Fail)
    assert isinstance(_judged(rule, what, *whole[:2], end()), Fail)
    crashed = trace(case(rule, what), *whole, raised=IndexError("list index out of range"))
    outcome = judged(rule, crashed)
    assert isinstance(outcome, Fail)
    assert "list index" in outcome.got


def test_details_are_parts_of_the_counts() -> None:
    rule = "SK-USE-004"
    assert _judged(rule, "reasoning", *_told(4711, 137, reasoning_tokens=61)) == Pass()
    assert _judged(rule, "cached", *_told(4711, 137, cache_read_tokens=1024)) == Pass()
    zeros = _told(4711, 0, reasoning_tokens=0, cache_read_tokens=0)
    assert _judged(rule, "zeros", *zeros) == Pass()
    assert isinstance(_judged(rule, "reasoning", *_told(4711, 198, reasoning_tokens=61)), Fail)
    assert isinstance(_judged(rule, "cached", *_told(4711, 137)), Fail)
    assert isinstance(_judged(rule, "zeros", *_told(4711, 0)), Fail)
    assert isinstance(_judged(rule, "cached", end()), Fail)
    assert isinstance(_judged(rule, "cached", end(), claims=OPEN), NotApplicable)
    assert not cases(rule, OLLAMA)


def test_running_totals_are_not_summed() -> None:
    rule = "SK-USE-005"
    assert _judged(rule, "running totals", *_told(4711, 137)) == Pass()
    assert isinstance(_judged(rule, "running totals", *_told(14133, 140)), Fail)
    assert isinstance(_judged(rule, "running totals", *_told(4711, 1)), Fail)
    names = {each.name for each in cases(rule)}
    assert f"{rule}/usage_place=choice_and_own/records" in names
    assert f"{rule}/usage_running=totals/records" in names


def test_counts_of_which_nothing_was_sent_are_not_compared() -> None:
    untold = case("SK-USE-001", "not told")
    assert judged("SK-USE-005", trace(untold, *_told(1, 2), claims=CLAIMED)) == Pass()


def test_refusals_count_as_text_where_reasoning_is_looked_for() -> None:
    of = case("SK-REAS-002", "first")
    shown = ContentChunk(
        stream_id="", index=0, part=0, content="Two apples and three pears.", refusal=True
    )
    assert isinstance(judged("SK-REAS-002", _seen(of, shown)), Fail)
