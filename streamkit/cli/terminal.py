"""What every command writes with: text that cannot steer the terminal it is shown on.

What a model or a service says is text. Its control characters never reach a terminal: they could
move the cursor, rename the window or worse. A pipe gets the bytes as they are.
"""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final, TextIO

try:
    import termios
except ImportError:  # Windows, where nothing is typed into an answer
    termios = None  # type: ignore[assignment]

INSTALL_EXTRA: Final = 'pip install "streamkit-llm[cli]"'

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_QUOTED: Final = re.compile("`[^`\n]*`")
# A character that no text holds: of Unicode's private ones.
_JOINT: Final = "\ue000"
_DIM, _PLAIN = "\033[2m", "\033[0m"


def printable(text: str) -> str:
    """The text without the characters that a terminal would obey; tabs and line ends stay."""
    return _CONTROL.sub("", text)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is at the other end."""
    return stream is not None and not stream.closed and stream.isatty()


def is_rich_terminal(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal that can redraw, and what draws on it is installed."""
    can_redraw = is_terminal(stream) and os.environ.get("TERM", "") not in {"dumb", "unknown"}
    return can_redraw and find_spec("rich") is not None


def write(to: TextIO, text: str, *, dim: bool = False) -> None:
    """Writes a text at once; on a terminal without control characters, and dimmed if asked for."""
    if is_terminal(to):
        text = printable(text)
        if dim and text and os.environ.get("TERM", "") != "dumb":
            text = f"{_DIM}{text}{_PLAIN}"
    print(text, end="", file=to, flush=True)


@contextmanager
def keys_kept_quiet() -> Iterator[None]:
    """While an answer is drawn, what is typed is not shown between its lines: it waits its turn."""
    if not is_terminal(sys.stdin) or not is_terminal(sys.stdout) or termios is None:
        yield
        return
    keyboard = sys.stdin.fileno()
    usual = termios.tcgetattr(keyboard)
    quiet = [*usual]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(keyboard, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, usual)


def note(text: str) -> None:
    """Writes a line beside the answer: on standard error, dimmed."""
    write(sys.stderr, f"{folded(text, sys.stderr)}\n", dim=True)


def complain(text: str) -> None:
    """Writes what is wrong on standard error."""
    write(sys.stderr, f"{folded(f'streamkit: {text}', sys.stderr)}\n")


def folded(text: str, to: TextIO | None, indent: int = 0) -> str:
    """A text as a terminal can show it without breaking a word; for a pipe as it is.

    What stands between backticks stays in one piece: it is to be copied.

    Args:
        text: The text; its own line ends stay.
        to: Where it will be written.
        indent: Columns that stand before the text, and before each line that follows.
    """
    width = shutil.get_terminal_size().columns
    if not is_terminal(to) or width <= indent + 20:
        return text
    together = _QUOTED.sub(lambda match: match[0].replace(" ", _JOINT), text)
    lines = [
        folded_line
        for line in together.split("\n")
        for folded_line in textwrap.wrap(
            line,
            width - indent,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            replace_whitespace=False,
        )
        or [""]
    ]
    return f"\n{' ' * indent}".join(lines).replace(_JOINT, " ")


def stop_writing() -> None:
    """Gives up standard output, whose reader went away: Python would complain of it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def one_line(text: str, limit: int = 200) -> str:
    """A text as one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


# What a message for programs calls an argument, and where a shell gives it instead.
_ARGUMENTS: Final = {
    "api_key": "put the key into the config file",
    "base_url": "pass --base-url",
}
_ARGUMENT: Final = re.compile(r"\b([Pp])ass (\w+)=…")


def for_the_shell(message: str) -> str:
    """A message of the library with its arguments called as the command line calls them."""

    def renamed(match: re.Match[str]) -> str:
        words = _ARGUMENTS.get(match[2], f"pass -o {match[2]}=…")
        return words if match[1] == "p" else f"{words[0].upper()}{words[1:]}"

    return _ARGUMENT.sub(renamed, message)
