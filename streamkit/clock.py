"""Time and chance, injected: nothing else in streamkit reads a clock or rolls a die."""

import secrets
import time
from typing import Final, Protocol


class Clock(Protocol):
    """What tells the time to streams."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, for dates that services send."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()


SYSTEM_CLOCK: Final = SystemClock()


def new_id(prefix: str) -> str:
    """Makes an id that is unique everywhere: the prefix and 96 random bits."""
    return f"{prefix}_{secrets.token_hex(12)}"
