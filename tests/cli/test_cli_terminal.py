"""`streamkit chat` on a real pseudo-terminal: typing, Ctrl-C, Markdown, and without the extra."""

import json
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Program
from tests.loopback import END, Action, Hold, LoopbackServer, chunk, head, serving

pytestmark = pytest.mark.integration

WITHOUT_EXTRA = ("rich", "prompt_toolkit", "argcomplete")


def event(text: str) -> bytes:
    delta = {"index": 0, "delta": {"content": text}}
    return chunk(f"data: {json.dumps({'id': 'x', 'model': 'm', 'choices': [delta]})}\n\n".encode())


DONE = [
    chunk(b'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'),
    chunk(b"data: [DONE]\n\n"),
    END,
]


def answer(text: str) -> list[Action]:
    return [head(), event(text), *DONE]


@contextmanager
def talking(
    folder: Path, *words: str, server: LoopbackServer | None = None, **options: Any
) -> Iterator[Program]:
    environment = {"OPENAI_API_KEY": "sk-canary-0123456789abcdef"}
    if server is not None:
        environment["OPENAI_BASE_URL"] = server.url
    with Program("chat", *words, folder=folder, environment=environment, **options) as program:
        yield program


def messages(request: bytes) -> list[tuple[str, str]]:
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    return [(each["role"], each["content"]) for each in body["messages"]]


def test_markdown_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    with talking(tmp_path, "# Title\n\nsome **bold** words", "-m", "echo/echo") as program:
        assert program.finish() == 0
    assert "**" not in program.shown
    assert "\033[1mbold\033[0m" in program.shown


def test_ctrl_c_stops_an_answer_keeps_its_text_and_exits_with_130(tmp_path: Path) -> None:
    with serving([head(), event("The beginning"), Hold()]) as server:
        with talking(tmp_path, "Go on", "-m", "openai/any", server=server) as program:
            program.expect("The beginning")
            program.send("\x03")
            assert program.finish() == 130
        assert server.connections[0].gone.wait(10)
    assert "stopped" in program.shown
    assert "Traceback" not in program.shown


def test_ctrl_c_while_nothing_has_come_stops_the_wait(tmp_path: Path) -> None:
    with (
        serving([Hold()]) as server,
        talking(tmp_path, "Hi", "-m", "openai/any", server=server) as p,
    ):
        p.expect("waiting for the first words")
        p.send("\x03")
        assert p.finish() == 130


def test_a_conversation_remembers_what_was_said_and_a_stopped_answer_too(tmp_path: Path) -> None:
    scripts: list[list[Action]] = [
        answer("Four."),
        [head(), event("Half a"), Hold()],
        answer("Bye."),
    ]
    with (
        serving(*scripts) as server,
        talking(tmp_path, "-m", "openai/any", "-s", "Be brief.", server=server) as program,
    ):
        program.expect_prompt()
        program.send("2+2?\r")
        program.expect("Four.")
        program.expect_prompt()
        program.send("Go on\r")
        program.expect("Half a")
        program.send("\x03")
        program.expect("stopped")
        program.expect_prompt()
        program.send("End\r")
        program.expect("Bye.")
        program.expect_prompt()
        program.send("\x04")
        assert program.finish() == 0
        last = server.requests[-1]
    assert messages(last) == [
        ("system", "Be brief."),
        ("user", "2+2?"),
        ("assistant", "Four."),
        ("user", "Go on"),
        ("assistant", "Half a"),
        ("user", "End"),
    ]


@pytest.mark.parametrize(
    "typed",
    ["one\\\rtwo\r", "one\033\rtwo\r", "\033[200~one\ntwo\033[201~\r"],
    ids=["backslash", "alt-enter", "paste"],
)
def test_a_message_may_have_several_lines(typed: str, tmp_path: Path) -> None:
    with (
        serving(answer("Seen.")) as server,
        talking(tmp_path, "-m", "openai/any", server=server) as program,
    ):
        program.expect_prompt()
        program.send(typed)
        program.expect("Seen.")
        assert messages(server.requests[-1]) == [("user", "one\ntwo")]


def test_the_words_with_a_slash_do_what_they_say(tmp_path: Path) -> None:
    with talking(tmp_path, "-m", "echo/echo") as program:
        for typed, told in [
            ("/help", "Ctrl-C stops an answer"),
            ("/model echo/thinker", "The model is echo/thinker"),
            ("/model ecco/x", "Did you mean `echo`?"),
            ("/model", "The model is echo/thinker"),
            ("/system Be brief.", "System message: Be brief."),
            ("/system -", "no system message"),
            ("/image nowhere.png", "There is no image file"),
            ("/nothing", "There is no command /nothing"),
            ("/etc/hosts is a file", "/etc/hosts is a file"),
            ("/clear", "begins anew"),
        ]:
            program.expect_prompt()
            program.send(f"{typed}\r")
            program.expect(told)
        program.expect_prompt()
        program.send("/exit\r")
        assert program.finish() == 0


def test_what_was_typed_is_kept_where_its_owner_alone_can_read_it(tmp_path: Path) -> None:
    with talking(tmp_path, "-m", "echo/echo") as program:
        program.expect_prompt()
        program.send("remember me\r")
        program.expect("token")
        program.expect_prompt()
        program.send("\x04")
        program.finish()
    kept = tmp_path / "cache" / "streamkit" / "chat-history"
    assert "remember me" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_nothing_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    with talking(tmp_path, "-m", "echo/echo", "--no-history") as program:
        program.expect_prompt()
        program.send("forget me\r")
        program.expect("token")
        program.expect_prompt()
        program.send("\x04")
        program.finish()
    assert not (tmp_path / "cache").exists()


def test_a_failed_answer_is_told_and_the_conversation_goes_on(tmp_path: Path) -> None:
    refusal = b'{"error":{"message":"Too fast.","type":"rate_limit"}}'
    scripts: list[list[Action]] = [
        [head(429, "application/json"), chunk(refusal), END],
        answer("Now."),
    ]
    with (
        serving(*scripts) as server,
        talking(tmp_path, "-m", "openai/any", server=server) as program,
    ):
        program.expect_prompt()
        program.send("first\r")
        program.expect("rate_limit: ")
        program.expect_prompt()
        program.send("second\r")
        program.expect("Now.")
        assert messages(server.requests[-1]) == [("user", "second")]
    assert "sk-canary" not in program.shown


def test_without_the_extra_everything_works_plainly_and_its_name_is_told(tmp_path: Path) -> None:
    with talking(tmp_path, "-m", "echo/echo", blocked=WITHOUT_EXTRA) as program:
        program.expect('pip install "streamkit-llm[cli]"')
        program.expect("> ")
        program.send("one\\\n")
        program.expect("· ")
        program.send("**two**\n")
        program.expect("one\r\n**two**")
        program.expect("tokens")
        program.send("\x04")
        assert program.finish() == 0
    assert "Traceback" not in program.shown


def test_an_answer_is_shown_as_it_comes(tmp_path: Path) -> None:
    more = threading.Event()
    script: list[Action] = [head(), event("first"), Hold(more), event(" second"), *DONE]
    with (
        serving(script) as server,
        talking(tmp_path, "Hi", "-m", "openai/any", server=server) as program,
    ):
        program.expect("first")
        more.set()
        program.expect("first second")
        assert program.finish() == 0
