"""The service of one case: its answers by respx or by a real server, and what it saw."""

import atexit
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final

import anyio

from streamkit_conformance.case import Case
from streamkit_conformance.subject import Made
from streamkit_conformance.trace import Trace
from streamkit_conformance.transports.loopback import Answered, LoopbackServer
from streamkit_conformance.transports.mock import MOCK_URL, Answer, Mock, real_client
from streamkit_conformance.transports.patched import patched

__all__ = ["Stage", "in_lockstep"]

#: The longest until the service must have seen that its client went away, in seconds.
GONE_S: Final = 1.0
#: The longest that an event loop may be kept from its other tasks while a read is awaited.
BLOCKED_S: Final = 1.0


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
    def isin_lockstep(self) -> bool:
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
            allowed=1 if self.isin_lockstep else None,
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
_KEEP_ALIVES: Final = 12


@cache
def _made_server(number: int) -> LoopbackServer:
    server = LoopbackServer()
    atexit.register(server.close)
    return server


def _servers(count: int) -> list[LoopbackServer]:
    """Servers of this process, each started once and then used for one case after the other."""
    return [_made_server(number) for number in range(count)]


@asynccontextmanager
async def in_lockstep(stage: Stage) -> AsyncIterator[None]:
    """Lets the service go one read further each time that another task of the loop has run.

    A loop that is blocked in a read never gets there. Who waits in vain is told after `BLOCKED_S`
    by a thread, which lets everything go.
    """
    if not stage.isin_lockstep:
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
