"""What `chat` sends: images, schemas, options, standard input."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import CANARY, streamkit
from tests.cli.test_cli_terminal import answer
from tests.loopback import serving

pytestmark = pytest.mark.integration

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8


def sent(*words: str, folder: Path, given: str = "") -> dict[str, Any]:
    """The body of the request that a command line becomes."""
    with serving(answer("Seen.")) as server:
        done = streamkit(
            "chat",
            *words,
            "-m",
            "openai/any",
            folder=folder,
            given=given,
            environment={"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": server.url},
        )
        assert (done.returncode, done.stdout) == (0, "Seen.\n"), done.stderr
        body: dict[str, Any] = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    return body


def test_words_are_joined_and_a_dash_stands_for_standard_input(tmp_path: Path) -> None:
    body = sent("Review", "this:", "-", folder=tmp_path, given="a diff\n")
    assert body["messages"][0]["content"] == "Review this:\n\na diff"


def test_without_a_prompt_a_pipe_is_the_prompt(tmp_path: Path) -> None:
    assert sent(folder=tmp_path, given="all of it\n")["messages"][0]["content"] == "all of it\n"


def test_a_pipe_beside_a_prompt_is_left_to_others(tmp_path: Path) -> None:
    body = sent("Hello", folder=tmp_path, given="the next line of a loop\n")
    assert body["messages"][0]["content"] == "Hello"


def test_images_are_sent_with_the_type_that_their_bytes_say(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(PNG)
    images = ["--image", str(tmp_path / "photo.jpg"), "-i", "https://example.com/cat.gif"]
    parts = sent("What is this?", *images, folder=tmp_path)["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    encoded = base64.b64encode(PNG).decode()
    assert urls == [f"data:image/png;base64,{encoded}", "https://example.com/cat.gif"]


@pytest.mark.parametrize("is_file", [True, False], ids=["file", "written out"])
def test_a_schema_may_be_a_file_or_written_out(is_file: bool, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    given = str(tmp_path / "schema.json") if is_file else json.dumps(schema)
    body = sent("Where?", "--schema", given, folder=tmp_path)
    assert body["response_format"]["json_schema"]["schema"]["properties"] == schema["properties"]


def test_the_usual_model_stands_in_the_config_file(tmp_path: Path) -> None:
    (tmp_path / "config" / "streamkit").mkdir(parents=True)
    (tmp_path / "config" / "streamkit" / "config.toml").write_text(
        '[aliases]\ndefault = "echo/echo"\n'
    )
    assert streamkit("chat", "Hello", folder=tmp_path).stdout == "Hello\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image", "nowhere.png"], "There is no image file nowhere.png"),
        (["--image", __file__], "is no image of a known type"),
        (["--schema", "nowhere.json"], "cannot be read"),
        (["--schema", "{broken"], "is no JSON"),
        (["--schema", __file__], "is no JSON"),
        (["--option", "novalue"], "--option name=value"),
        (["--option", f"api_key={CANARY}"], "never onto a command line"),
        (["--option", "nonsense=1"], "nonsense"),
        (["--base-url", "ftp://x"], "http"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(
    words: list[str], said: str, tmp_path: Path
) -> None:
    done = streamkit(
        "chat", "Hi", "-m", "openai/any", *words,
        folder=tmp_path, environment={"OPENAI_API_KEY": CANARY},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert CANARY not in done.stderr
