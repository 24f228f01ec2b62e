"""Runs every check of the repository and says which failed: what CI runs, all of it.

    .venv/bin/python scripts/checks.py              # all
    .venv/bin/python scripts/checks.py types lint   # some, by name

Each check is a row of `CHECKS`. All of them run, even when one fails, so that one run shows
everything there is to mend.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROVIDERS = sorted(path.parent for path in (ROOT / "providers").glob("*/pyproject.toml"))
TOOLS = Path(sys.executable).parent

# What must be covered to the last branch: below that a hole hides.
FULLY_COVERED = ("streamkit/wire/*", "streamkit/assembly/*", "streamkit/registry/*")

PYTEST = ("pytest", "--cov", "--cov-report=", "--durations=5", "--durations-min=5")


@dataclass(frozen=True, slots=True)
class Check:
    """One command whose exit status is the verdict.

    Attributes:
        name: What to call it on the command line and in the summary.
        command: A tool with its arguments, from the environment that runs this file.
        folder: Where to run it.
    """

    name: str
    command: Sequence[str]
    folder: Path = ROOT


CHECKS = [
    Check("format", ["ruff", "format", "--check", "--quiet", "."]),
    Check("lint", ["ruff", "check", "--quiet", "."]),
    Check("spelling", ["codespell", "."]),
    Check("types", ["mypy", "streamkit", "tests", "benchmarks", "scripts", "conftest.py"]),
    Check("types", ["mypy", "conformance"]),
    *(Check("types", ["mypy", str(path.relative_to(ROOT))]) for path in PROVIDERS),
    Check("imports", ["lint-imports"]),
    Check("dependencies", ["deptry", "streamkit"]),
    Check("dependencies", ["deptry", "streamkit_conformance"], ROOT / "conformance"),
    *(Check("dependencies", ["deptry", f"streamkit_{path.name}"], path) for path in PROVIDERS),
    Check("changelog", ["towncrier", "build", "--draft", "--version", "next"]),
    Check(
        "tests",
        [*PYTEST, "-n", "2", "--dist", "loadfile", "-m", "not integration"],
    ),
    # One after the other: they start servers and real models and say how soon things must happen.
    Check("integration", [*PYTEST, "--cov-append", "-m", "integration"]),
    Check(
        "coverage",
        ["coverage", "report", f"--include={','.join(FULLY_COVERED)}", "--fail-under=100"],
    ),
]


def run(check: Check) -> bool:
    """Runs one check with its output shown, and says whether it passed."""
    print(f"== {check.name}: {' '.join(check.command)}", flush=True)
    started = time.monotonic()
    status = subprocess.run(
        [str(TOOLS / check.command[0]), *check.command[1:]],
        cwd=check.folder,
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode
    verdict = "passed" if status == 0 else f"FAILED with status {status}"
    print(f"-- {check.name} {verdict} after {time.monotonic() - started:.0f} s", flush=True)
    return status == 0


def main(names: Sequence[str]) -> int:
    """Runs the checks with these names, or all of them, and returns the exit status."""
    unknown = set(names) - {check.name for check in CHECKS}
    if unknown:
        print(f"no such check: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    failed = [check for check in CHECKS if (not names or check.name in names) and not run(check)]
    for check in failed:
        print(f"FAILED: {check.name} (in {check.folder.name}: {' '.join(check.command)})")
    if not failed:
        print("All checks passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
