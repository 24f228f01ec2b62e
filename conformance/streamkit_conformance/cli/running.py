"""`run` and `certify`: pytest runs the rules, so that nothing here can come to another result."""

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from streamkit.words import nearest
from streamkit_conformance.cli.targets import find_target, is_of_a_file
from streamkit_conformance.cli.terminal import EXIT_FAILED, EXIT_STOPPED, EXIT_USAGE, note, say
from streamkit_conformance.report.json_report import from_json, to_json
from streamkit_conformance.report.report import Report
from streamkit_conformance.rules import all_rules
from streamkit_conformance.target import TargetError

__all__ = ["certify_target", "chosen_rules", "run"]

_FILE: Final = """\
from streamkit_conformance.installed import installed_target

globals()[{name!r}] = installed_target({name!r})
"""
_CODES: Final = {
    pytest.ExitCode.OK: 0,
    pytest.ExitCode.TESTS_FAILED: EXIT_FAILED,
    pytest.ExitCode.INTERNAL_ERROR: EXIT_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED: EXIT_USAGE,
    pytest.ExitCode.USAGE_ERROR: EXIT_USAGE,
}


def run(options: argparse.Namespace) -> int:
    """Runs the rules over targets, and returns the exit code.

    Raises:
        TargetError: A target or a rule is unknown.
    """
    if options.live:
        return _run_live(options)
    with _folder_for_reports(options.report, is_wanted=options.json) as folder:
        code = _pytest(options.targets, options, folder, to_stderr=options.json)
        if options.json and folder is not None:
            _print_json(folder)
    return code


def certify_target(options: argparse.Namespace) -> int:
    """Runs all rules, and writes what they found into the provider's package.

    Raises:
        TargetError: There is nothing to certify.
    """
    from streamkit_conformance.certificate import certify

    options.rule = options.backend = None
    options.json = True
    with _folder_for_reports(None, is_wanted=True) as folder:
        assert folder is not None
        code = _pytest([options.target], options, folder, to_stderr=False)
        reports = _reports(folder)
        if code or len(reports) != 1:
            return code or EXIT_FAILED
        say(f"{certify(reports[0], options.package)}: {reports[0].claim}")
    return 0


def chosen_rules(wanted: Sequence[str]) -> list[str]:
    """The ids of the rules that somebody means, groups such as `SK-UNI` taken apart.

    Raises:
        TargetError: There is no such rule or group; the nearest are named.
    """
    known = [rule.id for rule in all_rules()]
    groups = {rule.group: f"SK-{rule.group}" for rule in all_rules()}
    chosen: list[str] = []
    for each in wanted:
        word = each.upper().removeprefix("SK-")
        found = [rule for rule in known if f"{rule}-".startswith(f"SK-{word}-")]
        if not found:
            near = nearest(each, [*known, *groups.values()], cutoff=0.6)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise TargetError(
                f"There is no rule {each!r}.{meant} `streamkit-conformance list` shows all."
            )
        chosen += found
    return chosen


# Live.


def _run_live(options: argparse.Namespace) -> int:
    from streamkit_conformance.live import BUDGET, check_live
    from streamkit_conformance.output import write_reports
    from streamkit_conformance.report.terminal import show

    if options.rule or options.backend:
        raise TargetError("A live run asks few questions and judges all rules: leave out --rule.")
    budget = BUDGET if options.budget is None else options.budget
    reports = []
    for name in options.targets:
        note(f"asking {name}, at most {budget} times")
        reports.append(check_live(find_target(name), budget=budget, level=options.level))
    if options.report is not None:
        write_reports(reports, options.report)
    for report in reports:
        if options.json:
            say(to_json(report).rstrip())
        else:
            show(report, sys.stdout)
    return max(each.exit_code for each in reports)


# With pytest.


def _pytest(
    targets: Sequence[str], options: argparse.Namespace, folder: Path | None, *, to_stderr: bool
) -> int:
    rules = None if options.rule is None else chosen_rules(options.rule)
    names = [each for each in targets if not is_of_a_file(each)]
    for name in targets:
        find_target(name)
    with contextlib.ExitStack() as stack:
        arguments = [each for each in targets if is_of_a_file(each)]
        if names:
            place = Path(stack.enter_context(_kept_where_used()))
            arguments += _files_of(names, place)
            if len(names) == len(targets):
                # Nobody's settings of pytest are meant where no test file of theirs is.
                (place / "pytest.ini").write_text("[pytest]\n")
                arguments += ["-c", str(place / "pytest.ini"), "-o", f"cache_dir={place / 'files'}"]
                arguments += ["--streamkit-folder", str(Path.cwd())]
        arguments += _limits(rules, options)
        if folder is not None:
            arguments += ["--streamkit-report", str(folder.resolve())]
        if to_stderr:
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        watch = _Watch()
        code = pytest.main(arguments, plugins=[watch])
    if code == pytest.ExitCode.INTERRUPTED:
        # pytest says so of a target that cannot be collected, too.
        return EXIT_STOPPED if watch.was_stopped else EXIT_USAGE
    return _CODES.get(pytest.ExitCode(code), EXIT_FAILED)


class _Watch:
    """Sees whether a run was stopped with Ctrl-C."""

    was_stopped = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Called by pytest, also where a test calls `pytest.exit`."""
        self.was_stopped = isinstance(excinfo.value, KeyboardInterrupt)


def _limits(rules: Sequence[str] | None, options: argparse.Namespace) -> list[str]:
    """What pytest is told: only these rules, only on these backends, so strictly."""
    words = [f"({' or '.join(rules)})"] if rules else []
    if options.backend:
        words.append(f"({' or '.join(f'[{each}]' for each in options.backend)})")
    arguments = ["--show-capture=no", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    arguments.append("-q" if options.json else "--no-header")
    arguments += ["--streamkit-level", options.level]
    arguments += ["-k", " and ".join(words)] if words else []
    arguments += ["--streamkit-effort", options.effort] if options.effort else []
    return arguments


def _files_of(names: Sequence[str], folder: Path) -> list[str]:
    """A test file for each installed provider: what its author would write."""
    files = []
    for number, name in enumerate(names):
        path = folder / f"conformance_{number}.py"
        path.write_text(_FILE.format(name=name), encoding="utf-8")
        files.append(f"{path}::{name}")
    return files


@contextlib.contextmanager
def _kept_where_used() -> Iterator[str]:
    """A folder that goes away, unless it holds files that replay what failed."""
    folder = tempfile.mkdtemp(prefix="streamkit-conformance-")
    yield folder
    if not any(Path(folder).rglob("*.skwire")):
        shutil.rmtree(folder)


# Reports.


@contextlib.contextmanager
def _folder_for_reports(given: Path | None, *, is_wanted: bool) -> Iterator[Path | None]:
    if given is not None or not is_wanted:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="streamkit-conformance-") as folder:
        yield Path(folder)


def _reports(folder: Path) -> list[Report]:
    return [from_json(each.read_bytes()) for each in sorted(folder.rglob("report.json"))]


def _print_json(folder: Path) -> None:
    for report in _reports(folder):
        say(to_json(report).rstrip())
