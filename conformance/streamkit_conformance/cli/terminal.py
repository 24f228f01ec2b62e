"""What every command writes with, and the exit codes."""

import sys
from typing import Final

from streamkit_conformance.report.visible import readable

__all__ = ["EXIT_FAILED", "EXIT_STOPPED", "EXIT_USAGE", "complain", "note", "say"]

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_STOPPED: Final = 130


def say(text: str = "") -> None:
    """Writes a line of the answer on standard output, at once."""
    print(text, flush=True)


def note(text: str) -> None:
    """Writes a line beside the answer, on standard error."""
    print(readable(text), file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Says what is wrong."""
    note(f"streamkit-conformance: {text}")
