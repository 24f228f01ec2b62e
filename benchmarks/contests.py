"""Contests: subjects measured in turns, A B C, A B C, and compared round by round."""

import statistics
import sys
from dataclasses import dataclass, field

from benchmarks.rows import Detail, Row, Target, judged, spread
from benchmarks.session import Outcome, Session, Subject, Task


@dataclass(frozen=True, slots=True)
class Contest:
    """One line of the design's table.

    Attributes:
        title: What the table calls the line.
        task: What every subject does.
        contender: The subject that is judged.
        baseline: The subject it is compared with in the same round.
        target: What the ratio (or the figure, with `absolute`) has to reach.
        figure: The measurement that is compared; `cpu_s` counts per content chunk.
        beside: Further subjects of the same rounds, shown by themselves.
        absolute: Judge the contender's own figure; the baseline is only shown.
        reuses_connection: Also judge that the contender used one connection for all requests.
        most_rounds: The most rounds that are run, where each takes minutes.
        rounds_factor: How many times the usual rounds are run, where one is short and wall time
            scatters.
        quick: Whether a quick run includes the line.
    """

    title: str
    task: Task
    contender: str
    baseline: str
    target: Target
    figure: str = "cpu_s"
    beside: tuple[str, ...] = ()
    absolute: bool = False
    reuses_connection: bool = False
    most_rounds: int = 100
    rounds_factor: int = 1
    quick: bool = True

    def has_own_rounds(self) -> bool:
        """Whether this line is run in other rounds than the command says."""
        return self.most_rounds < 100 or self.rounds_factor > 1

    def names(self) -> tuple[str, ...]:
        """Return the subjects in the order of their turns."""
        return (self.baseline, self.contender, *self.beside)


@dataclass(slots=True)
class Results:
    """Rows for the table, details to read beside them, and the runs that do not count."""

    rows: list[Row] = field(default_factory=list)
    details: list[Detail] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def progress(words: str) -> None:
    """Say on standard error what has just been done."""
    sys.stderr.write(f"benchmarks: {words}\n")
    sys.stderr.flush()


def measure(
    contest: Contest, session: Session, subjects: dict[str, Subject], rounds: int
) -> dict[str, list[Outcome]]:
    """Run the rounds of a contest and return each subject's outcomes in their order.

    Raises:
        InvalidRun: A subject did not receive what was sent to it.
    """
    outcomes: dict[str, list[Outcome]] = {name: [] for name in contest.names()}
    for number in range(1, rounds + 1):
        for name in outcomes:
            outcome = session.run(subjects[name], contest.task)
            outcomes[name].append(outcome)
            shown = _figure(contest, outcome)
            progress(f"{contest.title}: round {number}/{rounds}: {name} {shown:.2f}{unit(contest)}")
    return outcomes


def judge(contest: Contest, outcomes: dict[str, list[Outcome]], results: Results) -> None:
    """Add the rows and details that a contest's outcomes make."""
    figures = {
        name: [_figure(contest, outcome) for outcome in found] for name, found in outcomes.items()
    }
    contender, baseline = figures[contest.contender], figures[contest.baseline]
    rounds = len(contender)
    title = contest.title + (f" ({rounds} rounds)" if contest.has_own_rounds() else "")
    if contest.absolute:
        results.rows.append(judged(title, contest.target, contender, unit(contest)))
    else:
        ratios = [ours / theirs for ours, theirs in zip(contender, baseline, strict=True)]
        results.rows.append(judged(title, contest.target, ratios, f" x {contest.baseline}"))
    if contest.reuses_connection:
        most = max(outcome.connections for outcome in outcomes[contest.contender])
        verdict = "goal" if most == 1 else "missed"
        asked = f"1 for {contest.task.count} requests"
        results.rows.append(
            Row("connections after the terminator", asked, asked, str(most), verdict)
        )
    for name, own in figures.items():
        results.details.append(Detail(contest.title, name, spread(own) + unit(contest)))
    middles = {name: statistics.median(own) for name, own in figures.items()}
    progress(f"{contest.title}: " + ", ".join(f"{n} {m:.2f}" for n, m in middles.items()))


def unit(contest: Contest) -> str:
    """Return the unit of a contest's figure, with the space before it."""
    return {
        "cpu_s": " us/chunk",
        "latency_us": " us",
        "first_content_us": " us",
        "kilobytes_per_stream": " KB",
        "bytes_per_text_byte": " B",
        "cold_ms": " ms",
    }[contest.figure]


def _figure(contest: Contest, outcome: Outcome) -> float:
    figure = outcome.figures[contest.figure]
    return figure / contest.task.chunks() * 1e6 if contest.figure == "cpu_s" else figure
