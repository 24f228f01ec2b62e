"""What can be written after `streamkit-conformance`; stdlib alone, so that help comes at once."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["build_parser"]

BACKENDS: Final = ("asyncio", "trio", "sync")
LEVELS: Final = ("core", "tools", "reasoning", "resilience", "strict")
EFFORTS: Final = ("corpus", "dev", "ci", "thorough")
_HERE: Final = "streamkit_conformance.cli"
_TARGET: Final = "an installed provider's name, or a test file and the name in it: FILE::target"

_ALL: Final = """\
Prove that a provider streams right: generated answers, every cut and fault, all rules, offline.

Exit codes: 0 green, 1 red, 2 wrong use, 130 stopped with Ctrl-C."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="streamkit-conformance",
        description=_ALL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, what, run, add in _COMMANDS:
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        command.set_defaults(run=run)
        add(command)
    return parser


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="+", metavar="TARGET", help=_TARGET)
    _limits(parser)
    _report_to(parser)
    parser.add_argument(
        "--live",
        action="store_true",
        help="ask the real service instead: few short requests, and the rules that need no script",
    )
    parser.add_argument(
        "--budget", type=int, metavar="N", help="the most requests of a live run (default: 8)"
    )


def _certify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=_TARGET)
    parser.add_argument(
        "--package",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the folder of the import package, where the certificate goes",
    )
    _strength(parser)


def _limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rule",
        action="append",
        metavar="ID",
        help="only this rule or group of rules, such as SK-UNI-002 or SK-UNI; may be repeated",
    )
    parser.add_argument(
        "--backend", action="append", choices=BACKENDS, help="only there; may be repeated"
    )
    _strength(parser)


def _strength(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--level",
        choices=LEVELS,
        default="resilience",
        help="what must be kept (default: %(default)s, the MUSTs of all; strict: the SHOULDs too)",
    )
    parser.add_argument(
        "--effort",
        choices=EFFORTS,
        help="how much is made up after the corpus (default: ci where CI is set, else dev)",
    )


def _report_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write every form of the report into a folder"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", metavar="ID", help="the rule, such as SK-UNI-002")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a .skwire file")
    parser.add_argument(
        "target", nargs="?", metavar="TARGET", help=f"{_TARGET} (default: as the file says)"
    )
    parser.add_argument(
        "--backend", action="append", choices=BACKENDS, help="only there; may be repeated"
    )


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a .skwire file")
    parser.add_argument(
        "--port", type=int, default=0, help="where to listen on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument(
        "--apart",
        type=float,
        default=0.05,
        metavar="SECONDS",
        help="from one read to the next (default: %(default)s)",
    )
    parser.add_argument("--once", action="store_true", help="end after the first answer")


def _record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME/MODEL", help="whom to ask")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the .skwire file to write"
    )
    parser.add_argument("--prompt", help="what to ask")
    parser.add_argument("--max-tokens", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--base-url", metavar="URL", help="another address of the service")
    parser.add_argument(
        "--dialect", metavar="NAME", help="the dialect's name (default: as the provider is tested)"
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "reports", nargs="+", type=Path, metavar="FILE", help="report.json files of runs"
    )
    parser.add_argument(
        "--html", type=Path, required=True, metavar="OUT", help="the matrix to write"
    )


_Add = Callable[[argparse.ArgumentParser], None]
_COMMANDS: Final[tuple[tuple[str, str, str, _Add], ...]] = (
    ("run", "run the rules over providers", f"{_HERE}.running:run", _run),
    ("list", "show all rules", f"{_HERE}.book:list_rules", _list),
    (
        "explain",
        "show one rule: why it is one, and who breaks it",
        f"{_HERE}.book:explain",
        _explain,
    ),
    ("replay", "play a recording against a provider", f"{_HERE}.files:replay_file", _replay),
    ("serve", "play a recording on loopback, for curl", f"{_HERE}.files:serve", _serve),
    (
        "record",
        "record what a real service answers, without its keys",
        f"{_HERE}.files:record_file",
        _record,
    ),
    ("report", "make one matrix of several runs", f"{_HERE}.files:matrix", _report),
    (
        "certify",
        "write what a run finds into the provider's package",
        f"{_HERE}.running:certify_target",
        _certify,
    ),
)
