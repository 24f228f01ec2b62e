"""`models`, `providers` and `doctor`, as processes against real servers on loopback."""

import json
from pathlib import Path

import pytest

from tests.cli.commands import CANARY, install, streamkit
from tests.loopback import END, Action, chunk, head, serving

pytestmark = pytest.mark.integration


def listed(*names: str) -> list[Action]:
    body = json.dumps({"object": "list", "data": [{"id": each} for each in names]}).encode()
    return [head(200, "application/json"), chunk(body), END]


def failing(status: int, message: str) -> list[Action]:
    body = json.dumps({"error": {"message": message, "type": "some_error"}}).encode()
    return [head(status, "application/json"), chunk(body), END]


def openai_at(url: str) -> dict[str, str]:
    return {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": url}


def test_models_are_one_reference_a_line_in_a_pipe(tmp_path: Path) -> None:
    with serving(listed("gpt-b", "gpt-a")) as server:
        done = streamkit("models", "openai", folder=tmp_path, environment=openai_at(server.url))
    assert (done.returncode, done.stdout) == (0, "openai/gpt-a\nopenai/gpt-b\n")


def test_a_list_is_asked_for_once_and_again_only_when_told_to(tmp_path: Path) -> None:
    with serving(listed("gpt-a"), listed("gpt-b")) as server:
        environment = openai_at(server.url)
        for words, expected in [((), "gpt-a"), ((), "gpt-a"), (("--refresh",), "gpt-b")]:
            done = streamkit("models", "openai", *words, folder=tmp_path, environment=environment)
            assert done.stdout == f"openai/{expected}\n"
        assert len(server.requests) == 2


def test_without_a_connection_the_kept_list_is_shown_with_its_age(tmp_path: Path) -> None:
    with serving(listed("gpt-a")) as server:
        environment = openai_at(server.url)
        streamkit("models", "openai", folder=tmp_path, environment=environment)
    done = streamkit("models", "openai", "--refresh", folder=tmp_path, environment=environment)
    assert done.stdout == "openai/gpt-a\n"
    assert "connection: " in done.stderr
    assert "as of a moment ago" in done.stderr


def test_what_is_kept_holds_no_secret(tmp_path: Path) -> None:
    body = json.dumps({"models": [{"name": "llama3"}]}).encode()
    with serving([head(200, "application/json"), chunk(body), END]) as server:
        address = server.url.replace("http://", "http://user:canary-password@")
        done = streamkit("models", "ollama", folder=tmp_path, environment={"OLLAMA_HOST": address})
        assert done.stdout == "ollama/llama3\n", done.stderr
    with serving(listed("gpt-a")) as server:
        streamkit("models", "openai", folder=tmp_path, environment=openai_at(server.url))
    files = list((tmp_path / "cache").rglob("*.json"))
    assert len(files) == 2
    kept = "".join(f"{path}{path.read_text()}" for path in files)
    assert CANARY not in kept
    assert "canary-password" not in kept


def test_one_service_that_fails_leaves_the_others(tmp_path: Path) -> None:
    with serving(listed("gpt-a")) as server:
        environment = {**openai_at(server.url), "OLLAMA_HOST": "http://127.0.0.1:1"}
        done = streamkit("models", "ollama", "openai", folder=tmp_path, environment=environment)
    assert done.stdout == "openai/gpt-a\n"
    assert "ollama: connection: " in done.stderr
    assert done.returncode == 1


def test_an_unknown_model_comes_with_the_nearest_that_are_known(tmp_path: Path) -> None:
    with serving(listed("gpt-large", "gpt-small"), failing(404, "No such model.")) as server:
        environment = openai_at(server.url)
        streamkit("models", "openai", folder=tmp_path, environment=environment)
        done = streamkit(
            "chat", "Hi", "-m", "openai/gpt-lrge", folder=tmp_path, environment=environment
        )
    assert done.returncode == 1
    assert "not_found: " in done.stderr
    assert "Nearest: openai/gpt-large" in done.stderr


def test_providers_tells_where_each_is_from_and_never_the_key(tmp_path: Path) -> None:
    environment = {"OPENAI_API_KEY": CANARY}
    done = streamkit("providers", folder=tmp_path, environment=environment)
    assert done.returncode == 0
    assert "key from the environment variable OPENAI_API_KEY" in done.stdout
    assert "no key: set MOONSHOT_API_KEY" in done.stdout
    assert "streamkit-echo" in done.stdout
    assert CANARY not in done.stdout + done.stderr


BROKEN = "raise RuntimeError('it does not even import')"
WRONG_VERSION = """
from streamkit.plugin import ProviderSpec, hookimpl

@hookimpl
def streamkit_providers():
    return [ProviderSpec(name="future", api_version=99, factory="x:Y")]
"""
COMMANDS = """
from streamkit.plugin import Command, hookimpl

@hookimpl
def streamkit_commands():
    return [
        Command(name="greet", help="greets", run="plugin_tools:greet"),
        Command(name="fall", help="falls", run="plugin_tools:fall"),
        Command(name="gone", help="is gone", run="no_such_module:run"),
    ]

def greet(words):
    print("hello", *words)
    return 7

def fall(words):
    raise RuntimeError("it fell")
"""


def test_doctor_names_what_is_broken_and_what_mends_it(tmp_path: Path) -> None:
    install(tmp_path, "sick", BROKEN)
    install(tmp_path, "future", WRONG_VERSION)
    done = streamkit("doctor", folder=tmp_path)
    assert done.returncode == 1
    assert "it does not even import" in done.stdout
    assert "streamkit-sick 1.2" in done.stdout
    assert "version 99" in done.stdout
    assert "pip install --upgrade streamkit-llm" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "Traceback" in streamkit("doctor", "sick", "-v", folder=tmp_path).stdout
    assert streamkit("chat", "Hi", "-m", "echo/echo", folder=tmp_path).stdout == "Hi\n"


def test_doctor_is_content_with_what_works(tmp_path: Path) -> None:
    done = streamkit("doctor", "echo", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["healthy"] is True
    assert "Plug-ins" in [each["title"] for each in report["sections"]]


def test_doctor_tells_where_settings_come_from_and_never_what_they_are(tmp_path: Path) -> None:
    with serving(listed("gpt-a", "gpt-b")) as server:
        done = streamkit("doctor", "openai", folder=tmp_path, environment=openai_at(server.url))
    assert done.returncode == 0, done.stdout
    assert "api_key from the environment variable OPENAI_API_KEY" in done.stdout
    assert "lists 2 models" in done.stdout
    assert CANARY not in done.stdout + done.stderr


def test_doctor_says_in_words_why_a_service_does_not_answer(tmp_path: Path) -> None:
    with serving(failing(401, f"Wrong key {CANARY}.")) as server:
        done = streamkit("doctor", "openai", folder=tmp_path, environment=openai_at(server.url))
    assert done.returncode == 1
    assert "authentication: " in done.stdout
    assert "set the right key" in done.stdout
    assert CANARY not in done.stdout + done.stderr


def test_doctor_probes_with_a_real_answer(tmp_path: Path) -> None:
    done = streamkit("doctor", "echo", "--probe", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "echo/echo: first content after" in done.stdout


def test_a_broken_config_file_is_told_by_doctor(tmp_path: Path) -> None:
    (tmp_path / "config" / "streamkit").mkdir(parents=True)
    (tmp_path / "config" / "streamkit" / "config.toml").write_text("= no toml")
    done = streamkit("doctor", folder=tmp_path)
    assert done.returncode == 1
    assert "no valid TOML" in done.stdout


def test_plug_ins_add_commands_and_one_that_fails_harms_no_other(tmp_path: Path) -> None:
    install(tmp_path, "tools", COMMANDS, group="streamkit.plugins")
    install(tmp_path, "sick", BROKEN, group="streamkit.plugins")
    assert "greet" in streamkit("--help", folder=tmp_path).stdout
    greeted = streamkit("greet", "--loud", "you", folder=tmp_path)
    assert (greeted.returncode, greeted.stdout) == (7, "hello --loud you\n")
    fell = streamkit("fall", folder=tmp_path)
    assert fell.returncode == 1
    assert "RuntimeError: it fell" in fell.stderr
    gone = streamkit("gone", folder=tmp_path)
    assert gone.returncode == 2
    assert "cannot be loaded" in gone.stderr


def test_an_unknown_command_names_the_nearest(tmp_path: Path) -> None:
    done = streamkit("modelz", folder=tmp_path)
    assert done.returncode == 2
    assert "Did you mean `models`?" in done.stderr
