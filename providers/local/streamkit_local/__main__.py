"""`python -m streamkit_local` asks, then fetches the default model into the user's cache."""

import argparse
import sys
from collections.abc import Sequence

from streamkit.errors import ConfigurationError, ProviderError
from streamkit_local.model_file import fetch


def ask(question: str) -> bool:
    """Asks in the terminal; anything but a clear yes, also the end of input, is a no."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def say(line: str) -> None:
    """Prints one line."""
    sys.stdout.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when the model is there."""
    parser = argparse.ArgumentParser(
        prog="python -m streamkit_local",
        description="Fetches the default model of the `local` provider into your cache folder. "
        "It says how large the download is, and asks before it begins.",
    )
    parser.parse_args(arguments)
    try:
        file = fetch(ask, say)
    except (ConfigurationError, ProviderError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    say(f"The model is at {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
