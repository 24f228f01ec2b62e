"""The real llama.cpp server, through the same core that every provider uses."""

import json
import os
import signal
import time
from typing import Any

import anyio
import httpx
import pytest

import streamkit
from streamkit import ChunkStream, ContentChunk, EndChunk, ErrorChunk, Model, StreamChunk
from streamkit_local.provider import LocalProvider
from streamkit_local.supervisor import Supervisor, supervisor_for

pytestmark = pytest.mark.integration

SEA = "Write two sentences about the sea."
LONG = "Write a very long story about the sea."
REF = "local/smollm2-135m-instruct"
#: How soon the slot of a request that was given up must be free, in seconds.
SLOT_FREE_S = 2.0


@pytest.fixture(scope="module")
def model() -> Model:
    return streamkit.get_model(REF, defaults={"temperature": 0, "seed": 7})


@pytest.fixture(scope="module")
def one_slot() -> Model:
    """A server that serves one request at a time: the next one waits for the slot."""
    return streamkit.get_model(REF, slots=1, defaults={"temperature": 0, "seed": 7})


@pytest.fixture(scope="module")
def server(model: Model) -> Supervisor:
    """The supervisor of the model's server, started."""
    provider = model.provider
    assert isinstance(provider, LocalProvider)
    provider.prepare(None)
    return supervisor_for(provider.server_settings())


async def seconds_to_next_answer(model: Model) -> float:
    """How long another request takes to its first content: as long as the slot is not free.

    The server's own list of slots is not asked: answering it puts off the server's look at its
    connections, and so the very thing that is waited for.
    """
    began = time.monotonic()
    async with model.stream("Hi", max_tokens=1) as stream:
        await until_content(stream)
    return time.monotonic() - began


async def until_content(stream: ChunkStream) -> list[StreamChunk]:
    chunks: list[StreamChunk] = []
    async for chunk in stream:
        chunks.append(chunk)
        if isinstance(chunk, ContentChunk):
            break
    return chunks


def wait_for_the_end_of(pid: int) -> None:
    """Waits until a killed child is gone with all its threads, and leaves it to its parent."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.anyio
async def test_a_real_answer_streams_to_its_end(model: Model) -> None:
    stream = model.stream(SEA, max_tokens=40)
    chunks = [chunk async for chunk in stream]
    texts = [chunk.content for chunk in chunks if isinstance(chunk, ContentChunk)]
    end = chunks[-1]
    assert isinstance(end, EndChunk)
    assert len(texts) > 5
    assert "".join(texts) == stream.response.text
    assert end.finish_reason in {"stop", "length"}
    assert end.usage is not None
    assert end.usage.output_tokens is not None
    assert len(texts) <= end.usage.output_tokens + 1
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))


def test_synchronous_code_gets_the_same_answer_as_asynchronous(model: Model) -> None:
    in_sync = model.generate_sync(SEA, max_tokens=12)
    assert in_sync.text == anyio.run(lambda: model.generate(SEA, max_tokens=12)).text


@pytest.mark.anyio
async def test_the_same_answer_in_one_piece(model: Model) -> None:
    streamed = await model.generate(SEA, max_tokens=12)
    request = model.stream(SEA, max_tokens=12).request.model_copy(update={"stream": False})
    assert (await model._open(request).collect()).text == streamed.text


@pytest.mark.anyio
async def test_stop_in_mid_answer_keeps_the_text_and_frees_the_slot(one_slot: Model) -> None:
    stream = one_slot.stream(LONG, max_tokens=2000)
    await until_content(stream)
    stream.stop()
    rest = [chunk async for chunk in stream]
    assert isinstance(rest[-1], EndChunk)
    assert rest[-1].finish_reason == "cancelled"
    assert stream.response.state == "stopped"
    assert stream.response.text
    assert await seconds_to_next_answer(one_slot) < SLOT_FREE_S


@pytest.mark.anyio
async def test_cancelling_in_mid_answer_frees_the_slot(one_slot: Model) -> None:
    stream = one_slot.stream(LONG, max_tokens=2000)
    async with anyio.create_task_group() as group:

        async def read() -> None:
            async for chunk in stream:
                if isinstance(chunk, ContentChunk):
                    group.cancel_scope.cancel()

        group.start_soon(read)
    assert stream.response.state == "abandoned"
    assert stream.response.text
    assert await seconds_to_next_answer(one_slot) < SLOT_FREE_S


@pytest.mark.anyio
async def test_cancelling_while_the_prompt_is_read_frees_the_slot(one_slot: Model) -> None:
    stream = one_slot.stream("alpha beta " * 600, max_tokens=5)
    with anyio.move_on_after(0.5) as scope:
        async for _ in stream:
            pass
    assert scope.cancelled_caught
    # The server looks at its connections between two batches of the prompt, which takes a while.
    assert await seconds_to_next_answer(one_slot) < 10 * SLOT_FREE_S


@pytest.mark.anyio
async def test_a_json_schema_is_followed(model: Model) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    response = await model.generate("Describe a cat.", output_schema=schema, max_tokens=60)
    answer = json.loads(response.text)
    assert set(answer) == {"name", "age"}
    assert isinstance(answer["age"], int)


@pytest.mark.anyio
async def test_a_wrong_key_is_an_authentication_error(server: Supervisor) -> None:
    canary = "sk-canary-wrong-key-0123456789"
    address = server.ensure()
    model = streamkit.get_model(REF, base_url=address.base_url, api_key=canary)
    chunks = [chunk async for chunk in model.stream(SEA)]
    assert isinstance(chunks[-1], ErrorChunk)
    assert chunks[-1].error.kind == "authentication"
    assert chunks[-1].error.status == 401
    assert canary not in chunks[-1].model_dump_json()


@pytest.mark.anyio
async def test_too_long_a_prompt_is_a_context_overflow(model: Model) -> None:
    with pytest.raises(streamkit.ContextOverflowError) as caught:
        await model.generate("alpha beta " * 6000)
    assert caught.value.status == 400
    assert not caught.value.retryable


@pytest.mark.anyio
async def test_a_second_stream_right_after_the_first(model: Model) -> None:
    async with httpx.AsyncClient() as client:
        own = streamkit.get_model(REF, http_client=client, defaults={"temperature": 0})
        for _ in range(8):
            response = await own.generate("Name a fruit.", max_tokens=3)
            assert response.text


@pytest.mark.anyio
async def test_two_streams_at_once(model: Model) -> None:
    together: dict[str, str] = {}
    async with anyio.create_task_group() as group:

        async def ask(prompt: str) -> None:
            together[prompt] = (await model.generate(prompt, max_tokens=12)).text

        group.start_soon(ask, "Name three fruits.")
        group.start_soon(ask, "Name three animals.")
    assert all(together.values())
    assert together["Name three fruits."] != together["Name three animals."]


@pytest.mark.anyio
async def test_a_server_killed_in_mid_answer_is_a_truncated_answer(
    model: Model, server: Supervisor
) -> None:
    stream = model.stream(LONG, max_tokens=2000)
    await until_content(stream)
    pid = server.process_id
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    chunks = [chunk async for chunk in stream]
    wait_for_the_end_of(pid)
    last: Any = chunks[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.kind in {"truncated", "connection"}
    assert last.error.retryable
    assert last.partial
    assert stream.response.text
    assert (await model.generate("Name a fruit.", max_tokens=3)).text, "the next one starts another"
