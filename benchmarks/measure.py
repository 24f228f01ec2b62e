"""How one subject measures itself, in a process of its own: `python -m benchmarks.measure`.

Prints one JSON line. CPU seconds are user plus system time of this process alone.
"""

import argparse
import asyncio
import gc
import hashlib
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.runners import Read, Runner, Sink

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
GROWTH_MARK_CHUNKS = 500


@dataclass(slots=True)
class Sample:
    """What one process measured.

    Attributes:
        figures: The measurements by name; the unit ends the name.
        chunks: How many contents were seen.
        digests: SHA-256 of each stream's joined contents, without repeats; empty when the
            runner reads bytes only.
        content_bytes: Lengths of the bodies seen by such a runner, without repeats.
    """

    figures: dict[str, float] = field(default_factory=dict)
    chunks: int = 0
    digests: list[str] = field(default_factory=list)
    content_bytes: list[int] = field(default_factory=list)

    def note(self, texts_of_streams: list[list[str]], sizes: list[int]) -> None:
        """Note what was streamed, to be compared with what the server sent."""
        self.content_bytes = sorted({size for size in sizes if size})
        if self.content_bytes:
            return
        self.chunks = sum(map(len, texts_of_streams))
        self.digests = sorted({_digest(texts) for texts in texts_of_streams})


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with the runner: how many streams, one after the other or at once."""

    read: Read
    count: int


def resident_bytes() -> int:
    """Return this process's resident memory, from Linux's own account."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def at_once(job: Job) -> Sample:
    """Stream `count` answers at once and measure the CPU of it all."""
    texts: list[list[str]] = [[] for _ in range(job.count)]
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    sizes = await asyncio.gather(*(job.read(kept.append) for kept in texts))
    sample = Sample({"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall})
    sample.note(texts, sizes)
    return sample


async def first_content(job: Job) -> Sample:
    """Ask `count` times in a row and measure the time to the first content of each."""
    waits: list[float] = []
    texts: list[list[str]] = []
    sizes: list[int] = []
    for _ in range(job.count):
        kept: list[str] = []
        stamps: list[int] = []
        started = time.perf_counter_ns()
        sizes.append(await job.read(_stamping(kept, stamps)))
        waits.append((stamps[0] - started) / 1000)
        texts.append(kept)
    # The first of them opened the connection.
    sample = Sample({"first_content_us": statistics.median(waits[1:])})
    sample.note(texts, sizes)
    return sample


async def paced(job: Job) -> Sample:
    """Measure how long after its writing each content reaches the consumer."""
    texts: list[str] = []
    stamps: list[int] = []

    def sink(text: str) -> None:
        stamps.append(time.monotonic_ns())
        texts.append(text)

    await job.read(sink)
    late = sorted((stamp - int(text)) / 1000 for stamp, text in zip(stamps, texts, strict=True))
    sample = Sample({"latency_us": statistics.median(late), "p99_us": late[len(late) * 99 // 100]})
    sample.note([texts], [0])
    return sample


async def held(job: Job) -> Sample:
    """Keep `count` streams open at once and measure the memory they take."""
    gc.collect()
    before = resident_bytes()
    waiting = set(range(job.count))
    all_flow = asyncio.Event()

    async def keep_open(number: int) -> None:
        def sink(_text: str) -> None:
            waiting.discard(number)
            if not waiting:
                all_flow.set()

        await job.read(sink)
        raise RuntimeError("a stream ended although the server holds it open")

    tasks = [asyncio.ensure_future(keep_open(number)) for number in range(job.count)]
    flowing = asyncio.ensure_future(all_flow.wait())
    ended, _ = await asyncio.wait([flowing, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for future in ended:
        future.result()
    gc.collect()
    grown = resident_bytes() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Sample({"kilobytes_per_stream": grown / job.count / 1000})


async def growth(job: Job) -> Sample:
    """Measure how much memory a long stream takes for each byte of its text, while it runs."""
    digest = hashlib.sha256()
    seen = chunks = 0
    marks: list[tuple[int, int]] = []

    def sink(text: str) -> None:
        nonlocal seen, chunks
        data = text.encode()
        digest.update(data)
        seen += len(data)
        chunks += 1
        if chunks % GROWTH_MARK_CHUNKS == 0:
            marks.append((seen, resident_bytes()))

    await job.read(sink)
    # By the first mark the buffers that do not grow with the text have their size.
    early_seen, early_resident = marks[0]
    grown = max(resident for _, resident in marks) - early_resident
    sample = Sample({"bytes_per_text_byte": grown / (marks[-1][0] - early_seen)}, chunks)
    sample.digests = [digest.hexdigest()]
    return sample


async def cold(job: Job) -> Sample:
    """Measure the CPU from the process's start to its first content."""
    texts: list[str] = []
    spent: list[float] = []

    def sink(text: str) -> None:
        if not spent:
            spent.append(time.process_time() * 1000)
        texts.append(text)

    size = await job.read(sink)
    sample = Sample({"cold_ms": spent[0]})
    sample.note([texts], [size])
    return sample


MODES: dict[str, Callable[[Job], Awaitable[Sample]]] = {
    "at_once": at_once,
    "first_content": first_content,
    "paced": paced,
    "held": held,
    "growth": growth,
    "cold": cold,
}


def _stamping(kept: list[str], stamps: list[int]) -> Sink:
    def sink(text: str) -> None:
        if not stamps:
            stamps.append(time.perf_counter_ns())
        kept.append(text)

    return sink


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def _load(reference: str) -> Runner:
    module, _, name = reference.partition(":")
    runner: Runner = getattr(importlib.import_module(module), name)()
    return runner


async def _main(arguments: argparse.Namespace) -> dict[str, Any]:
    runner = _load(arguments.runner)
    if arguments.warm_up:
        # Lazy imports and the first connection are what the cold line measures, not the others.
        await runner.prepare(arguments.warm_up)(lambda _text: None)
    read = runner.prepare(arguments.url)
    sample = await MODES[arguments.mode](Job(read, arguments.count))
    return {
        "figures": sample.figures,
        "chunks": sample.chunks,
        "digests": sample.digests,
        "content_bytes": sample.content_bytes,
    }


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure", description=__doc__)
    parser.add_argument("runner", help="module:Class")
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("url", help="base URL of the answer to stream")
    parser.add_argument("--count", type=int, default=1, help="streams, or requests in a row")
    parser.add_argument("--warm-up", default="", help="base URL of an answer to stream before")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_main(_parse(sys.argv[1:])))) + "\n")
