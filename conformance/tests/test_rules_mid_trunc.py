import pytest

from streamkit_conformance.verdict import Fail, Irrelevant, Pass
from streamkit_conformance.wire import write
from tests.handmade_traces import (
    OLLAMA,
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

WHOLE = said("Hello", ", wide", " world.")


def test_an_error_record_ends_the_stream_and_keeps_what_came_before() -> None:
    broken = case("SK-MID-001", "after=1")
    assert judged("SK-MID-001", trace(broken, *said("Hello"), error("provider"))) == Pass()
    assert isinstance(judged("SK-MID-001", trace(broken, *said("Hello"), end())), Fail)
    lost = judged("SK-MID-001", trace(broken, error("provider")))
    assert isinstance(lost, Fail)
    assert "lost" in lost.message
    shown = judged("SK-MID-001", trace(broken, *said("Hello", "It failed."), error("provider")))
    assert isinstance(shown, Fail)
    assert isinstance(judged("SK-MID-001", trace(broken, *said("Hello"), error("protocol"))), Fail)
    raised = trace(broken, *said("Hello"), raised=RuntimeError("x"))
    assert judged("SK-MID-001", raised) == Irrelevant()
    other = trace(case("SK-MID-002", "read_error"), *said("Hello"), error("connection"))
    assert judged("SK-MID-001", other) == Irrelevant()


@pytest.mark.parametrize("rule", ["SK-MID-001", "SK-MID-002", "SK-MID-003", "SK-TRUNC-001"])
def test_a_base_that_loses_text_fails_too_so_that_it_is_blamed_itself(rule: str) -> None:
    base = case(rule, "none")
    assert isinstance(judged(rule, trace(base, *said("Hello"), end())), Fail)
    assert judged(rule, trace(base, *WHOLE, end())) == Irrelevant()


@pytest.mark.parametrize("kind", ["read_error", "protocol_error", "reset"])
def test_a_broken_connection_has_a_message(kind: str) -> None:
    broken = case("SK-MID-002", kind)
    kept = said("Hello", ", wide")
    assert judged("SK-MID-002", trace(broken, *kept, error("connection"))) == Pass()
    assert isinstance(judged("SK-MID-002", trace(broken, *kept, error("connection", ""))), Fail)
    assert isinstance(judged("SK-MID-002", trace(broken, *kept, error("provider"))), Fail)
    assert isinstance(judged("SK-MID-002", trace(broken, *kept, end())), Fail)
    less = judged("SK-MID-002", trace(broken, *said("Hello"), error("connection")))
    assert less == Pass() if kind == "reset" else isinstance(less, Fail)
    other = trace(case("SK-MID-001", "after=1"), *said("Hello"), error("provider"))
    assert judged("SK-MID-002", other) == Irrelevant()


@pytest.mark.parametrize("kind", ["malformed_record", "invalid_utf8"])
def test_a_bad_record_is_not_skipped_and_not_replaced(kind: str) -> None:
    bad = case("SK-MID-003", kind)
    assert judged("SK-MID-003", trace(bad, *said("Hello"), error("protocol"))) == Pass()
    skipped = judged("SK-MID-003", trace(bad, *said("Hello", " world."), end()))
    assert isinstance(skipped, Fail)
    replaced = judged("SK-MID-003", trace(bad, *said("Hello", ", wi\ufffd"), error("protocol")))
    assert isinstance(replaced, Fail)
    assert isinstance(judged("SK-MID-003", trace(bad, *said("Hello"), error("truncated"))), Fail)
    raised = trace(bad, *said("Hello"), raised=ValueError("no JSON"))
    assert judged("SK-MID-003", raised) == Irrelevant()
    other = trace(case("SK-MID-001", "after=1"), *said("Hello"), error("provider"))
    assert judged("SK-MID-003", other) == Irrelevant()


def test_the_first_record_may_be_an_error() -> None:
    first = case("SK-MID-004", "first")
    early = error("provider", partial=False)
    assert judged("SK-MID-004", trace(first, early)) == Pass()
    assert isinstance(judged("SK-MID-004", trace(first, error("provider"))), Fail)
    assert isinstance(judged("SK-MID-004", trace(first, end())), Fail)
    assert isinstance(judged("SK-MID-004", trace(first, *said("It failed."), early)), Fail)
    assert judged("SK-MID-004", trace(first, raised=KeyError("choices"))) == Irrelevant()


def test_an_error_behind_the_finish_may_count_or_not() -> None:
    late = case("SK-MID-004", "after-finish")
    assert judged("SK-MID-004", trace(late, *WHOLE, end())) == Pass()
    assert judged("SK-MID-004", trace(late, *WHOLE, error("provider"))) == Pass()
    assert isinstance(judged("SK-MID-004", trace(late, *said("Hello"), end())), Fail)
    assert isinstance(judged("SK-MID-004", trace(late, *WHOLE, error("protocol"))), Fail)


@pytest.mark.parametrize("where", ["record", "status"])
def test_the_services_words_come_in_one_bounded_line(where: str) -> None:
    lines = case("SK-MID-005", f"{where}/lines")
    one_line = "The runner process has ended: CUDA error 700 at layer 12"
    assert judged("SK-MID-005", trace(lines, error("provider", one_line))) == Pass()
    three = "The runner process has ended:\nCUDA error 700"
    assert isinstance(judged("SK-MID-005", trace(lines, error("provider", three))), Fail)
    nothing = "An error occurred."
    assert isinstance(judged("SK-MID-005", trace(lines, error("provider", nothing))), Fail)
    long = case("SK-MID-005", f"{where}/long")
    words = "The runner process has ended without a word. " * 40
    assert judged("SK-MID-005", trace(long, error("provider", words[:500]))) == Pass()
    assert isinstance(judged("SK-MID-005", trace(long, error("provider", words))), Fail)
    assert judged("SK-MID-005", trace(long, end())) == Irrelevant()
    other = trace(case("SK-MID-002", "read_error"), error("connection"))
    assert judged("SK-MID-005", other) == Irrelevant()


@pytest.mark.parametrize(("after", "texts"), [(1, ["Hello"]), (3, ["Hello", ", wide", " world."])])
def test_a_body_that_just_ends_is_truncated(after: int, texts: list[str]) -> None:
    cut = case("SK-TRUNC-001", f"after={after}")
    assert judged("SK-TRUNC-001", trace(cut, *said(*texts), error("truncated"))) == Pass()
    assert isinstance(judged("SK-TRUNC-001", trace(cut, *said(*texts), end())), Fail)
    assert isinstance(judged("SK-TRUNC-001", trace(cut, error("truncated"))), Fail)
    wrong = trace(cut, *said(*texts), error("connection"))
    assert isinstance(judged("SK-TRUNC-001", wrong), Fail)
    assert judged("SK-TRUNC-001", trace(cut, *said(*texts))) == Irrelevant()
    finished = trace(case("SK-TRUNC-003", "after-finish"), *WHOLE, end())
    assert judged("SK-TRUNC-001", finished) == Irrelevant()


@pytest.mark.parametrize("what", ["record", "character"])
def test_of_half_a_record_nothing_is_shown(what: str) -> None:
    cut = case("SK-TRUNC-002", what)
    sent = said("Grüße", " 🌍 world")[: 2 if what == "record" else 1]
    assert judged("SK-TRUNC-002", trace(cut, *sent, error("truncated"))) == Pass()
    # The last whole piece may be waiting for a record that never comes.
    assert judged("SK-TRUNC-002", trace(cut, *sent[:-1], error("truncated"))) == Pass()
    garbage = trace(cut, *sent, *said(" \ufffd"), error("truncated"))
    assert isinstance(judged("SK-TRUNC-002", garbage), Fail)
    assert isinstance(judged("SK-TRUNC-002", trace(cut, *sent, error("protocol"))), Fail)
    assert isinstance(judged("SK-TRUNC-002", trace(cut, *sent, end())), Fail)
    assert judged("SK-TRUNC-002", trace(cut, raised=ValueError("half"))) == Irrelevant()
    other = trace(case("SK-TRUNC-001", "after=1"), *said("Hello"), error("truncated"))
    assert judged("SK-TRUNC-002", other) == Irrelevant()


def test_the_character_is_cut_inside_of_it() -> None:
    with pytest.raises(UnicodeDecodeError):
        write(case("SK-TRUNC-002", "character"), OPENAI).body.decode()


def test_a_finish_reason_without_a_sentinel_is_enough() -> None:
    finished = case("SK-TRUNC-003", "after-finish")
    assert b"[DONE]" not in write(finished, OPENAI).body
    assert judged("SK-TRUNC-003", trace(finished, *WHOLE, end())) == Pass()
    assert isinstance(judged("SK-TRUNC-003", trace(finished, *WHOLE, error("truncated"))), Fail)
    cut = trace(case("SK-TRUNC-001", "after=1"), *said("Hello"), error("truncated"))
    assert judged("SK-TRUNC-003", cut) == Irrelevant()


@pytest.mark.parametrize("dialect", [OPENAI, OLLAMA], ids=lambda each: each.name)
def test_a_call_that_is_cut_is_truncated(dialect: object) -> None:
    made = cases("SK-TRUNC-004", OPENAI if dialect is OPENAI else OLLAMA)
    assert len(made) == (4 if dialect is OPENAI else 1)
    for cut in made:
        shown = [*said("Looking."), *call("call_a1", "delete_files", '{"folder": "/tmp/old"}')[:1]]
        assert judged("SK-TRUNC-004", trace(cut, *shown, error("truncated"))) == Pass()
        assert isinstance(judged("SK-TRUNC-004", trace(cut, *shown, end("tool_calls"))), Fail)
        assert isinstance(judged("SK-TRUNC-004", trace(cut, *shown, error("protocol"))), Fail)
        assert judged("SK-TRUNC-004", trace(cut, raised=ValueError("half"))) == Irrelevant()
    text = trace(case("SK-TRUNC-001", "after=1"), *said("Hello"), error("truncated"))
    assert judged("SK-TRUNC-004", text) == Irrelevant()


def test_the_wire_goes_on_behind_its_end() -> None:
    again = write(case("SK-TRUNC-005", "again=sentinel"), OPENAI).body
    assert again.count(b"data: [DONE]") == 2
    for dialect in (OPENAI, OLLAMA):
        whole = write(case("SK-TRUNC-005", "none", dialect), dialect).body
        late = write(case("SK-TRUNC-005", "late-text", dialect), dialect).body
        assert late.startswith(whole)
        assert b" And more." in late[len(whole) :]


def test_what_stands_behind_the_end_is_ignored() -> None:
    late = case("SK-TRUNC-005", "late-text")
    assert judged("SK-TRUNC-005", trace(late, *WHOLE, end())) == Pass()
    more = trace(late, *WHOLE, *said(" And more."), end())
    assert isinstance(judged("SK-TRUNC-005", more), Fail)
    assert isinstance(judged("SK-TRUNC-005", trace(late, *WHOLE, error("protocol"))), Fail)
    assert judged("SK-TRUNC-005", trace(late, *WHOLE)) == Irrelevant()
    assert judged("SK-TRUNC-005", trace(late, raised=ValueError("x"))) == Irrelevant()
    cut = trace(case("SK-TRUNC-001", "after=1"), *said("Hello"), error("truncated"))
    assert judged("SK-TRUNC-005", cut) == Irrelevant()


@pytest.mark.parametrize("rule", ["SK-MID-004", "SK-TRUNC-003"])
def test_a_case_without_its_fault_is_judged_by_its_text(rule: str) -> None:
    base = case(rule, "none")
    assert isinstance(judged(rule, trace(base, *said("Hello"), end())), Fail)


def test_of_an_answer_with_wide_characters_nothing_is_lost_either() -> None:
    base = case("SK-TRUNC-002", "none")
    assert judged("SK-TRUNC-002", trace(base, *said("Grüße", " 🌍 world"), end())) == Irrelevant()
    assert isinstance(judged("SK-TRUNC-002", trace(base, *said("Gr"), end())), Fail)


def test_a_whole_call_is_no_cut_one() -> None:
    whole = cases("SK-TRUNC-004")[0]
    whole = whole.with_(script=whole.script.with_fault("end", after=5))
    assert judged("SK-TRUNC-004", trace(whole, end("tool_calls"))) == Irrelevant()


def test_an_answer_that_lost_its_text_fails_where_more_of_it_follows() -> None:
    late = case("SK-TRUNC-005", "late-text")
    assert isinstance(judged("SK-TRUNC-005", trace(late, *said("Hello"), end())), Fail)
