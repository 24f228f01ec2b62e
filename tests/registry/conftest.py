"""What the tests of the registry share."""

from pathlib import Path

import pytest

from tests.registry.plugins import Plugins


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plugins:
    """No plug-in yet."""
    return Plugins(monkeypatch, tmp_path)
