import json
import os
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.config_file import (
    Config,
    cache_folder,
    config_folder,
    is_variable,
    load_config,
    spec_from_table,
)
from streamkit.errors import ConfigurationError
from streamkit.plugin import Capabilities, CompatSpec, Quirks

CANARY = "sk-canary-0123456789"
SERVER = 'kind = "openai-compatible"\nbase_url = "https://api.acme.example/v1"\n'


def load(folder: Path, text: str | bytes) -> Config:
    """Reads a file with this text, by the variable that names it."""
    path = folder / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config({"STREAMKIT_CONFIG": str(path)})


def spec_of(text: str) -> CompatSpec:
    """Reads a table `[providers.acme]` with these lines beside its kind and its address."""
    return spec_from_table("acme", tomllib.loads(SERVER + text))


# Where the file is.


def test_the_file_is_in_the_users_folder(tmp_path: Path) -> None:
    folder = tmp_path / "streamkit"
    folder.mkdir()
    (folder / "config.toml").write_text('[aliases]\nfast = "acme/small"\n')
    config = load_config({"XDG_CONFIG_HOME": str(tmp_path)})
    assert (config.path, config.aliases) == (folder / "config.toml", {"fast": "acme/small"})


def test_the_process_environment_is_read_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text('[aliases]\nfast = "acme/small"\n')
    monkeypatch.setenv("STREAMKIT_CONFIG", str(tmp_path / "mine.toml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_config().aliases == {"fast": "acme/small"}
    assert cache_folder() == tmp_path / "streamkit"


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    for folder in [tmp_path, tmp_path / "gone", Path(os.devnull)]:
        assert load_config({"XDG_CONFIG_HOME": str(folder)}) == Config()


def test_a_file_that_the_variable_names_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "gone.toml"
    with pytest.raises(ConfigurationError, match=f"{path}, named by STREAMKIT_CONFIG, does not ex"):
        load_config({"STREAMKIT_CONFIG": str(path)})


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_names_no_file(tmp_path: Path, empty: str) -> None:
    environment = {"STREAMKIT_CONFIG": empty, "XDG_CONFIG_HOME": str(tmp_path)}
    assert load_config(environment) == Config()


def test_a_path_may_begin_with_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.toml").write_text("")
    assert load_config({"STREAMKIT_CONFIG": "~/mine.toml"}).path == tmp_path / "mine.toml"


@pytest.mark.parametrize("named", ["config.toml", "./config.toml", "~nobody-of-that-name/a.toml"])
def test_the_working_directory_is_never_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    (tmp_path / "config.toml").write_text('[aliases]\nfast = "evil/small"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="STREAMKIT_CONFIG must hold a whole path: "):
        load_config({"STREAMKIT_CONFIG": named})


@pytest.mark.parametrize("home", ["relative", ".", None])
@pytest.mark.parametrize("xdg", [".", "", "relative", None])
def test_neither_a_relative_folder_nor_a_missing_home_leads_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, xdg: str | None, home: str | None
) -> None:
    def no_home() -> Path:
        if home is None:
            raise RuntimeError("Could not determine home directory.")
        return Path(home)

    for place in ["streamkit", "relative/streamkit", ".config/streamkit"]:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "config.toml").write_text('[aliases]\nfast = "evil/small"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", no_home)
    environment = {} if xdg is None else {"XDG_CONFIG_HOME": xdg}
    assert load_config(environment) == Config()
    assert config_folder(environment).is_absolute()


@pytest.mark.parametrize(
    ("platform", "environment", "config", "cache"),
    [
        ("linux", {}, "home/.config", "home/.cache"),
        ("darwin", {}, "home/Library/Application Support", "home/Library/Caches"),
        ("win32", {"APPDATA": "/r", "LOCALAPPDATA": "/l"}, "/r", "/l"),
        ("win32", {"APPDATA": ""}, "home/AppData/Local", "home/AppData/Local"),
        ("darwin", {"XDG_CONFIG_HOME": "/c", "XDG_CACHE_HOME": "/d"}, "/c", "/d"),
    ],
)
def test_each_platform_has_its_folders(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    environment: dict[str, str],
    config: str,
    cache: str,
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "platform", platform)
    assert config_folder(environment) == tmp_path / config / "streamkit"
    assert cache_folder(environment) == tmp_path / cache / "streamkit"


# What it says.


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Config(path=tmp_path / "config.toml")


def test_settings_and_servers_and_aliases_stand_in_it(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        f'[aliases]\nfast = "acme/small"\n[providers.openai]\napi_key = "{CANARY}"\n'
        f"[providers.acme]\n{SERVER}",
    )
    assert config.aliases == {"fast": "acme/small"}
    assert config.providers["openai"] == {"api_key": CANARY}
    assert config.providers["acme"]["kind"] == "openai-compatible"
    assert config.place("acme") == f"the config file {config.path}, table [providers.acme]"
    assert CANARY not in repr(config)


def test_a_mark_of_an_editor_before_the_text_is_no_fault(tmp_path: Path) -> None:
    assert load(tmp_path, b'\xef\xbb\xbf[aliases]\r\nfast = "acme/small"\r\n').aliases


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'[aliases]\nfast = "a/b"\nslow {CANARY}', "(at line 3, column 6)"),
        (f'api_key = "{CANARY}', "is no valid TOML: Unterminated string"),
        ("a = " + "[" * 10_000, "is no valid TOML: "),
        ("a = " + "9" * 10_000, "is no valid TOML: "),
        ("[provider.acme]", "has the table [provider], which means nothing here. Did you mean "),
        ("[provider.acme]", "Did you mean `providers`? There are [aliases] and [providers.NAME]."),
        (f'api_key = "{CANARY}"', "has the table [api_key], which means nothing here. There are"),
        ("providers = 1", "write each provider as a table [providers.NAME]"),
        (f'[providers]\nopenai = "{CANARY}"', "write each provider as a table [providers.NAME]"),
        ("[[providers]]", "write each provider as a table [providers.NAME]"),
        ("aliases = 1", 'write aliases as name = "provider/model"'),
        ("[aliases]\nfast = 1", 'write aliases as name = "provider/model"'),
        ('[aliases]\nfast = " "', 'write aliases as name = "provider/model"'),
        ("[aliases.fast]\nmodel = 1", 'write aliases as name = "provider/model"'),
    ],
)
def test_a_file_that_means_nothing_is_refused_with_its_place_and_without_its_secrets(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"The config file {tmp_path / 'config.toml'}")
    assert says in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no UTF-8: invalid start byte at byte 4"):
        load(tmp_path, b"#abc\xff")


def test_a_file_that_cannot_be_read_is_refused_with_a_way_out(tmp_path: Path) -> None:
    says = "cannot be read: Is a directory. To go without it, let STREAMKIT_CONFIG name an empty"
    (tmp_path / "streamkit" / "config.toml").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=says):
        load_config({"XDG_CONFIG_HOME": str(tmp_path)})


# A server of its own.

A_SERVER = """
title = "Acme"
key_env = "ACME_API_KEY"
base_url_env = "ACME_BASE_URL"
needs_key = false
default_model = "small"
capabilities = {yes = ["tools", "usage"], no = "images logprobs"}
model_capabilities = {"large*" = {yes = "images"}}
reasoning_fields = ["thoughts"]
reasoning_replay = false
max_tokens_field = "max_completion_tokens"
include_usage = false
usage_path = "choices.0.usage"
error_path = "fault"
keep_alive = ["ping", "[WAIT]"]
evidence = ["terminator"]
unsupported = "seed stop"
ignored = []
prefill_field = "partial"
key_header = "x-key"
error_kinds = {1305 = "rate_limit"}
headers = {x-team = "blue"}
close_connection = true
"""


def test_a_table_is_the_row_that_it_describes() -> None:
    assert spec_of(A_SERVER) == CompatSpec(
        name="acme",
        base_url="https://api.acme.example/v1",
        title="Acme",
        key_env="ACME_API_KEY",
        base_url_env="ACME_BASE_URL",
        needs_key=False,
        default_model="small",
        capabilities=Capabilities.of(yes="tools usage", no="images logprobs"),
        model_capabilities={"large*": Capabilities.of(yes="images")},
        quirks=Quirks(
            reasoning_fields=("thoughts",),
            reasoning_replay=None,
            max_tokens_field="max_completion_tokens",
            include_usage=False,
            usage_path="choices.0.usage",
            error_path="fault",
            keep_alive=frozenset({"ping", "[WAIT]"}),
            evidence=frozenset({"terminator"}),
            unsupported=frozenset({"seed", "stop"}),
            prefill_field="partial",
            key_header="x-key",
            error_kinds={"1305": "rate_limit"},
            headers={"x-team": "blue"},
            close_connection=True,
        ),
    )


def test_what_a_table_leaves_out_is_as_a_row_has_it() -> None:
    assert spec_of("") == CompatSpec(name="acme", base_url="https://api.acme.example/v1")


def test_a_table_may_hold_a_key_which_is_no_part_of_the_row() -> None:
    row = spec_of(f'api_key = "{CANARY}"\nheaders = {{authorization = "Bearer {CANARY}"}}')
    assert row.quirks.headers == {"authorization": f"Bearer {CANARY}"}
    assert CANARY not in repr(row)
    assert CANARY not in repr(row.as_provider_spec())


NOT_OF_A_TABLE = {"name", "quirks", "api_version", "distribution"}


@pytest.mark.parametrize(
    "word", sorted({each.name for each in (*fields(CompatSpec), *fields(Quirks))} - NOT_OF_A_TABLE)
)
def test_every_field_of_a_row_can_be_written_and_refuses_what_it_cannot_be(word: str) -> None:
    table = {**tomllib.loads(SERVER), word: 1.5}
    with pytest.raises(ConfigurationError, match=rf"\[providers.acme\]: `{word}` must be "):
        spec_from_table("acme", table)


@pytest.mark.parametrize("word", sorted(NOT_OF_A_TABLE))
def test_what_only_a_package_has_means_nothing_in_a_table(word: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\[providers.acme\] has `{word}`, which means"):
        spec_of(f'{word} = "1"')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bse_url_env = 1", " has `bse_url_env`, which means nothing here. Did you mean `base_url"),
        ("telepathy = 1", " has `telepathy`, which means nothing here."),
        ("title = 5", ": `title` must be text, not a number."),
        ("title = false", ": `title` must be text, not true or false."),
        ("title = 2026-01-01", ": `title` must be text, not a date or a time."),
        ("title = [1]", ": `title` must be text, not a list."),
        ("needs_key = 1", ": `needs_key` must be true or false, not a number."),
        ('include_usage = "no"', ": `include_usage` must be true or false, not text."),
        ("default_model = true", ": `default_model` must be text, not true or false."),
        ("keep_alive = [1]", ": `keep_alive` must be a list of texts, not a list."),
        ("unsupported = {}", ": `unsupported` must be a list of texts, not a table."),
        ("headers = {a = 1}", ": `headers` must be a table of texts, not a table."),
        ('headers = "a"', ": `headers` must be a table of texts, not text."),
        (
            f'key_env = "{CANARY}"',
            ": `key_env` must be the name of an environment variable, not a key or a path.",
        ),
        ("base_url_env = true", ": `base_url_env` must be the name of an environment variable"),
        ("evidence = []", ": `evidence` must not be empty."),
        (
            'evidence = ["finish_reasons"]',
            ": `evidence` cannot hold `finish_reasons` (perhaps `finish_reason` is meant), only ",
        ),
        ('evidence = "x"', ": `evidence` cannot hold `x`, only finish_reason, terminator."),
        ('capabilities = "tools"', ": `capabilities` must be a table such as {yes = ["),
        ("capabilities = {maybe = 1}", ": `capabilities` must be a table such as {yes = ["),
        ("capabilities = {yes = 1}", ": `capabilities` must be a list of texts, not a number."),
        (
            'capabilities = {yes = "tolls"}',
            ": `capabilities` cannot hold `tolls` (perhaps `tools` is meant), only tools, ",
        ),
        ("model_capabilities = 1", ": `model_capabilities` must be a table of tables, one for ea"),
        ('model_capabilities = {a = "tools"}', ": `model_capabilities` must be a table such as "),
        ('model_capabilities = {a = {no = "x"}}', ": `model_capabilities` cannot hold `x`, only "),
    ],
)
def test_a_word_that_cannot_be_read_is_told_with_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        spec_of(text)
    assert str(caught.value).startswith(f"[providers.acme]{says}")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("address", [None, "", False])
def test_a_table_needs_an_address(address: object) -> None:
    table = {"kind": "openai-compatible", "base_url": address}
    wanted = {name: value for name, value in table.items() if value is not None}
    with pytest.raises(ConfigurationError, match=r"\[providers.acme\]:? (needs )?`base_url`"):
        spec_from_table("acme", wanted)


@pytest.mark.parametrize("kind", ["openai", "", 5, None, ["openai-compatible"]])
def test_a_kind_that_there_is_not_is_told_with_the_one_that_there_is(kind: object) -> None:
    says = r'\[providers.acme\] has an unknown `kind`; the one that there is is "openai-compatible"'
    with pytest.raises(ConfigurationError, match=says):
        spec_from_table("acme", {"kind": kind, "base_url": "https://a.example"})


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("ACME_KEY", True), ("_k1", True), ("1k", False), (CANARY, False), ("", False), (5, False)],
)
def test_a_variable_is_called_in_a_way_that_no_key_is(name: object, is_one: bool) -> None:
    assert is_variable(name) is is_one


# Any table.

WORDS = [*(each.name for each in (*fields(CompatSpec), *fields(Quirks))), "kind", "api_key", "new"]
LEAVES = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(["", "tools", "terminator", "openai-compatible", "ACME_KEY", "a b"]),
    st.text(max_size=5),
    st.datetimes(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["yes", "no", "a*"]), inner, max_size=3),
    ),
    max_leaves=5,
)


@given(
    table=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6),
    has_address=st.booleans(),
)
def test_any_table_is_a_row_or_refused_and_shows_no_key(
    table: dict[str, Any], has_address: bool
) -> None:
    table = {**table, "kind": "openai-compatible", "api_key": CANARY}
    if has_address:
        table["base_url"] = "https://api.acme.example/v1"
    try:
        shown = repr(spec_from_table("acme", table).as_provider_spec())
    except ConfigurationError as error:
        shown = str(error) + repr(error)
        assert "[providers.acme]" in shown
    assert CANARY not in shown


@given(value=VALUES, word=st.sampled_from(["headers", "key_env", "title", "capabilities"]))
def test_any_value_of_a_word_that_may_be_mistaken_for_the_keys_is_not_shown(
    value: Any, word: str
) -> None:
    def poisoned(value: Any) -> Any:
        match value:
            case dict():
                return {name: poisoned(each) for name, each in value.items()}
            case list():
                return [*map(poisoned, value), {"deep": CANARY}]
            case _:
                return value

    table = {**tomllib.loads(SERVER), word: poisoned([value])}
    with pytest.raises(ConfigurationError) as caught:
        spec_from_table("acme", table)
    assert CANARY not in json.dumps(str(caught.value))
