"""Nothing but loopback may be reached while a run is on, by the kit or by a subject.

Python tells its audit hooks of every connection and name look-up before it is made, whichever
library asks. Not seen is what a C library or a child process does on its own, and the look-up of a
name that is handed to `socket.connect` itself; that connection is refused after it.
"""

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

__all__ = ["Attempt", "Blocked", "Guard", "only_loopback"]


class Blocked(OSError):
    """Something but loopback was to be reached; libraries take it for a network that is down."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was tried.

    Attributes:
        event: Python's name for it, such as `socket.connect`.
        address: The host, with the port where there is one.
    """

    event: str
    address: str


@dataclass(eq=False)
class Guard:
    """What was tried while it was on, also where whoever tried it hid the error.

    Attributes:
        attempts: In order, those of all threads.
    """

    attempts: list[Attempt] = field(default_factory=list)


@contextmanager
def only_loopback() -> Iterator[Guard]:
    """Refuses every address but loopback, in the whole process, while it is on.

    It may be used within itself and by several threads; each is told of every attempt.
    """
    guard = Guard()
    _install()
    with _LOCK:
        _guards.append(guard)
    try:
        yield guard
    finally:
        with _LOCK:
            _guards.remove(guard)


_LOCK: Final = threading.Lock()
_guards: list[Guard] = []
_is_installed: bool = False


def _install() -> None:
    global _is_installed
    with _LOCK:
        if not _is_installed:
            sys.addaudithook(_hear)  # there for good: Python takes no hook away again
            _is_installed = True


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _guards or event not in _ADDRESSES:
        return
    address = _ADDRESSES[event](arguments)
    if address is None or _is_here(address[0]):
        return
    host, *rest = (_text(each) for each in address[:2])
    attempt = Attempt(event, ":".join([host, *rest]))
    for guard in tuple(_guards):
        guard.attempts.append(attempt)
    raise Blocked(
        f"the conformance kit let nothing but loopback be reached; refused: "
        f"{attempt.event} to {attempt.address}"
    )


def _of_socket(arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
    # Other families, such as those of files, stay within this machine. Without an address the
    # socket is connected already.
    asked, address = arguments
    is_internet = asked.family in (socket.AF_INET, socket.AF_INET6)
    return address if is_internet and isinstance(address, tuple) else None


#: By event: where it leads; `None` where it leads nowhere else.
_ADDRESSES: Final[dict[str, Callable[[tuple[Any, ...]], tuple[Any, ...] | None]]] = {
    "socket.connect": _of_socket,
    "socket.sendto": _of_socket,
    "socket.sendmsg": _of_socket,
    "socket.getaddrinfo": lambda arguments: arguments[:2],
    "socket.gethostbyname": lambda arguments: arguments[:1],
    "socket.gethostbyaddr": lambda arguments: arguments[:1],
    "socket.getnameinfo": lambda arguments: arguments[0],
}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _is_here(host: Any) -> bool:
    """Whether a host is this machine; no name is looked up for it."""
    if host is None:
        return True
    name = _text(host).lower()
    # Names below it, and with a dot behind it, may be asked of a name server.
    if name == "localhost":
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified
