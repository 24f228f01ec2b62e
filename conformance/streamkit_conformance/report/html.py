"""Reports as one HTML file: a matrix of rules and providers, each cell opening its story.

The page holds no script at all and asks nobody for anything: stories are opened by links and
`:target`, the filter is a row of radio buttons. What a subject said is text in it and nothing else.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from streamkit_conformance.report.report import (
    WORST_FIRST,
    Report,
    RuleFacts,
    RuleResult,
    count,
    group_of,
    worst,
)
from streamkit_conformance.report.story import Line, Story, stories
from streamkit_conformance.report.terminal import header, summary
from streamkit_conformance.report.visible import readable
from streamkit_conformance.verdict import Verdict

__all__ = ["to_html"]

#: A sign for each verdict: colour alone says nothing to some readers.
_SIGNS: Final = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.VACUOUS: "∅",
    Verdict.UNTESTABLE: "?",
    Verdict.WAIVED: "w",
    Verdict.STALE_WAIVER: "w!",
    Verdict.NOT_APPLICABLE: "·",
}


def to_html(reports: Iterable[Report], *, title: str = "streamkit conformance") -> str:
    """Writes the matrix: a row for each rule, a column for each report.

    Args:
        reports: One or more; the same provider may stand in it in several versions.
        title: The page's heading.
    """
    columns = list(reports)
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8") + _filters()
    rules = _rules(columns)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            _policy(style),
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{_text(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            f"<header><h1>{_text(title)}</h1>{_choices()}</header>",
            "<main>",
            _matrix(columns, rules),
            "</main>",
            *_articles(columns, rules),
            "</body>",
            "</html>",
            "",
        ]
    )


def _policy(style: str) -> str:
    """Nothing is loaded and nothing runs, but for this one style sheet."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        '<meta http-equiv="Content-Security-Policy" '
        f"content=\"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'\">"
    )


def _rules(columns: Sequence[Report]) -> list[RuleFacts]:
    """The rules of all reports, group by group, as the first report that has one knows it."""
    found: dict[str, RuleFacts] = {}
    for report in columns:
        for name in report.by_rule:
            found.setdefault(name, report.facts(name))
    groups = list(dict.fromkeys(group_of(name) for name in found))
    return sorted(found.values(), key=lambda each: groups.index(each.group))


# The matrix.


def _choices() -> str:
    """The filter: which rows are shown."""
    names = ["all", "red", *map(str, WORST_FIRST)]
    radios = [
        f'<label><input type="radio" name="show" id="show-{name}"'
        f"{' checked' if name == 'all' else ''}> {_sign(name)}{name}</label>"
        for name in names
    ]
    return f"<fieldset><legend>Show rules with</legend>{''.join(radios)}</fieldset>"


def _sign(name: str) -> str:
    signs = {str(verdict): sign for verdict, sign in _SIGNS.items()}
    return (
        f'<span class="sign {name}" aria-hidden="true">{signs[name]}</span> '
        if name in signs
        else ""
    )


def _filters() -> str:
    """The filter's rules of style: rows and groups of the matrix without such a verdict go."""
    names = ["red", *map(str, WORST_FIRST)]
    return "".join(
        f"body:has(#show-{name}:checked) main :is(tbody:not(.has-{name}),tr.rule:not(.has-{name}))"
        "{display:none}\n"
        for name in names
    )


def _matrix(columns: Sequence[Report], rules: Sequence[RuleFacts]) -> str:
    heads = "".join(
        f'<th scope="col" class="{"green" if each.is_green else "red"}">'
        f'<a href="#run-{n}" id="head-{n}"><span class="name">{_text(each.target)}</span> '
        f'<span class="version">{_text(each.subject_version)}</span></a></th>'
        for n, each in enumerate(columns)
    )
    groups = dict.fromkeys(each.group for each in rules)
    bodies = [
        _group(columns, group, [each for each in rules if each.group == group]) for group in groups
    ]
    # A claim may be broken behind each profile: columns stay narrow.
    claims = "".join(f"<td>{_text(each.claim).replace('+', '+<wbr>')}</td>" for each in columns)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Matrix"><table>'
        f'<thead><tr><th scope="col">Rule</th>{heads}</tr>'
        f'<tr class="claims"><th scope="row">Claim</th>{claims}</tr></thead>'
        f"{''.join(bodies)}</table></div>"
    )


def _group(columns: Sequence[Report], group: str, rules: Sequence[RuleFacts]) -> str:
    rows: list[str] = []
    within: set[str] = set()
    for rule in rules:
        cells: list[str] = []
        has: set[str] = set()
        for n, report in enumerate(columns):
            results = report.by_rule.get(rule.id, [])
            cells.append(_cell(report, rule, n, results))
            has |= {str(each.verdict) for each in results}
            has |= {"red"} if any(map(report.is_red, results)) else set()
        within |= has
        grade = rule.level if rule.is_scored else "preview"
        rows.append(
            f'<tr class="rule {_has(has)}"><th scope="row">'
            f'<span class="id">{_text(rule.id)}</span> <span class="grade">{_text(grade)}</span>'
            f'<span class="statement">{_text(rule.statement)}</span></th>{"".join(cells)}</tr>'
        )
    return (
        f'<tbody class="{_has(within)}"><tr class="group"><th colspan="{len(columns) + 1}" '
        f'scope="rowgroup">{_text(group)}</th></tr>{"".join(rows)}</tbody>'
    )


def _has(names: Iterable[str]) -> str:
    return " ".join(f"has-{name}" for name in sorted(names))


def _cell(report: Report, rule: RuleFacts, column: int, results: Sequence[RuleResult]) -> str:
    if not results:
        return '<td class="none"><span class="hidden">not run</span></td>'
    verdict = worst(results)
    is_red = any(map(report.is_red, results))
    is_mixed = len({each.verdict for each in results}) > 1
    key = _key(rule, column)
    label = f"{rule.id}, {report.target}: {verdict}{' on some backends' if is_mixed else ''}"
    return (
        f'<td class="{verdict}{" counts" if is_red else ""}">'
        f'<a id="cell-{key}" href="#story-{key}" aria-label="{_text(label)}">{_SIGNS[verdict]}'
        f"{'<sup>*</sup>' if is_mixed else ''}</a></td>"
    )


def _key(rule: RuleFacts, column: int) -> str:
    safe = "".join(each if each.isascii() and each.isalnum() else "-" for each in rule.id)
    return f"{safe}-{column}"


# The stories.


def _articles(columns: Sequence[Report], rules: Sequence[RuleFacts]) -> Iterable[str]:
    for n, report in enumerate(columns):
        yield _run(report, n)
        for rule in rules:
            results = report.by_rule.get(rule.id, [])
            if results:
                yield _article(report, rule, n, results)


def _panel(id: str, back: str, heading: str, body: str) -> str:
    return (
        f'<article id="{id}" tabindex="-1" aria-labelledby="{id}-title">'
        f'<a class="close" href="#{back}" aria-label="Close and go back to the matrix">Close</a>'
        f'<h2 id="{id}-title">{heading}</h2>{body}</article>'
    )


def _run(report: Report, column: int) -> str:
    rows = "".join(
        f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in header(report)
    )
    problems = "".join(f'<p class="said">{_text(each)}</p>' for each in report.all_problems)
    counts = "".join(
        f'<dt><span class="sign {verdict}" aria-hidden="true">{_SIGNS[verdict]}</span> {verdict}'
        f"</dt><dd>{number}</dd>"
        for verdict, number in count(report.results).items()
    )
    verdict = f"<p><strong>{_text(summary(report))}</strong></p>"
    body = f"{verdict}{problems}<dl>{rows}</dl><dl>{counts}</dl>"
    return _panel(f"run-{column}", f"head-{column}", _text(report.target), body)


def _article(report: Report, rule: RuleFacts, column: int, results: Sequence[RuleResult]) -> str:
    told = "".join(map(_told, stories(report, results)))
    seen = "".join(
        f"<li>{_text(each.backend or 'the subject')}: {each.verdict}, {each.judged} of "
        f"{each.traces} traces judged</li>"
        for each in results
    )
    grade = f"{rule.level} · {rule.profile}{'' if rule.is_scored else ' · preview, not scored'}"
    body = (
        f'<p class="grade">{_text(grade)} · {_text(report.target)}</p>'
        f"<p>{_text(rule.statement)}</p>"
        f"<p><em>Why it matters:</em> {_text(rule.reason)}</p>{told}<ul>{seen}</ul>"
    )
    key = _key(rule, column)
    return _panel(f"story-{key}", f"cell-{key}", _text(rule.id), body)


def _told(story: Story) -> str:
    """One story, below the rule that it is about."""
    where = f" on {', '.join(story.backends)}" if story.backends else ""
    sign = f'<span class="sign {story.verdict}" aria-hidden="true">{_SIGNS[story.verdict]}</span>'
    parts = [f"<h3>{sign} {story.verdict}{_text(where)}</h3>"]
    if story.said:
        parts.append(f'<p class="said">{_text(story.said)}</p>')
    parts += [f'<p class="cause">{_text(each)}</p>' for each in story.causes]
    if story.script:
        parts.append(f"<h4>Smallest script</h4>{_pre(story.script)}")
    if story.reads:
        parts.append(f"<h4>Reads</h4>{_reads(story.reads)}")
    if story.expected or story.got:
        parts.append(f"<h4>Expected</h4>{_pre([story.expected])}<h4>Got</h4>{_pre([story.got])}")
    if story.difference:
        parts.append(_pre(story.difference))
    if story.chunks:
        parts.append(
            f"<details><summary>Chunks that came: {len(story.chunks)}</summary>"
            f"{_pre(story.chunks)}</details>"
        )
    if story.case:
        parts.append(f"<p>Case <code>{_text(story.case)}</code></p>")
    if story.command:
        parts.append(f"<h4>Replay</h4>{_pre([story.command])}")
    return "".join(parts)


def _reads(reads: Sequence[Line]) -> str:
    rows = "".join(
        f'<tr><td class="number">{_text(each.label)}</td><td>{_marked(each)}</td></tr>'
        for each in reads
    )
    return f'<div class="reads" tabindex="0"><table>{rows}</table></div>'


def _marked(line: Line) -> str:
    if line.mark is None:
        return f"<code>{_text(line.shown)}</code>"
    end = line.mark + line.width
    before, marked, after = line.shown[: line.mark], line.shown[line.mark : end], line.shown[end:]
    return (
        f'<code>{_text(before)}<mark><span class="hidden">first difference: </span>'
        f"{_text(marked) or '⏎'}</mark>{_text(after)}</code>"
    )


def _pre(lines: Iterable[str]) -> str:
    return f'<pre tabindex="0">{_text(chr(10).join(lines))}</pre>'


def _text(shown: str) -> str:
    """Text of which nothing is markup, in content and in quoted attributes alike."""
    return escape(readable(shown), quote=True)
