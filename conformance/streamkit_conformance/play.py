"""Plays cases: the answer on the wire, the subject in between, the trace of what came out.

Asynchronous cases of one backend share an event loop. While anything plays, only loopback can be
reached.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread

from streamkit.plugin import Capabilities
from streamkit_conformance.capturing import captured, forget_the_past, settle, tasks
from streamkit_conformance.case import Backend, Case
from streamkit_conformance.reading import read_all, read_all_sync
from streamkit_conformance.stage import Stage, in_lockstep
from streamkit_conformance.subject import Made, make
from streamkit_conformance.target import Conformance
from streamkit_conformance.trace import Trace
from streamkit_conformance.transports.guard import only_loopback
from streamkit_conformance.transports.patched import without_certificates
from streamkit_conformance.wire import Wire, write

__all__ = ["Player"]

_NO_WIRE: Final = Wire(0, (), ())


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
        with self._surroundings(), warnings.catch_warnings():
            # What a subject leaves open is told by the cases that look for it. An author's filter
            # that makes errors of warnings would raise it in the midst of another case.
            warnings.simplefilter("ignore", ResourceWarning)
            if backend == "sync":
                return [self._sync_case(case) for case in cases]
            return anyio.run(partial(self._async_cases, cases, backend), backend=backend)

    # One case.

    async def _async_cases(self, cases: Sequence[Case], backend: Backend) -> list[Trace]:
        return [await self._async_case(case, backend) for case in cases]

    async def _async_case(self, case: Case, backend: Backend) -> Trace:
        traces = self._traces(case, backend)
        stage = self._stage(case, traces)
        if case.captures:
            await forget_the_past()
        before = tasks(backend)
        with captured(traces[0]), self._watched(traces[0]), stage.served():
            client = stage.client(is_async=True)
            try:
                made = self._make(stage, backend, client)
                if made is not None:
                    with stage.patches(made):
                        async with in_lockstep(stage):
                            await read_all(made, stage)
                        if stage.is_watched:
                            await anyio.to_thread.run_sync(stage.watch)
            finally:
                if client is not None:
                    with anyio.CancelScope(shield=True):
                        await client.aclose()
            stage.finish()
        await settle()
        traces[0].leaks += sorted(tasks(backend) - before)
        return traces[0]

    def _sync_case(self, case: Case) -> Trace:
        traces = self._traces(case, "sync")
        stage = self._stage(case, traces)
        with captured(traces[0]), self._watched(traces[0]), stage.served():
            client = stage.client(is_async=False)
            try:
                made = self._make(stage, "sync", client)
                if made is not None:
                    with stage.patches(made):
                        read_all_sync(made, stage)
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
