"""One attempt: status, headers and reads in, chunks out, whatever they are."""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.assembly.deltas import (
    ContentDelta,
    Delta,
    FinishDelta,
    TerminatorDelta,
    UsageDelta,
)
from streamkit.attempt import (
    MAX_ERROR_BODY,
    DeltaAttempt,
    HTTPAttempt,
    choose_framing,
    plugin_error,
)
from streamkit.chunks import ContentChunk, EndChunk, ErrorChunk, StreamChunk
from streamkit.errors import ProviderError
from streamkit.model import Model
from streamkit.plugin import ProviderSpec
from streamkit.provider import Emitter, Frame, Framing, HTTPCall, HTTPProvider
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings
from streamkit.transport.base import TransportFailure
from streamkit.transport.memory import MemoryTransport, Reply
from tests.assembly.builders import new_assembler

SPEC = ProviderSpec(name="acme", api_version=1, factory="nowhere:Nothing")
RESET = TransportFailure("connection", "The connection broke.", "reset by peer")
CLOSED = TransportFailure("truncated", "The connection was closed.", "incomplete body")


class Acme(HTTPProvider):
    """Frames are `{"say": …}`, `{"finish": …}`, `{"end": …}`, or a fault of the provider's own."""

    max_frame_bytes = 1000

    def request(self, request: ChatRequest) -> HTTPCall:
        return HTTPCall(path="/chat", json={})

    def decode(self, frame: Frame, emit: Emitter) -> None:
        for name, value in frame.object().items():
            match name:
                case "say":
                    emit.content(value)
                case "finish":
                    emit.finish(value)
                case "end":
                    emit.terminator(evidence=value)
                case "fail":
                    raise ProviderError(value, "The service failed.")
                case "bug":
                    raise ZeroDivisionError(value)


class Broken(Acme):
    """A plug-in with a bug wherever it is asked something."""

    def request(self, request: ChatRequest) -> HTTPCall:
        raise ZeroDivisionError

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        raise ZeroDivisionError


class Forgetful(Acme):
    """A plug-in that forgets to return."""

    def request(self, request: ChatRequest) -> HTTPCall:
        return None  # type: ignore[return-value]  # the bug

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return None  # type: ignore[return-value]  # the bug


def acme(kind: type[HTTPProvider] = Acme) -> HTTPProvider:
    return kind(SPEC, ProviderSettings(provider="acme", base_url="https://acme.example"))


def sse(**frame: Any) -> bytes:
    return b"data: " + json.dumps(frame).encode() + b"\n\n"


def play(
    reads: Iterable[bytes],
    *,
    framing: Framing = "sse",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    failure: TransportFailure | None = None,
    provider: type[HTTPProvider] = Acme,
) -> list[StreamChunk]:
    """What an attempt makes of an answer; stops, as a stream does, at the terminal chunk."""
    assembler = new_assembler()
    attempt = HTTPAttempt(acme(provider), framing, assembler, wall_time=0.0)
    attempt.opened(status, headers or {})
    chunks: list[StreamChunk] = []
    for read in reads:
        chunks += attempt.received(read, 0)
        if assembler.is_over:
            return chunks
    return chunks + attempt.ended(0, failure)


def text(chunks: Iterable[StreamChunk]) -> str:
    return "".join(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk))


def failed(chunks: list[StreamChunk], kind: str) -> ErrorChunk:
    last = chunks[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == kind
    return last


# How a body is cut into frames.


@pytest.mark.parametrize(
    ("wanted", "beginning", "chosen"),
    [
        ("sse", b"data: {", "sse"),
        ("sse", b": hello", "sse"),
        ("sse", b'{"a"', "json"),
        ("sse", b"\xef\xbb\xbf\r\n [", "json"),
        ("json", b'{"a"', "json"),
        ("json", b"data: {", "sse"),
        ("json", b"\n: ping", "sse"),
        ("json", b"event: x", "sse"),
        ("json", b"null", "json"),
        ("ndjson", b'{"a"', "ndjson"),
        ("ndjson", b"data", "ndjson"),
    ],
)
def test_the_first_bytes_decide_how_a_body_is_cut(
    wanted: Framing, beginning: bytes, chosen: Framing
) -> None:
    assert choose_framing(wanted, beginning) == chosen


BODIES: dict[str, tuple[Framing, bytes]] = {
    "stream": ("sse", sse(say="a") + sse(say="b", finish="stop")),
    "stream with blanks and a mark": (
        "sse",
        b"\xef\xbb\xbf\r\n\r\n" + sse(say="ab", finish="stop"),
    ),
    "one answer where a stream was asked": ("sse", b' \n{"say": "ab", "finish": "stop"}'),
    "a stream where one answer was asked": ("json", sse(say="a") + sse(say="b", finish="stop")),
    "comments first": ("json", b": hi\n\n" + sse(say="ab", finish="stop")),
    "lines": ("ndjson", b'{"say": "a"}\n{"say": "b", "finish": "stop"}\n'),
    "a last line without an end": ("ndjson", b'{"say": "ab"}\n{"finish": "stop"}'),
    "one answer": ("json", b'{"say": "ab", "finish": "stop"}'),
}


@pytest.mark.parametrize(("framing", "body"), BODIES.values(), ids=BODIES)
def test_however_a_body_is_cut_it_says_the_same(framing: Framing, body: bytes) -> None:
    @given(cuts=st.sets(st.integers(1, len(body) - 1)))
    def check(cuts: set[int]) -> None:
        places = [0, *sorted(cuts), len(body)]
        reads = [body[start:end] for start, end in pairwise(places)]
        chunks = play(reads, framing=framing)
        assert text(chunks) == "ab"
        assert isinstance(chunks[-1], EndChunk)

    check()
    assert isinstance(play([bytes([byte]) for byte in body], framing=framing)[-1], EndChunk)


@pytest.mark.parametrize("framing", ["sse", "ndjson", "json"])
def test_an_html_page_is_a_protocol_error_that_says_what_to_check(framing: Framing) -> None:
    error = failed(play([b"\n <!doctype html>"], framing=framing), "protocol").error
    assert "HTML page" in error.message
    assert "Check the base URL" in error.message
    assert error.detail == "<!doctype html>"


@pytest.mark.parametrize(
    "reads", [[], [b""], [b" ", b"\r\n"], [b"\xef\xbb\xbf"], [b" " * 200_000] * 2]
)
def test_success_with_nothing_but_blanks_is_an_empty_response(reads: list[bytes]) -> None:
    assert not failed(play(reads), "empty_response").partial


# Malformed frames and invalid UTF-8 are never skipped, never silently replaced.


@pytest.mark.parametrize(
    "bad",
    [
        b"data: {nonsense}\n\n",
        b"data: [1]\n\n",
        b'data: {"say": "\xff"}\n\n',
        b'data: {"say": NaN}\n\n',
        sse(say="x" * 2000),
    ],
)
def test_a_malformed_frame_is_a_protocol_error_and_what_came_before_is_kept(bad: bytes) -> None:
    chunks = play([sse(say="kept ") + sse(say="too") + bad + sse(say="lost", finish="stop")])
    assert failed(chunks, "protocol").partial
    assert text(chunks) == "kept too"


def test_a_frame_after_the_finish_reason_must_still_be_one() -> None:
    failed(play([sse(say="a", finish="stop") + b"data: {nonsense}\n\n"]), "protocol")


def test_whatever_stands_behind_the_terminator_is_not_part_of_the_answer() -> None:
    chunks = play([sse(say="a", finish="stop", end=True) + b"data: {nonsense}\n\n" + sse(say="b")])
    assert isinstance(chunks[-1], EndChunk)
    assert text(chunks) == "a"


# Providers raise, streams never do.


def test_what_a_provider_raises_is_the_last_chunk() -> None:
    chunks = play([sse(say="a") + sse(fail="overloaded")])
    assert failed(chunks, "overloaded").partial
    assert text(chunks) == "a"


def test_a_bug_of_a_plugin_is_an_error_chunk_with_the_traceback_for_developers() -> None:
    error = failed(play([sse(say="a") + sse(bug="at the worst moment")]), "plugin").error
    assert (
        error.message
        == "The provider `acme` raised ZeroDivisionError; this is a bug in its plug-in."
    )
    assert "at the worst moment" in (error.detail or "")


@pytest.mark.parametrize("value", [5, ["a"], {"b": 1}])
def test_text_of_the_wrong_type_is_the_plugins_fault(value: Any) -> None:
    assert failed(play([sse(say="a") + sse(say=value)]), "plugin").partial


def test_an_earlier_fault_counts_before_a_broken_frame() -> None:
    failed(play([sse(say="a") + sse(fail="quota") + sse(say="x" * 2000)]), "quota")


@pytest.mark.parametrize("provider", [Broken, Forgetful])
def test_a_bug_in_classify_is_an_error_chunk_with_the_status(provider: type[HTTPProvider]) -> None:
    error = failed(play([b"{}"], status=500, provider=provider), "plugin").error
    assert error.status == 500


@pytest.mark.parametrize("provider", [Broken, Forgetful])
def test_a_bug_in_request_is_an_error_chunk_and_nothing_is_sent(
    provider: type[HTTPProvider],
) -> None:
    transport = MemoryTransport([b""])
    chunks = list(Model(acme(provider), "m", transport=transport).stream("Hi"))
    assert chunks[0].type == "start"
    failed(chunks, "plugin")
    assert not transport.requests


class Asynchronous(Acme):
    """A plug-in whose author took it for an asynchronous contract."""

    async def request(self, request: ChatRequest) -> HTTPCall:  # type: ignore[override]  # the bug
        return HTTPCall(path="/chat")

    async def decode(self, frame: Frame, emit: Emitter) -> None:  # type: ignore[override]  # the bug
        emit.content("never")


def test_a_request_that_is_asynchronous_is_told_and_leaves_no_warning() -> None:
    transport = MemoryTransport([Reply(b"")])
    last = list(Model(acme(Asynchronous), "m", transport=transport).stream("Hi"))[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "plugin"
    assert last.error.message == (
        "The provider `acme` has an `async def request`; request() must not be async."
    )
    assert transport.requests == []


@pytest.mark.parametrize("body", [sse(say="a"), sse(say="a") + sse(say="x" * 2000)])
def test_a_decode_that_is_asynchronous_is_told_and_leaves_no_warning(body: bytes) -> None:
    last = failed(play([body], provider=Asynchronous), "plugin")
    assert "decode() must not be async" in last.error.message


def test_the_traceback_of_a_bug_is_cut_by_steps_and_never_within_a_line() -> None:
    def deep(steps: int) -> None:
        if steps == 0:
            raise ZeroDivisionError("x" * 5000)
        deep(steps - 1)

    with pytest.raises(ZeroDivisionError) as caught:
        deep(50)
    detail = plugin_error("acme", caught.value).detail or ""
    assert detail.startswith("Traceback")
    assert detail.endswith(f"{'x' * 5000}\n")
    assert 0 < detail.count("File ") <= 6


# How a body ends.


@pytest.mark.parametrize(
    ("reads", "failure", "kind", "detail"),
    [
        ([sse(say="a")], None, "truncated", "the body ended after a whole frame"),
        ([sse(say="a"), b"data: {"], None, "truncated", "the body ended inside a frame"),
        ([sse(say="a")], CLOSED, "truncated", "incomplete body"),
        ([sse(say="a"), b"data: {"], RESET, "connection", "reset by peer"),
        ([], RESET, "connection", "reset by peer"),
        ([], CLOSED, "truncated", "incomplete body"),
    ],
)
def test_a_body_that_stops_without_evidence_is_an_error(
    reads: list[bytes], failure: TransportFailure | None, kind: str, detail: str
) -> None:
    chunks = play(reads, failure=failure)
    assert failed(chunks, kind).error.detail == detail
    assert text(chunks) == "a" * bool(reads)


@pytest.mark.parametrize("failure", [None, RESET, CLOSED])
def test_a_body_that_stops_after_the_evidence_is_an_end(failure: TransportFailure | None) -> None:
    assert isinstance(play([sse(say="a", finish="stop")], failure=failure)[-1], EndChunk)


def test_a_whole_answer_that_broke_off_is_told_as_such_and_not_as_bad_json() -> None:
    failed(play([b'{"say": '], framing="json", failure=RESET), "connection")
    failed(play([b'{"say": '], framing="json"), "protocol")


# Errors by status.


def test_an_error_body_is_collected_and_classified() -> None:
    body = b'{"error": {"message": "Slow down.", "code": "slow"}}'
    reads = [body[:10], body[10:]]
    error = failed(play(reads, status=429, headers={"retry-after": "3"}), "rate_limit").error
    assert (error.message, error.status, error.retry_after_s) == ("Slow down.", 429, 3.0)
    assert error.provider_code == "slow"


def test_a_date_to_retry_after_is_read_on_the_wall_clock() -> None:
    headers = {"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}
    error = failed(play([b"{}"], status=503, headers=headers), "overloaded").error
    assert error.retry_after_s == 30.0


def test_an_error_body_without_end_is_read_to_its_limit() -> None:
    def endless() -> Iterable[bytes]:
        for number in range(1000):
            yield b"x" * 1024
            assert number <= MAX_ERROR_BODY // 1024

    assert failed(play(endless(), status=500), "provider").error.status == 500


@pytest.mark.parametrize("failure", [None, RESET, CLOSED])
def test_an_error_body_that_breaks_off_is_still_that_error(
    failure: TransportFailure | None,
) -> None:
    failed(play([b'{"err'], status=401, failure=failure), "authentication")


# Progress: content is, keep-alives are not.


@pytest.mark.parametrize(
    ("read", "is_progress"),
    [
        (sse(say="a"), True),
        (b": ping\n\n", False),
        (b"data: {", False),
        (sse(say=""), False),
        (sse(finish="stop"), False),
    ],
)
def test_only_what_is_shown_is_progress(read: bytes, is_progress: bool) -> None:
    attempt = HTTPAttempt(acme(), "sse", new_assembler())
    attempt.opened(200, {})
    attempt.received(read, 0)
    assert attempt.made_progress is is_progress


# Providers that give deltas themselves.


def deltas(*given_: Delta, failure: TransportFailure | None = None) -> list[StreamChunk]:
    assembler = new_assembler()
    attempt = DeltaAttempt("acme", assembler)
    chunks = attempt.received(list(given_), 0)
    return chunks if assembler.is_over else chunks + attempt.ended(0, failure)


@pytest.mark.parametrize("last", [FinishDelta("stop"), TerminatorDelta()])
def test_deltas_with_evidence_end_in_an_end(last: Delta) -> None:
    chunks = deltas(ContentDelta("a"), last)
    assert text(chunks) == "a"
    assert isinstance(chunks[-1], EndChunk)


@pytest.mark.parametrize(
    ("given_", "failure", "kind"),
    [
        ([ContentDelta("a")], None, "truncated"),
        ([ContentDelta("a")], RESET, "connection"),
        ([ContentDelta("a"), FinishDelta("stop"), ContentDelta("b")], None, "protocol"),
        ([ContentDelta("a"), object()], None, "plugin"),
        ([ContentDelta("a"), UsageDelta(5), FinishDelta("stop")], None, "plugin"),  # type: ignore[arg-type]
    ],
)
def test_deltas_that_break_a_rule_end_in_an_error_and_keep_what_came(
    given_: list[Any], failure: TransportFailure | None, kind: str
) -> None:
    chunks = deltas(*given_, failure=failure)
    assert failed(chunks, kind).partial
    assert text(chunks) == "a"


def test_a_failure_after_the_evidence_changes_nothing() -> None:
    assert isinstance(deltas(ContentDelta("a"), FinishDelta("stop"), failure=RESET)[-1], EndChunk)
