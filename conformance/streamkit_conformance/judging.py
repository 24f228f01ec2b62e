"""What the plug-in asks of a target: its items, a report of each of them, and one of them all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from streamkit_conformance.case import BACKENDS, Backend
from streamkit_conformance.live import check_live
from streamkit_conformance.output import head_of
from streamkit_conformance.recordings import failed, recordings_of, replay
from streamkit_conformance.report.report import Report, RuleResult
from streamkit_conformance.rules import all_rules
from streamkit_conformance.rules.registry import Rule
from streamkit_conformance.run import Effort, Run
from streamkit_conformance.skwire import SkwireError
from streamkit_conformance.target import Conformance, TargetError
from streamkit_conformance.verdict import Verdict
from streamkit_conformance.waivers import apply, waivers_of

__all__ = ["Judging", "LiveJudging", "OfflineJudging", "joined"]


class Judging(Protocol):
    """A target being judged; what was played once is not played again."""

    def items(self) -> Sequence[tuple[Rule, Backend | str]]:
        """The rules and backends."""

    def recordings(self) -> Sequence[tuple[Path, Backend]]:
        """The recordings and backends."""

    def want(self, rules: Sequence[Rule]) -> None:
        """Says which rules are wanted after all."""

    def head(self) -> Report:
        """A report without results."""

    def judged(self, rule: Rule, backend: str) -> Report:
        """A report of one rule on one backend."""

    def replayed(self, path: Path, backend: Backend) -> Report:
        """A report of one recording: what is wrong with it is a problem."""


class OfflineJudging:
    """Judged by what the kit plays.

    Args:
        target: The target.
        folder: Where waivers and recordings are looked for.
        level: What must be kept.
        effort: How much is made up after the corpus.

    Raises:
        TargetError: It cannot be tested as it is given.
    """

    def __init__(
        self, target: Conformance, *, folder: Path, level: str, effort: Effort | None
    ) -> None:
        self._target = target
        self._run = Run(target, effort=effort)
        self._waivers = waivers_of(target, folder)
        self._head = head_of(self._run, level=level, waivers=self._waivers)
        self._recordings = recordings_of(target, folder)

    def items(self) -> Sequence[tuple[Rule, Backend | str]]:
        """The rules and backends."""
        return self._run.items()

    def recordings(self) -> Sequence[tuple[Path, Backend]]:
        """The recordings and backends."""
        return [(path, backend) for path in self._recordings for backend in self._run.backends]

    def want(self, rules: Sequence[Rule]) -> None:
        """Says which rules are wanted after all."""
        self._run.rules = list(rules)

    def head(self) -> Report:
        """A report without results."""
        return self._head

    def judged(self, rule: Rule, backend: str) -> Report:
        """A report of one rule on one backend."""
        result = self._run.result(rule, backend)  # type: ignore[arg-type]  # one of its items'
        applied = apply(result, self._waivers, datetime.now(UTC).date())
        return replace(self._head, results=(applied,), rules=())

    def replayed(self, path: Path, backend: Backend) -> Report:
        """A report of one recording: what is wrong with it is a problem."""
        try:
            told = failed(replay(self._target, path, backend))
        except (SkwireError, TargetError) as error:
            told = str(error)
        problems = (f"{path.name} on {backend}: {told}",) if told else ()
        return replace(self._head, problems=problems)


class LiveJudging:
    """Judged by what the real service answers, which is asked once, when a result is wanted.

    Args:
        target: An installed provider.
        level: What must be kept.
    """

    def __init__(self, target: Conformance, *, level: str) -> None:
        self._target = target
        self._level = level
        self._report: Report | None = None

    def items(self) -> Sequence[tuple[Rule, Backend | str]]:
        """The rules that judge answers, and the target's backends."""
        rules = [rule for rule in all_rules() if rule.judge is not None]
        return [(rule, backend) for rule in rules for backend in self._target.backends]

    def recordings(self) -> Sequence[tuple[Path, Backend]]:
        """None: they are played offline."""
        return []

    def want(self, rules: Sequence[Rule]) -> None:
        """Changes nothing: the same few answers show all of them."""

    def head(self) -> Report:
        """A report without results."""
        return replace(self._asked(), results=(), rules=())

    def judged(self, rule: Rule, backend: str) -> Report:
        """A report of one rule on one backend."""
        found = (each for each in self._asked().results if each.rule == rule.id)
        none = RuleResult(
            rule=rule.id,
            backend=backend,
            verdict=Verdict.NOT_APPLICABLE,
            reason="nothing live is about it",
        )
        result = next((each for each in found if each.backend == backend), none)
        return replace(self.head(), results=(result,))

    def replayed(self, path: Path, backend: Backend) -> Report:
        """There are no recordings here.

        Raises:
            TargetError: Always.
        """
        raise TargetError(f"{path} is played offline, on {backend}.")

    def _asked(self) -> Report:
        if self._report is None:
            self._report = check_live(self._target, level=self._level)
        return self._report


def joined(reports: Sequence[Report], *, total: int, limit: str) -> Report:
    """One report of many, in the order of the rule book.

    Args:
        reports: One for each item.
        total: How many items there would have been.
        limit: What they were limited to, in words; used where some are missing.
    """
    order = [rule.id for rule in all_rules()]
    backends = ["", *BACKENDS]
    results = [result for each in reports for result in each.results]
    results.sort(key=lambda each: (order.index(each.rule), backends.index(each.backend)))
    is_whole = len(reports) == total
    return replace(
        reports[0],
        results=tuple(results),
        problems=tuple(dict.fromkeys(problem for each in reports for problem in each.problems)),
        rules=(),
        selection="" if is_whole else limit or f"{len(reports)} of {total} items",
    )
