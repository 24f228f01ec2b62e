"""Wire drift: what a real service sends and its dialect never writes.

A key that no test ever holds is a key that the provider may read wrong without anybody seeing it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic_core import from_json

from streamkit_conformance import base_scripts
from streamkit_conformance.axes import PLAIN, Style
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.framing.base import Named
from streamkit_conformance.script import Script
from streamkit_conformance.wire import Wire

__all__ = ["drift", "keys_of", "keys_written"]

_SCRIPTS: Final = (
    base_scripts.EVERYTHING,
    base_scripts.PLAIN,
    base_scripts.REFUSAL,
    base_scripts.USAGE_DETAILS,
)


def drift(dialect: Dialect, wires: Iterable[Wire]) -> list[str]:
    """The keys in answers of a service that its dialect never writes, such as `usage.queue_time`.

    Below a key that is unknown nothing more is named.
    """
    known = keys_written(dialect)
    seen = {key for wire in wires for record in _records(wire.body) for key in keys_of(record)}
    unknown = seen - known
    return sorted(key for key in unknown if _parent(key) not in unknown)


def keys_written(dialect: Dialect) -> set[str]:
    """Every key that a dialect can write, in whatever style."""
    styles = [PLAIN]
    for axis in dialect.all_axes:
        styles += [Style.of(**{axis.name: value}) for value in axis.values[1:]]
    written: list[Any] = [dialect.http_error(400, "a", "b")]
    for script in _SCRIPTS:
        events = dialect.spoken(script.events)
        for style in styles:
            written += [each for group in dialect.records(events, style) for each in group]
        if "whole" not in dialect.losses:
            written.append(dialect.whole(Script(script.events)))
    if "error_record" not in dialect.losses:
        written += [dialect.error_record("a", "b", style) for style in styles]
    return {"", *(key for each in written for key in keys_of(each))}


def keys_of(value: Any, place: str = "") -> Iterator[str]:
    """The keys of JSON values, each with those above it: `choices[].delta.content`."""
    match value:
        case Named():
            yield from keys_of(value.data, place)
        case dict():
            for key, each in value.items():
                below = f"{place}.{key}" if place else str(key)
                yield below
                yield from keys_of(each, below)
        case list() | tuple():
            for each in value:
                yield from keys_of(each, f"{place}[]")


def _parent(key: str) -> str:
    return key.rpartition(".")[0].removesuffix("[]")


def _records(body: bytes) -> Iterator[Any]:
    """The JSON objects of a body: lines, with or without `data:` before them, or all of it."""
    whole = _parsed(body)
    if whole is not None:
        yield whole
        return
    for line in body.splitlines():
        record = _parsed(line.removeprefix(b"data:"))
        if record is not None:
            yield record


def _parsed(text: bytes) -> Any:
    try:
        value = from_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
