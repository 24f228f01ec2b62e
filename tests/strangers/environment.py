"""An environment of a stranger's own: streamkit and `echo` from wheels, and nothing of this folder.

What streamkit depends on comes from the environment of the tests, so no network is needed; the
editable installs that live there stay out of reach.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SECONDS_FOR_A_COMMAND: Final = 60

# `pip` as the pages call it, without a network: what is to be built is built with the tools that
# are there, and what is required must be installed already.
_PIP: Final = """\
#!/bin/sh
command=$1
shift
case $command in install | wheel) set -- --no-index --no-build-isolation "$@" ;; esac
exec '{python}' -m pip --disable-pip-version-check --python '{target}' "$command" "$@"
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        folder: Where it is.
        variables: The environment variables of its commands, such as keys.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def pip(self, *words: str | Path, folder: Path | None = None) -> str:
        """Runs pip in it, without a network, and returns what it printed."""
        return checked(self.run([str(self.folder / "bin" / "pip"), *map(str, words)], folder))

    def install(self, *wheels: Path) -> None:
        """Installs wheels; what they require must be there."""
        self.pip("install", "--quiet", *wheels)

    def ask(self, code: str, *arguments: str) -> Any:
        """Runs code in an interpreter of its own and returns the JSON that it prints."""
        return json.loads(checked(self.run([*self.program(code), *arguments])))

    def program(self, code: str) -> list[str]:
        """The command that runs code there, away from all sources; warnings are errors."""
        return [str(self.python), "-I", "-W", "error", "-c", code]

    def streamkit(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line."""
        return self.run([str(self.folder / "bin" / "streamkit"), *words])

    def run(
        self, command: Sequence[str] | str, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command, one in a single text in a shell; its errors stand in its output."""
        return subprocess.run(
            command,
            shell=isinstance(command, str),
            cwd=folder or self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_FOR_A_COMMAND,
            check=False,
        )

    @contextmanager
    def running(self, command: Sequence[str], folder: Path | None = None) -> Iterator[Any]:
        """A program that goes on running, until the block is left."""
        process = subprocess.Popen(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            cwd=folder or self.folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        path = os.pathsep.join([str(self.folder / "bin"), os.defpath])
        return {**kept, "PATH": path, "HOME": str(self.folder), **self.variables}


def checked(finished: subprocess.CompletedProcess[str]) -> str:
    """What a command printed; it must have succeeded."""
    assert finished.returncode == 0, f"{finished.args}\n{finished.stdout}"
    return finished.stdout


def build(project: Path, folder: Path) -> Path:
    """Builds the wheel of a project into an empty folder, and returns its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    finished = subprocess.run(
        command,
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_FOR_A_COMMAND,
        check=False,
    )
    checked(finished)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, wheels: Sequence[Path]) -> Environment:
    """Makes a fresh environment with these wheels installed."""
    venv.create(folder, with_pip=False, symlinks=True)
    environment = Environment(folder)
    pip = folder / "bin" / "pip"
    pip.write_text(_PIP.format(python=sys.executable, target=environment.python))
    pip.chmod(0o755)
    _lend_dependencies(folder)
    environment.install(*wheels)
    return environment


def _lend_dependencies(folder: Path) -> None:
    lent = folder / "dependencies"
    lent.mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if each.suffix != ".pth" and not each.name.startswith("streamkit"):
            (lent / each.name).symlink_to(each)
    site_packages = sysconfig.get_path(
        "purelib", vars={"base": str(folder), "platbase": str(folder)}
    )
    (Path(site_packages) / "dependencies.pth").write_text(str(lent))
