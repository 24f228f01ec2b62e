import pytest

from streamkit.chunks import StreamChunk, ToolCallChunk
from streamkit_conformance.case import Ask, Case
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
    OPENAI,
    case,
    cases,
    end,
    error,
    judged,
    said,
    trace,
)

UNKNOWN = Case(name="live", script=Script(()))
BY_CASES = ["SK-UNI-001", "SK-UNI-002", "SK-UNI-003", "SK-UNI-005"]


def _fails(rule: str, of: Trace) -> Fail:
    outcome = judged(rule, of)
    assert isinstance(outcome, Fail), outcome
    return outcome


def _texts(of: Case) -> list[str]:
    return [each.text for each in of.script.events if isinstance(each, Text)]


def _right(of: Case) -> list[StreamChunk]:
    whole = "".join(_texts(of)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return [*said(whole), end()]


@pytest.mark.parametrize("rule", BY_CASES)
def test_characters_that_came_out_whole_pass(rule: str) -> None:
    for dialect in DIALECTS:
        for each in cases(rule, dialect):
            made = trace(each, *_right(each), dialect=dialect)
            made.others = [trace(other, *_right(other), dialect=dialect) for other in each.then]
            assert judged(rule, made) == PASS
            made.seen = trace(each, *said("alpha"), error("protocol")).seen
            assert isinstance(judged(rule, made), Fail)


@pytest.mark.parametrize("rule", BY_CASES)
def test_an_unknown_answer_says_nothing_of_characters(rule: str) -> None:
    assert judged(rule, trace(UNKNOWN, *said("alpha"), end())) == IRRELEVANT


# SK-UNI-001


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_characters_and_only_characters_are_cut(dialect: Dialect) -> None:
    inside = case("SK-UNI-001", "inside-characters", dialect)
    reads = write(inside, dialect).reads
    assert len(reads) > 8
    assert all(read[0] & 0xC0 == 0x80 for read in reads[1:])
    (control,) = inside.then
    narrow = write(control, dialect)
    assert narrow.body.isascii()
    assert [len(each) for each in narrow.reads] == [len(each) for each in reads]


def test_a_reader_that_fails_on_any_cut_is_another_rules() -> None:
    split = case("SK-UNI-001", "bytes")
    (control,) = split.then
    garbled = trace(split, *said("al\ufffd\ufffd"), end())
    garbled.others = [trace(control, *_right(control))]
    _fails("SK-UNI-001", garbled)
    garbled.others = [trace(control, *said("x"), end())]
    assert judged("SK-UNI-001", garbled) == IRRELEVANT


class _Voice(Spoken):
    name = "voice"

    def say(self, script: Script) -> tuple[Ask, Script] | None:
        return None


def test_a_subject_without_a_wire_has_no_bytes_to_split() -> None:
    made = find("SK-UNI-001").cases
    assert made is not None
    assert list(made(Plan(_Voice(), "test-model", {}))) == []


# SK-UNI-002


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_line_separators_stand_raw_in_the_body(dialect: Dialect) -> None:
    for place in (0x2028, 0x2029, 0x85):
        made = case("SK-UNI-002", f"U+{place:04X}", dialect)
        assert chr(place).encode() in write(made, dialect).body


def test_a_text_cut_at_a_separator_fails() -> None:
    made = case("SK-UNI-002", "U+2028")
    _fails("SK-UNI-002", trace(made, *said("al", "pha", "beta"), end()))


# SK-UNI-003, SK-UNI-005


def test_escapes_are_on_the_wire() -> None:
    made = case("SK-UNI-003", "escapes=escaped/records")
    body = write(made, OPENAI).body
    assert body.isascii()
    assert b"\\ud83d\\ude00" in body.lower()


def test_a_half_is_replaced_and_neither_dropped_nor_fatal() -> None:
    half = case("SK-UNI-003", "high-half")
    _fails("SK-UNI-003", trace(half, *said("alpha", "beta"), end()))
    _fails("SK-UNI-003", trace(half, *said("al"), error("protocol")))
    _fails("SK-UNI-003", trace(half, *said("al\ufffd\ufffdpha", "beta"), end()))
    # That the half itself came out is the next rule's.
    assert judged("SK-UNI-003", trace(half, *said("al\ud83dpha", "beta"), end())) == PASS


def test_halves_of_two_deltas_are_joined() -> None:
    halves = case("SK-UNI-005", "two-deltas")
    assert judged("SK-UNI-005", trace(halves, *said("al", "😀pha", "beta"), end())) == PASS
    _fails("SK-UNI-005", trace(halves, *said("al\ufffd", "\ufffdpha", "beta"), end()))


# SK-UNI-004


def test_no_chunk_holds_half_a_character() -> None:
    assert judged("SK-UNI-004", trace(NEUTRAL, *said("al😀pha"), end())) == PASS
    assert "index 2" in _fails("SK-UNI-004", trace(NEUTRAL, *said("a", "\ud83d"), end())).message
    _fails("SK-UNI-004", trace(NEUTRAL, error("provider", "no \ude00")))
    nothing = trace(NEUTRAL)
    nothing.seen = []
    assert judged("SK-UNI-004", nothing) == IRRELEVANT


@pytest.mark.parametrize(
    "arguments", [{"\ud83d": 1}, {"a": "\ud83d"}, {"a": ["b", {"c": "\ud83d"}]}, {"a": ("\ud83d",)}]
)
def test_halves_are_found_in_every_field(arguments: dict[str, object]) -> None:
    call = ToolCallChunk(
        stream_id="", index=0, part=0, call_id="c", name="f", done=True, arguments=arguments
    )
    _fails("SK-UNI-004", trace(NEUTRAL, call))
