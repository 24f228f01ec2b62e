"""MID: what goes wrong in the midst of the answer."""

from collections.abc import Iterator
from typing import Final

from streamkit_conformance.case import Case
from streamkit_conformance.rules.failures import (
    LONGEST_MESSAGE,
    SHORT,
    broken_off,
    case_of,
    failure_of,
    fault_of,
    kept,
    wrong_kind,
)
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import FaultKind, Finish
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

_BREAKS: Final[tuple[FaultKind, ...]] = ("read_error", "protocol_error", "reset")
_BAD_RECORDS: Final[tuple[FaultKind, ...]] = ("malformed_record", "invalid_utf8")

#: What services say, and in which shapes.
_MESSAGES: Final = (
    ("short", "The model is out of breath."),
    ("long", "The runner process has ended without a word. " * 40),
    ("lines", "The runner process has ended:\nCUDA error 700\r\n  at layer 12\n"),
)
#: So many characters of the service's words must be found again.
_RECOGNISED: Final = 40


def _record_cases(_plan: Plan) -> Iterator[Case]:
    base = case_of("SK-MID-001", "none", SHORT)
    for after in (1, 3):
        script = broken_off("error_record", after)
        yield case_of("SK-MID-001", f"after={after}", script, base=base)


@rule(
    "SK-MID-001",
    statement="An error record in the midst of an answer becomes the error chunk that ends the "
    "stream; the content before it is kept.",
    reason="Services have no other way to tell of a failure once the status is sent. Clients that "
    "skip records without content show half an answer as a whole one (ollama-rs 357, vercel/ai "
    "1835).",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: {"error":{"message":"…"}}\n\n'
    'expected: content "Hello", then error(kind=provider)',
    cases=_record_cases,
)
def _error_record(trace: Trace) -> Outcome:
    if fault_of(trace) is None:
        return kept(trace) or IRRELEVANT
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    if fault_of(trace) != "error_record":
        return IRRELEVANT
    return wrong_kind(trace, error) or kept(trace) or PASS


def _break_cases(_plan: Plan) -> Iterator[Case]:
    base = case_of("SK-MID-002", "none", SHORT)
    for kind in _BREAKS:
        via = "loopback" if kind == "reset" else "mock"
        yield case_of("SK-MID-002", kind, broken_off(kind, 2), via=via, base=base)


@rule(
    "SK-MID-002",
    statement="A connection that breaks becomes an error chunk with a message that is not empty; "
    "the content before it is kept.",
    reason="asyncio's own text for a reset connection is empty, so that users see `Error: ` and "
    "nothing else; and an answer that was read for a minute must not vanish with its last packet.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(connection reset)\n'
    'expected: content "Hello", then error(kind=connection, message=<not empty>)',
    cases=_break_cases,
)
def _broken_connection(trace: Trace) -> Outcome:
    if fault_of(trace) is None:
        return kept(trace) or IRRELEVANT
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    if fault_of(trace) not in _BREAKS:
        return IRRELEVANT
    if not error.error.message.strip():
        return Fail("the error says nothing", "a message", repr(error.error.message))
    # A reset throws away what the receiver had not read yet.
    may_lack = len(trace.case.script.sent) if fault_of(trace) == "reset" else 0
    return wrong_kind(trace, error) or kept(trace, may_lack=may_lack) or PASS


def _bad_record_cases(_plan: Plan) -> Iterator[Case]:
    base = case_of("SK-MID-003", "none", SHORT)
    for kind in _BAD_RECORDS:
        yield case_of("SK-MID-003", kind, broken_off(kind, 1), base=base)


@rule(
    "SK-MID-003",
    statement="A record that is no JSON, or whose bytes are no UTF-8, is an error of the kind "
    "`protocol`: it is not skipped, and nothing is put in its place.",
    reason="A record that is skipped is a hole in the answer that nobody sees: half a command, a "
    "number without its digit. U+FFFD in its place is the same hole with a mark.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: {"choices": [{"index" 0,,\n\n'
    'data: {"choices":[{"delta":{"content":" world."}}]}\n\n'
    'expected: content "Hello", then error(kind=protocol); nothing of " world."',
    profile="resilience",
    cases=_bad_record_cases,
)
def _bad_record(trace: Trace) -> Outcome:
    if fault_of(trace) is None:
        return kept(trace) or IRRELEVANT
    if fault_of(trace) not in _BAD_RECORDS:
        return IRRELEVANT
    more = kept(trace, may_lack=1)
    if more is not None and trace.raised is None and trace.refused is None:
        return more
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    return wrong_kind(trace, error) or PASS


def _place_cases(_plan: Plan) -> Iterator[Case]:
    base = case_of("SK-MID-004", "none", SHORT)
    yield case_of("SK-MID-004", "first", broken_off("error_record", 0), base=base)
    yield case_of("SK-MID-004", "after-finish", broken_off("error_record", 4), base=base)


@rule(
    "SK-MID-004",
    statement="An error record counts as the very first record too. Behind the finish reason it "
    "may make the stream an error or be left unread; the text is whole either way.",
    reason="A model that fails to load says so in the first record. Clients that first wait for "
    "the record with the role take it for that, and end with an empty answer.",
    wire='HTTP/1.1 200 OK\r\n\r\ndata: {"error":{"message":"The model is out of breath."}}\n\n'
    "expected: error(kind=provider), no content",
    cases=_place_cases,
)
def _place_of_the_record(trace: Trace) -> Outcome:
    fault = trace.case.script.fault
    if fault is None:
        return kept(trace) or IRRELEVANT
    if fault.kind != "error_record" or trace.raised is not None or trace.refused is not None:
        return IRRELEVANT
    lost = kept(trace)
    if lost is not None:
        return lost
    is_finished = any(isinstance(event, Finish) for event in trace.case.script.sent)
    if is_finished and trace.end is not None:
        return PASS
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    if not fault.after and error.partial:
        return Fail(
            "an error before any content says that there was some", "partial=false", "partial=true"
        )
    return wrong_kind(trace, error) or PASS


def _message_cases(_plan: Plan) -> Iterator[Case]:
    for what, message in _MESSAGES:
        record = broken_off("error_record", 1, message=message)
        yield case_of("SK-MID-005", f"record/{what}", record)
        refusal = SHORT.with_fault("status", status=400, message=message)
        yield case_of("SK-MID-005", f"status/{what}", refusal)


@rule(
    "SK-MID-005",
    statement="The service's own words reach the user in the error's message, in one line of at "
    "most 500 characters.",
    reason="`CUDA error 700` helps whoever runs the server; `An error occurred` helps nobody. A "
    "page-long message breaks logs and windows, a line break forges log lines.",
    wire='data: {"error":{"message":"The runner process has ended:\\nCUDA error 700"}}\n\n'
    'expected: error(message="The runner process has ended: CUDA error 700")',
    cases=_message_cases,
)
def _message(trace: Trace) -> Outcome:
    error = failure_of(trace)
    if isinstance(error, Outcome):
        # A failure that ends as success is told by the rules about where it comes from.
        return IRRELEVANT
    fault = trace.case.script.fault
    has_words = fault is not None and (
        fault.kind == "error_record" or (fault.kind == "status" and fault.body == "own")
    )
    if fault is None or not has_words:
        return IRRELEVANT
    said, wanted = error.error.message, " ".join(fault.message.split())
    if len(said) > LONGEST_MESSAGE:
        limit = f"at most {LONGEST_MESSAGE} characters"
        return Fail("the message has no bound", limit, f"{len(said)} characters")
    if "\n" in said or "\r" in said:
        return Fail("the message has more than one line", repr(wanted), repr(said))
    if wanted[:_RECOGNISED] not in " ".join(said.split()):
        return Fail("the service's words do not reach the user", repr(wanted), repr(said))
    return PASS
