"""What is kept of a case beside its chunks: logs, warnings, reprs, and tasks that were left."""

import asyncio
import gc
import logging
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import anyio.lowlevel

from streamkit_conformance.case import Backend
from streamkit_conformance.trace import Trace

__all__ = ["captured", "forget_the_past", "settle", "tasks"]


@contextmanager
def captured(trace: Trace) -> Iterator[None]:
    """Keeps log records and warnings of a case that wants them."""
    if not trace.case.captures:
        yield
        return
    handler = _Kept(trace.logs)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # What was there before is none of the case's: leaving it out makes the collection cheap.
    gc.freeze()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
    finally:
        gc.unfreeze()
        root.removeHandler(handler)
        root.setLevel(level)
    trace.warnings += [f"{each.category.__name__}: {each.message}" for each in caught]
    for each in trace.chunks:
        trace.reprs.append(repr(each))
        with suppress(Exception):  # what cannot be pickled shows nothing that way
            trace.reprs.append(repr(pickle.loads(pickle.dumps(each))))


class _Kept(logging.Handler):
    """Keeps what is logged, as text."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._kept = kept
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(f"{self.format(record)} {sorted(map(repr, record.__dict__.items()))}")


def tasks(backend: Backend) -> set[str]:
    """The tasks of the running loop besides this one, as text that tells them apart."""
    if backend == "asyncio":
        mine = asyncio.current_task()
        return {
            f"the task {task.get_name()} of {task.get_coro()!r}"
            for task in asyncio.all_tasks()
            if task is not mine
        }
    import trio  # only where it runs

    mine_here = trio.lowlevel.current_task()
    found: set[str] = set()
    waiting = [trio.lowlevel.current_root_task()]
    while waiting:
        task = waiting.pop()
        if task is None:
            continue
        if task is not mine_here and task.name and not task.name.startswith("<"):
            found.add(f"the task {task.name} {id(task)}")
        for nursery in task.child_nurseries:
            waiting += nursery.child_tasks
    return found


async def forget_the_past() -> None:
    """Ends what earlier cases left: found by the garbage collector later, it would be this one's.

    Generators that nobody closed stand in each other and close one after the other, a turn each.
    """
    gc.collect(1)  # the young: what is older was there at the last such case, and was ended then
    for _ in range(_DEEPEST):
        await anyio.lowlevel.checkpoint()


#: More than the generators of any client of httpx stand in each other.
_DEEPEST: Final = 40


async def settle() -> None:
    """Lets tasks that are on their way out end."""
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
