"""What is known of each plug-in, and what is wrong with it: facts for messages and for `doctor`."""

import difflib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, requires
from typing import Final

from streamkit.plugin import API_VERSION, ProviderSpec

#: The versions of the contract that this streamkit works with.
SUPPORTED: Final = (API_VERSION - 1, API_VERSION)

_REQUIRED_BY_EXTRA: Final = re.compile(r"streamkit-([a-z0-9]+)\b.*\bextra == ['\"]\1['\"]")


class PluginProblem(Exception):
    """Something is wrong with a plug-in.

    Attributes:
        remedy: What mends it, such as a command.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRecord:
    """One entry point, or one table of the config file, and how it fared.

    Attributes:
        name: The entry point's name: a provider's, or the plug-in's own.
        group: Its group, or `config file`.
        module: The module that it names.
        distribution: The distribution that brought it.
        version: The distribution's version.
        import_s: Seconds that importing its module took here; 0 where it was imported before.
        specs: The providers that it describes under its name.
        problem: What is wrong with it; it may work all the same.
        remedy: What mends it.
        traceback: Where it went wrong, for its author.
    """

    name: str
    group: str
    module: str
    distribution: str | None = None
    version: str | None = None
    import_s: float = 0.0
    specs: tuple[ProviderSpec, ...] = ()
    problem: str | None = None
    remedy: str | None = None
    traceback: str | None = field(default=None, repr=False)

    @property
    def owner(self) -> str:
        """The distribution, or the module where it has none."""
        return self.distribution or self.module


def distribution_of(point: EntryPoint) -> tuple[str | None, str | None]:
    """The name and version of the distribution that an entry point belongs to."""
    found = point.dist
    return (None, None) if found is None else (found.name, found.version)


def check_version(spec: ProviderSpec, distribution: str) -> None:
    """Refuses a plug-in that was written for a contract that is not spoken here.

    Raises:
        PluginProblem: It was; the remedy is the command that mends it.
    """
    version = spec.api_version
    if version in SUPPORTED:
        return
    behind = "streamkit-llm" if version > API_VERSION else distribution
    raise PluginProblem(
        f"it is written for version {version} of the plug-in contract, and this streamkit works "
        f"with {SUPPORTED[0]} and {SUPPORTED[1]}",
        f"pip install --upgrade {behind}",
    )


@cache
def first_party() -> dict[str, str]:
    """The providers that streamkit's own extras name, and what installs each."""
    try:
        lines = requires("streamkit-llm") or []
    except PackageNotFoundError:
        return {}
    names = [match[1] for match in map(_REQUIRED_BY_EXTRA.match, lines) if match]
    return {name: f'pip install "streamkit-llm[{name}]"' for name in sorted(names)}


def nearest(word: str, known: list[str]) -> list[str]:
    """The known words that are like this one, whatever its case, the likest first."""
    lowered = {each.lower(): each for each in known}
    return [lowered[each] for each in difflib.get_close_matches(word.lower(), lowered, n=3, cutoff=0.7)]
