"""A client of httpx that goes to the real service, and keeps what comes as it comes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from streamkit_conformance.trace import SentRequest
from streamkit_conformance.transports.mock import sent_request
from streamkit_conformance.wire import Ending

__all__ = ["Recorded", "Recorder"]


@dataclass
class Recorded:
    """One answer as it came.

    Attributes:
        request: What it answers.
        status: The HTTP status.
        headers: Its headers, names in lower case.
        reads: The body's bytes, still compressed where they were.
        ending: How the body ended.
        is_closed: Its reader has let go of it.
    """

    request: SentRequest
    status: int
    headers: tuple[tuple[str, str], ...]
    reads: list[bytes] = field(default_factory=list)
    ending: Ending = "end"
    is_closed: bool = False


class Recorder:
    """Keeps the answers that a client gets.

    Args:
        is_async: Its client is for asynchronous code.

    Attributes:
        client: A client of httpx; whoever made the recorder closes it.
        answers: The answers in order.
    """

    client: Any

    def __init__(self, *, is_async: bool = False) -> None:
        self.answers: list[Recorded] = []
        # The library's deadlines come with each request; a limit of the client's would break it.
        if is_async:
            self.client = httpx.AsyncClient(
                event_hooks={"response": [self._keep_async]}, timeout=None
            )
        else:
            self.client = httpx.Client(event_hooks={"response": [self._keep]}, timeout=None)

    def _keep(self, response: httpx.Response) -> None:
        stream = response.stream
        assert isinstance(stream, httpx.SyncByteStream)
        response.stream = _Kept(stream, self._begun(response))

    async def _keep_async(self, response: httpx.Response) -> None:
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        response.stream = _KeptAsync(stream, self._begun(response))

    def _begun(self, response: httpx.Response) -> Recorded:
        headers = tuple((name.lower(), value) for name, value in response.headers.items())
        answer = Recorded(sent_request(response.request), response.status_code, headers)
        self.answers.append(answer)
        return answer


@contextmanager
def _noting_the_end(answer: Recorded) -> Iterator[None]:
    """Remembers how a body broke off."""
    try:
        yield
    except httpx.ReadTimeout:
        answer.ending = "stall"
        raise
    except httpx.RemoteProtocolError:
        answer.ending = "protocol_error"
        raise
    except httpx.TransportError:
        answer.ending = "read_error"
        raise


class _Kept(httpx.SyncByteStream):
    """The reads of an answer, kept on their way."""

    def __init__(self, stream: httpx.SyncByteStream, answer: Recorded) -> None:
        self._stream = stream
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _noting_the_end(self._answer):
            for read in self._stream:
                self._answer.reads.append(read)
                yield read

    def close(self) -> None:
        self._answer.is_closed = True
        self._stream.close()


class _KeptAsync(httpx.AsyncByteStream):
    """The same for asynchronous code."""

    def __init__(self, stream: httpx.AsyncByteStream, answer: Recorded) -> None:
        self._stream = stream
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _noting_the_end(self._answer):
            async for read in self._stream:
                self._answer.reads.append(read)
                yield read

    async def aclose(self) -> None:
        self._answer.is_closed = True
        await self._stream.aclose()
