"""RES: what a stream holds is let go of, however it ends."""

from collections.abc import Iterator
from typing import Final

from streamkit_conformance.case import Case, Consumer, ConsumerError
from streamkit_conformance.rules.failures import FIVE, SHORT, case_of, fault_of, looked_at
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import Script
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, NotApplicable, Outcome

#: A service that has more to say, and does not say it: the consumer leaves while the stream waits.
_WAITING: Final[Script] = FIVE.with_fault("stall", after=3)
_GONE: Final = "the service sees the client go"

#: What Python warns of when nobody let go of something.
_LEFT_OPEN: Final = ("ResourceWarning", "was never awaited", "was garbage collected")


@rule(
    "SK-RES-001",
    statement="The answer is closed whichever way a stream ends: at its end, with an error, when "
    "its consumer leaves, raises, cancels or stops.",
    reason="An answer that stays open keeps its connection. A pool of a hundred is empty after a "
    "hundred of them, and the next request waits for ever.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(the consumer leaves the loop)\n'
    "expected: the answer is closed",
    is_live=True,
)
def _closed(trace: Trace) -> Outcome:
    if not trace.dialect.is_wire:
        return NotApplicable("the subject has no wire")
    if trace.case.via != "mock" or not trace.opened:
        return IRRELEVANT
    if trace.closed >= trace.opened:
        return PASS
    answers = f"{trace.closed} of {trace.opened} answers closed"
    return Fail("an answer is still open when its stream is over", "all closed", answers)


def _cancel_cases(_plan: Plan) -> Iterator[Case]:
    """Shared by the two rules about cancellation: each looks at another side of it."""
    for what, script, options in (
        ("waiting", _WAITING, {}),
        ("reading", FIVE, {"gap_s": 0.02}),
    ):
        case = case_of(
            "SK-RES-002",
            what,
            script,
            via="loopback",
            consumer=Consumer("cancel", after=2),
            options=options,
        )
        yield case.with_(rules=frozenset({"SK-RES-002", "SK-RES-005"}))


@rule(
    "SK-RES-002",
    statement="A stream that is cancelled ends its connection within a second: the service sees "
    "the client go.",
    reason="The model goes on speaking, and is paid for, until its connection is gone. Of a local "
    "one the graphics card stays taken.",
    wire='data: {"choices":[{"delta":{"content":"one "}}]}\n\n(the reading task is cancelled)\n'
    "expected: the service sees the connection end",
    profile="resilience",
    cases=_cancel_cases,
)
def _cancelled_is_gone(trace: Trace) -> Outcome:
    if trace.case.consumer.kind != "cancel" or trace.is_disconnected is None:
        return IRRELEVANT
    if trace.unsupported:
        return NotApplicable(trace.unsupported)
    if trace.is_disconnected:
        return PASS
    return Fail("the connection outlives the stream that was cancelled", _GONE, "it is still open")


def _elsewhere_cases(_plan: Plan) -> Iterator[Case]:
    yield case_of("SK-RES-003", "other-task", SHORT, consumer=Consumer("close_elsewhere", after=1))


@rule(
    "SK-RES-003",
    statement="A stream that is idle can be closed from another task than the one that read it.",
    reason="Servers close streams from the task that sees the browser leave. A cancel scope or a "
    "task group held across a `yield` makes that a RuntimeError, on asyncio and trio alike.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(another task calls aclose())\n'
    "expected: nothing is raised",
    profile="resilience",
    cases=_elsewhere_cases,
)
def _closed_elsewhere(trace: Trace) -> Outcome:
    if trace.case.consumer.kind != "close_elsewhere":
        return IRRELEVANT
    if trace.unsupported:
        return NotApplicable(trace.unsupported)
    if trace.raised is not None:
        return Fail("closing from another task raises", "nothing", _shown(trace.raised))
    return PASS if trace.contents else IRRELEVANT


def _left_cases(_plan: Plan) -> Iterator[Case]:
    name = "SK-RES-004"
    leaving = {each: Consumer(each, after=1) for each in ("break", "raise", "cancel")}
    yield from looked_at()
    for what, consumer in leaving.items():
        yield case_of(name, what, SHORT, captures=True, consumer=consumer)
    yield case_of(name, "closed-twice", SHORT, captures=True, options={"close_twice": True})


@rule(
    "SK-RES-004",
    statement="A stream that is over leaves no task, socket or generator behind, and may be closed "
    "a second time.",
    reason="What is left behind is found by the garbage collector, at any time and in any task: as "
    "a warning on asyncio, as an error in somebody else's code on trio.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(the consumer leaves the loop)\n'
    "expected: no ResourceWarning, no task that is still there",
    profile="resilience",
    cases=_left_cases,
    is_live=True,
)
def _nothing_left(trace: Trace) -> Outcome:
    if not trace.case.captures:
        return IRRELEVANT
    left = [each for each in trace.warnings if any(word in each for word in _LEFT_OPEN)]
    left = [*trace.leaks, *left]
    if left:
        return Fail("a stream that is over leaves something behind", "nothing", "; ".join(left))
    if "close_twice" in trace.case.options and trace.raised is not None:
        return Fail("closing it a second time raises", "nothing", _shown(trace.raised))
    return PASS if trace.seen else IRRELEVANT


@rule(
    "SK-RES-005",
    statement="A cancellation comes out as what it is: it is not swallowed, and it is no error of "
    "the stream.",
    reason="A cancellation that is swallowed leaves a task that nobody can end: timeouts around it "
    "never fire, servers never shut down. One that is told as an error is retried.",
    wire='data: {"choices":[{"delta":{"content":"one "}}]}\n\n(the reading task is cancelled)\n'
    "expected: the cancellation, no further chunk",
    profile="resilience",
    cases=_cancel_cases,
)
def _cancellation(trace: Trace) -> Outcome:
    if trace.case.consumer.kind != "cancel":
        return IRRELEVANT
    if trace.unsupported:
        return NotApplicable(trace.unsupported)
    if len(trace.contents) < trace.case.consumer.after:
        return IRRELEVANT  # it never came to the cancellation
    if trace.error is not None:
        kind = trace.error.error.kind
        return Fail("a cancellation is told as an error", "no chunk", f"error ({kind})")
    if trace.raised is not None:
        return Fail("a cancellation comes out as another exception", "it", _shown(trace.raised))
    if trace.is_hung or not trace.is_cancelled:
        return Fail("a cancellation is swallowed", "the cancellation", "a stream that goes on")
    return PASS


def _raise_cases(_plan: Plan) -> Iterator[Case]:
    for after in (1, 3):
        consumer = Consumer("raise", after=after)
        yield case_of("SK-RES-006", f"after={after}", SHORT, consumer=consumer)


@rule(
    "SK-RES-006",
    statement="What its consumer raises while reading a stream comes out unchanged: the same "
    "exception, in no group and no other one.",
    reason="A task group inside a stream wraps what passes through it into an ExceptionGroup, and "
    "`except ValueError` around the loop no longer catches a ValueError.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(the consumer raises)\n'
    "expected: the consumer's own exception",
    cases=_raise_cases,
)
def _consumers_error(trace: Trace) -> Outcome:
    if trace.case.consumer.kind != "raise":
        return IRRELEVANT
    if len(trace.contents) < trace.case.consumer.after:
        return IRRELEVANT  # it never came to that
    if isinstance(trace.raised, ConsumerError):
        return PASS
    got = "nothing" if trace.raised is None else _shown(trace.raised)
    return Fail("what the consumer raised does not come out", "the consumer's own exception", got)


def _break_cases(_plan: Plan) -> Iterator[Case]:
    yield case_of(
        "SK-RES-007",
        "break",
        _WAITING,
        via="loopback",
        consumer=Consumer("break", after=2),
    )


@rule(
    "SK-RES-007",
    statement="Leaving the loop early raises nothing and ends the connection within a second, in "
    "synchronous code as in asynchronous code.",
    reason="`break` is how users stop. Where it only stops the reading, the service goes on, and "
    "synchronous code has no other way to tell it.",
    wire='data: {"choices":[{"delta":{"content":"one "}}]}\n\n(the consumer leaves the loop)\n'
    "expected: the service sees the connection end",
    profile="resilience",
    cases=_break_cases,
)
def _break(trace: Trace) -> Outcome:
    if trace.case.consumer.kind != "break" or trace.case.via != "loopback":
        return IRRELEVANT
    if len(trace.contents) < trace.case.consumer.after:
        return IRRELEVANT  # it never came to that
    if trace.raised is not None:
        return Fail("leaving the loop early raises", "nothing", _shown(trace.raised))
    if trace.is_hung or trace.is_disconnected is False:
        return Fail("the connection outlives the loop", _GONE, "it is still open")
    return PASS if trace.is_disconnected else IRRELEVANT


def _stop_cases(_plan: Plan) -> Iterator[Case]:
    consumer = Consumer("stop", after=1)
    yield case_of("SK-RES-008", "after=1", SHORT, consumer=consumer)


@rule(
    "SK-RES-008",
    statement="A stream that its consumer stops ends with the finish reason `cancelled`, where the "
    "subject's streams can be stopped.",
    reason="A stop button is no failure and no whole answer: a conversation must keep what was "
    "said, and know that it was cut short by its user.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(the consumer calls stop())\n'
    "expected: end(cancelled)",
    profile="resilience",
    cases=_stop_cases,
)
def _stopped(trace: Trace) -> Outcome:
    if trace.case.consumer.kind != "stop" or fault_of(trace) is not None:
        return IRRELEVANT
    if trace.unsupported:
        return NotApplicable(trace.unsupported)
    if len(trace.contents) < trace.case.consumer.after or trace.raised is not None:
        return IRRELEVANT
    if trace.end is not None and trace.end.finish_reason == "cancelled":
        return PASS
    got = "nothing" if not trace.terminals else repr(trace.terminals[-1])
    return Fail("a stream that was stopped does not say so", "end (cancelled)", got)


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
