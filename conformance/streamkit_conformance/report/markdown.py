"""A report as Markdown: for a summary in CI, a comment, or a page of docs."""

import re
from collections.abc import Iterable
from typing import Final

from streamkit_conformance.report.report import Report, RuleResult, count
from streamkit_conformance.report.story import Story, stories, text
from streamkit_conformance.report.terminal import header, summary, waiver_line
from streamkit_conformance.report.visible import bounded, readable
from streamkit_conformance.verdict import GREEN, Verdict

__all__ = ["to_markdown"]

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>&~:@$^=\"'])")


def to_markdown(report: Report) -> str:
    """Writes a report; nothing in it is taken for markup, whatever a subject said."""
    parts = [
        f"# {_words(f'Conformance of {report.target}')}",
        f"**{_words(summary(report))}**",
        _table(["", ""], [[name, value] for name, value in header(report)]),
        _groups(report),
    ]
    if report.all_problems:
        parts += ["## What is wrong with the run", _listed(report.all_problems)]
    if report.red:
        parts.append("## Red")
        parts += [_story(each) for each in stories(report, report.red)]
    others = [
        each for each in report.results if each.verdict not in GREEN and not report.is_red(each)
    ]
    for heading, results in (
        ("Not counted at this level", others),
        ("Waived", _with(report, Verdict.WAIVED)),
        ("Not applicable", _with(report, Verdict.NOT_APPLICABLE)),
    ):
        if results:
            lines = [
                f"{each.headline}: {_one_line(each.said)}" for each in stories(report, results)
            ]
            parts += [f"## {heading}", _listed(lines)]
    if report.waivers:
        parts += ["## Waivers", _listed(map(waiver_line, report.waivers))]
    return "\n\n".join(parts) + "\n"


def _with(report: Report, verdict: Verdict) -> list[RuleResult]:
    return [each for each in report.results if each.verdict is verdict]


def _groups(report: Report) -> str:
    verdicts = [verdict for verdict, number in report.counts.items() if number]
    rows = [
        [group, *(str(count(results)[verdict] or "") for verdict in verdicts)]
        for group, results in report.by_group.items()
    ]
    rows.append(["total", *(str(report.counts[verdict]) for verdict in verdicts)])
    return _table(["group", *map(str, verdicts)], rows)


def _story(story: Story) -> str:
    told = text(story)
    # A fence that no run of backticks inside can close.
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", told)), default=0))
    return f"### {_words(story.headline)}\n\n{fence}text\n{told}\n{fence}"


def _table(names: list[str], rows: Iterable[list[str]]) -> str:
    lines = [names, ["---"] * len(names)]
    shown = [[_words(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*lines, *shown])


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_words(_one_line(each))}" for each in lines)


def _one_line(shown: str) -> str:
    return bounded(" ".join(shown.split()), 300)


def _words(shown: str) -> str:
    """Text of which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", readable(shown, lines=False))
