"""A terminal for tests: a screen that obeys what programs draw with, and a program that runs on it.

No test sleeps: `expect` waits for what the program writes, and fails after a while.
"""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

LIMIT_S = 30.0

_SEQUENCE = re.compile(r"\033\[([0-9;?]*)([A-Za-z])|\033\][^\007\033]*(?:\007|\033\\)|\033[=>]")

_PROMPT_BEGINS = "\033[?2004h"


class Screen:
    """What a person sees, scrollback included.

    As on a real one, the cursor does not go above the top of the screen: a program that redraws
    more than fits leaves its old lines standing.

    Args:
        height: Lines of the screen.
    """

    def __init__(self, height: int) -> None:
        self._height = height
        self._lines = [""]
        self._row = 0
        self._column = 0

    def feed(self, written: str) -> None:
        """Takes in what a program writes."""
        at = 0
        while at < len(written):
            found = _SEQUENCE.match(written, at)
            if found is not None:
                self._obey(found[1] or "", found[2] or "")
                at = found.end()
                continue
            self._put(written[at])
            at += 1

    def text(self) -> str:
        """All lines, without spaces at their ends and empty lines at the end."""
        return "\n".join(line.rstrip() for line in self._lines).rstrip()

    def _obey(self, argument: str, command: str) -> None:
        number = int(argument) if argument.isdigit() else 1
        match command:
            case "A":
                top = max(0, len(self._lines) - self._height)
                self._row = max(top, self._row - number)
            case "B":
                self._row = min(len(self._lines) - 1, self._row + number)
            case "K" if argument == "2":
                self._lines[self._row] = ""
            case "K":
                self._lines[self._row] = self._lines[self._row][: self._column]
            case "J":
                self._lines[self._row] = self._lines[self._row][: self._column]
                del self._lines[self._row + 1 :]

    def _put(self, character: str) -> None:
        match character:
            case "\r":
                self._column = 0
            case "\n":
                self._row += 1
                self._column = 0
                if self._row == len(self._lines):
                    self._lines.append("")
            case _:
                line = self._lines[self._row].ljust(self._column)
                self._lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
                self._column += 1


class Program:
    """`streamkit`, running on a pseudo-terminal.

    Args:
        arguments: What stands after `streamkit`.
        folder: Where it keeps what it remembers.
        environment: More variables.
        blocked: Modules that it must not find, as if they were not installed.
    """

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        blocked: tuple[str, ...] = (),
    ) -> None:
        hide = "".join(f"sys.modules[{name!r}] = None; " for name in blocked)
        # The terminal becomes the one of its session: so that Ctrl-C is heard.
        take = "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
        code = f"{take}; {hide}from streamkit.cli import main; raise SystemExit(main())"
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**quiet_environment(folder), **(environment or {})},
        )
        os.close(theirs)
        self.shown = ""
        self._seen = 0
        self._prompts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(LIMIT_S)
        os.close(self._ours)

    def expect(self, text: str) -> str:
        """Waits until a text is shown, after what was waited for before; gives what was shown."""
        until = time.monotonic() + LIMIT_S
        while True:
            plain = without_styles(self.shown)
            found = plain.find(text, self._seen)
            if found >= 0:
                before, self._seen = plain[self._seen : found], found + len(text)
                return before
            if not self._read(until - time.monotonic()):
                raise AssertionError(f"{text!r} was not shown, but:\n{plain[self._seen :]}")

    def expect_prompt(self) -> None:
        """Waits until the next message can be typed: the prompt has told the terminal of pastes."""
        until = time.monotonic() + LIMIT_S
        self._prompts += 1
        while self.shown.count(_PROMPT_BEGINS) < self._prompts:
            if not self._read(until - time.monotonic()):
                raise AssertionError(f"No prompt came, but:\n{without_styles(self.shown)}")
        self._seen = len(without_styles(self.shown))

    def send(self, text: str) -> None:
        """Types a text."""
        os.write(self._ours, text.encode())

    def finish(self) -> int:
        """Waits for the end; gives the exit code."""
        until = time.monotonic() + LIMIT_S
        while self._read(until - time.monotonic()):
            pass
        return self._process.wait(LIMIT_S)

    def _read(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, timeout_s))
        if not ready:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += data.decode()
        return bool(data)


def quiet_environment(folder: Path) -> dict[str, str]:
    """The environment without keys, with a terminal that is known, remembering in a folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL", "_HOST", "_CONFIG", "_MODEL"))
    }
    return {
        **kept,
        "COLUMNS": "80",
        "LINES": "24",
        "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }


def without_styles(written: str) -> str:
    """The text without what only draws it."""
    return _SEQUENCE.sub("", written)
