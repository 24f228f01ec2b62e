"""The command: measures the lines it is asked for and prints the table."""

import argparse
import datetime
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import footprint
from benchmarks.contests import Contest, Results, judge, measure, progress
from benchmarks.environments import CORE, INSTALL, OLLAMA, OPENAI, ROOT, ensure
from benchmarks.lines import FOOTPRINT_LINES, contests, subjects
from benchmarks.rows import table
from benchmarks.session import InvalidRun, Session

ROUNDS, QUICK_ROUNDS = 5, 3
CHUNKS, QUICK_CHUNKS = 20_000, 5_000
RESULTS_FILE = ROOT / "benchmarks" / "RESULTS.md"
VERSIONS_OF = (
    "httpx",
    "httpcore",
    "h11",
    "anyio",
    "pydantic",
    "pydantic_core",
    "httpx-sse",
    "ollama",
    "openai",
)
VERSIONS_PROGRAM = """
import importlib.metadata as metadata, sys
for name in sys.argv[1:]:
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        pass
"""


def main(argv: list[str]) -> int:
    """Run the benchmark and return its exit code: 1 when a run was invalid, otherwise 0."""
    arguments = _parse(argv)
    started = time.monotonic()
    results = Results()
    lines = contests(QUICK_CHUNKS if arguments.quick else CHUNKS)
    chosen = arguments.lines or [
        name for name in (*lines, *FOOTPRINT_LINES) if not arguments.quick or _is_quick(name, lines)
    ]
    rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    _measure_contests([lines[name] for name in chosen if name in lines], rounds, results)
    if "import" in chosen:
        footprint.imports(ensure(CORE), rounds, results)
    if "install" in chosen:
        footprint.installation(ensure(INSTALL), results)
    minutes = (time.monotonic() - started) / 60
    report = table(results.rows, results.details)
    sys.stdout.write(report)
    sys.stdout.writelines(f"{fault}\n" for fault in results.faults)
    if arguments.write and not results.faults:
        RESULTS_FILE.write_text(_document(argv, rounds, minutes, report))
        progress(f"wrote {RESULTS_FILE.relative_to(ROOT)}")
    return 1 if results.faults else 0


def _measure_contests(chosen: list[Contest], rounds: int, results: Results) -> None:
    if not chosen:
        return
    known = subjects({name for contest in chosen for name in contest.names()})
    with Session() as session:
        for contest in chosen:
            try:
                outcomes = measure(
                    contest,
                    session,
                    known,
                    min(rounds * contest.rounds_factor, contest.most_rounds),
                )
            except InvalidRun as fault:
                progress(str(fault))
                results.faults.append(f"{contest.title}: {fault}")
            else:
                judge(contest, outcomes, results)


def _is_quick(name: str, lines: dict[str, Contest]) -> bool:
    return name not in lines or lines[name].quick


def _document(argv: list[str], rounds: int, minutes: float, report: str) -> str:
    versions = {line for each in (CORE, OLLAMA, OPENAI) for line in _versions(ensure(each))}
    return (
        "# Results\n\n"
        f"`python -m benchmarks {' '.join(argv)}`, {datetime.date.today():%Y-%m-%d}, "
        f"{rounds} rounds in turns, {minutes:.0f} minutes.\n\n"
        "CPU is user + system time of the client's process. Only the ratios within a round are\n"
        "to be trusted: they are what the first table judges. `goal` and `first` say which of\n"
        "the two limits the median keeps.\n\n"
        f"{report}\n"
        f"Python {platform.python_version()} on {platform.system()}, {os.cpu_count()} cores, "
        f"{_processor()}.\n"
        f"{', '.join(sorted(versions))}.\n"
    )


def _versions(python: Path) -> list[str]:
    command = [str(python), "-c", VERSIONS_PROGRAM, *VERSIONS_OF]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _parse(argv: list[str]) -> argparse.Namespace:
    names = [*contests(CHUNKS), *FOOTPRINT_LINES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--lines", nargs="+", choices=names, help="only these lines of the table")
    parser.add_argument("--rounds", type=int, help=f"rounds of each line (default {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="shorter streams, fewer rounds")
    parser.add_argument("--write", action="store_true", help="store the table in RESULTS.md")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
