"""CAP: claims are two-sided, and a refusal of the model is shown as one.

Every capability is sent and asked for, whatever the subject claims: claiming less shrinks nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from streamkit_conformance.case import Case
from streamkit_conformance.expect import expected
from streamkit_conformance.rules.asks import ANSWER, ASKS
from streamkit_conformance.rules.claims import (
    asked_for,
    came_out,
    claim,
    is_refused,
    said_by,
    swaps_reasoning,
)
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import (
    Event,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolStart,
)
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, NotApplicable, Outcome

_CALL: Final = (ToolStart(0, "call_a1", "look_up"), ToolArguments(0, '{"city": "Oslo"}'))
_SECOND: Final = (ToolStart(1, "call_b2", "add"), ToolArguments(1, '{"left": 2}'))

#: An answer that uses each capability that an answer can use.
_SAID: Final[Mapping[str, tuple[Event, ...]]] = {
    "tools": (Text("Let me "), Text("see."), *_CALL, Finish("tool_calls")),
    "parallel_tools": (Text("Let me "), Text("see."), *_CALL, *_SECOND, Finish("tool_calls")),
    "reasoning": (Reasoning("Two apples."), Text("Let me "), Text("see."), Finish()),
    "usage": (Text("Let me "), Text("see."), Tokens(4711, 137), Finish()),
}
_TEXT_ONLY: Final = Script((Text("Let me "), Text("see."), Finish()))


def _said_cases(id: str) -> Iterator[Case]:
    without = Case(name=f"{id}/text only", script=_TEXT_ONLY)
    for capability, events in _SAID.items():
        yield Case(
            name=f"{id}/{capability}",
            rules=frozenset({id}),
            script=Script(events),
            base=without,
        )


def _asked_cases(id: str) -> Iterator[Case]:
    for capability, ask in ASKS.items():
        yield Case(
            name=f"{id}/asks for {capability}", rules=frozenset({id}), script=ANSWER, ask=ask
        )


# SK-CAP-001


def _claimed_cases(plan: Plan) -> Iterator[Case]:
    # Without a base: what is asked is whether anything of it comes out at all.
    for case in _said_cases("SK-CAP-001"):
        yield case.with_(base=None)
    yield from _asked_cases("SK-CAP-001")


@rule(
    "SK-CAP-001",
    cases=_claimed_cases,
    statement="What is claimed is kept: it comes out of an answer that holds it, and a request "
    "that uses it is not refused.",
    reason="Programs choose a model by what it claims. A claim that is not kept is found in "
    "production, by the answer that came without its tool call.",
    wire='claims reasoning:  {"delta":{"reasoning_content":"Two apples."}}  ->  no reasoning chunk',
)
def claims_are_kept(trace: Trace) -> Outcome:
    """Whether it comes out right is for other rules to say."""
    asked = asked_for(trace.case.ask)
    # Of a request that may rightly be refused, nothing comes out.
    said: frozenset[str] = frozenset() if asked else said_by(trace.case.script)
    claimed = {each for each in said | asked if claim(trace, each) == "yes"}
    if not claimed:
        return NotApplicable("the subject claims nothing")
    for capability in sorted(claimed):
        name = capability.replace("_", " ")
        if capability in asked and is_refused(trace):
            return Fail(f"{name} is claimed, and a request for it is refused", "sent", _why(trace))
        if capability in said and not came_out(trace, capability):
            if _is_misread(trace, capability):
                return IRRELEVANT
            return Fail(f"{name} is claimed, and nothing of it comes out", name, _kinds(trace))
    return PASS


def _is_misread(trace: Trace, capability: str) -> bool:
    """It is there and read wrongly: the rules about its content speak of that."""
    if capability == "reasoning":
        return swaps_reasoning(trace) is not None
    if capability == "usage":
        return trace.end is None  # the record broke the stream: SK-USE-003 speaks of that
    if capability == "parallel_tools" and trace.calls:
        wanted = expected(trace.case.script, losses=trace.dialect.losses).calls
        return len(trace.calls[0].text) > max(len(each.text) for each in wanted)
    return False


def _kinds(trace: Trace) -> str:
    if trace.raised or trace.refused:
        return repr(trace.raised or trace.refused)
    return ", ".join(dict.fromkeys(each.type for each in trace.chunks)) or "nothing"


def _why(trace: Trace) -> str:
    if trace.error is not None:
        return f"{trace.error.error.kind}: {trace.error.error.message}"
    return str(trace.refused or trace.raised or "")


# SK-CAP-002


def _unclaimed_cases(plan: Plan) -> Iterator[Case]:
    yield from _said_cases("SK-CAP-002")


@rule(
    "SK-CAP-002",
    cases=_unclaimed_cases,
    statement="What is not claimed harms nothing: the text around it is exact and the stream ends "
    "as it should; and of what is denied nothing comes out.",
    reason="Services send what nobody asked for. A client that says it shows no reasoning must not "
    "show some of it, nor stumble over it; who claims less gets no lighter test.",
    wire='denies reasoning:  {"delta":{"reasoning_content":"Two apples."}}  {"delta":{"content":…',
)
def what_is_not_claimed_harms_nothing(trace: Trace) -> Outcome:
    """Judges the text alone; of what is denied, that nothing of it is there."""
    said = said_by(trace.case.script)
    unclaimed = {each for each in said if claim(trace, each) != "yes"}
    if said and not unclaimed:
        return NotApplicable("the subject claims all that an answer can hold")
    for capability in sorted(unclaimed):
        if claim(trace, capability) == "no" and came_out(trace, capability):
            name = capability.replace("_", " ")
            return Fail(f"{name} is denied, and it comes out", f"no {name}", _kinds(trace))
    if "no" not in {claim(trace, each) for each in unclaimed} and swaps_reasoning(trace):
        return IRRELEVANT  # SK-REAS-002 speaks of that
    wanted = expected(trace.case.script, losses=trace.dialect.losses).text
    if trace.text != wanted:
        return Fail("the text around it differs", repr(wanted), repr(trace.text))
    if trace.end is None:
        return Fail("the stream did not end as it should", "end", _why(trace) or _kinds(trace))
    return PASS


# SK-CAP-003


def _denied_cases(plan: Plan) -> Iterator[Case]:
    yield from _asked_cases("SK-CAP-003")


@rule(
    "SK-CAP-003",
    cases=_denied_cases,
    statement="A request for what is denied is refused in words, and nothing is sent.",
    reason="Sent all the same, it is paid for and answered as if the tools, the picture or the "
    "schema had not been there; nobody is told.",
    wire='denies images:  POST … {"content":[{"type":"image_url",…}]}   (sent all the same)',
)
def what_is_denied_is_refused(trace: Trace) -> Outcome:
    """Refused is what raises `ConfigurationError` or ends in an error that says so."""
    asked = asked_for(trace.case.ask)
    denied = {each for each in asked if claim(trace, each) == "no"}
    if not denied:
        return NotApplicable("the subject denies nothing that a request can ask for")
    names = ", ".join(sorted(each.replace("_", " ") for each in denied))
    if trace.requests:
        return Fail(f"{names} is denied, and a request for it is sent", "refused", "sent")
    if not is_refused(trace):
        got = _why(trace) or _kinds(trace)
        return Fail(f"{names} is denied, and a request for it is not refused", "refused", got)
    return PASS


# SK-CAP-004


def _refusal_cases(plan: Plan) -> Iterator[Case]:
    words = ("I cannot ", "help with that.")
    said = Script((*map(Text, words), Finish()))
    base = Case(name="SK-CAP-004/as text", script=said)
    refused = Script((*(Text(each, refusal=True) for each in words), Finish()))
    begun = Script((Text("Sure. "), Text("No: "), *refused.events))
    for what, script in (("refusal", refused), ("after text", begun)):
        yield Case(
            name=f"SK-CAP-004/{what}", rules=frozenset({"SK-CAP-004"}), script=script, base=base
        )


@rule(
    "SK-CAP-004",
    cases=_refusal_cases,
    statement="A refusal comes out exactly, flagged as one, and not among the text.",
    reason="The field is another one, and who reads `content` alone shows an empty answer; who "
    "does not flag it stores `I cannot help with that` as the data that was asked for.",
    wire='{"delta":{"content":null,"refusal":"I cannot "}}  {"delta":{"refusal":"help with …"}}',
)
def refusals_are_shown(trace: Trace) -> Outcome:
    """Compares what is flagged with what was sent as a refusal, and the rest with the text."""
    runs = expected(trace.case.script, losses=trace.dialect.losses).runs
    wanted = "".join(text for kind, text in runs if kind == "refusal")
    text = "".join(text for kind, text in runs if kind == "text")
    if not wanted:
        # The base: the same words said as text must come out at all.
        return (
            PASS if trace.text == text else Fail("the text differs", repr(text), repr(trace.text))
        )
    if trace.refusal == wanted:
        return PASS if trace.text == text else IRRELEVANT
    if wanted in trace.text:
        return Fail("a refusal is not flagged", f"refusal {wanted!r}", f"text {trace.text!r}")
    return Fail("a refusal differs from what was sent", repr(wanted), repr(trace.refusal))
