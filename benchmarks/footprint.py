"""What streamkit weighs before it streams: its import and its installation."""

import json
import subprocess
from pathlib import Path

from benchmarks.contests import Results, progress
from benchmarks.environments import ROOT, process_environment
from benchmarks.rows import Detail, Row, Target, judged, spread

IMPORTS = {
    "pydantic": "from pydantic import BaseModel",
    "streamkit": "import streamkit",
    "StreamChunk": "import streamkit; streamkit.StreamChunk",
}
IMPORT_PROGRAM = """
import json, sys, time
before = time.process_time()
{statement}
spent = (time.process_time() - before) * 1000
print(json.dumps({{"ms": spent, "loaded": [n for n in ("httpx", "pydantic") if n in sys.modules]}}))
"""
FEWEST_IMPORT_ROUNDS = 10
CHUNK_TARGET = Target(first=60, goal=30)
DISTRIBUTIONS_TARGET = Target(first=13, goal=13)
MEGABYTES_TARGET = Target(first=12, goal=12)
# What `python -m venv` puts there by itself.
NOT_OURS = ("pip", "setuptools")


def imports(python: Path, rounds: int, results: Results) -> None:
    """Time the imports in turns, each in a fresh interpreter."""
    spent: dict[str, list[float]] = {name: [] for name in IMPORTS}
    loaded: set[str] = set()
    for _ in range(max(rounds, FEWEST_IMPORT_ROUNDS)):
        for name, statement in IMPORTS.items():
            milliseconds, modules = _import(python, statement)
            spent[name].append(milliseconds)
            if name == "streamkit":
                loaded.update(modules)
    results.rows.append(
        Row(
            "import streamkit loads",
            "neither pydantic nor httpx",
            "the same",
            " and ".join(sorted(loaded)) or "neither",
            "missed" if loaded else "goal",
        )
    )
    pairs = zip(spent["StreamChunk"], spent["pydantic"], strict=True)
    more = [ours - theirs for ours, theirs in pairs]
    title = "streamkit.StreamChunk, more than pydantic's BaseModel"
    results.rows.append(judged(title, CHUNK_TARGET, more, " ms", digits=0))
    for name, figures in spent.items():
        results.details.append(Detail("import", IMPORTS[name], spread(figures, 0) + " ms"))
    progress("imports: done")


def installation(python: Path, results: Results) -> None:
    """Count and weigh what installing the core brought, without pip and compiled files."""
    site = next(python.parent.parent.glob("lib/python3*/site-packages"))
    distributions = [path for path in site.glob("*.dist-info") if not _is_not_ours(path)]
    size = sum(
        path.stat().st_size
        for path in site.rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and not _is_not_ours(site / path.parts[len(site.parts)])
    )
    count = float(len(distributions))
    results.rows.append(
        judged("core install, distributions", DISTRIBUTIONS_TARGET, [count], digits=0)
    )
    results.rows.append(
        judged("core install, size", MEGABYTES_TARGET, [size / 1e6], " MB", digits=1)
    )
    progress("installation: done")


def _is_not_ours(path: Path) -> bool:
    return path.name.split("-")[0] in (*NOT_OURS, "_distutils_hack", "distutils")


def _import(python: Path, statement: str) -> tuple[float, list[str]]:
    process = subprocess.run(
        [str(python), "-c", IMPORT_PROGRAM.format(statement=statement)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env=process_environment(),
    )
    found = json.loads(process.stdout)
    return found["ms"], found["loaded"]
