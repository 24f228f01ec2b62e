"""Requests that fail with a status: every kind of body, and whether and when to ask again."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit import flow
from streamkit.attempt import MAX_ERROR_BODY
from streamkit.transport.memory import Break, ManualClock, Pause, Reply
from tests.bad_input import (
    KEY,
    error_of,
    every_way,
    memory_model,
    read,
    read_reply,
    socket_model,
    text_of,
)
from tests.bad_replies import as_script
from tests.bad_statuses import STATUSES, Refused
from tests.loopback import Repeat, chunk, head, serving

every_status = pytest.mark.parametrize("refused", STATUSES.values(), ids=STATUSES.keys())
#: 17 October 2026, 09:00:00 GMT.
_NOW = 1_792_227_600.0


@every_way
@every_status
def test_a_status_is_one_typed_error(way: str, refused: Refused) -> None:
    error = error_of(chunks := read_reply(way, refused.reply))
    assert (error.kind, error.retryable) == (refused.kind, refused.retryable)
    assert refused.says in error.message
    assert error.status == refused.reply.status
    assert text_of(chunks) == ""


@every_way
@every_status
def test_a_status_over_a_real_socket_is_the_same_error(way: str, refused: Refused) -> None:
    script = as_script(refused.reply)
    if refused.reply.status == 304:
        script = [head(304), *script[2:-1]]  # it has no body, whatever its headers say
    with serving(script) as server:
        error = error_of(read(way, socket_model(server)))
    assert (error.kind, error.status) == (refused.kind, refused.reply.status)
    assert refused.says in error.message


def test_the_detail_is_the_body_for_developers_and_bounded() -> None:
    error = error_of(read_reply("sync", Reply(b"x" * 50_000, status=500)))
    assert error.detail is not None
    assert len(error.detail) <= 4000
    assert error.public().detail is None


def test_a_key_in_an_error_body_is_hidden_wherever_it_stands() -> None:
    body = b'{"error":{"message":"Bad KEY","code":"KEY"},"request_id":"KEY"}'
    reply = Reply(body.replace(b"KEY", KEY.encode()), status=401, headers={"x-request-id": KEY})
    error = error_of(read_reply("sync", reply))  # the judge looks for the key
    assert error.message == "Bad [redacted]"
    assert error.provider_code == "[redacted]"
    assert error.request_id == "[redacted]"


def test_a_key_cut_in_two_by_a_limit_is_hidden_whole() -> None:
    for before in range(480, 500):
        body = b'{"error":"' + b"x" * before + b" " + KEY.encode() + b'"}'
        error = error_of(read_reply("sync", Reply(body, status=401)))
        assert "canary" not in error.message


@pytest.mark.parametrize("length", [100, 1800, 5000])
@pytest.mark.parametrize("before", [0, 450, 1990, 3990, 7990])
def test_a_long_key_that_a_limit_cuts_is_hidden_as_far_as_it_goes(length: int, before: int) -> None:
    # Tokens of a thousand characters and more are common, and no pattern knows them all.
    key = "".join(f"{number:04x}" for number in range(length // 4))
    words = b"w " * (before // 2)
    for body in (
        b'{"error":"' + words + key.encode() * 3 + b'"}',
        words + key.encode(),
        b'{"error":{"message":"' + words + key.encode(),
    ):
        model, _ = memory_model(Reply(body, status=401), api_key=key)
        error = error_of(read("sync", model))
        assert key[:12] not in error.message
        assert key[:12] not in (error.detail or "")


@every_way
def test_a_body_that_breaks_off_does_not_hide_the_status(way: str) -> None:
    reply = Reply([b'{"error":{"message":"Slow do', Break("connection")], status=429)
    error = error_of(read_reply(way, reply))
    assert (error.kind, error.status) == ("rate_limit", 429)
    assert "Slow do" in error.message


class _Endless:
    """A body without an end that counts how much of it was taken."""

    def __init__(self, read: bytes, pause_s: float = 0.0) -> None:
        self._read = read
        self._pause_s = pause_s
        self.taken = 0

    def __iter__(self) -> Iterator[bytes | Pause]:
        while True:
            self.taken += 1
            yield self._read
            yield Pause(self._pause_s)


@every_way
def test_an_error_body_without_an_end_is_bounded_in_bytes(way: str) -> None:
    body = _Endless(b"x" * 1000)
    error = error_of(read_reply(way, Reply(body, status=500)))  # type: ignore[arg-type]  # lazy
    assert (error.kind, error.status) == ("provider", 500)
    assert body.taken == MAX_ERROR_BODY // 1000 + 1


@every_way
def test_an_error_body_without_an_end_is_bounded_in_time(way: str) -> None:
    clock = ManualClock()
    began = clock.now
    body = _Endless(b"{", pause_s=1.0)
    model, _ = memory_model(Reply(body, status=503), clock=clock)  # type: ignore[arg-type]  # lazy
    assert error_of(read(way, model)).kind == "overloaded"
    assert clock.now - began == flow.ERROR_BODY_S == 5.0


@every_way
@pytest.mark.parametrize("data", [b"x", b"x" * 4096], ids=["trickle", "flood"])
def test_an_error_body_without_an_end_on_a_real_socket(
    way: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "ERROR_BODY_S", 0.2)
    with serving([head(500), chunk(b'{"error":"it broke'), Repeat(chunk(data), 0.005)]) as server:
        error = error_of(read(way, socket_model(server)))
    assert (error.kind, error.status) == ("provider", 500)
    assert "it broke" in error.message


_WAITS: list[tuple[dict[str, str], float | None]] = [
    ({"Retry-After": "7"}, 7.0),
    ({"Retry-After": "0"}, 0.0),
    ({"Retry-After": "1.5"}, 1.5),
    ({"Retry-After": " 7 "}, 7.0),
    ({"Retry-After": "-5"}, None),
    ({"Retry-After": "nan"}, None),
    ({"Retry-After": "inf"}, None),
    ({"Retry-After": "1e400"}, None),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": ""}, None),
    ({"Retry-After": "999999999"}, 999999999.0),
    ({"Retry-After": "Sat, 17 Oct 2026 09:00:30 GMT"}, 30.0),
    ({"Retry-After": "Sat, 17 Oct 2026 09:00:30 -0000"}, 30.0),
    ({"Retry-After": "Sat, 17 Oct 2026 11:00:30 +0200"}, 30.0),
    ({"Retry-After": "Sat, 17 Oct 2026 08:00:00 GMT"}, 0.0),
    ({"Retry-After": "Sat, 99 Oct 99999 25:61:61 GMT"}, None),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "0", "Retry-After": "3"}, 3.0),
    ({"retry-after-ms": "-1", "Retry-After": "3"}, 3.0),
    ({"retry-after-ms": "250", "Retry-After": "3"}, 0.25),
    ({"retry-after-ms": "x"}, None),
    ({"x-ratelimit-reset-requests": "6m0s"}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), _WAITS, ids=[str(wait[0]) for wait in _WAITS])
def test_the_wait_that_the_service_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    reply = Reply(b"", status=429, headers=headers)
    error = error_of(read_reply("sync", reply, clock=ManualClock(_NOW)))
    assert error.retry_after_s == seconds
    assert error.retryable


@every_way
def test_the_wait_comes_through_a_real_socket(way: str) -> None:
    with serving(as_script(Reply(b"", status=429, headers={"Retry-After": "7"}))) as server:
        assert error_of(read(way, socket_model(server))).retry_after_s == 7.0


@pytest.mark.parametrize(("word", "retryable"), [("true", True), ("false", False), ("x", True)])
def test_the_service_may_say_whether_to_ask_again(word: str, retryable: bool) -> None:
    reply = Reply(b"", status=500, headers={"x-should-retry": word})
    assert error_of(read_reply("sync", reply)).retryable is retryable


@given(
    status=st.integers(300, 599),
    body=st.binary(max_size=200) | st.text().map(lambda text: f'{{"error":{text!r}}}'.encode()),
    wait=st.text(st.characters(codec="ascii"), max_size=40),
)
def test_no_status_body_or_header_breaks_the_stream(status: int, body: bytes, wait: str) -> None:
    headers = {"Retry-After": wait, "retry-after-ms": wait, "x-request-id": wait}
    error = error_of(read_reply("sync", Reply(body, status=status, headers=headers)))
    assert error.status == status
    assert error.retry_after_s is None or 0 <= error.retry_after_s < math.inf
