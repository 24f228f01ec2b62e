"""What a request leaves out is told in notices: after `start`, before the answer or its failure."""

import socket
from typing import Any

import pytest
from pydantic import SecretStr

from streamkit.chunks import EndChunk, ErrorChunk, NoticeChunk, StreamChunk
from streamkit.model import Model
from streamkit.provider import HTTPCall, NoticeDelta
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings, Timeouts
from streamkit.stream import ChunkStream
from streamkit.transport.memory import Break, ManualClock, MemoryTransport, Pause, Reply
from tests.bad_input import KEY, every_way, read
from tests.closing import COMPLETE, SPEC, TextProvider, make_model
from tests.loopback import serving

WHOLE = b"data: one\n\ndata: FINISH\n\ndata: [DONE]\n\n"
LEFT_OUT = (
    NoticeDelta("setting_ignored", "`seed` means nothing here."),
    NoticeDelta("setting_ignored", "`top_p` means nothing here."),
)


class NoticingProvider(TextProvider):
    """Leaves two settings out of its request."""

    notices: Any = LEFT_OUT

    def request(self, request: ChatRequest) -> HTTPCall:
        return HTTPCall(path="/chat", json={}, notices=self.notices)


def noticing(
    *replies: Reply | bytes,
    timeouts: Timeouts | None = None,
    provider: type[NoticingProvider] = NoticingProvider,
) -> tuple[Model, MemoryTransport, ManualClock]:
    """A model with scripted answers, its transport and its clock."""
    transport = MemoryTransport(replies)
    settings = ProviderSettings(
        provider="text", base_url="http://text.invalid", api_key=SecretStr(KEY)
    )
    model = Model(provider(SPEC, settings), "m", transport=transport, timeouts=timeouts)
    return model, transport, transport.clock


def types_of(chunks: list[StreamChunk]) -> list[str]:
    return [chunk.type for chunk in chunks]


def error_kind(chunk: StreamChunk) -> str:
    assert isinstance(chunk, ErrorChunk)
    return chunk.error.kind


# Where they stand. `read` sees to it that the index has no gap.


@every_way
def test_notices_stand_after_the_start_and_before_the_answer_in_their_order(way: str) -> None:
    model, _, _ = noticing(WHOLE)
    chunks = read(way, model)
    assert types_of(chunks) == ["start", "notice", "notice", "content", "end"]
    told = [(each.code, each.message) for each in chunks if isinstance(each, NoticeChunk)]
    assert told == [(each.code, each.message) for each in LEFT_OUT]


@every_way
def test_notices_come_over_a_network_too(way: str) -> None:
    with serving(COMPLETE) as server:
        chunks = read(way, make_model(server.url, provider=NoticingProvider))
    assert types_of(chunks) == ["start", "notice", "notice", "content", "content", "end"]


@every_way
def test_notices_stand_before_the_error_of_a_refused_connection(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    chunks = read(way, make_model(f"http://127.0.0.1:{port}", provider=NoticingProvider))
    assert types_of(chunks) == ["start", "notice", "notice", "error"]
    assert error_kind(chunks[-1]) == "connection"


FAILURES = {
    "an error status": (Reply(b'{"error":"slow down"}', status=429), "rate_limit"),
    "a redirect that is not followed": (
        Reply(status=302, headers={"location": "https://elsewhere.test/"}),
        "configuration",
    ),
    "no answer": (Reply(before_head=Break()), "connection"),
    "no answer in time": (Reply(before_head=1000.0), "timeout_first_content"),
    "an empty answer": (Reply(b""), "empty_response"),
    "a broken answer": (Reply((b"data: one\n\n", Break())), "connection"),
}


@every_way
@pytest.mark.parametrize("name", FAILURES)
def test_notices_stand_before_a_failure(way: str, name: str) -> None:
    reply, kind = FAILURES[name]
    model, transport, _ = noticing(reply)
    chunks = read(way, model)
    assert types_of(chunks)[:3] == ["start", "notice", "notice"]
    assert error_kind(chunks[-1]) == kind
    assert transport.open_exchanges == 0


@every_way
def test_notices_stand_before_the_end_of_a_stream_that_is_stopped_while_it_opens(way: str) -> None:
    streams: list[ChunkStream] = []

    class Stopping(NoticingProvider):
        def request(self, request: ChatRequest) -> HTTPCall:
            streams[-1].stop()
            return super().request(request)

    class Remembering(Model):
        def stream(self, *messages: Any, **settings: Any) -> ChunkStream:
            streams.append(super().stream(*messages, **settings))
            return streams[-1]

    with serving(COMPLETE) as server:
        provider = Stopping(SPEC, ProviderSettings(provider="text", base_url=server.url))
        chunks = read(way, Remembering(provider, "m"))
        assert server.requests == []
    assert types_of(chunks) == ["start", "notice", "notice", "end"]
    assert isinstance(chunks[-1], EndChunk)
    assert chunks[-1].finish_reason == "cancelled"


def test_a_stream_that_is_stopped_at_a_notice_still_delivers_the_other_one() -> None:
    model, transport, _ = noticing(WHOLE)
    stream = model.stream("hi")
    assert types_of([next(stream), next(stream)]) == ["start", "notice"]
    stream.stop()
    assert types_of(list(stream)) == ["notice", "end"]
    assert stream.response.state == "stopped"
    assert transport.open_exchanges == 0


# When they come.


def test_the_request_is_sent_when_the_first_notice_is_asked_for_and_not_before() -> None:
    model, transport, _ = noticing(WHOLE)
    stream = model.stream("hi")
    assert next(stream).type == "start"
    assert transport.requests == []
    assert next(stream).type == "notice"
    assert len(transport.requests) == 1
    stream.close()


def test_closing_at_a_notice_lets_go_of_the_connection() -> None:
    model, transport, _ = noticing(WHOLE)
    with model.stream("hi") as stream:
        next(stream)
        next(stream)
        assert transport.open_exchanges == 1
    assert transport.open_exchanges == 0
    assert list(stream) == []


def read_holding_a_notice(model: Model, clock: ManualClock, seconds: float) -> list[StreamChunk]:
    """Reads a stream, and takes its time with the last notice."""
    chunks: list[StreamChunk] = []
    for chunk in model.stream("hi"):
        if isinstance(chunk, NoticeChunk) and isinstance(chunks[-1], NoticeChunk):
            clock.now += seconds
        chunks.append(chunk)
    return chunks


def test_the_time_that_a_consumer_holds_a_notice_is_not_the_services() -> None:
    reply = Reply((Pause(4.0), WHOLE))
    model, _, clock = noticing(reply, timeouts=Timeouts(first_content=5.0))
    chunks = read_holding_a_notice(model, clock, 100.0)
    assert types_of(chunks)[-2:] == ["content", "end"]


def test_what_the_service_used_of_its_time_before_a_notice_stays_used() -> None:
    reply = Reply((Pause(3.0), WHOLE), before_head=3.0)
    model, _, clock = noticing(reply, timeouts=Timeouts(first_content=5.0))
    chunks = read_holding_a_notice(model, clock, 100.0)
    assert error_kind(chunks[-1]) == "timeout_first_content"


def test_the_total_limit_is_wall_time_and_passes_while_a_notice_is_held() -> None:
    reply = Reply((Pause(1.0), WHOLE))
    model, _, clock = noticing(reply, timeouts=Timeouts(total=50.0))
    chunks = read_holding_a_notice(model, clock, 100.0)
    assert error_kind(chunks[-1]) == "timeout_total"


# What they may not do.


@pytest.mark.parametrize("notices", [("a text",), (None,), 5, (NoticeDelta("x", 5),)])  # type: ignore[arg-type]
def test_notices_that_are_none_are_a_bug_of_the_plugin(notices: Any) -> None:
    class Broken(NoticingProvider):
        pass

    Broken.notices = notices
    model, transport, _ = noticing(WHOLE, provider=Broken)
    chunks = read("sync", model)
    assert types_of(chunks) == ["start", "error"]
    assert error_kind(chunks[-1]) == "plugin"
    assert transport.requests == []


def test_a_key_in_a_notice_is_hidden() -> None:
    class Quoting(NoticingProvider):
        notices = (NoticeDelta("setting_ignored", f"`{KEY}` means nothing here."),)

    model, _, _ = noticing(WHOLE, provider=Quoting)
    (notice,) = (each for each in read("sync", model) if isinstance(each, NoticeChunk))
    assert notice.message == "`[redacted]` means nothing here."


def test_notices_are_no_part_of_the_response() -> None:
    model, _, _ = noticing(WHOLE)
    assert model.generate_sync("hi").text == "one"
