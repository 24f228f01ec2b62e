"""The user's config file: settings of providers, servers without a plug-in, and aliases.

It is TOML, at `$STREAMKIT_CONFIG` or, where that is unset or empty, at `streamkit/config.toml` in
the platform's folder for user settings. The working directory is never looked at: whoever gives you
a folder must not be able to send your keys elsewhere.

    [aliases]
    fast = "acme/small"

    [providers.openai]
    base_url = "https://proxy.example.com/v1"
    api_key = "…"

    [providers.acme]
    kind = "openai-compatible"
    base_url = "https://api.acme.example/v1"
    key_env = "ACME_API_KEY"
    reasoning_fields = ["thoughts"]
"""

import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin

from streamkit.compat_checks import base_url_fault, check_quirks, choice_fault
from streamkit.errors import ConfigurationError
from streamkit.plugin import Capabilities, CompatSpec, Quirks
from streamkit.words import nearest

__all__ = [
    "COMPATIBLE",
    "Config",
    "cache_folder",
    "config_folder",
    "is_variable",
    "load_config",
    "spec_from_table",
]

VARIABLE: Final = "STREAMKIT_CONFIG"
#: The `kind` of a table that describes a server of its own.
COMPATIBLE: Final = "openai-compatible"

_TABLES: Final = ("aliases", "providers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a config file says.

    Attributes:
        path: The file; `None` when there is none.
        providers: The tables `[providers.NAME]`, by name. Keys may stand in them: never shown.
        aliases: Model references by the names that the user gave them.
    """

    path: Path | None = None
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Where a provider's table is, in words."""
        return f"the config file {self.path}, table [providers.{name}]"


def config_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The folder of streamkit's settings of this user, whether it exists or not."""
    return _user_folder(environment, "XDG_CONFIG_HOME", ".config", "Application Support", "APPDATA")


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The folder of what can be fetched again, whether it exists or not."""
    return _user_folder(environment, "XDG_CACHE_HOME", ".cache", "Caches", "LOCALAPPDATA")


def _user_folder(
    environment: Mapping[str, str] | None, xdg: str, hidden: str, library: str, windows: str
) -> Path:
    environment = os.environ if environment is None else environment
    set_by_user = environment.get(xdg, "")
    # The XDG specification: a relative path is to be ignored.
    if Path(set_by_user).is_absolute():
        return Path(set_by_user) / "streamkit"
    if sys.platform == "darwin":
        return _home() / "Library" / library / "streamkit"
    if sys.platform == "win32":
        return Path(environment.get(windows) or _home() / "AppData" / "Local") / "streamkit"
    return _home() / hidden / "streamkit"


def _home() -> Path:
    """The user's home; a path below which nothing can be, for one who has none.

    Users of containers often have none. The working directory must not take its place.
    """
    try:
        home = Path.home()
    except RuntimeError:
        return Path(os.devnull)
    return home if home.is_absolute() else Path(os.devnull)


def load_config(environment: Mapping[str, str] | None = None) -> Config:
    """Reads the config file; without one, or with an empty one, nothing is set.

    Raises:
        ConfigurationError: It cannot be read, is no TOML, or has tables that mean nothing. A fault
            inside one provider's table is that provider's alone and not looked for here.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(VARIABLE, "").strip()
    path = _named_path(named) if named else config_folder(environment) / "config.toml"
    try:
        # Windows' own editor puts a mark before the text.
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        if named:
            raise ConfigurationError(
                f"The config file {path}, named by {VARIABLE}, does not exist."
            ) from None
        return Config()
    except OSError as error:
        raise ConfigurationError(
            f"The config file {path} cannot be read: {error.strerror}. To go without it, let "
            f"{VARIABLE} name an empty file."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"The config file {path} is no UTF-8: {error.reason} at byte {error.start}."
        ) from None
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number that is too long
        raise ConfigurationError(f"The config file {path} is no valid TOML: {error}.") from None
    return _checked(path, tables)


def _named_path(named: str) -> Path:
    try:
        path = Path(named).expanduser()
    except RuntimeError:
        path = Path(named)
    if not path.is_absolute():
        raise ConfigurationError(
            f"{VARIABLE} must hold a whole path: {named} would mean another file in each folder."
        )
    return path


def _checked(path: Path, tables: Mapping[str, Any]) -> Config:
    for name in tables:
        if name not in _TABLES:
            raise ConfigurationError(
                f"The config file {path} has the table [{name}], which means nothing here."
                f"{_meant(name, _TABLES)} There are [aliases] and [providers.NAME]."
            )
    providers = tables.get("providers", {})
    aliases = tables.get("aliases", {})
    if not isinstance(providers, dict) or not all(isinstance(t, dict) for t in providers.values()):
        raise ConfigurationError(
            f"The config file {path}: write each provider as a table [providers.NAME]."
        )
    if not _is_texts(aliases) or not all(text.strip() for text in aliases.values()):
        raise ConfigurationError(
            f'The config file {path}: write aliases as name = "provider/model".'
        )
    return Config(path=path, providers=providers, aliases=aliases)


def spec_from_table(name: str, table: Mapping[str, Any]) -> CompatSpec:
    """Reads a table with `kind = "openai-compatible"` as the row that it is.

    What `CompatSpec` and `Quirks` have as fields may stand in it, but for what only a package has
    (`name`, `distribution`, `api_version`): lists for sequences and sets, or a text of words;
    tables for mappings; `false` for what is `None`. A text as `keep_alive` is one entry.
    `capabilities` is a table with `yes` and `no`, each a list; `model_capabilities` holds such
    tables by model.

    Raises:
        ConfigurationError: A word is unknown, of the wrong type, missing, or cannot be meant.
    """
    place = f"[providers.{name}]"
    if table.get("kind") != COMPATIBLE:
        raise ConfigurationError(
            f'{place} has an unknown `kind`; the one that there is is "{COMPATIBLE}".'
        )
    row: dict[str, Any] = {"name": name}
    quirks: dict[str, Any] = {}
    for word, value in table.items():
        if word in _ROW:
            row[word] = _read(place, _ROW[word], value)
        elif word in _QUIRKS:
            quirks[word] = _read(place, _QUIRKS[word], value)
        elif word not in _NOT_OF_THE_ROW:
            known = [*_ROW, *_QUIRKS, *_NOT_OF_THE_ROW]
            raise ConfigurationError(
                f"{place} has `{word}`, which means nothing here.{_meant(word, known)}"
            )
    if not row.get("base_url"):
        raise ConfigurationError(f"{place} needs `base_url`, such as https://api.example.com/v1.")
    fault = base_url_fault(row["base_url"])
    if fault is not None:
        raise ConfigurationError(f"{place}: `base_url` {fault}.")
    made = CompatSpec(**row, quirks=Quirks(**quirks))
    check_quirks(made.quirks, place)
    return made


def is_variable(name: object) -> bool:
    """Whether it can be the name of an environment variable: a key that was put there cannot."""
    return isinstance(name, str) and re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) is not None


# Settings that stand in the same table: they are the user's, not the server's.
_NOT_OF_THE_ROW: Final = ("kind", "api_key")
# The table's name is the row's, and a table is no package that could be installed or outdated.
_NOT_OF_A_TABLE: Final = ("name", "quirks", "api_version", "distribution")
_ROW: Final = {each.name: each for each in fields(CompatSpec) if each.name not in _NOT_OF_A_TABLE}
_QUIRKS: Final = {each.name: each for each in fields(Quirks)}


def _read(place: str, of: Field[Any], value: Any) -> Any:
    """A value of the table, as the type that the field has."""
    kinds = get_args(of.type) if isinstance(of.type, UnionType) else (of.type,)
    if value is False and type(None) in kinds and bool not in kinds:
        return None
    kind = kinds[0]
    read = _READERS_BY_NAME.get(of.name) or _READERS[get_origin(kind) or kind]
    try:
        return read(value)
    except TypeError as error:
        raise ConfigurationError(f"{place}: `{of.name}` {error}.") from None


# The readers raise TypeError with the end of a sentence. It never shows a value.


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"must be text, not {_shown(value)}")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"must be true or false, not {_shown(value)}")
    return value


def _variable(value: Any) -> str:
    if not is_variable(value):
        raise TypeError("must be the name of an environment variable, not a key or a path")
    return _text(value)


def _words(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else _list(value)


def _entries(value: Any) -> frozenset[str]:
    # Not split: what a server sends to keep a connection open may be a sentence.
    return frozenset([value] if isinstance(value, str) else _list(value))


def _list(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f"must be a list of texts, not {_shown(value)}")
    for position, each in enumerate(value, 1):
        if not isinstance(each, str):
            raise TypeError(f"must be a list of texts, and item {position} is {_shown(each)}")
    return value


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError(f"must be a table of texts, not {_shown(value)}")
    for name, each in value.items():
        if not isinstance(each, str):
            raise TypeError(f"must be a table of texts, and `{name}` is {_shown(each)}")
    return dict(value)


def _capabilities(value: Any) -> Capabilities:
    if not isinstance(value, dict) or set(value) - {"yes", "no"}:
        raise TypeError('must be a table such as {yes = ["tools", "usage"], no = ["images"]}')
    answers = {answer: _words(words) for answer, words in value.items()}
    known = [each.name for each in fields(Capabilities)]
    for words in answers.values():
        fault = choice_fault(words, known)
        if fault is not None:
            raise TypeError(fault)
    both = sorted(set(answers.get("yes", ())) & set(answers.get("no", ())))
    if both:
        raise TypeError(f"says both yes and no to `{both[0]}`")
    return Capabilities.of(**{answer: " ".join(words) for answer, words in answers.items()})


def _capabilities_by_model(value: Any) -> dict[str, Capabilities]:
    if not isinstance(value, dict):
        raise TypeError(f"must be a table of tables, one for each model, not {_shown(value)}")
    return {model: _capabilities(each) for model, each in value.items()}


_READERS: Final[Mapping[Any, Callable[[Any], Any]]] = {
    str: _text,
    bool: _truth,
    tuple: lambda value: tuple(_words(value)),
    frozenset: lambda value: frozenset(_words(value)),
    Mapping: _texts,
    Capabilities: _capabilities,
}
_READERS_BY_NAME: Final[Mapping[str, Callable[[Any], Any]]] = {
    "base_url_env": _variable,
    "keep_alive": _entries,
    "key_env": _variable,
    "model_capabilities": _capabilities_by_model,
}


def _shown(value: Any) -> str:
    return _TOML_WORDS.get(type(value), "a date or a time")


_TOML_WORDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    dict: "a table",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "text",
}


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _meant(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f" Did you mean `{near[0]}`?" if near else ""
