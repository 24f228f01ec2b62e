"""The plainest answer, and cases that differ from it in one thing.

Its texts hold nothing that another rule is about: no white space, nothing beyond ASCII, nothing
said twice. A rule that tries one thing on it fails of that thing alone.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from streamkit.chunks import EndChunk, ErrorChunk
from streamkit_conformance.axes import PLAIN, Axis, Style
from streamkit_conformance.case import Case
from streamkit_conformance.cuts import BYTES, RECORDS, Cut
from streamkit_conformance.expect import expected
from streamkit_conformance.rules.registry import Judge, Plan
from streamkit_conformance.script import Event, Finish, Script, Text
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import (
    IRRELEVANT,
    PASS,
    Fail,
    Irrelevant,
    NotApplicable,
    Outcome,
    Pass,
)

__all__ = [
    "NEUTRAL",
    "NO_WIRE",
    "WORDS",
    "axis_cases",
    "based_on",
    "is_alone",
    "is_known",
    "of_each_stream",
    "said_otherwise",
    "says_the_same",
    "script_of",
    "shown",
    "shown_difference",
    "tried",
]


def script_of(*texts: str, then: Iterable[Event] = ()) -> Script:
    """An answer with these deltas of text, further events, and `stop`."""
    return Script((*(Text(each) for each in texts), *then, Finish()))


WORDS: Final = script_of("alpha", "beta", "gamma")

#: What most cases are compared with.
NEUTRAL: Final = Case(name="neutral", script=WORDS)

#: What rules about the wire say of a subject without one.
NO_WIRE: Final = NotApplicable("the subject has no wire")

_NAMES: Final[dict[Any, str]] = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}
_EXCERPT: Final = 120


# Cases.


def tried(
    rule: str, what: str, script: Script = WORDS, *, base: Case | None = NEUTRAL, **more: Any
) -> Case:
    """A case of a rule; `base` is the same without what is tried."""
    return Case(name=f"{rule}/{what}", rules=frozenset({rule}), script=script, base=base, **more)


def based_on(name: str, script: Script, style: Style = PLAIN, cut: Cut = RECORDS) -> Case:
    """A case that no rule judges by itself; others are compared with it."""
    if (script, style, cut) == (WORDS, PLAIN, RECORDS):
        return NEUTRAL
    looks = [f"{key}={_word(value)}" for key, value in style.values]
    return Case(
        name="/".join(["neutral", name, *looks, cut.kind]), script=script, style=style, cut=cut
    )


def axis_cases(
    plan: Plan,
    rule: str,
    *,
    axes: Iterable[Axis] | None = None,
    script: Script = WORDS,
    name: str = "words",
    style: Style = PLAIN,
) -> Iterator[Case]:
    """One case for each value and cut of the axes that a rule is about.

    Axes of the framing are also cut byte by byte; how records are made up has no part in cuts.

    Args:
        plan: Whose dialect's axes.
        rule: The rule; its id stands in the axes.
        axes: Other axes than those.
        script: The answer.
        name: What the answer is called in the names of the cases' bases.
        style: How the wire looks otherwise.
    """
    dialect = plan.dialect
    for axis in [each for each in dialect.all_axes if each.rule == rule] if axes is None else axes:
        for value in axis.values[1:]:
            for cut in (RECORDS, BYTES) if axis in dialect.framing.axes else (RECORDS,):
                looks = [f"{key}={_word(each)}" for key, each in style.values]
                yield tried(
                    rule,
                    "/".join([f"{axis.name}={_word(value)}", *looks, cut.kind]),
                    script,
                    base=based_on(name, script, style, cut),
                    style=style.with_(**{axis.name: value}),
                    cut=cut,
                )


def _word(value: Any) -> str:
    return _NAMES.get(value, str(value))


# Judging.


def is_known(trace: Trace) -> bool:
    """Whether it is known what was sent; of a real service's answer it is not."""
    return bool(trace.case.script.events) and trace.case.recorded is None


def is_alone(trace: Trace) -> bool:
    """Whether a case of a rule has no base: then whatever fails may be another rule's."""
    return trace.case.base is None and bool(trace.case.rules)


def of_each_stream(check: Judge) -> Judge:
    """A judge that judges each stream of a case by itself; the first failure counts."""

    def judge(trace: Trace) -> Outcome:
        outcomes = [check(each) for each in trace.everything()]
        failed = next((each for each in outcomes if isinstance(each, Fail)), None)
        if failed is not None:
            return failed
        if any(isinstance(each, Pass) for each in outcomes):
            return PASS
        return next((each for each in outcomes if isinstance(each, NotApplicable)), IRRELEVANT)

    judge.__doc__ = check.__doc__
    return judge


def said_otherwise(
    trace: Trace, change: Callable[[str], str] = lambda text: text
) -> Fail | Irrelevant | None:
    """How a whole answer came out otherwise than it was sent: its text, its reasoning, its end.

    Tool calls and usage are left out: they have rules of their own. The failure of a case without
    a base is irrelevant where the stream broke off: that a whole answer ends well is another rule.

    Args:
        trace: Its script has no fault.
        change: What both texts may go through first.
    """
    wanted = expected(trace.case.script, losses=trace.dialect.losses)
    fault = _broke_off(trace)
    if fault is not None:
        return IRRELEVANT if is_alone(trace) else fault
    sent = [(kind, change(text)) for kind, text in wanted.runs]
    got = [(kind, change(text)) for kind, text in trace.runs]
    if sent == got:
        return None
    return Fail("what was said differs from what was sent", *shown_difference(sent, got))


def says_the_same(trace: Trace) -> Outcome:
    """Judges a case that tries one thing which must not show."""
    if not is_known(trace):
        return IRRELEVANT
    return said_otherwise(trace) or PASS


def _broke_off(trace: Trace) -> Fail | None:
    error = trace.refused or trace.raised
    if error is not None:
        said = f"{type(error).__name__}: {error}"
        return Fail(
            f"{type(error).__name__} came out of the stream", "the whole answer", shown(said)
        )
    match trace.terminals[-1:]:
        case [EndChunk()]:
            return None
        case [ErrorChunk(error=info)]:
            said = f"error ({info.kind}: {info.message})"
            return Fail("a whole answer ended in an error", "end", shown(said))
    return Fail("a whole answer has no end", "end", "no terminal chunk")


def shown(text: str) -> str:
    """A text for people: cut where it is long."""
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}… ({len(text)} characters)"


def shown_difference(sent: list[tuple[str, str]], got: list[tuple[str, str]]) -> tuple[str, str]:
    """Two answers for people, from shortly before the first difference on."""
    texts = [
        " + ".join(f"{kind} {text!r}" for kind, text in runs) or "nothing" for runs in (sent, got)
    ]
    same = next(
        (n for n, (one, other) in enumerate(zip(*texts, strict=False)) if one != other),
        min(map(len, texts)),
    )
    start = 0 if max(map(len, texts)) <= _EXCERPT else max(same - _EXCERPT // 3, 0)
    before = "…" if start else ""
    return before + shown(texts[0][start:]), before + shown(texts[1][start:])
