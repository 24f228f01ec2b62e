"""SER: chunks are what the published schema says, and survive being written down."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from streamkit.chunks import AnyChunk, StreamChunk, parse_chunk
from streamkit.errors import SchemaError
from streamkit_conformance.rules.neutral import of_each_stream, shown
from streamkit_conformance.rules.registry import rule
from streamkit_conformance.rules.uni import half_in
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome

__all__: list[str] = []


@rule(
    "SK-SER-001",
    statement="Every chunk is valid against the published schema, and reads back from its JSON as "
    "it was.",
    reason="Chunks cross processes: to the browser, to the queue, to the database. One that "
    "cannot be written, or reads back otherwise, is found there, by somebody else.",
    wire='{"type":"content","stream_id":"s1","index":1,"part":0,"elapsed_ms":12,"metadata":null,'
    '"content":"alpha","refusal":false}',
    is_live=True,
)
@of_each_stream
def chunks_survive_json(trace: Trace) -> Outcome:
    """Judges SK-SER-001; a chunk with half a character is left to SK-UNI-004."""
    judged = [each for each in trace.chunks if half_in(each) is None]
    for chunk in judged:
        wrong = _wrong_with(chunk)
        if wrong is not None:
            return wrong
    return PASS if judged else IRRELEVANT


def _wrong_with(chunk: Any) -> Fail | None:
    if not isinstance(chunk, StreamChunk):
        return Fail("something else than a chunk came out", "a StreamChunk", shown(repr(chunk)))
    what = f"the {chunk.type} chunk with index {chunk.index}"
    try:
        text = chunk.model_dump_json(warnings=False)
    except PydanticSerializationError as error:
        return Fail(f"{what} cannot be written as JSON", "JSON", shown(str(error)))
    try:
        _schema().validate_json(text, strict=True)
        again = parse_chunk(text)
    except (ValidationError, SchemaError) as error:
        return Fail(f"{what} is not as the schema says", "a chunk of the schema", shown(str(error)))
    if again != chunk:
        return Fail(f"{what} reads back otherwise", shown(repr(chunk)), shown(repr(again)))
    return None


@cache
def _schema() -> TypeAdapter[Any]:
    """What the published JSON Schema is made from."""
    return TypeAdapter(AnyChunk)
