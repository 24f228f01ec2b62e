"""The environments the subjects live in, made once and kept in `.bench/`.

Each has a stamp of what was asked for; as long as it matches, nothing is installed again.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".bench"
PROVIDERS = (ROOT / "providers/ollama", ROOT / "providers/openai")
OPENAI_REQUIREMENT = "openai==3.57.0"
OLLAMA_REQUIREMENT = "ollama==0.6.3"
HTTPX_SSE_REQUIREMENT = "httpx-sse==0.4.3"
INSTALL_TIMEOUT_SECONDS = 600
# Proxies would stand between the subjects and the loopback server.
PROXY_VARIABLES = {"http_proxy", "https_proxy", "all_proxy"}


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment: its name in the cache and what pip installs into it."""

    name: str
    pip_arguments: tuple[str, ...]

    def stamp(self) -> str:
        """Return what changes when the environment must be made anew."""
        pins = [path.read_text() for path in _constraints()]
        asked = [sys.version, self.pip_arguments, _dependencies(), pins]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _dependencies() -> list[list[str]]:
    files = [folder / "pyproject.toml" for folder in (ROOT, *PROVIDERS)]
    return [tomllib.loads(file.read_text())["project"]["dependencies"] for file in files]


def _constraints() -> list[Path]:
    path = ROOT / "constraints.txt"
    return [path] if path.exists() else []


def _editable(*folders: Path) -> tuple[str, ...]:
    return tuple(part for folder in folders for part in ("-e", str(folder)))


def _constrained() -> tuple[str, ...]:
    return tuple(part for path in _constraints() for part in ("-c", str(path)))


# streamkit and the floors share one environment, so they run the very same httpx.
CORE = Environment(
    "core",
    (*_editable(ROOT, *PROVIDERS), HTTPX_SSE_REQUIREMENT, *_constrained()),
)
OPENAI = Environment("openai", (OPENAI_REQUIREMENT,))
OLLAMA = Environment("ollama", (OLLAMA_REQUIREMENT,))
# What a user gets who installs the core and nothing else.
INSTALL = Environment("install", (str(ROOT), *_constrained()))


def ensure(environment: Environment) -> Path:
    """Make the environment unless it is there, and return its Python."""
    folder = CACHE / environment.name
    python = folder / "bin" / "python"
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text() == environment.stamp():
        return python
    sys.stderr.write(f"benchmarks: making the environment {environment.name} (once)\n")
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True, symlinks=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*command, *environment.pip_arguments], check=True, timeout=INSTALL_TIMEOUT_SECONDS
    )
    stamp.write_text(environment.stamp())
    return python


def process_environment() -> dict[str, str]:
    """Return the variables the subjects see: ours without proxies."""
    return {
        name: value for name, value in os.environ.items() if name.lower() not in PROXY_VARIABLES
    }
