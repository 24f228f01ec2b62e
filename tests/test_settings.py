import math
from typing import Any

import pytest
from pydantic import SecretStr

from streamkit.errors import ConfigurationError, MissingKeyError
from streamkit.model import get_model
from streamkit.plugin import EnvVar, ProviderSpec
from streamkit.settings import ProviderSettings, Timeouts, resolve_settings

CANARY = "sk-canary-0123456789"

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
KEYLESS = ProviderSpec(name="home", api_version=1, factory="home:Home", needs_key=False)


def resolve(environment: dict[str, str] | None = None, **given: Any) -> ProviderSettings:
    return resolve_settings(SPEC, environment=environment or {}, **given)


# Where a setting comes from.


def test_an_argument_stands_over_the_environment_and_that_over_the_default() -> None:
    environment = {
        "ACME_API_KEY": "env-key",
        "ACME_BASE_URL": "https://env.example",
        "ACME_REGION": "eu",
    }
    from_environment = resolve(environment)
    assert from_environment.reveal_key() == "env-key"
    assert from_environment.base_url == "https://env.example"
    assert from_environment.options == {"region": "eu"}
    assert from_environment.sources == {
        "api_key": "the environment variable ACME_API_KEY",
        "base_url": "the environment variable ACME_BASE_URL",
        "region": "the environment variable ACME_REGION",
    }
    given = resolve(
        environment, api_key=CANARY, base_url="https://arg.example/", options={"region": "us"}
    )
    assert given.reveal_key() == CANARY
    assert given.base_url == "https://arg.example"
    assert given.options == {"region": "us"}
    assert set(given.sources.values()) == {"the argument"}


def test_the_default_address_is_the_providers() -> None:
    settings = resolve(api_key=CANARY)
    assert settings.base_url == "https://api.acme.example/v1"
    assert settings.sources["base_url"] == "the provider's default"


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_variable_is_unset(empty: str) -> None:
    settings = resolve({"ACME_API_KEY": empty, "ACME_KEY": "second", "ACME_BASE_URL": empty})
    assert settings.reveal_key() == "second"
    assert settings.base_url == SPEC.base_url


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    assert resolve_settings(SPEC).reveal_key() == CANARY


# Keys.


@pytest.mark.parametrize(
    "key", [CANARY, SecretStr(CANARY), lambda: CANARY, lambda: SecretStr(CANARY)]
)
def test_a_key_is_given_as_text_as_a_secret_or_by_a_callable(key: Any) -> None:
    assert resolve(api_key=key).reveal_key() == CANARY


def test_a_callable_is_asked_for_each_request() -> None:
    keys = iter(["first", "second"])
    settings = resolve(api_key=lambda: next(keys))
    assert [settings.reveal_key(), settings.reveal_key()] == ["first", "second"]


def test_no_key_is_refused_with_the_variables_that_give_one() -> None:
    with pytest.raises(ConfigurationError, match="Pass api_key=… or set ACME_API_KEY or ACME_KEY"):
        resolve()


def test_no_key_is_fine_where_none_is_needed() -> None:
    assert resolve_settings(KEYLESS, environment={}).reveal_key() is None


def test_a_missing_key_without_variables_names_the_argument() -> None:
    spec = ProviderSpec(name="acme", api_version=1, factory="acme:Acme")
    with pytest.raises(ConfigurationError, match=r"Pass api_key=… \(an empty"):
        resolve_settings(spec, environment={})


def test_a_missing_key_is_told_apart_from_what_is_wrong() -> None:
    with pytest.raises(MissingKeyError):
        resolve()
    for wrong in ({"api_key": ""}, {"base_url": "a"}, {"options": {"zone": 1}}):
        with pytest.raises(ConfigurationError) as caught:
            resolve(**wrong)
        assert type(caught.value) is ConfigurationError


BAD_KEYS = [
    ("", "is empty"),
    ("  ", "is empty"),
    (SecretStr(""), "is empty"),
    (f"{CANARY}\n", "contains a line break, perhaps from the end of a file. Strip it first"),
    (f"{CANARY}\r\nX-Evil: 1", "contains a line break"),
    (f"{CANARY} {CANARY}", "a space, a control character or one outside ASCII"),
    (f"{CANARY}\x00", "a space, a control character or one outside ASCII"),
    (f"{CANARY}é", "a space, a control character or one outside ASCII"),
    (5, "must be text, not int"),
    (CANARY.encode(), "must be text, not bytes"),
]


@pytest.mark.parametrize(("key", "says"), BAD_KEYS)
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(key: Any, says: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"API key for `acme` from the argument.*{says}"
    ) as e:
        resolve(api_key=key)
    assert CANARY not in str(e.value)


@pytest.mark.parametrize(("key", "says"), BAD_KEYS)
def test_a_key_from_a_callable_is_held_to_the_same(key: Any, says: str) -> None:
    settings = resolve(api_key=lambda: key)
    with pytest.raises(ConfigurationError, match=f"from the callable.*{says}") as caught:
        settings.reveal_key()
    assert CANARY not in str(caught.value)


def test_a_bad_key_names_the_variable_it_came_from() -> None:
    with pytest.raises(ConfigurationError, match="from the environment variable ACME_API_KEY") as e:
        resolve({"ACME_API_KEY": f"{CANARY}\n"})
    assert CANARY not in str(e.value)


# Addresses.


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://a.example/v1/", "https://a.example/v1"),
        (" http://127.0.0.1:8080 ", "http://127.0.0.1:8080"),
        ("http://[::1]:11434/api//", "http://[::1]:11434/api"),
        ("https://user:word@a.example", "https://user:word@a.example"),
    ],
)
def test_an_address_loses_blanks_and_its_last_slash(url: str, read: str) -> None:
    assert resolve(api_key=CANARY, base_url=url).base_url == read


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must start with http:// or https://"),
        ("api.acme.example", "must start with http:// or https://"),
        ("ftp://u:pw-canary@a.example", "must start with http:// or https://"),
        ("https://", "and name a host"),
        ("https://u:pw-canary@", "and name a host"),
        ("https://a.example:99999", "is not a valid URL"),
        ("https://a.example:0", "and name a host"),
        ("https://[", "is not a valid URL"),
        ("https://u:pw-canary@a.example/?key=1", "must not hold a query or a fragment"),
        ("https://a.example/#top", "must not hold a query or a fragment"),
        ("https://a b.example", "a space or a control character"),
        (5, "must be text"),
    ],
)
def test_an_address_that_nothing_can_go_to_is_refused_and_not_shown(url: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        resolve(api_key=CANARY, base_url=url)
    assert "pw-canary" not in str(caught.value)
    assert "`acme`" in str(caught.value)


def test_a_provider_without_an_address_has_none() -> None:
    assert resolve_settings(KEYLESS, environment={}).base_url == ""


# Options and limits.


def test_a_setting_that_the_provider_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(
        ConfigurationError, match=r"no setting 'zone'\. It takes: api_key, base_url, "
    ):
        resolve(api_key=CANARY, options={"zone": "x", "tier": "a"})


@pytest.mark.parametrize(
    ("name", "meant"), [("api-key", "api_key"), ("Base_URL", "base_url"), ("regions", "region")]
)
def test_a_misspelt_setting_is_told_with_the_word_it_resembles_also_without_a_key(
    name: str, meant: str
) -> None:
    says = f"`acme` has no setting '{name}'\\. Did you mean `{meant}`\\? It takes: "
    with pytest.raises(ConfigurationError, match=says) as caught:
        resolve(options={name: CANARY})
    assert CANARY not in str(caught.value)


def test_a_misspelt_key_of_a_table_is_told_and_not_said_to_be_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"'api-key' .*Did you mean `api_key`") as caught:
        resolve(table={"api-key": CANARY})
    assert CANARY not in str(caught.value)


def test_an_option_that_is_none_is_not_given() -> None:
    assert resolve(api_key=CANARY, options={"tier": None}).options == {}


@pytest.mark.parametrize("name", ["connect", "first_content", "idle", "total"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 1e9, "10", [1]])
def test_a_limit_is_seconds_above_zero_that_a_clock_can_wait(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"`{name}` must be seconds above 0, or None"):
        Timeouts(**{name: value})


@pytest.mark.parametrize("name", ["connect", "first_content", "idle", "total"])
@pytest.mark.parametrize("value", [None, 0.001, 5, 1e8])
def test_any_such_time_is_a_limit_and_none_is_no_limit(name: str, value: Any) -> None:
    assert getattr(Timeouts(**{name: value}), name) == value


# The same through the public way: refused when the model is created.


@pytest.mark.parametrize(
    ("ref", "settings", "says"),
    [
        ("openai/gpt", {}, "`openai` needs an API key. Pass api_key=… or set OPENAI_API_KEY"),
        ("openai/gpt", {"api_key": ""}, "is empty"),
        ("openai/gpt", {"api_key": f"{CANARY}\n"}, "contains a line break"),
        ("openai/gpt", {"api_key": 5}, "must be text, not int"),
        ("openai/gpt", {"api_key": CANARY, "base_url": "a"}, "must start with http"),
        ("openai/gpt", {"api_key": CANARY, "zone": 1}, "has no setting 'zone'"),
        ("openai/gpt", {"api_key": CANARY, "http_client": 5}, "not int"),
        ("gpt-5", {}, "Write provider/model"),
        ("openai/", {"api_key": CANARY}, "names no model"),
        ("", {}, "Write the model as provider/model"),
        ("opnai/gpt", {}, "Did you mean `openai`"),
    ],
)
def test_a_model_that_cannot_be_is_refused_when_it_is_created(
    ref: str, settings: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=says) as caught:
        get_model(ref, **settings)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)


def test_a_mistake_in_a_timeout_is_said_when_it_is_written() -> None:
    with pytest.raises(ConfigurationError, match="`idle`"):
        get_model("echo/echo", timeouts=Timeouts(idle=0))
