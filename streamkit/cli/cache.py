"""The models that services told of, kept so that completion and a day offline can use them.

One file for each provider and address, named by the provider and a digest of the address. No key
is in it: an address is kept without the user and password that it may hold.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from streamkit.config_file import cache_folder

_VERSION: Final = 1
_DIGEST_LENGTH: Final = 12
_DIGEST_PATTERN: Final = "[0-9a-f]" * _DIGEST_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedModels:
    """What a service told of its models, and when.

    Attributes:
        fetched_at: Seconds since the epoch.
        models: One mapping for each model: `id`, and `title` and `context_window` where told.
    """

    fetched_at: float
    models: tuple[Mapping[str, Any], ...]

    def age_s(self) -> float:
        """Seconds since it was told; never below 0, whatever was done to the clock."""
        return max(0.0, time.time() - self.fetched_at)


def load_models(provider: str, base_url: str) -> CachedModels | None:
    """What is kept for a provider's address, or `None`; a damaged file is none."""
    return _read(_file(provider, base_url))


def save_models(provider: str, base_url: str, models: Iterable[Mapping[str, Any]]) -> None:
    """Keeps what a service told. A folder that cannot be written to loses the cache, no more."""
    path = _file(provider, base_url)
    record = {"version": _VERSION, "fetched_at": time.time(), "models": list(models)}
    # Written beside it and moved: another command may be reading.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".models-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(record, file)
        Path(name).replace(path)


def known_models(provider: str) -> list[str]:
    """The names of a provider's models that any of its addresses told of; asks nobody."""
    try:
        files = sorted(_folder().glob(f"{_file_word(provider)}-{_DIGEST_PATTERN}.json"))
    except OSError:
        return []
    kept = [each for each in map(_read, files) if each is not None]
    return sorted({model["id"] for each in kept for model in each.models})


def address_without_secrets(url: str) -> str:
    """An address without the user and password that may stand in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _read(path: Path) -> CachedModels | None:
    try:
        record = json.loads(path.read_bytes())
        if record["version"] != _VERSION:
            return None
        models = tuple(each for each in record["models"] if isinstance(each["id"], str))
        return CachedModels(fetched_at=float(record["fetched_at"]), models=models)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _folder() -> Path:
    return cache_folder() / "models"


def _file(provider: str, base_url: str) -> Path:
    digest = hashlib.sha256(address_without_secrets(base_url).encode()).hexdigest()[:_DIGEST_LENGTH]
    return _folder() / f"{_file_word(provider)}-{digest}.json"


def _file_word(provider: str) -> str:
    return "".join(each if each.isalnum() or each in "-_" else "_" for each in provider)
