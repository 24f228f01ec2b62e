from typing import Any

import pytest

from streamkit.chunks import (
    Attempt,
    ContentChunk,
    EndChunk,
    ReasoningChunk,
    StreamChunk,
    ToolResultChunk,
    UnknownChunk,
    Usage,
    UsageChunk,
)
from streamkit_conformance.case import Ask, Case, Consumer
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.framing.base import Named
from streamkit_conformance.rules.neutral import NEUTRAL, WORDS
from streamkit_conformance.script import Event, Finish, Script, Text
from streamkit_conformance.trace import Seen, Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, NotApplicable
from tests.handmade_traces import (
    DIALECTS,
    OLLAMA,
    OPENAI,
    call,
    case,
    end,
    error,
    judged,
    request,
    reset,
    said,
    trace,
)

UNKNOWN = Case(name="live", script=Script(()))


def _fails(rule: str, of: Trace) -> Fail:
    outcome = judged(rule, of)
    assert isinstance(outcome, Fail), outcome
    return outcome


def _exactly(*chunks: Any) -> Trace:
    """A stream of these chunks as they are, without a start."""
    made = trace(NEUTRAL)
    made.seen = [Seen(each, 1) for each in chunks]
    return made


def _content(index: int, text: str = "a", **fields: Any) -> ContentChunk:
    return ContentChunk(**{"stream_id": "s1", "index": index, "part": 0, "content": text, **fields})


@pytest.mark.parametrize("number", [1, 2, 4, 5, 6])
def test_a_right_stream_passes_and_none_says_nothing(number: int) -> None:
    usage = UsageChunk(stream_id="", index=0, usage=Usage(input_tokens=1))
    last = error("truncated").model_copy(update={"usage": Usage(input_tokens=1)})
    assert judged(f"SK-META-00{number}", trace(NEUTRAL, *said("a"), usage, last)) == PASS
    assert judged(f"SK-META-00{number}", _exactly()) == IRRELEVANT


# SK-META-001


def test_indexes_count_from_zero_without_gaps() -> None:
    assert judged("SK-META-001", _exactly(_content(0), _content(1))) == PASS
    assert _fails("SK-META-001", _exactly(_content(0), _content(2))).got == "2"
    _fails("SK-META-001", _exactly(_content(1)))
    _fails("SK-META-001", _exactly(_content(0), _content(0)))


def test_a_stream_has_one_id() -> None:
    _fails("SK-META-001", _exactly(_content(0), _content(1, stream_id="s2")))
    _fails("SK-META-001", _exactly(_content(0, stream_id="")))


# SK-META-002


def test_time_goes_forward() -> None:
    def at(*times: int) -> list[StreamChunk]:
        return [_content(n, elapsed_ms=each) for n, each in enumerate(times)]

    assert judged("SK-META-002", _exactly(*at(0, 5, 5, 9))) == PASS
    assert _fails("SK-META-002", _exactly(*at(0, 5, 4))).got == "4"
    _fails("SK-META-002", _exactly(*at(-1)))


def test_the_time_to_first_content_is_within_the_streams() -> None:
    for told, is_right in ((None, True), (0, True), (7, True), (8, False), (-1, False)):
        last = end().model_copy(update={"ttfc_ms": told, "elapsed_ms": 7})
        assert (judged("SK-META-002", _exactly(_content(0), last)) == PASS) is is_right


# SK-META-003


def _ended(raw: str | None) -> EndChunk:
    return end().model_copy(update={"raw_finish_reason": raw})


def test_the_services_own_word_is_kept() -> None:
    words = said("alpha", "beta", "gamma")
    assert judged("SK-META-003", trace(NEUTRAL, *words, _ended("stop"))) == PASS
    unheard = case("SK-LIFE-006", "unheard-of")
    assert judged("SK-META-003", trace(unheard, *words, _ended("out_of_ink"))) == PASS
    assert _fails("SK-META-003", trace(unheard, *words, _ended("other"))).expected == "'out_of_ink'"
    _fails("SK-META-003", trace(NEUTRAL, *words, _ended(None)))
    # Half an answer may have lost the word with its second half.
    assert judged("SK-META-003", trace(NEUTRAL, *words[:1], _ended(None))) == IRRELEVANT


def test_where_no_word_was_said_none_is_wanted() -> None:
    assert judged("SK-META-003", trace(NEUTRAL, error("truncated"))) == IRRELEVANT
    assert judged("SK-META-003", trace(UNKNOWN, _ended(None))) == IRRELEVANT
    stopped = NEUTRAL.with_(consumer=Consumer("stop"))
    assert judged("SK-META-003", trace(stopped, _ended(None))) == IRRELEVANT
    absent = case("SK-LIFE-006", "done_reason=absent/records", OLLAMA)
    assert judged("SK-META-003", trace(absent, _ended(None), dialect=OLLAMA)) == IRRELEVANT


# SK-META-004


def _part(kind: str, part: int | None, **fields: Any) -> StreamChunk:
    envelope: dict[str, Any] = {"stream_id": "s1", "index": 0, "part": part}
    match kind:
        case "reasoning":
            return ReasoningChunk(**envelope, content="hm")
        case "call":
            return call("c1", "f", "{}")[0].model_copy(update={"part": part})
        case "result":
            return ToolResultChunk(**envelope, call_id="c1", name="f", output=1)
        case "end":
            return end().model_copy(update={"part": part})
    return ContentChunk(**envelope, content="a", refusal=kind == "refusal")


@pytest.mark.parametrize(
    "run",
    [
        [("text", 0), ("text", 0)],
        [("reasoning", 0), ("text", 1), ("refusal", 2)],
        [("text", 0), ("call", 1), ("text", 2), ("call", 1)],
        [("call", 0), ("result", 1), ("end", None)],
    ],
)
def test_each_run_has_a_part(run: list[tuple[str, int | None]]) -> None:
    assert judged("SK-META-004", _exactly(*(_part(*each) for each in run))) == PASS


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ([("text", 0), ("text", 1)], "leaves the part"),
        ([("reasoning", 0), ("text", 0)], "two things"),
        ([("text", 0), ("refusal", 0)], "two things"),
        ([("text", 0), ("call", 0)], "two things"),
        ([("text", None)], "has no part"),
        ([("text", 0), ("end", 0)], "has a part"),
    ],
)
def test_parts_are_neither_shared_nor_scattered(
    run: list[tuple[str, int | None]], message: str
) -> None:
    found = _fails("SK-META-004", _exactly(*(_part(*each) for each in run)))
    assert message in found.message


# SK-META-005


def test_both_usages_are_one() -> None:
    told = UsageChunk(stream_id="", index=0, usage=Usage(input_tokens=1))
    one, two = Usage(input_tokens=1), Usage(input_tokens=2)

    def ended(usage: Usage | None) -> EndChunk:
        return end().model_copy(update={"usage": usage})

    assert judged("SK-META-005", trace(NEUTRAL, told, ended(one))) == PASS
    assert judged("SK-META-005", trace(NEUTRAL, ended(None))) == IRRELEVANT
    assert judged("SK-META-005", trace(NEUTRAL, told)) == IRRELEVANT
    _fails("SK-META-005", trace(NEUTRAL, told, ended(two)))
    _fails("SK-META-005", trace(NEUTRAL, told, ended(None)))
    _fails("SK-META-005", trace(NEUTRAL, ended(one)))


# SK-META-006


def test_partial_says_whether_something_was_shown() -> None:
    assert judged("SK-META-006", trace(NEUTRAL, error("connection", partial=False))) == PASS
    _fails("SK-META-006", trace(NEUTRAL, error("connection", partial=True)))
    _fails("SK-META-006", trace(NEUTRAL, *said("a"), error("connection", partial=False)))
    assert judged("SK-META-006", trace(NEUTRAL, *said(""), error("x", partial=False))) == PASS
    assert judged("SK-META-006", trace(NEUTRAL, *said("a"), end())) == IRRELEVANT
    again = trace(NEUTRAL, *said("a"), reset(0), error("connection", partial=False))
    assert judged("SK-META-006", again) == IRRELEVANT


# SK-META-007


def test_every_request_is_an_attempt() -> None:
    attempt = Attempt(provider="p", model="m", outcome="ok", duration_ms=1)
    last = end().model_copy(update={"attempts": (attempt,)})
    assert judged("SK-META-007", trace(NEUTRAL, last, requests=[request()])) == PASS
    assert judged("SK-META-007", trace(NEUTRAL, last)) == IRRELEVANT
    assert judged("SK-META-007", trace(NEUTRAL, requests=[request()])) == IRRELEVANT
    hidden = _fails("SK-META-007", trace(NEUTRAL, last, requests=[request(), request()]))
    assert hidden.got == "ok"
    assert _fails("SK-META-007", trace(NEUTRAL, end(), requests=[request()])).got == "none"


# SK-META-008


def _named(id: str | None, model: str | None) -> EndChunk:
    return end().model_copy(update={"response_id": id, "model": model})


def test_the_services_id_and_model_are_on_the_end() -> None:
    assert judged("SK-META-008", trace(NEUTRAL, _named("c1", "test-model"))) == PASS
    assert "id" in _fails("SK-META-008", trace(NEUTRAL, _named(None, "test-model"))).message
    assert "model" in _fails("SK-META-008", trace(NEUTRAL, _named("c1", "other"))).message
    without_id = trace(NEUTRAL, _named(None, "test-model"), dialect=OLLAMA)
    assert judged("SK-META-008", without_id) == PASS


class _Plain(Dialect):
    name = "plain"

    def record(self, event: Event) -> Any:
        match event:
            case Text(text):
                return Named("delta", {"text": text})
            case Finish():
                return {"end": True}
        return None


def test_a_wire_without_id_and_model_asks_for_none() -> None:
    plain = _Plain()
    unnamed = trace(NEUTRAL, _named(None, None), dialect=plain)
    assert isinstance(judged("SK-META-008", unnamed), NotApplicable)
    nothing = NEUTRAL.with_(script=Script(()), ask=Ask(stream=True))
    assert judged("SK-META-008", trace(nothing, _named(None, None))) == IRRELEVANT
    assert judged("SK-META-008", trace(NEUTRAL, error("protocol"))) == IRRELEVANT
    assert WORDS.events


# SK-SER-001


def test_chunks_of_every_kind_survive_json() -> None:
    chunks = [*said("a\u2028b"), *call("c1", "f", '{"a":1}'), *map(_any, range(2)), reset(1), end()]
    assert judged("SK-SER-001", trace(NEUTRAL, *chunks)) == PASS
    assert judged("SK-SER-001", _exactly()) == IRRELEVANT


def _any(number: int) -> StreamChunk:
    usage = UsageChunk(stream_id="", index=0, usage=Usage(input_tokens=1))
    return (usage, error("truncated"))[number]


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        ("text", "something else"),
        (_content(0, metadata={"p": object()}), "cannot be written"),
        (_content(0, metadata={"p": float("nan")}), "reads back otherwise"),
        (_content(0).model_copy(update={"content": None}), "not as the schema says"),
        (_content(0).model_copy(update={"index": "0"}), "not as the schema says"),
        (UnknownChunk(type="token", stream_id="s1", index=0), "not as the schema says"),
    ],
    ids=["no-chunk", "object", "nan", "none", "text-for-number", "unknown-type"],
)
def test_what_the_schema_has_not_is_found(chunk: Any, message: str) -> None:
    assert message in _fails("SK-SER-001", _exactly(chunk)).message


def test_half_a_character_is_another_rules() -> None:
    assert judged("SK-SER-001", _exactly(_content(0, "\ud83d"))) == IRRELEVANT


def test_dialects_of_the_kit_are_what_these_tests_take_them_for() -> None:
    assert DIALECTS == (OPENAI, OLLAMA)
