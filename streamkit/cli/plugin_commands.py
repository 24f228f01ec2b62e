"""Commands that plug-ins add: listed without importing them, and run each on its own."""

import traceback
from collections.abc import Iterable
from importlib import import_module

from streamkit.cli.parser import NAMES
from streamkit.cli.terminal import complain
from streamkit.errors import ConfigurationError
from streamkit.plugin import Command
from streamkit.registry.discovery import default_registry
from streamkit.words import nearest

EXIT_FAILED = 1


def plugin_commands() -> list[Command]:
    """The commands of plug-ins; none takes the name of one of streamkit's own."""
    return [each for each in default_registry().commands() if each.name not in NAMES]


def run_plugin_command(name: str, words: list[str]) -> int:
    """Runs a plug-in's command and returns its exit code.

    Raises:
        ConfigurationError: There is no such command, or it cannot be loaded.
    """
    commands = {each.name: each for each in plugin_commands()}
    command = commands.get(name)
    if command is None:
        raise ConfigurationError(_unknown(name, commands))
    module, _, function = command.run.partition(":")
    try:
        run = getattr(import_module(module), function)
    except Exception as error:
        raise ConfigurationError(
            f"The command `{name}` of a plug-in cannot be loaded: {type(error).__name__}: {error}. "
            "`streamkit doctor` shows what is installed."
        ) from error
    try:
        code = run(words)
    except (ConfigurationError, BrokenPipeError):
        raise
    except Exception as error:
        traceback.print_exception(error)
        complain(f"the plug-in's command `{name}` failed: {type(error).__name__}: {error}")
        return EXIT_FAILED
    return code if isinstance(code, int) else 0


def _unknown(name: str, commands: Iterable[str]) -> str:
    known = [*NAMES, *commands]
    near = nearest(name, known)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"There is no command `{name}`.{hint} There are: {', '.join(known)}."
