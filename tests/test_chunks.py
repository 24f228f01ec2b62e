import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from streamkit.chunks import (
    Attempt,
    ContentChunk,
    EndChunk,
    ErrorChunk,
    ErrorInfo,
    InvalidArguments,
    NoticeChunk,
    ReasoningChunk,
    StartChunk,
    StreamChunk,
    UnknownChunk,
    Usage,
    chunk_to_json,
    parse_chunk,
)
from streamkit.errors import SchemaError
from tests.chunk_strategies import CHUNK_CLASSES, any_chunks, records

CANARY = "sk-canary-0123456789"

RECORDS = (*CHUNK_CLASSES, UnknownChunk, Usage, Attempt, ErrorInfo, InvalidArguments)


def content(**fields: Any) -> ContentChunk:
    return ContentChunk(**{"stream_id": "s", "index": 1, "content": "Hi", **fields})


# Schemas grow only by addition, and the JSON round trip is exact.


@given(chunk=any_chunks())
def test_any_chunk_comes_back_from_json_as_it_was(chunk: StreamChunk) -> None:
    text = chunk_to_json(chunk)
    again = parse_chunk(text)
    assert type(again) is type(chunk)
    assert again == chunk
    assert chunk_to_json(again) == text


@given(chunk=any_chunks())
def test_text_bytes_and_parsed_json_give_the_same_chunk(chunk: StreamChunk) -> None:
    text = chunk_to_json(chunk)
    assert parse_chunk(text.encode()) == parse_chunk(json.loads(text)) == parse_chunk(text)


@given(chunk=any_chunks())
def test_a_chunk_is_one_line_for_every_reader(chunk: StreamChunk) -> None:
    assert len(chunk_to_json(chunk).splitlines()) == 1


@pytest.mark.parametrize("line_end", ["\x85", "\u2028", "\u2029"])
def test_unicode_line_ends_are_escaped_wherever_they_stand(line_end: str) -> None:
    chunk = content(content=f"a{line_end}b", metadata={f"k{line_end}": line_end})
    text = chunk_to_json(chunk)
    assert line_end not in text
    assert text.count(f"\\u{ord(line_end):04x}") == 3
    assert parse_chunk(text) == chunk


def test_a_text_that_spells_an_escape_is_left_alone() -> None:
    chunk = content(content="é \\u2028 \\\\u0085")
    assert parse_chunk(chunk_to_json(chunk)) == chunk


def test_unknown_fields_are_kept_and_written_again_at_every_depth() -> None:
    text = json.dumps(
        {
            "type": "end",
            "stream_id": "s",
            "index": 3,
            "finish_reason": "stop",
            "new": {"deep": [1, None]},
            "usage": {"input_tokens": 1, "audio_tokens": 7},
            "attempts": [
                {"provider": "p", "model": "m", "outcome": "ok", "duration_ms": 1, "zone": "eu"}
            ],
        }
    )
    again = json.loads(chunk_to_json(parse_chunk(text)))
    assert again["new"] == {"deep": [1, None]}
    assert again["usage"]["audio_tokens"] == 7
    assert again["attempts"][0]["zone"] == "eu"


def test_an_unknown_type_is_an_unknown_chunk_with_all_of_its_fields() -> None:
    text = (
        '{"type":"video","stream_id":"s","index":9,"part":null,"elapsed_ms":0,'
        '"metadata":null,"frame":{"n":1}}'
    )
    chunk = parse_chunk(text)
    assert type(chunk) is UnknownChunk
    assert chunk.type == "video"
    assert chunk_to_json(chunk) == text


def test_what_is_not_told_is_null_and_never_zero() -> None:
    told = json.loads(Usage(input_tokens=0).model_dump_json())
    assert told["input_tokens"] == 0
    assert told["output_tokens"] is None


@pytest.mark.parametrize(
    "data",
    [
        "",
        "nonsense",
        "[]",
        "5",
        "null",
        '{"type": "content"',
        '{"stream_id": "s", "index": 0}',
        '{"type": 5, "stream_id": "s", "index": 0}',
        '{"type": "content", "stream_id": "s", "index": 0}',
        '{"type": "content", "stream_id": "s", "index": "x", "content": "a"}',
        '{"type": "end", "stream_id": "s", "index": 0, "finish_reason": "bored"}',
        '{"type": "future", "index": 0}',
        '{"type": "content", "stream_id": "s", "index": 0, "content": "\\ud83d"}',
        b'{"type": "content", "stream_id": "s", "index": 0, "content": "\xff"}',
        '{"type": "x", "stream_id": "s", "index": 0, "deep": ' + "[" * 5000,
    ],
)
def test_what_is_no_chunk_is_a_schema_error(data: str | bytes) -> None:
    with pytest.raises(SchemaError):
        parse_chunk(data)


def test_a_schema_error_names_the_place_and_not_the_value() -> None:
    data = {"type": "content", "stream_id": "s", "index": CANARY, "content": 5}
    with pytest.raises(SchemaError, match=r"`content` chunk: .*index.*content") as caught:
        parse_chunk(data)
    assert CANARY not in str(caught.value)


# Chunks are values.


@pytest.mark.parametrize("cls", RECORDS)
def test_a_record_cannot_be_hashed(cls: type[Any]) -> None:
    assert cls.__hash__ is None


def test_a_chunk_cannot_be_changed() -> None:
    chunk = content()
    with pytest.raises(ValidationError):
        chunk.content = "other"  # type: ignore[misc]  # that is what is refused


def test_same_as_ignores_the_stream_and_the_time() -> None:
    assert content().same_as(content(stream_id="t", elapsed_ms=99))


@pytest.mark.parametrize(
    "other",
    [
        content(index=2),
        content(part=1),
        content(content="Ho"),
        content(refusal=True),
        content(metadata={"p": {}}),
        content(unknown=1),
        ReasoningChunk(stream_id="s", index=1, content="Hi"),
    ],
)
def test_same_as_compares_everything_else(other: StreamChunk) -> None:
    assert not content().same_as(other)


def test_same_as_leaves_out_what_a_clock_said() -> None:
    first = Attempt(provider="p", model="m", outcome="ok", duration_ms=1)
    ends = [
        EndChunk(stream_id="s", index=1, finish_reason="stop", attempts=(each,), ttfc_ms=time)
        for each, time in ((first, 1), (first.model_copy(update={"duration_ms": 2}), 5))
    ]
    assert ends[0].same_as(ends[1])
    other = first.model_copy(update={"outcome": "rate_limit"})
    assert not ends[0].same_as(ends[0].model_copy(update={"attempts": (other,)}))


def test_public_removes_what_is_for_developers_and_nothing_else() -> None:
    error = ErrorInfo(
        kind="provider",
        message="It failed.",
        detail="traceback",
        evidence="status 500",
        retryable=True,
        status=500,
        request_id="req_1",
    )
    public = error.public()
    assert public.detail is None
    assert public.evidence is None
    assert public == error.model_copy(update={"detail": None, "evidence": None})
    assert error.detail == "traceback"


def test_the_defaults_of_the_envelope_are_the_schemas() -> None:
    start = StartChunk(stream_id="s", index=0, provider="p", model="m")
    assert json.loads(chunk_to_json(start)) == {
        "type": "start",
        "stream_id": "s",
        "index": 0,
        "part": None,
        "elapsed_ms": 0,
        "metadata": None,
        "schema_version": "1.0",
        "provider": "p",
        "model": "m",
        "request_id": None,
        "conversation_id": None,
    }


@given(chunk=records(NoticeChunk) | records(ErrorChunk))
def test_a_chunk_equals_its_own_copy(chunk: StreamChunk) -> None:
    assert chunk == chunk.model_copy(deep=True)
    assert chunk.same_as(chunk.model_copy(deep=True))
