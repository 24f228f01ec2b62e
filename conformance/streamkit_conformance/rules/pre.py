"""PRE: what goes wrong before the answer begins."""

import math
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from time import time
from typing import Final

from streamkit_conformance.case import Case
from streamkit_conformance.rules.failures import (
    LONGEST_MESSAGE,
    SHORT,
    case_of,
    failure_of,
    fault_of,
    wrong_kind,
)
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import INSTEAD_OF_THE_ANSWER, FaultKind
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

_STATUSES: Final = (400, 401, 403, 404, 422, 429, 500, 502, 503, 529)
_BODIES: Final = (("html", 502), ("empty", 500), ("huge", 500), ("text", 503))
_UNREACHABLE: Final[tuple[FaultKind, ...]] = ("connect", "dns", "tls")
_NO_ANSWERS: Final[tuple[FaultKind, ...]] = ("json_error", "html_body", "empty_body")

# Far away, so that the bytes are the same on every day and the wait is never over.
_DATE: Final = "Wed, 21 Oct 2099 07:28:00 GMT"
#: How far a date may be from the wait that it came to, in seconds: clocks differ.
_DATE_SLACK_S: Final = 120.0
_ODD: Final = (
    ("zero", "0"),
    ("negative", "-5"),
    ("huge", "9" * 400),
    ("past-date", "Wed, 21 Oct 2015 07:28:00 GMT"),
    ("no-number", "soon"),
)
_REQUEST_ID: Final = "req-7b61f0c4"


def _status_cases(_plan: Plan) -> Iterator[Case]:
    for status in _STATUSES:
        script = SHORT.with_fault("status", status=status, message=f"Refused with {status}.")
        yield case_of("SK-PRE-001", f"status={status}", script)


@rule(
    "SK-PRE-001",
    statement="An HTTP status of 400 or above becomes one error chunk whose kind says what kind of "
    "failure it is, with the status beside it.",
    reason="Applications decide by the kind: a wrong key is shown, a rate limit is waited for, a "
    "broken server is asked again. One `unknown` for all of them makes every retry a guess.",
    wire='HTTP/1.1 429 Too Many Requests\r\n\r\n{"error":{"message":"Refused with 429."}}\n'
    "expected: error(kind=rate_limit, status=429)",
    cases=_status_cases,
)
def _kind_of_a_status(trace: Trace) -> Outcome:
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    fault = trace.case.script.fault
    if fault is None or fault.kind != "status":
        return IRRELEVANT
    wrong = wrong_kind(trace, error)
    if wrong is None and error.error.status != fault.status:
        return Fail("the error lacks the status", str(fault.status), str(error.error.status))
    return wrong or PASS


def _body_cases(_plan: Plan) -> Iterator[Case]:
    for body, status in _BODIES:
        script = SHORT.with_fault("status", status=status, body=body)
        yield case_of("SK-PRE-002", f"body={body}", script)


@rule(
    "SK-PRE-002",
    statement="Error bodies that are HTML, plain text, huge or empty are survived: the error's "
    "message is never empty and at most 500 characters long.",
    reason="Gateways answer with pages, not with JSON. Users of clients that parse them see a JSON "
    "exception in place of `502`, or a megabyte of HTML in their chat window.",
    wire="HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\n\r\n<!DOCTYPE html><html>…\n"
    "expected: error(kind=provider, message=<1 to 500 characters>)",
    cases=_body_cases,
)
def _any_body(trace: Trace) -> Outcome:
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    if fault_of(trace) != "status":
        return IRRELEVANT
    message = error.error.message
    if not message.strip():
        return Fail("the error says nothing", "a message", repr(message))
    if len(message) > LONGEST_MESSAGE:
        return Fail(
            "the error's message has no bound",
            f"at most {LONGEST_MESSAGE} characters",
            f"{len(message)} characters: {message[:60]!r}…",
        )
    return PASS


def _unreachable_cases(_plan: Plan) -> Iterator[Case]:
    for kind in _UNREACHABLE:
        yield case_of("SK-PRE-003", kind, SHORT.with_fault(kind))


@rule(
    "SK-PRE-003",
    statement="No connection, no such host and a certificate that does not fit become an error "
    "chunk of the kind `connection`; the first two are retryable.",
    reason="These are what users meet on a train or behind a company's proxy. Where they look like "
    "a failure of the service, nobody thinks of asking again or of looking at the network.",
    wire="(nobody listens)\nexpected: error(kind=connection, retryable=true)",
    cases=_unreachable_cases,
)
def _unreachable(trace: Trace) -> Outcome:
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    kind = fault_of(trace)
    if kind not in _UNREACHABLE:
        return IRRELEVANT
    wrong = wrong_kind(trace, error)
    # A wrong certificate is seldom another one a second later; either answer is right.
    if wrong is None and kind != "tls" and not error.error.retryable:
        return Fail("asking again may help, and the error says no", "retryable", "not retryable")
    return wrong or PASS


def _no_answer_cases(_plan: Plan) -> Iterator[Case]:
    for kind in _NO_ANSWERS:
        yield case_of("SK-PRE-004", kind, SHORT.with_fault(kind))


@rule(
    "SK-PRE-004",
    statement="A status of 200 with an error document, a page or nothing in the answer's place is "
    "an error, never an empty success.",
    reason="Proxies and some services send failures with 200. A client that believes the status "
    "shows an empty answer, and nobody learns that the quota is used up.",
    wire='HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"error":{"message":"…"}}\n'
    "expected: error(kind=provider, …), no end",
    cases=_no_answer_cases,
)
def _no_answer(trace: Trace) -> Outcome:
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    if fault_of(trace) not in INSTEAD_OF_THE_ANSWER:
        return IRRELEVANT
    return wrong_kind(trace, error) or PASS


def _retry_after_cases(_plan: Plan) -> Iterator[Case]:
    for status, value in ((429, "7"), (503, "7"), (429, _DATE)):
        script = SHORT.with_fault("status", status=status, headers={"retry-after": value})
        what = "number" if value.isdecimal() else "date"
        yield case_of("SK-PRE-005", f"{what}/status={status}", script)


@rule(
    "SK-PRE-005",
    statement="A `Retry-After` of the service, as seconds or as a date, comes out as the error's "
    "`retry_after_s`.",
    reason="Whoever asks again sooner than the service wants is refused again, and may be shut out "
    "for longer.",
    wire="HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\n\r\n…\n"
    "expected: error(kind=rate_limit, retry_after_s=7.0)",
    level="SHOULD",
    profile="resilience",
    cases=_retry_after_cases,
)
def _retry_after(trace: Trace) -> Outcome:
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    wanted = _header(trace, "retry-after")
    if wanted is None:
        return IRRELEVANT
    got = error.error.retry_after_s
    seconds = _seconds(wanted)
    if got is None or abs(got - seconds) > (0.5 if wanted.isdecimal() else _DATE_SLACK_S):
        return Fail("the wait that the service asks for is not told", f"{seconds:g} s", f"{got} s")
    return PASS


def _odd_cases(_plan: Plan) -> Iterator[Case]:
    base = case_of("SK-PRE-006", "none", SHORT.with_fault("status", status=429))
    for what, value in _ODD:
        script = SHORT.with_fault("status", status=429, headers={"retry-after": value})
        yield case_of("SK-PRE-006", what, script, base=base)


@rule(
    "SK-PRE-006",
    statement="A `Retry-After` of 0, below 0, beyond all measure, in the past or without sense "
    "changes nothing of the error; `retry_after_s` is unset or a finite number from 0 up.",
    reason="Services send all of them. A client that hands on a negative wait lets its caller "
    "sleep for -5 seconds, which raises; from an infinite one nobody ever wakes.",
    wire="HTTP/1.1 429 Too Many Requests\r\nretry-after: -5\r\n\r\n…\n"
    "expected: error(kind=rate_limit), retry_after_s unset or 0 at least",
    profile="resilience",
    cases=_odd_cases,
)
def _odd_retry_after(trace: Trace) -> Outcome:
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    fault = trace.case.script.fault
    if fault is None or fault.kind != "status":
        return IRRELEVANT
    wrong = wrong_kind(trace, error)
    if wrong is not None:
        return wrong
    got = error.error.retry_after_s
    if got is None or (math.isfinite(got) and got >= 0):
        return PASS
    return Fail("nobody can wait that long", "nothing, or a finite number from 0 up", f"{got} s")


def _request_id_cases(_plan: Plan) -> Iterator[Case]:
    for status in (400, 500):
        script = SHORT.with_fault("status", status=status, headers={"x-request-id": _REQUEST_ID})
        yield case_of("SK-PRE-007", f"status={status}", script)


@rule(
    "SK-PRE-007",
    statement="The service's id of a request that it refused comes out as the error's "
    "`request_id`.",
    reason="It is the first thing that a service's support asks for; without it a user can say no "
    "more than that something failed yesterday.",
    wire="HTTP/1.1 500 Internal Server Error\r\nx-request-id: req-7b61f0c4\r\n\r\n…\n"
    "expected: error(request_id=req-7b61f0c4)",
    level="SHOULD",
    profile="resilience",
    cases=_request_id_cases,
)
def _request_id(trace: Trace) -> Outcome:
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    wanted = _header(trace, "x-request-id")
    if wanted is None:
        return IRRELEVANT
    got = error.error.request_id
    if got == wanted:
        return PASS
    return Fail("the service's id of the request is not told", repr(wanted), repr(got))


def _header(trace: Trace, name: str) -> str | None:
    return next((value for key, value in trace.wire.headers if key.lower() == name), None)


def _seconds(value: str) -> float:
    if re.fullmatch(r"\d+", value):
        return float(value)
    return parsedate_to_datetime(value).timestamp() - time()
