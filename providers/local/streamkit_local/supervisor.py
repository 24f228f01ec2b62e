"""Owns the child process that serves the model: starts it, watches it, ends it.

The rules kept here:

1. One child for each set of settings in a process, however many threads ask for it.
2. The child's stdin is its life line. Only this process holds the other end, so the child goes when
   this process goes, however it ends; a process forked from this one drops its copies at once.
3. The key goes through stdin alone. No command line, environment, message or repr shows it.
4. Nothing is restarted by a timer: a child that died is replaced when somebody asks next.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, cast

from streamkit.errors import ConfigurationError, ProviderError
from streamkit_local.problems import Platform, library_missing, library_unloadable

CHILD: Final = str(Path(__file__).with_name("child.py"))

# How long a child may take to notice that its life line closed, in seconds. While it loads a model
# it cannot notice, and there is nothing in it that a kill could harm.
CLOSE_GRACE_S: Final = 2.0

_ANSWER_LIMIT: Final = 65_536
_STDERR_LIMIT: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What one server is started with; equal settings share one server.

    The defaults are what was found to work on two busy cores.

    Attributes:
        model_path: The GGUF file.
        model_alias: The name that responses carry instead of the file's path.
        context_size: Tokens of context that all slots share.
        slots: Answers that can be generated at once; a further request waits.
        threads: Threads that compute. More than one is slower for a small model on a busy machine,
            since OpenMP's threads wait for each other.
        batch_size: Tokens of a prompt that are read at a time. A cancelled request frees its slot
            between two batches, so short ones free it soon.
        cache_mib: Memory for prompts seen before, in MiB.
        keep_alive_interval_s: Seconds of silence after which the server sends a comment, so that a
            long prompt does not look like a dead server.
        chat_template: A Jinja chat template in place of the model's own, for instance one that
            knows tools; `None` keeps the model's.
        show_slots: Whether `/slots` answers, for tests that watch a slot being freed.
        start_timeout_s: Seconds that loading the model may take.
    """

    model_path: Path
    model_alias: str
    context_size: int = 4096
    slots: int = 2
    threads: int = 1
    batch_size: int = 64
    cache_mib: int = 64
    keep_alive_interval_s: int = 1
    chat_template: str | None = None
    show_slots: bool = False
    start_timeout_s: float = 60.0

    def parameters(self, api_key: str) -> list[tuple[str, object]]:
        """Lists the server's parameters, by the names that xllamacpp gives them."""
        return [
            ("model.path", str(self.model_path)),
            ("model_alias", [self.model_alias]),
            ("api_keys", [api_key]),
            ("hostnames", ["127.0.0.1"]),
            ("port", 0),
            ("n_ctx", self.context_size),
            ("n_parallel", self.slots),
            ("cpuparams.n_threads", self.threads),
            ("cpuparams_batch.n_threads", self.threads),
            ("n_batch", self.batch_size),
            ("n_ubatch", self.batch_size),
            ("cache_ram_mib", self.cache_mib),
            ("sse_ping_interval", self.keep_alive_interval_s),
            ("chat_template", self.chat_template or ""),
            ("endpoint_slots", self.show_slots),
            ("ui", False),
            # Errors only: they are the tail that a failed start shows.
            ("verbosity", 1),
        ]


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens and what opens it.

    Attributes:
        base_url: The root of its OpenAI-compatible routes, ending in `/v1`.
        api_key: The key it accepts. It is made anew for every start and is not part of the repr.
    """

    base_url: str
    api_key: str = field(repr=False)


class Supervisor:
    """Keeps one server running for whoever asks. Safe to use from any thread.

    A supervisor is remembered until the process ends, so that its server can be ended then. Whoever
    wants to share servers takes theirs from `supervisor_for`.

    Args:
        settings: What the server is started with.
        command: The program to start; it speaks as `child.py` does.
    """

    def __init__(self, settings: ServerSettings, *, command: Sequence[str] | None = None) -> None:
        self._settings = settings
        self._command = tuple(command) if command is not None else None
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._address: ServerAddress | None = None
        _known.append(self)

    @property
    def process_id(self) -> int | None:
        """The child's process id, `None` when there is no child."""
        child = self._child
        return None if child is None else child.process.pid

    def ensure(self) -> ServerAddress:
        """Returns the address of a running server, and starts one if there is none.

        Blocks while the model loads, and while another thread waits for the same. A child found
        dead is replaced, with a new address and a new key.

        Raises:
            ConfigurationError: llama.cpp is missing, does not load, or cannot run here.
            ProviderError: The child died before it listened (`provider`), said something that is no
                address (`protocol`), or said nothing in time (`timeout_connect`).
        """
        with self._lock:
            if self._child is not None and self._address is not None:
                if self._child.process.poll() is None:
                    return self._address
                self._stop()
            command = self._command or _child_command()
            try:
                self._address = self._start(command, library_folder())
            except BaseException:
                # Ctrl-C too: a child that nobody knows of would be left behind.
                self._stop()
                raise
            return self._address

    def close(self) -> None:
        """Ends the child, if there is one; its streams break. The next `ensure` starts another."""
        with self._lock:
            self._stop()

    def _start(self, command: Sequence[str], library: str) -> ServerAddress:
        api_key = secrets.token_urlsafe(32)
        parameters = self._settings.parameters(api_key)
        settings = json.dumps({"library": library, "parameters": parameters})
        with _starting:
            self._child = child = _Child(command)
        timeout_s = self._settings.start_timeout_s
        try:
            line = child.ask(settings.encode("ascii") + b"\n", timeout_s)
        except queue.Empty:
            raise ProviderError(
                "timeout_connect",
                f"The local server did not start within {timeout_s:g} seconds.",
                detail=child.last_words(api_key),
            ) from None
        return ServerAddress(self._base_url(line, child, api_key), api_key)

    def _base_url(self, line: bytes, child: _Child, api_key: str) -> str:
        """Reads the child's answer, or says why there is none."""
        if not line:
            # Its end of the pipe closes a moment before the process is gone.
            child.stop()
            file, status = self._settings.model_path.name, child.process.returncode
            raise ProviderError(
                "provider",
                f"The local server died while it loaded {file} (exit status {status}).",
                detail=child.last_words(api_key),
                # The same file would most likely end the next one too.
                retryable=False,
            )
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        match answer:
            case {"address": str(address)} if address.startswith("http://127.0.0.1:"):
                return f"{address}/v1"
            case {"import_error": str(message)}:
                raise ConfigurationError(library_unloadable(message, Platform.current()))
            case _:
                raise ProviderError(
                    "protocol",
                    "The local server answered with something that is not its address.",
                    detail=child.last_words(api_key),
                )

    def _stop(self) -> None:
        child, self._child, self._address = self._child, None, None
        if child is not None:
            child.stop()

    def _close_at_exit(self) -> None:
        if self._lock.acquire(blocking=False):
            self._stop()
        elif (child := self._child) is not None:
            # A thread is still waiting for the start; the program's end does not wait for it.
            child.process.kill()

    def _forget(self) -> None:
        """Lets go of a parent's child in a process that was forked from it."""
        # The old lock may be held by a thread that does not exist here.
        self._lock = threading.Lock()
        child, self._child, self._address = self._child, None, None
        if child is not None:
            child.disown()


class _Child:
    """One child process and its pipes."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Unbuffered: what is written is sent, and closing never has to send the rest.
            bufsize=0,
            # OpenMP's threads spin while they wait, which starves a busy machine.
            env={"OMP_WAIT_POLICY": "PASSIVE"} | os.environ,
            # The terminal's Ctrl-C and hang-up are for us; the child ends by its life line.
            start_new_session=True,
        )
        pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
        self._stdin, self._stdout, self._stderr = cast("tuple[IO[bytes], ...]", pipes)
        self._tail = bytearray()
        self._reader = threading.Thread(target=self._keep_stderr, daemon=True)
        self._reader.start()
        self._asker: threading.Thread | None = None

    def ask(self, line: bytes, timeout_s: float) -> bytes:
        """Sends one line and returns the line that answers it, empty when the child died.

        Raises:
            queue.Empty: There was no whole line in time.
        """
        answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()

        def talk() -> None:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[self._stdin.write(rest) :]
            except BrokenPipeError:
                # It died; reading tells that as well, after what it may have said before.
                pass
            answers.put(self._stdout.readline(_ANSWER_LIMIT))

        self._asker = threading.Thread(target=talk, daemon=True)
        self._asker.start()
        return answers.get(timeout=timeout_s)

    def stop(self) -> None:
        """Ends the process and frees all that belongs to it. May be called on a dead one."""
        if self._asker is not None and self._asker.is_alive():
            # It has not answered yet: it is loading, and would not see its life line close.
            self.process.kill()
            self._asker.join()
        self._stdin.close()
        try:
            self.process.wait(CLOSE_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self._stdout.close()
        self._stderr.close()

    def disown(self) -> None:
        """Closes this process's copies of the pipes and leaves the child to its real parent."""
        for pipe in (self._stdin, self._stdout, self._stderr):
            pipe.close()
        # Only its parent can wait for it; marked as done, Popen does not try to.
        self.process.returncode = 0

    def last_words(self, secret: str) -> str:
        """Returns the end of what the child wrote to stderr, without the secret."""
        if self.process.poll() is not None:
            # All it wrote is in the pipe; let the thread read it to the end.
            self._reader.join()
        tail = bytes(self._tail)
        if len(tail) == _STDERR_LIMIT:
            # The first line is cut and could begin with half a secret, which no search would find.
            tail = tail.partition(b"\n")[2]
        return tail.decode("utf-8", "replace").replace(secret, "[redacted]").strip()

    def _keep_stderr(self) -> None:
        # Reading all of it matters more than keeping it: a full pipe would block the server.
        while data := self._stderr.read(4096):
            self._tail += data
            del self._tail[:-_STDERR_LIMIT]


def supervisor_for(settings: ServerSettings) -> Supervisor:
    """Returns the one supervisor that this process has for these settings."""
    with _starting:
        supervisor = _shared.get(settings)
        if supervisor is None:
            supervisor = _shared[settings] = Supervisor(settings)
        return supervisor


def library_folder(name: str = "xllamacpp") -> str:
    """Finds the folder to import llama.cpp's binding from, without importing it.

    Raises:
        ConfigurationError: It is not installed; the message says what to do.
    """
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ConfigurationError(library_missing(Platform.current()))
    return str(Path(found.origin).parent.parent)


def _child_command() -> tuple[str, ...]:
    # In a frozen program the executable is the program itself: it would start itself for ever.
    if not sys.executable or getattr(sys, "frozen", False):
        raise ConfigurationError(
            "The local provider starts a Python of its own, and this program has none "
            "(sys.executable). Start a llama.cpp server beside it and use its address instead."
        )
    return (sys.executable, "-I", "-S", CHILD)


# Held in the moment in which a process starts, and while this process forks: a fork in that moment
# would hand a life line to a process that does not know it.
_starting: Final = threading.Lock()
_known: Final[list[Supervisor]] = []
_shared: Final[dict[ServerSettings, Supervisor]] = {}


def _after_fork_in_child() -> None:
    # The thread that forked holds the lock, and it is the one that lives on here.
    _starting.release()
    for supervisor in _known:
        supervisor._forget()


def _close_all() -> None:
    for supervisor in _known:
        supervisor._close_at_exit()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(
        before=_starting.acquire,
        after_in_parent=_starting.release,
        after_in_child=_after_fork_in_child,
    )
