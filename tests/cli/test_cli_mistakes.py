"""What the command line answers to those who hold it wrong."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamkit.chunks import ErrorInfo
from streamkit.cli.failures import explain
from tests.cli.commands import CANARY, streamkit
from tests.cli.terminal import Program, quiet_environment
from tests.cli.test_cli_doctor import configure, house
from tests.cli.test_cli_services import listed
from tests.cli.test_cli_terminal import event
from tests.loopback import Hold, head, serving

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chat", "Hi", "-m", ""], "Write the model as provider/model"),
        (["chat", "Hi", "-m", "echo"], "such as echo/echo"),
        (
            ["chat", "Hi", "-m", "openai/x"],
            "Put the key into the config file or set OPENAI_API_KEY",
        ),
        (["chat", "Hi", "--api-key", CANARY], "Keys go into the environment or the config file"),
        (["chat", "Hi", f"--api-key={CANARY}"], "Keys go into the environment or the config file"),
        (["chat", "-", "-"], "write it once"),
        (["chat", "Hi", "-i", "/"], "/ is a folder"),
        (["chat", "Hi", "--schema", "[]"], "--schema must be a JSON object"),
        (["chat", "Hi", "--schema", "3"], "--schema must be a JSON object"),
        (["chat", "Hi", "--schema", "[1"], "--schema is no JSON"),
        (["chat", "Hi", "--nonsense"], "usage: streamkit chat"),
        (["providers", "ecco"], "Did you mean `echo`?"),
    ],
)
def test_what_is_held_wrong_is_told_how_it_is_held_right(
    words: list[str], said: str, tmp_path: Path
) -> None:
    done = streamkit(*words, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert CANARY not in done.stderr


def test_a_failure_names_the_options_of_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    message = "For another model, pass model_path=…, or pass base_url=… for a server."
    explain(ErrorInfo(kind="provider", message=message, retryable=False), "local/llama")
    said = capsys.readouterr().err
    assert "pass -o model_path=…, or pass --base-url for a server" in said


def test_providers_shows_the_ones_that_are_named(tmp_path: Path) -> None:
    done = streamkit("providers", "echo", "--json", folder=tmp_path)
    assert [each["name"] for each in json.loads(done.stdout)] == ["echo"]


def test_a_list_says_of_a_single_model_whether_it_is_there(tmp_path: Path) -> None:
    with serving(listed("ok"), listed("ok"), listed("ok")) as server:
        configure(tmp_path, house(server.url) + '[aliases]\nquick = "house/ok"\n')
        done = streamkit("models", "house/okk", folder=tmp_path)
        assert done.returncode == 1
        assert "not_found: `house` lists no model `okk`." in done.stderr
        assert "Nearest: house/ok" in done.stderr
        done = streamkit("models", "quick", folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, "house/ok\n")


def test_no_list_is_recommended_where_there_is_none(tmp_path: Path) -> None:
    done = streamkit("models", "echo/zzz", folder=tmp_path)
    assert done.returncode == 1
    assert "streamkit models" not in done.stderr


def test_a_closed_standard_output_is_a_failure() -> None:
    line = f"{sys.executable} -m streamkit chat Hello -m echo/echo >&-"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "standard output is closed" in done.stderr


def test_ctrl_c_in_a_pipe_says_stopped_although_its_reader_is_gone(tmp_path: Path) -> None:
    with serving([head(), event("The beginning"), Hold()]) as server:
        configure(tmp_path, house(server.url))
        with subprocess.Popen(
            [sys.executable, "-m", "streamkit", "chat", "go", "-m", "house/hang"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=quiet_environment(tmp_path),
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.read(13) == b"The beginning"
            process.stdout.close()
            process.send_signal(signal.SIGINT)
            said = process.stderr.read().decode()
            assert process.wait(60) == 130, said
    assert "stopped" in said
    assert "Exception ignored" not in said


def test_a_long_error_is_folded_between_words_and_what_is_to_be_copied_stays_whole(
    tmp_path: Path,
) -> None:
    with Program("chat", "Hi", "-m", "nowhere/x", folder=tmp_path) as program:
        assert program.finish() == 2
    lines = program.shown.splitlines()
    assert len(lines) > 2
    assert max(map(len, lines[:2])) <= 80
    piped = streamkit("chat", "Hi", "-m", "nowhere/x", folder=tmp_path)
    assert " ".join(program.shown.split()) == " ".join(piped.stderr.split())
    assert piped.stderr.count("\n") == 1


def test_a_word_with_a_slash_that_stands_alone_takes_nothing(tmp_path: Path) -> None:
    with Program("chat", "-m", "echo/echo", folder=tmp_path) as program:
        for typed, told in [
            ("/clear now", "/clear stands alone"),
            ("/exit please", "/exit stands alone"),
            ("/model local/nope", "-o model_path=…"),
            ("/model local", "local/smollm2-135m-instruct"),
            ("/model", "The model is echo/echo"),
        ]:
            program.expect_prompt()
            program.send(f"{typed}\r")
            program.expect(told)


def test_ctrl_d_ends_the_line_of_a_plain_prompt(tmp_path: Path) -> None:
    with Program(
        "chat", "-m", "echo/echo", folder=tmp_path, blocked=("prompt_toolkit",)
    ) as program:
        program.expect("> ")
        program.send("\x04")
        assert program.finish() == 0
    assert program.shown.endswith("> \r\n")


def test_who_waits_for_a_terminal_says_so(tmp_path: Path) -> None:
    with Program("chat", "--json", "-m", "echo/echo", folder=tmp_path) as program:
        program.expect("Ctrl-D on a line of its own ends it")
        program.send("Hello\n\x04")
        program.expect('"type":"end"')
        assert program.finish() == 0
