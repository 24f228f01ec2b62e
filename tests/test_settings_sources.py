"""Settings from the config file, from plug-ins that keep secrets, and which may go together."""

from typing import Any

import pytest

from streamkit.errors import ConfigurationError
from streamkit.plugin import EnvVar, ProviderSpec
from streamkit.settings import ProviderSettings, resolve_settings

CANARY = "sk-canary-0123456789"
PLACE = "the config file /home/me/config.toml, table [providers.acme]"
URL = "https://table.example"

SPEC = ProviderSpec(
    name="acme",
    api_version=1,
    factory="acme:Acme",
    base_url="https://api.acme.example/v1",
    env=(
        EnvVar("ACME_API_KEY", "api_key", secret=True),
        EnvVar("ACME_KEY", "api_key", secret=True),
        EnvVar("ACME_BASE_URL", "base_url"),
        EnvVar("ACME_REGION", "region"),
    ),
    options=("region", "tier"),
)


def in_table(
    environment: dict[str, str] | None = None, table: dict[str, Any] | None = None, **given: Any
) -> ProviderSettings:
    return resolve_settings(
        SPEC, environment=environment or {}, table=table, table_place=PLACE, **given
    )


def test_the_config_file_stands_below_the_environment_and_above_secrets_and_the_default() -> None:
    table = {"api_key": "table-key", "base_url": f"{URL}/", "region": "eu", "tier": "gold"}
    settings = in_table({"ACME_REGION": "us"}, table, ask_secret=lambda *asked: ("x", "a vault"))
    assert settings.reveal_key() == "table-key"
    assert settings.base_url == URL
    assert settings.options == {"region": "us", "tier": "gold"}
    assert settings.sources == {
        "api_key": PLACE,
        "base_url": PLACE,
        "region": "the environment variable ACME_REGION",
        "tier": PLACE,
    }


def test_a_plug_in_is_asked_for_a_secret_that_stands_nowhere_else() -> None:
    asked: list[tuple[str, str]] = []

    def ask(provider: str, name: str) -> tuple[str, str] | None:
        asked.append((provider, name))
        return (CANARY, "the plug-in vault") if name == "api_key" else None

    settings = in_table(ask_secret=ask)
    assert settings.reveal_key() == CANARY
    assert settings.sources["api_key"] == "the plug-in vault"
    assert asked == [("acme", "api_key")]


def test_a_plug_in_is_asked_for_every_secret_and_for_no_key_where_none_is_needed() -> None:
    spec = ProviderSpec(
        name="home",
        api_version=1,
        factory="home:Home",
        needs_key=False,
        env=(EnvVar("HOME_TOKEN", "token", secret=True), EnvVar("HOME_NAME", "name")),
    )
    asked: list[str] = []

    def ask(provider: str, name: str) -> tuple[str, str]:
        asked.append(name)
        return "t", "a vault"

    settings = resolve_settings(spec, environment={}, ask_secret=ask)
    assert asked == ["token"]
    assert settings.options == {"token": "t"}


def test_no_plug_in_is_asked_for_what_is_known() -> None:
    def ask(provider: str, name: str) -> None:
        raise AssertionError(name)

    assert in_table({"ACME_API_KEY": CANARY}, ask_secret=ask).reveal_key() == CANARY


@pytest.mark.parametrize("key", [f"{CANARY}\n", "", 5])
def test_a_bad_key_of_a_table_is_told_with_its_place_and_not_shown(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="API key for `acme` from ") as caught:
        in_table(table={"api_key": key})
    assert PLACE in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("url", [5, "", "table.example"])
def test_a_bad_address_of_a_table_is_told_with_its_place(url: Any) -> None:
    with pytest.raises(ConfigurationError, match="base URL for `acme` from ") as caught:
        in_table(table={"api_key": CANARY, "base_url": url})
    assert PLACE in str(caught.value)


def test_an_unknown_setting_of_a_table_is_told_with_its_place() -> None:
    with pytest.raises(
        ConfigurationError, match=r"has no setting 'api_kye' \(the config"
    ) as caught:
        in_table(table={"api_key": CANARY, "api_kye": CANARY})
    assert PLACE in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_table_that_is_a_server_of_its_own_gives_its_key_and_its_address_alone() -> None:
    table = {"kind": "openai-compatible", "api_key": CANARY, "base_url": URL, "title": "Acme"}
    settings = in_table(table=table)
    assert (settings.reveal_key(), settings.base_url, settings.options) == (CANARY, URL, {})
    assert settings.sources == {"api_key": PLACE, "base_url": PLACE}


def test_a_table_may_name_the_variable_of_its_key() -> None:
    settings = in_table({"WORK_KEY": CANARY}, {"key_env": "WORK_KEY", "base_url": URL})
    assert settings.reveal_key() == CANARY
    assert settings.sources["api_key"] == "the environment variable WORK_KEY"


def test_the_variable_stands_over_the_key_beside_it() -> None:
    table = {"key_env": "WORK_KEY", "api_key": "table-key"}
    assert in_table({"WORK_KEY": "env-key"}, table).reveal_key() == "env-key"
    assert in_table({"WORK_KEY": " "}, table).reveal_key() == "table-key"


def test_a_variable_that_is_not_set_is_named_first() -> None:
    says = "Pass api_key=… or set WORK_KEY or ACME_API_KEY or ACME_KEY"
    with pytest.raises(ConfigurationError, match=says):
        in_table(table={"key_env": "WORK_KEY"})


@pytest.mark.parametrize("name", [CANARY, 5, ["WORK_KEY"]])
def test_what_cannot_be_a_variable_is_refused_and_not_shown(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be the name of an environment var") as e:
        in_table(table={"key_env": name})
    assert CANARY not in str(e.value)


# From where a key and an address may go together. The row's key and address: `argument`,
# `environment`, `table`, `key_env` (a variable that the table names), `default`; a provider's own
# address is where its key belongs, and whoever gives an address with code or a variable says by
# that where their own key goes.

KEYS = ("argument", "environment", "table", "key_env", "secret")
ADDRESSES = ("argument", "environment", "table", "default")
KEPT_APART = {(key, url) for key in ("table", "key_env") for url in ("argument", "environment")}


@pytest.mark.parametrize("is_server", [False, True])
@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_a_table_goes_to_the_tables_address_or_the_providers_own(
    key: str, url: str, is_server: bool
) -> None:
    environment: dict[str, str] = {}
    table: dict[str, Any] = {"kind": "openai-compatible"} if is_server else {}
    given: dict[str, Any] = {}
    match key:
        case "argument":
            given["api_key"] = CANARY
        case "environment":
            environment["ACME_KEY"] = CANARY
        case "table":
            table["api_key"] = CANARY
        case "key_env":
            environment["WORK_KEY"], table["key_env"] = CANARY, "WORK_KEY"
        case _:
            given["ask_secret"] = lambda *asked: (CANARY, "a vault")
    match url:
        case "argument":
            given["base_url"] = "https://elsewhere.example"
        case "environment":
            environment["ACME_BASE_URL"] = "https://elsewhere.example"
        case "table":
            table["base_url"] = URL
    if (key, url) in KEPT_APART:
        with pytest.raises(ConfigurationError, match="the secret is not sent there") as caught:
            in_table(environment, table, **given)
        assert PLACE in str(caught.value)
        assert CANARY not in str(caught.value)
    else:
        assert in_table(environment, table, **given).reveal_key() == CANARY


@pytest.mark.parametrize("url", ["argument", "environment"])
def test_the_tables_own_address_does_not_help_a_key_that_goes_elsewhere(url: str) -> None:
    elsewhere = "https://elsewhere.example"
    given: dict[str, Any] = {"base_url": elsewhere} if url == "argument" else {}
    environment = {"ACME_BASE_URL": elsewhere} if url == "environment" else {}
    with pytest.raises(ConfigurationError, match="the secret is not sent there"):
        in_table(environment, {"api_key": CANARY, "base_url": URL}, **given)


def test_a_key_is_kept_apart_where_no_variable_gives_one() -> None:
    spec = ProviderSpec(name="acme", api_version=1, factory="acme:Acme")
    with pytest.raises(ConfigurationError, match="the secret is not sent there"):
        resolve_settings(
            spec,
            environment={},
            base_url="https://elsewhere.example",
            table={"api_key": CANARY},
            table_place=PLACE,
        )


def test_every_secret_of_a_table_is_kept_apart() -> None:
    spec = ProviderSpec(
        name="acme",
        api_version=1,
        factory="acme:Acme",
        needs_key=False,
        env=(EnvVar("ACME_TOKEN", "token", secret=True), EnvVar("ACME_TEAM", "team")),
    )
    for name, is_secret in [("token", True), ("team", False)]:
        given: dict[str, Any] = {
            "environment": {},
            "base_url": "https://elsewhere.example",
            "table": {name: CANARY},
        }
        if is_secret:
            with pytest.raises(ConfigurationError, match="`token` for `acme` comes from the conf"):
                resolve_settings(spec, **given)
        else:
            assert resolve_settings(spec, **given).options == {name: CANARY}


# Variables that are read.


def parsing(parse: Any, *, secret: bool = False) -> ProviderSpec:
    variable = EnvVar("ACME_HOST", "base_url", secret=secret, parse=parse)
    return ProviderSpec(
        name="acme", api_version=1, factory="acme:Acme", needs_key=False, env=(variable,)
    )


def test_a_variable_may_be_read_in_the_providers_own_way() -> None:
    spec = parsing(lambda text: f"http://{text}:11434")
    settings = resolve_settings(spec, environment={"ACME_HOST": "box"})
    assert settings.base_url == "http://box:11434"
    assert settings.sources == {"base_url": "the environment variable ACME_HOST"}


def test_a_variable_that_is_not_used_is_not_read() -> None:
    def parse(text: str) -> str:
        raise AssertionError(text)

    settings = resolve_settings(
        parsing(parse), environment={"ACME_HOST": "box"}, base_url="http://given.example"
    )
    assert settings.base_url == "http://given.example"


@pytest.mark.parametrize(
    ("error", "secret", "says"),
    [
        (ValueError("Write a host."), False, "Write a host."),
        (ValueError(CANARY), True, "ValueError"),
        (KeyError(CANARY), False, "KeyError"),
    ],
)
def test_a_variable_that_cannot_be_read_is_told_and_no_secret_shown(
    error: Exception, secret: bool, says: str
) -> None:
    def parse(text: str) -> str:
        raise error

    with pytest.raises(ConfigurationError) as caught:
        resolve_settings(parsing(parse, secret=secret), environment={"ACME_HOST": CANARY})
    assert str(caught.value) == f"The variable ACME_HOST for `acme` cannot be read: {says}"
