"""Packages that `streamkit new provider` makes: built, installed elsewhere, and proven there."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from streamkit.cli.parser import WIRES
from tests.strangers import pages
from tests.strangers.environment import Environment, build, make_environment

#: What the author fills in.
EMPTY: Final = 'base_url=""'

#: Lines of a proof that are code, with which it must be possible.
MOST_LINES: Final = {"openai-compatible": 8, "ndjson": 8, "own": 8 + 15}

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    make_folder = tmp_path_factory.mktemp
    ours = [build(pages.ROOT / name, make_folder("wheel")) for name in ("", "conformance")]
    return make_environment(make_folder("author") / "environment", ours)


def make(environment: Environment, wire: str, folder: Path) -> Path:
    """Has a package made in an empty folder, and fills in the address of its service."""
    streamkit = str(environment.folder / "bin" / "streamkit")
    made = environment.run([streamkit, "new", "provider", f"a-{wire}", "--wire", wire], folder)
    assert made.returncode == 0, made.stdout
    project = folder / f"streamkit-a-{wire}"
    (manifest,) = project.glob("streamkit_*/__init__.py")
    text = manifest.read_text()
    assert text.count(EMPTY) == 1
    manifest.write_text(text.replace(EMPTY, 'base_url="https://service.invalid/v1"'))
    return project


@pytest.mark.parametrize("wire", WIRES)
def test_a_new_package_streams_right_where_it_is_installed(
    wire: str, environment: Environment, tmp_path: Path
) -> None:
    project = make(environment, wire, tmp_path)
    environment.install(build(project, tmp_path / "dist"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    proof = (project / "tests" / "test_conformance.py").read_text()
    (elsewhere / "test_conformance.py").write_text(proof)
    code = re.sub(r'"""[^"]*"""', "", proof)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= MOST_LINES[wire]
    ran = environment.run(
        [str(environment.python), "-m", "pytest", "-q", "--streamkit-report", "out"], elsewhere
    )
    assert ran.returncode == 0, ran.stdout
    report = json.loads((elsewhere / "out" / "report.json").read_text())["report"]
    verdicts = [each["verdict"] for each in report["results"]]
    assert set(verdicts) == {"pass", "not-applicable"}
    assert verdicts.count("pass") > 100
