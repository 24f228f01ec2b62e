"""The generated JSON Schema and TypeScript types, against the models and against real streams."""

import json
import re
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import jsonschema
import pytest
from hypothesis import given
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from scripts import generate_schema
from streamkit import chunks
from streamkit.chunks import (
    Attempt,
    ErrorInfo,
    InvalidArguments,
    StreamChunk,
    Usage,
    chunk_to_json,
)
from streamkit.model import get_model
from tests.chunk_strategies import CHUNK_CLASSES, any_chunks

MODELS: tuple[type[BaseModel], ...] = (
    *CHUNK_CLASSES,
    Attempt,
    ErrorInfo,
    InvalidArguments,
    Usage,
)
SCHEMA = json.loads(generate_schema.JSON_SCHEMA.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
KNOWN_TYPES = [cls.model_fields["type"].default for cls in CHUNK_CLASSES]

MINIMAL = {"type": "content", "stream_id": "s", "index": 0, "content": "a"}


@pytest.mark.parametrize("path", generate_schema.files(), ids=lambda path: path.name)
def test_the_file_is_what_the_models_give(path: Any) -> None:
    # After a change of the models: python scripts/generate_schema.py
    assert path.read_text(encoding="utf-8") == generate_schema.files()[path]


def test_the_files_are_named_after_the_schemas_version() -> None:
    names = {path.name for path in generate_schema.files()}
    stem = f"stream-chunk-{chunks.SCHEMA_VERSION}"
    assert names == {f"{stem}.schema.json", f"{stem}.d.ts"}


def test_the_json_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(chunk=any_chunks())
def test_the_json_schema_accepts_every_chunk_of_a_known_type(chunk: StreamChunk) -> None:
    assert VALIDATOR.is_valid(json.loads(chunk_to_json(chunk))) == (chunk.type in KNOWN_TYPES)


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"new_field": {"any": "thing"}}, True),
        ({"part": None}, True),
        ({"content": None}, False),
        ({"index": "0"}, False),
        ({"refusal": None}, False),
        ({"metadata": []}, False),
        ({"type": "future"}, False),
        ({"type": "reasoning"}, True),
        ({"type": "start"}, False),
    ],
)
def test_the_json_schema_knows_right_from_wrong(change: dict[str, Any], is_valid: bool) -> None:
    assert VALIDATOR.is_valid({**MINIMAL, **change}) == is_valid


@pytest.mark.parametrize("name", MINIMAL)
def test_the_json_schema_demands_what_has_no_default(name: str) -> None:
    assert not VALIDATOR.is_valid({key: value for key, value in MINIMAL.items() if key != name})


def test_the_json_schema_tells_the_types_apart_by_their_name() -> None:
    assert sorted(SCHEMA["discriminator"]["mapping"]) == sorted(KNOWN_TYPES)


def test_every_described_attribute_is_a_field() -> None:
    for model in MODELS:
        described = re.findall(r"^ {8}(\w+): ", model.__doc__ or "", re.MULTILINE)
        assert set(described) <= set(model.model_fields), model


# The TypeScript file, read back.


def declarations() -> dict[str, dict[str, tuple[bool, str]]]:
    """Each interface: its fields, whether they may be missing, and their types."""
    text = generate_schema.TYPESCRIPT.read_text(encoding="utf-8")
    text = re.sub(r"/\*\*.*?\*/", "", text, flags=re.DOTALL)
    found = re.findall(r"^export interface (\w+) \{\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL)
    return {
        name: {
            field: (mark == "?", kind)
            for field, mark, kind in re.findall(r"^  (\w+)(\??): (.+);$", body, re.MULTILINE)
        }
        for name, body in found
    }


def expected_words(annotation: Any) -> Iterator[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        for each in arguments:
            yield from expected_words(each)
    elif origin is Literal:
        yield from (f'"{each}"' for each in arguments)
    elif origin is tuple:
        yield from (f"{word}[]" for word in expected_words(arguments[0]))
    elif origin is dict:
        yield "Record<string, unknown>"
    elif annotation is Any:
        yield "unknown"
    else:
        words = {str: "string", int: "number", float: "number", bool: "boolean"}
        yield "null" if annotation is types.NoneType else words.get(annotation, annotation.__name__)


def expected_field(name: str, field: FieldInfo) -> tuple[bool, str]:
    may_be_missing = not field.is_required() and name != "type"
    return may_be_missing, " | ".join(expected_words(field.annotation))


@pytest.mark.parametrize("model", MODELS)
def test_typescript_declares_each_field_as_optional_or_nullable_as_it_is(
    model: type[BaseModel],
) -> None:
    expected = {name: expected_field(name, field) for name, field in model.model_fields.items()}
    assert declarations()[model.__name__] == expected


def test_typescript_declares_nothing_else() -> None:
    assert set(declarations()) == {model.__name__ for model in MODELS}


def test_typescript_tells_the_chunks_apart_by_their_type() -> None:
    text = generate_schema.TYPESCRIPT.read_text(encoding="utf-8")
    union = re.search(r"^export type StreamChunk =((?:\n  \| \w+)+);$", text, re.MULTILINE)
    assert union is not None
    names = union[1].split("\n  | ")[1:]
    assert sorted(names) == sorted(cls.__name__ for cls in CHUNK_CLASSES)
    assert [declarations()[name]["type"] for name in names] == [
        (False, f'"{getattr(chunks, name).model_fields["type"].default}"') for name in names
    ]


def test_a_form_that_typescript_is_not_taught_stops_the_generator() -> None:
    schema = {**SCHEMA, "$defs": {"New": {"description": "", "properties": {"a": {"not": {}}}}}}
    with pytest.raises(NotImplementedError, match="not"):
        generate_schema.typescript(schema)


def test_a_real_stream_follows_the_json_schema() -> None:
    stream = get_model("echo/thinker").stream("one two")
    written = [json.loads(chunk_to_json(chunk)) for chunk in stream]
    assert [each["type"] for each in written] == [
        "start",
        "reasoning",
        "content",
        "content",
        "usage",
        "end",
    ]
    assert all(VALIDATOR.is_valid(each) for each in written)
