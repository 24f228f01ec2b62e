"""Waivers: rules that a provider breaks, knowingly and for a time, and what becomes of each.

    [tool.streamkit-conformance.waive]
    SK-FRAME-006 = { reason = "a BOM comes out as text", until = 2026-12-31, issue = "our #12" }

A waiver is never silent and never eternal: it stands in every report, and it turns red on the day
after `until`, or as soon as the rule is kept. So that a rule which breaks on trio alone can be
waived without hiding that it is kept elsewhere, `backends = ["trio"]` says where it counts.
"""

import datetime
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args

from streamkit.words import nearest
from streamkit_conformance.case import Backend
from streamkit_conformance.report.report import RuleResult
from streamkit_conformance.target import Conformance, TargetError, Waiver
from streamkit_conformance.verdict import Verdict

__all__ = ["apply", "apply_all", "facts", "nearest_pyproject", "read_waivers", "waivers_of"]

_TABLE: Final = "[tool.streamkit-conformance.waive]"
_FIELDS: Final = ("reason", "until", "issue", "backends")
_BACKENDS: Final = get_args(Backend)
_WAIVABLE: Final = frozenset({Verdict.FAIL, Verdict.VACUOUS, Verdict.UNTESTABLE})


def waivers_of(
    target: Conformance, folder: Path, *, known: Collection[str] | None = None
) -> tuple[Waiver, ...]:
    """The waivers of a target: its own, and those of the nearest `pyproject.toml`.

    Args:
        target: The target.
        folder: Where the search begins, such as the folder of the test module; then upwards.
        known: The ids of all rules; by default those of the rule book.

    Raises:
        TargetError: One cannot be used; the message says what to do.
    """
    path = nearest_pyproject(folder)
    rules = _known() if known is None else known
    found = [] if path is None else read_waivers(path, known=rules)
    own = [
        _checked(each, f"the target {target.name or 'itself'}", rules) for each in target.waivers
    ]
    return _apart([*own, *found])


def nearest_pyproject(folder: Path) -> Path | None:
    """The first `pyproject.toml` on the way up from a folder."""
    start = folder.resolve()
    places = (each / "pyproject.toml" for each in (start, *start.parents))
    return next((each for each in places if each.is_file()), None)


def read_waivers(path: Path, *, known: Collection[str] | None = None) -> list[Waiver]:
    """The waivers of one `pyproject.toml`.

    Args:
        path: The file.
        known: The ids of all rules; by default those of the rule book.

    Raises:
        TargetError: The file or a waiver in it cannot be used; the message says what to do.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TargetError(f"{path} cannot be read: {error}") from error
    table = _table(data, path)
    if not table:
        return []
    rules = _known() if known is None else known
    return [
        _checked(_from_table(rule, row, path), f"{path}, {_TABLE}", rules)
        for rule, row in table.items()
    ]


def apply(result: RuleResult, waivers: Iterable[Waiver], today: datetime.date) -> RuleResult:
    """What becomes of a result under the waivers.

    Args:
        result: What the rule said.
        waivers: All waivers of the subject.
        today: The day on which it is judged.

    Returns:
        The result itself where none is about it; `waived` where one is and holds; `stale-waiver`
        where its day is over, or the rule is kept.
    """
    waiver = next((each for each in waivers if _is_about(each, result)), None)
    if waiver is None:
        return result
    if waiver.until < today:
        said = f"; the rule says: {result.verdict}"
        said += f" ({result.reason})" if result.reason else ""
        return _stale(result, f"the waiver ended on {waiver.until}{said}: mend it, or wait longer")
    if result.verdict in _WAIVABLE:
        issue = f" ({waiver.issue})" if waiver.issue else ""
        said = f"waived until {waiver.until}: {waiver.reason}{issue}"
        return replace(result, verdict=Verdict.WAIVED, reason=said)
    if result.verdict is Verdict.PASS:
        where = f" on {result.backend}" if result.backend else ""
        advice = (
            "take the waiver away"
            if waiver.backends or not result.backend
            else 'take the waiver away, or name where it is still needed: backends = ["trio"]'
        )
        return _stale(result, f"the rule is kept{where}: {advice}")
    return result


def apply_all(
    results: Iterable[RuleResult], waivers: Iterable[Waiver], today: datetime.date
) -> list[RuleResult]:
    """What becomes of all results of a subject.

    Besides `apply`, a waiver is stale where its rule is not applicable on any backend.
    """
    given = list(waivers)
    judged = [apply(each, given, today) for each in results]
    speaking = {each.rule for each in judged if each.verdict is not Verdict.NOT_APPLICABLE}
    return [
        _stale(each, f"the rule is not applicable ({each.reason}): take the waiver away")
        if each.rule not in speaking and any(_is_about(waiver, each) for waiver in given)
        else each
        for each in judged
    ]


def facts(waivers: Iterable[Waiver]) -> tuple[dict[str, str], ...]:
    """Waivers as a report shows them."""
    return tuple(
        {
            "rule": each.rule,
            "reason": each.reason,
            "until": each.until.isoformat(),
            **({"issue": each.issue} if each.issue else {}),
            **({"backends": ", ".join(each.backends)} if each.backends else {}),
        }
        for each in waivers
    )


def _is_about(waiver: Waiver, result: RuleResult) -> bool:
    is_there = not waiver.backends or not result.backend or result.backend in waiver.backends
    return waiver.rule == result.rule and is_there


def _stale(result: RuleResult, reason: str) -> RuleResult:
    return replace(result, verdict=Verdict.STALE_WAIVER, reason=reason)


def _known() -> set[str]:
    from streamkit_conformance.rules import all_rules  # the whole rule book, only where needed

    return {each.id for each in all_rules()}


def _table(data: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = data
    for key in ("tool", "streamkit-conformance", "waive"):
        found = found.get(key, {})
        if not isinstance(found, Mapping):
            raise TargetError(f"{path}: {key} must be a table of rules, {_TABLE}")
    return found


def _from_table(rule: str, row: Any, path: Path) -> Waiver:
    where = f"{path}, {_TABLE}, {rule}"
    if not isinstance(row, Mapping):
        raise TargetError(
            f'{where}: write {rule} = {{ reason = "why", until = 2026-12-31 }}, not {row!r}'
        )
    for key in row:
        if key not in _FIELDS:
            raise TargetError(f"{where}: there is no `{key}`; there are {', '.join(_FIELDS)}")
    if "until" not in row:
        raise TargetError(f"{where}: say until when, such as until = 2026-12-31")
    backends = row.get("backends", [])
    return Waiver(
        rule=rule,
        reason=row.get("reason", ""),
        until=_day(row["until"], where),
        issue=str(row.get("issue", "")),
        backends=tuple(backends) if isinstance(backends, list) else backends,
    )


def _day(value: Any, where: str) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise TargetError(
            f"{where}: until must be a day such as 2026-12-31, not {value!r}"
        ) from error


def _checked(waiver: Waiver, where: str, known: Collection[str]) -> Waiver:
    """A waiver that can be used; what Python code gives is no better than what a file does."""
    reason: Any = waiver.reason
    backends: Any = waiver.backends
    if waiver.rule not in known:
        close = nearest(waiver.rule, known)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise TargetError(
            f"{where}: there is no rule {waiver.rule!r} to waive.{hint} "
            "`streamkit-conformance list` shows all rules"
        )
    if not isinstance(reason, str) or not reason.strip():
        raise TargetError(f'{where}: say why {waiver.rule} is waived, such as reason = "…"')
    if type(waiver.until) is not datetime.date:
        raise TargetError(
            f"{where}: say until which day {waiver.rule} is waived, such as until = 2026-12-31"
        )
    if not isinstance(backends, tuple) or set(backends) - set(_BACKENDS):
        raise TargetError(
            f"{where}: backends of {waiver.rule} must be a list of {', '.join(_BACKENDS)}, "
            f"not {backends!r}"
        )
    return waiver


def _apart(waivers: Iterable[Waiver]) -> tuple[Waiver, ...]:
    """The waivers, of which no two are about the same rule in the same place."""
    taken: set[tuple[str, str]] = set()
    found = tuple(waivers)
    for each in found:
        places = {(each.rule, backend) for backend in each.backends or _BACKENDS}
        if places & taken:
            raise TargetError(f"{each.rule} is waived twice: keep one of the two waivers")
        taken |= places
    return found
