"""The rules that need no script, against the real service: few requests, short answers.

What the service says is not known before, so only invariants can be judged; the other rules are
not applicable there, and never pass for it.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from streamkit.errors import ConfigurationError, MissingKeyError
from streamkit.model import Model, get_model
from streamkit.plugin import Capabilities
from streamkit.redaction import Redactor
from streamkit_conformance.case import BACKENDS, CANARY, Ask, Backend, Case, Consumer
from streamkit_conformance.cuts import BYTES, WHOLE
from streamkit_conformance.drift import drift
from streamkit_conformance.output import version_of, version_of_distribution
from streamkit_conformance.play import Player
from streamkit_conformance.report.report import Failure, Report, RuleResult
from streamkit_conformance.rules import all_rules
from streamkit_conformance.rules.registry import CURRENT, Rule
from streamkit_conformance.script import Script
from streamkit_conformance.stage import Stage
from streamkit_conformance.subject import Made, model_of, name_of
from streamkit_conformance.target import Conformance, TargetError
from streamkit_conformance.trace import Trace
from streamkit_conformance.transports.recording import Recorder
from streamkit_conformance.verdict import Fail, Irrelevant, Verdict
from streamkit_conformance.wire import Wire

__all__ = ["BUDGET", "check_live"]

#: The most requests that a run may make, unless its author says more.
BUDGET: Final = 8

_ASK: Final = Ask(messages="Say hello in five words.", settings={"max_tokens": 32})
#: What is tried, the most telling first: a budget cuts it off at the end.
_TRIALS: Final[tuple[tuple[Backend, Consumer], ...]] = (
    ("asyncio", Consumer("read_all")),
    ("sync", Consumer("read_all")),
    ("trio", Consumer("read_all")),
    ("asyncio", Consumer("cancel", 1)),
    ("sync", Consumer("break", 1)),
    ("trio", Consumer("cancel", 1)),
    ("asyncio", Consumer("break", 1)),
    ("trio", Consumer("break", 1)),
)
#: Longer than any service takes.
_WAITS: Final = {"connect": 30.0, "first_content": 300.0, "idle": 120.0}


def check_live(target: Conformance, *, budget: int = BUDGET, level: str = "resilience") -> Report:
    """Runs the invariant rules against the target's real service.

    The key and the address come from where users have them: environment and config file.

    Args:
        target: An installed provider, by name.
        budget: The most requests to make.
        level: The level of the report.

    Raises:
        TargetError: The target names no installed provider, or no request is allowed.
    """
    if not isinstance(target.subject, str):
        raise TargetError(
            f"`{name_of(target)}` cannot be tried live: give Conformance the name of an installed "
            "provider, whose key and address are then found as users' are."
        )
    if budget < 1:
        raise TargetError("A live run needs a budget of at least one request.")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    backends = [each for each in BACKENDS if each in target.backends]
    trials = [each for each in _TRIALS if each[0] in backends][:budget]
    try:
        model = _model(target, None)
    except MissingKeyError as error:
        results = _all(Verdict.UNTESTABLE, str(error), backends)
        return _report(target, level, backends, results, started, Capabilities())
    except ConfigurationError as error:
        raise TargetError(str(error)) from error
    player = _LivePlayer(target, model.capabilities)
    traces: list[Trace] = []
    for backend, consumer in trials:
        case = Case(
            name=f"live/{consumer.kind}",
            script=Script(()),
            ask=_ask(target),
            consumer=consumer,
            secret=_key(model) or CANARY,
            timeouts=_WAITS,
            captures=True,
        )
        traces += player.play([case], backend)
    redactor = Redactor([secret for secret in [_key(model)] if secret])
    results = [
        _judged(rule, backend, [each for each in traces if each.backend == backend], redactor)
        for rule in all_rules()
        for backend in backends
    ]
    results += _replayed(target, model.capabilities, traces)
    problems = []
    if player.requests > budget:
        problems.append(f"{player.requests} requests were sent; the budget is {budget}")
    report = _report(target, level, backends, results, started, model.capabilities, tuple(problems))
    return replace(report, notes=_notes(target, traces))


@dataclass
class _LivePlayer(Player):
    """Plays against the real service, and counts what is sent to it."""

    requests: int = 0

    def _surroundings(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _watched(self, trace: Trace) -> AbstractContextManager[None]:
        return nullcontext()

    def _stage(self, case: Case, traces: list[Trace]) -> Stage:
        return _LiveStage(case, traces, self)

    def _subject(self, stage: Stage, backend: Backend, client: Any) -> Made:
        return Made(_model(self.target, client), uses_client=True, is_streamkit=True)


class _LiveStage(Stage):
    """The real service, with everything it sends kept."""

    def __init__(self, case: Case, traces: list[Trace], player: _LivePlayer) -> None:
        super().__init__(case, traces)
        self._player = player
        self._recorder = Recorder()

    def client(self, *, is_async: bool) -> Any:
        self._recorder.client.close()
        self._recorder = Recorder(is_async=is_async)
        return self._recorder.client

    def served_reads(self, number: int) -> int:
        answers = self._recorder.answers
        return len(answers[number].reads) if number < len(answers) else 0

    def finish(self) -> None:
        answers, trace = self._recorder.answers, self.traces[0]
        self._player.requests += len(answers)
        trace.requests = [each.request for each in answers]
        trace.opened = len(answers)
        trace.closed = sum(each.is_closed for each in answers)
        trace.served = self.served_reads(0)
        if answers:
            last = answers[-1]
            trace.wire = Wire(last.status, last.headers, tuple(last.reads), last.ending)


def _ask(target: Conformance) -> Ask:
    return replace(_ASK, model=model_of(target))


def _model(target: Conformance, client: Any) -> Model:
    return get_model(f"{target.subject}/{model_of(target)}", http_client=client)


def _key(model: Model) -> str | None:
    return model.provider.settings.reveal_key()


def _judged(
    rule: Rule, backend: Backend, traces: Sequence[Trace], redactor: Redactor
) -> RuleResult:
    if not rule.is_live or rule.judge is None or rule.id == _REPLAYED:
        reason = "a live answer has no script to judge it by"
        return RuleResult(
            rule=rule.id, backend=backend, verdict=Verdict.NOT_APPLICABLE, reason=reason
        )
    outcomes = [(each, rule.judge(each)) for each in traces]
    relevant = [each for each in outcomes if not isinstance(each[1], Irrelevant)]
    counts: dict[str, Any] = {"judged": len(relevant), "traces": len(outcomes)}
    for trace, outcome in relevant:
        if isinstance(outcome, Fail):
            failure = Failure(
                message=redactor.text(outcome.message),
                case=trace.case.name,
                expected=redactor.text(outcome.expected),
                got=redactor.text(outcome.got),
            )
            return RuleResult(
                rule=rule.id,
                backend=backend,
                verdict=Verdict.FAIL,
                reason=failure.message,
                failure=failure,
                **counts,
            )
    if not relevant:
        reason = "no live answer shows anything about it"
        return RuleResult(
            rule=rule.id,
            backend=backend,
            verdict=Verdict.NOT_APPLICABLE,
            reason=reason,
            **counts,
        )
    return RuleResult(rule=rule.id, backend=backend, verdict=Verdict.PASS, **counts)


#: Shown live by playing a real answer once more, cut otherwise.
_REPLAYED: Final = "SK-FRAME-001"


def _replayed(
    target: Conformance, claims: Capabilities, traces: Sequence[Trace]
) -> list[RuleResult]:
    """Plays the answers that were read to their end once more, in one read and byte by byte."""
    player = Player(target, claims)
    results = []
    for trace in traces:
        if trace.case.consumer.kind != "read_all" or not trace.wire.reads:
            continue
        for cut in (WHOLE, BYTES):
            case = replace(
                trace.case, cut=cut, recorded=trace.wire, secret=CANARY, captures=False, timeouts={}
            )
            (again,) = player.play([case], trace.backend)
            if _said(again) != _said(trace):
                failure = Failure(
                    message="the same bytes, cut otherwise, gave another answer",
                    case=f"{trace.case.name}/{cut.kind}",
                    expected=repr(_said(trace)),
                    got=repr(_said(again)),
                )
                results.append(
                    RuleResult(
                        rule=_REPLAYED,
                        backend=trace.backend,
                        verdict=Verdict.FAIL,
                        reason=failure.message,
                        failure=failure,
                        judged=1,
                        traces=2,
                    )
                )
                break
        else:
            results.append(
                RuleResult(
                    rule=_REPLAYED, backend=trace.backend, verdict=Verdict.PASS, judged=2, traces=2
                )
            )
    return results


def _said(trace: Trace) -> Any:
    """What an answer said, without what differs from stream to stream."""
    calls = [(each.name, each.text, each.is_done) for each in trace.calls]
    usage = None if trace.usage is None else trace.usage.model_dump()
    end = None if trace.end is None else trace.end.finish_reason
    return trace.runs, calls, usage, end


def _all(verdict: Verdict, reason: str, backends: Sequence[Backend]) -> list[RuleResult]:
    return [
        RuleResult(rule=rule.id, backend=backend, verdict=verdict, reason=reason)
        for rule in all_rules()
        if rule.is_live
        for backend in backends
    ]


def _notes(target: Conformance, traces: Sequence[Trace]) -> tuple[str, ...]:
    unknown = drift(target.dialect, (each.wire for each in traces if each.wire.status == 200))
    if not unknown:
        return ()
    note = (
        f"Wire drift: the service sends what the dialect {target.dialect.name} never writes: "
        f"{', '.join(unknown)}."
    )
    return (note,)


def _report(
    target: Conformance,
    level: str,
    backends: Sequence[Backend],
    results: Sequence[RuleResult],
    started: str,
    claims: Capabilities,
    problems: tuple[str, ...] = (),
) -> Report:
    from streamkit_conformance.run import claims_in_words

    replayed = {
        (each.rule, each.backend) for each in results if each.verdict is not Verdict.NOT_APPLICABLE
    }
    kept = [
        each
        for each in results
        if each.verdict is not Verdict.NOT_APPLICABLE or (each.rule, each.backend) not in replayed
    ]
    return Report(
        target=name_of(target),
        subject_version=version_of(target),
        kit_version=version_of_distribution("streamkit-conformance"),
        revision=CURRENT,
        dialect=target.dialect.name,
        backends=tuple(backends),
        transports=("live",),
        effort="live",
        level=level,
        claims=claims_in_words(claims),
        results=tuple(kept),
        started=started,
        problems=problems,
        is_live=True,
    )
