"""Runs the examples in Markdown pages: every block is checked in the way its language says.

python   runs; the blocks of one page share their names, as a reader would expect
console  every line after `$ ` runs in a shell, in an empty folder, without keys; the lines below
         it are what must come out, and a line of three dots stands for anything
sh       commands too large to run here: each must be one that the repository offers, and what it
         installs must be one of its distributions, with extras that there are
toml, json, mermaid, text    must parse, where they have a parser

A block in a language that is not in the table is an error: it would be an example nobody checks.
"""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).resolve().parent.parent
SECONDS_FOR_A_COMMAND = 60


def check_console(example: Example) -> None:
    """Runs the commands of a console block and compares what they print."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL"))
    }
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    for command, expected in console_commands(str(example.parsed)):
        with tempfile.TemporaryDirectory() as folder:
            finished = subprocess.run(
                command,
                shell=True,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SECONDS_FOR_A_COMMAND,
                check=False,
            )
        assert finished.returncode == 0, f"$ {command}\n{finished.stdout}"
        assert matches(expected, finished.stdout), (
            f"$ {command}\nprinted:\n{finished.stdout}\nthe page says:\n{expected}"
        )


def console_commands(block: str) -> Iterable[tuple[str, str]]:
    """Splits a console block into its commands, each with the output shown below it."""
    for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = piece.partition("\n")
        yield command, expected


def matches(expected: str, printed: str) -> bool:
    """Tells whether the output is the one expected, where `...` stands for anything."""
    if not expected.strip():
        return True
    pieces = [re.escape(piece.strip("\n")) for piece in expected.strip().split("...")]
    return re.fullmatch("(?s:.*)".join(pieces), printed.strip()) is not None


def check_repository_command(example: Example) -> None:
    """Checks that every command of a block exists here, without running it."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for line in str(example.parsed).splitlines():
        match shlex.split(line, comments=True):
            case []:
                pass
            case ["make", *names]:
                assert set(names) <= targets, f"the Makefile has no such target: {line}"
            case ["python", "-m", "pip", "install", *arguments]:
                files = [name for name in arguments if name.endswith(".txt")]
                assert all((ROOT / name).is_file() for name in files), line
            case ["pip", "install", *wanted]:
                assert set(filter(is_ours, wanted)) <= installable(), line
            case ["python", "-m", "venv", *_]:
                pass
            case ["git", "clone", *_] | ["cd", *_] | ["cp", "-r", *_] | ["export", _]:
                pass
            case _:
                raise AssertionError(f"a command this test does not know: {line}")


def is_ours(requirement: str) -> bool:
    return requirement.startswith("streamkit")


def installable() -> set[str]:
    """What of ours can be installed by name: the distributions, and the core with any extras."""
    projects = [ROOT / "pyproject.toml", *ROOT.glob("providers/*/pyproject.toml")]
    tables = [tomllib.loads(path.read_text())["project"] for path in projects]
    names = {str(table["name"]) for table in tables}
    extras = tables[0]["optional-dependencies"]
    pairs = [*itertools.combinations(extras, 2), *((each,) for each in extras)]
    return names | {f"streamkit-llm[{','.join(sorted(pair))}]" for pair in pairs}


def check_json(example: Example) -> None:
    json.loads(str(example.parsed))


def check_toml(example: Example) -> None:
    tomllib.loads(str(example.parsed))


def nothing_to_check(example: Example) -> None:
    """For pictures and quoted text."""


CHECKS: dict[str, Callable[[Example], None]] = {
    "console": check_console,
    "json": check_json,
    "mermaid": nothing_to_check,
    "sh": check_repository_command,
    "text": nothing_to_check,
    "toml": check_toml,
}


def parse_other_blocks(document: Document) -> Iterable[Region]:
    """Finds the blocks in every language but Python, and those that name none."""
    for region in RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)\n"))(document):
        language = str(region.lexemes["language"]).strip()
        if language != "python":
            check = CHECKS.get(language, refuse_language(language))
            yield Region(region.start, region.end, str(region.lexemes["source"]), check)


def refuse_language(language: str) -> Callable[[Example], None]:
    def refuse(example: Example) -> None:
        raise AssertionError(f"no check for blocks in {language!r}; known: {', '.join(CHECKS)}")

    return refuse


collect_markdown_examples = Sybil(
    parsers=[PythonCodeBlockParser(), parse_other_blocks, SkipParser()],
    patterns=["*.md"],
    path=str(ROOT),
    excludes=["**/.venv*/**"],
).pytest()
