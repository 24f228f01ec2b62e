import pytest

from streamkit.errors import ConfigurationError
from streamkit_local.problems import (
    Platform,
    library_missing,
    library_unloadable,
    unsupported_platform,
)
from streamkit_local.supervisor import library_folder

LINUX = Platform(system="Linux", machine="x86_64")


@pytest.mark.parametrize(
    "where",
    [
        LINUX,
        Platform(system="Linux", machine="aarch64"),
        Platform(system="Darwin", machine="arm64", macos_version=13),
        Platform(system="Darwin", machine="x86_64", macos_version=26),
        Platform(system="Windows", machine="amd64"),
    ],
)
def test_a_platform_with_wheels_has_no_problem(where: Platform) -> None:
    assert unsupported_platform(where) is None


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (Platform(system="Linux", machine="x86_64", musl=True), "musl"),
        (Platform(system="Linux", machine="x86_64", free_threaded=True), "free-threaded"),
        (Platform(system="Linux", machine="riscv64"), "Linux on riscv64"),
        (Platform(system="Windows", machine="arm64"), "Windows on arm64"),
        (Platform(system="Darwin", machine="arm64", macos_version=12), "macOS 13 or newer"),
        (Platform(system="FreeBSD", machine="amd64"), "FreeBSD on amd64"),
    ],
)
def test_a_platform_without_wheels_is_named(where: Platform, words: str) -> None:
    reason = unsupported_platform(where)
    assert reason is not None
    assert words in reason
    # What pip says there ("no matching distribution") would not help, so no pip line is offered.
    assert words in library_missing(where)
    assert "pip install" not in library_missing(where)


def test_a_missing_library_comes_with_the_one_command_that_installs_it() -> None:
    assert "Run: python -m pip install" in library_missing(LINUX)


def test_a_library_that_is_not_installed_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="xllamacpp"):
        library_folder("a_library_that_nobody_has")


@pytest.mark.parametrize(
    ("loader_message", "mend"),
    [
        (
            "libgomp.so.1: cannot open shared object file: No such file or directory",
            "apt-get install libgomp1",
        ),
        ("libstdc++.so.6: cannot open shared object file", "libstdc++6"),
        ("/lib/libc.so.6: version `GLIBC_2.38' not found", "newer system"),
        ("undefined symbol: something_else", "Installing again"),
    ],
)
def test_a_library_that_does_not_load_says_what_it_needs(loader_message: str, mend: str) -> None:
    text = library_unloadable(loader_message, LINUX)
    assert loader_message in text
    assert mend in text


def test_a_library_that_does_not_load_on_an_unsupported_platform_names_the_platform() -> None:
    where = Platform(system="Linux", machine="x86_64", free_threaded=True)
    assert "free-threaded" in library_unloadable("undefined symbol: PyGILState", where)


def test_the_running_python_is_described_without_a_guess() -> None:
    where = Platform.current()
    assert where.system
    assert where.machine == where.machine.lower()
