"""Short ways to an assembler and to what it makes of deltas."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from streamkit.assembly.assembler import Assembler
from streamkit.assembly.deltas import Delta
from streamkit.chunks import StreamChunk
from streamkit.errors import ProviderError
from streamkit.redaction import Redactor


def new_assembler(**fields: Any) -> Assembler:
    """An assembler with ids that count up: `call_1`, `call_2`, …"""
    numbers = itertools.count(1)
    defaults: dict[str, Any] = {
        "provider": "acme",
        "model": "large",
        "stream_id": "s",
        "new_id": lambda prefix: f"{prefix}_{next(numbers)}",
        "redactor": Redactor(),
    }
    return Assembler(**{**defaults, **fields})


def assemble(deltas: Iterable[Delta], end: str = "complete", **fields: Any) -> list[StreamChunk]:
    """All chunks of a stream of these deltas, as an attempt makes them.

    Args:
        end: What comes behind the deltas: `complete`, `cancel` or `fail`.
    """
    assembler = new_assembler(**fields)
    out: list[StreamChunk] = [assembler.start()]
    assembler.begin_attempt(10)
    assembler.answered(200, "req_1")
    try:
        assembler.feed(deltas, 25, out)
    except ProviderError as error:
        assembler.fail(error, 25, out)
    match end:
        case "complete" if not assembler.is_over:
            assembler.complete(30, out)
        case "cancel":
            assembler.cancel(30, out)
        case "fail":
            assembler.fail(ProviderError("connection", "It broke."), 30, out)
    return out


def own(chunk: StreamChunk) -> dict[str, Any]:
    """The fields of a chunk that say something, without the stream's id and the time."""
    skipped = {"stream_id", "elapsed_ms", "index"}
    return {
        name: value
        for name, value in chunk.model_dump(exclude_defaults=True).items()
        if name not in skipped
    } | {"type": chunk.type}


def of_type(chunks: Iterable[StreamChunk], *kinds: str) -> Iterator[dict[str, Any]]:
    """What the chunks of some types say."""
    return (own(chunk) for chunk in chunks if chunk.type in kinds)
