"""USE: what an answer used, in tokens."""

from collections.abc import Iterator

from streamkit.chunks import EndChunk, ErrorChunk, Usage, UsageChunk
from streamkit_conformance.case import Case
from streamkit_conformance.expect import expected
from streamkit_conformance.rules.claims import (
    claim,
    left_to_claims,
    must_come_out,
    nothing_of,
    said_by,
)
from streamkit_conformance.rules.neutral import axis_cases
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import Event, Finish, Script, Text, Tokens
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

# Tokens stand before the finish reason: a dialect writes them where its service does.


def _case(id: str, what: str, *events: Event, base: Case | None = None) -> Case:
    script = Script((Text("Four "), Text("words "), *events, Text("and more."), Finish()))
    return Case(
        name=f"{id}/{what}",
        rules=frozenset({id}),
        script=script,
        base=base,
        needs=said_by(script),
    )


def _told(id: str, what: str, tokens: Tokens, *, base: Case | None = None) -> Case:
    script = Script((Text("Four "), Text("words "), Text("and more."), tokens, Finish()))
    return _case(id, what, base=base).with_(script=script, needs=frozenset({"usage"}))


def _base(id: str, what: str = "counts") -> Case:
    """A case that is judged only where another, which varies one thing of it, fails."""
    return _told(id, what, Tokens(4711, 137)).with_(rules=frozenset())


def _usage(trace: Trace) -> Usage | None:
    """What came out, wherever it stands."""
    return trace.usage or (trace.end.usage if trace.end is not None else None)


def _tokens(trace: Trace) -> Tokens | None:
    return expected(trace.case.script, losses=trace.dialect.losses).tokens


def _counts_differ(trace: Trace) -> Fail | None:
    usage, tokens = _usage(trace), _tokens(trace)
    if usage is None or tokens is None:
        return None
    got, want = (usage.input_tokens, usage.output_tokens), (tokens.input, tokens.output)
    if got == want:
        return None
    return Fail(
        "the token counts differ", f"{want[0]} in, {want[1]} out", f"{got[0]} in, {got[1]} out"
    )


# SK-USE-001


def _exact_cases(plan: Plan) -> Iterator[Case]:
    yield _told("SK-USE-001", "counts", Tokens(4711, 137))
    yield _told("SK-USE-001", "zero", Tokens(4711, 0), base=_base("SK-USE-001", "no zero"))
    yield _case("SK-USE-001", "not told")


@rule(
    "SK-USE-001",
    capability="usage",
    cases=_exact_cases,
    statement="Token counts come out as the service told them, a zero as zero; what it did not "
    "tell is `None`, never 0.",
    reason="People are billed by these numbers. A zero that means unknown makes an answer free, "
    "and averages lie; a made-up count is found when the invoice comes.",
    wire='{"choices":[],"usage":{"prompt_tokens":4711,"completion_tokens":0,"total_tokens":4711}}',
)
def counts_are_exact(trace: Trace) -> Outcome:
    """Looks at input and output alone; estimates that say so are no counts."""
    usage, tokens = _usage(trace), _tokens(trace)
    if tokens is None:
        if usage is None or usage.source == "estimated":
            return PASS
        counts = {"input": usage.input_tokens, "output": usage.output_tokens}
        made_up = {name: count for name, count in counts.items() if count is not None}
        return Fail("counts came out that nobody told", "None", repr(made_up)) if made_up else PASS
    # Of the zero, and of what it is compared with, the counts must come out.
    is_compared = trace.case.base is not None or not trace.case.rules
    judge = must_come_out if is_compared else left_to_claims
    return judge(trace, "usage") or _counts_differ(trace) or PASS


# SK-USE-002


@rule(
    "SK-USE-002",
    capability="usage",
    is_live=True,
    statement="Usage is told once, in the chunk right before the last, which repeats it.",
    reason="Who adds up what chunks tell pays twice for usage that comes twice; who waits for the "
    "last chunk must find the same there.",
    wire='{"choices":[{"finish_reason":"stop","usage":{…}}]}  {"choices":[],"usage":{…}}  [DONE]',
)
def usage_is_told_once(trace: Trace) -> Outcome:
    """Judges every trace in which usage came out."""
    chunks = trace.chunks
    places = [n for n, each in enumerate(chunks) if isinstance(each, UsageChunk)]
    last = trace.terminals[0] if trace.terminals else None
    at_end = last.usage if isinstance(last, EndChunk | ErrorChunk) else None
    if claim(trace, "usage") == "no" or not (places or at_end):
        return nothing_of(trace, "usage")
    if len(places) > 1:
        return Fail("usage is told more than once", "one usage chunk", f"{len(places)} of them")
    following = chunks[places[0] + 1 :] if places else []
    if following and not isinstance(following[0], EndChunk | ErrorChunk):
        return Fail("usage does not come right before the end", "end", following[0].type)
    told = trace.usage
    if last is not None and at_end != told:
        return Fail(
            "the last chunk tells other usage than the usage chunk", repr(told), repr(at_end)
        )
    return PASS


# SK-USE-003


def _beside_cases(plan: Plan) -> Iterator[Case]:
    plain = _case("SK-USE-003", "no usage").with_(rules=frozenset())
    told = _told("SK-USE-003", "usage behind the finish", Tokens(4711, 137), base=plain)
    yield told
    # Behind the finish reason also where a dialect writes records in the order of the script.
    texts = (Text("Four "), Text("words."))
    behind = Script((*texts, Finish(), Tokens(4711, 137)))
    before = Script((Tokens(4711, 1), *texts, Tokens(4711, 137), Finish()))
    yield told.with_(name="SK-USE-003/after the finish", script=behind)
    yield told.with_(name="SK-USE-003/before the text", script=before)
    yield from axis_cases(plan, "SK-USE-003", script=told.script, name="usage")


@rule(
    "SK-USE-003",
    cases=_beside_cases,
    statement="A record with usage and no choices, or with nothing but facts, neither ends the "
    "stream, nor breaks it, nor hides its finish reason.",
    reason="`choices[0]` of an empty list is the crash that every client of Azure and OpenAI has "
    "had once (pydantic/pydantic-ai#164, langchain, llm).",
    wire='{"choices":[{"delta":{},"finish_reason":"stop"}]}  {"choices":[],"usage":{…}}  [DONE]',
)
def usage_hides_nothing(trace: Trace) -> Outcome:
    """Looks at the text and at the finish reason."""
    wanted = expected(trace.case.script, losses=trace.dialect.losses)
    if trace.end is None:
        error = trace.raised or trace.refused or (trace.error and trace.error.error.message)
        return Fail("the stream did not end as it should", f"end ({wanted.finish})", str(error))
    if trace.end.finish_reason != wanted.finish:
        return Fail("the finish reason differs", wanted.finish or "", trace.end.finish_reason)
    if trace.text != wanted.text:
        return Fail("the text differs", repr(wanted.text), repr(trace.text))
    return PASS


# SK-USE-004


def _detail_cases(plan: Plan) -> Iterator[Case]:
    if "usage_details" in plan.dialect.losses:
        return
    counts = _base("SK-USE-004")
    yield _told("SK-USE-004", "reasoning", Tokens(4711, 137, reasoning=61), base=counts)
    yield _told("SK-USE-004", "cached", Tokens(4711, 137, cache_read=1024), base=counts)
    # A zero that is lost everywhere is the matter of SK-USE-001.
    zero = _told("SK-USE-004", "zero counts", Tokens(4711, 0)).with_(rules=frozenset())
    zeros = Tokens(4711, 0, reasoning=0, cache_read=0)
    yield _told("SK-USE-004", "zeros", zeros, base=zero)


@rule(
    "SK-USE-004",
    capability="usage",
    cases=_detail_cases,
    statement="Tokens of reasoning and tokens from a cache are told exactly, as parts of the "
    "output and of the input, and never counted a second time.",
    reason="Cached input costs a tenth, reasoning is most of the output: added on top of the "
    "counts that hold them already, they double the bill.",
    wire='"usage":{"prompt_tokens":4711,"completion_tokens":137,"total_tokens":4848,'
    '"completion_tokens_details":{"reasoning_tokens":61}}',
)
def details_are_exact(trace: Trace) -> Outcome:
    """Looks at the details, and at the counts that hold them."""
    outcome = must_come_out(trace, "usage")
    usage, tokens = _usage(trace), _tokens(trace)
    if outcome is not None or usage is None or tokens is None:
        return outcome or IRRELEVANT
    got = (usage.reasoning_tokens, usage.cache_read_tokens)
    want = (tokens.reasoning, tokens.cache_read)
    if got != want:
        shown = [f"reasoning {each[0]}, from the cache {each[1]}" for each in (want, got)]
        return Fail("the details of the usage differ", *shown)
    return _counts_differ(trace) or PASS


# SK-USE-005


def _running_cases(plan: Plan) -> Iterator[Case]:
    once = _base("SK-USE-005", "once")
    running = (Text("Four "), Tokens(4711, 1), Text("words "), Tokens(4711, 2), Text("and more."))
    totals = Script((*running, Tokens(4711, 137), Finish()))
    yield once.with_(
        name="SK-USE-005/running totals",
        rules=frozenset({"SK-USE-005"}),
        script=totals,
        base=once,
    )
    ours = [each for each in plan.dialect.all_axes if each.rule in ("SK-USE-002", "SK-USE-005")]
    yield from axis_cases(plan, "SK-USE-005", axes=ours, script=once.script, name="usage")


@rule(
    "SK-USE-005",
    capability="usage",
    cases=_running_cases,
    statement="Where records repeat the counts or tell running totals, the last ones count; they "
    "are never added up, and none of them is taken for the end.",
    reason="Moonshot tells the same usage twice, Groq too, Anthropic and relays a running total: "
    "summed, an answer costs several times what it did (earendil-works/pi#2017).",
    wire='{…"usage":{"completion_tokens":1}}  {…"usage":{"completion_tokens":2}}  '
    '{…"usage":{"completion_tokens":137}}',
)
def usage_is_not_summed(trace: Trace) -> Outcome:
    """Looks at the counts alone."""
    return must_come_out(trace, "usage") or _counts_differ(trace) or PASS
