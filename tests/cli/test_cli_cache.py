"""What is kept of services' models."""

from pathlib import Path

import pytest

from streamkit.cli.cache import known_models, load_models, save_models
from streamkit.cli.failures import nearest_models
from streamkit.config_file import cache_folder

URL = "https://api.example.com/v1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    return cache_folder() / "models"


def test_what_was_saved_is_known_with_its_age() -> None:
    save_models("acme", URL, [{"id": "small"}])
    kept = load_models("acme", URL)
    assert kept is not None
    assert [model["id"] for model in kept.models] == ["small"]
    assert 0 <= kept.age_s() < 60


def test_another_address_is_another_list_and_another_password_is_not() -> None:
    save_models("acme", "https://user:one@api.example.com/v1", [{"id": "small"}])
    assert load_models("acme", "https://user:two@api.example.com/v1") is not None
    assert load_models("acme", "https://other.example.com/v1") is None


def test_the_models_of_all_addresses_are_known_and_those_of_no_namesake() -> None:
    save_models("acme", URL, [{"id": "b"}])
    save_models("acme", "http://127.0.0.1:1", [{"id": "a"}])
    save_models("acme-eu", URL, [{"id": "foreign"}])
    assert known_models("acme") == ["a", "b"]
    assert known_models("nobody") == []


@pytest.mark.parametrize(
    "damaged", ["", "{", "[]", '{"version": 1}', '{"version": 2, "fetched_at": 1, "models": []}']
)
def test_a_damaged_file_is_none(damaged: str, folder: Path) -> None:
    save_models("acme", URL, [{"id": "small"}])
    (file,) = folder.glob("*.json")
    file.write_text(damaged)
    assert load_models("acme", URL) is None
    assert known_models("acme") == []


def test_a_folder_that_cannot_be_made_loses_the_cache_and_no_more(folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a file stands where the folder should be")
    save_models("acme", URL, [{"id": "small"}])
    assert load_models("acme", URL) is None


def test_the_nearest_models_are_named_or_the_command_that_lists_them() -> None:
    assert nearest_models("acme/x") == "See what there is: streamkit models acme"
    save_models("acme", URL, [{"id": "llama3:8b"}, {"id": "qwen3"}])
    assert nearest_models("acme/lama3:8b") == "Nearest: acme/llama3:8b"
    assert nearest_models("acme/llama3") == "Nearest: acme/llama3:8b"
