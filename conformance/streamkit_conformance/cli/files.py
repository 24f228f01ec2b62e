"""`replay`, `serve`, `record` and `report`: what has to do with files."""

import argparse
import threading
from pathlib import Path
from typing import cast

from streamkit_conformance import record, skwire
from streamkit_conformance.case import Backend
from streamkit_conformance.cli.targets import find_target
from streamkit_conformance.cli.terminal import EXIT_FAILED, note, say
from streamkit_conformance.recordings import failed, replay
from streamkit_conformance.report.html import to_html
from streamkit_conformance.report.json_report import from_json
from streamkit_conformance.report.visible import cells
from streamkit_conformance.serve import curl, served
from streamkit_conformance.target import TargetError

__all__ = ["matrix", "record_file", "replay_file", "serve"]


def replay_file(options: argparse.Namespace) -> int:
    """Plays a recording against a target, on each of its backends.

    Raises:
        SkwireError: The file is none.
        TargetError: There is no target.
    """
    recording = skwire.load(options.file)
    name = options.target or recording.target
    if not name:
        raise TargetError(f"{options.file} does not say what it is played against: name a target.")
    target = find_target(name)
    backends = cast("list[Backend]", options.backend or list(target.backends))
    for number, read in enumerate(recording.wire.reads, start=1):
        say(f"{number:>4} │ {''.join(shown for _, shown in cells(read))}")
    ending = recording.wire.before or recording.wire.ending
    say(f" end │ {ending}")
    code = 0
    for backend in backends:
        told = failed(replay(target, options.file, backend))
        say(f"{name} on {backend}: {'as it should be' if not told else 'WRONG'}")
        if told:
            say(told)
            code = EXIT_FAILED
    return code


def serve(options: argparse.Namespace) -> int:
    """Plays a recording on loopback until Ctrl-C.

    Raises:
        SkwireError: The file is none, or cannot be served.
    """
    recording = skwire.load(options.file)
    with served(recording, port=options.port, apart_s=options.apart) as server:
        say(curl(server))
        note("Any path and method gets the answer. Ctrl-C ends it.")
        if options.once:
            # Until its client has left: who closes first takes the end of the answer away.
            server.wait_until(
                lambda: any(each.gone.is_set() for each in server.answers), threading.TIMEOUT_MAX
            )
            return 0
        threading.Event().wait()
    return 0


def record_file(options: argparse.Namespace) -> int:
    """Asks a real model and writes what it answers into a file, without the keys.

    Raises:
        TargetError: The file is there already, or the dialect is not known.
        RecordError: No answer came.
    """
    out: Path = options.out
    if out.exists() and not options.force:
        raise TargetError(f"{out} is there already: choose another file, or pass --force.")
    provider = options.model.partition("/")[0]
    dialect = options.dialect or find_target(provider).dialect.name
    making = {} if options.base_url is None else {"base_url": options.base_url}
    asked = {} if options.prompt is None else {"prompt": options.prompt}
    taken = record.record(
        options.model,
        dialect=dialect,
        settings={"max_tokens": options.max_tokens},
        **asked,
        **making,
    )
    skwire.dump(taken.recording, out)
    wire = taken.recording.wire
    say(f"{out}: status {wire.status}, {len(wire.reads)} reads, {len(wire.body)} bytes")
    note("Read the file before you commit it: what it expects is what came out this time.")
    for doubt in taken.doubts:
        note(f"Look: {doubt}.")
    return 0


def matrix(options: argparse.Namespace) -> int:
    """Makes one page of several reports.

    Raises:
        TargetError: A file is no report.
    """
    reports = []
    for path in options.reports:
        try:
            reports.append(from_json(path.read_bytes()))
        except ValueError as error:
            raise TargetError(f"{path}: {error}") from error
    options.html.write_text(to_html(reports), encoding="utf-8", newline="\n")
    say(str(options.html))
    return max(each.exit_code for each in reports)
