"""The supervisor with children that misbehave: small programs in place of the real one."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from streamkit.errors import ConfigurationError, ProviderError
from streamkit_local import supervisor as supervisor_module
from streamkit_local.supervisor import (
    CHILD,
    ServerAddress,
    ServerSettings,
    Supervisor,
    supervisor_for,
)

# Answers as the real child does, notes its process id in a file, and lives as long as stdin.
GOOD = """
Path(sys.argv[1]).open("a").write(f"{os.getpid()}\\n")
print(json.dumps({"address": f"http://127.0.0.1:{os.getpid()}"}), flush=True)
sys.stdin.read()
"""

MakeSupervisor = Callable[..., Supervisor]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeSupervisor]:
    """Makes supervisors whose child runs the given lines after it has read its settings."""
    made: list[Supervisor] = []

    def make_one(lines: str, *, start_timeout_s: float = 30.0) -> Supervisor:
        script = tmp_path / "child.py"
        script.write_text(
            "import json, os, signal, sys, time\n"
            "from pathlib import Path\n"
            f"settings = json.loads(sys.stdin.readline())\n{lines}\n"
        )
        settings = ServerSettings(
            model_path=tmp_path / "tiny.gguf", model_alias="tiny", start_timeout_s=start_timeout_s
        )
        command = [sys.executable, "-I", "-S", str(script), str(tmp_path / "pids")]
        made.append(Supervisor(settings, command=command))
        return made[-1]

    yield make_one
    for supervisor in made:
        supervisor.close()


def pids(tmp_path: Path) -> list[int]:
    return [int(line) for line in (tmp_path / "pids").read_text().split()]


def test_the_child_is_started_by_the_first_who_asks(make: MakeSupervisor, tmp_path: Path) -> None:
    supervisor = make(GOOD)
    assert supervisor.process_id is None
    address = supervisor.ensure()
    assert pids(tmp_path) == [supervisor.process_id]
    assert address.base_url == f"http://127.0.0.1:{supervisor.process_id}/v1"


def test_a_running_child_is_used_again(make: MakeSupervisor, tmp_path: Path) -> None:
    supervisor = make(GOOD)
    assert supervisor.ensure() == supervisor.ensure()
    assert len(pids(tmp_path)) == 1


def test_threads_that_ask_at_once_get_one_child(make: MakeSupervisor, tmp_path: Path) -> None:
    supervisor = make(GOOD)
    start = threading.Barrier(8)
    addresses: list[ServerAddress] = []

    def ask() -> None:
        start.wait()
        addresses.append(supervisor.ensure())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(addresses)) == 1
    assert len(addresses) == 8
    assert len(pids(tmp_path)) == 1


def test_a_child_that_was_killed_is_replaced_with_a_new_key(
    make: MakeSupervisor, tmp_path: Path
) -> None:
    supervisor = make(GOOD)
    first = supervisor.ensure()
    assert supervisor.process_id is not None
    child = psutil.Process(supervisor.process_id)
    child.kill()
    # The kernel delivers a signal when it likes; the end of the process is the event to wait for.
    child.wait(10)
    second = supervisor.ensure()
    assert len(pids(tmp_path)) == 2
    assert second.base_url != first.base_url
    assert second.api_key != first.api_key


def test_a_closed_supervisor_has_no_child_and_starts_one_when_asked_again(
    make: MakeSupervisor, tmp_path: Path
) -> None:
    supervisor = make(GOOD)
    supervisor.ensure()
    supervisor.close()
    supervisor.close()
    assert supervisor.process_id is None
    assert not psutil.pid_exists(pids(tmp_path)[0])
    supervisor.ensure()
    assert len(pids(tmp_path)) == 2


def test_a_child_that_ignores_its_life_line_is_killed(
    make: MakeSupervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "CLOSE_GRACE_S", 0.05)
    supervisor = make(GOOD + "signal.pause()")
    supervisor.ensure()
    supervisor.close()
    assert not psutil.pid_exists(pids(tmp_path)[0])


def test_a_child_that_never_answers_is_ended_at_the_time_limit(make: MakeSupervisor) -> None:
    supervisor = make(
        "sys.stderr.write(f'still loading, pid={os.getpid()}.\\n'); sys.stderr.flush()\n"
        "signal.pause()",
        start_timeout_s=1.0,
    )
    with pytest.raises(ProviderError, match="within 1 seconds") as caught:
        supervisor.ensure()
    assert caught.value.kind == "timeout_connect"
    assert caught.value.detail is not None
    pid = int(caught.value.detail.partition("pid=")[2].rstrip("."))
    assert not psutil.pid_exists(pid)
    assert supervisor.process_id is None


def test_a_child_that_does_not_even_read_is_ended_at_the_time_limit(
    make: MakeSupervisor, tmp_path: Path
) -> None:
    script = tmp_path / "deaf.py"
    script.write_text("import signal\nsignal.pause()\n")
    settings = ServerSettings(
        model_path=tmp_path / "tiny.gguf",
        model_alias="tiny",
        chat_template="more than any pipe holds " * 50_000,
        start_timeout_s=0.2,
    )
    supervisor = Supervisor(settings, command=[sys.executable, "-I", "-S", str(script)])
    with pytest.raises(ProviderError) as caught:
        supervisor.ensure()
    assert caught.value.kind == "timeout_connect"
    assert supervisor.process_id is None


def test_settings_larger_than_a_pipe_arrive_whole(tmp_path: Path) -> None:
    script = tmp_path / "echo_length.py"
    script.write_text(
        "import json, sys\n"
        "template = dict(json.loads(sys.stdin.readline())['parameters'])['chat_template']\n"
        "print(json.dumps({'address': f'http://127.0.0.1:{len(template)}'}), flush=True)\n"
        "sys.stdin.read()\n"
    )
    settings = ServerSettings(
        model_path=tmp_path / "tiny.gguf", model_alias="tiny", chat_template="x" * 1_000_000
    )
    supervisor = Supervisor(settings, command=[sys.executable, "-I", "-S", str(script)])
    assert supervisor.ensure().base_url == "http://127.0.0.1:1000000/v1"
    supervisor.close()


def test_a_child_that_dies_shows_its_last_words(make: MakeSupervisor) -> None:
    supervisor = make("sys.exit('cannot load: the model is of another kind')")
    with pytest.raises(ProviderError, match="exit status 1") as caught:
        supervisor.ensure()
    assert caught.value.kind == "provider"
    assert caught.value.detail == "cannot load: the model is of another kind"
    assert supervisor.process_id is None


def test_only_the_end_of_a_long_complaint_is_kept(make: MakeSupervisor) -> None:
    supervisor = make("sys.exit('first\\n' + 'so much to say\\n' * 100_000 + 'last')")
    with pytest.raises(ProviderError) as caught:
        supervisor.ensure()
    assert caught.value.detail is not None
    assert caught.value.detail.endswith("so much to say\nlast")
    assert len(caught.value.detail) < 10_000


@pytest.mark.parametrize("filling", [0, 8_100, 8_150, 8_180, 8_200])
def test_last_words_never_hold_the_key_nor_half_of_it(make: MakeSupervisor, filling: int) -> None:
    supervisor = make(
        "key = dict(settings['parameters'])['api_keys'][0]\n"
        "Path(sys.argv[1]).write_text(key)\n"
        f"sys.exit(f'listening with {{key}}\\n' + 'x' * {filling})"
    )
    with pytest.raises(ProviderError) as caught:
        supervisor.ensure()
    key = Path(supervisor._command[-1]).read_text() if supervisor._command else ""
    assert len(key) > 40
    assert caught.value.detail is not None
    assert key[-8:] not in caught.value.detail


@pytest.mark.parametrize(
    "line",
    [
        "hello, I am a server",
        '{"address": 80}',
        '{"address": "http://0.0.0.0:80"}',
        '["http://127.0.0.1:80"]',
        "null",
        "\xff",
    ],
)
def test_an_answer_that_is_no_loopback_address_is_a_protocol_error(
    make: MakeSupervisor, line: str
) -> None:
    supervisor = make(
        f"sys.stdout.buffer.write({line!r}.encode('latin-1') + b'\\n'); sys.stdout.flush()\n"
        "sys.stdin.read()"
    )
    with pytest.raises(ProviderError) as caught:
        supervisor.ensure()
    assert caught.value.kind == "protocol"
    assert supervisor.process_id is None


def test_a_missing_system_library_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real child, with a binding that fails as the real one does where libgomp is missing.
    message = "libgomp.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "xllamacpp.py").write_text(f"raise ImportError({message!r})\n")
    monkeypatch.setattr(supervisor_module, "library_folder", lambda: str(tmp_path))
    supervisor = Supervisor(ServerSettings(model_path=tmp_path / "x.gguf", model_alias="x"))
    with pytest.raises(ConfigurationError, match="apt-get install libgomp1"):
        supervisor.ensure()
    assert supervisor.process_id is None


def test_the_child_applies_every_parameter_to_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in for the binding with the same parameters, which writes down what was set.
    (tmp_path / "xllamacpp.py").write_text(
        "import json, types\n"
        "def CommonParams():\n"
        "    plain = dict.fromkeys('api_keys hostnames port n_ctx n_parallel n_batch n_ubatch "
        "cache_ram_mib sse_ping_interval chat_template endpoint_slots ui verbosity'.split())\n"
        "    inner = {name: types.SimpleNamespace(path='', n_threads=0) for name in "
        "('model', 'cpuparams', 'cpuparams_batch')}\n"
        "    return types.SimpleNamespace(**plain, **inner, model_alias=set())\n"
        "class Server:\n"
        "    listening_address = 'http://127.0.0.1:1'\n"
        "    def __init__(self, parameters):\n"
        "        seen = vars(parameters) | {'model_path': parameters.model.path,\n"
        "            'threads': (parameters.cpuparams.n_threads,\n"
        "                        parameters.cpuparams_batch.n_threads)}\n"
        f"        open({str(tmp_path / 'seen')!r}, 'w').write(json.dumps(seen, default=str))\n"
    )
    monkeypatch.setattr(supervisor_module, "library_folder", lambda: str(tmp_path))
    settings = ServerSettings(
        model_path=tmp_path / "x.gguf", model_alias="x", batch_size=32, show_slots=True
    )
    supervisor = Supervisor(settings)
    address = supervisor.ensure()
    supervisor.close()
    seen = json.loads((tmp_path / "seen").read_text())
    expected = {
        "model_path": str(tmp_path / "x.gguf"),
        "model_alias": "{'x'}",
        "api_keys": [address.api_key],
        "hostnames": ["127.0.0.1"],
        "port": 0,
        "threads": [1, 1],
        "n_batch": 32,
        "n_ubatch": 32,
        "endpoint_slots": True,
        "ui": False,
    }
    assert {name: seen[name] for name in expected} == expected


def test_an_interrupted_start_leaves_no_child(
    make: MakeSupervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def interrupted(child: supervisor_module._Child, line: bytes, timeout_s: float) -> bytes:
        started.append(child.process.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(supervisor_module._Child, "ask", interrupted)
    supervisor = make(GOOD)
    with pytest.raises(KeyboardInterrupt):
        supervisor.ensure()
    assert not psutil.pid_exists(started[0])
    assert supervisor.process_id is None


def test_a_program_without_a_python_of_its_own_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    supervisor = Supervisor(ServerSettings(model_path=tmp_path / "x.gguf", model_alias="x"))
    with pytest.raises(ConfigurationError, match="Python of its own"):
        supervisor.ensure()


def test_equal_settings_share_a_supervisor_and_others_do_not(tmp_path: Path) -> None:
    def settings(slots: int) -> ServerSettings:
        return ServerSettings(model_path=tmp_path / "x.gguf", model_alias="x", slots=slots)

    assert supervisor_for(settings(2)) is supervisor_for(settings(2))
    assert supervisor_for(settings(2)) is not supervisor_for(settings(3))


def test_the_repr_of_an_address_does_not_show_the_key() -> None:
    assert "sk-canary" not in repr(ServerAddress("http://127.0.0.1:1/v1", "sk-canary-local"))


def test_the_child_is_a_file_that_can_be_run_by_its_path() -> None:
    assert Path(CHILD).is_file()
