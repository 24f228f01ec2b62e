"""FRAME: how a body is cut and written has no part in what it says."""

import itertools
from collections.abc import Iterator
from typing import Any, Final

from streamkit.chunks import EndChunk, ErrorChunk
from streamkit_conformance.axes import PLAIN
from streamkit_conformance.case import Case
from streamkit_conformance.cuts import BYTES, WHOLE, Cut
from streamkit_conformance.expect import expected
from streamkit_conformance.framing.sse import SENTINEL
from streamkit_conformance.rules.neutral import (
    NEUTRAL,
    WORDS,
    axis_cases,
    based_on,
    is_known,
    said_otherwise,
    says_the_same,
    script_of,
    tried,
)
from streamkit_conformance.rules.registry import RULES, Plan, rule
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome
from streamkit_conformance.wire import write

__all__: list[str] = []

#: Longer than what readers hold in one buffer: 64 KB is asyncio's.
_LONG: Final = 256 * 1024
_LONG_READ: Final = 1000
#: More records in one read than Python's recursion goes deep.
_MANY: Final = 1100


# SK-FRAME-001


def _cut_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-FRAME-001"
    yield tried(rule_id, "one-read", cut=WHOLE)
    yield tried(rule_id, "bytes", cut=BYTES)
    if not plan.dialect.is_wire:
        return
    reads = write(NEUTRAL, plan.dialect).reads
    edges = list(itertools.accumulate(map(len, reads)))
    # The end of one record and the beginning of the next in one read; the last byte of a record's
    # end apart from the others.
    yield tried(rule_id, "across-records", cut=Cut("at", tuple(each + 9 for each in edges)))
    yield tried(rule_id, "inside-line-ends", cut=Cut("at", tuple(each - 1 for each in edges)))
    middles = tuple(edge - len(read) // 2 for edge, read in zip(edges, reads, strict=True))
    yield tried(rule_id, "two-in-the-middle", cut=Cut("at", middles[1::2]))


@rule(
    "SK-FRAME-001",
    statement="The chunks do not depend on where the network cuts the body into reads.",
    reason="The field's main bug: it never shows on a developer's machine, and loses words behind "
    "every proxy, on every slow line, under every load (sourcegraph/cody#3481, "
    "0xPlaygrounds/rig#1758).",
    wire='read 1  data: {"choices":[{"index":0,"del\n'
    'read 2  ta":{"content":"alpha"}}]}\\n\n'
    'read 3  \\ndata: {"choices":[{"index":0,"delta":{"content":"beta"}}]}\\n\\n',
    cases=_cut_cases,
    is_live=True,
)
def reads_do_not_matter(trace: Trace) -> Outcome:
    """Judges SK-FRAME-001.

    Where it is not known what was sent, the same answer is played again in `then`, cut otherwise.
    """
    if is_known(trace):
        return says_the_same(trace)
    for other in trace.others:
        if _said(other) != _said(trace):
            message = "the same bytes say something else when they are cut otherwise"
            return Fail(message, repr(_said(trace)), repr(_said(other)))
    return PASS if trace.others else IRRELEVANT


def _said(trace: Trace) -> tuple[Any, ...]:
    """What a stream said, without what differs from one stream to the next."""
    ends = [
        each.finish_reason if isinstance(each, EndChunk) else each.error.kind
        for each in trace.terminals
        if isinstance(each, EndChunk | ErrorChunk)
    ]
    calls = [(each.name, each.text, each.is_done) for each in trace.calls]
    return trace.runs, calls, trace.usage, ends


# SK-FRAME-002, SK-FRAME-003, SK-FRAME-004


@rule(
    "SK-FRAME-002",
    statement="LF, CR LF and, in SSE, CR end a line alike, also where a CR LF is split over reads.",
    reason="Servers on other platforms and proxies send CR LF; replacing it read by read sees an "
    "empty line where only the pair was cut, and that ends an event "
    "(ChatGPTBox-dev/chatGPTBox#1036).",
    wire='read 1  data: {"choices":[…]}\\r\nread 2  \\n\\r\nread 3  \\n',
    cases=lambda plan: axis_cases(plan, "SK-FRAME-002"),
)
def line_ends_are_equal(trace: Trace) -> Outcome:
    """Judges SK-FRAME-002."""
    return says_the_same(trace)


@rule(
    "SK-FRAME-003",
    statement="One space behind `data:` may be there or not, and white space between JSON values "
    "is none of the answer's.",
    reason="A reader that looks for `data: ` drops the whole answer of a server that leaves the "
    "space out, without an error (QwenLM/qwen-code#8169).",
    wire='data:{"choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n',
    cases=lambda plan: axis_cases(plan, "SK-FRAME-003"),
)
def spaces_do_not_matter(trace: Trace) -> Outcome:
    """Judges SK-FRAME-003."""
    return says_the_same(trace)


@rule(
    "SK-FRAME-004",
    statement="Comments, keep-alives, blank lines, and fields that nobody knows, of the framing "
    "and of the records, change nothing.",
    reason="Proxies and routers send them while a model thinks (`: OPENROUTER PROCESSING`), "
    "services add fields without notice; a reader that fails on them fails on a good answer.",
    wire=": keep-alive\\n\\n\nid: 1\\nnote: x\\ndata: "
    '{"obfuscation":"aB3","choices":[{"index":0,"delta":{"content":"alpha"}}]}\\n\\n',
    cases=lambda plan: axis_cases(plan, "SK-FRAME-004"),
)
def what_says_nothing_is_ignored(trace: Trace) -> Outcome:
    """Judges SK-FRAME-004."""
    return says_the_same(trace)


# SK-FRAME-005


def _last_line_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-FRAME-005"
    yield from axis_cases(plan, rule_id)
    if SENTINEL in plan.dialect.all_axes:
        # With a sentinel the last line proves nothing that the finish reason did not.
        absent = PLAIN.with_(**{SENTINEL.name: "absent"})
        yield from axis_cases(plan, rule_id, style=absent)


@rule(
    "SK-FRAME-005",
    statement="A last record whose line end is missing counts like any other, where the dialect "
    "allows it; where it does not, the answer was cut.",
    reason="Servers close behind their last byte and forget the empty line: without the last "
    "record the finish reason is lost, and a whole answer is taken for a broken one.",
    wire='data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}<end of the body>',
    cases=_last_line_cases,
)
def the_last_line_counts(trace: Trace) -> Outcome:
    """Judges SK-FRAME-005."""
    if not is_known(trace):
        return IRRELEVANT
    if trace.dialect.last_line_may_end_open or not _ends_open(trace):
        return said_otherwise(trace) or _finish_is_lost(trace) or PASS
    got = trace.error.error.kind if trace.error is not None else "no error"
    if got == "truncated":
        return PASS
    return Fail("an answer whose last line was cut is taken for whole", "error (truncated)", got)


def _finish_is_lost(trace: Trace) -> Fail | None:
    """The last record may hold nothing but the reason: without it an answer is whole by chance."""
    wanted = expected(trace.case.script, losses=trace.dialect.losses).finish
    got = None if trace.end is None else trace.end.finish_reason
    if got == wanted:
        return None
    return Fail("the last record is lost, and the finish reason with it", str(wanted), str(got))


def _ends_open(trace: Trace) -> bool:
    """Whether the last line, which is open, is one of the answer's own."""
    axes = trace.dialect.all_axes
    is_open = any(
        each.rule == "SK-FRAME-005" and trace.case.style.get(each) != each.neutral for each in axes
    )
    has_sentinel = SENTINEL in axes and trace.case.style.get(SENTINEL) == SENTINEL.neutral
    return is_open and not has_sentinel


# SK-FRAME-006, SK-FRAME-007


@rule(
    "SK-FRAME-006",
    level="SHOULD",
    statement="Several `data` lines of one event are joined with LF, and one byte order mark at "
    "the beginning of the body is ignored.",
    reason="The standard says so, and servers that print their JSON over several lines rely on it.",
    wire='<EF BB BF>data: {"choices":\\ndata: [{"index":0,"delta":{"content":"alpha"}}]}\\n\\n',
    cases=lambda plan: axis_cases(plan, "SK-FRAME-006"),
)
def data_lines_are_joined(trace: Trace) -> Outcome:
    """Judges SK-FRAME-006."""
    return says_the_same(trace)


@rule(
    "SK-FRAME-007",
    statement="A body that is compressed says the same as one that is not, wherever it is cut.",
    reason="Gateways compress on their own; readers that take raw bytes show binary noise or "
    "fail, and ones that decompress whole bodies show nothing until the end.",
    wire="content-encoding: gzip\\r\\n\\r\\n<1F 8B 08 …>",
    cases=lambda plan: axis_cases(plan, "SK-FRAME-007"),
)
def compression_does_not_matter(trace: Trace) -> Outcome:
    """Judges SK-FRAME-007."""
    return says_the_same(trace)


# SK-FRAME-008


def _long_cases(plan: Plan) -> Iterator[Case]:
    rule_id = "SK-FRAME-008"
    script = script_of("alpha", "z" * _LONG, "beta")
    yield tried(rule_id, "one-read", script)
    places = tuple(range(_LONG_READ, _LONG, _LONG_READ))
    if plan.dialect.is_wire:
        short = tuple(range(_LONG_READ // 10, _LONG_READ, _LONG_READ // 10))
        base = Case(name="neutral/small-reads", script=WORDS, cut=Cut("at", short))
        yield tried(rule_id, "small-reads", script, base=base, cut=Cut("at", places))


@rule(
    "SK-FRAME-008",
    statement="A record of 256 KB is read like a short one, in one read or in hundreds.",
    reason="Images, long arguments and tables come in one record; readers with a line limit of 64 "
    "KB fail on them.",
    wire='data: {"choices":[{"index":0,"delta":{"content":"zzz… 262,144 characters …"}}]}\\n\\n',
    cases=_long_cases,
)
def long_records_are_read(trace: Trace) -> Outcome:
    """Judges SK-FRAME-008."""
    return says_the_same(trace)


# SK-FRAME-009


def _record_cases(plan: Plan) -> Iterator[Case]:
    """The axes whose own rules judge every trace: here they get traces, and the text is judged."""
    rule_id = "SK-FRAME-009"
    axes = [
        each for each in plan.dialect.all_axes if each.rule == rule_id or _is_invariant(each.rule)
    ]
    yield from axis_cases(plan, rule_id, axes=axes)


def _is_invariant(id: str) -> bool:
    return id in RULES and RULES[id].is_invariant


@rule(
    "SK-FRAME-009",
    statement="Services that make up their records otherwise say the same: the role in every "
    "record or in none, empty and null contents, ids that change, a finish reason said twice, "
    "records behind the sentinel.",
    reason="“OpenAI-compatible” servers differ in all of these; a reader made for one of them "
    "loses text, doubles it or fails on the others.",
    wire='data: {"id":"c1","choices":[{"delta":{"role":"assistant","content":null}}]}\\n\\n\n'
    'data: {"id":"c2","choices":[{"delta":{"role":"assistant","content":"alpha"}}]}\\n\\n',
    cases=_record_cases,
)
def records_may_differ(trace: Trace) -> Outcome:
    """Judges SK-FRAME-009."""
    return says_the_same(trace)


# SK-FRAME-010


def _many_cases(plan: Plan) -> Iterator[Case]:
    script = script_of(*(f"{number};" for number in range(_MANY)))
    base = based_on("words", WORDS, cut=WHOLE)
    yield tried("SK-FRAME-010", "one-read", script, base=base, cut=WHOLE)


@rule(
    "SK-FRAME-010",
    statement="A read may hold more than a thousand records.",
    reason="Proxies that buffer deliver a whole answer at once; readers that call themselves for "
    "each record, or take one record a read, fail or lose the rest.",
    wire='read 1  data: {"choices":[…"0;"…]}\\n\\ndata: {"choices":[…"1;"…]}\\n\\n… 1,100 records',
    cases=_many_cases,
)
def many_records_fit_one_read(trace: Trace) -> Outcome:
    """Judges SK-FRAME-010."""
    return says_the_same(trace)
