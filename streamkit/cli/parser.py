"""What can be written after `streamkit`: commands and their arguments.

Everything here is stdlib: help and shell completion must not wait for anything heavier. What a
command does is in a module of its own, which is imported when the command runs.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

from streamkit import __version__
from streamkit.errors import ConfigurationError

if TYPE_CHECKING:
    from streamkit.plugin import Command

SHELLS: Final = ("bash", "zsh", "fish", "powershell")
WIRES: Final = ("openai-compatible", "ndjson", "own")
DEFAULT_MODEL: Final = "local/smollm2-135m-instruct"

_CHAT: Final = """\
Ask a model, or talk to it.

  streamkit chat "Why is the sky blue?"          one answer
  git diff | streamkit chat "Review this:" -     with what is piped in
  streamkit chat -m ollama/llama3                a conversation, on a terminal

Standard output carries the answer's text and nothing else; all else is on standard error.
Exit codes: 0 answered, 1 failed, 2 wrong usage or settings, 130 stopped with Ctrl-C."""

_NEW: Final = """\
Make a package for a provider of your own, complete but for the address of its service: manifest,
translation, proof that it streams right, and a workflow that runs the proof.

  streamkit new provider acme                    a service that speaks OpenAI's dialect
  streamkit new provider acme --wire ndjson      one that speaks Ollama's lines of JSON
  streamkit new provider acme --wire own         one with records of its own"""

_COMPLETION: Final = """\
Print the script that makes a shell complete this command. Put into your shell's start-up file:

  bash         eval "$(streamkit completion bash)"
  zsh          eval "$(streamkit completion zsh)"       after compinit
  fish         streamkit completion fish | source
  powershell   streamkit completion powershell | Out-String | Invoke-Expression"""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A command of streamkit itself.

    Attributes:
        name: The word after `streamkit`.
        help: One line on what it does.
        run: Where its function is, as `module:function`; it takes the parsed arguments and returns
            the exit code.
        add_arguments: Adds its arguments to a parser.
        description: More than one line, where that is needed.
    """

    name: str
    help: str
    run: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    description: str = ""


def _chat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "prompt",
        nargs="*",
        metavar="PROMPT",
        help="what to ask; - stands for standard input; without a prompt a conversation begins",
    )
    _model(parser)
    parser.add_argument("-s", "--system", metavar="TEXT", help="a system message")
    parser.add_argument(
        "-i",
        "--image",
        action="append",
        default=[],
        metavar="FILE|URL",
        help="an image to send along; may be given several times",
    )
    parser.add_argument(
        "--schema",
        metavar="FILE|JSON",
        help="a JSON schema that the answer must follow, in a file or written out",
    )
    parser.add_argument(
        "--max-tokens", type=int, metavar="N", help="the most tokens to answer with"
    )
    parser.add_argument("--temperature", type=float, metavar="T", help="sampling temperature")
    parser.add_argument("--json", action="store_true", help="print one chunk a line, as JSON")
    parser.add_argument(
        "--plain", action="store_true", help="show the text as it comes, without Markdown"
    )
    parser.add_argument("--no-history", action="store_true", help="do not remember what is typed")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show all that is known of a failure"
    )
    _service(parser)


def _model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-m",
        "--model",
        metavar="PROVIDER/MODEL",
        help=f"the model (default: the config file's alias `default`, else {DEFAULT_MODEL})",
    ).completer = _lazily("model_refs")  # type: ignore[attr-defined]


def _service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", metavar="URL", help="the service's address")
    parser.add_argument(
        "-o",
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the provider's own; may be given several times",
    )
    # Not offered, but often tried: it deserves better than "unrecognized".
    parser.add_argument("--api-key", nargs="?", action=_RefuseKey, help=argparse.SUPPRESS)


class _RefuseKey(argparse.Action):
    """Says where a key belongs."""

    def __call__(self, *_: Any) -> NoReturn:
        raise ConfigurationError(
            "There is no option for a key: others on this machine see a command line, and the "
            "shell remembers it. Keys go into the environment or the config file; `streamkit "
            "providers` names the variables."
        )


def _models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "provider",
        nargs="*",
        metavar="PROVIDER",
        help="whose models (default: all that are set up); provider/model shows one model",
    ).completer = _lazily("model_refs")  # type: ignore[attr-defined]  # argcomplete's convention
    parser.add_argument("--refresh", action="store_true", help="ask now, however young the list is")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _providers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "provider", nargs="*", metavar="PROVIDER", help="show these alone"
    ).completer = _lazily("provider_names")  # type: ignore[attr-defined]
    parser.add_argument("--json", action="store_true", help="print JSON")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "provider", nargs="?", metavar="PROVIDER", help="look at this one alone"
    ).completer = _lazily("provider_names")  # type: ignore[attr-defined]
    parser.add_argument(
        "--probe", action="store_true", help="also ask each service's default model for one token"
    )
    parser.add_argument(
        "-m",
        "--model",
        metavar="PROVIDER/MODEL",
        help="probe this model, and look at its provider alone",
    ).completer = _lazily("model_refs")  # type: ignore[attr-defined]
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["provider"], help="what to make")
    parser.add_argument("name", metavar="NAME", help="what users will write before the model")
    parser.add_argument(
        "--wire",
        choices=WIRES,
        default=WIRES[0],
        help="how the service speaks (default: %(default)s)",
    )
    parser.add_argument(
        "--folder", metavar="FOLDER", help="where to make it (default: streamkit-NAME)"
    )


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to complete")


def _lazily(function: str) -> Callable[..., list[str]]:
    """A completer that is imported when the shell asks."""

    def complete(prefix: str = "", **told: Any) -> list[str]:
        found: list[str] = getattr(import_module("streamkit.cli.completion"), function)(prefix)
        return found

    return complete


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help whose lines of description stay, with room for the longest command's name."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)
        # The formatter does not count that commands are indented.
        self._action_max_length = len("completion") + self._indent_increment * 2


COMMANDS: Final = (
    BuiltIn("chat", "ask a model, or talk to it", "streamkit.cli.chat:run", _chat, _CHAT),
    BuiltIn("models", "list the models that services offer", "streamkit.cli.models:run", _models),
    BuiltIn("providers", "list the installed providers", "streamkit.cli.providers:run", _providers),
    BuiltIn(
        "doctor",
        "say what is installed, what is wrong and what mends it",
        "streamkit.cli.doctor:run",
        _doctor,
    ),
    BuiltIn(
        "new", "make a package for a provider of your own", "streamkit.cli.new:run", _new, _NEW
    ),
    BuiltIn(
        "completion",
        "print the script that makes a shell complete this command",
        "streamkit.cli.completion:run",
        _completion,
        _COMPLETION,
    ),
)
NAMES: Final = tuple(each.name for each in COMMANDS)


def build_parser(more: "Iterable[Command]" = ()) -> argparse.ArgumentParser:
    """The parser of all commands of streamkit itself.

    Args:
        more: Commands of plug-ins, to be listed and completed; they read their arguments alone.
    """
    parser = argparse.ArgumentParser(
        prog="streamkit", description="Talk to language models.", formatter_class=_Help
    )
    parser.add_argument("--version", action="version", version=f"streamkit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for each in COMMANDS:
        added = commands.add_parser(
            each.name,
            help=each.help,
            description=each.description or f"{each.help[0].upper()}{each.help[1:]}.",
            formatter_class=_Help,
        )
        each.add_arguments(added)
        added.set_defaults(run=each.run, refuse=added.error)
    for one in more:
        commands.add_parser(one.name, help=one.help.replace("%", "%%"), add_help=False)
    return parser
