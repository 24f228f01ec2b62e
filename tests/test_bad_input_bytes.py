"""Bytes that break careless readers: odd characters, line ends and sizes, however they are cut."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.chunks import ContentChunk, ReasoningChunk, ToolCallChunk
from streamkit.transport.memory import Reply
from streamkit.wire.frames import MAX_FRAME_BYTES
from tests.bad_bytes import (
    CLEF,
    HALVES,
    ODD_TEXTS,
    VALUES,
    EndlessFrame,
    byte_by_byte,
    places,
    with_value,
)
from tests.bad_input import (
    DONE,
    END,
    FINISH,
    delta,
    end_of,
    error_of,
    event,
    every_way,
    read,
    read_reply,
    said,
    socket_model,
    text_of,
)
from tests.loopback import END as BODY_END
from tests.loopback import chunk, head, serving


def _raw(text_json: str) -> bytes:
    """The event of a piece of text that is JSON already, escapes and all."""
    return event(b'{"choices":[{"index":0,"delta":{"content":"' + text_json.encode() + b'"}}]}')


# Characters.


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
@pytest.mark.parametrize("is_escaped", [True, False], ids=["escaped", "raw"])
def test_an_odd_character_arrives_as_it_was_sent(text: str, is_escaped: bool) -> None:
    # JSON lets all of them stand raw but the controls below U+0020.
    body = _raw(json.dumps(text, ensure_ascii=is_escaped)[1:-1]) + END
    for reply in (Reply(body), Reply(byte_by_byte(body))):
        chunks = read_reply("sync", reply)
        end_of(chunks)
        assert text_of(chunks) == text


@given(st.text())
def test_any_text_arrives_as_it_was_sent(text: str) -> None:
    chunks = read_reply("sync", Reply(byte_by_byte(said(f".{text}") + END)))
    assert text_of(chunks) == f".{text}"


@pytest.mark.parametrize(("pieces", "text"), HALVES.values(), ids=HALVES.keys())
def test_a_half_of_a_character_is_joined_or_replaced(pieces: list[str], text: str) -> None:
    chunks = read_reply("sync", b"".join(map(_raw, pieces)) + END)
    end_of(chunks)
    assert text_of(chunks) == text
    assert all(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk))


def test_a_half_that_the_stream_is_cut_behind_is_replaced() -> None:
    chunks = read_reply("sync", _raw("a\\ud834"))
    assert error_of(chunks).kind == "truncated"
    assert text_of(chunks) == "a\ufffd"


def test_a_half_does_not_join_across_kinds_of_text() -> None:
    reasoning = event(b'{"choices":[{"delta":{"reasoning_content":"a\\ud834"}}]}')
    chunks = read_reply("sync", reasoning + _raw("\\udd1eb") + END)
    end_of(chunks)
    thought = [chunk.content for chunk in chunks if isinstance(chunk, ReasoningChunk)]
    assert "".join(thought) == "a\ufffd"
    assert text_of(chunks) == "\ufffdb"


def test_halves_join_in_the_arguments_of_a_tool_call() -> None:
    def piece(text: str) -> bytes:
        call = b'{"index":0,"id":"c","function":{"name":"f","arguments":"%s"}}' % text.encode()
        return event(b'{"choices":[{"delta":{"tool_calls":[' + call + b"]}}]}")

    body = piece('{\\"a\\":\\"\\ud834') + piece('\\udd1e\\"}') + delta("tool_calls") + DONE
    chunks = read_reply("sync", body)
    end_of(chunks)
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]
    assert "".join(call.arguments_delta for call in calls) == f'{{"a":"{CLEF}"}}'
    assert calls[-1].arguments == {"a": CLEF}


_HALF_ELSEWHERE = {
    "id and model": b'{"id":"\\ud834","model":"\\ud834","choices":[]}',
    "finish reason": b'{"choices":[{"delta":{},"finish_reason":"\\ud834"}]}',
    "tool call": b'{"choices":[{"delta":{"tool_calls":[{"id":"\\ud834","function":'
    b'{"name":"\\ud834","arguments":"{}"}}]}}]}',
    "log probabilities": b'{"choices":[{"delta":{"content":"!"},'
    b'"logprobs":{"content":[{"token":"\\ud834","logprob":-1}]}}]}',
    "usage": b'{"choices":[],"usage":{"prompt_tokens":1,"\\ud834":"\\ud834"}}',
    "error": b'{"error":{"message":"\\ud834","code":"\\ud834","type":"\\ud834"}}',
}


@pytest.mark.parametrize("payload", _HALF_ELSEWHERE.values(), ids=_HALF_ELSEWHERE.keys())
def test_a_half_anywhere_else_never_keeps_a_chunk_from_being_written(payload: bytes) -> None:
    # The judge writes every chunk as JSON, which no half of a character survives.
    read_reply("sync", said("Hi") + event(payload) + END)


# Line ends.


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_every_line_end_is_read_wherever_the_reads_are_cut(line_end: bytes, mark: bytes) -> None:
    # Of an event with several lines an empty line too many would make two.
    two_lines = event(b'{"choices":[{"delta":\ndata: {"content":"i"}}]}', "message")
    body = mark + (b": hi\n\n" + said("H") + two_lines + END).replace(b"\n", line_end)
    for cut in range(len(body) + 1):
        chunks = read_reply("sync", Reply([body[:cut], body[cut:]]))
        end_of(chunks)
        assert [c.content for c in chunks if isinstance(c, ContentChunk)] == ["H", "i"]


@every_way
def test_a_cr_lf_cut_between_two_reads_of_a_socket(way: str) -> None:
    first, second = [event.replace(b"\n", b"\r\n") for event in (said("Hi"), END)]
    with serving([head(), chunk(first[:-1]), chunk(first[-1:] + second), BODY_END]) as server:
        chunks = read(way, socket_model(server))
    end_of(chunks)
    assert text_of(chunks) == "Hi"


# Sizes.


@every_way
def test_a_frame_of_eight_mebibytes_is_delivered(way: str) -> None:
    text = "0123456789abcdef" * (8 * 1024 * 1024 // 16)
    with serving([head(), chunk(said(text)), chunk(END), BODY_END]) as server:
        chunks = read(way, socket_model(server))
    end_of(chunks)
    assert text_of(chunks) == text


@pytest.mark.parametrize(
    ("first", "kind", "text"),
    [
        (said("Hi") + b'data: {"choices":"', "protocol", "Hi"),
        (said("Hi") + b"da", "protocol", "Hi"),
        (said("Hi") + b": ", "protocol", "Hi"),
        (b'{"choices":"', "protocol", ""),
    ],
    ids=["data", "name", "comment", "JSON body"],
)
def test_a_frame_without_an_end_is_an_error_at_the_limit(
    first: bytes, kind: str, text: str
) -> None:
    body = EndlessFrame(first, size=100)
    reply = Reply(body)  # type: ignore[arg-type]  # a sequence that is made as it is read
    chunks = read_reply("sync", reply, max_frame_bytes=10_000)
    error = error_of(chunks)
    assert error.kind == kind
    assert "exceeds 10000 bytes" in error.message
    assert text_of(chunks) == text
    assert 9_800 <= body.taken <= 10_200


def test_many_lines_of_one_endless_event_are_bounded_too() -> None:
    lines = [b"data: " + b"x" * 90 + b"\n"] * 1000
    error = error_of(read_reply("sync", Reply(lines), max_frame_bytes=10_000))
    assert error.kind == "protocol"


def test_memory_is_bounded_by_the_limit_and_not_by_what_is_sent() -> None:
    body = EndlessFrame(b"data: ", size=64 * 1024)
    reply = Reply(body)  # type: ignore[arg-type]  # a sequence that is made as it is read
    tracemalloc.start()
    try:
        error = error_of(read_reply("sync", reply))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.kind == "protocol"
    assert body.taken <= MAX_FRAME_BYTES + 128 * 1024
    # A buffer that grows is copied once; nothing holds the frame a third time.
    assert peak < 3 * MAX_FRAME_BYTES


@every_way
def test_an_endless_frame_on_a_real_socket_is_an_error_at_the_limit(way: str) -> None:
    piece = chunk(b"x" * (1024 * 1024))
    with serving([head(), chunk(said("Hi") + b"data: "), *[piece] * 40, BODY_END]) as server:
        chunks = read(way, socket_model(server))
    assert error_of(chunks).kind == "protocol"
    assert text_of(chunks) == "Hi"


def test_empty_lines_before_the_answer_are_not_kept() -> None:
    body = [b"\n" * 65536] * 200 + [said("Hi") + END]
    tracemalloc.start()
    try:
        chunks = read_reply("sync", Reply(body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    end_of(chunks)
    assert peak < 2 * 1024 * 1024


# Anything.


@given(st.binary(max_size=300))
def test_no_bytes_at_all_break_the_stream(body: bytes) -> None:
    error_of(read_reply("sync", body))


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_bytes_put_into_an_answer_break_the_stream(noise: bytes, data: st.DataObject) -> None:
    body = said("Hel") + said("lo") + FINISH + DONE
    place = data.draw(st.integers(0, len(body)))
    chunks = read_reply("sync", body[:place] + noise + body[place:])
    if chunks[-1].type == "error":
        error_of(chunks)
    else:
        end_of(chunks)


_CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": None}
_PAYLOAD = {
    "id": "a",
    "model": "m",
    "object": "chat.completion.chunk",
    "error": None,
    "detail": None,
    "citations": None,
    "x_groq": {"usage": None},
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "total_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
    "choices": [
        {
            "index": 0,
            "finish_reason": None,
            "logprobs": {"content": None},
            "delta": {
                "content": [{"type": "thinking", "thinking": [{"text": "a"}]}, {"text": "b"}],
                "refusal": None,
                "reasoning_content": None,
                "reasoning": None,
                "reasoning_details": [{"text": "a"}],
                "annotations": None,
                "function_call": None,
                "tool_calls": [_CALL, _CALL],
            },
        }
    ],
}


@pytest.mark.parametrize("place", list(places(_PAYLOAD)), ids=lambda p: ".".join(map(str, p)))
@given(values=st.lists(VALUES, min_size=1, max_size=2), name=st.sampled_from(["", "error"]))
def test_no_value_at_any_place_of_a_frame_is_more_than_a_typed_error(
    place: tuple[str | int, ...], values: list[object], name: str
) -> None:
    odd = [event(json.dumps(with_value(_PAYLOAD, place, value)).encode(), name) for value in values]
    chunks = read_reply("sync", said("Hi") + b"".join(odd) + END)
    if chunks[-1].type == "error":
        # `plugin` would be a bug of the decoder, not of the service.
        assert error_of(chunks).kind != "plugin", error_of(chunks).detail
