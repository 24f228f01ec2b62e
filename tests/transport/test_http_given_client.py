"""A client that the caller brings, httpx's or httpx2's: used by its shape, and never closed."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

import streamkit
from streamkit.chunks import ContentChunk, StreamChunk
from streamkit.errors import ConfigurationError
from streamkit.model import Model
from streamkit.settings import Timeouts
from tests.bad_input import END, KEY, end_of, error_of, judged, said, socket_model, text_of
from tests.http_clients import every_family, mocked
from tests.loopback import END as BODY_END
from tests.loopback import Hold, chunk, head, serving

_URL = "http://service.test/chat/completions"


def _model(client: Any, **options: Any) -> Model:
    options = {"timeouts": Timeouts(first_content=10, idle=10), **options}
    return streamkit.get_model(
        "openai/gpt-test",
        api_key=KEY,
        base_url="http://service.test",
        http_client=client,
        **options,
    )


async def _read(model: Model) -> list[StreamChunk]:
    with anyio.fail_after(10):
        async with model.stream("Hello") as stream:
            return judged([chunk async for chunk in stream])


class _Silent(httpx.AsyncByteStream):
    """Says something, and then nothing for ever."""

    def __init__(self, *reads: bytes) -> None:
        self._reads = reads
        self.is_waiting = anyio.Event()
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for each in self._reads:
            yield each
        self.is_waiting.set()
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        self.is_closed = True


class _SilentAndSync(httpx.SyncByteStream):
    """The same, until it is released."""

    def __init__(self, *reads: bytes) -> None:
        self._reads = reads
        self.release = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._reads
        self.release.wait(10)
        yield b": late\n\n"


# Mocked with respx: no socket anywhere, so no socket can be relied on.


@pytest.mark.anyio
@every_family
async def test_an_answer_of_a_mocked_client(family: Any) -> None:
    with mocked(family) as router:
        route = router.post(_URL).respond(200, content=said("Hel") + said("lo") + END)
        async with family.AsyncClient() as client:
            chunks = await _read(_model(client))
    end_of(chunks)
    assert text_of(chunks) == "Hello"
    assert route.calls.last.request.headers["authorization"] == f"Bearer {KEY}"


@every_family
def test_an_answer_of_a_mocked_client_in_synchronous_code(family: Any) -> None:
    with mocked(family) as router:
        router.post(_URL).respond(200, content=said("Hello") + END)
        with family.Client() as client:
            assert _model(client).generate_sync("Hello").text == "Hello"


@pytest.mark.anyio
@every_family
@pytest.mark.parametrize(
    ("reads", "limit"),
    [((), "first_content"), ((b": hi\n\n",), "first_content"), ((said("Hi"),), "idle")],
    ids=["silence", "a comment", "content"],
)
async def test_a_deadline_without_a_socket(
    family: Any, reads: tuple[bytes, ...], limit: str
) -> None:
    silent = _Silent(*reads)
    timeouts = Timeouts(**{"first_content": 5, "idle": 5, limit: 0.1})
    with mocked(family) as router:
        router.post(_URL).mock(return_value=httpx.Response(200, stream=silent))
        async with family.AsyncClient() as client:
            chunks = await _read(_model(client, timeouts=timeouts))
            assert silent.is_closed
    assert error_of(chunks).kind == f"timeout_{limit}"


@pytest.mark.anyio
@every_family
async def test_a_head_that_never_comes_from_a_mocked_client(family: Any) -> None:
    async def never(request: object) -> None:
        await anyio.sleep_forever()
        raise AssertionError

    async with family.AsyncClient(transport=family.MockTransport(never)) as client:
        chunks = await _read(_model(client, timeouts=Timeouts(first_content=0.1)))
    assert error_of(chunks).kind == "timeout_first_content"


@pytest.mark.anyio
@every_family
@pytest.mark.parametrize("is_from_thread", [False, True], ids=["task", "thread"])
async def test_stop_wakes_a_read_without_a_socket(family: Any, is_from_thread: bool) -> None:
    silent = _Silent(said("Hi"))

    async def stop_when_waiting() -> None:
        await silent.is_waiting.wait()
        if is_from_thread:
            await anyio.to_thread.run_sync(stream.stop)
        else:
            stream.stop()

    with mocked(family) as router:
        router.post(_URL).mock(return_value=httpx.Response(200, stream=silent))
        async with family.AsyncClient() as client:
            with anyio.fail_after(10):
                stream = _model(client).stream("Hello")
                async with anyio.create_task_group() as tasks, stream:
                    tasks.start_soon(stop_when_waiting)
                    chunks = judged([chunk async for chunk in stream])
            assert silent.is_closed
    assert end_of(chunks).finish_reason == "cancelled"
    assert text_of(chunks) == "Hi"


@every_family
def test_a_deadline_without_a_socket_in_synchronous_code_is_seen_after_the_read(
    family: Any,
) -> None:
    silent = _SilentAndSync(said("Hi"))

    def release(each: StreamChunk) -> None:
        if isinstance(each, ContentChunk):
            threading.Timer(0.2, silent.release.set).start()

    with mocked(family) as router, family.Client() as client:
        router.post(_URL).mock(return_value=httpx.Response(200, stream=silent))
        model = _model(client, timeouts=Timeouts(first_content=5, idle=0.1))
        chunks = []
        with model.stream("Hello") as stream:
            for each in stream:
                release(each)
                chunks.append(each)
    assert error_of(judged(chunks)).kind == "timeout_idle"


_RAISED = {
    "ConnectTimeout": "timeout_connect",
    "PoolTimeout": "timeout_connect",
    "ReadTimeout": "timeout_first_content",
    "WriteTimeout": "timeout_first_content",
    "ConnectError": "connection",
    "RuntimeError": "connection",
}


@pytest.mark.anyio
@every_family
@pytest.mark.parametrize(("name", "kind"), _RAISED.items())
async def test_what_a_client_raises_is_a_typed_error(family: Any, name: str, kind: str) -> None:
    error = getattr(family, name, RuntimeError)("what the client says")
    with mocked(family) as router:
        router.post(_URL).mock(side_effect=error)
        async with family.AsyncClient() as client:
            assert error_of(await _read(_model(client))).kind == kind
        with family.Client() as sync_client:
            chunks = list(_model(sync_client).stream("Hello"))
            assert error_of(judged(chunks)).kind == kind


# Which client, and whose.


@pytest.mark.anyio
@every_family
async def test_a_synchronous_client_is_refused_in_asynchronous_code(family: Any) -> None:
    with family.Client() as client, pytest.raises(ConfigurationError, match="AsyncClient"):
        await anext(_model(client).stream("Hello"))


@pytest.mark.anyio
@every_family
async def test_an_asynchronous_client_is_refused_in_synchronous_code(family: Any) -> None:
    async with family.AsyncClient() as client:
        with pytest.raises(ConfigurationError, match="a Client"):
            next(_model(client).stream("Hello"))


@pytest.mark.parametrize(
    "client", ["http", object(), httpx, 5], ids=["str", "object", "module", "int"]
)
def test_what_is_no_client_is_refused_when_the_model_is_made(client: Any) -> None:
    with pytest.raises(ConfigurationError, match="http_client must be"):
        _model(client)


@every_family
def test_a_client_and_a_network_are_not_given_together(family: Any) -> None:
    with family.Client() as client, pytest.raises(ConfigurationError, match="either"):
        _model(client, network=streamkit.Network())


_ENDS: dict[str, Callable[[], list[Any]]] = {
    "well": lambda: [head(), chunk(said("Hi") + END), BODY_END],
    "cut": lambda: [head(), chunk(said("Hi")), BODY_END],
    "status": lambda: [head(500), BODY_END],
    "stopped": lambda: [head(), chunk(said("Hi")), Hold()],
}


@pytest.mark.anyio
@every_family
@pytest.mark.parametrize("script", _ENDS.values(), ids=_ENDS.keys())
async def test_the_callers_client_is_never_closed(
    family: Any, script: Callable[[], list[Any]]
) -> None:
    with serving(script()) as server:
        async with family.AsyncClient() as client:
            for _ in range(2):
                async with socket_model(server, http_client=client).stream("Hello") as stream:
                    async for each in stream:
                        if isinstance(each, ContentChunk):
                            stream.stop()
            assert not client.is_closed
        with family.Client() as sync_client:
            for _ in range(2):
                with socket_model(server, http_client=sync_client).stream("Hello") as stream:
                    for each in stream:
                        if isinstance(each, ContentChunk):
                            stream.stop()
            assert not sync_client.is_closed


@pytest.mark.anyio
@every_family
async def test_a_client_without_a_free_connection_is_a_connect_timeout(family: Any) -> None:
    limits = family.Limits(max_connections=1)
    with serving([head(), chunk(said("Hi")), Hold()]) as server:
        async with family.AsyncClient(limits=limits) as client:
            model = socket_model(server, http_client=client, timeouts=Timeouts(connect=0.1))
            async with model.stream("Hello") as busy:
                assert [(await anext(busy)).type, (await anext(busy)).type] == ["start", "content"]
                assert error_of(await _read(model)).kind == "timeout_connect"


@pytest.mark.anyio
async def test_any_object_of_the_same_shape_will_do() -> None:
    class Response:
        status_code = 200
        headers = {"Content-Type": "text/event-stream"}  # noqa: RUF012  # a fake, made once

        def __init__(self) -> None:
            self.is_closed = False

        @property
        def stream(self) -> AsyncIterator[bytes]:
            return self._reads()

        async def _reads(self) -> AsyncIterator[bytes]:
            yield said("Hello")
            yield END

        async def aclose(self) -> None:
            self.is_closed = True

    class Client:
        def __init__(self) -> None:
            self.response = Response()
            self.requests: list[tuple[Any, ...]] = []

        def build_request(self, method: str, url: str, **options: Any) -> str:
            self.requests.append((method, url, options))
            return "the request"

        async def send(self, request: str, **options: Any) -> Response:
            assert (request, options) == (
                "the request",
                {"stream": True, "follow_redirects": False},
            )
            return self.response

        async def aclose(self) -> None:
            raise AssertionError("the client is not ours to close")

    client = Client()
    chunks = await _read(_model(client))
    end_of(chunks)
    assert text_of(chunks) == "Hello"
    assert client.response.is_closed
    ((method, url, options),) = client.requests
    assert (method, url) == ("POST", _URL)
    # Nothing but builtins goes across.
    assert {name: type(value) for name, value in options.items()} == {
        "headers": dict,
        "content": bytes,
        "extensions": dict,
    }
