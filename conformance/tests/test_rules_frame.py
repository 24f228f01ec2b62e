from collections.abc import Iterator

import pytest

from streamkit.chunks import StreamChunk
from streamkit_conformance.case import Ask, Case
from streamkit_conformance.cuts import RECORDS
from streamkit_conformance.dialects.base import Dialect, Spoken
from streamkit_conformance.rules import find
from streamkit_conformance.rules.neutral import NEUTRAL
from streamkit_conformance.rules.registry import Plan
from streamkit_conformance.script import Script, Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail
from streamkit_conformance.wire import write
from tests.handmade_traces import (
    DIALECTS,
    OLLAMA,
    OPENAI,
    case,
    cases,
    end,
    error,
    judged,
    plan,
    said,
    trace,
)

FRAMES = [f"SK-FRAME-{number:03}" for number in range(1, 11)]
UNKNOWN = Case(name="live", script=Script(()))


def _fails(rule: str, of: Trace) -> Fail:
    outcome = judged(rule, of)
    assert isinstance(outcome, Fail), outcome
    return outcome


def _right(of: Case) -> list[StreamChunk]:
    return [*said(*(each.text for each in of.script.events if isinstance(each, Text))), end()]


def _each(rule: str) -> Iterator[tuple[Dialect, Case]]:
    for dialect in DIALECTS:
        for each in cases(rule, dialect):
            yield dialect, each


@pytest.mark.parametrize("rule", FRAMES)
def test_what_came_out_as_sent_passes_and_what_did_not_fails(rule: str) -> None:
    for dialect, each in _each(rule):
        right = _right(each)
        assert judged(rule, trace(each, *right, dialect=dialect)) == PASS
        assert isinstance(judged(rule, trace(each, *right[1:], dialect=dialect)), Fail)
        assert isinstance(judged(rule, trace(each, error("protocol"), dialect=dialect)), Fail)
        assert isinstance(judged(rule, trace(each, raised=ValueError(), dialect=dialect)), Fail)


@pytest.mark.parametrize("rule", FRAMES)
def test_an_unknown_answer_alone_says_nothing(rule: str) -> None:
    assert judged(rule, trace(UNKNOWN, *said("alpha"), end())) == IRRELEVANT


@pytest.mark.parametrize("rule", FRAMES)
def test_a_case_differs_from_its_base_in_one_thing(rule: str) -> None:
    for _, each in _each(rule):
        base = each.base
        assert base is not None
        differs = [
            each.script != base.script,
            each.cut != base.cut,
            len(set(each.style.values) ^ set(base.style.values)) == 1,
        ]
        # Long and many records change with the places at which they are cut.
        assert sum(differs) == 1 or rule == "SK-FRAME-008"
        assert len(set(each.style.values) - set(base.style.values)) <= 1


# SK-FRAME-001


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_cuts_lie_where_readers_break(dialect: Dialect) -> None:
    made = {each.name.split("/")[1]: each for each in cases("SK-FRAME-001", dialect)}
    records = write(NEUTRAL, dialect).reads
    wires = {name: write(each, dialect) for name, each in made.items()}
    assert {wire.body for wire in wires.values()} == {b"".join(records)}
    assert wires["one-read"].reads == (b"".join(records),)
    assert set(map(len, wires["bytes"].reads)) == {1}
    # A read with the end of one record and the beginning of the next.
    assert not any(read in records for read in wires["across-records"].reads)
    assert all(read.endswith(b"\n") is False for read in wires["inside-line-ends"].reads[:-1]) or (
        wires["inside-line-ends"].reads[0].endswith(b"\n")
    )
    assert len(wires["two-in-the-middle"].reads) == len(records) // 2 + 1
    assert b"".join(records).isascii()


def test_an_unknown_answer_is_compared_with_itself_cut_otherwise() -> None:
    first = trace(UNKNOWN, *said("alpha"), end())
    first.others = [trace(UNKNOWN, *said("al", "pha"), end())]
    assert judged("SK-FRAME-001", first) == PASS
    for chunks in ([*said("al"), end()], [*said("alpha"), error("truncated")]):
        first.others = [trace(UNKNOWN, *chunks)]
        _fails("SK-FRAME-001", first)


# SK-FRAME-005


def test_without_a_sentinel_the_last_line_is_the_answers_own() -> None:
    names = [each.name for each in cases("SK-FRAME-005")]
    assert "SK-FRAME-005/trailing=open/sentinel=absent/bytes" in names
    made = case("SK-FRAME-005", "trailing=open/sentinel=absent/records")
    assert write(made, OPENAI).body.endswith(b"}")
    assert made.base is not None
    assert write(made.base, OPENAI).body.endswith(b"}\n\n")


class _Strict(type(OLLAMA)):  # type: ignore[misc]
    last_line_may_end_open = False


def test_a_dialect_may_forbid_an_open_last_line() -> None:
    strict = _Strict("strict")
    is_open = case("SK-FRAME-005", "trailing=open/records", strict)
    cut = trace(is_open, *said("alpha"), error("truncated"), dialect=strict)
    assert judged("SK-FRAME-005", cut) == PASS
    assert (
        _fails("SK-FRAME-005", trace(is_open, *_right(is_open), dialect=strict)).got == "no error"
    )
    other = trace(is_open, error("protocol"), dialect=strict)
    assert _fails("SK-FRAME-005", other).got == "protocol"
    closed = trace(NEUTRAL, *_right(NEUTRAL), dialect=strict)
    assert judged("SK-FRAME-005", closed) == PASS


# SK-FRAME-008, SK-FRAME-009, SK-FRAME-010


def test_a_long_record_comes_whole_and_in_small_reads() -> None:
    one, small = (write(each, OPENAI) for each in cases("SK-FRAME-008"))
    assert max(map(len, one.reads)) > 256 * 1024
    assert max(map(len, small.reads)) <= 1100
    long = case("SK-FRAME-008", "one-read")
    assert len(_fails("SK-FRAME-008", trace(long, *said("alpha"), end())).expected) < 200


def test_axes_whose_own_rules_judge_every_trace_are_played() -> None:
    tried = {
        axis.name
        for axis in OPENAI.all_axes
        for each in cases("SK-FRAME-009")
        if each.style.get(axis) != axis.neutral
    }
    assert {"role", "fillers", "finish", "after_sentinel"} <= tried
    for rule in (each.rule for each in OPENAI.all_axes if each.name in tried):
        assert rule == "SK-FRAME-009" or find(rule).is_invariant


def test_more_records_come_in_one_read_than_recursion_is_deep() -> None:
    (many,) = cases("SK-FRAME-010")
    wire = write(many, OPENAI)
    assert len(wire.reads) == 1
    assert wire.body.count(b"\n\n") > 1100


class _Voice(Spoken):
    name = "voice"

    def say(self, script: Script) -> tuple[Ask, Script] | None:
        return None


def test_a_subject_without_a_wire_gets_no_cuts_at_places() -> None:
    made = find("SK-FRAME-001").cases
    long = find("SK-FRAME-008").cases
    assert made is not None
    assert long is not None
    voice = Plan(_Voice(), "test-model", {})
    assert all(each.cut.kind != "at" for each in [*made(voice), *long(voice)])
    assert any(each.cut == RECORDS for each in long(plan()))
