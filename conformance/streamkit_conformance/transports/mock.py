"""Answers a case's requests without a network: respx behind an injected client of httpx."""

import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import anyio.lowlevel
import httpx
import respx

from streamkit_conformance.trace import SentRequest
from streamkit_conformance.wire import Wire

__all__ = ["Answer", "MOCK_URL", "Mock", "real_client", "sent_request"]

#: Where subjects believe their service to be; nothing is there, and the guard would refuse it.
MOCK_URL: Final = "https://service.conformance.invalid/v1"

_BEFORE: Final[dict[str, str]] = {
    "connect": "All connection attempts failed",
    "dns": "[Errno -2] Name or service not known",
    "tls": "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
}


@dataclass
class Answer:
    """One answer that was given.

    Attributes:
        served: How many of its reads were taken.
        is_closed: The subject let go of it.
    """

    wire: Wire
    served: int = 0
    is_closed: bool = False


@dataclass
class Mock:
    """The service of one case: the n-th request gets the n-th answer, the last one all further.

    Attributes:
        wires: The answers.
        requests: The requests that came.
        yields: Other tasks may run before each read, so that a cancellation can come in between.
        answers: The answers that were given.
    """

    wires: Sequence[Wire]
    yields: bool = False
    requests: list[SentRequest] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def client(self, *, is_async: bool) -> Any:
        """A client of httpx whose every request comes here."""
        router = respx.MockRouter(assert_all_called=False, assert_all_mocked=False)
        router.route().mock(side_effect=self.handle)
        if is_async:
            return httpx.AsyncClient(
                transport=httpx.MockTransport(router.async_handler), verify=_no_certificates()
            )
        return httpx.Client(
            transport=httpx.MockTransport(router.handler), verify=_no_certificates()
        )

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answers one request.

        Raises:
            httpx.ConnectError: The wire says that nobody is there.
        """
        wire = self.wires[min(len(self.requests), len(self.wires) - 1)]
        self.requests.append(sent_request(request))
        if wire.before:
            raise httpx.ConnectError(_BEFORE[wire.before], request=request)
        answer = Answer(wire)
        self.answers.append(answer)
        return httpx.Response(
            wire.status, headers=list(wire.headers), stream=_Reads(answer, self.yields)
        )


class _Reads(httpx.AsyncByteStream, httpx.SyncByteStream):
    """The reads of one answer, for clients of both kinds."""

    def __init__(self, answer: Answer, yields: bool) -> None:
        self._answer = answer
        self._yields = yields

    def __iter__(self) -> Iterator[bytes]:
        for read in self._answer.wire.reads:
            self._answer.served += 1
            yield read
        match self._answer.wire.ending:
            case "read_error":
                raise httpx.ReadError("")  # what asyncio says of a reset connection: nothing
            case "protocol_error":
                raise httpx.RemoteProtocolError(
                    "peer closed connection without sending complete message body "
                    "(incomplete chunked read)"
                )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for read in self:
            if self._yields:
                await anyio.lowlevel.checkpoint()
            yield read

    def close(self) -> None:
        self._answer.is_closed = True

    async def aclose(self) -> None:
        self.close()


def sent_request(request: httpx.Request) -> SentRequest:
    """A request as rules see it."""
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    return SentRequest(request.method, str(request.url), headers, request.content)


def real_client(*, is_async: bool) -> Any:
    """A client of httpx that reaches loopback; without the certificates that take long to load."""
    if is_async:
        return httpx.AsyncClient(verify=_no_certificates(), trust_env=False)
    return httpx.Client(verify=_no_certificates(), trust_env=False)


@cache
def _no_certificates() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
