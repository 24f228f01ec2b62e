"""Replies that are no good answer, and what must come of each: data for several tests."""

from dataclasses import dataclass
from typing import Final

from streamkit.transport.memory import Break, Pause, Reply
from tests.bad_input import DONE, END, FINISH, KEY, USAGE, delta, event, said
from tests.loopback import END as BODY_END
from tests.loopback import Action, Close, Hold, Reset, chunk, head

#: A proxy's.
HTML_PAGE: Final = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>"
_SAID: Final = said("Hel") + said("lo")


@dataclass(frozen=True)
class Bad:
    """A reply, and what must come of it.

    Attributes:
        kind: The error's kind.
        text: What of the answer is kept.
        says: Words that the error's message holds.
    """

    reply: Reply
    kind: str
    text: str = ""
    says: str = ""


#: The kinds of which another attempt may well go better.
RETRYABLE: Final = {
    "connection",
    "empty_response",
    "overloaded",
    "protocol",
    "provider",
    "rate_limit",
    "truncated",
}


def bad(body: bytes | list[bytes | Break], kind: str, text: str = "", says: str = "") -> Bad:
    """A reply with status 200 and what must come of it."""
    return Bad(Reply(body), kind, text, says)


def _error(message: str, **fields: object) -> dict[str, object]:
    return {"error": {"message": message, "type": None, "param": None, "code": None, **fields}}


#: Answers with status 200 that are none, or that fail on the way.
ANSWERS: Final[dict[str, Bad]] = {
    "an empty body": bad(b"", "empty_response", says="empty body"),
    "a body of blanks": bad([b"\r\n", b" \n\n"], "empty_response", says="empty body"),
    "an HTML page": bad(HTML_PAGE, "protocol", says="HTML page"),
    "an HTML page behind a byte order mark": bad(b"\xef\xbb\xbf\n" + HTML_PAGE, "protocol"),
    "a JSON error": bad(
        b'{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}',
        "rate_limit",
        says="Slow down.",
    ),
    "a JSON error that is a bare string": bad(b'{"error":"Out of memory"}', "provider"),
    "JSON that is cut": bad(b'{"choices":[{"message":{"content":"He', "protocol"),
    "JSON whose connection breaks": bad(
        [b'{"choices":[{"message":{"content":"He', Break("truncated")], "truncated"
    ),
    "JSON without an answer": bad(b'{"object":"chat.completion","choices":[]}', "protocol"),
    "words of a proxy": bad(b"upstream connect error", "truncated"),
    "comments only": bad(b": keep-alive\n\n: keep-alive\n\n", "truncated"),
    "only a role": bad(delta(role="assistant", content="") + END, "empty_response"),
    "only a terminator": bad(DONE, "empty_response"),
    "an error event of data": bad(
        _SAID + event(_error("The engine fell over.", type="server_error")) + DONE,
        "provider",
        "Hello",
        "The engine fell over.",
    ),
    "a named error event": bad(
        _SAID + event(_error("Invalid call.", code="tool_use_failed"), "error"),
        "tool_use_failed",
        "Hello",
    ),
    "a named error event of words": bad(
        _SAID + b"event: error\ndata: engine gone, key " + KEY.encode() + b"\n\n",
        "provider",
        "Hello",
        "engine gone, key [redacted]",
    ),
    "an error that is a bare string": bad(
        _SAID + event({"error": "no memory left"}), "provider", "Hello", "no memory left"
    ),
    "an error with a number for a code": bad(
        _SAID + event({"choices": [], "error": {"code": 429, "message": "Too many."}}) + DONE,
        "rate_limit",
        "Hello",
    ),
    "an error beside choices": bad(
        _SAID
        + event({"error": {"code": 502, "message": "Lost."}, "choices": [{"delta": {}}]})
        + DONE,
        "provider",
        "Hello",
    ),
    "an error in another framework's shape": bad(
        _SAID + event({"detail": "Worker died"}), "provider", "Hello", "Worker died"
    ),
    "an error that says nothing": bad(
        _SAID + event({"error": {"code": None}}), "provider", "Hello"
    ),
    "an error after the finish reason": bad(
        _SAID + FINISH + event(_error("Too late.")) + DONE, "provider", "Hello", "Too late."
    ),
    "an error after usage": bad(_SAID + USAGE + event(_error("Oh.")), "provider", "Hello", "Oh."),
    "two errors": bad(
        _SAID + event(_error("First.")) + event(_error("Second.")), "provider", "Hello", "First."
    ),
    "an error as finish reason": bad(_SAID + delta("error") + DONE, "provider", "Hello"),
    "content after the finish reason": bad(
        _SAID + FINISH + said("!") + DONE, "protocol", "Hello", "after its finish reason"
    ),
    "a frame that is no JSON": bad(
        _SAID + event(b"{oops}") + END, "protocol", "Hello", "not valid"
    ),
    "a frame that is no object": bad(_SAID + event([1]) + END, "protocol", "Hello"),
    "a frame that is text": bad(_SAID + event("busy") + END, "protocol", "Hello"),
    "two frames glued together": bad(
        _SAID + b'data: {"id":"1data:{"id":"1","choices":[]}\n\n' + END, "protocol", "Hello"
    ),
    "a frame that is not UTF-8": bad(
        _SAID + event(b'{"choices":[{"delta":{"content":"\xff\xfe"}}]}') + END,
        "protocol",
        "Hello",
        "not valid UTF-8",
    ),
    "a frame with a raw NUL": bad(
        _SAID + event(b'{"choices":[{"delta":{"content":"\0"}}]}') + END, "protocol", "Hello"
    ),
    "a frame with NaN": bad(_SAID + event(b'{"choices":[{"index":NaN}]}'), "protocol", "Hello"),
    "a frame nested too deep": bad(
        _SAID + event(b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}"), "protocol", "Hello"
    ),
    "choices that are no list": bad(_SAID + event({"choices": {"a": 1}}), "protocol", "Hello"),
    "content that is no text": bad(_SAID + delta(content=5) + END, "protocol", "Hello"),
    "a tool call without a name": bad(
        _SAID + delta(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]) + END,
        "protocol",
        "Hello",
    ),
    "a cut frame": bad(_SAID + said("!")[:-9], "truncated", "Hello"),
    "a cut name of a field": bad(_SAID + b"dat", "truncated", "Hello"),
    "a cut stream": bad(_SAID, "truncated", "Hello", "before its end"),
    "a cut stream with usage": bad(_SAID + USAGE, "truncated", "Hello"),
    "a body cut inside a frame": bad(
        [_SAID, said("!")[:20], Break("truncated")], "truncated", "Hello"
    ),
    "a body cut between frames": bad([_SAID, Break("truncated")], "truncated", "Hello"),
    "a body cut before its first byte": bad([Break("truncated")], "truncated"),
    "a reset": bad([_SAID, Break("connection")], "connection", "Hello"),
}


def as_script(reply: Reply, media_type: str = "text/event-stream") -> list[Action]:
    """A reply for a real server: the same bytes in HTTP's chunked coding."""
    lines = [f"{name}: {value}" for name, value in reply.headers.items()]
    script: list[Action] = [head(reply.status, media_type, *lines)]
    for each in reply.events():
        match each:
            case bytes():
                script += [chunk(each)] if each else []
            case Break("truncated"):
                return [*script, Close()]
            case Break():
                return [*script, Reset()]
            case Pause():
                return [*script, Hold()]
    return [*script, BODY_END]
