"""Reads the files and the commands that a page of the documentation tells its reader to write.

A block is a file's content when the line above it ends with the file's name, as in "put this into
`pyproject.toml`:". So the page that people read is the package that is tested.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

_BLOCK: Final = re.compile(
    r"(?P<above>[^\n]*)\n\n```(?P<language>\w*)\n(?P<source>.*?)^```", re.S | re.M
)
_FENCE: Final = re.compile(r"^```", re.M)
_NAME: Final = re.compile(r"`(?P<path>[\w./-]+\.(?:py|toml))`:$")


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page.

    Attributes:
        language: What the page calls its language.
        source: What stands in it.
        path: The file that it is, or `None`.
        above: The line above it.
    """

    language: str
    source: str
    path: str | None
    above: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order: all of them, or it fails."""
    text = page.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    assert len(_FENCE.findall(text)) == 2 * len(found), "a block without a blank line above it"
    for match in found:
        name = _NAME.search(match["above"])
        path = None if name is None else name["path"]
        yield Block(match["language"], match["source"], path, match["above"])


def files(page: Path, under: str = "") -> dict[str, str]:
    """The files of a page by their paths; with `under`, those of one folder, by the rest."""
    found = {block.path: block.source for block in blocks(page) if block.path is not None}
    return {
        path.removeprefix(under): source for path, source in found.items() if path.startswith(under)
    }


def write(files: dict[str, str], folder: Path) -> Path:
    """Writes files into a folder, which is made, and returns it."""
    for path, source in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(source, encoding="utf-8")
    return folder


def written_lines(source: str) -> int:
    """How many lines are not blank."""
    return sum(1 for line in source.splitlines() if line.strip())
