"""RETRY: asking again, as users may see it. Preview: retries do not exist yet."""

from collections.abc import Iterator
from typing import Final

from streamkit.chunks import ContentChunk, NoticeChunk, ResetChunk
from streamkit_conformance.case import Case
from streamkit_conformance.rules.failures import SHORT, broken_off, case_of, fault_of
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import BEFORE_THE_ANSWER, FaultKind, Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

_AFTER_CONTENT: Final[tuple[FaultKind, ...]] = ("read_error", "end", "error_record")
_HOPELESS: Final = (400, 401, 403, 404)
#: Notices that tell of a further request.
_TOLD: Final = frozenset({"retrying", "fallback", "degraded_to_non_streaming", "continued"})
#: More requests than anybody should make for one answer.
_TOO_MANY: Final = 8


def _after_content_cases(_plan: Plan) -> Iterator[Case]:
    """Shared by two rules: one counts requests, the other looks at the text."""
    for kind in _AFTER_CONTENT:
        case = case_of("SK-RETRY-001", kind, broken_off(kind, 2))
        yield case.with_(rules=frozenset({"SK-RETRY-001", "SK-RETRY-002"}))


@rule(
    "SK-RETRY-001",
    statement="Once content was shown no further request is made, unless the caller asked for it: "
    "then a reset or a notice tells of it.",
    reason="A second answer is another answer. Joined to half of the first it says something that "
    "no model said, and it is paid for twice.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(the connection breaks)\n'
    "expected: one request, then error(kind=connection, partial=true)",
    profile="resilience",
    cases=_after_content_cases,
    is_preview=True,
)
def _no_hidden_request(trace: Trace) -> Outcome:
    if not trace.contents or fault_of(trace) not in _AFTER_CONTENT:
        return IRRELEVANT
    if len(trace.requests) <= 1 + _told(trace):
        return PASS
    requests = f"{len(trace.requests)} requests"
    return Fail("a request was made in secret after content was shown", "1 request", requests)


@rule(
    "SK-RETRY-002",
    statement="No content is shown twice: what a further request says again follows a reset.",
    reason="Users read `HelloHello, wide`, and a conversation that holds it goes on with it.",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(the connection breaks)\n'
    'expected: "Hello" once',
    profile="resilience",
    cases=_after_content_cases,
    is_preview=True,
)
def _nothing_twice(trace: Trace) -> Outcome:
    if not trace.contents or fault_of(trace) not in _AFTER_CONTENT:
        return IRRELEVANT
    sent = "".join(each.text for each in trace.case.script.sent if isinstance(each, Text))
    shown = _standing(trace)
    if len(shown) > len(sent) and shown.startswith(sent):
        return Fail("content is shown twice", repr(sent), repr(shown))
    return PASS


def _before_content_cases(_plan: Plan) -> Iterator[Case]:
    for what, script in (
        ("status=503", SHORT.with_fault("status", status=503)),
        ("connect", SHORT.with_fault("connect")),
        ("empty-body", SHORT.with_fault("empty_body")),
    ):
        yield case_of("SK-RETRY-003", what, script)


@rule(
    "SK-RETRY-003",
    statement="Every request beyond the first is told by a notice, and there are few of them.",
    reason="Retries in a provider, in its HTTP client and in the core multiply: three times three "
    "times three requests for one question to a service that asked to be left alone.",
    wire="HTTP/1.1 503 Service Unavailable\nexpected: one request, or notice(retrying) before each "
    "further one",
    profile="resilience",
    cases=_before_content_cases,
    is_preview=True,
)
def _told_and_few(trace: Trace) -> Outcome:
    if not trace.requests or trace.contents or fault_of(trace) is None:
        return IRRELEVANT
    count = len(trace.requests)
    if count > _TOO_MANY:
        return Fail("it is asked again without an end", f"at most {_TOO_MANY}", str(count))
    if count > 1 + _told(trace):
        told = f"{1 + _told(trace)} requests, as the notices say"
        return Fail("a request was made in secret", told, f"{count} requests")
    return PASS


def _hopeless_cases(_plan: Plan) -> Iterator[Case]:
    for status in _HOPELESS:
        script = SHORT.with_fault("status", status=status)
        yield case_of("SK-RETRY-004", f"status={status}", script)


@rule(
    "SK-RETRY-004",
    statement="What asking again cannot mend is asked once: a wrong key, a wrong request, a model "
    "that does not exist.",
    reason="The user waits for the third refusal of a key that was wrong the first time, and some "
    "services lock out who tries too often.",
    wire="HTTP/1.1 401 Unauthorized\nexpected: one request, then error(kind=authentication)",
    profile="resilience",
    cases=_hopeless_cases,
    is_preview=True,
)
def _hopeless(trace: Trace) -> Outcome:
    fault = trace.case.script.fault
    if fault is None or fault.kind not in BEFORE_THE_ANSWER or fault.status not in _HOPELESS:
        return IRRELEVANT
    if len(trace.requests) <= 1:
        return PASS if trace.requests else IRRELEVANT
    requests = f"{len(trace.requests)} requests"
    return Fail("it was asked again what cannot be mended", "1 request", requests)


def _told(trace: Trace) -> int:
    """How many further requests the stream tells of."""
    notices = [each for each in trace.chunks if isinstance(each, NoticeChunk)]
    resets = [each for each in trace.chunks if isinstance(each, ResetChunk)]
    return max(sum(each.code in _TOLD for each in notices), len(resets))


def _standing(trace: Trace) -> str:
    """The text that still counts: without what a reset took back."""
    kept: list[ContentChunk] = []
    for chunk in trace.chunks:
        if isinstance(chunk, ContentChunk):
            kept.append(chunk)
        elif isinstance(chunk, ResetChunk):
            kept = [each for each in kept if each.index <= chunk.keep_through]
    return "".join(each.content for each in kept)
