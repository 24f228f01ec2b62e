"""Ollama through the whole of streamkit, over a real socket, in each of the three ways."""

import json
from collections.abc import Callable
from typing import Any, Final

import anyio
import pytest

import streamkit_ollama
from streamkit.chunks import NoticeChunk, StreamChunk
from streamkit.messages import ImagePart, Message, Tool
from streamkit.model import Model
from streamkit.settings import resolve_settings
from streamkit.stream import ChunkStream
from streamkit_ollama.provider import OllamaProvider
from tests.loopback import END, Close, LoopbackServer, chunk, head, serving
from tests.wire_recordings import recordings_folder

(SPEC,) = streamkit_ollama.streamkit_providers()
CANARY: Final = "sk-canary-0123456789"
NDJSON: Final = "application/x-ndjson"

LINES: Final = [
    {"message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": False},
    {"message": {"role": "assistant", "content": "Blue"}, "done": False},
    {"message": {"role": "assistant", "content": " 🫐"}, "done": False},
    {
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 4,
    },
]

every_way = pytest.mark.parametrize("way", ["asyncio", "trio", "sync"])


def wire(*lines: object) -> list[bytes]:
    """The lines as a server sends them, one in each HTTP chunk."""
    return [chunk(json.dumps({"model": "qwen3", **line}).encode() + b"\n") for line in lines]  # type: ignore[dict-item]  # each line is an object


def model_at(server: LoopbackServer, **options: Any) -> Model:
    api_key = options.pop("api_key", None)
    settings = resolve_settings(
        SPEC, environment={}, base_url=server.url, api_key=api_key, options=options
    )
    return Model(OllamaProvider(SPEC, settings), "qwen3:8b")


def read(way: str, ask: Callable[[], ChunkStream]) -> list[StreamChunk]:
    """Reads a stream to its end in one of the three ways."""

    async def read_async() -> list[StreamChunk]:
        with anyio.fail_after(15):
            async with ask() as stream:
                return [each async for each in stream]

    if way != "sync":
        return anyio.run(read_async, backend=way)
    with ask() as stream:
        return list(stream)


def response_of(way: str, model: Model, messages: Any = "Why?", **settings: Any) -> Any:
    stream = model.stream(messages, **settings)
    read(way, lambda: stream)
    return stream.response


def body_of(request: bytes) -> dict[str, Any]:
    return dict(json.loads(request.partition(b"\r\n\r\n")[2]))


@every_way
def test_an_answer_streams_over_a_socket(way: str) -> None:
    with serving([head(200, NDJSON), *wire(*LINES), END]) as server:
        response = response_of(way, model_at(server, num_ctx=8192), "Why?", max_tokens=20)
    assert (response.text, response.reasoning) == ("Blue 🫐", "Hm.")
    assert (response.finish_reason, response.model) == ("stop", "qwen3")
    assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 4)
    (request,) = server.requests
    assert request.startswith(b"POST /api/chat HTTP/1.1\r\n")
    assert b"accept: application/x-ndjson\r\n" in request.lower()
    assert b"authorization" not in request.lower()
    assert body_of(request) == {
        "model": "qwen3:8b",
        "messages": [{"role": "user", "content": "Why?"}],
        "stream": True,
        "truncate": False,
        "options": {"num_ctx": 8192, "num_predict": 20},
    }


@every_way
def test_an_answer_in_one_piece_says_the_same(way: str) -> None:
    whole = {
        **LINES[-1],
        "message": {"role": "assistant", "content": "Blue 🫐", "thinking": "Hm."},
    }
    body = json.dumps({"model": "qwen3", **whole}).encode()
    with serving([head(200, "application/json; charset=utf-8"), chunk(body), END]) as server:
        response = response_of(way, model_at(server), stream=False)
    assert (response.text, response.reasoning) == ("Blue 🫐", "Hm.")
    assert response.usage.output_tokens == 4
    assert body_of(server.requests[0])["stream"] is False


@every_way
def test_a_connection_that_breaks_in_mid_answer_keeps_what_was_said(way: str) -> None:
    with serving([head(200, NDJSON), *wire(*LINES[:2]), Close()]) as server:
        response = response_of(way, model_at(server))
    assert (response.state, response.text) == ("failed", "Blue")
    assert response.error.kind == "truncated"


@every_way
def test_an_error_in_mid_stream_keeps_what_was_said(way: str) -> None:
    broken = chunk(b'{"error":"llama runner process has terminated"}\n')
    with serving([head(200, NDJSON), *wire(*LINES[:2]), broken, END]) as server:
        response = response_of(way, model_at(server))
    assert (response.error.kind, response.text) == ("provider", "Blue")
    assert response.error.message == "llama runner process has terminated"


@every_way
def test_a_model_that_is_not_there_is_named_by_the_server(way: str) -> None:
    body = chunk(b'{"error":"model \'qwen3:8b\' not found"}')
    with serving([head(404, "application/json"), body, END]) as server:
        response = response_of(way, model_at(server))
    assert (response.error.kind, response.error.status) == ("not_found", 404)
    assert response.error.message == "model 'qwen3:8b' not found"


@every_way
def test_a_key_that_is_given_reaches_the_server_and_no_chunk(way: str) -> None:
    refused = chunk(json.dumps({"error": f"unauthorized: {CANARY}"}).encode())
    with serving([head(401, "application/json"), refused, END]) as server:
        chunks = read(way, lambda: model_at(server, api_key=CANARY).stream("Why?"))
    assert f"bearer {CANARY}".encode() in server.requests[0].lower()
    assert CANARY not in repr(chunks)


def test_a_setting_that_was_left_out_is_told_of() -> None:
    picture = ImagePart(data=b"png", detail="high")
    with serving([head(200, NDJSON), *wire(*LINES), END]) as server:
        model = model_at(server)
        chunks = read(
            "sync",
            lambda: model.stream(
                Message.user("Look", picture), tools=[Tool(name="f")], parallel_tool_calls=False
            ),
        )
    notices = [each for each in chunks if isinstance(each, NoticeChunk)]
    assert [each.code for each in notices] == ["setting_ignored"] * 2


@every_way
def test_a_recorded_answer_comes_whole_over_a_socket(way: str) -> None:
    path = recordings_folder() / "recordings" / "ollama-chat" / "llama3-chat-stream.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    said = "".join(json.loads(each)["message"]["content"] for each in lines)
    with serving([head(200, NDJSON), *map(chunk, lines), END]) as server:
        response = response_of(way, model_at(server))
    assert (response.text, response.state) == (said, "complete")
