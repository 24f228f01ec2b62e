"""TRUNC: answers that stop too early, and what stands behind their end."""

from collections.abc import Iterator
from typing import Final

from streamkit_conformance.axes import Style
from streamkit_conformance.case import Case
from streamkit_conformance.expect import first_mismatch
from streamkit_conformance.rules.failures import (
    SHORT,
    broken_off,
    case_of,
    failure_of,
    fault_of,
    kept,
    wrong_kind,
)
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import (
    Finish,
    Script,
    Text,
    ToolArguments,
    ToolStart,
)
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

_WIDE: Final = Script((Text("Grüße"), Text(" 🌍 world"), Finish()))
_CALL: Final = Script(
    (
        Text("Looking."),
        ToolStart(0, "call_a1", "delete_files"),
        ToolArguments(0, '{"folder": "/tmp'),
        ToolArguments(0, '/old"}'),
        Finish("tool_calls"),
    )
)
_LATE: Final = " And more."


def _end_cases(_plan: Plan) -> Iterator[Case]:
    base = case_of("SK-TRUNC-001", "none", SHORT)
    for after in (1, 3):
        yield case_of("SK-TRUNC-001", f"after={after}", broken_off("end", after), base=base)


@rule(
    "SK-TRUNC-001",
    statement="A body that ends without its finish reason is an error of the kind `truncated`; the "
    "content before it is kept.",
    reason="Servers that crash close their connections politely. Taken for success, half an answer "
    "is stored as the whole one (opencode 26170, pydantic-ai 6610).",
    wire='data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n(end of the body)\n'
    'expected: content "Hello", then error(kind=truncated)',
    cases=_end_cases,
)
def _clean_end(trace: Trace) -> Outcome:
    if fault_of(trace) is None:
        return kept(trace) or IRRELEVANT
    if fault_of(trace) != "end" or _has_finish(trace) or _has_tools(trace):
        return IRRELEVANT
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    return wrong_kind(trace, error) or kept(trace) or PASS


def _inside_cases(_plan: Plan) -> Iterator[Case]:
    base = case_of("SK-TRUNC-002", "none", _WIDE)
    for what, after in (("record", 2), ("character", 1)):
        script = _WIDE.with_fault("end_inside", after=after)
        yield case_of("SK-TRUNC-002", what, script, base=base)


@rule(
    "SK-TRUNC-002",
    statement="A body that ends inside a record or inside a character is `truncated`; of the "
    "broken record nothing is shown.",
    reason="Half a record is half a JSON text and may end in half a character. Clients that flush "
    "their buffer at the end show it as text, or raise a JSON exception about it.",
    wire='data: {"choices":[{"delta":{"content":"Grüße"}}]}\n\ndata: {"choices":[{"delta":{"cont\n'
    'expected: content "Grüße", then error(kind=truncated); no other text',
    cases=_inside_cases,
)
def _end_inside(trace: Trace) -> Outcome:
    if fault_of(trace) is None:
        return kept(trace) or IRRELEVANT
    if fault_of(trace) != "end_inside" or _has_tools(trace):
        return IRRELEVANT
    more = kept(trace, may_lack=1)
    if more is not None and trace.raised is None and trace.refused is None:
        return more
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    return wrong_kind(trace, error) or PASS


def _finished_cases(_plan: Plan) -> Iterator[Case]:
    base = case_of("SK-TRUNC-003", "none", SHORT)
    yield case_of("SK-TRUNC-003", "after-finish", broken_off("end", 4), base=base)


@rule(
    "SK-TRUNC-003",
    statement="A body that ends behind the finish reason, before the sentinel, is a whole answer.",
    reason="Many servers send no `[DONE]`. A client that wants it turns each of their answers into "
    "an error.",
    wire='data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n(end of the body)\n'
    "expected: end(stop)",
    cases=_finished_cases,
)
def _no_sentinel(trace: Trace) -> Outcome:
    if fault_of(trace) not in (None, "end") or not _has_finish(trace):
        return IRRELEVANT
    return first_mismatch(trace) or PASS


def _call_cases(plan: Plan) -> Iterator[Case]:
    inside = _CALL.with_fault("end_inside", after=1)
    yield case_of("SK-TRUNC-004", "first-record", inside, needs=frozenset({"tools"}))
    if "tool_fragments" not in plan.dialect.losses:
        for after in (2, 3, 4):
            script = _CALL.with_fault("end", after=after)
            yield case_of("SK-TRUNC-004", f"after={after}", script, needs=frozenset({"tools"}))


@rule(
    "SK-TRUNC-004",
    statement="A body that ends inside a tool call, or behind its arguments without a finish "
    "reason, is an error of the kind `truncated`.",
    reason="Arguments that happen to parse are not proof that the model was done: the call that "
    "deletes a folder may have been about to name another one, or to be one of three.",
    wire='data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":'
    '{"arguments":"{\\"folder\\": \\"/tmp"}}]}}]}\n\n(end of the body)\n'
    "expected: error(kind=truncated)",
    profile="tools",
    cases=_call_cases,
    capability="tools",
)
def _end_inside_a_call(trace: Trace) -> Outcome:
    if fault_of(trace) not in ("end", "end_inside") or not _has_tools(trace):
        return IRRELEVANT
    if _has_finish(trace):
        return IRRELEVANT
    error = failure_of(trace)
    if isinstance(error, Outcome):
        return error
    return wrong_kind(trace, error) or PASS


def _tail_cases(plan: Plan) -> Iterator[Case]:
    base = case_of("SK-TRUNC-005", "none", SHORT)
    if any(axis.name == "after_sentinel" for axis in plan.dialect.all_axes):
        for what in ("sentinel", "record"):
            style = Style.of(after_sentinel=what)
            yield case_of("SK-TRUNC-005", f"again={what}", SHORT, style=style, base=base)
    yield case_of("SK-TRUNC-005", "late-text", SHORT, options={"tail": _LATE}, base=base)


@rule(
    "SK-TRUNC-005",
    statement="What stands behind the end of an answer is ignored: the sentinel once more, or "
    "further records.",
    reason="Gateways that join streams send `[DONE]` twice, and pooled connections have handed on "
    "the tail of another answer. It belongs to nobody's answer and is no failure of this one.",
    wire="data: [DONE]\n\ndata: [DONE]\n\n"
    'data: {"choices":[{"delta":{"content":" And more."}}]}\n\n'
    "expected: the answer as it was, end(stop)",
    cases=_tail_cases,
)
def _behind_the_end(trace: Trace) -> Outcome:
    if fault_of(trace) is not None or trace.raised is not None or trace.refused is not None:
        return IRRELEVANT
    wrong = kept(trace)
    if wrong is not None:
        return wrong
    if trace.error is not None:
        error = trace.error.error
        said = f"error ({error.kind}: {error.message})"
        return Fail("what stands behind the end broke the answer", "end", said)
    return PASS if trace.end is not None else IRRELEVANT


def _has_finish(trace: Trace) -> bool:
    return any(isinstance(event, Finish) for event in trace.case.script.sent)


def _has_tools(trace: Trace) -> bool:
    return any(isinstance(event, ToolStart) for event in trace.case.script.events)
