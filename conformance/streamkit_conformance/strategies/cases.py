"""Whole random cases for a dialect: an answer, a style, a cut, a fault.

Simplest first everywhere, so that shrinking ends at a plain answer in one read for each record.
"""

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from streamkit_conformance.axes import Axis, Style
from streamkit_conformance.base_scripts import CHARACTERS, LOOK_ALIKES, WHITESPACE
from streamkit_conformance.case import Case
from streamkit_conformance.cuts import BYTES, RECORDS, WHOLE, Cut
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.rules.registry import Plan
from streamkit_conformance.script import (
    Event,
    Fault,
    FaultKind,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolStart,
)

__all__ = ["MID_FAULTS", "cases", "cuts", "faults", "scripts", "styles"]

#: What may go wrong in a random case: everything that needs no time and no real socket.
MID_FAULTS: Final[tuple[FaultKind, ...]] = (
    "end",
    "end_inside",
    "read_error",
    "protocol_error",
    "error_record",
    "malformed_record",
    "invalid_utf8",
)
_LIKE_THE_WIRE: Final = [each.text for each in LOOK_ALIKES.events if isinstance(each, Text)]
_BLANK: Final = [each.text for each in WHITESPACE.events if isinstance(each, Text)]
_PIECES: Final = list(
    dict.fromkeys(["x", "hi", *_BLANK, *(each.text for each in CHARACTERS), *_LIKE_THE_WIRE])
)
_ARGUMENTS: Final = [
    (),
    ("{}",),
    ('{"a":1}',),
    ('{"a"', ":1}"),
    ('{"q": "', "é😀\u2028", '"}'),
    ('{"n":1.50,"deep":{"list":[1,', '2,{"x":null}]}}'),
]
_PIECE: Final = st.sampled_from(_PIECES)
_FREE: Final = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
_TEXT: Final = st.one_of(_PIECE, _FREE)
_COUNT: Final = st.integers(1, 2_000_000)
_FEW: Final = st.integers(0, 3)


@st.composite
def cases(draw: DrawFn, plan: Plan) -> Case:
    """A random case that the plan's dialect can say."""
    dialect = plan.dialect
    script = draw(scripts(dialect))
    style = draw(styles(dialect.harmless_axes))
    cut = draw(cuts())
    fault = draw(faults(dialect, len(script.events)))
    return Case(
        name="random",
        script=Script(script.events, fault),
        style=style,
        cut=cut,
        needs=_needs(script),
    )


@st.composite
def scripts(draw: DrawFn, dialect: Dialect) -> Script:
    """A random whole answer that a dialect can say."""
    losses = dialect.losses
    events: list[Event] = []
    if "reasoning" not in losses and draw(_FEW) == 3:
        events += [Reasoning(draw(_TEXT)) for _ in range(1 + draw(_FEW) // 2)]
    is_refusal = "refusal" not in losses and draw(st.integers(0, 15)) == 15
    count = 1 + draw(_FEW)
    events += [Text(draw(_TEXT), refusal=is_refusal) for _ in range(count)]
    has_calls = "tools" not in losses and draw(_FEW) == 3
    if has_calls:
        events += draw(_calls())
    if "usage" not in losses and draw(_FEW) > 0:
        events.append(Tokens(draw(_COUNT), draw(_COUNT)))
    reasons = (
        ["tool_calls"] if has_calls else [each for each in dialect.finish if each != "tool_calls"]
    )
    events.append(Finish(draw(st.sampled_from(reasons))))
    return Script(tuple(events))


@st.composite
def styles(draw: DrawFn, axes: tuple[Axis, ...]) -> Style:
    """A random style: neutral along most axes."""
    odd = [(axis.name, value) for axis in axes for value in axis.values[1:]]
    return Style.of(**dict(draw(st.lists(st.sampled_from(odd), max_size=3)) if odd else []))


@st.composite
def cuts(draw: DrawFn) -> Cut:
    """A random cut."""
    kind = draw(st.sampled_from(["records", "whole", "at", "bytes"]))
    if kind != "at":
        return {"records": RECORDS, "whole": WHOLE, "bytes": BYTES}[kind]
    return Cut(
        "at", tuple(draw(st.lists(st.integers(1, 1500), min_size=1, max_size=4, unique=True)))
    )


@st.composite
def faults(draw: DrawFn, dialect: Dialect, count: int) -> Fault | None:
    """At most one thing that goes wrong, anywhere among so many events."""
    if draw(_FEW) < 3:
        return None
    kinds = [each for each in MID_FAULTS if each not in dialect.losses]
    return Fault(kind=draw(st.sampled_from(kinds)), after=draw(st.integers(0, count - 1)))


@st.composite
def _calls(draw: DrawFn) -> list[Event]:
    """One call, or two whose pieces may alternate."""
    count = 1 + draw(st.integers(0, 1))
    pieces = [draw(st.sampled_from(_ARGUMENTS)) for _ in range(count)]
    starts: list[Event] = [ToolStart(key, f"call_{key}", "weather") for key in range(count)]
    if count == 2 and draw(st.booleans()):
        width = max(len(each) for each in pieces)
        mixed = [
            ToolArguments(key, each[place])
            for place in range(width)
            for key, each in enumerate(pieces)
            if place < len(each)
        ]
        return [*starts, *mixed]
    return [
        event
        for key, start in enumerate(starts)
        for event in (start, *(ToolArguments(key, piece) for piece in pieces[key]))
    ]


def _needs(script: Script) -> frozenset[str]:
    needs: set[str] = set()
    for event in script.events:
        match event:
            case ToolStart(key=key):
                needs |= {"tools"} if key == 0 else {"tools", "parallel_tools"}
            case Reasoning():
                needs.add("reasoning")
    return frozenset(needs)
