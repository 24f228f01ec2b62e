"""Who reads the streams of a case, and how they stop: on an event loop, and in synchronous code."""

import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import isawaitable
from typing import Any, Final

import anyio

from streamkit.chunks import ContentChunk
from streamkit_conformance.case import Consumer, ConsumerError
from streamkit_conformance.stage import Stage
from streamkit_conformance.subject import Made
from streamkit_conformance.trace import Seen, Trace

__all__ = ["read_all", "read_all_sync"]

#: The longest that one case may take, in seconds; one that reaches it hangs.
HANG_S: Final = 8.0


# Reading, on an event loop.


async def read_all(made: Made, stage: Stage) -> None:
    """Reads the streams of a case as their consumers do, in a task of its own.

    A subject that holds a cancel scope across a `yield` tears the scopes of whoever reads it: what
    comes out of that is the subject's, and ends with the task.
    """
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_read_all, made, stage)
    except BaseExceptionGroup as torn:
        if torn.subgroup((KeyboardInterrupt, SystemExit)) is not None:
            raise
        _note_raised(stage.traces[0], _first(torn))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def _read_all(made: Made, stage: Stage) -> None:
    if stage.case.together:
        with anyio.move_on_after(HANG_S) as scope:
            await _interleaved(made, stage)
        if scope.cancelled_caught:
            _hangs(stage.traces)
        return
    for number, trace in enumerate(stage.traces):
        with anyio.move_on_after(HANG_S) as scope:
            await _read(made, trace, partial(stage.served_reads, number), stage)
        if scope.cancelled_caught:
            _hangs([trace])


def _hangs(traces: list[Trace]) -> None:
    for trace in traces:
        trace.is_hung = True


async def _read(made: Made, trace: Trace, served: Callable[[], int], stage: Stage) -> None:
    scope = anyio.CancelScope()
    try:
        with scope:
            stream = _start(made, trace)
            if isawaitable(stream):
                stream = await stream
            _note_reprs(trace, stream)
            async with _entered(stream) as entered:
                if trace.case.consumer == Consumer("cancel", 0):
                    scope.cancel()
                await _consume(entered, trace, served, scope)
            if stage.case.options.get("close_twice"):
                await stream.aclose()
    except ConsumerError as error:
        trace.raised = error
    except Exception as error:
        _note_raised(trace, error)
    trace.is_cancelled = scope.cancelled_caught


async def _consume(
    stream: Any, trace: Trace, served: Callable[[], int], scope: anyio.CancelScope
) -> None:
    consumer, contents = trace.case.consumer, 0
    async for chunk in stream:
        trace.seen.append(Seen(chunk, served()))
        contents += isinstance(chunk, ContentChunk)
        if not isinstance(chunk, ContentChunk) or contents != consumer.after:
            continue
        match consumer.kind:
            case "break":
                break
            case "raise":
                raise ConsumerError
            case "cancel":
                scope.cancel()
            case "stop":
                _stop(stream, trace)
            case "close_elsewhere":
                async with anyio.create_task_group() as group:
                    group.start_soon(stream.aclose)
                break


async def _interleaved(made: Made, stage: Stage) -> None:
    """All streams of the case, chunk by chunk in turn."""
    running: list[tuple[Trace, Any, Callable[[], int]]] = []
    for number, trace in enumerate(stage.traces):
        try:
            stream = _start(made, trace)
            if isawaitable(stream):
                stream = await stream
        except Exception as error:
            _note_raised(trace, error)
            continue
        running.append((trace, aiter(stream), partial(stage.served_reads, number)))
    everything = list(running)
    while running:
        for each in list(running):
            trace, stream, served = each
            try:
                trace.seen.append(Seen(await anext(stream), served()))
            except StopAsyncIteration:
                running.remove(each)
            except Exception as error:
                _note_raised(trace, error)
                running.remove(each)
    for _trace, stream, _served in everything:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


class _entered:  # noqa: N801  # used as a function
    """Enters a stream where it can be entered, and closes it in any case."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aenter__(self) -> AsyncIterator[Any]:
        if hasattr(self._stream, "__aenter__"):
            entered: AsyncIterator[Any] = await self._stream.__aenter__()
            return entered
        iterator: AsyncIterator[Any] = aiter(self._stream)
        return iterator

    async def __aexit__(self, *details: Any) -> None:
        if hasattr(self._stream, "__aexit__"):
            await self._stream.__aexit__(*details)
        elif hasattr(self._stream, "aclose"):
            await self._stream.aclose()


# Reading, in synchronous code.


def read_all_sync(made: Made, stage: Stage) -> None:
    """The same in synchronous code, which has no tasks."""
    if stage.case.together:
        _interleaved_sync(made, stage)
        return
    for number, trace in enumerate(stage.traces):
        try:
            stream = _start(made, trace)
            _note_reprs(trace, stream)
            with _entered_sync(stream) as entered:
                _consume_sync(entered, trace, partial(stage.served_reads, number))
            if stage.case.options.get("close_twice"):
                stream.close()
        except ConsumerError as error:
            trace.raised = error
        except Exception as error:
            _note_raised(trace, error)


def _consume_sync(stream: Any, trace: Trace, served: Callable[[], int]) -> None:
    consumer, contents = trace.case.consumer, 0
    for chunk in stream:
        trace.seen.append(Seen(chunk, served()))
        contents += isinstance(chunk, ContentChunk)
        if not isinstance(chunk, ContentChunk) or contents != consumer.after:
            continue
        match consumer.kind:
            case "break":
                break
            case "raise":
                raise ConsumerError
            case "stop":
                _stop(stream, trace)


def _interleaved_sync(made: Made, stage: Stage) -> None:
    running: list[tuple[Trace, Any, Callable[[], int]]] = []
    for number, trace in enumerate(stage.traces):
        try:
            stream = iter(_start(made, trace))
        except Exception as error:
            _note_raised(trace, error)
            continue
        running.append((trace, stream, partial(stage.served_reads, number)))
    everything = list(running)
    while running:
        for each in list(running):
            trace, stream, served = each
            try:
                trace.seen.append(Seen(next(stream), served()))
            except StopIteration:
                running.remove(each)
            except Exception as error:
                _note_raised(trace, error)
                running.remove(each)
    for _trace, stream, _served in everything:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


@contextmanager
def _entered_sync(stream: Any) -> Iterator[Any]:
    if hasattr(stream, "__enter__"):
        with stream as entered:
            yield entered
        return
    iterator = iter(stream)
    try:
        yield iterator
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


# For both.


def _stop(stream: Any, trace: Trace) -> None:
    if callable(getattr(stream, "stop", None)):
        stream.stop()
    else:
        trace.unsupported = "the subject's stream has no stop()"


def _start(made: Made, trace: Trace) -> Any:
    """Calls the subject; what it raises here came before there was a stream."""
    ask = trace.case.ask
    settings = dict(ask.settings)
    if not ask.stream:
        settings["stream"] = False
    is_sync = trace.backend == "sync"
    call = getattr(made.subject, "stream_sync", None) if is_sync else None
    try:
        return (call or made.subject.stream)(ask.messages, **settings)
    except Exception as error:
        trace.refused = error
        raise


def _note_raised(trace: Trace, error: BaseException) -> None:
    if trace.refused is None:
        trace.raised = error
    if trace.case.captures:
        trace.reprs += [repr(error), str(error), "".join(traceback.format_exception(error))]


def _note_reprs(trace: Trace, stream: Any) -> None:
    if trace.case.captures:
        trace.reprs += [repr(stream), str(stream)]
