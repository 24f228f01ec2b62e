"""Shell completion: the scripts, and the answers, which must come fast and ask nobody."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import openai_models_kept, streamkit
from tests.cli.terminal import quiet_environment

HEAVY = {"pydantic", "httpx", "rich", "prompt_toolkit", "streamkit_openai"}

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_gets_its_script(shell: str, tmp_path: Path) -> None:
    done = streamkit("completion", shell, folder=tmp_path)
    assert done.returncode == 0
    assert "streamkit" in done.stdout
    assert "_ARGCOMPLETE" in done.stdout


def completed(line: str, folder: Path) -> tuple[list[str], set[str]]:
    """What the shell is offered for a line, and the modules that it took."""
    answer = folder / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "streamkit"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**quiet_environment(folder), **asked},
    )
    return [word.strip() for word in answer.read_text().split("\n")], modules_of(done.stderr)


def modules_of(told: str) -> set[str]:
    """The modules that `-X importtime` tells of."""
    return {line.rpartition("|")[2].strip() for line in told.splitlines()}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("streamkit do", "doctor"),
        ("streamkit chat --sch", "--schema"),
        ("streamkit chat -m ec", "echo/"),
        ("streamkit chat -m openai/gpt-l", "openai/gpt-large"),
        ("streamkit models openai/", "openai/gpt-small"),
        ("streamkit doctor mo", "moonshot"),
        ("streamkit completion z", "zsh"),
    ],
)
def test_words_are_completed_without_anything_heavy(
    line: str, offered: str, tmp_path: Path
) -> None:
    openai_models_kept(tmp_path, "gpt-large", "gpt-small")
    found, imported = completed(line, tmp_path)
    assert offered in found
    assert "streamkit.cli.parser" in imported
    assert not imported & HEAVY


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    done = streamkit("chat", "--help", folder=tmp_path, python=("-X", "importtime"))
    imported = modules_of(done.stderr)
    assert "streamkit.cli.parser" in imported
    assert not imported & HEAVY
