"""`streamkit chat` as a person or a script meets it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamkit.chunks import parse_chunk
from streamkit.cli import main
from tests.loopback import END, chunk, head, serving

ANSWER = b'data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
PLAIN_ECHO = [sys.executable, "-m", "streamkit", "chat", "--plain", "-m", "echo/echo"]
BREAK = b'data: {"error":{"message":"The engine stopped.","type":"server_error"}}\n\n'


def test_the_text_goes_to_standard_output_and_the_rest_beside_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["chat", "Hello there", "--model", "echo/thinker"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "Hello there\n"
    assert "I will say the same." in shown.err
    assert "echo/thinker" in shown.err


def test_json_is_one_chunk_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "Hello there", "-m", "echo/echo", "--json"]) == 0
    chunks = [parse_chunk(line) for line in capsys.readouterr().out.splitlines()]
    assert [each.type for each in chunks] == ["start", "content", "content", "usage", "end"]


def test_the_prompt_is_read_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "prompt").write_text("from a pipe")
    with (tmp_path / "prompt").open() as prompt:
        monkeypatch.setattr(sys, "stdin", prompt)
        assert main(["chat", "-", "-m", "echo/echo"]) == 0
    assert capsys.readouterr().out == "from a pipe\n"


def test_a_cut_answer_says_that_it_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "one two three", "-m", "echo/echo", "--max-tokens", "2"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "one two\n"
    assert "length" in shown.err


def test_a_failed_stream_keeps_its_text_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving([head(), chunk(ANSWER), chunk(BREAK), END]) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert main(["chat", "Hi", "-m", "openai/any"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "Hel\n"
    assert "provider: The engine stopped." in shown.err
    assert "sk-canary" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chat", "Hi", "-m", "opnai/gpt"], "Did you mean `openai`?"),
        (["chat", "Hi", "-m", "gpt"], "provider/model"),
        (["chat", "   ", "-m", "echo/echo"], "empty"),
        (["chat", "Hi", "-m", "openai/gpt"], "OPENAI_API_KEY"),
        (["chat", "Hi", "-m", "echo/echo", "--max-tokens", "0"], "max_tokens"),
    ],
)
def test_wrong_usage_says_what_to_do_and_exits_with_2(
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [sys.executable, "-m", "streamkit", "chat", "Hello", "-m", "echo/echo", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(writing)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors


def test_the_lines_of_json_are_ones_for_every_reader(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "a\u2028b", "-m", "echo/echo", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "".join(json.loads(line).get("content", "") for line in lines) == "a\u2028b"


def run_command(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "streamkit", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_a_terminal_that_cannot_show_a_character_gets_its_escape() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run_command("chat", "h\u00e9llo", "-m", "echo/echo", env=environment)
    assert (done.returncode, done.stdout) == (0, "h\\xe9llo\n")


def test_a_closed_standard_input_is_said_in_words() -> None:
    line = f"{sys.executable} -m streamkit chat - -m echo/echo <&-"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "standard input" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_said_in_words() -> None:
    line = f"{sys.executable} -m streamkit chat Hello -m echo/echo > /dev/full"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "cannot write the answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_model_says_cannot_steer_the_terminal() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PLAIN_ECHO, "a\033]2;owned\007b\tc"],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        assert process.wait(60) == 0
        shown = os.read(ours, 4096)
    os.close(ours)
    assert shown.split() == [b"a]2;ownedb", b"c"]


def test_a_failed_stream_without_text_prints_nothing_but_the_error() -> None:
    service = {"OPENAI_BASE_URL": "http://127.0.0.1:1", "OPENAI_API_KEY": "canary"}
    done = run_command("chat", "Hi", "-m", "openai/any", env={**os.environ, **service})
    assert (done.returncode, done.stdout) == (1, "")
    assert "POST http://127.0.0.1:1/chat/completions" in done.stderr
