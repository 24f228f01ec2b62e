"""The story of one failure, told in the same order wherever it is read.

Rule, level and statement; why it matters; the cause; the smallest script; the reads, with the
place marked up to which all was right; what was expected and what came; the file, and the command
that replays it.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from streamkit_conformance.report.report import Report, RuleFacts, RuleResult
from streamkit_conformance.report.visible import bounded, cells, readable
from streamkit_conformance.verdict import Verdict

__all__ = ["Line", "Story", "stories", "tell", "text"]

_WIDTH: Final = 100
_READS: Final = 14
_BEFORE_THE_MARK: Final = 9
_LONGEST: Final = 600
#: Reads of so few bytes are shown side by side: those of a body cut byte by byte fill pages.
_TINY: Final = 4
_AROUND: Final = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One line of reads.

    Attributes:
        label: Which read, such as `3`, or `3-40`.
        shown: Its bytes, escaped.
        mark: The column of `shown` at which the first difference stands, if it is here.
        width: How many columns that character takes.
    """

    label: str
    shown: str
    mark: int | None = None
    width: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What is told of one rule, on the backends where it says the same; all of it can be shown.

    Attributes:
        rule: The rule's facts.
        verdict: What it says.
        backends: Where.
        headline: Id, level, profile and backends in a line.
        said: What is wrong, or why there is nothing to say.
        case: The name of the case.
        causes: What makes it pass.
        script: The smallest script, one event a line.
        reads: The body as it was delivered.
        expected: What should have come.
        got: What came.
        difference: The two side by side at their first difference, and the marks under it.
        chunks: The chunks that came.
        file: The file that replays it.
        command: The command that does.
    """

    rule: RuleFacts
    verdict: Verdict
    backends: tuple[str, ...]
    headline: str
    said: str = ""
    case: str = ""
    causes: tuple[str, ...] = ()
    script: tuple[str, ...] = ()
    reads: tuple[Line, ...] = ()
    expected: str = ""
    got: str = ""
    difference: tuple[str, ...] = ()
    chunks: tuple[str, ...] = ()
    file: str = ""
    command: str = ""


def stories(report: Report, results: Iterable[RuleResult]) -> list[Story]:
    """The stories of some results; what a rule says alike on several backends is told once."""
    alike: dict[Any, list[RuleResult]] = {}
    for each in results:
        alike.setdefault(_gist(each), []).append(each)
    return [
        tell(report.facts(group[0].rule), group[0], tuple(each.backend for each in group))
        for group in alike.values()
    ]


def _gist(result: RuleResult) -> Any:
    failure = result.failure
    if failure is None:
        return result.rule, result.verdict, result.reason
    # Unequal files tell of the same failure where only the backend differs.
    alike = replace(failure, case="", file="", skwire="", script={}, mark=None, chunks=())
    return result.rule, result.verdict, result.reason, repr(alike), repr(failure.script)


def tell(rule: RuleFacts, result: RuleResult, backends: tuple[str, ...] = ()) -> Story:
    """The story of one result.

    Args:
        rule: The rule's facts.
        result: What it said.
        backends: Where it said so, if elsewhere too.
    """
    where = tuple(each for each in backends or (result.backend,) if each)
    headline = f"{rule.id} · {rule.level} · {rule.profile}"
    headline += "" if rule.is_scored else " · preview, not scored"
    headline += f" · {', '.join(where)}" if where else ""
    failure = result.failure
    story = Story(
        rule=rule,
        verdict=result.verdict,
        backends=where,
        headline=readable(headline, lines=False),
        said=readable(result.reason),
    )
    if failure is None:
        return story
    said = failure.message
    if result.reason and result.reason != said:
        said = f"{result.reason}: {said}" if said not in result.reason else result.reason
    expected, got = readable(failure.expected), readable(failure.got)
    return replace(
        story,
        said=bounded(readable(said), _LONGEST),
        case=readable(failure.case, lines=False),
        causes=tuple(bounded(readable(each), _LONGEST) for each in failure.causes),
        script=tuple(_script(failure.script)),
        reads=tuple(_reads(failure.reads, failure.mark)),
        expected=bounded(expected, _LONGEST),
        got=bounded(got, _LONGEST),
        difference=_difference(expected, got),
        chunks=tuple(bounded(readable(each, lines=False), 200) for each in failure.chunks[:40]),
        file=readable(failure.file, lines=False),
        command=f"streamkit-conformance replay {_quoted(failure.file)}" if failure.file else "",
    )


def text(story: Story) -> str:
    """A story as plain text; no character in it acts on a terminal."""
    parts: list[str] = [f"{story.headline}\n  {readable(story.rule.statement)}"]
    if story.rule.reason:
        parts.append(f"  Why it matters: {readable(story.rule.reason)}")
    if story.said:
        parts.append(f"  {_LABELS[story.verdict]}: {_indented(story.said)}")
    parts += [f"  Cause: {_indented(each)}" for each in story.causes]
    if story.script:
        parts.append("\n".join(["  Smallest script:", *(f"    {each}" for each in story.script)]))
    if story.reads:
        parts.append("\n".join(["  Reads:", *_read_lines(story.reads)]))
    if story.expected or story.got:
        parts.append(f"  Expected: {_indented(story.expected)}\n  Got:      {_indented(story.got)}")
        if story.difference:
            parts.append("\n".join(f"    {each}" for each in story.difference))
    if story.case:
        parts.append(f"  Case: {story.case}")
    if story.file:
        parts.append(f"  File: {story.file}\n  Replay: {story.command}")
    return "\n".join(parts)


_LABELS: Final[Mapping[Verdict, str]] = {
    Verdict.PASS: "Passed",
    Verdict.FAIL: "What is wrong",
    Verdict.VACUOUS: "Not shown",
    Verdict.UNTESTABLE: "Could not be tried",
    Verdict.WAIVED: "Waived",
    Verdict.STALE_WAIVER: "Stale waiver",
    Verdict.NOT_APPLICABLE: "Not applicable",
}


def _indented(shown: str) -> str:
    return shown.replace("\n", "\n    ")


def _read_lines(reads: Iterable[Line]) -> Iterable[str]:
    wide = max(len(each.label) for each in reads)
    for each in reads:
        yield f"    {each.label:>{wide}} │ {each.shown}"
        if each.mark is not None:
            yield f"    {'':>{wide}} │ {'':>{each.mark}}^ first difference"


def _quoted(file: str) -> str:
    shown = readable(file, lines=False)
    is_plain = all(each.isalnum() or each in f"-_.,:+@{os.sep}" for each in shown)
    return shown if is_plain else "'" + shown.replace("'", "'\\''") + "'"


# The script.


def _script(script: Mapping[str, Any]) -> Iterable[str]:
    events = script.get("events")
    if not isinstance(events, list | tuple):
        return
    for event in events:
        if isinstance(event, Mapping):
            yield _call(str(event.get("event", "?")), event, leave={"event"})
    fault = script.get("fault")
    if isinstance(fault, Mapping):
        yield _call("Fault", fault, leave=set())


def _call(name: str, fields: Mapping[str, Any], leave: set[str]) -> str:
    shown = [
        f"{key}={value!r}"
        for key, value in fields.items()
        if key not in leave and value not in (None, False, {}, ())
    ]
    return bounded(readable(f"{name}({', '.join(shown)})", lines=False), 300)


# The reads.


def _reads(reads: tuple[bytes, ...], mark: tuple[int, int] | None) -> Iterable[Line]:
    if mark is not None and not 0 <= mark[0] < len(reads):
        mark = None
    if reads and max(map(len, reads)) <= _TINY and len(reads) > _READS:
        yield from _side_by_side(reads, mark)
        return
    first = 0 if mark is None else max(0, mark[0] - _BEFORE_THE_MARK)
    last = min(len(reads), first + _READS)
    first = max(0, last - _READS)
    if first:
        yield _left_out(reads, 0, first)
    for number in range(first, last):
        place = mark[1] if mark is not None and mark[0] == number else None
        yield _one(f"{number + 1}", [(reads[number], place)])
    if last < len(reads):
        yield _left_out(reads, last, len(reads))


def _side_by_side(reads: tuple[bytes, ...], mark: tuple[int, int] | None) -> Iterable[Line]:
    """Tiny reads in rows, `│` between them; rows far from the mark are left out."""
    rows = [range(n, min(n + _AROUND, len(reads))) for n in range(0, len(reads), _AROUND)]
    marked = 0 if mark is None else mark[0] // _AROUND
    first, last = max(0, marked - 3), min(len(rows), marked + 4)
    if first:
        yield _left_out(reads, 0, rows[first][0])
    for row in rows[first:last]:
        pieces = [(reads[n], mark[1] if mark is not None and mark[0] == n else None) for n in row]
        yield _one(f"{row[0] + 1}-{row[-1] + 1}", pieces)
    if last < len(rows):
        yield _left_out(reads, rows[last][0], len(reads))


def _left_out(reads: tuple[bytes, ...], first: int, last: int) -> Line:
    size = sum(map(len, reads[first:last]))
    return Line(f"{first + 1}-{last}", f"({last - first} reads, {size} bytes)")


def _one(label: str, pieces: list[tuple[bytes, int | None]]) -> Line:
    """A line of reads, cut so that the mark is in sight."""
    shown: list[str] = []
    column: int | None = None
    for number, (data, place) in enumerate(pieces):
        if number:
            shown.append("│")
        for offset, cell in cells(data):
            if place is not None and column is None and offset >= place:
                column = len(shown)
            shown.append(cell)
        if place is not None and column is None:
            column = len(shown)
    limit = 4 * _WIDTH if len(pieces) > 1 else 2 * _WIDTH
    first = 0
    if column is not None and column > _WIDTH:
        first = column - _WIDTH // 2
    cut = shown[first : first + limit]
    left, right = first, len(shown) - first - len(cut)
    before = f"…({left})" if left > 0 else ""
    after = f"({right})…" if right > 0 else ""
    mark = None if column is None else len(before) + len("".join(shown[first:column]))
    width = len(shown[column]) if column is not None and column < len(shown) else 1
    return Line(label, before + "".join(cut) + after, mark, width)


# Expected and got.


def _difference(expected: str, got: str) -> tuple[str, ...]:
    """Both at their first difference, where they are too long to see it at a glance."""
    if not expected or not got or expected == got:
        return ()
    pairs = zip(expected, got, strict=False)
    shortest = min(len(expected), len(got))
    at = next((n for n, (one, other) in enumerate(pairs) if one != other), shortest)
    if max(len(expected), len(got)) <= 40 or at < 8:
        return ()
    start = max(0, at - _AROUND)
    lead = "…" if start else ""
    rows = [
        f"{name} {lead}{readable(each[start : at + _AROUND], lines=False)}"
        for name, each in (("expected", expected), ("got     ", got))
    ]
    column = len(f"expected {lead}{readable(expected[start:at], lines=False)}")
    return (*rows, f"{'':>{column}}^ first difference, at character {at}")
