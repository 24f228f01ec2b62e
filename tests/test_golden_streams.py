"""Streams written by every version of the schema, read by this one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from scripts.generate_schema import JSON_SCHEMA
from streamkit.chunks import (
    SCHEMA_VERSION,
    StreamChunk,
    UnknownChunk,
    chunk_to_json,
    parse_chunk,
)
from tests.chunk_strategies import CHUNK_CLASSES

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(FOLDER.glob("stream-*.jsonl"))
LINES = [
    pytest.param(line, id=f"{path.stem}-{number}")
    for path in FILES
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
    if line
]


@pytest.mark.parametrize("line", LINES)
def test_every_line_is_written_again_byte_for_byte(line: str) -> None:
    assert chunk_to_json(parse_chunk(line)) == line


@pytest.mark.parametrize("line", LINES)
def test_every_line_of_a_known_type_follows_the_json_schema(line: str) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(JSON_SCHEMA.read_text("utf-8")))
    is_known = not isinstance(parse_chunk(line), UnknownChunk)
    assert validator.is_valid(json.loads(line)) == is_known


def test_every_line_is_one_line_for_every_reader() -> None:
    for path in FILES:
        text = path.read_bytes().decode()
        assert text.splitlines() == text.removesuffix("\n").split("\n")


def newest() -> list[StreamChunk]:
    path = FOLDER / f"stream-{SCHEMA_VERSION}.jsonl"
    return [parse_chunk(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def records_in(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from records_in(getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            yield from records_in(each)


def test_the_newest_file_shows_every_type_and_an_unknown_one() -> None:
    assert {type(chunk) for chunk in newest()} == {*CHUNK_CLASSES, UnknownChunk}


def test_the_newest_file_gives_every_field_a_value_that_is_not_its_default() -> None:
    shown: set[tuple[str, str]] = set()
    fields: set[tuple[str, str]] = set()
    for record in records_in(tuple(newest())):
        cls = type(record)
        for name, field in cls.model_fields.items():
            # The envelope and the type are the same everywhere, so once is enough.
            owner = "StreamChunk" if name in StreamChunk.model_fields else cls.__name__
            fields.add((owner, name))
            if field.is_required() or getattr(record, name) != field.get_default():
                shown.add((owner, name))
    # The first version has no other word for itself.
    assert fields - shown == {("StartChunk", "schema_version")}


def test_the_newest_file_holds_unknown_fields_in_every_kind_of_record() -> None:
    kinds = {type(record).__name__ for record in records_in(tuple(newest())) if record.model_extra}
    assert {"Usage", "Attempt", "ErrorInfo", "InvalidArguments", "ContentChunk"} <= kinds
