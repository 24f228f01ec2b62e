"""What can be wrong with a machine, in words that say what mends it.

Nothing here refuses to try: a platform is looked at only after the library was not found or did not
load, so that a build made by hand works wherever it can.
"""

from __future__ import annotations

import platform
import sysconfig
from dataclasses import dataclass

INSTALL_LIBRARY = 'python -m pip install "xllamacpp>=2026.10,<2027"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The facts that decide whether a prebuilt llama.cpp exists for this Python.

    Attributes:
        system: `Linux`, `Darwin`, `Windows` or another name, as `platform.system()` gives it.
        machine: The processor, in lower case.
        macos_version: The major version of macOS, 0 elsewhere.
        musl: Whether the C library is musl (Alpine Linux) and not glibc.
        free_threaded: Whether this Python was built without a global interpreter lock.
    """

    system: str
    machine: str
    macos_version: int = 0
    musl: bool = False
    free_threaded: bool = False

    @classmethod
    def current(cls) -> Platform:
        """Looks at the Python that runs."""
        return cls(
            system=platform.system(),
            machine=platform.machine().lower(),
            macos_version=int(platform.mac_ver()[0].partition(".")[0] or 0),
            musl="musl" in str(sysconfig.get_config_var("SOABI")),
            free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        )


# The platforms that have wheels; names as `Platform` gives them.
_MACHINES = {
    "Linux": ("x86_64", "aarch64"),
    "Darwin": ("x86_64", "arm64"),
    "Windows": ("amd64", "x86_64"),
}


def unsupported_platform(where: Platform) -> str | None:
    """Says why no prebuilt llama.cpp exists for a platform; `None` when one does."""
    known = _MACHINES.get(where.system, ())
    if where.free_threaded:
        return "xllamacpp has no build for free-threaded Python; use a Python with the GIL."
    if where.musl:
        return (
            "xllamacpp has no build for musl (Alpine Linux); "
            "use a glibc system, such as a Debian-based image."
        )
    if where.machine not in known:
        return f"xllamacpp has no build for {where.system} on {where.machine}."
    if where.system == "Darwin" and where.macos_version < 13:
        return f"xllamacpp needs macOS 13 or newer; this is macOS {where.macos_version}."
    return None


def library_missing(where: Platform) -> str:
    """Says what to do when `xllamacpp` is not installed."""
    reason = unsupported_platform(where)
    if reason is not None:
        return f"The local provider cannot run here: {reason}"
    return f"The local provider needs xllamacpp, which is not installed. Run: {INSTALL_LIBRARY}"


# Libraries that the wheels expect from the system: what the loader's message names, what mends it.
_SYSTEM_LIBRARIES = (
    ("libgomp", "apt-get install libgomp1, or dnf install libgomp"),
    ("libstdc++", "apt-get install libstdc++6, or dnf install libstdc++"),
    ("GLIBC", "a newer system: this one's C library is older than the build of xllamacpp"),
)


def library_unloadable(loader_message: str, where: Platform) -> str:
    """Says what to do when `xllamacpp` is installed and does not load.

    Args:
        loader_message: The text of the ImportError.
        where: The platform that it happened on.
    """
    for name, mend in _SYSTEM_LIBRARIES:
        if name in loader_message:
            return f"llama.cpp did not load: {loader_message}. It needs {mend}."
    reason = unsupported_platform(where)
    if reason is not None:
        return f"llama.cpp did not load: {loader_message}. {reason}"
    return f"llama.cpp did not load: {loader_message}. Installing again may help: {INSTALL_LIBRARY}"
