"""Where a setting comes from: the first of five places that gives it.

They are the argument, the environment, the config file, a plug-in that keeps secrets, and the
provider's default. A secret from a table of the config file goes to that table's own address, or to
the provider's default.

An empty environment variable is unset. A key is checked once, where it enters, and never shown:
not in a message, not in a repr.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pydantic import SecretStr

from streamkit.compat_checks import base_url_fault
from streamkit.config_file import is_variable
from streamkit.errors import ConfigurationError, MissingKeyError
from streamkit.plugin import EnvVar, ProviderSpec
from streamkit.words import nearest

# Three years: clocks, locks and sockets refuse to wait for much longer.
_LONGEST_WAIT_S: Final = 1e8

KeySource: TypeAlias = SecretStr | Callable[[], "str | SecretStr"]


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long a stream waits, in seconds; `None` waits without a limit.

    Attributes:
        connect: For a connection: name look-up, TCP and TLS.
        first_content: From the request to the first content, reasoning or tool call. Reasoning
            models may be silent for minutes.
        idle: Between two pieces of content. Keep-alives do not count as content.
        total: Wall time of the whole stream, from the first request.
    """

    connect: float | None = 10.0
    first_content: float | None = 300.0
    idle: float | None = 120.0
    total: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "first_content", "idle", "total"):
            value = getattr(self, name)
            is_wait = isinstance(value, int | float) and 0 < value <= _LONGEST_WAIT_S
            if value is not None and not is_wait:
                raise ConfigurationError(
                    f"The timeout `{name}` must be seconds above 0, or None for no limit."
                )


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """What a provider is made with.

    Attributes:
        provider: The provider's name.
        base_url: The service's address, without a slash at its end. It may hold a password, and
            options may be secret: neither is in the repr.
        api_key: The key, or what gives it for each request.
        options: The provider's own settings, by name.
        sources: Where each setting came from, such as `the environment variable OPENAI_API_KEY`.
    """

    provider: str
    base_url: str = field(default="", repr=False)
    api_key: KeySource | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.api_key, str | SecretStr):
            object.__setattr__(
                self, "api_key", checked_key(self.api_key, self.provider, "settings")
            )

    def reveal_key(self) -> str | None:
        """The key's text for one request; a callable is asked each time.

        Raises:
            ConfigurationError: The callable gave no usable key.
        """
        if self.api_key is None:
            return None
        if isinstance(self.api_key, SecretStr):
            return self.api_key.get_secret_value()
        try:
            given = self.api_key()
        except Exception as error:
            raise ConfigurationError(
                f"The api_key callable for `{self.provider}` raised {type(error).__name__}."
            ) from None
        return checked_key(given, self.provider, "the callable").get_secret_value()


def checked_key(key: "str | SecretStr", provider: str, source: str) -> SecretStr:
    """Refuses a key that cannot be one, without showing it.

    Raises:
        ConfigurationError: The key is empty, no text, or holds characters that no header can carry.
    """
    text = key.get_secret_value() if isinstance(key, SecretStr) else key
    where = f"The API key for `{provider}` from {source}"
    if not isinstance(text, str):
        raise ConfigurationError(f"{where} must be text, not {type(text).__name__}.")
    if not text.strip():
        raise ConfigurationError(f"{where} is empty.")
    if "\n" in text or "\r" in text:
        raise ConfigurationError(
            f"{where} contains a line break, perhaps from the end of a file. Strip it first."
        )
    if not all("!" <= character <= "~" for character in text):
        raise ConfigurationError(
            f"{where} contains a space, a control character or one outside ASCII; "
            "no HTTP header can carry it."
        )
    return SecretStr(text)


def checked_base_url(url: str, provider: str, source: str) -> str:
    """Refuses an address that no request could go to.

    Raises:
        ConfigurationError: It is no http or https address with a host, or it holds a query.
    """
    fault = base_url_fault(url)
    if fault is not None:
        raise ConfigurationError(f"The base URL for `{provider}` from {source} {fault}.")
    return url.strip().rstrip("/")


#: Asks the plug-ins for a secret: (provider, setting) to (value, where from), or `None`.
AskSecret: TypeAlias = Callable[[str, str], "tuple[str, str] | None"]

ARGUMENT: Final = "the argument"
DEFAULT: Final = "the provider's default"


def resolve_settings(
    spec: ProviderSpec,
    *,
    api_key: "KeySource | str | None" = None,
    base_url: str | None = None,
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    table: Mapping[str, Any] | None = None,
    table_place: str = "the config file",
    ask_secret: AskSecret | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> ProviderSettings:
    """Collects a provider's settings, and where each one came from.

    Args:
        spec: The provider.
        api_key: The key, from the caller.
        base_url: The service's address, from the caller.
        options: The provider's own settings, from the caller.
        environment: Environment variables; by default those of the process.
        table: The provider's table in the config file. `key_env` in it names the variable of a key.
        table_place: Where the table is, for messages.
        ask_secret: Asks plug-ins for what is secret and stands nowhere else.
        elsewhere: What is given in other ways than as a provider's setting, and how, for messages.

    Raises:
        ConfigurationError: A setting is malformed or unknown, or a key from the config file would
            go to an address from elsewhere.
        MissingKeyError: A needed key is missing, and nothing of that is the matter.
    """
    environment = os.environ if environment is None else environment
    table = table or {}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def take(name: str, value: Any, source: str) -> None:
        if value is not None and name not in values:
            values[name], sources[name] = value, source

    for name, value in {"api_key": api_key, "base_url": base_url, **(options or {})}.items():
        take(name, value, ARGUMENT)
    for variable in spec.env:
        take(variable.setting, *_of_variable(spec, variable, environment, values))
    taken = set(values)
    for name, value, source in _of_table(table, table_place, environment):
        take(name, value, source)
    of_table = set(values) - taken
    secrets = [each.setting for each in spec.env if each.secret]
    for name in dict.fromkeys(["api_key", *secrets] if spec.needs_key else secrets):
        if name not in values and ask_secret is not None:
            take(name, *(ask_secret(spec.name, name) or (None, "")))
    take("base_url", spec.base_url, DEFAULT)
    _keep_apart(spec, of_table, sources, table_place)
    given_key = values.pop("api_key", None)
    url = values.pop("base_url")
    if not isinstance(url, str):
        raise ConfigurationError(
            f"The base URL for `{spec.name}` from {sources['base_url']} must be text."
        )
    _refuse_unknown(spec, values, sources, elsewhere or {})
    if url or sources["base_url"] != DEFAULT:
        url = checked_base_url(url, spec.name, sources["base_url"])
    # After everything else: a key that is missing may have been given under a misspelt name.
    key = _key(spec, given_key, sources, table)
    return ProviderSettings(
        provider=spec.name, base_url=url, api_key=key, options=values, sources=sources
    )


def _of_variable(
    spec: ProviderSpec,
    variable: EnvVar,
    environment: Mapping[str, str],
    given: Mapping[str, Any],
) -> tuple[Any, str]:
    text = environment.get(variable.name, "")
    source = f"the environment variable {variable.name}"
    if variable.setting in given or not text.strip():
        return None, source
    if variable.parse is None:
        return text, source
    try:
        return variable.parse(text), source
    except Exception as error:
        # A plug-in that fails in another way is told by its type, and a secret is never quoted.
        is_told = isinstance(error, ValueError) and not variable.secret
        said = str(error) if is_told else type(error).__name__
        raise ConfigurationError(
            f"The variable {variable.name} for `{spec.name}` cannot be read: {said}"
        ) from None


def _of_table(
    table: Mapping[str, Any], place: str, environment: Mapping[str, str]
) -> Iterator[tuple[str, Any, str]]:
    """The settings that a table of the config file gives.

    A table that describes a server of its own is the provider's description; of its words, the key
    and the address alone are settings.
    """
    variable = table.get("key_env")
    if variable:
        if not is_variable(variable):
            raise ConfigurationError(
                f"`key_env` in {place} must be the name of an environment variable."
            )
        if environment.get(variable, "").strip():
            yield "api_key", environment[variable], f"the environment variable {variable}"
    for name, value in table.items():
        if name in {"api_key", "base_url"} or ("kind" not in table and name != "key_env"):
            yield name, value, place


def _keep_apart(
    spec: ProviderSpec, of_table: set[str], sources: Mapping[str, str], place: str
) -> None:
    """Refuses to send a secret of the config file to an address that its table does not give.

    A variable that the table names as its key's is the table's as well.
    """
    if "base_url" in of_table or sources["base_url"] == DEFAULT:
        return
    secrets = {"api_key", *(each.setting for each in spec.env if each.secret)}
    for name in sorted(secrets & of_table):
        raise ConfigurationError(
            f"`{name}` for `{spec.name}` comes from {place}, and the base URL from "
            f"{sources['base_url']}: the secret is not sent there. Put both into the table, or "
            f"give {name} where the address is given."
        )


def _key(
    spec: ProviderSpec,
    given: "KeySource | str | None",
    sources: Mapping[str, str],
    table: Mapping[str, Any],
) -> KeySource | None:
    if given is None:
        if not spec.needs_key:
            return None
        variables = [each.name for each in spec.env if each.setting == "api_key"]
        if table.get("key_env"):
            variables.insert(0, table["key_env"])
        hint = f" or set {' or '.join(dict.fromkeys(variables))}" if variables else ""
        raise MissingKeyError(
            f"`{spec.name}` needs an API key. Pass api_key=…{hint} (an empty variable is unset)."
        )
    if callable(given) and not isinstance(given, SecretStr):
        return given
    return checked_key(given, spec.name, sources["api_key"])


def _refuse_unknown(
    spec: ProviderSpec,
    values: Mapping[str, Any],
    sources: Mapping[str, str],
    elsewhere: Mapping[str, str],
) -> None:
    known = {*spec.options, *(variable.setting for variable in spec.env), "api_key", "base_url"}
    unknown = sorted(set(values) - known)
    if not unknown:
        return
    name = unknown[0]
    is_given = sources[name] == ARGUMENT
    words = {**dict.fromkeys(known, ""), **(elsewhere if is_given else {})}
    near = [name] if name in words else nearest(name, words)[:1]
    # A word that is right, but not here, needs no asking whether it is meant.
    meant = [f"Did you mean `{each}`?" for each in near if each != name]
    ways = [f"`{each}` {words[each]}." for each in near if words[each]]
    place = "" if is_given else f" ({sources[name]})"
    raise ConfigurationError(
        f"`{spec.name}` has no setting {', '.join(map(repr, unknown))}{place}. "
        + "".join(f"{each} " for each in (*meant, *ways))
        + f"It takes: {', '.join(sorted(known))}."
    )
