"""What fails around newline-delimited JSON: statuses with every kind of body, and silence."""

import math
from typing import Any

import pytest

from streamkit.settings import Timeouts
from streamkit.transport.memory import Event, ManualClock, Pause, Reply
from tests.bad_input import (
    KEY,
    end_of,
    error_of,
    every_way,
    memory_model,
    read,
    read_server,
    text_of,
)
from tests.bad_lines import (
    CALL,
    LAST,
    MEDIA_TYPE,
    line,
    ollama_at,
    part,
    piece,
    read_lines,
)
from tests.bad_replies import as_script
from tests.bad_statuses import STATUSES, Refused
from tests.http_clients import every_client
from tests.loopback import Action, Hold, Repeat, chunk, head, serving

# Statuses.


@pytest.mark.parametrize("refused", STATUSES.values(), ids=STATUSES.keys())
def test_a_status_where_lines_were_asked_is_the_same_error(refused: Refused) -> None:
    error = error_of(chunks := read_lines("sync", refused.reply))
    assert (error.kind, error.retryable) == (refused.kind, refused.retryable)
    assert refused.says in error.message
    assert error.status == refused.reply.status
    assert text_of(chunks) == ""


_OWN: dict[str, tuple[int, bytes, str, bool, str]] = {
    "400 thinking": (
        400,
        line({"error": '"m" does not support thinking'}),
        "invalid_request",
        False,
        "does not support thinking",
    ),
    "401 cloud": (
        401,
        line({"error": "unauthorized", "signin_url": f"https://ollama.test/?key={KEY}"}),
        "authentication",
        False,
        "ollama signin",
    ),
    "404 model": (404, line({"error": "model 'm' not found"}), "not_found", False, "not found"),
    "404 router": (404, b"404 page not found", "not_found", False, "404 page not found"),
    "429": (429, line({"error": "too many requests"}), "rate_limit", True, "too many"),
    "500 runner": (
        500,
        line({"error": "llama runner process has terminated: exit status 2"}),
        "provider",
        True,
        "runner process",
    ),
    "503 busy": (
        503,
        line({"error": "server busy, please try again.  maximum pending requests exceeded"}),
        "overloaded",
        True,
        "server busy",
    ),
    "500 lines": (500, piece("Hi") + line({"error": "gone"}), "provider", True, ""),
}


@every_way
@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable", "says"), _OWN.values(), ids=_OWN.keys()
)
def test_a_status_of_ollamas_own(
    way: str, status: int, body: bytes, kind: str, retryable: bool, says: str
) -> None:
    reply = Reply(body, status=status)
    with serving(as_script(reply, "application/json")) as server:
        error = error_of(read(way, ollama_at(server)))
    assert (error.kind, error.retryable, error.status) == (kind, retryable, status)
    assert says in error.message


# Silence.

_FOREVER = Pause(math.inf)


def _timed(way: str, reply: Reply, **limits: float | None) -> tuple[list[Any], float]:
    """The chunks of a reply, and how many seconds it took on the script's clock."""
    clock = ManualClock()
    began = clock.now
    timeouts = Timeouts(**{"first_content": None, "idle": None, "total": None, **limits})
    model, transport = memory_model(reply, provider="ollama", clock=clock, timeouts=timeouts)
    chunks = read(way, model)
    assert transport.open_exchanges == 0
    return chunks, clock.now - began


def _every(seconds: float, *reads: bytes) -> list[Event]:
    return [each for data in reads for each in (Pause(seconds), data)]


_BYTES = [bytes([byte]) for byte in piece("x" * 60)[:-2]]
_SILENCES: dict[str, tuple[Reply, str, float, str]] = {
    "before headers": (Reply(before_head=math.inf), "first_content", 30, ""),
    "after headers": (Reply([_FOREVER]), "first_content", 30, ""),
    "after empty lines": (Reply([b"\n\n", _FOREVER]), "first_content", 30, ""),
    "inside the first line": (Reply([piece("Hi")[:20], _FOREVER]), "first_content", 30, ""),
    "behind an empty text": (Reply([piece(""), _FOREVER]), "first_content", 30, ""),
    "mid-stream": (Reply([piece("Hi"), _FOREVER]), "idle", 10, "Hi"),
    "inside a later line": (Reply([piece("Hi"), piece("!")[:20], _FOREVER]), "idle", 10, "Hi"),
    "behind a last line that is cut": (Reply([piece("Hi"), LAST[:-2], _FOREVER]), "idle", 10, "Hi"),
    "but for empty lines": (Reply([piece("Hi"), *_every(1, *[b"\n"] * 50)]), "idle", 10, "Hi"),
    "but for empty texts": (
        Reply([piece("Hi"), *_every(1, *[piece("")] * 50)]),
        "idle",
        10,
        "Hi",
    ),
    "but for one byte a second": (Reply(_every(1, *_BYTES)), "first_content", 30, ""),
    "never": (Reply(_every(9, *[piece("x")] * 20)), "total", 100, "x" * 11),
}


@every_way
@pytest.mark.parametrize(
    ("reply", "limit", "seconds", "text"), _SILENCES.values(), ids=_SILENCES.keys()
)
def test_silence_between_lines_ends_at_its_limit(
    way: str, reply: Reply, limit: str, seconds: float, text: str
) -> None:
    chunks, took = _timed(way, reply, first_content=30, idle=10, total=100)
    assert (error_of(chunks).kind, took) == (f"timeout_{limit}", seconds)
    assert text_of(chunks) == text


@every_way
@pytest.mark.parametrize(
    "content",
    [piece("x"), part(thinking="x"), part(tool_calls=[CALL])],
    ids=["text", "thinking", "call"],
)
def test_lines_of_every_kind_put_off_the_idle_limit(way: str, content: bytes) -> None:
    chunks, took = _timed(
        way, Reply([*_every(9, *[content] * 20), LAST]), first_content=10, idle=10
    )
    end_of(chunks)
    assert took == 180


@every_way
def test_silence_after_the_last_line_is_not_waited_for(way: str) -> None:
    chunks, took = _timed(way, Reply([piece("Hi"), LAST, _FOREVER]))
    end_of(chunks)
    assert took == 0


_REAL: dict[str, tuple[list[Action], str, str]] = {
    "before headers": ([Hold()], "first_content", ""),
    "inside a line": (
        [head(200, MEDIA_TYPE), chunk(piece("Hi")[:20]), Hold()],
        "first_content",
        "",
    ),
    "but for empty lines": (
        [head(200, MEDIA_TYPE), chunk(piece("Hi")), Repeat(chunk(b"\n"), 0.02)],
        "idle",
        "Hi",
    ),
}


@every_way
@every_client
@pytest.mark.parametrize(("script", "limit", "text"), _REAL.values(), ids=_REAL.keys())
def test_silence_between_lines_on_a_real_socket(
    way: str, family: Any, script: list[Action], limit: str, text: str
) -> None:
    timeouts = Timeouts(**{limit: 0.2})
    with serving(script) as server:
        chunks = read_server(way, server, family, provider="ollama", timeouts=timeouts)
        # On a machine that is busy elsewhere the limit may pass before there is a connection.
        assert all(each.gone.wait(10) for each in server.connections)
    assert error_of(chunks).kind == f"timeout_{limit}"
    assert text_of(chunks) == text
