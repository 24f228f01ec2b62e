"""Finds the command that was asked for, runs it, and turns what goes wrong into an exit code.

Exit codes: 0 answered, 1 the stream failed (kind and message on stderr), 2 wrong usage or settings,
130 stopped with Ctrl-C; what had been said is kept.
"""

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from streamkit.cli.parser import NAMES, build_parser
from streamkit.cli.plugin_commands import plugin_commands, run_plugin_command
from streamkit.cli.terminal import complain, for_the_shell, stop_writing
from streamkit.errors import ConfigurationError

EXIT_FAILED, EXIT_USAGE, EXIT_STOPPED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show it all
    words = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stdout is None:  # a shell's `>&-`
        complain("cannot write the answer: standard output is closed")
        return EXIT_FAILED
    try:
        return _run(words)
    except ConfigurationError as error:
        complain(for_the_shell(str(error)))
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_STOPPED
    except BrokenPipeError:
        # The reader of our output went away, such as `head`.
        stop_writing()
        return EXIT_FAILED
    except OSError as error:
        complain(f"cannot write the answer: {error}")
        return EXIT_FAILED


def _run(words: list[str]) -> int:
    if "_ARGCOMPLETE" in os.environ:
        from streamkit.cli.completion import complete

        complete(build_parser(plugin_commands()))
    name = words[0] if words else ""
    if name and not name.startswith("-") and name not in NAMES:
        return run_plugin_command(name, words[1:])
    is_list_wanted = name in {"", "-h", "--help"}
    parser = build_parser(plugin_commands() if is_list_wanted else ())
    options, unknown = parser.parse_known_args(words)
    if unknown:
        # The parser of all commands would show the usage of none.
        options.refuse(f"unrecognized arguments: {' '.join(unknown)}")
    module, _, function = options.run.partition(":")
    code: int = getattr(import_module(module), function)(options)
    return code
