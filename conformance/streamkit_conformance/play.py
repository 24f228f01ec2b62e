"""Plays cases: the answer on the wire, the subject in between, the trace of what came out.

Asynchronous cases of one backend share an event loop. While anything plays, only loopback can be
reached.
"""

import asyncio
import atexit
import gc
import logging
import pickle
import threading
import traceback
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field, replace
from functools import cache, partial
from inspect import isawaitable
from typing import Any, Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from streamkit.chunks import ContentChunk
from streamkit.plugin import Capabilities
from streamkit_conformance.case import Backend, Case, Consumer, ConsumerError
from streamkit_conformance.subject import Made, make
from streamkit_conformance.target import Conformance
from streamkit_conformance.trace import Seen, Trace
from streamkit_conformance.transports.guard import only_loopback
from streamkit_conformance.transports.loopback import Answered, LoopbackServer
from streamkit_conformance.transports.mock import MOCK_URL, Answer, Mock, real_client
from streamkit_conformance.transports.patched import patched, without_certificates
from streamkit_conformance.wire import Wire, write

__all__ = ["Player", "Stage"]

_NO_WIRE: Final = Wire(0, (), ())
#: The longest that one case may take, in seconds; one that reaches it hangs.
HANG_S: Final = 8.0
#: The longest until the service must have seen that its client went away, in seconds.
GONE_S: Final = 1.0
#: The longest that an event loop may be kept from its other tasks while a read is awaited.
BLOCKED_S: Final = 1.0


@dataclass
class Player:
    """Plays the cases of one target.

    Attributes:
        target: What is tested.
        claims: What it claims.
        played: How many streams were played.
    """

    target: Conformance
    claims: Capabilities
    played: int = 0

    def play(self, cases: Sequence[Case], backend: Backend) -> list[Trace]:
        """Plays cases, each with a subject of its own, and gives their traces in order."""
        self.played += len(cases)
        with self._surroundings():
            if backend == "sync":
                return [self._sync_case(case) for case in cases]
            return anyio.run(partial(self._async_cases, cases, backend), backend=backend)

    # One case.

    async def _async_cases(self, cases: Sequence[Case], backend: Backend) -> list[Trace]:
        return [await self._async_case(case, backend) for case in cases]

    async def _async_case(self, case: Case, backend: Backend) -> Trace:
        traces = self._traces(case, backend)
        stage = self._stage(case, traces)
        before = _tasks(backend)
        with _captured(traces[0]), self._watched(traces[0]), stage.served():
            client = stage.client(is_async=True)
            try:
                made = self._make(stage, backend, client)
                if made is not None:
                    with stage.patches(made):
                        async with _lockstep(stage):
                            await _read_all(made, stage)
                        if stage.is_watched:
                            await anyio.to_thread.run_sync(stage.watch)
            finally:
                if client is not None:
                    with anyio.CancelScope(shield=True):
                        await client.aclose()
            stage.finish()
        await _settle()
        traces[0].leaks += sorted(_tasks(backend) - before)
        return traces[0]

    def _sync_case(self, case: Case) -> Trace:
        traces = self._traces(case, "sync")
        stage = self._stage(case, traces)
        with _captured(traces[0]), self._watched(traces[0]), stage.served():
            client = stage.client(is_async=False)
            try:
                made = self._make(stage, "sync", client)
                if made is not None:
                    with stage.patches(made):
                        _read_all_sync(made, stage)
                        if stage.is_watched:
                            stage.watch()
            finally:
                if client is not None:
                    client.close()
            stage.finish()
        return traces[0]

    # What a run against a real service does otherwise.

    def _surroundings(self) -> AbstractContextManager[None]:
        """What holds while cases are played."""
        return _sealed()

    def _watched(self, trace: Trace) -> AbstractContextManager[None]:
        """Notes what a subject tried to reach besides loopback."""
        return _noting_escapes(trace)

    def _stage(self, case: Case, traces: list[Trace]) -> "Stage":
        return Stage(case, traces)

    def _subject(self, stage: "Stage", backend: Backend, client: Any) -> Made:
        return make(self.target, stage.case, backend, client=client, base_url=stage.base_url)

    def _traces(self, case: Case, backend: Backend) -> list[Trace]:
        traces = [
            Trace(
                case=each,
                backend=backend,
                dialect=self.target.dialect,
                claims=self.claims,
                wire=write(each, self.target.dialect) if self.target.dialect.is_wire else _NO_WIRE,
            )
            for each in (case, *case.then)
        ]
        traces[0].others = traces[1:]
        return traces

    def _make(self, stage: "Stage", backend: Backend, client: Any) -> Made | None:
        try:
            made = self._subject(stage, backend, client)
        except Exception as error:
            for trace in stage.traces:
                trace.refused = error
            return None
        if stage.case.captures:
            stage.traces[0].reprs += [repr(made.subject), str(made.subject)]
        return made


@contextmanager
def _sealed() -> Iterator[None]:
    with only_loopback(), without_certificates():
        yield


@contextmanager
def _noting_escapes(trace: Trace) -> Iterator[None]:
    with only_loopback() as guard:
        yield
    trace.escapes += [f"{each.event} {each.address}" for each in guard.attempts]


@dataclass
class Stage:
    """One case being played: its service, and the traces of its streams."""

    case: Case
    traces: list[Trace]
    mock: Mock = field(init=False)

    def __post_init__(self) -> None:
        wires = [each.wire for each in self.traces]
        self.mock = Mock(wires, yields=self.case.consumer.kind == "cancel")

    @property
    def is_mocked(self) -> bool:
        """No socket is used."""
        return self.case.via == "mock"

    @property
    def is_watched(self) -> bool:
        """The service looks whether its client goes away."""
        return not self.is_mocked and self.case.consumer.kind != "read_all"

    @property
    def is_lockstep(self) -> bool:
        """Each read waits until another task of the loop has run."""
        return bool(self.case.options.get("lockstep"))

    @property
    def server(self) -> LoopbackServer:
        """The service on loopback that is asked first."""
        return _servers(1)[0]

    @property
    def base_url(self) -> str:
        """Where the subject is told that its service is."""
        return MOCK_URL if self.is_mocked else f"{self.server.url}/v1"

    @property
    def answers(self) -> Sequence[Answer | Answered]:
        """The answers that were given, those of a redirection left out."""
        if self.is_mocked:
            return self.mock.answers
        return _servers(2)[1].answers if self.case.options.get("redirect") else self.server.answers

    @contextmanager
    def served(self) -> Iterator[None]:
        """Has the service ready."""
        options = self.case.options
        if self.is_mocked:
            yield
            return
        wires = [each.wire for each in self.traces]
        keep_alive = options.get("keep_alive")
        if keep_alive:
            # Instead of silence: more of them than anyone waits for. Silence behind them would let
            # those who take each for a sign of life run into their timeout all the same.
            more = (str(keep_alive).encode(),) * _KEEP_ALIVES
            wires = [replace(each, reads=(*each.reads, *more), ending="end") for each in wires]
        server = self.server
        if options.get("redirect"):
            first, server = _servers(2)
            first.redirect_to(server.url)
        server.answer(
            wires,
            allowed=1 if self.is_lockstep else None,
            every_s=float(options.get("gap_s", 0.0)),
        )
        yield

    def client(self, *, is_async: bool) -> Any:
        """The client that the subject is offered."""
        if self.is_mocked:
            return self.mock.client(is_async=is_async)
        return real_client(is_async=is_async)

    def patches(self, made: Made) -> AbstractContextManager[Any]:
        """Answers the clients of a subject that makes its own."""
        if self.is_mocked and not made.uses_client:
            return patched(self.mock.handle)
        return nullcontext()

    def served_reads(self, number: int) -> int:
        """How many reads of an answer were served."""
        answers = self.answers
        return answers[number].served if number < len(answers) else 0

    def watch(self) -> None:
        """Waits until the service has seen its client go, or for too long."""
        for number, trace in enumerate(self.traces):
            answers = self.server.answers
            if number < len(answers):
                trace.is_disconnected = answers[number].gone.wait(GONE_S)

    def finish(self) -> None:
        """Hands what the service saw to the traces."""
        if self.is_mocked:
            requests = list(self.mock.requests)
        else:
            redirected = self.case.options.get("redirect")
            servers = _servers(2) if redirected else _servers(1)
            requests = [each for server in servers for each in server.requests]
        self.traces[0].requests = requests if len(self.traces) == 1 else requests[:1]
        for number, trace in enumerate(self.traces):
            if number:
                trace.requests = list(requests[number : number + 1])
            trace.served = self.served_reads(number)
            if self.is_mocked:
                answers = self.mock.answers
                mine = answers[number : number + 1] if len(self.traces) > 1 else answers
                trace.opened = len(mine)
                trace.closed = sum(each.is_closed for each in mine)


#: Keep-alives that stand for endless ones.
_KEEP_ALIVES: Final = 20


@cache
def _made_server(number: int) -> LoopbackServer:
    server = LoopbackServer()
    atexit.register(server.close)
    return server


def _servers(count: int) -> list[LoopbackServer]:
    """Servers of this process, each started once and then used for one case after the other."""
    return [_made_server(number) for number in range(count)]


@asynccontextmanager
async def _lockstep(stage: Stage) -> AsyncIterator[None]:
    """Lets the service go one read further each time that another task of the loop has run.

    A loop that is blocked in a read never gets there. Who waits in vain is told after `BLOCKED_S`
    by a thread, which lets everything go.
    """
    if not stage.is_lockstep:
        yield
        return
    ran, is_over = threading.Event(), threading.Event()

    def rescue() -> None:
        while not is_over.is_set():
            if not ran.wait(BLOCKED_S):
                stage.traces[0].blocked_s = BLOCKED_S
                stage.server.allow_all()
                return
            ran.clear()

    async def step() -> None:
        while True:
            await anyio.sleep(0.01)
            stage.server.allow()
            ran.set()

    thread = threading.Thread(target=rescue, name="lockstep", daemon=True)
    thread.start()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(step)
            yield
            group.cancel_scope.cancel()
    finally:
        is_over.set()
        ran.set()
        thread.join()


# Reading, on an event loop.


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


def _read_all_sync(made: Made, stage: Stage) -> None:
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


def _note_raised(trace: Trace, error: Exception) -> None:
    if trace.refused is None:
        trace.raised = error
    if trace.case.captures:
        trace.reprs += [repr(error), str(error), "".join(traceback.format_exception(error))]


def _note_reprs(trace: Trace, stream: Any) -> None:
    if trace.case.captures:
        trace.reprs += [repr(stream), str(stream)]


@contextmanager
def _captured(trace: Trace) -> Iterator[None]:
    """Keeps log records and warnings of a case that wants them."""
    if not trace.case.captures:
        yield
        return
    handler = _Kept(trace.logs)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # What was there before is none of the case's: leaving it out makes the collection cheap.
    gc.freeze()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
    finally:
        gc.unfreeze()
        root.removeHandler(handler)
        root.setLevel(level)
    trace.warnings += [f"{each.category.__name__}: {each.message}" for each in caught]
    for each in trace.chunks:
        trace.reprs.append(repr(each))
        with suppress(Exception):  # what cannot be pickled shows nothing that way
            trace.reprs.append(repr(pickle.loads(pickle.dumps(each))))


class _Kept(logging.Handler):
    """Keeps what is logged, as text."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._kept = kept
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(f"{self.format(record)} {sorted(map(repr, record.__dict__.items()))}")


def _tasks(backend: Backend) -> set[str]:
    """The tasks of the running loop besides this one, as text that tells them apart."""
    if backend == "asyncio":
        mine = asyncio.current_task()
        return {
            f"the task {task.get_name()} of {task.get_coro()!r}"
            for task in asyncio.all_tasks()
            if task is not mine
        }
    import trio  # only where it runs

    mine_here = trio.lowlevel.current_task()
    found: set[str] = set()
    waiting = [trio.lowlevel.current_root_task()]
    while waiting:
        task = waiting.pop()
        if task is None:
            continue
        if task is not mine_here and task.name and not task.name.startswith("<"):
            found.add(f"the task {task.name} {id(task)}")
        for nursery in task.child_nurseries:
            waiting += nursery.child_tasks
    return found


async def _settle() -> None:
    """Lets tasks that are on their way out end."""
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
