"""Goes through a page as its reader does: writes its files, types its commands, compares."""

import re
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.markdown_examples import console_commands, matches
from tests.strangers.environment import Environment
from tests.strangers.pages import blocks, write

_EXPORT = re.compile(r"export (\w+)=(\S+)$")


def walk(page: Path, folder: Path, environment: Environment, port_of_page: str) -> None:
    """Follows a page from its first block to its last, in a folder.

    What it starts in a second terminal runs until the end. The port that the page names may be in
    use here; a free one takes its place.

    Raises:
        AssertionError: A command failed or printed something else, or a block is neither a file
            nor commands.
    """
    port = free_port()
    with ExitStack() as second_terminal:
        for step in blocks(page):
            source = step.source.replace(port_of_page, port)
            if step.path is not None:
                write({step.path: source}, folder)
                continue
            assert step.language == "console", f"neither a file nor commands:\n{step.source}"
            for command, expected in console_commands(source):
                if "second terminal" in step.above:
                    running = environment.running(command.split(), folder)
                    process = second_terminal.enter_context(running)
                    assert process.stdout.readline() == expected
                else:
                    _type(command, expected, folder, environment)


def _type(command: str, expected: str, folder: Path, environment: Environment) -> None:
    export = _EXPORT.match(command)
    if export is not None:
        environment.variables[export[1]] = export[2]
        return
    finished = environment.run(command, folder)
    told = f"$ {command}\n{finished.stdout}\nthe page says:\n{expected}"
    assert finished.returncode == 0, told
    assert matches(expected, finished.stdout), told
    assert expected.strip() or not finished.stdout.strip(), told


def free_port() -> str:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])
