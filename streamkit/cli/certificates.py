"""What a provider's author says that the conformance kit found: a file in their package.

Reading it imports neither the provider nor the kit. It is the author's word, shown as such.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

__all__ = ["CERTIFICATE", "Certificate", "certificate_of"]

#: The file's name, beside the manifest or above it within the package.
CERTIFICATE: Final = "conformance.json"

_LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a run of the kit found.

    Attributes:
        claim: What it allows to be claimed, such as `streamkit 2026.1 · core+tools`.
        provider_version: The version of the distribution that was tried; empty if not told.
        date: When.
        kit_version: The kit's version.
    """

    claim: str
    provider_version: str = ""
    date: str = ""
    kit_version: str = ""


def certificate_of(module: str, provider: str) -> Certificate | None:
    """Reads the certificate of a provider; imports nothing.

    Args:
        module: The module of its manifest, such as `streamkit_moonshot`.
        provider: Its name; a package may hold several.

    Returns:
        The certificate, or `None` where the package has none for it.

    Raises:
        ValueError: There is one, and it cannot be read.
    """
    path = next((each for each in _places(module) if each.is_file()), None)
    if path is None:
        return None
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        row = data["providers"].get(provider)
        return None if row is None else _read(row)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path.name} is no certificate") from error


def _places(module: str) -> Iterator[Path]:
    """Where the file may be: beside the manifest first, then upwards to the top package."""
    names = module.partition(":")[0].split(".")
    try:
        # Of a top-level name the spec is found without importing anything.
        spec = find_spec(names[0])
    except (ImportError, ValueError):
        return
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for depth in range(len(names), 0, -1):
        for folder in folders:
            yield Path(folder, *names[1:depth]) / CERTIFICATE


def _read(row: Any) -> Certificate:
    claim = row["claim"]
    texts = [row.get(key, "") for key in ("provider_version", "date", "kit_version")]
    if not isinstance(claim, str) or not claim or not all(isinstance(t, str) for t in texts):
        raise TypeError("a field is no text")
    return Certificate(claim=claim, provider_version=texts[0], date=texts[1], kit_version=texts[2])
