"""What every test of the repository shares: event loops, generated cases, examples in documents."""

import os
import tempfile

import pytest
from hypothesis import HealthCheck, settings

from tests.markdown_examples import collect_markdown_examples

# `ci` finds the same cases in every run, so a red build is red for everyone; `thorough` looks
# further. A deadline per example, or a limit on the time to make one, would measure the machine.
for profile, examples, derandomize in (("ci", 50, True), ("thorough", 500, False)):
    settings.register_profile(
        profile,
        max_examples=examples,
        derandomize=derandomize,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("STREAMKIT_TEST_PROFILE", "ci"))

# The settings and the cache of whoever runs the tests are theirs: every test begins with none.
_FOLDER = tempfile.TemporaryDirectory(prefix="streamkit-tests-")
os.environ["XDG_CONFIG_HOME"] = os.path.join(_FOLDER.name, "config")
os.environ["XDG_CACHE_HOME"] = os.path.join(_FOLDER.name, "cache")
os.environ.pop("STREAMKIT_CONFIG", None)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The event loop that a test marked with anyio runs on: each of the two in turn."""
    backend: str = request.param
    return backend


pytest_collect_file = collect_markdown_examples
