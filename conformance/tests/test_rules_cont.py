import pytest

from streamkit.chunks import ContentChunk, ReasoningChunk, StreamChunk, ToolCallChunk
from streamkit_conformance.case import Case
from streamkit_conformance.rules.neutral import NEUTRAL, shown_difference
from streamkit_conformance.script import Script, Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail
from tests.handmade_traces import call, case, cases, end, error, judged, reset, said, trace

UNKNOWN = Case(name="live", script=Script(()))


def _fails(rule: str, of: Trace) -> Fail:
    outcome = judged(rule, of)
    assert isinstance(outcome, Fail), outcome
    return outcome


def _right(of: Case) -> list[StreamChunk]:
    """What comes out of a case when all is well."""
    return [
        ContentChunk(stream_id="", index=0, part=0, content=each.text, refusal=each.refusal)
        for each in of.script.events
        if isinstance(each, Text)
    ]


@pytest.mark.parametrize("rule", ["SK-CONT-001", "SK-CONT-003", "SK-CONT-004", "SK-CONT-006"])
def test_an_exact_answer_passes(rule: str) -> None:
    for each in cases(rule):
        assert judged(rule, trace(each, *_right(each), end())) == PASS
        assert judged(rule, trace(UNKNOWN, *_right(each), end())) == IRRELEVANT


# SK-CONT-001


def test_no_character_is_trimmed_lost_or_doubled() -> None:
    white = case("SK-CONT-001", "white-space")
    stripped = [text for each in _right(white) if (text := each.content.strip())]  # type: ignore[attr-defined]
    _fails("SK-CONT-001", trace(white, *said(*stripped), end()))
    repeated = case("SK-CONT-001", "repeated")
    _fails("SK-CONT-001", trace(repeated, *said("ha", "alpha"), end()))
    marked = case("SK-CONT-001", "byte-order-marks")
    _fails("SK-CONT-001", trace(marked, *said("alpha", "beta"), end()))
    # Where the text is cut is another rule's.
    assert judged("SK-CONT-001", trace(repeated, *said("hahahaalphaalpha"), end())) == PASS


def test_the_plainest_answer_that_breaks_off_or_is_empty_is_another_rules() -> None:
    words = case("SK-CONT-001", "words")
    assert judged("SK-CONT-001", trace(words, end())) == IRRELEVANT
    assert judged("SK-CONT-001", trace(words, *said("al"), error("plugin"))) == IRRELEVANT
    assert judged("SK-CONT-001", trace(words, *said("al"), raised=OSError())) == IRRELEVANT
    _fails("SK-CONT-001", trace(words, *said("alpha"), end()))


def test_odd_text_that_ends_the_answer_is_this_rules() -> None:
    odd = case("SK-CONT-001", "odd-characters")
    assert "protocol" in _fails("SK-CONT-001", trace(odd, error("protocol"))).got
    assert "KeyError" in _fails("SK-CONT-001", trace(odd, raised=KeyError("x"))).got
    assert "no terminal" in _fails("SK-CONT-001", trace(odd, *_right(odd))).got


# SK-CONT-002


def _reasoning(text: str, **fields: object) -> ReasoningChunk:
    return ReasoningChunk(stream_id="", index=0, part=0, content=text, **fields)  # type: ignore[arg-type]


def test_no_chunk_is_empty() -> None:
    assert judged("SK-CONT-002", trace(NEUTRAL, *said("alpha"), end())) == PASS
    assert judged("SK-CONT-002", trace(NEUTRAL, end())) == IRRELEVANT
    empty = _fails("SK-CONT-002", trace(NEUTRAL, *said("alpha", ""), end()))
    assert empty.got == "the content chunk with index 2"
    _fails("SK-CONT-002", trace(NEUTRAL, _reasoning("")))


def test_a_reasoning_that_is_withheld_or_signed_is_not_empty() -> None:
    for fields in ({"redacted": True}, {"metadata": {"p": {"signature": "s"}}}):
        assert judged("SK-CONT-002", trace(NEUTRAL, _reasoning("", **fields))) == PASS


def test_a_call_is_announced_and_ended_without_arguments() -> None:
    made = call("c1", "f", "", '{"a":1}')
    assert judged("SK-CONT-002", trace(NEUTRAL, *made)) == PASS
    idle = ToolCallChunk(stream_id="", index=0, part=0, call_id="c1", name="f")
    _fails("SK-CONT-002", trace(NEUTRAL, made[0], idle))


# SK-CONT-003


def test_look_alikes_must_not_end_the_answer() -> None:
    sentinel = case("SK-CONT-003", "sentinel")
    assert _fails("SK-CONT-003", trace(sentinel, *said("alpha"), end())).got == "text 'alpha'"
    failed = case("SK-CONT-003", "error")
    _fails("SK-CONT-003", trace(failed, error("provider", "no")))


# SK-CONT-004


def test_deltas_are_neither_joined_nor_cut() -> None:
    records = case("SK-CONT-004", "records")
    _fails("SK-CONT-004", trace(records, *said("alphabeta", "gamma"), end()))
    _fails("SK-CONT-004", trace(records, *said(*"alpha", "beta", "gamma"), end()))
    # An empty chunk more, or another text, are other rules'.
    assert judged("SK-CONT-004", trace(records, *said("alpha", "", "beta", "gamma"))) == PASS
    assert judged("SK-CONT-004", trace(records, *said("alpha"), end())) == IRRELEVANT


# SK-CONT-005


def test_nothing_is_shown_again_after_a_break() -> None:
    broken = case("SK-CONT-005", "read_error")
    assert judged("SK-CONT-005", trace(broken, *said("alpha", "beta"), error("connection"))) == PASS
    again = said("alpha", "beta", "alpha", "beta")
    assert "'alpha'" in _fails("SK-CONT-005", trace(broken, *again, error("connection"))).message
    assert judged("SK-CONT-005", trace(broken, error("connection"))) == IRRELEVANT


def test_what_a_reset_takes_back_may_come_again() -> None:
    broken = case("SK-CONT-005", "read_error")
    made = trace(broken, *said("alpha"), reset(0), *said("alpha", "beta"), error("connection"))
    assert judged("SK-CONT-005", made) == PASS
    kept = trace(broken, *said("alpha"), reset(1), *said("alpha"), error("connection"))
    _fails("SK-CONT-005", kept)


# SK-CONT-006


def test_a_refusal_without_its_flag_is_no_refusal() -> None:
    refusal = case("SK-CONT-006", "behind-text")
    plain = said("gamma", "alpha", "beta")
    assert _fails("SK-CONT-006", trace(refusal, *plain, end())).got == "text 'gammaalphabeta'"
    _fails("SK-CONT-006", trace(refusal, *said("gamma"), end()))


# What a person sees.


def test_a_difference_deep_inside_a_long_text_is_shown() -> None:
    sent, got = [("text", "z" * 500 + "a" + "z" * 500)], [("text", "z" * 1000)]
    one, other = shown_difference(sent, got)
    assert "a" in one
    assert one.startswith("…")
    assert max(len(one), len(other)) < 160
    assert shown_difference([("text", "a")], []) == ("text 'a'", "nothing")
