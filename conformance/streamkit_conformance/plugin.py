"""The pytest plug-in: a module-level `Conformance` becomes an item for each rule and backend.

    test_conf.py::target::SK-FRAME-001[trio]

An item fails where its rule is red: it fails, was never shown, could not be tried, or its waiver is
stale. What is waived, not counted or not applicable is told apart from what passes, and why.
Sessions without a target are left alone.
"""

import sys
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from streamkit_conformance.judging import Judging
    from streamkit_conformance.report.report import Report
    from streamkit_conformance.rules.registry import Rule
    from streamkit_conformance.target import Conformance

_EFFORTS: Final = ("corpus", "dev", "ci", "thorough")
_LEVELS: Final = ("core", "tools", "reasoning", "resilience", "strict")
#: Where a report of an item travels, also from one process to another.
_CARRIED: Final = "streamkit_conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("streamkit", "conformance of streamkit providers")
    group.addoption(
        "--streamkit-level",
        choices=_LEVELS,
        default="resilience",
        help="what must be kept for the run to be green (default: resilience, the MUSTs of all)",
    )
    group.addoption(
        "--streamkit-effort",
        choices=_EFFORTS,
        default=None,
        help="how much is made up after the corpus (default: ci where the variable CI is set, "
        "else dev)",
    )
    group.addoption(
        "--streamkit-report",
        metavar="DIR",
        type=Path,
        default=None,
        help="write report.json, report.html, report.md, badge.json, junit.xml and the .skwire "
        "files of what failed into a folder",
    )
    group.addoption(
        "--streamkit-live",
        action="store_true",
        help="ask the real service instead: few short requests, and the rules that need no script",
    )
    group.addoption(
        "--streamkit-folder",
        metavar="DIR",
        type=Path,
        default=None,
        help="where waivers and recordings are looked for (default: beside the test file)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Gathers what the items find; under xdist only where their reports come together.

    Raises:
        UsageError: A live run on several processes, each of which would ask anew.
    """
    if config.getoption("--streamkit-live") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--streamkit-live keeps to its budget in one process: leave out -n")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Session(config), "streamkit-conformance-session")


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> "ConformanceCollector | None":
    """Collects a `Conformance`."""
    # A module that holds one has imported its class; others need not pay for that.
    known = sys.modules.get("streamkit_conformance.target")
    if known is None or not isinstance(obj, known.Conformance):
        return None
    if not isinstance(collector, pytest.Module):
        return None
    made: ConformanceCollector = ConformanceCollector.from_parent(collector, name=name, target=obj)
    return made


class ConformanceCollector(pytest.Collector):
    """The items of one target."""

    #: Shared by all items of this process; made when they are collected.
    judging: "Judging"

    def __init__(self, *, target: "Conformance", **given: Any) -> None:
        super().__init__(**given)
        self.target = target
        self.total = 0

    def collect(self) -> "Iterable[pytest.Item]":
        """One item for each rule and backend, and for each recording and backend."""
        from streamkit_conformance.judging import LiveJudging, OfflineJudging

        option = self.config.getoption
        level = option("--streamkit-level")
        if option("--streamkit-live"):
            self.judging = LiveJudging(self.target, level=level)
        else:
            folder = option("--streamkit-folder") or self.path.parent
            effort = option("--streamkit-effort")
            self.judging = OfflineJudging(self.target, folder=folder, level=level, effort=effort)
        items: list[pytest.Item] = []
        for rule, backend in self.judging.items():
            name = f"{rule.id}[{backend}]" if backend else rule.id
            items.append(RuleItem.from_parent(self, name=name, rule=rule, backend=backend))
        for path, backend in self.judging.recordings():
            name = f"recording:{path.stem}[{backend}]"
            items.append(RecordingItem.from_parent(self, name=name, path=path, backend=backend))
        self.total = len(items)
        return items

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What the author must mend, without a traceback through the kit."""
        from streamkit_conformance.target import TargetError

        if isinstance(excinfo.value, TargetError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    @property
    def address(self) -> str:
        """What `streamkit-conformance replay` calls the target."""
        is_by_name = self.config.getoption("--streamkit-folder") is not None
        return self.name if is_by_name else f"{self.path}::{self.name}"


class _Red(Exception):
    """An item's rule is red; the text says all there is to say."""


class _Item(pytest.Item):
    """What rules and recordings share."""

    def __init__(self, *, name: str, parent: pytest.Collector, backend: str) -> None:
        # Given as text so that pytest reads the backend out of it as it does when it comes back,
        # such as from the cache of what failed last.
        super().__init__(name, parent, nodeid=f"{parent.nodeid}::{name}")
        self.backend = backend
        self.found: Report | None = None
        if self.config.pluginmanager.hasplugin("xdist"):
            # With --dist loadgroup one process plays what one backend of a target needs.
            group = f"{self.home.nodeid}-{backend or 'asyncio'}"
            self.add_marker(pytest.mark.xdist_group(group))

    @property
    def home(self) -> ConformanceCollector:
        assert isinstance(self.parent, ConformanceCollector)
        return self.parent

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.home.name}::{self.name}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, _Red):
            return str(excinfo.value)
        # Whoever reads it need not see how pytest got here.
        excinfo.traceback = excinfo.traceback.cut(path=Path(__file__))
        return super().repr_failure(excinfo, style)


class RuleItem(_Item):
    """One rule on one backend."""

    def __init__(self, *, rule: "Rule", **given: Any) -> None:
        super().__init__(**given)
        self.rule = rule

    def runtest(self) -> None:
        """Judges the rule.

        Raises:
            _Red: It makes the run red.
        """
        from streamkit_conformance.report.story import tell, text

        found = self._with_file(self.home.judging.judged(self.rule, self.backend))
        self.found = found
        facts, (result,) = found.facts(self.rule.id), found.results
        self.user_properties += [
            ("rule", self.rule.id),
            ("level", facts.level),
            ("profile", facts.profile),
            ("verdict", str(result.verdict)),
            ("reason", result.reason),
            ("judged", result.judged),
            ("traces", result.traces),
        ]
        if found.is_red(result):
            raise _Red(text(tell(facts, result)))

    def _with_file(self, found: "Report") -> "Report":
        from streamkit_conformance.output import with_replay

        folder = _folder_of_files(self.config)
        return found if folder is None else with_replay(found, folder, target=self.home.address)


class RecordingItem(_Item):
    """One recording on one backend, cut in each way."""

    def __init__(self, *, path: Path, **given: Any) -> None:
        super().__init__(**given)
        self.recording = path

    def runtest(self) -> None:
        """Replays it.

        Raises:
            _Red: Something else came out.
        """
        self.found = self.home.judging.replayed(self.recording, self.backend)  # type: ignore[arg-type]
        if self.found.problems:
            raise _Red("\n".join(self.found.problems))


def _folder_of_files(config: pytest.Config) -> Path | None:
    """Where files go that replay what failed."""
    given: Path | None = config.getoption("--streamkit-report")
    if given is not None:
        return given
    cache = getattr(config, "cache", None)  # the author may have switched it off
    return None if cache is None else Path(cache.mkdir("streamkit"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tells each target's run which rules are wanted after all."""
    wanted: dict[ConformanceCollector, dict[str, Rule]] = {}
    for item in session.items:
        if isinstance(item, RuleItem):
            wanted.setdefault(item.home, {})[item.rule.id] = item.rule
    for home, rules in wanted.items():
        home.judging.want(list(rules.values()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tells what is waived or not counted apart from what passes."""
    report = yield
    if not isinstance(item, _Item) or report.when != "call":
        return report
    from streamkit_conformance.report.json_report import to_json
    from streamkit_conformance.verdict import GREEN, Verdict

    found = item.found
    if found is None:
        # A rule that could not be judged is no rule less: the run is not one of the others alone.
        found = replace(item.home.judging.head(), problems=(f"{item.name}: it broke off",))
    carried: dict[str, Any] = {
        "target": item.home.nodeid,
        "total": item.home.total,
        "report": to_json(found),
    }
    # What streamkit logs of streams that were made to fail is no news.
    report.sections = [each for each in report.sections if not each[0].startswith("Captured log")]
    for result in found.results:
        carried["verdict"] = str(result.verdict)
        if report.passed and result.verdict is not Verdict.PASS:
            report.sections.append((str(result.verdict), result.reason))
        is_hidden = result.verdict is Verdict.WAIVED or result.verdict not in GREEN
        if report.passed and is_hidden:
            report.outcome = "skipped"
            report.wasxfail = result.reason
    setattr(report, _CARRIED, carried)
    return report


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Words of their own for what is green without having passed."""
    carried = getattr(report, _CARRIED, None)
    if carried is None or report.failed:
        return None
    yellow = {"yellow": True}
    match carried.get("verdict"):
        case None | "pass":
            return None
        case "not-applicable":
            return "not applicable", "n", ("N/A", yellow)
        case "waived":
            return "waived", "w", ("WAIVED", yellow)
    return "not counted", "u", ("NOT COUNTED", yellow)


@dataclass
class _Found:
    """What was found of one target, on however many processes."""

    total: int
    reports: "dict[str, Report]" = field(default_factory=dict)


class _Session:
    """Gathers what the items of a session find, in this process or in others, and reports it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: dict[str, _Found] = {}
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes in what an item found."""
        carried = getattr(report, _CARRIED, None)
        if carried is None:
            return
        from streamkit_conformance.report.json_report import from_json

        found = self._found.setdefault(carried["target"], _Found(carried["total"]))
        found.reports[report.nodeid] = from_json(carried["report"])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the reports; what makes a run red besides its items makes the session fail."""
        if not self._found:
            return
        keyword = self._config.getoption("keyword")
        from streamkit_conformance.judging import joined

        limit = f"-k {keyword!r}" if keyword else ""
        found = [
            joined(list(each.reports.values()), total=each.total, limit=limit)
            for each in self._found.values()
        ]
        # Recordings alone were wanted: they pass or fail by themselves, and no rule is spoken of.
        reports = [each for each in found if each.results or each.problems]
        for each in reports:
            self._lines += [f"{each.target}: {problem}" for problem in each.all_problems]
            self._lines.append(f"{each.target}: {each.claim}")
        if session.exitstatus == pytest.ExitCode.OK and any(not each.is_green for each in reports):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        folder: Path | None = self._config.getoption("--streamkit-report")
        if folder is not None and reports:
            from streamkit_conformance.output import write_reports

            written = write_reports(reports, folder)
            if self._config.get_verbosity() >= 0:
                self._lines += [f"wrote {path}" for path in written]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Shows what may be claimed, and what was written."""
        if self._lines:
            terminalreporter.section("streamkit conformance")
            for line in self._lines:
                terminalreporter.write_line(line)
