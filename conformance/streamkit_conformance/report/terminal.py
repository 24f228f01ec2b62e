"""A report as plain text for a terminal or a log, and the line that shows that work goes on."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from streamkit_conformance.report.report import Report, RuleResult, count
from streamkit_conformance.report.story import stories, text
from streamkit_conformance.report.visible import bounded, readable
from streamkit_conformance.verdict import GREEN, Verdict

__all__ = ["Progress", "header", "render", "show", "summary", "waiver_line"]

_PLAIN: Final = "\033[0m"
_BOLD: Final = "\033[1m"
_RED: Final = "\033[31m"
_GREEN: Final = "\033[32m"
_YELLOW: Final = "\033[33m"


def show(report: Report, to: TextIO) -> None:
    """Writes a report; with colours only where a person reads it."""
    to.write(render(report, colours=may_colour(to)))
    to.flush()


def may_colour(to: TextIO) -> bool:
    """Whether a person is at the other end, and did not ask for plain text."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return to.isatty()


def render(report: Report, *, colours: bool = False) -> str:
    """The whole report: what ran, a table by group, what is red with its story, the verdict."""
    parts = [
        "\n".join(f"{name + ':':<10} {value}" for name, value in header(report)),
        _table(report, colours),
    ]
    parts += [
        _painted(f"✗ {text(each)}", _RED, colours, first_line=True)
        for each in stories(report, report.red)
    ]
    parts += [_listed(report, colours)] if _unscored(report) or _waived(report) else []
    parts += [_not_applicable(report, colours)] if report.counts[Verdict.NOT_APPLICABLE] else []
    parts += [
        _painted(f"✗ {readable(each)}", _RED, colours, first_line=True)
        for each in report.all_problems
    ]
    parts.append(_painted(summary(report), _GREEN if report.is_green else _RED, colours))
    return "\n\n".join(parts) + "\n"


def header(report: Report) -> list[tuple[str, str]]:
    """What every form of the report says of the run, as names and values that can be shown."""
    seed = "" if report.seed is None else f", seed {report.seed}"
    took = "" if report.took_s is None else f", {report.took_s:.1f} s"
    counts = report.counts
    traces = sum(each.traces for each in report.results)
    version = f" {report.subject_version}" if report.subject_version else ""
    rows = [
        ("provider", f"{report.target}{version}"),
        ("kit", f"streamkit-conformance {report.kit_version}, rule book {report.revision}"),
        ("dialect", report.dialect),
        ("transport", ", ".join(report.transports) + (" (live)" if report.is_live else "")),
        ("backends", ", ".join(report.backends)),
        ("run", f"level {report.level}, effort {report.effort}{seed}{took}"),
        ("limited to", report.selection),
        ("claims", ", ".join(f"{name}={value}" for name, value in report.claims.items())),
        (
            "judged",
            (
                f"{report.judged_rules} rules, {len(report.results)} results, "
                f"{counts[Verdict.VACUOUS]} vacuous, {traces} traces looked at"
            ),
        ),
        ("started", report.started),
        ("waivers", "; ".join(map(waiver_line, report.waivers)) or "none"),
        ("notes", " ".join(report.notes)),
    ]
    return [(name, readable(value, lines=False)) for name, value in rows if value.strip()]


def summary(report: Report) -> str:
    """The counts and the verdict in one line; the same numbers as in every other form."""
    counts = " · ".join(
        f"{number} {verdict}" for verdict, number in report.counts.items() if number
    )
    red = len(report.red) + len(report.all_problems)
    verdict = "green" if report.is_green else f"RED ({red})"
    return f"{verdict}: {counts or 'no result'} — {readable(report.claim, lines=False)}"


def waiver_line(facts: Mapping[str, str]) -> str:
    """A waiver in a line."""
    where = f" on {facts['backends']}" if facts.get("backends") else ""
    issue = f" ({facts['issue']})" if facts.get("issue") else ""
    until = f" until {facts.get('until', '?')}"
    return f"{facts.get('rule', '?')}{where}{until}: {facts.get('reason', '')}{issue}"


def _table(report: Report, colours: bool) -> str:
    """One line for each group; a column for each verdict that there is."""
    verdicts = [verdict for verdict, number in report.counts.items() if number]
    names = ["group", "rules", *map(str, verdicts)]
    rows = [
        [group, str(len({each.rule for each in results}))]
        + [str(count(results)[verdict] or "·") for verdict in verdicts]
        for group, results in report.by_group.items()
    ]
    rows.append(
        ["total", str(len(report.by_rule)), *(str(report.counts[verdict]) for verdict in verdicts)]
    )
    widths = [max(len(row[n]) for row in [names, *rows]) for n in range(len(names))]
    lines = [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [names, *rows]
    ]
    red_groups = {report.facts(each.rule).group for each in report.red}
    painted = [_painted(lines[0], _BOLD, colours)]
    painted += [
        _painted(line, _RED, colours) if row[0] in red_groups else line
        for row, line in zip(rows, lines[1:], strict=True)
    ]
    return "\n".join(painted)


def _unscored(report: Report) -> list[RuleResult]:
    return [
        each for each in report.results if each.verdict not in GREEN and not report.is_red(each)
    ]


def _waived(report: Report) -> list[RuleResult]:
    return [each for each in report.results if each.verdict is Verdict.WAIVED]


def _listed(report: Report, colours: bool) -> str:
    """What is not green and not red either, and what is waived: a line each."""
    lines = [
        f"- {each.headline}: {each.verdict}: {bounded(' '.join(each.said.split()), 200)}"
        for each in stories(report, [*_unscored(report), *_waived(report)])
    ]
    heading = _painted("Not counted at this level, or waived:", _YELLOW, colours)
    return "\n".join([heading, *lines])


def _not_applicable(report: Report, colours: bool) -> str:
    """Why rules could not speak: each reason once, with its rules."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for each in report.results:
        if each.verdict is Verdict.NOT_APPLICABLE:
            by_reason.setdefault(each.reason, {}).setdefault(each.rule, []).append(each.backend)
    lines: list[str] = []
    for reason, rules in by_reason.items():
        shown = [
            rule
            if set(where) >= set(report.backends) or "" in where
            else f"{rule}[{'+'.join(where)}]"
            for rule, where in rules.items()
        ]
        said = bounded(" ".join(readable(reason).split()), 200)
        lines.append(f"- {said}: {readable(', '.join(shown), lines=False)}")
    return "\n".join([_painted("Not applicable:", _YELLOW, colours), *lines])


def _painted(shown: str, colour: str, colours: bool, *, first_line: bool = False) -> str:
    if not colours:
        return shown
    head, line_end, rest = shown.partition("\n") if first_line else (shown, "", "")
    return f"{colour}{head}{_PLAIN}{line_end}{rest}"


class Progress:
    """Shows that work goes on: one line that is rewritten on a terminal, a few lines in a log.

    Args:
        to: Where.
        total: How many steps there will be.
        clock: Seconds that only grow.
    """

    # A terminal is redrawn so often at most; a log gets a line for each such part of the work.
    _EVERY_S: Final = 0.1
    _PARTS: Final = 4

    def __init__(self, to: TextIO, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._to = to
        self._total = total
        self._clock = clock
        self._is_terminal = to.isatty()
        self._done = 0
        self._last = float("-inf")
        self._part = 0

    def step(self, doing: str = "") -> None:
        """One step is done.

        Args:
            doing: What is done next, for the line.
        """
        self._done += 1
        line = f"{self._done}/{self._total} {bounded(readable(doing, lines=False), 60)}".rstrip()
        if self._is_terminal:
            now = self._clock()
            if now - self._last >= self._EVERY_S or self._done == self._total:
                self._last = now
                self._write(f"\r\033[K{line}")
            return
        part = self._PARTS * self._done // self._total if self._total > 0 else 0
        if part > self._part:
            self._part = part
            self._write(f"{line}\n")

    def end(self) -> None:
        """Takes the line away; a log keeps its lines."""
        if self._is_terminal:
            self._write("\r\033[K")

    def _write(self, shown: str) -> None:
        self._to.write(shown)
        self._to.flush()
