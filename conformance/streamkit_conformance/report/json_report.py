"""A report as JSON, with its schema: for programs, and to make the other forms later.

What follows from the results (the exit code, the claim, the counts) is written too, so that a
program need not know the rules of verdicts; who reads it back sees that it still follows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from streamkit_conformance.report.report import Report
from streamkit_conformance.report.visible import without_surrogates

__all__ = ["FORMAT", "SCHEMA_FILE", "from_json", "schema", "shipped_schema", "to_json"]

#: Grows when a reader of the one before could not read it.
FORMAT: Final = 1
SCHEMA_FILE: Final = "report.schema.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What stands in the file.

    Attributes:
        format: Of the file.
        is_green: Nothing is red, and enough was judged.
        exit_code: 0 where it is green, else 1.
        claim: What a badge may say.
        counts: How many results have each verdict.
        problems: What makes the run red besides its results.
        report: All else follows from it.
    """

    format: Literal[1]
    is_green: bool
    exit_code: int
    claim: str
    counts: dict[str, int]
    problems: tuple[str, ...]
    report: Report


# Bytes of reads need not be text; pydantic reads the configuration off the class.
Document.__pydantic_config__ = ConfigDict(  # type: ignore[attr-defined]
    ser_json_bytes="base64", val_json_bytes="base64"
)
_DOCUMENT: Final = TypeAdapter(Document)


def to_json(report: Report) -> str:
    """Writes a report; lone halves of surrogate pairs become escapes, all else comes back.

    Ends with a line end, has its keys in a fixed order, and is plain ASCII.
    """
    values = _clean(_DOCUMENT.dump_python(_document(report)))
    return json.dumps(values, indent=2) + "\n"


def from_json(text: str | bytes) -> Report:
    """Reads what `to_json` wrote.

    Raises:
        ValueError: It is no report, or was changed so that its verdict no longer follows from its
            results.
    """
    try:
        document = _DOCUMENT.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise ValueError(f"no report: {place}: {first['msg']}") from error
    if document != _document(document.report):
        raise ValueError("the report's verdict, claim or counts do not follow from its results")
    return document.report


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    made = _DOCUMENT.json_schema(mode="serialization")
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "Report of streamkit-conformance"
    return made


def shipped_schema() -> dict[str, Any]:
    """The JSON Schema as the package ships it."""
    path = files(__package__).joinpath(SCHEMA_FILE)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_schema() -> Path:
    """Writes the schema into the package; for whoever changes what a report holds."""
    path = Path(__file__).with_name(SCHEMA_FILE)
    path.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
    return path


def _document(report: Report) -> Document:
    return Document(
        format=FORMAT,
        is_green=report.is_green,
        exit_code=report.exit_code,
        claim=report.claim,
        counts={str(verdict): number for verdict, number in report.counts.items()},
        problems=report.all_problems,
        report=report,
    )


def _clean(value: Any) -> Any:
    """JSON values in which every text can be written as UTF-8."""
    match value:
        case str():
            return without_surrogates(str(value))
        case bytes():
            return _BYTES.dump_python(value, mode="json")
        case Mapping():
            return {_clean(str(key)): _clean(each) for key, each in value.items()}
        case list() | tuple():
            return [_clean(each) for each in value]
        case _:
            return value


_BYTES: Final[TypeAdapter[bytes]] = TypeAdapter(bytes, config=ConfigDict(ser_json_bytes="base64"))
