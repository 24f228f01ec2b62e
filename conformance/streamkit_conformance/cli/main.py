"""Finds the command that was asked for, runs it, and turns what goes wrong into an exit code.

Exit codes: 0 green, 1 red, 2 wrong use: no such rule, no target, nothing that a filter matches, a
file that is no recording, a dialect that cannot say what it must; 130 stopped with Ctrl-C.
"""

from collections.abc import Sequence
from importlib import import_module

from streamkit.cli.terminal import stop_writing
from streamkit.errors import ConfigurationError
from streamkit_conformance.cli.parser import build_parser
from streamkit_conformance.cli.terminal import EXIT_FAILED, EXIT_STOPPED, EXIT_USAGE, complain

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = build_parser().parse_args(arguments)
    try:
        return _run(options.run, options)
    except KeyboardInterrupt:
        return EXIT_STOPPED
    except BrokenPipeError:
        stop_writing()  # the reader of our output went away, such as `head`
        return EXIT_FAILED


def _run(run: str, options: object) -> int:
    # What the commands raise is defined beside what they need, which takes long to import.
    from streamkit_conformance.record import RecordError
    from streamkit_conformance.skwire import SkwireError
    from streamkit_conformance.target import TargetError

    module, _, function = run.partition(":")
    try:
        code: int = getattr(import_module(module), function)(options)
    except (ConfigurationError, SkwireError, TargetError) as error:
        complain(str(error))
        return EXIT_USAGE
    except (RecordError, OSError) as error:
        complain(str(error))
        return EXIT_FAILED
    return code
