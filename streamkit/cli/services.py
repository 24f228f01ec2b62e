"""Asks several services at once, and tells what goes on to whoever watches a terminal."""

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from streamkit.cli.terminal import for_the_shell, is_rich_terminal, one_line
from streamkit.errors import ConfigurationError, MissingKeyError
from streamkit.making import make_provider
from streamkit.plugin import Capabilities, Capability
from streamkit.provider import AnyProvider
from streamkit.registry.discovery import default_registry
from streamkit.settings import Timeouts

AnswerT = TypeVar("AnswerT")

#: How long a question waits whose answer is worth little: someone is looking at the screen.
SHORT_TIMEOUTS: Final = Timeouts(connect=5.0, first_content=15.0, total=20.0)

_AT_ONCE: Final = 8


def provider_of(name: str) -> AnyProvider:
    """A provider with its settings.

    Raises:
        ConfigurationError: It is not installed, broken or not set up; the message says which.
    """
    registry = default_registry()
    return make_provider(registry.describe(name), lambda: registry.load(name))


def checked_names(names: Sequence[str]) -> list[str]:
    """The providers that were named, or all of them.

    Raises:
        ConfigurationError: One is not installed.
    """
    registry = default_registry()
    for name in names:
        if name not in registry.names():
            registry.describe(name)  # raises, and says what there is
    return list(dict.fromkeys(names)) or registry.names()


def ask_all(names: Sequence[str], ask: Callable[[str], AnswerT], doing: str) -> list[AnswerT]:
    """Asks about each provider, several at once; the answers stand in the order of the names.

    Args:
        names: The providers.
        ask: Asks about one; it must not raise.
        doing: What is done, for the line that is shown meanwhile.
    """
    progress = _Progress(doing, names)

    def asked(name: str) -> AnswerT:
        try:
            return ask(name)
        finally:
            progress.done(name)

    progress.show()
    try:
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            return list(pool.map(asked, names))
    finally:
        progress.clear()


class _Progress:
    """One line on standard error that names whom we wait for; nothing where no one watches."""

    def __init__(self, doing: str, names: Sequence[str]) -> None:
        self._doing = doing
        self._waiting = list(names)
        self._lock = threading.Lock()
        self._is_shown = is_rich_terminal(sys.stderr)

    def done(self, name: str) -> None:
        with self._lock:
            self._waiting.remove(name)
            self.show()

    def show(self) -> None:
        if self._is_shown and self._waiting:
            line = one_line(f"{self._doing} {', '.join(self._waiting)} …", 78)
            print(f"\r\033[K\033[2m{line}\033[0m", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._is_shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def can(capabilities: Capabilities) -> list[str]:
    """What is surely possible, in words."""
    words = capabilities.__dataclass_fields__
    return [
        word.replace("_", " ") for word in words if getattr(capabilities, word) is Capability.YES
    ]


def not_set_up(name: str, error: ConfigurationError) -> str:
    """Why a provider cannot be used as it stands, on one line."""
    if not isinstance(error, MissingKeyError):
        return one_line(for_the_shell(str(error)), 300)
    registry = default_registry()
    variables = [each.name for each in registry.describe(name).env if each.setting == "api_key"]
    named = registry.config().providers.get(name, {}).get("key_env")
    variables = list(dict.fromkeys([*([named] if named else []), *variables]))
    return f"no key: set {' or '.join(variables)}" if variables else "no key"


def may_list(name: str) -> bool:
    """Whether asking for models makes sense; a broken one is asked, so that its fault is told."""
    try:
        return not default_registry().describe(name).capabilities.is_refused("list_models")
    except ConfigurationError:
        return True
