"""Runs the rules over a target: the corpus first, then what Hypothesis thinks of.

Every case is played once for each backend and judged by all rules that it concerns.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, TypeAlias

from streamkit.chunks import chunk_to_json
from streamkit.plugin import Capabilities
from streamkit.words import nearest
from streamkit_conformance.case import BACKENDS, Backend, Case
from streamkit_conformance.corpus import Corpus, can_play, corpus
from streamkit_conformance.dialect_checks import check_dialect
from streamkit_conformance.expect import expected
from streamkit_conformance.play import Player
from streamkit_conformance.report.report import Failure, Report, RuleResult
from streamkit_conformance.rules import all_rules
from streamkit_conformance.rules.registry import Plan, Rule
from streamkit_conformance.script import Finish, Script, Text
from streamkit_conformance.skwire import dumps, of_trace
from streamkit_conformance.subject import claims_of, model_of, name_of
from streamkit_conformance.target import Conformance, TargetError, Waiver
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import (
    Fail,
    Irrelevant,
    NotApplicable,
    Outcome,
    Untestable,
    Verdict,
)

__all__ = ["EFFORTS", "Effort", "Run", "check", "claims_in_words", "default_effort"]

Effort: TypeAlias = Literal["corpus", "dev", "ci", "thorough"]
#: How many answers Hypothesis makes up for each backend.
EFFORTS: Final[Mapping[str, int]] = {"corpus": 0, "dev": 30, "ci": 60, "thorough": 2000}

Progress: TypeAlias = Callable[[str], None]

_PROBE: Final = Case(name="probe", script=Script((Text("Hello"), Finish())))


def default_effort() -> Effort:
    """`ci` where the variable CI is set, as every CI service does; else `dev`."""
    return "ci" if os.environ.get("CI") else "dev"


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a rule said of the traces of one backend."""

    outcomes: list[tuple[Trace, Outcome]]

    def first(self, kind: type) -> tuple[Trace, Any] | None:
        return next((each for each in self.outcomes if isinstance(each[1], kind)), None)


class Run:
    """One run of the rules over a target; results are made as they are asked for.

    Args:
        target: What is tested.
        effort: How much Hypothesis makes up after the corpus.
        rules: The ids of the rules to run; by default all.
        backends: Where to run; by default where the target does.
        explains: Find the cause and the smallest script of what fails.
        seed: What the random part begins with, where it is not derandomised.
        progress: Is told what is going on, in a few words.

    Raises:
        TargetError: The subject cannot be made, a rule or backend is unknown.
    """

    def __init__(
        self,
        target: Conformance,
        *,
        effort: Effort | None = None,
        rules: Iterable[str] | None = None,
        backends: Iterable[Backend] | None = None,
        explains: bool = True,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.target = target
        self.effort: Effort = effort or default_effort()
        self.rules = _chosen(rules)
        self.backends = _backends(target, backends)
        check_dialect(target.dialect)
        self.claims = claims_of(target, _PROBE)
        self.plan = Plan(target.dialect, model_of(target), claims_in_words(self.claims))
        self.corpus: Corpus = corpus(all_rules(), self.plan)
        self.seed = seed
        self._explains = explains
        self._progress = progress or (lambda _: None)
        self._player = Player(target, self.claims)
        self._traces: dict[Backend, dict[str, Trace]] = {each: {} for each in BACKENDS}
        self._found: dict[Backend, dict[str, tuple[Trace, Fail]]] = {}
        self._results: dict[tuple[str, str], RuleResult] = {}

    # Results.

    def result(self, rule: Rule, backend: Backend | Literal[""]) -> RuleResult:
        """What a rule says on a backend, without waivers."""
        known = self._results.get((rule.id, backend))
        if known is None:
            known = self._results[rule.id, backend] = self._judge(rule, backend)
        return known

    def items(self) -> list[tuple[Rule, Backend | Literal[""]]]:
        """The rules and backends of this run, in the order of the book."""
        shown = [
            each for each in BACKENDS if each in self.backends or each not in self.target.backends
        ]
        found: list[tuple[Rule, Backend | Literal[""]]] = []
        for rule in self.rules:
            found += [(rule, "")] if rule.inspect is not None else [(rule, b) for b in shown]
        return found

    def report(
        self,
        *,
        level: str = "resilience",
        waivers: Iterable[Waiver] | None = None,
        today: date | None = None,
    ) -> Report:
        """Everything that is found, with waivers applied.

        Args:
            level: What must be kept for the run to be green.
            waivers: What is broken knowingly; by default what the target itself says.
            today: The day on which waivers must still count.
        """
        from streamkit_conformance.output import head_of
        from streamkit_conformance.waivers import apply_all

        started = time.monotonic()
        given = tuple(self.target.waivers if waivers is None else waivers)
        head = head_of(self, level=level, waivers=given)
        results, items = [], self.items()
        for number, (rule, backend) in enumerate(items):
            self._progress(f"{head.target}: {rule.id} {backend} ({number + 1}/{len(items)})")
            results.append(self.result(rule, backend))
        return replace(
            head,
            results=tuple(apply_all(results, given, today or datetime.now(UTC).date())),
            rules=(),
            took_s=round(time.monotonic() - started, 3),
            selection=self.selection,
        )

    @property
    def selection(self) -> str:
        """What the run is limited to, in words; empty for a whole run."""
        limits = [] if len(self.rules) == len(all_rules()) else [each.id for each in self.rules]
        if set(self.backends) != set(self.target.backends):
            limits += [f"[{each}]" for each in self.backends]
        return " ".join(limits)

    # Playing.

    def traces(self, cases: Iterable[Case], backend: Backend) -> list[Trace]:
        """The traces of cases, each played once."""
        known = self._traces[backend]
        wanted = [each for each in cases if can_play(each, backend)]
        missing = {each.name: each for each in wanted if each.name not in known}
        if missing:
            played = self._player.play(list(missing.values()), backend)
            known.update({trace.case.name: trace for trace in played})
        return [known[each.name] for each in wanted]

    def play(self, case: Case, backend: Backend) -> Trace:
        """The trace of a case that is in no corpus."""
        return self._player.play([case], backend)[0]

    # Judging.

    def _judge(self, rule: Rule, backend: Backend | Literal[""]) -> RuleResult:
        if rule.inspect is not None:
            return self._inspected(rule)
        assert backend != ""
        assert rule.judge is not None
        if backend not in self.target.backends:
            runs_on = ", ".join(self.target.backends)
            return _result(rule, backend, Verdict.NOT_APPLICABLE, f"the subject runs on {runs_on}")
        reason = self.corpus.reasons.get(rule.id)
        if reason is not None:
            return _result(rule, backend, Verdict.NOT_APPLICABLE, reason)
        cases = self._cases_of(rule)
        traces = self.traces([*cases, *(each.base for each in cases if each.base)], backend)
        concerned = {each.name for each in cases}
        outcomes = [
            (trace, self._outcome(rule, trace)) for trace in traces if trace.case.name in concerned
        ]
        if not outcomes:
            return _result(rule, backend, Verdict.NOT_APPLICABLE, "synchronous code has no tasks")
        found = self._explored(backend).get(rule.id)
        if found is not None:
            outcomes.append(found)
        return self._verdict(rule, backend, _Judged(outcomes))

    def _cases_of(self, rule: Rule) -> list[Case]:
        if rule.is_invariant:
            return list(self.corpus.cases.values())
        return [self.corpus.cases[name] for name in self.corpus.of_rule[rule.id]]

    def _outcome(self, rule: Rule, trace: Trace) -> Outcome:
        assert rule.judge is not None
        outcome = rule.judge(trace)
        base = trace.case.base
        if not isinstance(outcome, Fail) or base is None or rule.is_invariant:
            return outcome
        (without,) = self.traces([base], trace.backend)
        also = rule.judge(without)
        if isinstance(also, Fail):
            return Untestable(f"it fails without what is tried as well: {also.message}")
        return outcome

    def _verdict(self, rule: Rule, backend: Backend, judged: _Judged) -> RuleResult:
        relevant = [each for _, each in judged.outcomes if not isinstance(each, Irrelevant)]
        counts: dict[str, Any] = {"judged": len(relevant), "traces": len(judged.outcomes)}
        failed = judged.first(Fail)
        if failed is not None:
            failure = self._failure(rule, *failed)
            return _result(rule, backend, Verdict.FAIL, failure.message, failure, **counts)
        untestable = judged.first(Untestable)
        if untestable is not None:
            reason = untestable[1].reason
            return _result(rule, backend, Verdict.UNTESTABLE, reason, **counts)
        if relevant and all(isinstance(each, NotApplicable) for each in relevant):
            reason = next(each.reason for each in relevant if isinstance(each, NotApplicable))
            return _result(rule, backend, Verdict.NOT_APPLICABLE, reason, **counts)
        if not relevant:
            return _result(
                rule, backend, Verdict.VACUOUS, "no stream showed anything about it", **counts
            )
        return _result(rule, backend, Verdict.PASS, **counts)

    def _inspected(self, rule: Rule) -> RuleResult:
        assert rule.inspect is not None
        match rule.inspect(self.target):
            case Fail(message, wanted, got):
                failure = Failure(message=message, case=rule.id, expected=wanted, got=got)
                return _result(rule, "", Verdict.FAIL, message, failure, judged=1, traces=1)
            case NotApplicable(reason):
                return _result(rule, "", Verdict.NOT_APPLICABLE, reason)
            case Untestable(reason):
                return _result(rule, "", Verdict.UNTESTABLE, reason)
            case Irrelevant():
                return _result(rule, "", Verdict.VACUOUS, "nothing showed anything about it")
        return _result(rule, "", Verdict.PASS, judged=1, traces=1)

    # What Hypothesis thinks of.

    def _explored(self, backend: Backend) -> Mapping[str, tuple[Trace, Fail]]:
        if backend not in self._found:
            self._found[backend] = {}
            if EFFORTS[self.effort] and self.target.dialect.is_wire:
                from streamkit_conformance.explore import explore  # Hypothesis takes long to import

                self._found[backend] = explore(self, backend, EFFORTS[self.effort])
        return self._found[backend]

    # Explaining.

    def _failure(self, rule: Rule, trace: Trace, fail: Fail) -> Failure:
        case = trace.case
        lines: tuple[str, ...] = ()
        if self._explains:
            from streamkit_conformance.causes import causes
            from streamkit_conformance.reduce import reduce

            assert rule.judge is not None
            judge = rule.judge

            def fails(changed: Case) -> bool:
                return isinstance(judge(self.play(changed, trace.backend)), Fail)

            case = reduce(case, self.target.dialect, fails)
            lines = tuple(each.text for each in causes(case, self.target.dialect, fails))
            trace = self.play(case, trace.backend)
            again = rule.judge(trace)
            fail = again if isinstance(again, Fail) else fail
        return Failure(
            message=fail.message,
            case=case.name,
            causes=lines,
            script=case.script.to_json(),
            reads=trace.wire.reads,
            mark=_mark(trace),
            expected=fail.expected,
            got=fail.got,
            chunks=tuple(_shown(chunk) for chunk in trace.chunks),
            skwire=dumps(of_trace(trace, rule=rule.id, target=name_of(self.target))),
        )


def check(
    target: Conformance,
    *,
    effort: Effort | None = None,
    rules: Iterable[str] | None = None,
    backends: Iterable[Backend] | None = None,
    level: str = "resilience",
    progress: Progress | None = None,
) -> Report:
    """Runs the rules over a target and reports.

    Raises:
        TargetError: The target cannot be tested as it is given, or a rule is unknown.
    """
    run = Run(target, effort=effort, rules=rules, backends=backends, progress=progress)
    return run.report(level=level)


def _mark(trace: Trace) -> tuple[int, int] | None:
    """The read with which the text went wrong, and where in it, if it did and that can be found."""
    if not trace.dialect.is_wire or trace.case.recorded is not None:
        return None
    wanted, got = expected(trace.case.script, losses=trace.dialect.losses).text, trace.text
    if wanted == got or not trace.wire.reads:
        return None
    right = next(
        (n for n, (a, b) in enumerate(zip(wanted, got, strict=False)) if a != b),
        min(len(wanted), len(got)),
    )
    told, came_with = 0, len(trace.wire.reads)
    for seen in trace.seen:
        told += len(getattr(seen.chunk, "content", "")) if seen.chunk.type == "content" else 0
        if told > right:
            came_with = seen.reads
            break
    number = min(max(came_with - 1, 0), len(trace.wire.reads) - 1)
    missing = wanted[right : right + 1].encode(errors="replace")
    return number, max(trace.wire.reads[number].find(missing), 0) if missing else 0


def _shown(chunk: Any) -> str:
    try:
        return chunk_to_json(chunk)
    except Exception as error:
        return f"{chunk!r} ({type(error).__name__}: {error})"


def _result(
    rule: Rule,
    backend: str,
    verdict: Verdict,
    reason: str = "",
    failure: Failure | None = None,
    **counts: int,
) -> RuleResult:
    return RuleResult(
        rule=rule.id, backend=backend, verdict=verdict, reason=reason, failure=failure, **counts
    )


def _chosen(ids: Iterable[str] | None) -> list[Rule]:
    rules = all_rules()
    if ids is None:
        return rules
    wanted = list(ids)
    known = {each.id for each in rules}
    unknown = [each for each in wanted if each not in known]
    if unknown:
        near = nearest(unknown[0], known)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise TargetError(
            f"There is no rule {unknown[0]!r}.{meant} `streamkit-conformance list` shows all."
        )
    if not wanted:
        raise TargetError("No rule is chosen: a run that judges nothing proves nothing.")
    return [each for each in rules if each.id in wanted]


def _backends(target: Conformance, wanted: Iterable[Backend] | None) -> list[Backend]:
    chosen = list(target.backends if wanted is None else wanted)
    for each in chosen:
        if each not in BACKENDS:
            raise TargetError(f"There is no backend {each!r}; there are {', '.join(BACKENDS)}.")
    if not chosen:
        raise TargetError("No backend is chosen: a run that judges nothing proves nothing.")
    return chosen


def claims_in_words(claims: Capabilities) -> dict[str, str]:
    """What a subject says it can, by capability: `yes`, `no` or `unknown`."""
    return {each.name: str(getattr(claims, each.name)) for each in fields(Capabilities)}
