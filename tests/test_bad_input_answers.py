"""Answers that begin with success and are none: one typed error, and what came before is kept."""

from typing import Any

import pytest

from streamkit.chunks import ErrorChunk, ToolCallChunk, Usage, UsageChunk
from streamkit.transport.memory import Reply
from tests.bad_bytes import byte_by_byte
from tests.bad_input import (
    DONE,
    END,
    FINISH,
    USAGE,
    WHOLE_ANSWER,
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
from tests.bad_replies import ANSWERS, RETRYABLE, Bad, as_script
from tests.loopback import serving

every_answer = pytest.mark.parametrize("bad", ANSWERS.values(), ids=ANSWERS.keys())


def _check(chunks: list[Any], bad: Bad) -> None:
    error = error_of(chunks)
    assert error.kind == bad.kind
    assert bad.says in error.message
    assert text_of(chunks) == bad.text
    assert error.status == 200
    assert error.retryable is (bad.kind in RETRYABLE)


@every_way
@every_answer
def test_a_bad_answer_is_one_typed_error(way: str, bad: Bad) -> None:
    _check(read_reply(way, bad.reply), bad)


@every_way
@every_answer
def test_a_bad_answer_over_a_real_socket_is_the_same_error(way: str, bad: Bad) -> None:
    with serving(as_script(bad.reply)) as server:
        chunks = read(way, socket_model(server))
    if bad.reply.events() and bad.kind == "connection":
        # A reset may overtake what was sent before it; what did arrive is kept.
        assert error_of(chunks).kind == "connection"
        assert bad.text.startswith(text_of(chunks))
    else:
        _check(chunks, bad)


@every_answer
def test_a_bad_answer_byte_by_byte_is_the_same_error(bad: Bad) -> None:
    _check(read_reply("sync", Reply(byte_by_byte(*bad.reply.events()))), bad)


def test_usage_that_came_is_kept_on_the_error() -> None:
    usage = Usage(input_tokens=3, output_tokens=5)
    for name in ("an error after usage", "a cut stream with usage"):
        chunks = read_reply("sync", ANSWERS[name].reply)
        told, last = chunks[-2:]
        assert isinstance(told, UsageChunk)
        assert told.usage == usage
        assert isinstance(last, ErrorChunk)
        assert last.usage == usage


def test_a_cut_stream_says_where_it_was_cut() -> None:
    assert error_of(read_reply("sync", said("Hi"))).detail == "the body ended after a whole frame"
    cut = error_of(read_reply("sync", said("Hi") + b'data: {"choi'))
    assert cut.detail == "the body ended inside a frame"


def test_the_attempt_tells_the_outcome() -> None:
    last = read_reply("sync", Reply(said("Hi"), headers={"X-Request-Id": "req-7"}))[-1]
    assert isinstance(last, ErrorChunk)
    (attempt,) = last.attempts
    assert (attempt.outcome, attempt.status, attempt.request_id) == ("truncated", 200, "req-7")
    assert last.error.request_id == "req-7"


# What is unusual and yet the answer.

_GOOD: dict[str, tuple[Reply, str]] = {
    "JSON where a stream was asked": (Reply(_json := event(WHOLE_ANSWER)[6:]), "Hi"),
    "JSON behind a byte order mark": (Reply(b"\xef\xbb\xbf" + _json), "Hi"),
    "JSON behind keep-alive lines": (Reply([b"\n", b"\n", b" ", _json]), "Hi"),
    "JSON called an event stream": (
        Reply(_json, headers={"content-type": "text/event-stream"}),
        "Hi",
    ),
    "a stream called JSON": (
        Reply(said("Hi") + END, headers={"content-type": "application/json"}),
        "Hi",
    ),
    "two terminators": (Reply(said("Hi") + FINISH + DONE + DONE), "Hi"),
    "events after the terminator": (Reply(said("Hi") + END + said("!") + event(b"{oops}")), "Hi"),
    "an error after the terminator": (Reply([said("Hi") + END, event({"error": "late"})]), "Hi"),
    "no terminator": (Reply(said("Hi") + FINISH), "Hi"),
    "no finish reason": (Reply(said("Hi") + DONE), "Hi"),
    "a terminator without its empty line": (Reply(said("Hi") + FINISH + DONE[:-1]), "Hi"),
    "a last event without its empty line": (Reply(said("Hi") + FINISH[:-2]), "Hi"),
    "a finish reason twice": (Reply(said("Hi") + FINISH + END), "Hi"),
    "keep-alives between": (Reply(b": wait\n\n" + said("H") + b":\n\n" + said("i") + END), "Hi"),
    "an event without data": (Reply(said("Hi") + b"event: ping\ndata:\n\n" + END), "Hi"),
    "choices that are null": (Reply(said("Hi") + event({"choices": None}) + END), "Hi"),
    "token counts that are infinite": (
        Reply(
            said("Hi") + FINISH + event(b'{"choices":[],"usage":{"prompt_tokens":1e999}}') + DONE
        ),
        "Hi",
    ),
}


@every_way
@pytest.mark.parametrize(("reply", "text"), _GOOD.values(), ids=_GOOD.keys())
def test_what_is_unusual_and_yet_the_answer_is_delivered(way: str, reply: Reply, text: str) -> None:
    chunks = read_reply(way, reply)
    end = end_of(chunks)
    assert text_of(chunks) == text
    assert end.finish_reason in {"stop", "other"}


@every_way
@pytest.mark.parametrize(("reply", "text"), _GOOD.values(), ids=_GOOD.keys())
def test_the_same_over_a_real_socket(way: str, reply: Reply, text: str) -> None:
    with serving(as_script(reply)) as server:
        chunks = read(way, socket_model(server))
    end_of(chunks)
    assert text_of(chunks) == text


def test_a_whole_answer_tells_all_that_a_stream_would() -> None:
    end = end_of(read_reply("sync", Reply(_json)))
    assert end.response_id == "answer-1"
    assert end.model == "gpt-test-1"
    assert end.usage == Usage(input_tokens=3, output_tokens=5)


def test_an_answer_cut_by_length_may_be_empty() -> None:
    end = end_of(read_reply("sync", delta("length") + DONE))
    assert end.finish_reason == "length"


def test_a_tool_call_whose_arguments_do_not_parse_is_delivered_as_invalid() -> None:
    call = {"index": 0, "id": "call-1", "function": {"name": "find", "arguments": '{"a":'}}
    chunks = read_reply("sync", delta(tool_calls=[call]) + delta("tool_calls") + USAGE + DONE)
    end_of(chunks)
    done = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk) and chunk.done]
    assert [each.invalid and each.invalid.text for each in done] == ['{"a":']


@pytest.mark.parametrize("index", [[1], {"a": 1}, 1.5, True], ids=repr)
def test_a_tool_call_with_a_strange_index_is_still_one_call(index: object) -> None:
    first = {"index": index, "id": "call-1", "function": {"name": "find", "arguments": "{"}}
    second = {"index": index, "function": {"arguments": "}"}}
    body = delta(tool_calls=[first]) + delta(tool_calls=[second]) + delta("tool_calls") + DONE
    chunks = read_reply("sync", body)
    end_of(chunks)
    done = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk) and chunk.done]
    assert [each.arguments for each in done] == [{}]
