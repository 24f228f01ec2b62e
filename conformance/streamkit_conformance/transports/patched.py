"""Answers subjects that make their own client of httpx or httpx2, without a network."""

import importlib
import importlib.util
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeAlias
from unittest import mock

import httpx
import respx
from respx.mocks import HTTPCoreMocker

__all__ = ["Handler", "patched", "without_certificates"]

#: What answers a request; its answer's stream must serve clients of both kinds, sync and async.
Handler: TypeAlias = Callable[[httpx.Request], httpx.Response]


@contextmanager
def patched(handler: Handler) -> Iterator[None]:
    """Answers every request that a client of httpx or httpx2 makes in this process.

    A client with a transport of its own is left alone. What `handler` or its answer raises of
    httpx's errors reaches every client as the error of its own family.
    """
    with ExitStack() as stack:
        for core in _cores():
            router = respx.MockRouter(assert_all_called=False, using=core)
            router.route().mock(side_effect=handler)
            stack.enter_context(router)
        stack.enter_context(without_certificates())
        yield


@contextmanager
def without_certificates() -> Iterator[None]:
    """Makes TLS contexts trust nobody while it is on: loading who is trusted takes most of a trace.

    Contexts of servers stay as they are.
    """
    with ExitStack() as stack:
        real = ssl.create_default_context

        def quick(purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH, **options: Any) -> ssl.SSLContext:
            return real(purpose, **options) if purpose is _OF_SERVERS else _trusting_nobody()

        stack.enter_context(mock.patch("ssl.create_default_context", quick))
        if _has_httpx2():
            # Its own way to make one, without the function of the standard library.
            stack.enter_context(mock.patch("httpcore2.default_ssl_context", _trusting_nobody))
        yield


_OF_SERVERS: Final = ssl.Purpose.CLIENT_AUTH


def _trusting_nobody(**_: object) -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _has_httpx2() -> bool:
    return importlib.util.find_spec("httpcore2") is not None


def _cores() -> list[str]:
    return [HTTPCoreMocker.name, *([_Core2Mocker.name] if _has_httpx2() else [])]


class _Core2Mocker(HTTPCoreMocker):
    """respx for httpx2, whose requests its own mocker does not see: they would go out."""

    name = "streamkit-conformance-httpcore2"
    targets = [each.replace("httpcore.", "httpcore2.") for each in HTTPCoreMocker.targets]  # noqa: RUF012  # respx's own shape

    @classmethod
    def handler(cls, httpx_request: httpx.Request) -> httpx.Response:
        with _as_core2_errors():
            response: httpx.Response = super().handler(httpx_request)  # type: ignore[no-untyped-call]  # respx's
            return response

    @classmethod
    async def async_handler(cls, httpx_request: httpx.Request) -> httpx.Response:
        with _as_core2_errors():
            response: httpx.Response = await super().async_handler(httpx_request)  # type: ignore[no-untyped-call]  # respx's
            return response

    @classmethod
    def from_sync_httpx_response(
        cls, httpx_response: httpx.Response, target: Any, **options: Any
    ) -> Any:
        return importlib.import_module("httpcore2").Response(
            status=httpx_response.status_code,
            headers=httpx_response.headers.raw,
            content=_Core2Reads(httpx_response.stream),
            extensions=httpx_response.extensions,
        )


class _Core2Reads:
    """The reads of an answer, with errors that httpx2 knows."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with _as_core2_errors():
            yield from self._stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _AsyncCore2Reads(aiter(self._stream))

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _AsyncCore2Reads:
    """The same, asynchronously; a generator left suspended would warn in the subject's name."""

    def __init__(self, reads: AsyncIterator[bytes]) -> None:
        self._reads = reads

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with _as_core2_errors():
            return await anext(self._reads)


@contextmanager
def _as_core2_errors() -> Iterator[None]:
    """Turns httpx's errors into those of httpcore2 with the same name, which httpx2 translates."""
    try:
        yield
    except httpx.TransportError as error:
        raise _core2_error(type(error))(str(error)) from error


def _core2_error(kind: type[httpx.TransportError]) -> type[Exception]:
    core2 = importlib.import_module("httpcore2")
    names = (each.__name__ for each in kind.__mro__ if hasattr(core2, each.__name__))
    found: type[Exception] = getattr(core2, next(names))
    return found
