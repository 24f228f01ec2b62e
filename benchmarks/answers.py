"""What the load server answers: the same bytes on every run, and the text they spell.

No I/O and no clock here, so the server, the runners and the tests agree on every byte.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

# Ordinary words, and those that cost a parser something: escapes, spaces, two, three and four
# byte characters, and U+2028, which only a byte-level splitter survives.
WORDS = (
    " the", " sea", " is", " never", " still", ",", " and", " light", " falls", ".\n\n", " It",
    ' "waves"', " über", " 海", " 🌊", " back\\slash", "\t", " answer", " streaming", "\u2028line",
)  # fmt: skip
COALESCED_BYTES = 16 * 1024
# The run, the dialect, the framing and three numbers; the client adds its own endpoint.
PATH_SEGMENTS = 6


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of answer, as written in a request's path.

    Attributes:
        dialect: `openai` (Chat Completions chunks, padded to a varying length as OpenAI does),
            `compatible` (the same without the padding: frames differ by their text alone, as
            from most compatible servers) or `ndjson` (Ollama's `/api/chat`).
        framing: `event` (one HTTP chunk per frame), `coalesced` (HTTP chunks of 16 KiB),
            `paced` (a frame each 5 ms, its content the time of its writing in nanoseconds) or
            `held` (the content is sent, the end is not, until the client goes away).
        chunks: How many frames carry content.
        size: Characters of content in each frame; 0 takes words of natural length.
        gate: How many requests must have come before any is answered beyond its headers, so
            that as many streams are open at once; 0 waits for none.
    """

    dialect: str
    framing: str
    chunks: int
    size: int = 0
    gate: int = 0

    def path(self, run: str) -> str:
        """Return the path of this answer under the run's name, to be used as a base URL."""
        return f"/{run}/{self.dialect}/{self.framing}/{self.chunks}/{self.size}/{self.gate}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A rendered answer.

    Attributes:
        body: The HTTP body in its chunked transfer coding.
        content_bytes: The length of the body without that coding.
        digest: SHA-256 of the joined contents, in UTF-8.
    """

    body: bytes
    content_bytes: int
    digest: str


def parse_path(path: str) -> tuple[str, Shape]:
    """Read a run's name and its shape back from a request's path; what follows is ignored."""
    run, dialect, framing, *numbers = path.strip("/").split("/")[:PATH_SEGMENTS]
    return run, Shape(dialect, framing, *map(int, numbers))


def contents(shape: Shape) -> list[str]:
    """Return what each content frame of an answer says."""
    if shape.size:
        return ["x" * shape.size] * shape.chunks
    # A stride that shares no factor with the list's length, so that neighbours always differ.
    return [WORDS[(position * 7) % len(WORDS)] for position in range(shape.chunks)]


def digest_of(texts: list[str]) -> str:
    """Return the SHA-256 of the joined texts."""
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def opening(dialect: str) -> list[bytes]:
    """Return the frames before the first content."""
    if dialect == "ndjson":
        return []
    return [_event(dialect, {"role": "assistant", "content": ""}, 0)]


def content_frame(dialect: str, text: str, position: int) -> bytes:
    """Return the frame that says this text, the answer's `position`th."""
    if dialect == "ndjson":
        return _ollama_frame(text, position, done=False)
    return _event(dialect, {"content": text}, position)


def ending(dialect: str, chunks: int) -> list[bytes]:
    """Return the frames after the last content: the reason, the usage, the end marker."""
    if dialect == "ndjson":
        counts = {"total_duration": 1, "prompt_eval_count": 8, "eval_count": chunks}
        return [_ollama_frame("", chunks, done=True, done_reason="stop", **counts)]
    usage = {"prompt_tokens": 8, "completion_tokens": chunks, "total_tokens": 8 + chunks}
    return [
        _event(dialect, {}, chunks, finish_reason="stop"),
        _event(dialect, None, chunks, usage=usage),
        b"data: [DONE]\n\n",
    ]


def http_chunk(data: bytes) -> bytes:
    """Wrap bytes in HTTP/1.1's chunked coding (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache(maxsize=8)
def render(shape: Shape) -> Answer:
    """Render a whole answer; `held` ones lack their end and the body's."""
    texts = contents(shape)
    frames = [content_frame(shape.dialect, text, position) for position, text in enumerate(texts)]
    frames = opening(shape.dialect) + frames
    if shape.framing != "held":
        frames += ending(shape.dialect, shape.chunks)
    content_bytes = sum(map(len, frames))
    if shape.framing == "coalesced":
        whole = b"".join(frames)
        starts = range(0, content_bytes, COALESCED_BYTES)
        frames = [whole[start : start + COALESCED_BYTES] for start in starts]
    body = b"".join(map(http_chunk, frames))
    if shape.framing != "held":
        body += b"0\r\n\r\n"
    return Answer(body, content_bytes, digest_of(texts))


def _event(
    dialect: str,
    delta: dict[str, str] | None,
    position: int,
    finish_reason: str | None = None,
    usage: dict[str, int] | None = None,
) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    event: dict[str, object] = {
        "id": "chatcmpl-BenchAnswer01234",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "bench-2026-01-01",
        "system_fingerprint": "fp_0123456789",
        "choices": [] if delta is None else [choice],
        "usage": usage,
    }
    if dialect == "openai":
        # It hides the text's length and varies: a decoder gains nothing by recognising the
        # bytes of the frame before.
        event["obfuscation"] = "aZ09bY18cX27"[position % 7 :]
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def _ollama_frame(text: str, position: int, *, done: bool, **more: str | int) -> bytes:
    line = {
        "model": "bench",
        # Every line tells its own time, to the nanosecond.
        "created_at": f"2026-01-01T00:{position // 6_000 % 60:02}:07.{position * 7_919:09}Z",
        "message": {"role": "assistant", "content": text},
        "done": done,
        **more,
    }
    written = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    # Go's encoder, and so Ollama, never writes this one raw; a peer that reads by `str.splitlines`
    # could not read it.
    return written.replace("\u2028", "\\u2028").encode() + b"\n"
