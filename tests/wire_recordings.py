"""Where the recordings of real streams are, and what each one says should come of it.

Most are not part of the repository: they belong to others. The variable STREAMKIT_WIRE names their
folder; unset, it is the one beside the repository. Tests that need them and don't find them fail
where the variable CI is set and are skipped elsewhere, and say which. Those that may be passed on
are in `tests/recordings/` and are always there.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SETTING = "STREAMKIT_WIRE"
ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / "../shared/wire"
OWN = ROOT / "tests" / "recordings"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recorded response.

    Attributes:
        name: `folder/name`, unique.
        dialect: The wire format, such as `openai-chat`.
        path: The file of the body, byte for byte.
        status: The HTTP status.
        headers: The response's headers, names in lower case.
        is_stream: A stream was asked for.
        expected: What the manifest expects, in the manifest's words.
    """

    name: str
    dialect: str
    path: Path
    status: int
    is_stream: bool
    headers: dict[str, str] = field(repr=False)
    expected: dict[str, Any] = field(repr=False)

    @property
    def body(self) -> bytes:
        """The body's bytes."""
        return self.path.read_bytes()


def recordings_folder() -> Path:
    """The folder that holds `recordings/` and `recordings-local/`.

    Fails the test in CI and skips it elsewhere when there is none. Call it from a test or a
    fixture; to parametrize a test over the recordings use `find_recordings_folder`, so that a
    missing folder leaves the tests collected, and failing, rather than absent.
    """
    folder = find_recordings_folder()
    if folder is None:
        message = (
            f"the recordings of real streams were not found: set {SETTING} to the folder of wire "
            "recordings, the one that holds recordings/MANIFEST.json"
        )
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return folder


def find_recordings_folder() -> Path | None:
    """The same folder, or None when it is missing."""
    folder = Path(os.environ.get(SETTING) or DEFAULT).resolve()
    return folder if (folder / "recordings" / "MANIFEST.json").is_file() else None


def recordings_of(dialect: str) -> list[Recording]:
    """The recordings of one dialect, in the manifest's order; none where there is no folder."""
    folder = find_recordings_folder()
    if folder is None:
        return []
    return [
        Recording(
            name=entry["name"],
            dialect=dialect,
            path=folder / "recordings" / entry["file"],
            status=entry["response"]["status"],
            headers=entry["response"]["headers"],
            is_stream=entry["stream"],
            expected=entry["expected"],
        )
        for entry in manifest(folder / "recordings")["entries"]
        if entry["dialect"] == dialect
    ]


def llamacpp_recordings() -> list[Recording]:
    """The repository's own recordings of a llama.cpp server's chat completions."""
    return [
        Recording(
            name=f"llamacpp/{entry['name']}",
            dialect="llamacpp",
            path=OWN / "llamacpp" / entry["file"],
            status=entry["status"],
            headers=entry["headers"],
            is_stream=bool((entry["request"] or {}).get("stream")),
            expected=entry["expected"],
        )
        for entry in manifest(OWN / "llamacpp")["recordings"]
        if entry["path"] == "/v1/chat/completions"
    ]


def ollama_recordings() -> list[Recording]:
    """The repository's own recordings of an Ollama server's chat."""
    return [
        Recording(
            name=f"ollama/{entry['name']}",
            dialect="ollama-chat",
            path=OWN / "ollama" / entry["file"],
            status=entry["status"],
            headers=entry["headers"],
            # The server streams unless it is asked not to.
            is_stream=not isinstance(entry["request"], dict)
            or entry["request"].get("stream", True),
            expected=entry["expected"],
        )
        for entry in manifest(OWN / "ollama")["recordings"]
        if entry["expected"]
    ]


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of recordings."""
    loaded: dict[str, Any] = json.loads((folder / "MANIFEST.json").read_text("utf-8"))
    return loaded
