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

import difflib
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin

from streamkit.errors import ConfigurationError
from streamkit.plugin import Capabilities, CompatSpec, Quirks

__all__ = [
    "COMPATIBLE",
    "Config",
    "cache_folder",
    "config_folder",
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
        return Path.home() / "Library" / library / "streamkit"
    if sys.platform == "win32":
        return Path(environment.get(windows) or Path.home() / "AppData" / "Local") / "streamkit"
    return Path.home() / hidden / "streamkit"


def load_config(environment: Mapping[str, str] | None = None) -> Config:
    """Reads the config file; without one, or with an empty one, nothing is set.

    Raises:
        ConfigurationError: It cannot be read, is no TOML, or has tables that mean nothing. A fault
            inside one provider's table is that provider's alone and not looked for here.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(VARIABLE, "").strip()
    path = Path(named).expanduser() if named else config_folder(environment) / "config.toml"
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        if named:
            raise ConfigurationError(
                f"The config file {path}, named by {VARIABLE}, does not exist."
            ) from None
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The config file {path} cannot be read: {error}.") from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The config file {path} is no valid TOML: {error}.") from None
    return _checked(path, tables)


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
    is_text = isinstance(aliases, dict) and all(isinstance(a, str) for a in aliases.values())
    if not is_text:
        raise ConfigurationError(
            f'The config file {path}: write aliases as name = "provider/model".'
        )
    return Config(path=path, providers=providers, aliases=aliases)


def spec_from_table(name: str, table: Mapping[str, Any]) -> CompatSpec:
    """Reads a table with `kind = "openai-compatible"` as the row that it is.

    What `CompatSpec` and `Quirks` have as fields may stand in it: lists for sequences and sets,
    tables for mappings, `false` for what is `None`. `capabilities` is a table with `yes` and `no`,
    each a list or a text of words; `model_capabilities` holds such tables by model.

    Raises:
        ConfigurationError: A word is unknown, of the wrong type, or missing.
    """
    row: dict[str, Any] = {"name": name}
    quirks: dict[str, Any] = {}
    for word, value in table.items():
        if word in _NOT_OF_THE_ROW:
            continue
        if word in _ROW:
            row[word] = _read(name, _ROW[word], value)
        elif word in _QUIRKS:
            quirks[word] = _read(name, _QUIRKS[word], value)
        else:
            known = [*_ROW, *_QUIRKS, *_NOT_OF_THE_ROW]
            raise ConfigurationError(
                f"[providers.{name}] has `{word}`, which means nothing here.{_meant(word, known)}"
            )
    if not row.get("base_url"):
        raise ConfigurationError(
            f"[providers.{name}] needs `base_url`, such as https://api.example.com/v1."
        )
    return CompatSpec(**row, quirks=Quirks(**quirks))


# Settings that stand in the same table: they are the user's, not the server's.
_NOT_OF_THE_ROW: Final = ("kind", "api_key")
_ROW: Final = {
    each.name: each for each in fields(CompatSpec) if each.name not in ("name", "quirks")
}
_QUIRKS: Final = {each.name: each for each in fields(Quirks)}


def _read(provider: str, of: Field[Any], value: Any) -> Any:
    """A value of the table, as the type that the field has."""
    kinds = get_args(of.type) if isinstance(of.type, UnionType) else (of.type,)
    if value is False and type(None) in kinds and bool not in kinds:
        return None
    for kind in kinds:
        origin = get_origin(kind) or kind
        try:
            if origin is Capabilities:
                return _capabilities(value)
            if of.name == "model_capabilities":
                return {model: _capabilities(each) for model, each in value.items()}
            if origin in (tuple, frozenset):
                return origin(_words(value))
            if origin is Mapping and _is_texts(value):
                return dict(value)
        except (AttributeError, TypeError) as error:
            raise ConfigurationError(
                f"[providers.{provider}]: `{of.name}` cannot be read: {error}."
            ) from None
        if isinstance(origin, type) and type(value) is origin:
            return value
    expected = _SHOWN.get(get_origin(kinds[0]) or kinds[0], "text")
    raise ConfigurationError(
        f"[providers.{provider}]: `{of.name}` must be {expected}, not {type(value).__name__}."
    )


_SHOWN: Final[dict[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    Mapping: "a table of texts",
}


def _capabilities(value: Any) -> Capabilities:
    if not isinstance(value, dict) or set(value) - {"yes", "no"}:
        raise TypeError('write it as {yes = "tools usage", no = "images"}')
    return Capabilities.of(**{answer: " ".join(_words(words)) for answer, words in value.items()})


def _words(value: Any) -> list[str]:
    given = value.split() if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        raise TypeError("write a list of texts")
    return given


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _meant(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean `{near[0]}`?" if near else ""
