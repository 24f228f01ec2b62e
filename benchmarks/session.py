"""A benchmark session: the load server's process, and the processes measured against it."""

import itertools
import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.answers import Shape
from benchmarks.environments import ROOT, process_environment

# One stream of the longest line takes seconds; a subject that hangs must not hang the session.
MEASURE_TIMEOUT_SECONDS = 300
STOP_TIMEOUT_SECONDS = 10
WARM_UP_CHUNKS = 20


class InvalidRun(Exception):
    """A subject lost or changed something, or failed: its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is measured.

    Attributes:
        name: How the tables call it.
        runner: The runner class, as `module:Class`.
        python: The interpreter of its environment.
    """

    name: str
    runner: str
    python: Path


@dataclass(frozen=True, slots=True)
class Task:
    """What is measured: a mode of `measure.py`, an answer, and how many of them."""

    mode: str
    shape: Shape
    count: int = 1

    def chunks(self) -> int:
        """Return how many contents the subject must see in all."""
        return self.shape.chunks * self.count


@dataclass(frozen=True, slots=True)
class Outcome:
    """One valid run: its figures by name, and how many connections the server counted."""

    figures: dict[str, float]
    connections: int


class Session:
    """Owns the load server: started on entry, ended by its own process on exit."""

    def __init__(self) -> None:
        """Prepare a session; nothing runs yet."""
        self._server: subprocess.Popen[str] | None = None
        self._base_url = ""
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        """Start the load server and learn its port."""
        self._server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=process_environment(),
        )
        assert self._server.stdout is not None
        address = json.loads(self._server.stdout.readline())
        self._base_url = f"http://127.0.0.1:{address['port']}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the server's life line and wait for its end."""
        server = self._server
        assert server is not None
        try:
            server.communicate(timeout=STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.communicate()

    def run(self, subject: Subject, task: Task) -> Outcome:
        """Measure a subject in a fresh process and check what it received.

        Raises:
            InvalidRun: The process failed, or its contents are not those the server sent.
        """
        run = f"run{next(self._numbers)}"
        url = self._base_url + task.shape.path(run)
        command = [str(subject.python), "-m", "benchmarks.measure", subject.runner, task.mode, url]
        command += ["--count", str(task.count)]
        if task.mode != "cold":
            warm = Shape(task.shape.dialect, "event", WARM_UP_CHUNKS)
            command += ["--warm-up", self._base_url + warm.path(f"{run}-warm")]
        found = _measure(subject, command)
        sent = self._report(run)
        if fault := _fault(task, found, sent):
            raise InvalidRun(f"INVALID: {subject.name}, {task.mode}: {fault}")
        return Outcome(found["figures"], sent["connections"])

    def _report(self, run: str) -> dict[str, Any]:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{self._base_url}/report/{run}", timeout=STOP_TIMEOUT_SECONDS
        ) as response:
            report: dict[str, Any] = json.load(response)
        return report


def _measure(subject: Subject, command: list[str]) -> dict[str, Any]:
    try:
        process = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=process_environment(),
            timeout=MEASURE_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidRun(f"INVALID: {subject.name} took too long") from error
    if process.returncode:
        last_words = process.stderr.strip().splitlines()[-1:]
        raise InvalidRun(f"INVALID: {subject.name} failed: {' '.join(last_words)}")
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def _fault(task: Task, found: dict[str, Any], sent: dict[str, Any]) -> str | None:
    """Return what is wrong with what a subject received, or None."""
    if sent["requests"] != task.count:
        return f"{sent['requests']} requests were made, not {task.count}"
    if task.mode == "held":
        return None
    if found["content_bytes"]:
        wrong = found["content_bytes"] != sent["content_bytes"]
        return "the body has another length than the one sent" if wrong else None
    if found["chunks"] != task.chunks():
        return f"{found['chunks']} contents arrived, not {task.chunks()}"
    if found["digests"] != sent["digests"]:
        return "the joined contents differ from those sent"
    return None
