"""What is known of each plug-in, and what is wrong with it: facts for messages and for `doctor`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, requires
from typing import Any, Final

from streamkit.plugin import API_VERSION, Capabilities, EnvVar, ProviderSpec, Quirks

PROVIDERS: Final = "streamkit.providers"
PLUGINS: Final = "streamkit.plugins"
CONFIG_FILE: Final = "config file"

#: The versions of the contract that this streamkit works with.
SUPPORTED: Final = (API_VERSION - 1, API_VERSION)

_REQUIRED_BY_EXTRA: Final = re.compile(r"streamkit-([a-z0-9]+)(?![\w.-]).*\bextra == ['\"]\1['\"]")
# Extras that are named like a distribution of ours and bring no provider.
_NO_PROVIDERS: Final = frozenset({"conformance"})

_LONGEST_TEXT: Final = 500


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
        is_direct: It was installed from a folder, a file or an address: the index may know
            somebody else's under its name, or nobody's yet.
        import_s: Seconds that importing its module took here: close to 0 where it was imported
            before, and the same for all names that share it.
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
    is_direct: bool = False
    import_s: float = 0.0
    specs: tuple[ProviderSpec, ...] = ()
    problem: str | None = None
    remedy: str | None = None
    traceback: str | None = field(default=None, repr=False)

    @property
    def owner(self) -> str:
        """The distribution, or the module where it has none."""
        return self.distribution or self.module

    @property
    def to_mend(self) -> str:
        """What mends its code: whoever installed it from a folder can do it, others ask."""
        return f"mend {self.module}" if self.is_direct else f"tell the author of {self.owner}"

    @property
    def to_upgrade(self) -> str:
        """What brings a newer one."""
        return self.to_mend if self.is_direct else f"pip install --upgrade {self.owner}"


def distribution_of(point: EntryPoint) -> tuple[str | None, str | None]:
    """The name and version of the distribution that an entry point belongs to."""
    found = point.dist
    return (None, None) if found is None else (found.name, found.version)


def module_of(point: EntryPoint) -> str:
    """The module that an entry point names, written in one way; with `:` the object in it."""
    return "".join(point.value.partition("[")[0].split())


def record_of(point: EntryPoint) -> PluginRecord:
    """What an entry point tells of itself, before anything is imported."""
    distribution, version = distribution_of(point)
    return PluginRecord(
        name=point.name,
        group=point.group,
        module=module_of(point),
        distribution=distribution,
        version=version,
        is_direct=is_direct(point),
    )


def is_direct(point: EntryPoint) -> bool:
    """Whether its distribution came from elsewhere than an index, as PEP 610 records it."""
    return point.dist is not None and point.dist.read_text("direct_url.json") is not None


def is_name(name: str) -> bool:
    """Whether a provider can be called so: a reference must be able to hold it."""
    return bool(name) and not any(
        character in "/:" or character.isspace() or not character.isprintable()
        for character in name
    )


def text_of(error: BaseException) -> str:
    """What an exception of a plug-in says, as one line that is not too long."""
    try:
        said = " ".join(str(error).split())
    except Exception as second:  # its own `__str__` is broken as well
        said = f"its text cannot be read: {type(second).__name__}"
    return said if len(said) <= _LONGEST_TEXT else f"{said[: _LONGEST_TEXT - 1]}…"


def check_version(spec: ProviderSpec, record: PluginRecord) -> None:
    """Refuses a plug-in that was written for a contract that is not spoken here.

    Raises:
        PluginProblem: It was; the remedy is the command that mends it.
    """
    version: Any = spec.api_version
    if type(version) is not int:  # a bool is an int, and no version
        raise PluginProblem(
            f"its api_version is {version!r:.50} ({type(version).__name__}), and must be a whole "
            f"number such as {API_VERSION}",
            record.to_mend,
        )
    if version in SUPPORTED:
        return
    is_ahead = version > API_VERSION
    raise PluginProblem(
        f"it is written for version {version} of the plug-in contract, and this streamkit works "
        f"with {SUPPORTED[0]} and {SUPPORTED[1]}",
        "pip install --upgrade streamkit-llm" if is_ahead else record.to_upgrade,
    )


# What whoever reads a description relies on: one row of variables that is a text would stop every
# command that shows all providers.
_SHAPES: Final[Mapping[str, tuple[type, ...]]] = {
    "factory": (str,),
    "title": (str,),
    "base_url": (str,),
    "needs_key": (bool,),
    "env": (tuple, list),
    "capabilities": (Capabilities,),
    "model_capabilities": (Mapping,),
    "default_model": (str, type(None)),
    "distribution": (str, type(None)),
    "options": (tuple, list),
    "quirks": (Quirks, type(None)),
}


def check_shape(spec: ProviderSpec, record: PluginRecord) -> None:
    """Refuses a description that could not be read: dataclasses take anything.

    Raises:
        PluginProblem: A field is of another type than its class declares.
    """
    wrong = [name for name, kinds in _SHAPES.items() if not isinstance(getattr(spec, name), kinds)]
    if not wrong:
        members = {
            "factory": all(spec.factory.partition(":")),
            "env": all(isinstance(each, EnvVar) for each in spec.env)
            and all(isinstance(each.name, str) for each in spec.env),
            "model_capabilities": all(
                isinstance(each, Capabilities) for each in spec.model_capabilities.values()
            ),
            "options": all(isinstance(each, str) for each in spec.options),
        }
        wrong = [name for name, is_right in members.items() if not is_right]
    if wrong:
        raise PluginProblem(
            f"it describes `{spec.name}` with what cannot be read in: {', '.join(wrong)}",
            record.to_mend if record.is_direct else f"{record.to_upgrade}, or tell its author",
        )


@cache
def first_party() -> dict[str, str]:
    """The providers that streamkit's own extras name, and what installs each."""
    try:
        lines = requires("streamkit-llm") or []
    except PackageNotFoundError:
        return {}
    names = {match[1] for match in map(_REQUIRED_BY_EXTRA.match, lines) if match}
    return {name: f'pip install "streamkit-llm[{name}]"' for name in sorted(names - _NO_PROVIDERS)}
