"""What users hold: one stream of chunks, for synchronous code, asyncio and trio.

`ChunkStream` carries out what its flow decides. The asynchronous and the synchronous way of doing
so stand side by side below and differ in `await` alone; all decisions are the flow's, made once.

No cancel scope and no task group is held while a chunk is with the consumer.
"""

import warnings
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from streamkit.assembly.response import Response, ResponseBuilder
from streamkit.chunks import ContentChunk, EndChunk, ErrorChunk, StreamChunk
from streamkit.errors import ConfigurationError, StreamClaimedError, stream_failed
from streamkit.flow import DRAIN_S, READ, Open, OpenDeltas, Prepare, Release, Step, StreamFlow
from streamkit.provider import AnyProvider, HTTPProvider, StreamProvider, StreamScope
from streamkit.request import ChatRequest
from streamkit.settings import Timeouts
from streamkit.telemetry import StreamSummary, log_bad_close, log_failure, summary_of, tell_apart
from streamkit.transport.base import Exchange, Head, Opening, SyncExchange, Transport
from streamkit.transport.deltas import DeltaExchange, SyncDeltaExchange
from streamkit.transport.host import BlockingCall

__all__ = ["ChunkStream", "TextView"]

# Chunks that are kept before the builder joins them: a call for each would cost more than the rest.
_FOLD_AT: Final = 16

_Use = Literal["async", "sync"]
_OpeningT = TypeVar("_OpeningT", Opening, BlockingCall)


class ChunkStream:
    """One answer as it comes: a lazy stream that is read once, by `async for` or by `for`.

    The first way of reading claims the stream; reading it the other way then raises
    `StreamClaimedError`. Reading never raises for a failure: that is the last chunk, of type
    `error`. Nothing is sent before the second chunk is asked for.

    Use it as a context manager, or read it to its end, or call `aclose()` (`close()` in synchronous
    code). A stream that is dropped half-read closes its connection with a `ResourceWarning`.

    Attributes:
        stream_id: The id that all chunks carry.
        request: What was asked, before any plug-in's policy.
    """

    def __init__(
        self,
        *,
        stream_id: str,
        provider: AnyProvider,
        request: ChatRequest,
        flow: StreamFlow,
        transport: Transport,
        timeouts: Timeouts,
        on_finished: Callable[[StreamSummary], None] | None = None,
    ) -> None:
        self._on_finished = on_finished
        self.stream_id = stream_id
        self.request = request
        self._provider = provider
        self._transport = transport
        self._timeouts = timeouts
        self._flow = flow
        self._steps = flow.run()
        self._builder = ResponseBuilder()
        self._batch: list[StreamChunk] = []
        self._position = 0  # of the next chunk to deliver
        self._delivered: list[StreamChunk] = []  # and not yet in the builder
        self._remembered = 0  # chunks of the batch that are in it or among the delivered
        self._use: _Use | None = None
        self._is_reading = False
        self._is_closed = False
        self._terminal: EndChunk | ErrorChunk | None = None
        self._opening: Opening | BlockingCall | None = None
        self._exchange: Exchange[Any] | SyncExchange[Any] | None = None

    def __repr__(self) -> str:
        return (
            f"<ChunkStream {self.stream_id} of {self._provider.name}/{self.request.model}: "
            f"{self.response.state}>"
        )

    # What has been said, whatever the way of reading.

    @property
    def response(self) -> Response:
        """What has been said so far, at any time: the chunks that were delivered, joined."""
        self._remember(self._position)
        self._fold()
        return self._builder.response(is_closed=self._is_closed)

    def stop(self) -> None:
        """Ends the answer here: the stream's last chunk will be `end` with `cancelled`.

        May be called from any task or thread, and wakes a pending read. Chunks that had already
        come are still delivered. Without effect on a stream that has ended.
        """
        if self._terminal is not None or self._is_closed:
            return
        self._flow.stop_requested = True
        self._interrupt()

    def text(self) -> "TextView":
        """A view that yields the answer's text alone, and raises `StreamFailed` on an error.

        It shares the stream: reading goes on where it was, and nothing is yielded twice.
        """
        return TextView(self)

    # Asynchronous reading.

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, StreamChunk]:
        if self._use != "async":
            self._claim("async")
        if self._position < len(self._batch):
            return self._next_of_batch()
        return self._next_read()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the stream and lets go of its connection, also when the caller is cancelled.

        Idempotent. Nothing more is delivered afterwards; `response` keeps what was.
        """
        if self._use == "sync":
            raise StreamClaimedError(
                "This stream is read by synchronous code: use `with` and `for`, or `async with` "
                "and `async for`, not one of each."
            )
        self._close()
        if self._is_reading:
            self._interrupt()  # the pending read ends, and lets go itself
            return
        await self._let_go(DRAIN_S if self._has_terminator() else 0.0)

    async def collect(self) -> Response:
        """Reads to the end and returns the whole response.

        Raises:
            StreamFailed: The stream ended in an error; the exception's `partial` is what came.
        """
        async with self:
            async for _ in self:
                pass
        return self._collected()

    # Each of the two looks again: a read may run later than it was asked for, after another one or
    # after the stream was closed.

    async def _next_of_batch(self) -> StreamChunk:
        position = self._position
        if position >= len(self._batch):
            return await self._next_read()
        self._position = position + 1
        return self._batch[position]

    async def _next_read(self) -> StreamChunk:
        """Replaces the batch by the next chunks and returns the first of them."""
        if self._position < len(self._batch):
            return await self._next_of_batch()
        self._begin_reading()
        try:
            steps = self._steps
            step = next(steps)
            while type(step) is not list:
                try:
                    if step is READ:
                        exchange: Any = self._exchange
                        result = await exchange.read(self._flow.deadline)
                    else:
                        result = await self._perform(step)
                except Exception as error:
                    if self._is_closed:
                        break
                    step = steps.throw(error)
                else:
                    if self._is_closed:
                        break
                    step = steps.send(result)
            else:
                return self._take(step)
        except StopIteration:
            self._is_closed = True
        except GeneratorExit:
            self._abandon()
            raise
        except BaseException:
            self._is_closed = True
            self._finish()
            await self._let_go()
            raise
        finally:
            self._is_reading = False
        await self._let_go()
        raise StopAsyncIteration

    async def _perform(self, step: Any) -> Head | None:
        deadline = self._flow.deadline
        try:
            match step:
                case Open(request):
                    self._transport.check(is_async=True)
                    opening = self._reachable(self._transport.opening())
                    self._exchange = await opening.open(request, deadline, self._timeouts)
                    return self._exchange.head
                case OpenDeltas(request):
                    assert isinstance(self._provider, StreamProvider)
                    deltas = self._provider.open(request, self._scope())
                    self._exchange = DeltaExchange(deltas, self._flow.clock)
                case Release(drain_s):
                    await self._let_go(drain_s)
                case Prepare(request):
                    await self._reachable(self._preparation(request)).run(deadline)
        finally:
            self._opening = None
        return None

    async def _let_go(self, drain_s: float = 0.0) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            try:
                closing: Any = exchange.close(drain_s)
                await closing
            except Exception as error:
                log_bad_close(self.stream_id, error)

    # Synchronous reading: the same, without waiting for an event loop.

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        if self._use != "sync":
            self._claim("sync")
        position = self._position
        if position >= len(self._batch):
            return self._next_read_sync()
        self._position = position + 1
        return self._batch[position]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the stream and lets go of its connection; see `aclose()`."""
        if self._use == "async":
            raise StreamClaimedError(
                "This stream is read by asynchronous code: use `async with` and `async for`, or "
                "`with` and `for`, not one of each."
            )
        self._close()
        if self._is_reading:
            self._interrupt()
            return
        self._let_go_sync(DRAIN_S if self._has_terminator() else 0.0)

    def collect_sync(self) -> Response:
        """Reads to the end and returns the whole response; see `collect()`."""
        with self:
            for _ in self:
                pass
        return self._collected()

    def _next_read_sync(self) -> StreamChunk:
        self._begin_reading()
        try:
            steps = self._steps
            step = next(steps)
            while type(step) is not list:
                try:
                    if step is READ:
                        exchange: Any = self._exchange
                        result = exchange.read(self._flow.deadline)
                    else:
                        result = self._perform_sync(step)
                except Exception as error:
                    if self._is_closed:
                        break
                    step = steps.throw(error)
                else:
                    if self._is_closed:
                        break
                    step = steps.send(result)
            else:
                return self._take(step)
        except StopIteration:
            self._is_closed = True
        except BaseException:
            self._is_closed = True
            self._finish()
            self._let_go_sync()
            raise
        finally:
            self._is_reading = False
        self._let_go_sync()
        raise StopIteration

    def _perform_sync(self, step: Step | list[StreamChunk]) -> Head | None:
        deadline = self._flow.deadline
        try:
            match step:
                case Open(request):
                    self._transport.check(is_async=False)
                    opening = self._reachable(self._transport.opening())
                    self._exchange = opening.open_sync(request, deadline, self._timeouts)
                    return self._exchange.head
                case OpenDeltas(request):
                    assert isinstance(self._provider, StreamProvider)
                    deltas = self._provider.open_sync(request, self._scope())
                    self._exchange = SyncDeltaExchange(deltas, self._flow.clock)
                case Release(drain_s):
                    self._let_go_sync(drain_s)
                case Prepare(request):
                    self._reachable(self._preparation(request)).run_sync(deadline)
        finally:
            self._opening = None
        return None

    def _let_go_sync(self, drain_s: float = 0.0) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            try:
                exchange.close(drain_s)
            except Exception as error:
                log_bad_close(self.stream_id, error)

    # What both ways share.

    def _claim(self, use: _Use) -> None:
        if self._use is not None:
            raise StreamClaimedError(
                f"This stream is read by {self._use} code already; make another to read it here."
            )
        provider = self._provider
        if use == "sync" and isinstance(provider, StreamProvider) and not provider.has_open_sync():
            raise ConfigurationError(
                f"`{provider.name}` cannot be used in synchronous code; use `async for`."
            )
        if isinstance(provider, HTTPProvider):
            self._transport.check(is_async=use == "async")
        self._use = use

    def _scope(self) -> StreamScope:
        return StreamScope(stream_id=self.stream_id, timeouts=self._timeouts)

    def _preparation(self, request: ChatRequest) -> BlockingCall:
        return BlockingCall(lambda: self._provider.prepare(request), self._flow.clock)

    def _reachable(self, opening: _OpeningT) -> _OpeningT:
        """Lets `stop()` and closing reach what is being opened, also where they came first."""
        self._opening = opening
        if self._flow.stop_requested or self._is_closed:
            opening.interrupt()
        return opening

    def _begin_reading(self) -> None:
        if self._is_reading:
            raise StreamClaimedError("Two readers at once: a stream has one.")
        self._remember(len(self._batch))
        if len(self._delivered) >= _FOLD_AT:
            self._fold()
        self._batch, self._position, self._remembered = [], 0, 0
        if self._is_closed:
            self._steps.close()
        self._is_reading = True

    def _close(self) -> None:
        self._is_closed = True
        del self._batch[self._position :]  # what had come and was not asked for is not delivered
        self._finish()

    def _take(self, batch: Any) -> StreamChunk:
        """Makes the chunks of a read the ones to deliver, and returns the first."""
        self._batch = batch
        self._position = 1
        last = batch[-1]
        kind = type(last)  # `isinstance` against a pydantic class costs more than a read's clock
        if kind is EndChunk or kind is ErrorChunk:
            self._terminal = last
            if kind is ErrorChunk:
                log_failure(last)
            self._finish()
        first: StreamChunk = batch[0]
        return first

    def _finish(self, *, is_dropped: bool = False) -> None:
        """Tells how the stream went, once; one that nobody has read is not told of."""
        tell = vars(self).pop("_on_finished", None)  # in one step: two threads may come here
        if tell is None or not self._flow.has_begun:
            return
        whose = (self.stream_id, self._provider.name, self.request)
        summary = summary_of(*whose, self._terminal, *self._flow.progress())
        if is_dropped:
            tell_apart(tell, summary)
        else:
            tell(summary)

    def _remember(self, until: int) -> None:
        """Notes the chunks of the batch before `until` as delivered."""
        first = self._remembered
        self._delivered += self._batch[first:until]
        self._remembered = until

    def _fold(self) -> None:
        self._builder.extend(self._delivered)
        self._delivered.clear()

    def _has_terminator(self) -> bool:
        return isinstance(self._terminal, EndChunk) and not self._flow.stop_requested

    def _interrupt(self) -> None:
        opening, exchange = self._opening, self._exchange
        if opening is not None:
            opening.interrupt()
        if exchange is not None:
            exchange.interrupt()

    def _collected(self) -> Response:
        response = self.response
        if response.error is not None:
            raise stream_failed(response.error, response)
        return response

    def _abandon(self) -> None:
        exchange, self._exchange = self._exchange, None
        self._is_closed = True
        if exchange is not None:
            exchange.abandon()
        self._finish(is_dropped=True)

    def __del__(self) -> None:
        if not hasattr(self, "_exchange"):
            return  # it was never made
        is_open = self._exchange is not None
        self._abandon()  # first: a warning may be turned into an exception
        if is_open and self._terminal is None:
            warnings.warn(
                f"{self!r} was dropped before its end. Read it to the end, or use it in a `with`.",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )


class TextView:
    """The text of a stream, refusals included since they are text to show.

    Iterating raises `StreamFailed` when the stream ends in an error: the text that came before was
    yielded, and is in the exception's `partial`.
    """

    def __init__(self, stream: ChunkStream) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    # No generators: one that is left half-way would wait for the garbage collector.

    async def __anext__(self) -> str:
        async for chunk in self._stream:
            if isinstance(chunk, ContentChunk):
                return chunk.content
        self._stream._collected()
        raise StopAsyncIteration

    def __next__(self) -> str:
        for chunk in self._stream:
            if isinstance(chunk, ContentChunk):
                return chunk.content
        self._stream._collected()
        raise StopIteration
