"""Reads what the user types: with prompt_toolkit where it is installed, else with `input()`.

Enter sends. Alt+Enter, or a backslash at the end of a line, begins a new line; a pasted text keeps
its lines. What was typed is kept in a file that its owner alone may read.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from streamkit.cli.completion import model_refs
from streamkit.cli.terminal import is_terminal
from streamkit.config_file import cache_folder

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

#: Reads one message; raises `EOFError` at Ctrl-D and `KeyboardInterrupt` at Ctrl-C.
Reader: TypeAlias = Callable[[], str]

_PROMPT: Final = "> "
_MORE: Final = "· "


def make_reader(*, keep_history: bool, commands: Sequence[str]) -> Reader:
    """The best reader that this terminal and this installation allow."""
    is_dumb = os.environ.get("TERM", "") in {"dumb", "unknown"}
    if find_spec("prompt_toolkit") is None or is_dumb or not is_terminal(sys.stdout):
        return _read_plainly
    return _toolkit_reader(_history_file() if keep_history else None, commands)


def _read_plainly() -> str:
    """Reads with `input()`."""
    try:
        lines = [input(_PROMPT)]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(input(_MORE))
    except EOFError:
        # Ctrl-D leaves the cursor behind the prompt, where the shell's own would go on.
        print()
        raise
    return "\n".join(lines)


def _history_file() -> Path | None:
    """The file of what was typed before, which its owner alone may read; `None` if it cannot be."""
    path = cache_folder() / "chat-history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError:
        return None
    return path


def _toolkit_reader(history_file: Path | None, commands: Sequence[str]) -> Reader:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    class Commands(Completer):
        """Completes the commands, and models after `/model`."""

        def get_completions(
            self, document: "Document", complete_event: "CompleteEvent"
        ) -> Iterable["Completion"]:
            text = document.text_before_cursor
            begin, space, word = text.partition(" ")
            known = commands if not space else model_refs(word) if begin == "/model" else ()
            typed = word if space else begin
            if text.startswith("/"):
                for each in known:
                    if each.startswith(typed):
                        yield Completion(each, start_position=-len(typed))

    history: History = FileHistory(str(history_file)) if history_file else InMemoryHistory()
    session: PromptSession[str] = PromptSession(
        history=history,
        multiline=True,
        key_bindings=_key_bindings(),
        completer=Commands(),
        complete_while_typing=False,
        prompt_continuation=_MORE,
        enable_open_in_editor=False,
    )
    return lambda: session.prompt(_PROMPT)


def _key_bindings() -> "KeyBindings":
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    @bindings.add("enter")
    def send(event: "KeyPressEvent") -> None:
        buffer = event.current_buffer
        is_at_end = buffer.document.is_cursor_at_the_end
        if is_at_end and buffer.text.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    @bindings.add("c-j")
    def new_line(event: "KeyPressEvent") -> None:
        event.current_buffer.insert_text("\n")

    return bindings
