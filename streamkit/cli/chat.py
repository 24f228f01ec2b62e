"""`streamkit chat`: one question, or a conversation when none is given on a terminal."""

import argparse
import json
import os
import select
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from streamkit.assembly.response import Response
from streamkit.cli.answer import read_answer
from streamkit.cli.failures import explain
from streamkit.cli.images import read_image
from streamkit.cli.parser import DEFAULT_MODEL
from streamkit.cli.terminal import (
    is_rich_terminal,
    is_terminal,
    keys_kept_quiet,
    note,
    stop_writing,
)
from streamkit.cli.views import JSONView, PlainView, View
from streamkit.errors import ConfigurationError
from streamkit.messages import ImagePart, Message
from streamkit.model import Model, get_model
from streamkit.registry.discovery import default_registry
from streamkit.request import RequestSettings

EXIT_ANSWERED, EXIT_FAILED, EXIT_STOPPED = 0, 1, 130

# Parameters of `get_model` that are no option of a provider. A key does not belong on a command
# line: others on the machine see it there, and the shell remembers it.
_NO_OPTIONS: Final = frozenset(
    {"api_key", "base_url", "defaults", "http_client", "network", "ref", "timeouts"}
)

_USUAL_ALIAS: Final = "default"


@dataclass(slots=True)
class Chat:
    """What is asked of whom, and how it is shown.

    Attributes:
        ref: The model's reference.
        system: The system message.
        settings: Settings of each request.
        base_url: The service's address, where it is not the usual one.
        options: The provider's own settings.
        as_json: Show chunks as JSON.
        plain: Show the text without Markdown, also on a terminal.
        is_verbose: Show all that is known of a failure.
    """

    ref: str
    system: str | None = None
    settings: RequestSettings = field(default_factory=RequestSettings)
    base_url: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    as_json: bool = False
    plain: bool = False
    is_verbose: bool = False

    def model(self) -> Model:
        """Makes the model.

        Raises:
            ConfigurationError: It cannot be made.
        """
        return get_model(self.ref, base_url=self.base_url, **self.options)

    def ask(self, model: Model, messages: list[Message]) -> tuple[Response, bool]:
        """Asks, shows the answer and what went wrong; says whether Ctrl-C stopped it."""
        stream = model.stream(messages, system=self.system, **self.settings)
        view = self._view()
        was_stopped = False
        with keys_kept_quiet():
            try:
                was_stopped = read_answer(stream, view.show)
            finally:
                self._close(view, was_stopped=was_stopped)
        response = stream.response
        if response.error is not None and not was_stopped:
            explain(response.error, model.ref, is_verbose=self.is_verbose)
        return response, was_stopped

    def _close(self, view: View, *, was_stopped: bool) -> None:
        try:
            view.close()
        except BrokenPipeError:
            # Ctrl-C reaches every program of a pipe: whoever read ours may be gone before us.
            if not was_stopped:
                raise
            stop_writing()

    def _view(self) -> View:
        if self.as_json:
            return JSONView()
        if self.plain or "output_schema" in self.settings or not is_rich_terminal(sys.stdout):
            return PlainView()
        from streamkit.cli.live import LiveView, Terminal

        return LiveView(Terminal(sys.stdout))


def run(options: argparse.Namespace) -> int:
    """Runs the command."""
    chat = Chat(
        ref=_usual_model() if options.model is None else checked_ref(options.model),
        system=options.system,
        settings=_settings(options),
        base_url=options.base_url,
        options=_options(options.option),
        as_json=options.json,
        plain=options.plain,
        is_verbose=options.verbose,
    )
    images = [read_image(each) for each in options.image]
    if not options.prompt and is_terminal(sys.stdin) and not options.json:
        from streamkit.cli.interactive import converse

        return converse(chat, images, keep_history=not options.no_history)
    return _ask_once(chat, _prompt(options.prompt), images)


def _usual_model() -> str:
    """The model to ask where none is named: the user's own choice, if the config file has one."""
    return default_registry().config().aliases.get(_USUAL_ALIAS, DEFAULT_MODEL)


def checked_ref(ref: str) -> str:
    """A model's reference as it was given.

    Raises:
        ConfigurationError: It names a provider alone; the message names its usual model.
    """
    registry = default_registry()
    if ref not in registry.names() or ref in registry.config().aliases:
        return ref
    usual = registry.describe(ref).default_model
    if usual is None:
        return ref  # what reads references says the rest
    raise ConfigurationError(
        f"`{ref}` is a provider. Name a model of it as well, such as {ref}/{usual}."
    )


def _ask_once(chat: Chat, prompt: str, images: list[ImagePart]) -> int:
    if not prompt.strip() and not images:
        raise ConfigurationError("The message is empty.")
    message = Message.user(*([prompt] if prompt.strip() else []), *images)
    response, was_stopped = chat.ask(chat.model(), [message])
    if was_stopped:
        return EXIT_STOPPED
    return EXIT_ANSWERED if response.error is None else EXIT_FAILED


def _prompt(words: list[str]) -> str:
    """The question: the words, and standard input where `-` stands or nothing does."""
    if words.count("-") > 1:
        raise ConfigurationError("A - stands for all of standard input: write it once.")
    if not words or "-" in words:
        if sys.stdin is None:
            raise ConfigurationError("The prompt is to come from standard input, which is closed.")
        if is_terminal(sys.stdin):
            note("[The prompt is read from this terminal; Ctrl-D on a line of its own ends it.]")
        piped = sys.stdin.read()
        if words in ([], ["-"]):
            return piped
        at = words.index("-")
        pieces = [" ".join(words[:at]), piped.rstrip("\n"), " ".join(words[at + 1 :])]
        return "\n\n".join(piece for piece in pieces if piece)
    if _has_unread_input():
        note("[Standard input is not read; put - after the prompt to send it too.]")
    return " ".join(words)


def _has_unread_input() -> bool:
    """Whether someone at a terminal piped something that they may think we read.

    Reading it unasked would wait for ever where a script holds the pipe open, and would eat the
    input of a loop in a shell.
    """
    if sys.stdin is None or not is_terminal(sys.stderr):
        return False
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
        return is_pipe and bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):
        return False


def _settings(options: argparse.Namespace) -> RequestSettings:
    settings = {
        "max_tokens": options.max_tokens,
        "temperature": options.temperature,
        "output_schema": None if options.schema is None else _schema(options.schema),
    }
    given = {name: value for name, value in settings.items() if value is not None}
    return cast("RequestSettings", given)


def _schema(given: str) -> dict[str, Any]:
    """A JSON schema, written out or in a file."""
    text, place = given, "--schema"
    if not _is_json(given) and not given.lstrip().startswith(("{", "[")):
        place = f"The schema file {given}"
        try:
            text = Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{place} cannot be read: {error}.") from None
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{place} is no JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise ConfigurationError(f"{place} must be a JSON object, a JSON schema.")
    return schema


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _options(given: list[str]) -> dict[str, Any]:
    """The provider's own settings; a value is JSON where it can be read so, else text."""
    options: dict[str, Any] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigurationError("Write a provider's option as --option name=value.")
        if name in _NO_OPTIONS:
            raise ConfigurationError(
                f"`{name}` is no option of a provider. An address goes into --base-url; a key goes "
                "into the environment or the config file, never onto a command line."
            )
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    return options
