"""Writes the chunk schema's JSON Schema and TypeScript types from the models.

    .venv/bin/python scripts/generate_schema.py

Both are made from the closed union of the chunks. They describe what `parse_chunk` reads: a field
with a default may be missing, as it is in a stream that an earlier version wrote. Fields that the
schema does not name may be present; a reader keeps or ignores them, and ignores unknown types.
"""

import inspect
import json
import re
import textwrap
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from streamkit import chunks

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "reference" / "schema"
JSON_SCHEMA: Final = FOLDER / f"stream-chunk-{chunks.SCHEMA_VERSION}.schema.json"
TYPESCRIPT: Final = FOLDER / f"stream-chunk-{chunks.SCHEMA_VERSION}.d.ts"

_ABOUT: Final = (
    f"One chunk of a stream, schema version {chunks.SCHEMA_VERSION}. The schema grows only by "
    "addition: ignore fields and types that you do not know. Generated from the models."
)
_ATTRIBUTE: Final = re.compile(r"^    (\w+): ", re.MULTILINE)


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of one chunk, with the models' own words as descriptions."""
    made = TypeAdapter(chunks.AnyChunk).json_schema()
    definitions = made.pop("$defs")
    for name, definition in definitions.items():
        _describe(definition, getattr(chunks, name))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "StreamChunk",
        "description": _ABOUT,
        **made,
        "$defs": definitions,
    }


def typescript(schema: dict[str, Any]) -> str:
    """Returns the TypeScript declarations of a schema that `json_schema` made."""
    members = [_name_in(option["$ref"]) for option in schema["oneOf"]]
    union = "".join(f"\n  | {name}" for name in members)
    interfaces = [_interface(name, each) for name, each in schema["$defs"].items()]
    about = _comment(schema["description"], "")
    return "\n".join([f"{about}export type {schema['title']} ={union};\n", *interfaces])


def files() -> dict[Path, str]:
    """Returns the text of each generated file."""
    schema = json_schema()
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return {JSON_SCHEMA: text, TYPESCRIPT: typescript(schema)}


def _describe(definition: dict[str, Any], model: type[BaseModel]) -> None:
    definition["description"], known = _words(model)
    for base in model.__mro__[1:]:
        known = {**_words(base)[1], **known}
    for name, field in definition["properties"].items():
        field.pop("title", None)  # the name once more
        if name in known:
            field["description"] = known[name]
    if "type" in definition["properties"] and "const" in definition["properties"]["type"]:
        # Python may leave it out because the class says it. JSON has nothing else to say it.
        del definition["properties"]["type"]["default"]
        definition["required"].insert(0, "type")


def _words(model: type) -> tuple[str, dict[str, str]]:
    """What a docstring says of the class, and of each attribute."""
    about, _, listed = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:\n")
    pieces = _ATTRIBUTE.split(listed)[1:]
    fields = dict(zip(pieces[::2], map(_one_line, pieces[1::2]), strict=True))
    return _one_line(about), fields


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("`None`", "`null`")


def _name_in(reference: str) -> str:
    return reference.removeprefix("#/$defs/")


def _interface(name: str, definition: dict[str, Any]) -> str:
    required = definition.get("required", ())
    lines = [f"{_comment(definition['description'], '')}export interface {name} {{"]
    for field, schema in definition["properties"].items():
        mark = "" if field in required else "?"
        comment = _comment(schema.get("description", ""), "  ")
        lines.append(f"{comment}  {field}{mark}: {_type(schema)};")
    return "\n".join([*lines, "}\n"])


def _comment(text: str, indent: str) -> str:
    if not text:
        return ""
    if len(text) + len(indent) <= 93:
        return f"{indent}/** {text} */\n"
    wrapped = textwrap.wrap(text, 97 - len(indent), break_on_hyphens=False)
    return "".join(
        [f"{indent}/**\n", *(f"{indent} * {line}\n" for line in wrapped), f"{indent} */\n"]
    )


_PLAIN_TYPES: Final = {
    "boolean": "boolean",
    "integer": "number",
    "null": "null",
    "number": "number",
    "string": "string",
}


def _type(schema: dict[str, Any]) -> str:
    """The TypeScript type of a schema; a form that is not known here stops the generator."""
    match schema:
        case {"$ref": reference}:
            return _name_in(reference)
        case {"const": value}:
            return json.dumps(value)
        case {"enum": values}:
            return " | ".join(map(json.dumps, values))
        case {"anyOf": options}:
            return " | ".join(map(_type, options))
        case {"type": "array", "items": item}:
            return f"{_type(item)}[]"
        case {"type": "object", "additionalProperties": True}:
            return "Record<string, unknown>"
        case {"type": str(name)} if name in _PLAIN_TYPES:
            return _PLAIN_TYPES[name]
    if schema.keys() <= {"description", "default"}:
        return "unknown"
    raise NotImplementedError(f"a schema of this form: {schema}")


def main() -> None:
    """Writes the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
