"""TIME: silence, slowness, and an event loop that others need too."""

from collections.abc import Iterator
from typing import Final

from streamkit_conformance.case import Case
from streamkit_conformance.rules.failures import (
    FIVE,
    SHORT,
    broken_off,
    case_of,
    failure_of,
    fault_of,
    kept,
    wrong_kind,
)
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, NotApplicable, Outcome

#: Seconds that a subject waits for a service that is silent.
_SILENCE_S: Final = 0.25
#: A service that is slow: five reads, each in time, that together take longer than one may.
_SLOW_S: Final = {"idle": 0.5}
_GAP_S: Final = 0.12
#: Between two signs of life of a service that says nothing.
_BEAT_S: Final = 0.1
_KEEP_ALIVES: Final = {"text/event-stream": ": keep-alive\n\n", "application/x-ndjson": "\n"}

#: A loop that did not run for so long was blocked: the service waits for it twice as long.
_BLOCKED_S: Final = 0.5


def _stall_cases(_plan: Plan) -> Iterator[Case]:
    yield case_of(
        "SK-TIME-001",
        "stall",
        broken_off("stall", 2),
        via="loopback",
        timeouts={"idle": _SILENCE_S},
    )


@rule(
    "SK-TIME-001",
    statement="Silence in the midst of an answer that outlasts the idle timeout is an error of a "
    "timeout's kind; the content before it is kept.",
    reason="Without it a chat waits for ever for a service that has died behind its load balancer.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(silence, the connection is open)\n'
    'expected: content "Hello", then error(kind=timeout_idle)',
    profile="resilience",
    cases=_stall_cases,
)
def _stall(trace: Trace) -> Outcome:
    if fault_of(trace) != "stall" or "keep_alive" in trace.case.options:
        return IRRELEVANT
    return _timed_out(trace)


def _slow_cases(_plan: Plan) -> Iterator[Case]:
    yield case_of(
        "SK-TIME-002",
        "slow",
        FIVE,
        via="loopback",
        timeouts=_SLOW_S,
        options={"gap_s": _GAP_S},
        base=case_of("SK-TIME-002", "fast", FIVE, via="loopback", timeouts=_SLOW_S),
    )


@rule(
    "SK-TIME-002",
    statement="An answer that takes longer than the idle timeout is whole as long as no silence in "
    "it does.",
    reason="A limit for silence that is taken for one of the whole answer cuts every long answer.",
    wire='data: {"choices":[{"delta":{"content":"one "}}]}\n\n(a while)\n'
    'data: {"choices":[{"delta":{"content":"two "}}]}\n\n(a while) …\n'
    "expected: the answer, end(stop)",
    profile="resilience",
    cases=_slow_cases,
)
def _slow(trace: Trace) -> Outcome:
    if fault_of(trace) is not None or trace.case.timeouts != _SLOW_S:
        return IRRELEVANT
    if trace.raised is not None or trace.refused is not None or trace.is_hung:
        return IRRELEVANT
    if trace.error is not None:
        error = trace.error.error
        said = f"error ({error.kind}: {error.message})"
        return Fail("a slow answer was given up", "end (stop)", said)
    return kept(trace) or PASS


def _keep_alive_cases(plan: Plan) -> Iterator[Case]:
    beat = _KEEP_ALIVES.get(plan.dialect.framing.content_type)
    if beat is not None:
        yield case_of(
            "SK-TIME-003",
            "keep-alives",
            broken_off("stall", 1),
            via="loopback",
            timeouts={"idle": _SILENCE_S},
            options={"keep_alive": beat, "gap_s": _BEAT_S},
        )


@rule(
    "SK-TIME-003",
    statement="Keep-alives are no content: a service that sends nothing else for longer than the "
    "idle timeout has fallen silent.",
    reason="A proxy keeps a connection alive whose model died long ago. A client that counts each "
    "byte as a sign of life waits as long as the proxy lives.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n: keep-alive\n\n: keep-alive\n\n…\n'
    'expected: content "Hello", then error(kind=timeout_idle)',
    profile="resilience",
    cases=_keep_alive_cases,
)
def _only_keep_alives(trace: Trace) -> Outcome:
    if fault_of(trace) != "stall" or "keep_alive" not in trace.case.options:
        return IRRELEVANT
    return _timed_out(trace)


def _lockstep_cases(_plan: Plan) -> Iterator[Case]:
    yield case_of("SK-TIME-004", "others-run", SHORT, via="loopback", options={"lockstep": True})


@rule(
    "SK-TIME-004",
    statement="While a stream waits for its service the event loop runs: other tasks get their "
    "turn between any two reads.",
    reason="One synchronous client inside an asynchronous server stops all of its users until one "
    "model has spoken.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(the service waits until another '
    "task of the client's loop has run)\n"
    'data: {"choices":[{"delta":{"content":", wide"}}]}\n\nexpected: the task runs at once',
    profile="resilience",
    cases=_lockstep_cases,
)
def _loop_runs(trace: Trace) -> Outcome:
    if trace.backend == "sync":
        return NotApplicable("synchronous code has no event loop")
    if "lockstep" not in trace.case.options:
        return IRRELEVANT
    if trace.blocked_s >= _BLOCKED_S:
        return Fail(
            "the event loop is blocked while the stream waits",
            "another task runs between two reads",
            f"none ran for {trace.blocked_s:g} s",
        )
    # A stream that shows nothing has not been waited for.
    return PASS if trace.contents else IRRELEVANT


def _silent_head_cases(_plan: Plan) -> Iterator[Case]:
    yield case_of(
        "SK-TIME-005",
        "silent-head",
        SHORT.with_fault("stall_head"),
        via="loopback",
        timeouts={"first_content": _SILENCE_S},
    )


@rule(
    "SK-TIME-005",
    statement="A service that takes the request and never answers is an error of a timeout's kind.",
    reason="The limit for the first content is another one than that between two pieces: a model "
    "may think for minutes. A client that has only the second waits too short, or for ever.",
    wire="(the request was taken; silence)\nexpected: error(kind=timeout_first_content)",
    profile="resilience",
    cases=_silent_head_cases,
)
def _silent_head(trace: Trace) -> Outcome:
    return IRRELEVANT if fault_of(trace) != "stall_head" else _timed_out(trace)


def _timed_out(trace: Trace) -> Outcome:
    if trace.is_hung:
        return Fail("the stream waits for ever", "an error of a timeout's kind", "nothing")
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    return wrong_kind(trace, error) or kept(trace) or PASS
