import os
import sys
from pathlib import Path

import pytest

from streamkit.config_file import (
    Config,
    cache_folder,
    config_folder,
    is_variable,
    load_config,
)
from streamkit.errors import ConfigurationError

CANARY = "sk-canary-0123456789"
SERVER = 'kind = "openai-compatible"\nbase_url = "https://api.acme.example/v1"\n'


def load(folder: Path, text: str | bytes) -> Config:
    """Reads a file with this text, by the variable that names it."""
    path = folder / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config({"STREAMKIT_CONFIG": str(path)})


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


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("ACME_KEY", True), ("_k1", True), ("1k", False), (CANARY, False), ("", False), (5, False)],
)
def test_a_variable_is_called_in_a_way_that_no_key_is(name: object, is_one: bool) -> None:
    assert is_variable(name) is is_one
