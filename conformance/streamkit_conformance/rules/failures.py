"""What the rules about failures share: a short answer to break, and what came of a broken one."""

from collections.abc import Iterator
from typing import Final

from streamkit.chunks import ErrorChunk
from streamkit_conformance.case import Case
from streamkit_conformance.expect import expected
from streamkit_conformance.script import FaultKind, Finish, Script, Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, Fail, Irrelevant

__all__ = [
    "FIVE",
    "LONGEST_MESSAGE",
    "SHORT",
    "broken_off",
    "case_of",
    "failure_of",
    "fault_of",
    "kept",
    "kinds_in_words",
    "looked_at",
    "wrong_kind",
]

#: The most characters that `ErrorInfo.message` may have.
LONGEST_MESSAGE: Final = 500

#: An answer of three pieces, as plain as can be.
SHORT: Final = Script((Text("Hello"), Text(", wide"), Text(" world."), Finish()))

#: An answer that takes a while.
FIVE: Final = Script((*(Text(f"{word} ") for word in "one two three four five".split()), Finish()))


#: Looks at one stream from all sides: what it shows, logs, warns of and leaves behind.
_LOOKING: Final = frozenset({"SK-RES-004", "SK-SEC-001", "SK-SEC-002", "SK-SEC-006"})


def case_of(rule: str, what: str, script: Script, **fields: object) -> Case:
    """A case of one rule, named after it and after what is tried."""
    case = Case(name=f"{rule}/{what}", rules=frozenset({rule}), script=script)
    return case.with_(**fields)


def looked_at() -> Iterator[Case]:
    """The cases of all rules that look beyond the chunks: a look costs more than the stream."""
    refused = SHORT.with_fault("status", status=401, message="Incorrect API key.")
    for what, script in (
        ("whole", SHORT),
        ("refused", refused),
        ("broken", broken_off("read_error", 2)),
        ("unreachable", SHORT.with_fault("connect")),
    ):
        yield case_of("SK-SEC-001", what, script, captures=True, rules=_LOOKING)


def broken_off(kind: FaultKind, after: int, **fields: object) -> Script:
    """`SHORT`, with one thing going wrong after so many of its events."""
    return SHORT.with_fault(kind, after=after, **fields)


def fault_of(trace: Trace) -> str | None:
    """The kind of what went wrong, if anything did."""
    fault = trace.case.script.fault
    return None if fault is None else fault.kind


def failure_of(trace: Trace) -> ErrorChunk | Fail | Irrelevant:
    """The error chunk that a fault came to.

    Irrelevant is a trace without a fault, and one for which other rules speak: what was raised
    (SK-LIFE-004), a stream that just ended (SK-LIFE-002), one that hung (SK-TIME), and one that its
    consumer left.
    """
    if fault_of(trace) is None or trace.case.consumer.kind != "read_all":
        return IRRELEVANT
    if trace.raised is not None or trace.refused is not None or trace.is_hung:
        return IRRELEVANT
    if trace.error is not None:
        return trace.error
    if trace.end is None:
        return IRRELEVANT
    return Fail(
        "a failure was told as a whole answer",
        f"an error of the kind {kinds_in_words(trace)}",
        f"end ({trace.end.finish_reason})",
    )


def kinds_in_words(trace: Trace) -> str:
    """The kinds that are right for what went wrong."""
    wanted = expected(trace.case.script, losses=trace.dialect.losses).kinds
    return " or ".join(sorted(wanted)) or "any"


def wrong_kind(trace: Trace, error: ErrorChunk) -> Fail | None:
    """Whether the error's kind is none of those that are right for what went wrong."""
    wanted = expected(trace.case.script, losses=trace.dialect.losses).kinds
    if error.error.kind in wanted:
        return None
    return Fail("the error is of another kind", kinds_in_words(trace), error.error.kind)


def kept(trace: Trace, *, may_lack: int = 0) -> Fail | None:
    """Whether what was sent before the fault was shown, and nothing besides.

    Args:
        trace: The stream.
        may_lack: How many of the last pieces of text may be missing.
    """
    texts = [each.text for each in trace.case.script.sent if isinstance(each, Text)]
    sent = "".join(texts)
    needed = "".join(texts[: max(len(texts) - may_lack, 0)])
    shown = trace.text + trace.refusal
    if not sent.startswith(shown):
        return Fail("more was shown than was sent before it", repr(sent), repr(shown))
    if not shown.startswith(needed):
        return Fail("what was sent before it was lost", repr(sent), repr(shown))
    return None
