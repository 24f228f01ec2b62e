import pytest

from streamkit.chunks import ContentChunk, StartChunk, StreamChunk
from streamkit.errors import ConfigurationError
from streamkit_conformance.case import Case, Consumer
from streamkit_conformance.cuts import WHOLE
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.rules import all_rules
from streamkit_conformance.rules.neutral import NEUTRAL, WORDS, script_of
from streamkit_conformance.rules.registry import Plan
from streamkit_conformance.script import Script, Text, ToolStart
from streamkit_conformance.trace import Seen, Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail
from streamkit_conformance.wire import write
from tests.handmade_traces import (
    DIALECTS,
    OPENAI,
    call,
    case,
    cases,
    end,
    error,
    judged,
    said,
    trace,
)

GROUPS = ("LIFE", "CONT", "FRAME", "UNI", "META", "SER")
MINE = [each for each in all_rules() if each.group in GROUPS]
EVERYTHING = {"tools": "yes", "reasoning": "yes", "usage": "yes"}
WORDS_OUT = said("alpha", "beta", "gamma")
#: Of a real service's answer no script is known.
UNKNOWN = Case(name="live", script=Script(()))


def _fails(rule: str, of: Trace) -> Fail:
    outcome = judged(rule, of)
    assert isinstance(outcome, Fail), outcome
    return outcome


# What is true of all rules of these groups.


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
@pytest.mark.parametrize("claims", [EVERYTHING, {}], ids=["everything", "nothing"])
def test_every_case_of_these_groups_is_written(dialect: Dialect, claims: dict[str, str]) -> None:
    plan = Plan(dialect, "test-model", claims)
    by_name: dict[str, Case] = {}
    for rule in MINE:
        for made in rule.cases(plan) if rule.cases is not None else ():
            assert made.name.startswith(rule.id)
            assert made.rules == {rule.id}
            for each in filter(None, (made, made.base, *made.then)):
                assert by_name.setdefault(each.name, each) == each
                if not dialect.missing(each.script) and each.script.fault is None:
                    wire = write(each, dialect)
                    assert wire.body
                    assert all(wire.reads)


@pytest.mark.parametrize("rule", MINE, ids=lambda each: each.id)
def test_a_rule_of_these_groups_explains_itself(rule: object) -> None:
    for text in (rule.statement, rule.reason, rule.wire):  # type: ignore[attr-defined]
        assert len(text) > 20


def test_every_axis_of_a_dialect_is_some_rules() -> None:
    known = {each.id for each in all_rules()}
    for dialect in DIALECTS:
        assert {each.rule for each in dialect.all_axes} <= known


def test_reasoning_and_tools_are_only_tried_where_they_are_claimed() -> None:
    silent = [
        each
        for rule in MINE
        if rule.group == "LIFE" and rule.cases
        for each in rule.cases(Plan(OPENAI, "test-model", {}))
    ]
    assert not any(isinstance(event, ToolStart) for each in silent for event in each.script.events)
    assert not any(each.name.endswith("reasoning") for each in silent)


# SK-LIFE-001


def test_content_must_come_out() -> None:
    words = case("SK-LIFE-001", "words")
    assert judged("SK-LIFE-001", trace(words, *WORDS_OUT, end())) == PASS
    _fails("SK-LIFE-001", trace(words, end()))
    _fails("SK-LIFE-001", trace(words, *said("", ""), end()))
    assert judged("SK-LIFE-001", trace(words, error("protocol"))) == IRRELEVANT
    assert judged("SK-LIFE-001", trace(words, raised=OSError())) == IRRELEVANT


# SK-LIFE-002 and SK-LIFE-003


def test_a_stream_ends_once() -> None:
    assert judged("SK-LIFE-002", trace(NEUTRAL, *WORDS_OUT, end())) == PASS
    assert judged("SK-LIFE-002", trace(NEUTRAL, error("protocol"))) == PASS
    twice = _fails("SK-LIFE-002", trace(NEUTRAL, end(), end()))
    assert twice.got == "end, end"
    _fails("SK-LIFE-002", trace(NEUTRAL, end(), error("truncated")))
    _fails("SK-LIFE-002", trace(NEUTRAL, *WORDS_OUT))


def test_a_stream_that_nobody_read_to_its_end_need_not_have_one() -> None:
    left = NEUTRAL.with_(consumer=Consumer("break"))
    assert judged("SK-LIFE-002", trace(left, *WORDS_OUT)) == IRRELEVANT
    assert judged("SK-LIFE-002", trace(NEUTRAL, raised=OSError())) == IRRELEVANT
    assert judged("SK-LIFE-002", trace(NEUTRAL, refused=OSError())) == IRRELEVANT


def test_each_stream_of_a_case_is_judged() -> None:
    good, bad = trace(NEUTRAL, end()), trace(NEUTRAL)
    good.others = [bad]
    _fails("SK-LIFE-002", good)
    left = trace(NEUTRAL.with_(consumer=Consumer("break")))
    left.others = [trace(NEUTRAL, end())]
    assert judged("SK-LIFE-002", left) == PASS


def test_nothing_follows_the_terminal_chunk() -> None:
    assert judged("SK-LIFE-003", trace(NEUTRAL, *WORDS_OUT, end())) == PASS
    late = _fails("SK-LIFE-003", trace(NEUTRAL, end(), *said("late")))
    assert late.got == "end, then content"
    _fails("SK-LIFE-003", trace(NEUTRAL, error("truncated"), *said("late")))
    # A second terminal chunk is the matter of the rule before.
    assert judged("SK-LIFE-003", trace(NEUTRAL, end(), end())) == PASS
    assert judged("SK-LIFE-003", trace(NEUTRAL, *WORDS_OUT)) == IRRELEVANT


# SK-LIFE-004


def test_failures_are_chunks_and_no_exceptions() -> None:
    broken = case("SK-LIFE-004", "read_error")
    assert judged("SK-LIFE-004", trace(broken, *said("alpha"), error("connection"))) == PASS
    raised = _fails("SK-LIFE-004", trace(broken, *said("alpha"), raised=OSError("reset")))
    assert raised.got == "OSError: reset"
    _fails("SK-LIFE-004", trace(broken, refused=OSError()))
    mistake = ConfigurationError("There is no key.")
    assert judged("SK-LIFE-004", trace(broken, refused=mistake)) == IRRELEVANT


# SK-LIFE-005


def _arriving(of: Case, first: int, served: int) -> Trace:
    made = trace(of, *WORDS_OUT, end(), served=served)
    made.seen = [Seen(each.chunk, 0 if n == 0 else first) for n, each in enumerate(made.seen)]
    return made


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_the_first_word_is_not_held_back(dialect: Dialect) -> None:
    of = case("SK-LIFE-005", "twelve-records", dialect)
    arrives = {"openai-sse": 2, "ollama-ndjson": 1}[dialect.name]
    for first, is_right in ((arrives, True), (arrives + 1, True), (arrives + 2, False)):
        made = _arriving(of, first, 14)
        made.dialect = dialect
        assert (judged("SK-LIFE-005", made) == PASS) is is_right


def test_of_an_unknown_answer_the_first_word_is_out_before_the_last_read() -> None:
    for of in (UNKNOWN, NEUTRAL.with_(cut=WHOLE)):
        assert judged("SK-LIFE-005", _arriving(of, 3, 4)) == PASS
        _fails("SK-LIFE-005", _arriving(of, 4, 4))
        assert judged("SK-LIFE-005", _arriving(of, 2, 2)) == IRRELEVANT
    without_text = NEUTRAL.with_(script=Script((Text(""),)))
    assert judged("SK-LIFE-005", _arriving(without_text, 3, 4)) == PASS


def test_an_answer_without_words_or_over_a_socket_tells_nothing_of_their_time() -> None:
    assert judged("SK-LIFE-005", trace(NEUTRAL, *said(""), end())) == IRRELEVANT
    assert judged("SK-LIFE-005", _arriving(NEUTRAL.with_(via="loopback"), 9, 9)) == IRRELEVANT


# SK-LIFE-006


def test_finish_reasons_are_the_schemas_words() -> None:
    stop, length = case("SK-LIFE-006", "stop"), case("SK-LIFE-006", "length")
    unheard = case("SK-LIFE-006", "unheard-of")
    assert judged("SK-LIFE-006", trace(stop, end("stop"))) == PASS
    assert judged("SK-LIFE-006", trace(unheard, end("other"))) == PASS
    assert _fails("SK-LIFE-006", trace(length, end("stop"))).expected == "length"
    assert _fails("SK-LIFE-006", trace(unheard, error("plugin"))).got == "no end"
    # A plain answer that fails is another rule's; as the base of a case it spoils the case.
    assert judged("SK-LIFE-006", trace(stop, error("plugin"))) == IRRELEVANT
    _fails("SK-LIFE-006", trace(NEUTRAL, error("plugin")))


def test_a_service_that_gives_no_reason_leaves_it_open() -> None:
    ollama = DIALECTS[1]
    absent = case("SK-LIFE-006", "done_reason=absent/records", ollama)
    for reason in ("stop", "other"):
        assert judged("SK-LIFE-006", trace(absent, end(reason), dialect=ollama)) == PASS
    _fails("SK-LIFE-006", trace(absent, end("length"), dialect=ollama))


def test_a_broken_answer_says_nothing_of_finish_reasons() -> None:
    broken = NEUTRAL.with_(script=WORDS.with_fault("end", after=1))
    assert judged("SK-LIFE-006", trace(broken, error("truncated"))) == IRRELEVANT
    assert judged("SK-LIFE-006", trace(UNKNOWN, end())) == PASS
    assert judged("SK-LIFE-006", trace(UNKNOWN, error("truncated"))) == IRRELEVANT


# SK-LIFE-007


def test_start_is_first_once_and_early() -> None:
    assert judged("SK-LIFE-007", trace(NEUTRAL, end())) == PASS
    twice = trace(NEUTRAL, StartChunk(stream_id="s", index=0, provider="p", model="m"), end())
    _fails("SK-LIFE-007", twice)
    late = trace(NEUTRAL, *WORDS_OUT)
    late.seen = late.seen[1:] + late.seen[:1]
    _fails("SK-LIFE-007", late)
    late.seen = late.seen[:-1]
    assert "no place" in _fails("SK-LIFE-007", late).got
    waiting = trace(NEUTRAL, end())
    waiting.seen = [Seen(each.chunk, 3) for each in waiting.seen]
    _fails("SK-LIFE-007", waiting)
    waiting.case = NEUTRAL.with_(via="loopback")
    assert judged("SK-LIFE-007", waiting) == PASS
    waiting.seen = []
    assert judged("SK-LIFE-007", waiting) == IRRELEVANT


# SK-LIFE-008


def test_a_whole_answer_ends_well() -> None:
    words = case("SK-LIFE-008", "words")
    assert judged("SK-LIFE-008", trace(words, *WORDS_OUT, end())) == PASS
    assert "truncated" in _fails("SK-LIFE-008", trace(words, error("truncated"))).got
    assert "OSError" in _fails("SK-LIFE-008", trace(words, raised=OSError("x"))).got
    assert judged("SK-LIFE-008", trace(words, *WORDS_OUT)) == IRRELEVANT


# SK-LIFE-009


def _all_of(rule: str) -> dict[str, Case]:
    return {each.name.split("/")[1]: each for each in cases(rule)}


def test_an_empty_success_is_an_error() -> None:
    made = _all_of("SK-LIFE-009")
    assert judged("SK-LIFE-009", trace(made["nothing"], error("empty_response"))) == PASS
    assert _fails("SK-LIFE-009", trace(made["nothing"], end())).got == "end"
    assert "protocol" in _fails("SK-LIFE-009", trace(made["nothing"], error("protocol"))).got


def test_an_answer_that_says_little_or_why_is_none() -> None:
    made = _all_of("SK-LIFE-009")
    assert judged("SK-LIFE-009", trace(made["nothing-for-length"], end("length"))) == PASS
    refusal = made["refusal"]
    flagged = ContentChunk(stream_id="", index=0, part=0, content="alpha", refusal=True)
    assert judged("SK-LIFE-009", trace(refusal, flagged, end())) == PASS
    _fails("SK-LIFE-009", trace(refusal, error("empty_response")))
    _fails("SK-LIFE-009", trace(made["nothing-for-length"], error("empty_response")))
    assert judged("SK-LIFE-009", trace(refusal, flagged)) == IRRELEVANT


@pytest.mark.parametrize(
    "chunks",
    [[*said("a"), end()], [*call("c1", "f", "{}"), end("tool_calls")], [end("length")]],
    ids=["text", "call", "length"],
)
def test_an_unknown_answer_that_shows_something_is_not_empty(chunks: list[StreamChunk]) -> None:
    assert judged("SK-LIFE-009", trace(UNKNOWN, *chunks)) == PASS
    _fails("SK-LIFE-009", trace(UNKNOWN, end()))


def test_scripts_of_texts_end_with_stop() -> None:
    assert script_of("a").events[0] == Text("a")
    assert all(isinstance(each, ContentChunk) for each in WORDS_OUT)
