"""What a run leaves behind: the head of its report, and the files that are made from it."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamkit.errors import ConfigurationError
from streamkit.registry.discovery import default_registry
from streamkit_conformance import skwire
from streamkit_conformance.dialect_checks import notes_on
from streamkit_conformance.report.badge import endpoint, svg
from streamkit_conformance.report.html import to_html
from streamkit_conformance.report.json_report import to_json
from streamkit_conformance.report.junit import to_junit
from streamkit_conformance.report.markdown import to_markdown
from streamkit_conformance.report.report import Report, RuleResult
from streamkit_conformance.rules.registry import CURRENT
from streamkit_conformance.subject import name_of
from streamkit_conformance.target import Conformance, Waiver
from streamkit_conformance.waivers import facts

if TYPE_CHECKING:
    from streamkit_conformance.run import Run

__all__ = ["head_of", "version_of", "version_of_distribution", "with_replay", "write_reports"]

_FORMS: Final[Mapping[str, Callable[[Report], str]]] = {
    "report.json": to_json,
    "report.html": lambda report: to_html([report]),
    "report.md": to_markdown,
    "junit.xml": to_junit,
    "badge.json": lambda report: json.dumps(endpoint(report), indent=2) + "\n",
    "badge.svg": svg,
}


def head_of(run: "Run", *, level: str, waivers: Iterable[Waiver] = ()) -> Report:
    """A report of a run without its results."""
    cases = run.corpus.cases.values()
    return Report(
        target=name_of(run.target),
        subject_version=version_of(run.target),
        kit_version=version_of_distribution("streamkit-conformance"),
        revision=CURRENT,
        dialect=run.target.dialect.name,
        backends=tuple(run.backends),
        transports=tuple(sorted({each.via for each in cases})),
        effort=run.effort,
        level=level,
        seed=run.seed,
        claims=run.plan.claims,
        waivers=facts(waivers),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        is_wire=run.target.dialect.is_wire,
        notes=notes_on(run.target),
    )


def write_reports(reports: Sequence[Report], folder: Path) -> list[Path]:
    """Writes every form of some reports: into the folder, or each into one of its own within it.

    Returns:
        The folders and files that were written.
    """
    if len(reports) == 1:
        _write(reports[0], folder)
        return [folder]
    places = [folder / _file_name(report.target) for report in reports]
    for report, place in zip(reports, places, strict=True):
        _write(report, place)
    return [*places, _written(folder / "report.html", to_html(reports))]


def with_replay(report: Report, folder: Path, *, target: str) -> Report:
    """Writes the files that replay a report's failures; the report that is returned names them.

    Args:
        report: The report.
        folder: Where the files go.
        target: What `streamkit-conformance replay` is to play them against.
    """
    kept = tuple(_with_file(report, each, folder, target) for each in report.results)
    return replace(report, results=kept)


def _with_file(report: Report, result: RuleResult, folder: Path, target: str) -> RuleResult:
    failure = result.failure
    if failure is None or not failure.skwire:
        return result
    recording = replace(skwire.loads(failure.skwire), target=target)
    parts = [_file_name(report.target), result.rule, result.backend]
    path = folder / ("-".join(filter(None, parts)) + skwire.SUFFIX)
    _written(path, skwire.dumps(recording))
    return replace(result, failure=replace(failure, file=str(path)))


def _write(report: Report, folder: Path) -> None:
    for name, form in _FORMS.items():
        _written(folder / name, form(report))


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", text).strip("._") or "subject"


def version_of(target: Conformance) -> str:
    """The version of an installed provider's distribution; empty where it has none."""
    if not isinstance(target.subject, str):
        return ""
    try:
        distribution = default_registry().describe(target.subject).distribution
    except ConfigurationError:
        return ""
    return "" if distribution is None else version_of_distribution(distribution)


def version_of_distribution(distribution: str) -> str:
    """The version of a distribution; empty where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
