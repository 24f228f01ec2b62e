"""The recordings folder is found through one setting, and its absence is never silent."""

from pathlib import Path

import pytest

from tests.wire_recordings import SETTING, find_recordings_folder, recordings_folder


def make_folder(path: Path) -> Path:
    (path / "recordings").mkdir(parents=True)
    (path / "recordings" / "MANIFEST.json").write_text("{}")
    return path


def test_the_setting_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "elsewhere")
    monkeypatch.setenv(SETTING, str(folder))
    assert recordings_folder() == folder


def test_a_folder_without_a_manifest_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, str(tmp_path))
    assert find_recordings_folder() is None


def test_missing_recordings_fail_in_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, str(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=SETTING):
        recordings_folder()


def test_missing_recordings_skip_elsewhere_and_name_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=SETTING):
        recordings_folder()
