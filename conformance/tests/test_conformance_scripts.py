"""Scripts keep what they say, and what must come out of them is what a person would say."""

import json
import zlib
from typing import Final

import pytest
from hypothesis import given, settings

from streamkit.plugin import Capabilities
from streamkit_conformance import base_scripts
from streamkit_conformance.axes import Style
from streamkit_conformance.base_scripts import (
    CHARACTERS,
    FINISHES,
    INTERLEAVED_CALLS,
    PLAIN,
    REASONING,
    SPLIT_EMOJI,
    TWO_CALLS,
    characters_script,
    texts,
)
from streamkit_conformance.case import Ask, Case
from streamkit_conformance.cuts import BYTES, WHOLE
from streamkit_conformance.dialects import Dialect, ollama_ndjson, openai_sse
from streamkit_conformance.expect import CallExpected, expected, first_mismatch
from streamkit_conformance.rules.registry import Plan
from streamkit_conformance.script import (
    FAULT_KINDS,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolStart,
)
from streamkit_conformance.strategies import cases
from streamkit_conformance.trace import Trace
from streamkit_conformance.wire import write

_OPENAI: Final = openai_sse()
_OLLAMA: Final = ollama_ndjson()
_LAST_PIECE: Final = ToolArguments(0, "{}")
_SCRIPTS: Final[dict[str, Script]] = {
    name: value for name, value in vars(base_scripts).items() if isinstance(value, Script)
}


@pytest.mark.parametrize("name", _SCRIPTS)
def test_a_script_survives_json(name: str) -> None:
    for script in (_SCRIPTS[name], _SCRIPTS[name].with_fault("status", after=2, status=429)):
        assert Script.from_json(json.loads(json.dumps(script.to_json()))) == script


@settings(max_examples=100, deadline=None)
@given(cases(Plan(dialect=_OPENAI, model="m", claims={})))
def test_any_script_survives_json(case: Case) -> None:
    assert Script.from_json(json.loads(json.dumps(case.script.to_json()))) == case.script


@pytest.mark.parametrize(
    "data", [{}, {"events": [{"event": "Song"}]}, {"events": [{"event": "Text", "note": "a"}]}]
)
def test_what_is_no_script_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no script"):
        Script.from_json(data)


@pytest.mark.parametrize("name", _SCRIPTS)
def test_base_scripts_are_short_and_end_with_the_finish(name: str) -> None:
    script = _SCRIPTS[name]
    assert isinstance(script.events[-1], Finish)
    said = sum(len(getattr(each, "text", "")) for each in script.events)
    assert said <= 120
    assert len(script.events) <= 10


def test_every_class_of_characters_is_in_the_nasty_script() -> None:
    said = expected(base_scripts.NASTY).text
    for each in CHARACTERS:
        assert each.text in said
        assert expected(characters_script(each.name)).text == f"One {each.text} two"


def test_each_finish_reason_of_the_schema_has_a_script() -> None:
    reasons = {reason: expected(script).finish for reason, script in FINISHES.items()}
    assert reasons == {each: each for each in ("stop", "length", "tool_calls", "content_filter")}


# What must come out.


def test_neighbours_of_one_kind_are_one_run() -> None:
    wanted = expected(REASONING)
    assert wanted.runs == (("reasoning", "Let me think…"), ("text", "The answer is 4."))
    assert (wanted.finish, wanted.kinds) == ("stop", frozenset())
    assert wanted.tokens == Tokens(input=7, output=9, reasoning=4)


def test_what_a_wire_loses_need_not_come_out() -> None:
    wanted = expected(REASONING, losses=frozenset({"reasoning", "usage"}))
    assert wanted.runs == (("text", "The answer is 4."),)
    assert wanted.tokens is None


def test_two_halves_of_a_character_are_one_and_half_of_one_is_a_mark() -> None:
    assert expected(SPLIT_EMOJI).text == "a😀b"
    assert expected(texts("a\ud83d", "b")).text == "a\ufffdb"


def test_pieces_of_calls_that_alternate_are_joined_by_call() -> None:
    assert expected(INTERLEAVED_CALLS).calls == (
        CallExpected("call_a", "weather", '{"city":"Rome"}', is_done=True),
        CallExpected("call_b", "weather", '{"city":"Oslo"}', is_done=True),
    )


def test_a_call_that_broke_off_is_not_done() -> None:
    script = TWO_CALLS.with_fault("end", after=3)
    assert [each.is_done for each in expected(script).calls] == [False, False]
    whole = expected(script, losses=frozenset({"tool_fragments"})).calls
    assert [(each.id, each.is_done) for each in whole] == [("call_a", True)]


def test_a_call_that_comes_whole_waits_for_those_before_it() -> None:
    assert INTERLEAVED_CALLS.with_fault("end", after=5).unsent_calls == {1}
    assert INTERLEAVED_CALLS.with_fault("end", after=4).unsent_calls == {0, 1}
    assert TWO_CALLS.with_fault("end", after=3).unsent_calls == {1}
    assert TWO_CALLS.unsent_calls == frozenset()
    second_first = Script((*INTERLEAVED_CALLS.events[:2], ToolArguments(1, "{}"), _LAST_PIECE))
    assert second_first.with_fault("end", after=3).unsent_calls == {0, 1}


def test_the_last_tokens_count() -> None:
    script = Script((Text("a"), Tokens(1, 1), Tokens(1, 2), Finish()))
    assert expected(script).tokens == Tokens(1, 2)


@pytest.mark.parametrize("kind", sorted(FAULT_KINDS))
def test_every_fault_before_the_finish_must_end_in_an_error(kind: str) -> None:
    wanted = expected(PLAIN.with_fault(kind, after=2))  # type: ignore[arg-type]
    assert wanted.finish is None
    assert wanted.kinds


def test_a_clean_end_behind_the_finish_is_a_whole_answer() -> None:
    wanted = expected(PLAIN.with_fault("end", after=len(PLAIN.events)))
    assert (wanted.finish, wanted.kinds) == ("stop", frozenset())


def test_a_break_behind_the_finish_may_be_an_end_or_an_error() -> None:
    wanted = expected(PLAIN.with_fault("read_error", after=len(PLAIN.events)))
    assert wanted.finish == "stop"
    assert "connection" in wanted.kinds


def test_no_stream_is_a_mismatch() -> None:
    case = Case(name="x", script=PLAIN)
    trace = Trace(case, "asyncio", _OPENAI, Capabilities(), write(case, _OPENAI))
    found = first_mismatch(trace)
    assert found is not None
    assert found.expected == "text 'Hello, world!'"


# What the network delivers.


def _gunzipped(body: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(body)


@pytest.mark.parametrize("dialect", [_OPENAI, _OLLAMA], ids=["openai", "ollama"])
@pytest.mark.parametrize("kind", sorted(FAULT_KINDS))
def test_every_fault_can_be_written(dialect: Dialect, kind: str) -> None:
    case = Case(name="x", script=PLAIN.with_fault(kind, after=2))  # type: ignore[arg-type]
    plain = write(Case(name="x", script=PLAIN), dialect)
    wire = write(case, dialect)
    assert wire != plain
    if kind in ("connect", "dns", "tls", "stall_head"):
        assert (wire.status, wire.reads, wire.before) == (0, (), kind)
    elif kind in ("read_error", "protocol_error", "reset", "stall"):
        assert wire.ending == kind
        assert plain.body.startswith(wire.body)
        assert b", " in wire.body
    elif kind in ("end", "end_inside"):
        assert wire.ending == "end"
        assert plain.body.startswith(wire.body)
        assert wire.body.endswith(b"\n") == (kind == "end")
    elif kind in ("malformed_record", "invalid_utf8"):
        assert b"world!" in wire.body  # what follows shows whether the record was skipped
    assert wire.status == (500 if kind == "status" else 0 if wire.before else 200)


@pytest.mark.parametrize("dialect", [_OPENAI, _OLLAMA], ids=["openai", "ollama"])
def test_a_fault_is_inside_the_content_encoding(dialect: Dialect) -> None:
    for kind in ("malformed_record", "invalid_utf8", "error_record"):
        script = PLAIN.with_fault(kind, after=2)
        plain = write(Case(name="x", script=script), dialect)
        case = Case(name="x", script=script).with_(style=Style.of(encoding="gzip"))
        packed = write(case, dialect)
        assert ("content-encoding", "gzip") in packed.headers
        assert _gunzipped(packed.body) == plain.body


@pytest.mark.parametrize("dialect", [_OPENAI, _OLLAMA], ids=["openai", "ollama"])
def test_the_cut_changes_the_reads_and_not_the_body(dialect: Dialect) -> None:
    case = Case(name="x", script=base_scripts.NASTY)
    wires = [write(case.with_(cut=cut), dialect) for cut in (WHOLE, BYTES, case.cut)]
    assert len({each.body for each in wires}) == 1
    assert [len(each.reads) for each in wires][:2] == [1, len(wires[0].body)]


@pytest.mark.parametrize("body", ["own", "html", "empty", "huge", "text"])
def test_a_refusal_has_the_status_the_headers_and_the_body_it_is_given(body: str) -> None:
    script = PLAIN.with_fault(
        "status", status=429, headers={"retry-after": "3"}, message="Too fast.", body=body
    )
    wire = write(Case(name="x", script=script), _OPENAI)
    assert wire.status == 429
    assert ("retry-after", "3") in wire.headers
    shown = {"own": b'"message":"Too fast."', "html": b"<html>", "text": b"Too fast."}
    assert shown.get(body, b"") in wire.body
    assert len(wire.body) == {"empty": 0, "huge": 300_000}.get(body, len(wire.body))


@pytest.mark.parametrize("dialect", [_OPENAI, _OLLAMA], ids=["openai", "ollama"])
def test_an_answer_in_one_piece_is_json_and_breaks_like_a_stream(dialect: Dialect) -> None:
    case = Case(name="x", script=PLAIN, ask=Ask(stream=False))
    whole = write(case, dialect)
    assert "Hello, world!" in json.dumps(json.loads(whole.body))
    cut = write(case.with_(script=PLAIN.with_fault("read_error", after=1)), dialect)
    assert whole.body.startswith(cut.body)
    assert (cut.ending, len(cut.body) < len(whole.body)) == ("read_error", True)


def test_a_call_that_lacks_a_piece_is_not_sent_where_calls_come_whole() -> None:
    for after in range(len(INTERLEAVED_CALLS.events)):
        script = INTERLEAVED_CALLS.with_fault("end", after=after)
        body = write(Case(name="x", script=script), _OLLAMA).body.decode()
        assert ("Rome" in body) == (after >= 5)
        assert ("Oslo" in body) == (after >= 6)


def test_events_behind_a_fault_are_not_sent() -> None:
    script = Script((Reasoning("a"), Text("b"), ToolStart(0, "c", "d"), ToolArguments(0, "{}")))
    assert script.with_fault("end", after=2).sent == script.events[:2]
    assert script.with_fault("empty_body", after=2).sent == ()
    assert script.sent == script.events
