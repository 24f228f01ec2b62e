"""Rows of the result table, and the arithmetic that fills them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure has to reach: smaller is better, and both limits are inclusive."""

    first: float
    goal: float

    def verdict(self, figure: float) -> str:
        """Return the best of the two limits that the figure keeps."""
        if figure <= self.goal:
            return "goal"
        return "first" if figure <= self.first else "missed"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result table, as it is printed."""

    line: str
    first: str
    goal: str
    measured: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Detail:
    """What one subject took by itself: for reading, not for judging."""

    line: str
    subject: str
    measured: str


def spread(figures: list[float], digits: int = 2) -> str:
    """Write a median with its extremes; a single figure stands alone."""
    if len(figures) == 1:
        return f"{figures[0]:.{digits}f}"
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def judged(line: str, target: Target, figures: list[float], unit: str = "", digits: int = 2) -> Row:
    """Make a row whose median is held against its target."""
    return Row(
        line,
        f"<= {target.first:g}{unit}",
        f"<= {target.goal:g}{unit}",
        spread(figures, digits) + unit,
        target.verdict(statistics.median(figures)),
    )


def table(rows: list[Row], details: list[Detail]) -> str:
    """Write the tables in Markdown."""
    judged_rows = [(row.line, row.first, row.goal, row.measured, row.verdict) for row in rows]
    text = _markdown(
        ("line", "first", "goal", "measured: median (min-max)", "verdict"), judged_rows
    )
    if details:
        detail_rows = [(detail.line, detail.subject, detail.measured) for detail in details]
        text += "\n" + _markdown(("line", "subject", "by itself: median (min-max)"), detail_rows)
    return text


def _markdown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |\n"
        for line in lines
    )
