"""Ollama's lines, those that are no good answer, and what must come of each: data for tests."""

from typing import Any, Final

from pydantic_core import to_json

from streamkit.chunks import StreamChunk
from streamkit.model import Model
from streamkit.transport.memory import Break, Reply
from tests.bad_input import KEY, read_reply, socket_model
from tests.bad_replies import HTML_PAGE, Bad, bad
from tests.loopback import LoopbackServer

MEDIA_TYPE: Final = "application/x-ndjson"


def ollama_at(server: LoopbackServer | str, **options: Any) -> Model:
    """A model of Ollama's at a server's address."""
    return socket_model(server, provider="ollama", **options)


def read_lines(way: str, *replies: Reply | bytes, **options: Any) -> list[StreamChunk]:
    """What comes of scripted replies."""
    return read_reply(way, *replies, provider="ollama", **options)


def line(payload: object) -> bytes:
    """A line; bytes are taken as they are, all else is written as JSON."""
    return (payload if isinstance(payload, bytes) else to_json(payload)) + b"\n"


def part(done: bool = False, **fields: Any) -> bytes:
    """The line of one piece of an answer; `message` gets the fields that belong there."""
    message = {"role": "assistant", "content": ""}
    message |= {name: fields.pop(name) for name in _OF_MESSAGE if name in fields}
    return line({"model": "llama-test-1", "message": message, "done": done, **fields})


_OF_MESSAGE: Final = ("content", "thinking", "tool_calls")


def piece(text: str) -> bytes:
    """The line of a piece of the answer."""
    return part(content=text)


def raw_piece(text_json: str) -> bytes:
    """The same for text that is JSON already, escapes and all."""
    return line(
        b'{"model":"llama-test-1","message":{"role":"assistant","content":"%b"},"done":false}'
        % text_json.encode()
    )


#: The last line of an answer.
LAST: Final = part(done=True, done_reason="stop", prompt_eval_count=3, eval_count=5)
CALL: Final = {"function": {"name": "find", "arguments": {"a": 1}}}

_SAID: Final = piece("Hel") + piece("lo")
_WHOLE: Final = {
    "model": "llama-test-1",
    "message": {"role": "assistant", "content": "Hi"},
    "done": True,
    "done_reason": "stop",
    "eval_count": 5,
}

#: Answers with status 200 that are none, or that fail on the way.
LINES: Final[dict[str, Bad]] = {
    "an empty body": bad(b"", "empty_response", says="empty body"),
    "a body of blanks": bad([b"\r\n", b" \n\n"], "empty_response", says="empty body"),
    "an HTML page": bad(HTML_PAGE, "protocol", says="HTML page"),
    "an HTML page behind a byte order mark": bad(b"\xef\xbb\xbf\n" + HTML_PAGE, "protocol"),
    "a JSON error": bad(b'{"error":"out of memory"}', "provider", says="out of memory"),
    "a JSON error that is an object": bad(
        line({"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}),
        "rate_limit",
        says="Slow down.",
    ),
    "JSON that is cut": bad(b'{"model":"m","message":{"content":"He', "truncated"),
    "JSON whose connection breaks": bad(
        [b'{"message":{"content":"He', Break("truncated")], "truncated"
    ),
    "JSON on several lines": bad(b'{\n  "model": "m",\n  "done": true\n}\n', "protocol"),
    "JSON without an answer": bad(b"{}\n", "truncated"),
    "a list": bad(line([_WHOLE]), "protocol"),
    "a list in words": bad(line(["busy"]), "protocol"),
    "a bare number": bad(b"17\n", "protocol"),
    "null": bad(b"null\n", "protocol"),
    "words of a proxy": bad(b"upstream connect error\n", "protocol", says="upstream connect"),
    "words of a proxy without a line end": bad(b"upstream connect error", "truncated"),
    "an event stream": bad(b"data: " + _SAID.replace(b"\n", b"\n\ndata: "), "protocol"),
    "an event stream of comments": bad(b": keep-alive\n\n: keep-alive\n\n", "protocol"),
    "only empty texts": bad(piece("") + LAST, "empty_response"),
    "only the last line": bad(LAST, "empty_response"),
    "a model that was only loaded": bad(
        part(done=True, done_reason="load"), "empty_response", says="loaded the model"
    ),
    "an error in mid-stream": bad(
        _SAID + line({"error": "an error was encountered while running the model"}),
        "provider",
        "Hello",
        "an error was encountered",
    ),
    "an error in mid-stream with the key": bad(
        _SAID + line({"error": f"engine gone, key {KEY}"}),
        "provider",
        "Hello",
        "engine gone, key [redacted]",
    ),
    "an error in mid-stream without a line end": bad(
        _SAID + line({"error": "no memory left"})[:-1], "provider", "Hello", "no memory left"
    ),
    "an error in mid-stream that is no JSON": bad(
        _SAID + b"engine gone, key " + KEY.encode() + b"\n",
        "protocol",
        "Hello",
        "engine gone, key [redacted]",
    ),
    "an error in mid-stream that is a JSON string": bad(
        _SAID + line("engine gone"), "protocol", "Hello", "engine gone"
    ),
    "an HTML page in mid-stream": bad(_SAID + HTML_PAGE + b"\n", "protocol", "Hello"),
    "an error beside a message": bad(
        _SAID + part(content="!", error="lost"), "provider", "Hello", "lost"
    ),
    "an error beside the end": bad(
        _SAID + part(done=True, error="too late"), "provider", "Hello", "too late"
    ),
    "an error that is an object": bad(
        _SAID + line({"error": {"message": "fell over"}}), "provider", "Hello", "fell over"
    ),
    "two errors": bad(
        _SAID + line({"error": "First."}) + line({"error": "Second."}), "provider", "Hello", "First"
    ),
    "a line that is no JSON": bad(_SAID + b"{oops}\n" + LAST, "protocol", "Hello", "not valid"),
    "a line that is no object": bad(_SAID + b"[1]\n" + LAST, "protocol", "Hello"),
    "two lines glued together": bad(
        _SAID + piece("!")[:-1] + piece("?") + LAST, "protocol", "Hello"
    ),
    "a line cut by the next": bad(_SAID + piece("!")[:30] + LAST, "protocol", "Hello"),
    "a line that is not UTF-8": bad(
        _SAID + line(b'{"message":{"content":"\xff\xfe"},"done":false}') + LAST,
        "protocol",
        "Hello",
        "not valid UTF-8",
    ),
    "a text that is not UTF-8": bad(_SAID + b"\xff\xfe no\n" + LAST, "protocol", "Hello"),
    "a character cut by a line end": bad(
        _SAID + b'{"message":{"content":"\xc3\n\xa9"},"done":false}\n', "protocol", "Hello"
    ),
    "a line with a raw NUL": bad(
        _SAID + line(b'{"message":{"content":"\0"},"done":false}') + LAST, "protocol", "Hello"
    ),
    "a line of NULs": bad(_SAID + b"\0\0\0\n" + LAST, "protocol", "Hello"),
    "a line with NaN": bad(
        _SAID + line(b'{"message":{"content":"!"},"eval_count":NaN}'), "protocol", "Hello"
    ),
    "a line nested too deep": bad(
        _SAID + line(b'{"message":' + b"[" * 5000 + b"]" * 5000 + b"}"), "protocol", "Hello"
    ),
    "objects nested too deep": bad(
        _SAID + line(b'{"a":' * 5000 + b"1" + b"}" * 5000), "protocol", "Hello"
    ),
    "a message that is a list": bad(_SAID + line({"message": [1]}) + LAST, "protocol", "Hello"),
    "content that is no text": bad(_SAID + part(content=5) + LAST, "protocol", "Hello"),
    "thinking that is no text": bad(_SAID + part(thinking=["a"]) + LAST, "protocol", "Hello"),
    "tool calls that are no list": bad(_SAID + part(tool_calls=CALL), "protocol", "Hello"),
    "a tool call without a name": bad(
        _SAID + part(tool_calls=[{"function": {"arguments": {}}}]) + LAST, "protocol", "Hello"
    ),
    "a tool call that is none": bad(_SAID + part(tool_calls=[None]) + LAST, "protocol", "Hello"),
    "a cut line": bad(_SAID + piece("!")[:-9], "truncated", "Hello"),
    "one byte of a line": bad(_SAID + b"{", "truncated", "Hello"),
    "a last line that is cut": bad(_SAID + LAST[:-9], "truncated", "Hello"),
    "a cut stream": bad(_SAID, "truncated", "Hello", "before its end"),
    "done that is no yes": bad(_SAID + part(done_reason="stop"), "truncated", "Hello"),
    "done in words": bad(_SAID + line({"done": "true"}), "truncated", "Hello"),
    "a body cut inside a line": bad(
        [_SAID, piece("!")[:20], Break("truncated")], "truncated", "Hello"
    ),
    "a body cut between lines": bad([_SAID, Break("truncated")], "truncated", "Hello"),
    "a body cut before its first byte": bad([Break("truncated")], "truncated"),
    "a reset": bad([_SAID, Break("connection")], "connection", "Hello"),
    "a reset inside a line": bad(
        [_SAID, piece("!")[:20], Break("connection")], "connection", "Hello"
    ),
}

_whole = to_json(_WHOLE)
#: What is unusual and yet the answer, which is always the text `Hi`.
UNUSUAL: Final[dict[str, Reply]] = {
    "JSON where a stream was asked": Reply(_whole, headers={"content-type": "application/json"}),
    "JSON behind a byte order mark": Reply(b"\xef\xbb\xbf" + _whole),
    "JSON behind empty lines": Reply([b"\n", b"\r\n", b" ", _whole]),
    "lines called an event stream": Reply(
        piece("Hi") + LAST, headers={"content-type": "text/event-stream"}
    ),
    "lines called JSON": Reply(piece("Hi") + LAST, headers={"content-type": "application/json"}),
    "lines called HTML": Reply(piece("Hi") + LAST, headers={"content-type": "text/html"}),
    "lines of no type": Reply(piece("Hi") + LAST, headers={"content-type": ""}),
    "lines that end with CR LF": Reply((piece("H") + piece("i") + LAST).replace(b"\n", b"\r\n")),
    "empty lines between": Reply(b"\n\n" + piece("H") + b"\r\n \n" + piece("i") + b"\n" + LAST),
    "a byte order mark": Reply(b"\xef\xbb\xbf" + piece("Hi") + LAST),
    "blanks around a line": Reply(b" \t" + piece("Hi")[:-1] + b"  \r\n" + LAST),
    "a last line without its end": Reply(piece("Hi") + LAST[:-1]),
    "a last line without its LF": Reply(piece("Hi") + LAST[:-1] + b"\r"),
    "no reason": Reply(piece("Hi") + part(done=True)),
    "a reason that is nobody's": Reply(piece("Hi") + part(done=True, done_reason="tired")),
    "the last line twice": Reply(piece("Hi") + LAST + LAST),
    "lines after the last": Reply(piece("Hi") + LAST + piece("!") + b"{oops}\n"),
    "an error after the last line": Reply([piece("Hi") + LAST, line({"error": "late"})]),
    "bytes after the last line": Reply([piece("Hi") + LAST, b"\0\xff<html>"]),
    "half a line after the last": Reply(piece("Hi") + LAST + piece("!")[:20]),
    "a reset after the last line": Reply([piece("Hi") + LAST, Break("connection")]),
    "text in the last line": Reply(part(content="Hi", done=True, done_reason="stop")),
    "empty texts between": Reply(piece("") + piece("H") + piece("") + piece("i") + LAST),
    "a line that adds nothing": Reply(piece("Hi") + b"{}\n" + LAST),
    "an error that is empty": Reply(part(content="Hi", error="") + LAST),
    "no role": Reply(line({"message": {"content": "Hi"}, "done": False}) + LAST),
    "a message that is null": Reply(piece("Hi") + line({"message": None, "done": False}) + LAST),
    "content that is null": Reply(piece("Hi") + part(content=None) + LAST),
    "token counts that are infinite": Reply(
        piece("Hi") + line(b'{"done":true,"done_reason":"stop","prompt_eval_count":1e999}')
    ),
    "token counts that are none": Reply(
        piece("Hi") + part(done=True, prompt_eval_count="3", eval_count=-1)
    ),
}
