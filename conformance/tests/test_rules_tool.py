from typing import Any

import pytest

from streamkit.chunks import InvalidArguments, StreamChunk, ToolCallChunk
from streamkit.plugin import Capabilities
from streamkit_conformance import dialects
from streamkit_conformance.case import Case
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.dialects.openai import OpenAI
from streamkit_conformance.rules import all_rules
from streamkit_conformance.rules.registry import Rule
from streamkit_conformance.script import Script, Text, ToolArguments
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import Fail, Irrelevant, NotApplicable, Pass
from streamkit_conformance.wire import write
from tests.handmade_traces import (
    DIALECTS,
    OLLAMA,
    OPENAI,
    call,
    case,
    cases,
    end,
    error,
    judged,
    plan,
    reset,
    said,
    trace,
)

GROUPS = frozenset({"TOOL", "REAS", "USE", "CAP", "REQ", "PAR"})
MINE = [each for each in all_rules() if each.group in GROUPS]
CLAIMED = Capabilities.of(yes="tools parallel_tools")
DENIED = Capabilities.of(no="tools")
ONE_AT_A_TIME = Capabilities.of(yes="tools", no="parallel_tools")
ARGUMENTS = '{"city": "Oslo"}'


def _piece(id: str, name: str, text: str = "", **fields: Any) -> StreamChunk:
    return ToolCallChunk(
        stream_id="", index=0, part=0, call_id=id, name=name, arguments_delta=text, **fields
    )


def _invalid(id: str, text: str) -> list[StreamChunk]:
    shown = InvalidArguments(text=text, reason="no JSON")
    return [_piece(id, "look_up", text), _piece(id, "look_up", done=True, invalid=shown)]


def _seen(of: Case, *chunks: StreamChunk, **fields: Any) -> Trace:
    fields.setdefault("claims", CLAIMED)
    return trace(of, *chunks, end("tool_calls"), **fields)


def _two(id: str = "call_b2") -> list[StreamChunk]:
    right = call(id, "add", '{"left":', " 2, ", '"right": 3}')
    return [*call("call_a1", "look_up", '{"city":', ' "Oslo"}'), *right]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
@pytest.mark.parametrize("rule", MINE, ids=lambda each: each.id)
def test_every_case_is_written_in_every_dialect(rule: Rule, dialect: Dialect) -> None:
    made = [] if rule.cases is None else list(rule.cases(plan(dialect)))
    names: dict[str, Case] = {}
    for each in made:
        for one in (each, *each.then, *filter(None, (each.base,))):
            if dialect.missing(one.script) or (
                not one.ask.stream and "whole" in dialect.losses
            ):  # pragma: no cover - which ones differ from dialect to dialect
                continue
            assert write(one, dialect).body
            assert names.setdefault(one.name, one) == one
    assert all(each.name.startswith(rule.id) and rule.id in each.rules for each in made)


@pytest.mark.parametrize("rule", MINE, ids=lambda each: each.id)
def test_a_rule_says_what_holds_why_and_how_it_looks(rule: Rule) -> None:
    for text in (rule.statement, rule.reason, rule.wire):
        assert len(text) > 20


# SK-TOOL-001


def test_arguments_pass_as_the_text_that_was_sent() -> None:
    of = case("SK-TOOL-001", "one piece")
    text = "".join(each.text for each in of.script.events if isinstance(each, ToolArguments))
    assert judged("SK-TOOL-001", _seen(of, *call("call_a1", "look_up", text))) == Pass()


def test_arguments_written_anew_fail() -> None:
    of = case("SK-TOOL-001", "blank pieces")
    anew = judged("SK-TOOL-001", _seen(of, *call("call_a1", "look_up", '{"city":"Oslo"}')))
    assert isinstance(anew, Fail)
    assert "\n}" in anew.expected


def test_a_wire_without_the_text_keeps_what_it_means() -> None:
    of = case("SK-TOOL-001", "blank pieces", OLLAMA)
    anew = _seen(of, *call("call_a1", "look_up", '{"city":"Oslo"}'), dialect=OLLAMA)
    assert judged("SK-TOOL-001", anew) == Pass()
    other = _seen(of, *call("call_a1", "look_up", '{"city":"Rome"}'), dialect=OLLAMA)
    assert isinstance(judged("SK-TOOL-001", other), Fail)


def test_another_number_of_calls_is_no_matter_of_their_text() -> None:
    of = case("SK-TOOL-001", "one piece")
    assert judged("SK-TOOL-001", _seen(of, *_two())) == Irrelevant()


@pytest.mark.parametrize(
    "rule", ["SK-TOOL-001", "SK-TOOL-002", "SK-TOOL-003", "SK-TOOL-007", "SK-TOOL-008"]
)
def test_no_call_at_all_is_a_matter_of_claims(rule: str) -> None:
    of = cases("SK-TOOL-002")[0]
    assert judged(rule, _seen(of)) == Irrelevant()
    assert isinstance(judged(rule, _seen(of, claims=Capabilities())), NotApplicable)
    assert isinstance(judged(rule, _seen(of, *_two(), claims=DENIED)), NotApplicable)


# SK-TOOL-002


def test_calls_kept_apart_pass() -> None:
    of = case("SK-TOOL-002", "interleaved")
    assert judged("SK-TOOL-002", _seen(of, *_two())) == Pass()
    assert judged("SK-TOOL-002", _seen(case("SK-TOOL-002", "one"), *_two()[:3])) == Pass()


def test_calls_glued_together_fail() -> None:
    of = case("SK-TOOL-002", "interleaved")
    glued = [_piece("call_a1", "look_up", '{"city":{"left": "Oslo"} 2, "right": 3}')]
    assert isinstance(judged("SK-TOOL-002", _seen(of, *glued)), Fail)
    swapped = [*call("call_a1", "look_up", '{"left": 2}'), *call("call_b2", "add", ARGUMENTS)]
    assert isinstance(judged("SK-TOOL-002", _seen(of, *swapped)), Fail)


@pytest.mark.parametrize("rule", ["SK-TOOL-002", "SK-TOOL-003", "SK-TOOL-007"])
def test_one_call_of_two_is_a_matter_of_claims(rule: str) -> None:
    of = case("SK-TOOL-002", "behind each other")
    lone = call("call_a1", "look_up", ARGUMENTS)
    assert judged(rule, _seen(of, *lone)) == Irrelevant()
    assert isinstance(judged(rule, _seen(of, *lone, claims=ONE_AT_A_TIME)), NotApplicable)


def test_one_call_of_two_fails_where_another_case_shows_both() -> None:
    lone = call("call_a1", "look_up", ARGUMENTS)
    for what in ("interleaved", "two calls"):
        assert isinstance(judged("SK-TOOL-002", _seen(case("SK-TOOL-002", what), *lone)), Fail)


# SK-TOOL-003


def test_an_id_that_stays_passes_whoever_made_it() -> None:
    made = case("SK-TOOL-003", "id made")
    assert judged("SK-TOOL-003", _seen(made, *call("made_1", "look_up", ARGUMENTS))) == Pass()
    two = case("SK-TOOL-003", "two ids made")
    assert judged("SK-TOOL-003", _seen(two, *_two())) == Pass()


def test_an_id_that_changes_fails() -> None:
    of = case("SK-TOOL-003", "id made")
    changing = [_piece("made_1", "look_up", '{"city":'), _piece("made_2", "look_up", ' "Oslo"}')]
    assert isinstance(judged("SK-TOOL-003", _seen(of, *changing)), Fail)


def test_one_id_for_two_calls_fails() -> None:
    of = case("SK-TOOL-003", "two ids made")
    shared = [*call("made", "look_up", ARGUMENTS), *call("made", "add", "{}")]
    assert isinstance(judged("SK-TOOL-003", _seen(of, *shared)), Fail)
    same_name = [*call("made", "look_up", ARGUMENTS), *call("made", "look_up", "{}")]
    assert isinstance(judged("SK-TOOL-003", _seen(of, *same_name)), Fail)


@pytest.mark.parametrize("name", ["", "other"])
def test_a_name_that_comes_late_or_changes_fails(name: str) -> None:
    of = case("SK-TOOL-003", "ids given")
    late = [_piece("call_a1", name, '{"city":'), _piece("call_a1", "look_up", ' "Oslo"}')]
    assert isinstance(judged("SK-TOOL-003", _seen(of, *late)), Fail)


# SK-TOOL-004


def test_an_empty_text_means_an_empty_object() -> None:
    of = case("SK-TOOL-004", "no arguments")
    done = _piece("call_a1", "look_up", done=True, arguments={})
    assert judged("SK-TOOL-004", _seen(of, done)) == Pass()
    none = _piece("call_a1", "look_up", done=True, invalid=InvalidArguments(text="", reason="-"))
    assert isinstance(judged("SK-TOOL-004", _seen(of, none)), Fail)


def test_a_call_without_arguments_that_is_dropped_fails() -> None:
    of = case("SK-TOOL-004", "no arguments")
    assert isinstance(judged("SK-TOOL-004", _seen(of)), Fail)
    assert isinstance(judged("SK-TOOL-004", _seen(of, claims=Capabilities())), NotApplicable)
    two = case("SK-TOOL-004", "tool_parts=whole/records")
    assert judged("SK-TOOL-004", _seen(two, *_two())) == Pass()
    glued = call("call_a1", "look_up", '{"city": "Oslo", "left": 2}')
    assert isinstance(judged("SK-TOOL-004", _seen(two, *glued)), Fail)
    # Its base shows that two calls come out where they come in pieces.
    assert isinstance(judged("SK-TOOL-004", _seen(two, *_two()[:3])), Fail)
    alone = _seen(two, *_two()[:3], claims=ONE_AT_A_TIME)
    assert isinstance(judged("SK-TOOL-004", alone), NotApplicable)


def test_a_call_that_is_never_done_is_another_rule() -> None:
    of = case("SK-TOOL-004", "whole")
    assert judged("SK-TOOL-004", _seen(of, _piece("call_a1", "look_up", ARGUMENTS))) == Irrelevant()


# SK-TOOL-005


def test_a_call_that_broke_off_may_be_shown_and_is_not_done() -> None:
    of = case("SK-TOOL-005", "end after 2")
    broken = [_piece("call_a1", "look_up", '{"city":'), error("truncated")]
    assert judged("SK-TOOL-005", trace(of, *broken, claims=CLAIMED)) == Pass()
    assert judged("SK-TOOL-005", trace(of, error("truncated"), claims=CLAIMED)) == Pass()


@pytest.mark.parametrize(
    ("what", "dialect"), [("end after 2", OPENAI), ("end inside the call", OLLAMA)]
)
def test_a_call_that_broke_off_and_is_done_fails(what: str, dialect: Dialect) -> None:
    of = case("SK-TOOL-005", what, dialect)
    run = [*call("call_a1", "look_up", "{}"), error("truncated")]
    assert isinstance(judged("SK-TOOL-005", trace(of, *run, claims=CLAIMED, dialect=dialect)), Fail)
    denied = trace(of, *run, claims=DENIED, dialect=dialect)
    assert isinstance(judged("SK-TOOL-005", denied), NotApplicable)


# SK-TOOL-006


def test_invalid_arguments_pass_with_their_text() -> None:
    of = case("SK-TOOL-006", "cut by the limit")
    assert judged("SK-TOOL-006", _seen(of, *_invalid("call_a1", '{"city": "Os'))) == Pass()


def test_invalid_arguments_that_are_mended_cut_or_dropped_fail() -> None:
    of = case("SK-TOOL-006", "cut by the limit")
    for chunks in (
        call("call_a1", "look_up", '{"city": "Os"}'),
        _invalid("call_a1", '{"city": "O'),
        [_piece("call_a1", "look_up", done=True)],
        [_piece("call_a1", "look_up", '{"city": "Os')],
        [],
    ):
        assert isinstance(judged("SK-TOOL-006", _seen(of, *chunks)), Fail)
    assert isinstance(judged("SK-TOOL-006", _seen(of, claims=Capabilities())), NotApplicable)


def test_valid_arguments_must_be_parsed() -> None:
    of = case("SK-TOOL-006", "valid")
    assert judged("SK-TOOL-006", _seen(of, *call("call_a1", "look_up", ARGUMENTS))) == Pass()
    assert isinstance(judged("SK-TOOL-006", _seen(of, *_invalid("call_a1", ARGUMENTS))), Fail)


def test_a_wire_that_holds_values_cannot_show_invalid_arguments() -> None:
    assert all(OLLAMA.missing(each.script) for each in cases("SK-TOOL-006", OLLAMA))


# SK-TOOL-007


def test_an_id_passes_as_it_is_or_in_the_metadata() -> None:
    of = case("SK-TOOL-007", "dots and colons")
    wire_id = "functions.look_up:0"
    assert judged("SK-TOOL-007", _seen(of, *call(wire_id, "look_up", ARGUMENTS))) == Pass()
    kept = _piece("call_x", "look_up", ARGUMENTS, metadata={"p": {"ids": [wire_id]}})
    assert judged("SK-TOOL-007", _seen(of, kept)) == Pass()


def test_an_id_that_is_cleaned_fails() -> None:
    of = case("SK-TOOL-007", "dots and colons")
    cleaned = _seen(of, *call("functions_look_up_0", "look_up", ARGUMENTS))
    assert isinstance(judged("SK-TOOL-007", cleaned), Fail)


def test_calls_with_one_id_get_two() -> None:
    of = case("SK-TOOL-007", "repeated")
    apart = [*call("call_a1", "look_up", ARGUMENTS), *call("made", "add", "{}")]
    assert judged("SK-TOOL-007", _seen(of, *apart)) == Pass()
    glued = [*call("call_a1", "look_up", ARGUMENTS), *call("call_a1", "add", "{}")]
    assert isinstance(judged("SK-TOOL-007", _seen(of, *glued)), Fail)


def test_a_wire_without_ids_shows_nothing_of_them() -> None:
    wire = OpenAI("no-ids", frozenset({"tool_ids"}), "[DONE]", "reasoning_content")
    assert not cases("SK-TOOL-007", wire)


# SK-TOOL-008


def test_a_call_that_is_done_once_and_last_passes() -> None:
    assert judged("SK-TOOL-008", _seen(case("SK-TOOL-002", "interleaved"), *_two())) == Pass()


def test_a_call_that_is_done_twice_early_or_never_fails() -> None:
    of = case("SK-TOOL-003", "ids given")
    done = _piece("call_a1", "look_up", done=True, arguments={})
    piece = _piece("call_a1", "look_up", ARGUMENTS)
    for chunks in ([piece, done, done], [done, piece], [piece]):
        assert isinstance(judged("SK-TOOL-008", _seen(of, *chunks)), Fail)


def test_a_call_of_a_broken_answer_need_not_be_done() -> None:
    of = case("SK-TOOL-005", "end after 2")
    piece = _piece("call_a1", "look_up", '{"city":')
    for last in ([error("truncated")], [end("cancelled")], []):
        assert judged("SK-TOOL-008", trace(of, piece, *last, claims=CLAIMED)) == Pass()


def test_calls_that_were_split_or_begun_again_are_other_rules() -> None:
    of = case("SK-TOOL-003", "ids given")
    split = [_piece("made_1", "look_up", '{"city":'), _piece("made_2", "look_up", ' "Oslo"}')]
    assert judged("SK-TOOL-008", _seen(of, *split)) == Irrelevant()
    glued = _piece("call_a1", "look_up", "{}{}")
    assert judged("SK-TOOL-008", _seen(case("SK-TOOL-002", "interleaved"), glued)) == Irrelevant()
    again = [_piece("call_a1", "look_up", "{"), reset(0), *call("call_a1", "look_up", ARGUMENTS)]
    assert judged("SK-TOOL-008", _seen(of, *again)) == Irrelevant()


def test_an_answer_of_text_says_nothing_of_calls() -> None:
    text = Case(name="text", script=Script((Text("Hi"),)))
    assert judged("SK-TOOL-008", trace(text, *said("Hi"), end(), claims=CLAIMED)) == Irrelevant()
    mute = dialects.openai_sse(tools=False)
    seen = trace(text, *said("Hi"), end(), claims=CLAIMED, dialect=mute)
    assert isinstance(judged("SK-TOOL-008", seen), NotApplicable)


# SK-TOOL-009


def test_calls_finish_with_tool_calls_whatever_the_word() -> None:
    of = case("SK-TOOL-009", "the word for stop")
    chunks = call("call_a1", "look_up", ARGUMENTS)
    assert judged("SK-TOOL-009", _seen(of, *chunks)) == Pass()
    stopped = trace(of, *chunks, end("stop"), claims=CLAIMED)
    assert isinstance(judged("SK-TOOL-009", stopped), Fail)
    broken = trace(of, *chunks, error("truncated"), claims=CLAIMED)
    assert judged("SK-TOOL-009", broken) == Irrelevant()
    assert judged("SK-TOOL-009", _seen(of)) == Irrelevant()


def test_a_wire_with_one_word_for_both_is_judged_too() -> None:
    (only,) = cases("SK-TOOL-009", OLLAMA)
    assert only.rules == {"SK-TOOL-009"}
