"""Plug-ins as a stranger writes them: from the pages alone, outside of this repository, as wheels.

The files are those that the documentation shows. They are built, installed beside streamkit's own
wheel into an environment where nothing of this folder can be imported, and used from there.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from tests.loopback import END, chunk, head, serving
from tests.strangers import pages
from tests.strangers.environment import Environment, build, checked, make_environment
from tests.strangers.programs import ASK, GIVE_UP, HOUSE, LEFT
from tests.strangers.telegraph import CUT, NOISE, SILENCE, Telegraph, telegraph
from tests.strangers.walk import free_port, walk

TUTORIAL: Final = pages.ROOT / "docs" / "tutorials" / "your-first-provider.md"
HOW_TO: Final = pages.ROOT / "docs" / "how-to" / "write-a-provider.md"
PORT_OF_TUTORIAL: Final = "8765"
PACKAGE: Final = ("pyproject.toml", "streamkit_parrot/__init__.py", "streamkit_parrot/provider.py")
OF_HOW_TO: Final = ("streamkit-lantern", "streamkit-telegraph", "streamkit-house")
WAYS: Final = ("sync", "asyncio", "trio")
#: How soon the other side must see that a stream was given up, in seconds.
CLOSED_S: Final = 5.0

Answer: TypeAlias = list[dict[str, Any]]


@dataclass(frozen=True)
class Strangers:
    """Environments in which a stranger's plug-ins are installed.

    Attributes:
        project: The folder of the tutorial's reader, who has followed it to its end.
        environment: One with the wheels of all plug-ins of the pages.
    """

    project: Path
    environment: Environment


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Strangers:
    make_folder = tmp_path_factory.mktemp
    ours = [build(pages.ROOT / name, make_folder("wheel")) for name in ("", "providers/echo")]
    reader = make_environment(make_folder("reader") / "environment", ours)
    project = make_folder("streamkit-parrot")
    walk(TUTORIAL, project, reader, PORT_OF_TUTORIAL)
    wheels = list((project / "dist").glob("*.whl"))
    for name in OF_HOW_TO:
        folder = pages.write(pages.files(HOW_TO, f"{name}/"), make_folder(name))
        wheels.append(build(folder, make_folder("wheel")))
    fresh = make_environment(make_folder("fresh") / "environment", [*ours, *wheels])
    return Strangers(project, fresh)


@pytest.fixture(scope="module")
def environment(strangers: Strangers) -> Environment:
    return strangers.environment


def ask(
    environment: Environment, ref: str, way: str, *questions: str, **settings: str
) -> list[Answer]:
    """What a model answers to each question, asked in one of the three ways."""
    answers: list[Answer] = environment.ask(ASK, ref, way, json.dumps(settings), *questions)
    return answers


def text_of(answer: Answer) -> str:
    return "".join(each["content"] for each in answer if each["type"] == "content")


def error_of(answer: Answer) -> str:
    """The kind of the error that an answer ended in."""
    kind: str = answer[-1]["error"]["kind"]
    return kind


# The tutorial: a provider over HTTP.


def test_the_package_of_the_tutorial_has_at_most_sixty_lines() -> None:
    files = pages.files(TUTORIAL)
    assert sum(pages.written_lines(files[path]) for path in PACKAGE) <= 60


@pytest.mark.integration
def test_whoever_follows_the_tutorial_sees_what_it_says(strangers: Strangers) -> None:
    # Every block of it was a file or a command, and every command printed what stands below it.
    written = {path for path in pages.files(TUTORIAL) if (strangers.project / path).is_file()}
    assert {*PACKAGE, "parrot_server.py", "greet.py", "tests/test_parrot.py"} == written
    assert not strangers.project.is_relative_to(pages.ROOT)


@pytest.fixture(scope="module", params=WAYS)
def parrot_answers(strangers: Strangers, request: pytest.FixtureRequest) -> list[Answer]:
    """A whole answer and one that is cut, from the wheel and from the tutorial's own server."""
    environment = strangers.environment
    questions = ("Who is a pretty bird?", "Look, a cat! Where?")
    with environment.running(["python", "parrot_server.py"], strangers.project) as server:
        assert server.stdout.readline()
        return ask(environment, "parrot/grey", request.param, *questions, api_key="cracker")


@pytest.mark.integration
def test_the_installed_provider_streams(parrot_answers: list[Answer]) -> None:
    whole, _ = parrot_answers
    assert [each["type"] for each in whole] == ["start", *["content"] * 5, "end"]
    assert text_of(whole) == "Who is a pretty bird?"
    assert whole[-1]["finish_reason"] == "stop"
    assert whole[-1]["raw_finish_reason"] == "all said"


@pytest.mark.integration
def test_an_answer_of_the_installed_provider_that_is_cut_is_an_error(
    parrot_answers: list[Answer],
) -> None:
    _, cut = parrot_answers
    assert text_of(cut) == "Look, a"
    assert error_of(cut) == "truncated"


@pytest.mark.integration
def test_the_installed_plug_ins_are_listed(environment: Environment) -> None:
    listed = json.loads(checked(environment.streamkit("providers", "--json")))
    assert {each["name"]: each["origin"] for each in listed} == {
        "echo": "streamkit-echo 0.1.0",
        "lantern": "streamkit-lantern 0.1.0",
        "parrot": "streamkit-parrot 0.1.0",
        "telegraph": "streamkit-telegraph 0.1.0",
    }
    assert [each["problem"] for each in listed] == [None] * 4


# A provider with its own transport.


@pytest.fixture
def wire() -> Iterator[Telegraph]:
    with telegraph() as service:
        yield service


@pytest.mark.integration
@pytest.mark.parametrize("way", WAYS)
def test_a_provider_with_its_own_transport_streams_and_tells_its_failures(
    environment: Environment, wire: Telegraph, way: str
) -> None:
    questions = ("over and out", CUT, NOISE)
    whole, cut, noise = ask(environment, "telegraph/morse", way, *questions, address=wire.address)
    assert [each["type"] for each in whole] == ["start", *["content"] * 3, "end"]
    assert text_of(whole) == "over and out "
    assert whole[-1]["raw_finish_reason"] == "end of message"
    assert (text_of(cut), error_of(cut)) == ("half", "truncated")
    assert error_of(noise) == "protocol"
    assert wire.questions[0] == {"to": "morse", "text": "over and out"}


@pytest.mark.integration
def test_nobody_at_the_other_end_is_a_failed_connection(environment: Environment) -> None:
    for way in ("sync", "trio"):
        (answer,) = ask(
            environment, "telegraph/morse", way, "hello", address=f"127.0.0.1:{free_port()}"
        )
        assert error_of(answer) == "connection"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("way", "ends"),
    [
        ("sync", ["closed", "stopped"]),
        ("asyncio", ["closed", "cancelled"]),
        ("trio", ["closed", "cancelled"]),
    ],
)
def test_the_other_end_sees_at_once_that_a_stream_is_given_up(
    environment: Environment, wire: Telegraph, way: str, ends: list[str]
) -> None:
    command = [*environment.program(GIVE_UP), way, wire.address, SILENCE]
    with environment.running(command) as program:
        for number, end in enumerate(ends):
            assert program.stdout.readline() == f"{end}\n"
            # The program lives and keeps its stream, so it is not the process's end that is seen.
            assert wire.hung_up[number].wait(CLOSED_S), end
            assert program.poll() is None
            program.stdin.write("\n")
            program.stdin.flush()
        assert program.wait(CLOSED_S) == 0


# A row of data, and a plug-in that is no provider.


def lantern_says(*texts: str) -> list[bytes]:
    """An answer of an OpenAI-compatible server that tells the usage in the first choice."""
    pieces = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]}
    frames = [f"data: {json.dumps(each)}\n\n".encode() for each in [*pieces, last]]
    return [head(), *(chunk(frame) for frame in [*frames, b"data: [DONE]\n\n"]), END]


@pytest.mark.integration
def test_a_row_of_data_is_a_provider(environment: Environment) -> None:
    with serving(lantern_says("Light ", "on")) as server:
        settings = {"base_url": server.url, "api_key": "sk-canary-of-a-row"}
        (answer,) = ask(environment, "lantern/small", "sync", "Light?", **settings)
    assert text_of(answer) == "Light on"
    assert answer[-1]["usage"]["output_tokens"] == 2


@dataclass(frozen=True)
class House:
    """What a program did in an environment with a plug-in of hooks, and what the server saw."""

    did: dict[str, Any]
    headers: str
    body: dict[str, Any]


@pytest.fixture(scope="module")
def house(environment: Environment) -> House:
    keys = environment.folder / ".house-keys"
    keys.mkdir()
    (keys / "lantern").write_text("sk-canary-of-the-house\n")
    with serving(lantern_says("Hello")) as server:
        did = environment.ask(HOUSE, server.url)
        (request,) = server.requests
    headers, _, body = request.partition(b"\r\n\r\n")
    return House(did, headers.decode().lower(), json.loads(body))


@pytest.mark.integration
def test_a_plug_in_gives_short_names(house: House) -> None:
    assert house.did["ref"] == "lantern/small"
    assert house.body["model"] == "small"
    assert house.did["text"] == "Hello"


@pytest.mark.integration
def test_a_plug_in_gives_keys(house: House) -> None:
    assert "authorization: bearer sk-canary-of-the-house" in house.headers.splitlines()


@pytest.mark.integration
def test_a_plug_in_changes_requests(house: House) -> None:
    assert house.body["max_tokens"] == 500


@pytest.mark.integration
def test_a_plug_in_is_told_of_streams(house: House) -> None:
    assert house.did["log"] == ["lantern/small: complete"]


# The last one: it takes the provider away.


@pytest.mark.integration
def test_a_provider_that_is_uninstalled_leaves_everything_else_working(
    environment: Environment, wire: Telegraph
) -> None:
    environment.pip("uninstall", "--quiet", "--yes", "streamkit-parrot")
    names, echoed, wired, said, problems = environment.ask(LEFT, wire.address)
    assert names == ["echo", "lantern", "telegraph"]
    assert echoed == "Still here"
    assert wired == "Here too "
    assert said.startswith("No provider `parrot` is installed.")
    assert problems == []
