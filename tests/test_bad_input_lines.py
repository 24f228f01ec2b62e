"""Bad input in newline-delimited JSON: answers that are none, and bytes however they are cut."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamkit.chunks import ContentChunk, ErrorChunk, ReasoningChunk, ToolCallChunk, Usage
from streamkit.transport.memory import Reply
from streamkit.wire.frames import MAX_FRAME_BYTES
from tests.bad_bytes import (
    HALVES,
    ODD_TEXTS,
    VALUES,
    EndlessFrame,
    byte_by_byte,
    places,
    with_value,
)
from tests.bad_input import end_of, error_of, every_way, read, text_of
from tests.bad_lines import (
    CALL,
    LAST,
    LINES,
    MEDIA_TYPE,
    UNUSUAL,
    line,
    ollama_at,
    part,
    piece,
    raw_piece,
    read_lines,
)
from tests.bad_replies import HTML_PAGE, RETRYABLE, Bad, as_script
from tests.loopback import END as BODY_END
from tests.loopback import chunk, head, serving

every_answer = pytest.mark.parametrize("bad", LINES.values(), ids=LINES.keys())
every_unusual = pytest.mark.parametrize("reply", UNUSUAL.values(), ids=UNUSUAL.keys())


def _check(chunks: list[Any], bad: Bad) -> None:
    error = error_of(chunks)
    assert (error.kind, error.status) == (bad.kind, 200)
    assert bad.says in error.message
    assert text_of(chunks) == bad.text
    assert error.retryable is (bad.kind in RETRYABLE)


# Answers.


@every_way
@every_answer
def test_a_bad_answer_in_lines_is_one_typed_error(way: str, bad: Bad) -> None:
    _check(read_lines(way, bad.reply), bad)


@every_way
@every_answer
def test_a_bad_answer_in_lines_over_a_real_socket_is_the_same_error(way: str, bad: Bad) -> None:
    with serving(as_script(bad.reply, MEDIA_TYPE)) as server:
        chunks = read(way, ollama_at(server))
    if bad.kind == "connection":
        # A reset may overtake what was sent before it; what did arrive is kept.
        assert error_of(chunks).kind == "connection"
        assert bad.text.startswith(text_of(chunks))
    else:
        _check(chunks, bad)


@every_answer
def test_a_bad_answer_in_lines_byte_by_byte_is_the_same_error(bad: Bad) -> None:
    _check(read_lines("sync", Reply(byte_by_byte(*bad.reply.events()))), bad)


@every_way
@every_unusual
def test_lines_that_are_unusual_and_yet_the_answer_are_delivered(way: str, reply: Reply) -> None:
    chunks = read_lines(way, reply)
    assert end_of(chunks).finish_reason in {"stop", "other"}
    assert text_of(chunks) == "Hi"


@every_way
@every_unusual
def test_the_same_lines_over_a_real_socket(way: str, reply: Reply) -> None:
    with serving(as_script(reply, MEDIA_TYPE)) as server:
        chunks = read(way, ollama_at(server))
    end_of(chunks)
    assert text_of(chunks) == "Hi"


@every_unusual
def test_the_same_lines_byte_by_byte(reply: Reply) -> None:
    chunks = read_lines("sync", Reply(byte_by_byte(*reply.events())))
    end_of(chunks)
    assert text_of(chunks) == "Hi"


def test_cut_lines_say_where_they_were_cut() -> None:
    error = error_of(read_lines("sync", piece("Hi")))
    assert error.detail == "the body ended after a whole frame"
    error = error_of(read_lines("sync", piece("Hi") + piece("!")[:9]))
    assert error.detail == "the body ended inside a frame"


def test_usage_of_a_stream_that_failed_later_is_kept() -> None:
    body = piece("Hi") + part(prompt_eval_count=3, eval_count=5) + b"{oops}\n"
    last = read_lines("sync", body)[-1]
    assert isinstance(last, ErrorChunk)
    # Counts stand in the last line alone; elsewhere they are nothing that was promised.
    assert last.usage is None
    assert end_of(read_lines("sync", piece("Hi") + LAST)).usage == Usage(
        input_tokens=3, output_tokens=5
    )


def test_a_line_may_hold_everything_at_once() -> None:
    whole = part(content="Hi", thinking="hm", tool_calls=[CALL, CALL], done=True)
    chunks = read_lines("sync", whole)
    end_of(chunks)
    calls = [each for each in chunks if isinstance(each, ToolCallChunk) and each.done]
    assert [each.arguments for each in calls] == [{"a": 1}, {"a": 1}]
    assert len({each.call_id for each in calls}) == 2
    assert "".join(each.content for each in chunks if isinstance(each, ReasoningChunk)) == "hm"
    assert text_of(chunks) == "Hi"


# A whole answer was asked for, and not lines.

_INDENTED = json.dumps(json.loads(part(content="Hi", done=True)), indent=2).encode()
_WHOLE: dict[str, tuple[bytes, str | None]] = {
    "an object": (part(content="Hi", done=True), None),
    "an object on several lines": (_INDENTED, None),
    "an object behind a byte order mark": (b"\xef\xbb\xbf" + _INDENTED, None),
    "events": (b"data: " + part(content="Hi", done=True) + b"\n", None),
    "lines": (piece("H") + piece("i") + LAST, "protocol"),
    "an object that is cut": (_INDENTED[:-9], "protocol"),
    "an object that is not done": (part(content="Hi"), "truncated"),
    "an error": (line({"error": "gone"}), "provider"),
    "words": (b"gone", "protocol"),
    "an HTML page": (HTML_PAGE, "protocol"),
    "nothing": (b"", "empty_response"),
}


@every_way
@pytest.mark.parametrize(("body", "kind"), _WHOLE.values(), ids=_WHOLE.keys())
def test_what_comes_where_a_whole_answer_was_asked(way: str, body: bytes, kind: str | None) -> None:
    for reply in (Reply(body), Reply(byte_by_byte(body))):
        chunks = read_lines(way, reply, settings={"stream": False})
        if kind is None:
            end_of(chunks)
            assert text_of(chunks) == "Hi"
        else:
            assert error_of(chunks).kind == kind


# Characters.


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
@pytest.mark.parametrize("is_escaped", [True, False], ids=["escaped", "raw"])
def test_an_odd_character_arrives_in_lines_as_it_was_sent(text: str, is_escaped: bool) -> None:
    odd = raw_piece(json.dumps(text, ensure_ascii=is_escaped)[1:-1])
    # Once in the first line and once in a later one, which is read another way.
    for body in (odd + LAST, piece(".") + odd + LAST):
        for reply in (Reply(body), Reply(byte_by_byte(body))):
            chunks = read_lines("sync", reply)
            end_of(chunks)
            assert text_of(chunks).removeprefix(".") == text


@given(st.text())
def test_any_text_arrives_in_lines_as_it_was_sent(text: str) -> None:
    body = piece(".") + piece(text) + LAST
    assert text_of(read_lines("sync", Reply(byte_by_byte(body)))) == f".{text}"


@pytest.mark.parametrize(("pieces", "text"), HALVES.values(), ids=HALVES.keys())
def test_a_half_of_a_character_in_lines_is_joined_or_replaced(pieces: list[str], text: str) -> None:
    chunks = read_lines("sync", b"".join(map(raw_piece, pieces)) + LAST)
    end_of(chunks)
    assert text_of(chunks) == text
    assert all(each.content for each in chunks if isinstance(each, ContentChunk))


def test_a_half_that_the_lines_are_cut_behind_is_replaced() -> None:
    chunks = read_lines("sync", raw_piece("a\\ud834"))
    assert error_of(chunks).kind == "truncated"
    assert text_of(chunks) == "a\ufffd"


_HALF_ELSEWHERE = {
    "model": b'{"model":"\\ud834","done":false}',
    "thinking": b'{"message":{"thinking":"\\ud834"},"done":false}',
    "reason": b'{"done":true,"done_reason":"\\ud834"}',
    "tool call": b'{"message":{"tool_calls":[{"id":"\\ud834","function":'
    b'{"name":"\\ud834","arguments":{"\\ud834":"\\udd1e"}}}]}}',
    "arguments in words": b'{"message":{"tool_calls":[{"function":'
    b'{"name":"f","arguments":"\\ud834"}}]}}',
    "log probabilities": b'{"message":{"content":"!"},"logprobs":[{"token":"\\ud834"}]}',
    "facts": b'{"done":true,"remote_host":"\\ud834","eval_count":"\\ud834"}',
    "error": b'{"error":"\\ud834"}',
    "sign-in": b'{"error":"a","signin_url":"\\ud834"}',
}


@pytest.mark.parametrize("payload", _HALF_ELSEWHERE.values(), ids=_HALF_ELSEWHERE.keys())
def test_a_half_anywhere_else_in_lines_never_keeps_a_chunk_from_being_written(
    payload: bytes,
) -> None:
    # The judge writes every chunk as JSON, which no half of a character survives.
    chunks = read_lines("sync", piece("Hi") + line(payload) + LAST)
    assert chunks[-1].type == "end" or error_of(chunks).kind != "plugin"


# Cuts.


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_lines_are_read_wherever_the_reads_are_cut(line_end: bytes, mark: bytes) -> None:
    body = mark + (b"\n" + piece("H") + piece("é") + LAST).replace(b"\n", line_end)
    for cut in range(len(body) + 1):
        chunks = read_lines("sync", Reply([body[:cut], body[cut:]]))
        end_of(chunks)
        assert [c.content for c in chunks if isinstance(c, ContentChunk)] == ["H", "é"]


def test_an_answer_cut_anywhere_is_truncated_and_keeps_what_came() -> None:
    body = piece("H") + piece("i") + LAST
    whole_last = len(body) - 1  # without its LF it is whole beyond doubt
    for cut in range(1, whole_last):
        chunks = read_lines("sync", body[:cut])
        assert error_of(chunks).kind == "truncated"
        # A line without its end is a line, once its JSON is whole.
        lines = [body[:cut].find(each[:-1]) >= 0 for each in (piece("H"), piece("i"))]
        assert text_of(chunks) == "Hi"[: sum(lines)]
    for body_end in (body[:whole_last], body):
        end_of(read_lines("sync", body_end))


@every_way
def test_a_cr_lf_of_a_line_cut_between_two_reads_of_a_socket(way: str) -> None:
    first, second = [each.replace(b"\n", b"\r\n") for each in (piece("Hi"), LAST)]
    script = [head(200, MEDIA_TYPE), chunk(first[:-1]), chunk(first[-1:] + second), BODY_END]
    with serving(script) as server:
        chunks = read(way, ollama_at(server))
    end_of(chunks)
    assert text_of(chunks) == "Hi"


# Sizes.


@every_way
def test_a_line_of_eight_mebibytes_is_delivered(way: str) -> None:
    text = "0123456789abcdef" * (8 * 1024 * 1024 // 16)
    with serving([head(200, MEDIA_TYPE), chunk(piece(text)), chunk(LAST), BODY_END]) as server:
        chunks = read(way, ollama_at(server))
    end_of(chunks)
    assert text_of(chunks) == text


@pytest.mark.parametrize(
    ("first", "text"),
    [(piece("Hi") + b'{"message":"', "Hi"), (piece("Hi") + b"oops", "Hi"), (b'{"message":"', "")],
    ids=["JSON", "words", "the first line"],
)
def test_a_line_without_an_end_is_an_error_at_the_limit(first: bytes, text: str) -> None:
    body = EndlessFrame(first, size=100)
    reply = Reply(body)  # type: ignore[arg-type]  # a sequence that is made as it is read
    chunks = read_lines("sync", reply, max_frame_bytes=10_000)
    error = error_of(chunks)
    assert error.kind == "protocol"
    assert "exceeds 10000 bytes" in error.message
    assert text_of(chunks) == text
    assert 9_800 <= body.taken <= 10_200


def test_memory_is_bounded_by_the_limit_of_a_line() -> None:
    body = EndlessFrame(piece("Hi") + b'{"message":"', size=64 * 1024)
    reply = Reply(body)  # type: ignore[arg-type]  # a sequence that is made as it is read
    tracemalloc.start()
    try:
        error = error_of(read_lines("sync", reply))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.kind == "protocol"
    assert body.taken <= MAX_FRAME_BYTES + 128 * 1024
    # A buffer that grows is copied once; nothing holds the line a third time.
    assert peak < 3 * MAX_FRAME_BYTES


@every_way
def test_an_endless_line_on_a_real_socket_is_an_error_at_the_limit(way: str) -> None:
    some = chunk(b"x" * (1024 * 1024))
    script = [head(200, MEDIA_TYPE), chunk(piece("Hi") + b'{"message":"'), *[some] * 40, BODY_END]
    with serving(script) as server:
        chunks = read(way, ollama_at(server))
    assert error_of(chunks).kind == "protocol"
    assert text_of(chunks) == "Hi"


def test_empty_lines_before_the_first_line_are_not_kept() -> None:
    body = [b"\n" * 65536] * 200 + [piece("Hi") + LAST]
    tracemalloc.start()
    try:
        chunks = read_lines("sync", Reply(body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    end_of(chunks)
    assert peak < 2 * 1024 * 1024


# Anything.


@given(st.binary(max_size=300))
def test_no_bytes_at_all_break_a_stream_of_lines(body: bytes) -> None:
    error_of(read_lines("sync", body))


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_bytes_put_into_lines_break_the_stream(noise: bytes, data: st.DataObject) -> None:
    body = piece("Hel") + piece("lo") + LAST
    place = data.draw(st.integers(0, len(body)))
    chunks = read_lines("sync", body[:place] + noise + body[place:])
    if chunks[-1].type == "error":
        assert error_of(chunks).kind != "plugin", error_of(chunks).detail
    else:
        end_of(chunks)


_PAYLOAD = {
    "model": "m",
    "error": None,
    "done": True,
    "done_reason": "stop",
    "total_duration": 1,
    "prompt_eval_count": 1,
    "prompt_eval_cached_count": 1,
    "eval_count": 1,
    "remote_host": "h",
    "signin_url": None,
    "logprobs": [{"token": "a", "logprob": -1, "top_logprobs": []}],
    "response": "r",
    "message": {
        "role": "assistant",
        "content": "a",
        "thinking": "b",
        "tool_calls": [{"id": "c", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}],
    },
}


@pytest.mark.parametrize("place", list(places(_PAYLOAD)), ids=lambda p: ".".join(map(str, p)))
@settings(max_examples=settings().max_examples // 5)  # at each of the places
@given(values=st.lists(VALUES, min_size=1, max_size=2), is_first=st.booleans())
def test_no_value_at_any_place_of_a_line_is_more_than_a_typed_error(
    place: tuple[str | int, ...], values: list[object], is_first: bool
) -> None:
    odd = [line(json.dumps(with_value(_PAYLOAD, place, value)).encode()) for value in values]
    chunks = read_lines("sync", (b"" if is_first else piece("Hi")) + b"".join(odd) + LAST)
    if chunks[-1].type == "error":
        # `plugin` would be a bug of the decoder, not of the service.
        assert error_of(chunks).kind != "plugin", error_of(chunks).detail
