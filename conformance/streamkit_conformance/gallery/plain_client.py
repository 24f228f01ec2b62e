"""A stand-alone client over the injected client of httpx, for asyncio, trio and synchronous code.

What it reads with is `plain_reader`; what it asks is `plain_requests`. Here is only the waiting.
Like the reader it is made to be broken, one method for each decision.
"""

import json
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, ClassVar, Self

import anyio

from streamkit.chunks import StreamChunk
from streamkit_conformance.gallery.plain_reader import Broken, PlainReader
from streamkit_conformance.gallery.plain_requests import ollama_body, openai_body
from streamkit_conformance.gallery.plain_wires import OllamaReader, OpenAIReader
from streamkit_conformance.target import Env

__all__ = ["OllamaClient", "OpenAIClient", "PlainClient", "PlainStream"]

_LARGEST_ERROR = 65_536
# How httpx calls what goes wrong; a class stands for those derived from it too.
_KINDS: Mapping[str, str] = {
    "ConnectTimeout": "timeout_connect",
    "PoolTimeout": "timeout_connect",
    "TimeoutException": "timeout",
    "NetworkError": "connection",
    "ProtocolError": "connection",
    "DecodingError": "protocol",
}


class PlainClient:
    """Asks one service.

    Raises:
        ValueError: The key holds a character that no header can carry.

    Attributes:
        path: Where the service's chat is.
        reader: What reads its answers.
        stream_type: What is given for an answer.
    """

    path: ClassVar[str]
    reader: type[PlainReader]
    stream_type: "type[PlainStream]"

    def __init__(self, env: Env, reader: type[PlainReader] | None = None) -> None:
        if not all("!" <= each <= "~" for each in env.secret):
            raise ValueError("The key holds a character that no header can carry.")
        self.http = env.http_client
        self.base_url = env.base_url
        self.model = env.model
        self.timeouts = env.timeouts
        self.reader = reader or type(self).reader
        self._key = env.secret

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model}>"

    def stream(self, messages: Any, **settings: Any) -> "PlainStream":
        """A stream of the answer; nothing is sent yet.

        What the service cannot do is the stream's error, and nothing is sent at all.

        Raises:
            TypeError: There is no such setting.
        """
        names = {name: settings.pop(name, None) for name in ("request_id", "conversation_id")}
        reader = self.reader(model=self.model, secrets=(self._key,), names=names)
        content = b""
        try:
            content = self.encoded(self.body(messages, settings))
        except UnicodeEncodeError:
            reader.refusal = Broken("invalid_request", "The request holds half a character.")
        except ValueError as error:
            reader.refusal = Broken("unsupported", str(error))
        return self.stream_type(self, reader, content)

    def stream_sync(self, messages: Any, **settings: Any) -> "PlainStream":
        """The same, for synchronous code."""
        return self.stream(messages, **settings)

    def body(self, messages: Any, settings: dict[str, Any]) -> dict[str, Any]:
        """The request's body."""
        raise NotImplementedError

    def encoded(self, body: dict[str, Any]) -> bytes:
        """The body as it is sent."""
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    def url(self) -> str:
        """Where the request goes."""
        return f"{self.base_url}{self.path}"

    def headers(self) -> dict[str, str]:
        """The request's headers."""
        return {
            "authorization": f"Bearer {self._key}",
            "accept": self.reader.content_type,
            "content-type": "application/json",
        }

    def request(self, content: bytes) -> Any:
        """The request, as the client of httpx wants it."""
        waits = self.timeouts
        timeout = {
            "connect": waits.connect,
            "pool": waits.connect,
            "read": waits.first_content,
            "write": waits.first_content,
        }
        return self.http.build_request(
            "POST",
            self.url(),
            headers=self.headers(),
            content=content,
            extensions={"timeout": timeout},
        )

    def transport_error(self, error: Exception) -> Broken:
        """What went wrong on the way; the library's own text may be empty."""
        names = [each.__name__ for each in type(error).__mro__]
        kind = next((_KINDS[name] for name in names if name in _KINDS), "unknown")
        return Broken(kind, f"The connection to the service broke ({names[0]}).")


class OpenAIClient(PlainClient):
    """Asks a service that speaks OpenAI's chat completions."""

    path = "/chat/completions"
    reader = OpenAIReader

    def body(self, messages: Any, settings: dict[str, Any]) -> dict[str, Any]:
        """The request's body."""
        return openai_body(self.model, messages, settings)


class OllamaClient(PlainClient):
    """Asks a server of Ollama."""

    path = "/api/chat"
    reader = OllamaReader

    def body(self, messages: Any, settings: dict[str, Any]) -> dict[str, Any]:
        """The request's body."""
        return ollama_body(self.model, messages, settings)


class PlainStream:
    """One answer, for `async for` or `for`; closed by leaving its `with` or by `aclose()`."""

    def __init__(self, client: PlainClient, reader: PlainReader, content: bytes) -> None:
        self.client = client
        self.reader = reader
        self.content = content
        self.ready: deque[StreamChunk] = deque()
        self.response: Any = None
        self.reads: Any = None
        self.is_started = False
        self.is_closed = False
        self.has_content = False
        self.heard_at = 0.0
        self.asked_at = 0.0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.reader.stream_id}>"

    def stop(self) -> None:
        """Ends the stream after what has come."""
        self.reader.stop()
        self.gather()

    # Asynchronous code.

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def __anext__(self) -> StreamChunk:
        while not self.ready:
            if self.is_closed or self.reader.is_over:
                await self.aclose()
                raise StopAsyncIteration
            await self.advance()
        return self.ready.popleft()

    async def advance(self) -> None:
        """One step: begins, asks, or takes one read."""
        try:
            if not self.is_started:
                self.begin()
            elif self.reader.refusal is not None:
                raise self.reader.refusal
            elif self.response is None:
                await self.open()
            else:
                await self.read()
        except Broken as error:
            self.reader.broke(error)
        except Exception as error:
            self.reader.broke(self.failure(error))
        self.gather()

    async def open(self) -> None:
        """Sends the request and waits for the answer's head."""
        self.asked()
        request = self.client.request(self.content)
        with anyio.move_on_after(self.left()) as scope:
            response = await self.client.http.send(request, stream=True, follow_redirects=False)
            self.opened(request, response)
            self.reads = aiter(response.stream)
            if response.status_code >= 300:
                self.refused([each async for each in response.stream])
        if scope.cancelled_caught:
            raise self.too_late()

    async def read(self) -> None:
        """Takes one read."""
        with anyio.move_on_after(self.left()) as scope:
            data = await anext(self.reads, None)
        if scope.cancelled_caught:
            raise self.too_late()
        self.heard(data)

    async def aclose(self) -> None:
        """Lets go of the connection; again does nothing."""
        if self.is_closed:
            return
        self.is_closed = True
        self.ready.clear()
        if self.response is not None:
            with anyio.CancelScope(shield=True):
                await self.unwind()
                await self.response.aclose()

    async def unwind(self) -> None:
        """Ends httpx's own generators by a read that is cancelled at once.

        Trio would find them unfinished otherwise.
        """
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                while await anext(self.reads, None) is not None:
                    pass
            except Exception:
                return  # the stream has its terminal chunk: how the connection ends is all the same

    # Synchronous code.

    def __iter__(self) -> Iterator[StreamChunk]:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __next__(self) -> StreamChunk:
        while not self.ready:
            if self.is_closed or self.reader.is_over:
                self.close()
                raise StopIteration
            self.advance_sync()
        return self.ready.popleft()

    def advance_sync(self) -> None:
        """One step: begins, asks, or takes one read."""
        try:
            if not self.is_started:
                self.begin()
            elif self.reader.refusal is not None:
                raise self.reader.refusal
            elif self.response is None:
                self.open_sync()
            else:
                self.heard(next(self.reads, None))
        except Broken as error:
            self.reader.broke(error)
        except Exception as error:
            self.reader.broke(self.failure(error))
        self.gather()

    def open_sync(self) -> None:
        """Sends the request and waits for the answer's head."""
        self.asked()
        request = self.client.request(self.content)
        response = self.client.http.send(request, stream=True, follow_redirects=False)
        self.opened(request, response)
        # httpcore looks the limit up when the body begins.
        request.extensions["timeout"]["read"] = self.client.timeouts.idle
        self.reads = iter(response.stream)
        if response.status_code >= 300:
            self.refused(response.stream)

    def close(self) -> None:
        """Lets go of the connection; again does nothing."""
        if self.is_closed:
            return
        self.is_closed = True
        self.ready.clear()
        if self.response is not None:
            self.response.close()

    # For both.

    def begin(self) -> None:
        """The first chunk comes before anything is sent."""
        self.is_started = True
        self.reader.start()

    def asked(self) -> None:
        """The request goes out now."""
        self.reader.asked()
        self.asked_at = self.heard_at = time.monotonic()

    def opened(self, request: Any, response: Any) -> None:
        """The answer's head came."""
        self.response = response
        if response.status_code < 300:
            self.reader.head(response.status_code, headers_of(response))

    def refused(self, reads: Iterable[bytes]) -> None:
        """The service refused; its reasons are read, as far as they are not endless."""
        body = b""
        for each in reads:
            body += each
            if len(body) > _LARGEST_ERROR:
                break
        self.reader.refused(self.response.status_code, headers_of(self.response), body)

    def heard(self, data: bytes | None) -> None:
        """A read came, or the end of the body."""
        if data is None:
            self.reader.at_end()
            return
        before = self.reader.index
        self.reader.feed(data)
        if self.reader.index > before:
            self.heard_at = time.monotonic()
            self.has_content = True
        elif not self.reader.is_finished and self.left() <= 0:
            raise self.too_late()  # what only keeps the connection alive is no answer

    def limit(self) -> float | None:
        """The seconds that the service may be silent."""
        waits = self.client.timeouts
        return waits.idle if self.has_content else waits.first_content

    def left(self) -> float:
        """The seconds that are left of them, and of the whole time."""
        now, limit, total = time.monotonic(), self.limit(), self.client.timeouts.total
        silence = math.inf if limit is None else self.heard_at + limit - now
        return min(silence, math.inf if total is None else self.asked_at + total - now)

    def too_late(self) -> Broken:
        """The service was silent for too long."""
        kind = "timeout_idle" if self.has_content else "timeout_first_content"
        return Broken(kind, "The service was silent for too long.")

    def failure(self, error: Exception) -> Broken:
        """What an exception means."""
        broken = self.client.transport_error(error)
        return self.too_late() if broken.kind == "timeout" else broken

    def gather(self) -> None:
        """Takes the chunks that the reader has made."""
        self.ready.extend(self.reader.take())


PlainClient.stream_type = PlainStream


def headers_of(response: Any) -> dict[str, str]:
    """The headers, names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}
