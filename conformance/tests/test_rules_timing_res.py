import pytest

from streamkit_conformance.case import Case, Consumer, ConsumerError
from streamkit_conformance.framing import NDJSON
from streamkit_conformance.rules.failures import FIVE, SHORT
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import Fail, Irrelevant, NotApplicable, Pass
from streamkit_conformance.wire import write
from tests.handmade_traces import (
    OLLAMA,
    OPENAI,
    Wireless,
    case,
    cases,
    end,
    error,
    judged,
    said,
    trace,
)

WHOLE = said("Hello", ", wide", " world.")


@pytest.mark.parametrize(
    ("rule", "what", "texts", "kind"),
    [
        ("SK-TIME-001", "stall", ["Hello", ", wide"], "timeout_idle"),
        ("SK-TIME-003", "keep-alives", ["Hello"], "timeout_idle"),
        ("SK-TIME-005", "silent-head", [], "timeout_first_content"),
    ],
)
def test_silence_is_a_timeout(rule: str, what: str, texts: list[str], kind: str) -> None:
    silent = case(rule, what)
    assert judged(rule, trace(silent, *said(*texts), error(kind))) == Pass()
    assert isinstance(judged(rule, trace(silent, *said(*texts), error("connection"))), Fail)
    assert isinstance(judged(rule, trace(silent, *said(*texts), is_hung=True)), Fail)
    assert isinstance(judged(rule, trace(silent, *said(*texts), end())), Fail)
    assert judged(rule, trace(silent, raised=TimeoutError("x"))) == Irrelevant()
    if texts:
        assert isinstance(judged(rule, trace(silent, error(kind))), Fail)
    other = trace(case("SK-MID-001", "after=1"), *said("Hello"), error("provider"))
    assert judged(rule, other) == Irrelevant()


def test_silence_with_keep_alives_and_without_are_two_things() -> None:
    beats, stall = case("SK-TIME-003", "keep-alives"), case("SK-TIME-001", "stall")
    hung = {"is_hung": True}
    assert judged("SK-TIME-001", trace(beats, *said("Hello"), **hung)) == Irrelevant()
    assert judged("SK-TIME-003", trace(stall, *said("Hello"), **hung)) == Irrelevant()
    assert cases("SK-TIME-003", OLLAMA)[0].options["keep_alive"] == "\n"


def test_a_slow_answer_is_longer_than_its_limit_for_silence() -> None:
    slow = case("SK-TIME-002", "slow")
    gap, limit = slow.options["gap_s"], slow.timeouts["idle"]
    for dialect in (OPENAI, OLLAMA):
        assert gap * (len(write(slow, dialect).reads) - 1) > limit > 3 * gap


def test_a_slow_answer_is_not_given_up() -> None:
    slow = case("SK-TIME-002", "slow")
    words = said("one ", "two ", "three ", "four ", "five ")
    assert judged("SK-TIME-002", trace(slow, *words, end())) == Pass()
    assert isinstance(judged("SK-TIME-002", trace(slow, *words[:2], error("timeout_idle"))), Fail)
    assert isinstance(judged("SK-TIME-002", trace(slow, *words[:2], end())), Fail)
    assert judged("SK-TIME-002", trace(slow, *words, is_hung=True)) == Irrelevant()
    other = trace(case("SK-MID-001", "none"), *WHOLE, end())
    assert judged("SK-TIME-002", other) == Irrelevant()


def test_a_loop_that_runs_in_vain_is_blocked() -> None:
    steps = case("SK-TIME-004", "others-run")
    assert judged("SK-TIME-004", trace(steps, *WHOLE, end())) == Pass()
    assert isinstance(judged("SK-TIME-004", trace(steps, *WHOLE, end(), blocked_s=1.0)), Fail)
    assert judged("SK-TIME-004", trace(steps, error("connection"))) == Irrelevant()
    sync = judged("SK-TIME-004", trace(steps, *WHOLE, end(), backend="sync"))
    assert isinstance(sync, NotApplicable)
    other = trace(case("SK-TIME-001", "stall"), blocked_s=1.0)
    assert judged("SK-TIME-004", other) == Irrelevant()


def test_every_answer_is_closed_when_its_stream_is_over() -> None:
    any_case = Case(name="any", script=SHORT)
    assert judged("SK-RES-001", trace(any_case, *WHOLE, end(), opened=1, closed=1)) == Pass()
    assert isinstance(judged("SK-RES-001", trace(any_case, *WHOLE, end(), opened=1)), Fail)
    assert isinstance(judged("SK-RES-001", trace(any_case, error("x"), opened=2, closed=1)), Fail)
    assert judged("SK-RES-001", trace(any_case, error("connection"))) == Irrelevant()
    real = trace(any_case.with_(via="loopback"), *WHOLE, end(), opened=1)
    assert judged("SK-RES-001", real) == Irrelevant()
    wireless = trace(any_case, *WHOLE, end())
    wireless.dialect = Wireless()
    assert isinstance(judged("SK-RES-001", wireless), NotApplicable)


def _cancelled(what: str = "waiting", **fields: object) -> Trace:
    return trace(case("SK-RES-002", what), *said("one ", "two "), **fields)


def test_a_cancelled_stream_ends_its_connection() -> None:
    assert judged("SK-RES-002", _cancelled(is_disconnected=True)) == Pass()
    assert isinstance(judged("SK-RES-002", _cancelled(is_disconnected=False)), Fail)
    assert judged("SK-RES-002", _cancelled()) == Irrelevant()
    read = trace(case("SK-MID-001", "none"), *WHOLE, end(), is_disconnected=False)
    assert judged("SK-RES-002", read) == Irrelevant()
    never = _cancelled(is_disconnected=False, unsupported="it cannot be cancelled")
    assert judged("SK-RES-002", never) == NotApplicable("it cannot be cancelled")


def test_a_cancellation_comes_out_as_itself() -> None:
    assert judged("SK-RES-005", _cancelled(is_cancelled=True)) == Pass()
    assert isinstance(judged("SK-RES-005", _cancelled(is_cancelled=False)), Fail)
    assert isinstance(judged("SK-RES-005", _cancelled(raised=RuntimeError("x"))), Fail)
    assert isinstance(judged("SK-RES-005", _cancelled(is_cancelled=True, is_hung=True)), Fail)
    told = trace(case("SK-RES-002", "reading"), *said("one ", "two "), error("interrupted"))
    assert isinstance(judged("SK-RES-005", told), Fail)
    early = trace(case("SK-RES-002", "reading"), *said("one "), error("connection"))
    assert judged("SK-RES-005", early) == Irrelevant()
    never = _cancelled(unsupported="it cannot be cancelled")
    assert judged("SK-RES-005", never) == NotApplicable("it cannot be cancelled")
    read = trace(case("SK-MID-001", "none"), *WHOLE, end())
    assert judged("SK-RES-005", read) == Irrelevant()


def test_both_rules_about_cancellation_look_at_the_same_streams() -> None:
    assert cases("SK-RES-002") == cases("SK-RES-005")
    assert all(each.rules == {"SK-RES-002", "SK-RES-005"} for each in cases("SK-RES-002"))


def test_another_task_may_close_a_stream() -> None:
    elsewhere = case("SK-RES-003", "other-task")
    assert judged("SK-RES-003", trace(elsewhere, *said("Hello"))) == Pass()
    scope = RuntimeError("Attempted to exit cancel scope in a different task")
    assert isinstance(judged("SK-RES-003", trace(elsewhere, *said("Hello"), raised=scope)), Fail)
    assert judged("SK-RES-003", trace(elsewhere)) == Irrelevant()
    read = trace(case("SK-MID-001", "none"), raised=scope)
    assert judged("SK-RES-003", read) == Irrelevant()
    never = trace(elsewhere, unsupported="no")
    assert judged("SK-RES-003", never) == NotApplicable("no")


def test_nothing_is_left_behind() -> None:
    left = case("SK-RES-004", "break")
    assert judged("SK-RES-004", trace(left, *said("Hello"))) == Pass()
    for warning in (
        "ResourceWarning: unclosed <socket>",
        "RuntimeWarning: coroutine 'x' was never awaited",
        "ResourceWarning: Async generator 'x' was garbage collected before it was exhausted",
    ):
        warned = trace(left, *said("Hello"), warnings=[warning])
        assert isinstance(judged("SK-RES-004", warned), Fail)
    assert isinstance(judged("SK-RES-004", trace(left, *said("Hello"), leaks=["the task x"])), Fail)
    old = trace(left, *said("Hello"), warnings=["DeprecationWarning: old"])
    assert judged("SK-RES-004", old) == Pass()
    assert judged("SK-RES-004", trace(left, seen=[])) == Irrelevant()
    unseen = trace(case("SK-MID-001", "none"), *WHOLE, end(), leaks=["the task x"])
    assert judged("SK-RES-004", unseen) == Irrelevant()


def test_a_second_close_raises_nothing() -> None:
    twice = case("SK-RES-004", "closed-twice")
    assert judged("SK-RES-004", trace(twice, *WHOLE, end())) == Pass()
    raised = trace(twice, *WHOLE, end(), raised=RuntimeError("already closed"))
    assert isinstance(judged("SK-RES-004", raised), Fail)


def test_the_consumers_own_exception_comes_out() -> None:
    raising = case("SK-RES-006", "after=1")
    own = ConsumerError()
    assert judged("SK-RES-006", trace(raising, *said("Hello"), raised=own)) == Pass()
    wrapped = ExceptionGroup("unhandled", [own])
    assert isinstance(judged("SK-RES-006", trace(raising, *said("Hello"), raised=wrapped)), Fail)
    assert isinstance(judged("SK-RES-006", trace(raising, *said("Hello"))), Fail)
    assert judged("SK-RES-006", trace(raising, error("connection"))) == Irrelevant()
    read = trace(case("SK-MID-001", "none"), *WHOLE, end())
    assert judged("SK-RES-006", read) == Irrelevant()


@pytest.mark.parametrize("backend", ["asyncio", "trio", "sync"])
def test_leaving_the_loop_ends_the_connection(backend: str) -> None:
    left = case("SK-RES-007", "break")
    two = said("one ", "two ")
    on = {"backend": backend}
    assert judged("SK-RES-007", trace(left, *two, is_disconnected=True, **on)) == Pass()
    assert isinstance(judged("SK-RES-007", trace(left, *two, is_disconnected=False, **on)), Fail)
    assert isinstance(judged("SK-RES-007", trace(left, *two, is_hung=True, **on)), Fail)
    raised = trace(left, *two, raised=RuntimeError("x"), is_disconnected=True, **on)
    assert isinstance(judged("SK-RES-007", raised), Fail)
    assert judged("SK-RES-007", trace(left, *two, **on)) == Irrelevant()
    early = trace(left, *two[:1], error("connection"), is_disconnected=False, **on)
    assert judged("SK-RES-007", early) == Irrelevant()
    mocked = Case(name="any", script=FIVE, consumer=Consumer("break"))
    assert judged("SK-RES-007", trace(mocked, *two, is_disconnected=False)) == Irrelevant()


def test_a_stopped_stream_says_that_it_was() -> None:
    stopped = case("SK-RES-008", "after=1")
    assert judged("SK-RES-008", trace(stopped, *said("Hello"), end("cancelled"))) == Pass()
    assert isinstance(judged("SK-RES-008", trace(stopped, *said("Hello"), end("stop"))), Fail)
    assert isinstance(judged("SK-RES-008", trace(stopped, *said("Hello"), error("x"))), Fail)
    assert isinstance(judged("SK-RES-008", trace(stopped, *said("Hello"))), Fail)
    assert judged("SK-RES-008", trace(stopped, error("connection"))) == Irrelevant()
    never = trace(stopped, *WHOLE, end(), unsupported="its streams have no stop()")
    assert judged("SK-RES-008", never) == NotApplicable("its streams have no stop()")
    read = trace(case("SK-MID-001", "none"), *WHOLE, end())
    assert judged("SK-RES-008", read) == Irrelevant()


def test_a_framing_without_keep_alives_has_no_such_case() -> None:
    class Other(NDJSON):
        content_type = "application/octet-stream"

    class Silent(type(OLLAMA)):  # type: ignore[misc]
        framing = Other()

    assert cases("SK-TIME-003", Silent("silent")) == []
