"""Runs `streamkit` as a process of its own, with plug-ins that exist for one test."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cli.terminal import quiet_environment

CANARY = "sk-canary-0123456789abcdef"


def streamkit(
    *words: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    given: str = "",
    python: tuple[str, ...] = (),
) -> "subprocess.CompletedProcess[str]":
    """Runs the command; plug-ins of `install()` in the same folder are found."""
    return subprocess.run(
        [sys.executable, *python, "-m", "streamkit", *words],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **quiet_environment(folder),
            "PYTHONPATH": str(folder / "site"),
            **(environment or {}),
        },
    )


def install(folder: Path, name: str, source: str, *, group: str = "streamkit.providers") -> None:
    """Puts a plug-in of one module into the folder, as an installer would."""
    site = folder / "site"
    module = f"plugin_{name}"
    facts = site / f"streamkit_{name}-1.2.dist-info"
    facts.mkdir(parents=True)
    (site / f"{module}.py").write_text(source)
    (facts / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: streamkit-{name}\nVersion: 1.2\n"
    )
    (facts / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")


def openai_models_kept(folder: Path, *names: str) -> None:
    """Keeps models of `openai`, as `streamkit models` does after it asked."""
    kept = folder / "cache" / "streamkit" / "models"
    kept.mkdir(parents=True)
    record = {"version": 1, "fetched_at": 0, "models": [{"id": name} for name in names]}
    (kept / "openai-0123456789ab.json").write_text(json.dumps(record))
