"""`streamkit completion`, and what the shell is told while someone types.

Completion runs at every press of Tab: it imports neither pydantic nor an HTTP client, and asks no
service. Models are those that `streamkit models` was told of before.
"""

import argparse
import sys
from typing import Any

from streamkit.cli.cache import known_models
from streamkit.cli.terminal import INSTALL_EXTRA
from streamkit.errors import ConfigurationError
from streamkit.registry.discovery import default_registry


def run(options: argparse.Namespace) -> int:
    """Prints the script that makes a shell complete the command.

    Raises:
        ConfigurationError: What completes is not installed.
    """
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError:
        raise ConfigurationError(f"Shell completion comes with: {INSTALL_EXTRA}") from None
    sys.stdout.write(shellcode(["streamkit"], shell=options.shell).strip() + "\n")
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends the process, where what completes is installed."""
    try:
        from argcomplete import autocomplete
    except ImportError:
        return
    autocomplete(parser)


def provider_names(prefix: str = "", **_: Any) -> list[str]:
    """The providers that are installed; imports none of them."""
    return [name for name in default_registry().names() if name.startswith(prefix)]


def model_refs(prefix: str = "", **_: Any) -> list[str]:
    """References to models: providers and aliases first, then the models that are known."""
    provider, slash, _rest = prefix.partition("/")
    names = default_registry().names()
    if slash:
        known = known_models(provider) if provider in names else []
        return [ref for ref in (f"{provider}/{model}" for model in known) if ref.startswith(prefix)]
    words = [*_aliases(), *(f"{name}/" for name in names)]
    found = [word for word in words if word.startswith(prefix)]
    # The only one: go on into it, so that one more Tab shows its models.
    return model_refs(found[0]) or found if len(found) == 1 and found[0].endswith("/") else found


def _aliases() -> list[str]:
    try:
        return sorted(default_registry().config().aliases)
    except ConfigurationError:
        return []
