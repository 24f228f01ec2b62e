"""Makes things once, also where several threads ask at the same moment."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

ThingT = TypeVar("ThingT")


class Once(Generic[ThingT]):
    """One thing for each key, made when it is first asked for.

    Who asks for one key never waits for another: a plug-in that takes seconds to import holds up
    only those who need it. What raises is not kept, and is tried again for the next who asks.
    """

    def __init__(self) -> None:
        self._things: dict[str, ThingT] = {}
        self._locks: dict[str, threading.RLock] = {}

    def get(self, key: str, make: Callable[[], ThingT]) -> ThingT:
        """Gives the thing of this key; makes it if there is none yet."""
        if key not in self._things:
            # setdefault is one step: two threads get the same lock.
            with self._locks.setdefault(key, threading.RLock()):
                if key not in self._things:
                    self._things[key] = make()
        return self._things[key]
