"""The real server: llama.cpp with the real model, in the real child process."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from streamkit.errors import ProviderError
from streamkit_local.model_file import SMOLLM2, find_model
from streamkit_local.supervisor import (
    CHILD,
    ServerAddress,
    ServerSettings,
    Supervisor,
    library_folder,
)

pytestmark = pytest.mark.integration

CHAT = {
    "model": SMOLLM2.model,
    "temperature": 0.2,
    "max_tokens": 8,
    "messages": [{"role": "user", "content": "Name three fruits."}],
}
ENDLESS = CHAT | {"stream": True, "max_tokens": -1, "ignore_eos": True}


def settings(**changes: object) -> ServerSettings:
    values = {"model_path": find_model(), "model_alias": SMOLLM2.model, "show_slots": True}
    return ServerSettings(**(values | changes))  # type: ignore[arg-type]  # checked by the tests


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(settings())
    yield supervisor
    supervisor.close()


def client(address: ServerAddress, api_key: str | None = None) -> httpx.Client:
    return httpx.Client(
        base_url=address.base_url.removesuffix("/v1"),
        headers={"Authorization": f"Bearer {api_key or address.api_key}", "Connection": "close"},
        timeout=60,
        trust_env=False,
    )


def end_of(process: psutil.Process, within_s: float = 20) -> bool:
    """Whether a process, which need not be our child, ends in time."""
    if sys.platform == "linux":
        # The kernel tells when a program has ended, even if nobody collects what is left of it.
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return True
        ended, _, _ = select.select([descriptor], [], [], within_s)
        os.close(descriptor)
        return bool(ended)
    try:
        process.wait(within_s)
    except psutil.TimeoutExpired:
        return False
    return True


def test_the_server_is_ready_when_ensure_returns(supervisor: Supervisor) -> None:
    with client(supervisor.ensure()) as http:
        assert http.get("/health").json() == {"status": "ok"}


def test_the_server_answers_in_one_piece(supervisor: Supervisor) -> None:
    with client(supervisor.ensure()) as http:
        answer = http.post("/v1/chat/completions", json=CHAT).json()
    assert answer["choices"][0]["message"]["content"]
    assert answer["model"] == SMOLLM2.model
    assert str(find_model()) not in json.dumps(answer)


def test_a_wrong_key_opens_nothing(supervisor: Supervisor) -> None:
    with client(supervisor.ensure(), "sk-canary-wrong") as http:
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 401
        assert http.get("/v1/models").status_code == 401
        assert http.get("/slots").status_code == 401


def test_the_slots_are_shown_only_when_asked_for() -> None:
    supervisor = Supervisor(settings(show_slots=False))
    with client(supervisor.ensure()) as http:
        assert http.get("/slots").status_code != 200
        assert http.get("/").status_code == 404
    supervisor.close()


def test_two_answers_can_be_generated_at_once(supervisor: Supervisor) -> None:
    with (
        client(supervisor.ensure()) as http,
        http.stream("POST", "/v1/chat/completions", json=ENDLESS) as first,
        http.stream("POST", "/v1/chat/completions", json=ENDLESS) as second,
    ):
        # Kept: an iterator that is dropped closes its answer.
        answers = [first.iter_raw(), second.iter_raw()]
        for reads in answers:
            # Comments may come before: while the prompt is read, and while it waits for a slot.
            assert any(b'"content":"' in read for read in reads)
        slots = http.get("/slots").json()
    assert [slot["is_processing"] for slot in slots] == [True, True]


@pytest.mark.parametrize(
    ("content", "within_s"),
    [("Write a long story.", 2.0), ("alpha beta gamma " * 550, 5.0)],
    ids=["in the answer", "while the prompt is read"],
)
def test_a_client_that_leaves_frees_its_slot(content: str, within_s: float) -> None:
    # With one slot, the next request is answered when the slot is free. Watching `/slots` instead
    # would hinder what it watches: each answer puts off the server's look at its connections.
    supervisor = Supervisor(settings(slots=1, context_size=2048))
    body = ENDLESS | {"messages": [{"role": "user", "content": content}]}
    with client(supervisor.ensure()) as http:
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.status_code == 200
            next(answer.iter_raw())
        left = time.monotonic()
        answer = http.post("/v1/chat/completions", json=CHAT | {"max_tokens": 1})
        assert time.monotonic() - left < within_s
    assert answer.status_code == 200
    supervisor.close()


def test_neither_command_line_nor_environment_nor_ps_shows_the_key(supervisor: Supervisor) -> None:
    api_key = supervisor.ensure().api_key
    process = psutil.Process(supervisor.process_id)
    listing = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
    assert str(process.pid) in listing
    assert api_key not in listing
    assert api_key not in " ".join([*process.cmdline(), *process.environ().values()])


def test_the_server_listens_on_loopback_only(supervisor: Supervisor) -> None:
    supervisor.ensure()
    connections = psutil.Process(supervisor.process_id).net_connections("inet")
    listening = [each.laddr for each in connections if each.status == psutil.CONN_LISTEN]
    assert [address.ip for address in listening] == ["127.0.0.1"]


def test_the_terminals_ctrl_c_does_not_reach_the_server(supervisor: Supervisor) -> None:
    address = supervisor.ensure()
    assert supervisor.process_id is not None
    assert os.getpgid(supervisor.process_id) != os.getpgid(0)
    os.kill(supervisor.process_id, signal.SIGINT)
    with client(address) as http:
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
    assert supervisor.ensure() == address


def test_a_killed_server_is_replaced_by_one_that_answers() -> None:
    supervisor = Supervisor(settings())
    first = supervisor.ensure()
    process = psutil.Process(supervisor.process_id)
    process.kill()
    assert end_of(process)
    second = supervisor.ensure()
    assert second != first
    with client(second) as http:
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
    supervisor.close()


def test_a_file_that_is_no_model_is_said_with_the_servers_own_words(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF\x03\x00\x00\x00, and nothing more")
    with pytest.raises(ProviderError, match=r"died while it loaded broken\.gguf") as caught:
        Supervisor(settings(model_path=file)).ensure()
    assert caught.value.kind == "provider"
    assert "failed to load model" in (caught.value.detail or "")


@contextmanager
def bare_child() -> Iterator[tuple["subprocess.Popen[bytes]", ServerAddress]]:
    """The child as it is, without a supervisor around it."""
    values = {"library": library_folder(), "parameters": settings().parameters("sk-canary-bare")}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(values).encode() + b"\n")
        process.stdin.flush()
        address = json.loads(process.stdout.readline())["address"]
        yield process, ServerAddress(f"{address}/v1", "sk-canary-bare")
    finally:
        process.kill()
        with process:  # closes the pipes and collects it
            pass


def test_the_child_exits_when_stdin_closes() -> None:
    with bare_child() as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 0


def test_the_child_exits_in_the_middle_of_an_answer() -> None:
    with (
        bare_child() as (process, address),
        client(address) as http,
        http.stream("POST", "/v1/chat/completions", json=ENDLESS) as answer,
    ):
        reads = answer.iter_raw()
        next(reads)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 0
        with pytest.raises(httpx.RemoteProtocolError):
            list(reads)


# A program that uses a server: it says the server's process id, waits to be told, and ends.
PARENT = """
import os, sys, threading
from streamkit_local.model_file import SMOLLM2, find_model
from streamkit_local.supervisor import ServerSettings, Supervisor, supervisor_for

settings = ServerSettings(model_path=find_model(), model_alias=SMOLLM2.model)
supervisor = supervisor_for(settings)

def say(*words):
    # One write, so that lines of two processes do not mix.
    os.write(1, " ".join(map(str, words)).encode() + b"\\n")
"""


@contextmanager
def parent(lines: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT + lines],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        with process:  # closes the pipes and collects it
            pass


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, process.communicate()[1]
    return line


@pytest.mark.parametrize(
    ("last_line", "exit_status"),
    [
        ("pass", 0),
        ("raise RuntimeError('on purpose')", 1),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.kill(os.getpid(), 15)", -15),
        ("os.abort()", -6),
    ],
)
def test_the_server_is_gone_however_its_parent_ends(last_line: str, exit_status: int) -> None:
    lines = f"supervisor.ensure()\nsay(supervisor.process_id)\nsys.stdin.readline()\n{last_line}\n"
    with parent(lines) as process:
        server = psutil.Process(int(read_line(process)))
        assert server.is_running()
        process.communicate("end\n", timeout=30)
        assert process.returncode == exit_status
        assert end_of(server)


def test_the_server_is_gone_after_its_parent_was_killed_from_outside_amid_an_answer() -> None:
    lines = "a = supervisor.ensure()\nsay(supervisor.process_id, a.base_url, a.api_key)\ninput()\n"
    with parent(lines) as process:
        pid, base_url, api_key = read_line(process).split()
        server = psutil.Process(int(pid))
        with (
            client(ServerAddress(base_url, api_key)) as http,
            http.stream("POST", "/v1/chat/completions", json=ENDLESS) as answer,
        ):
            reads = answer.iter_raw()
            next(reads)
            process.kill()
            assert end_of(server)


def test_a_program_that_ends_while_the_server_starts_does_not_wait_for_it() -> None:
    # This child never answers, and the limit of the start is a minute. The thread is a daemon, as a
    # worker that nobody waits for would be.
    lines = (
        "command = [sys.executable, '-c', 'import signal; signal.pause()']\n"
        "supervisor = Supervisor(settings, command=command)\n"
        "thread = threading.Thread(target=supervisor.ensure, daemon=True)\n"
        "thread.start()\n"
        "while supervisor.process_id is None and thread.is_alive(): pass\n"
        "say(supervisor.process_id)\nsys.stdin.readline()\n"
    )
    with parent(lines) as process:
        server = psutil.Process(int(read_line(process)))
        process.communicate("end\n", timeout=30)
        assert process.returncode == 0
        assert end_of(server)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_forked_process_has_a_server_of_its_own_and_leaves_its_parents_alone() -> None:
    lines = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads: the very subject
first = supervisor.ensure()
parents = supervisor.process_id
forked = os.fork()
if forked == 0:
    seen = supervisor.process_id
    own = supervisor.ensure()
    say("forked", seen, supervisor.process_id != parents, own != first)
    supervisor.close()
    sys.exit()
os.waitpid(forked, 0)
say("parent", supervisor.process_id == parents, supervisor.ensure() == first)
"""
    with parent(lines) as process:
        assert read_line(process) == "forked None True True"
        assert read_line(process) == "parent True True"
        process.communicate(timeout=30)
        assert process.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_forked_process_that_lives_on_does_not_keep_the_server_alive() -> None:
    lines = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
supervisor.ensure()
if os.fork() == 0:
    say("forked", os.getpid())
    sys.stdin.readline()
    os._exit(0)
say("server", supervisor.process_id)
threading.Event().wait()
"""
    with parent(lines) as process:
        ids = dict(read_line(process).split() for _ in range(2))
        server, forked = psutil.Process(int(ids["server"])), psutil.Process(int(ids["forked"]))
        process.kill()
        assert end_of(server)
        assert forked.is_running()
        assert process.stdin is not None
        process.stdin.close()
        assert end_of(forked)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_fork_while_the_server_starts_blocks_nobody() -> None:
    lines = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
thread = threading.Thread(target=supervisor.ensure)
thread.start()
while supervisor.process_id is None and thread.is_alive(): pass
forked = os.fork()
if forked == 0:
    # The lock was held by a thread that does not exist here; a fork of a fork works as well.
    if os.fork() == 0:
        say("grandchild", supervisor.process_id)
        supervisor.close()
        os._exit(0)
    os.wait()
    say("forked", supervisor.process_id)
    supervisor.close()
    os._exit(0)
os.waitpid(forked, 0)
thread.join()
say("parent", supervisor.process_id is not None)
"""
    with parent(lines) as process:
        assert read_line(process) == "grandchild None"
        assert read_line(process) == "forked None"
        assert read_line(process) == "parent True"
        process.communicate(timeout=30)
        assert process.returncode == 0
