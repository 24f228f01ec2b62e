"""REAS: reasoning, and what tells it from the answer."""

from collections.abc import Iterator
from typing import Final

from streamkit.chunks import EndChunk, ErrorChunk
from streamkit_conformance.case import Case
from streamkit_conformance.expect import expected
from streamkit_conformance.rules.claims import (
    claim,
    left_to_claims,
    must_come_out,
    swaps_reasoning,
)
from streamkit_conformance.rules.neutral import axis_cases
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.script import Event, Finish, Reasoning, Script, Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

_FIRST: Final = (
    Reasoning("Two apples "),
    Reasoning("and three pears."),
    Text("That makes "),
    Text("five."),
)
#: White space that gets lost on the way, in the reasoning alone.
_ODD: Final = (
    Reasoning("\n"),
    Reasoning("  Two apples"),
    Reasoning(" "),
    Reasoning("and pears.\n\n"),
    Text("That makes "),
    Text("five."),
)


def _case(id: str, what: str, *events: Event, base: Case | None = None) -> Case:
    return Case(
        name=f"{id}/{what}",
        rules=frozenset({id}),
        script=Script((*events, Finish())),
        base=base,
        needs=frozenset({"reasoning"}),
    )


def _base(id: str) -> Case:
    """A case that is judged only where another, which varies one thing of it, fails."""
    return _case(id, "first", *_FIRST).with_(rules=frozenset())


def _axis_cases(plan: Plan, id: str) -> Iterator[Case]:
    """What stands beside reasoning may make it come out twice, or as text: both rules look."""
    ours = [each for each in plan.dialect.all_axes if each.rule in ("SK-REAS-001", "SK-REAS-002")]
    script = Script((*_FIRST, Finish()))
    return axis_cases(plan, id, axes=ours, script=script, name="reasoning")


# What runs of reasoning hold, and where those of text stand.
def _outline(runs: "list[tuple[str, str]] | tuple[tuple[str, str], ...]") -> list[str]:
    return [f"reasoning {text!r}" if kind == "reasoning" else kind for kind, text in runs]


def _judged(trace: Trace) -> Outcome:
    """Compares the runs of reasoning, and where runs of text stand between them."""
    if swaps_reasoning(trace) is not None:
        return IRRELEVANT  # SK-REAS-002 speaks of that
    wanted = expected(trace.case.script, losses=trace.dialect.losses)
    want, got = _outline(wanted.runs), _outline(trace.runs)
    if got == want:
        return PASS
    is_last = trace.chunks and isinstance(trace.chunks[-1], EndChunk | ErrorChunk)
    if trace.text != wanted.text or not is_last:
        return IRRELEVANT  # text that is lost or late leaves no place to compare with
    return Fail("the reasoning differs from what was sent", " + ".join(want), " + ".join(got))


# SK-REAS-001


def _exact_cases(plan: Plan) -> Iterator[Case]:
    first = _case("SK-REAS-001", "first", *_FIRST)
    yield first
    yield _case("SK-REAS-001", "white space", *_ODD, base=first)
    yield from _axis_cases(plan, "SK-REAS-001")


@rule(
    "SK-REAS-001",
    profile="reasoning",
    capability="reasoning",
    cases=_exact_cases,
    statement="Reasoning comes out exactly as it was sent, once, as chunks of its own kind, before "
    "the text that it was sent before.",
    reason="Some services demand the reasoning back unchanged with the next turn (Kimi answers 400 "
    "otherwise). The same text in two fields of a record is shown twice by who reads both.",
    wire='{"delta":{"reasoning_content":"Two apples "}}  {"delta":{"content":"That makes "}}',
)
def reasoning_is_exact(trace: Trace) -> Outcome:
    """Judges what came out; of a false claim SK-CAP-001 speaks."""
    return left_to_claims(trace, "reasoning") or _judged(trace)


# SK-REAS-002


def _apart_cases(plan: Plan) -> Iterator[Case]:
    first = _case("SK-REAS-002", "first", *_FIRST)
    yield first
    behind = (Text("That makes "), Reasoning("Two and three."), Text("five."))
    yield _case("SK-REAS-002", "between text", *behind, base=first)
    yield from _axis_cases(plan, "SK-REAS-002")


@rule(
    "SK-REAS-002",
    profile="reasoning",
    capability="reasoning",
    cases=_apart_cases,
    statement="Reasoning never appears in the text, nor text in the reasoning.",
    reason="Users see thoughts that were not meant for them and pay for them again with every "
    "turn; text that is taken for reasoning is an answer that nobody sees.",
    wire='{"delta":{"content":null,"reasoning_content":"Two apples "}}',
)
def reasoning_and_text_stay_apart(trace: Trace) -> Outcome:
    """Looks for the words of each in the other."""
    if claim(trace, "reasoning") == "no":
        return left_to_claims(trace, "reasoning") or PASS
    swapped = swaps_reasoning(trace)
    if swapped is not None:
        return swapped
    return left_to_claims(trace, "reasoning") or PASS


# SK-REAS-003


def _order_cases(plan: Plan) -> Iterator[Case]:
    base = _base("SK-REAS-003")
    one, two, three = Text("One. "), Text("Two. "), Text("Three.")
    yield _case("SK-REAS-003", "after text", one, Reasoning("Was that all?"), base=base)
    yield _case(
        "SK-REAS-003",
        "between text",
        *(one, Reasoning("Go on."), two, Reasoning("Once more."), three),
        base=base,
    )


@rule(
    "SK-REAS-003",
    profile="reasoning",
    capability="reasoning",
    cases=_order_cases,
    statement="Reasoning that comes after text, or between two texts, keeps its place.",
    reason="Models think again in mid-answer. Moved to the front, their thoughts answer what was "
    "not yet said; sent back in another order, a service refuses them.",
    wire='{"content":"One. "}  {"reasoning_content":"Go on."}  {"content":"Two. "}',
)
def reasoning_keeps_its_place(trace: Trace) -> Outcome:
    """Compares the order of the runs."""
    return must_come_out(trace, "reasoning") or _judged(trace)
