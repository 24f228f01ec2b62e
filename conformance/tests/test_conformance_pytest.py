import json
import xml.etree.ElementTree as ET
from datetime import date, timedelta
from pathlib import Path

import pytest

from streamkit_conformance.case import CANARY, Case
from streamkit_conformance.cuts import RECORDS
from streamkit_conformance.dialects import openai_sse
from streamkit_conformance.live import BUDGET
from streamkit_conformance.report.json_report import from_json
from streamkit_conformance.script import Finish, Script, Text
from streamkit_conformance.skwire import Recording, dump, load
from streamkit_conformance.transports.loopback import LoopbackServer
from streamkit_conformance.wire import write

pytest_plugins = ["pytester"]

RIGHT = """
from streamkit_conformance.gallery.references import REFERENCES
target = REFERENCES["streamkit-openai"]
"""
BROKEN = """
from streamkit_conformance import Conformance, Waiver, dialects
from streamkit_conformance.gallery.mutants import reading
from streamkit_conformance.gallery.mutant import MUTANTS
target = MUTANTS["split lines"].target
"""
TOMORROW = date.today() + timedelta(days=2)
CORPUS = ("--streamkit-effort", "corpus")


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty folder in which pytest runs, as an author's."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    return pytester


def run(folder: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return folder.runpytest_inprocess("-p", "no:randomly", *CORPUS, *arguments)


def recording(folder: pytest.Pytester, said: str, *, expected: str) -> Path:
    dialect = openai_sse()
    wire = write(Case(name="x", script=Script((Text(said), Finish())), cut=RECORDS), dialect)
    path = folder.path / "wire" / "hello.skwire"
    path.parent.mkdir(exist_ok=True)
    expect = ({"type": "content", "content": expected}, {"type": "end", "finish_reason": "stop"})
    dump(Recording(dialect=dialect.name, wire=wire, expect=expect), path)
    return path


# Items.


def test_an_item_is_one_rule_on_one_backend(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=RIGHT)
    result = run(folder, "--collect-only", "-q", "-k", "SK-UNI-002 or SK-DISC-001")
    lines = [line for line in result.outlines if "::" in line]
    names = {line.partition("::")[2] for line in lines}
    assert {f"target::SK-UNI-002[{each}]" for each in ("asyncio", "trio", "sync")} <= names
    assert all(line.startswith("test_conf.py::target::SK-") for line in lines)


def test_a_rule_that_is_kept_passes_on_every_backend(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=RIGHT)
    result = run(folder, "-k", "SK-UNI-002")
    assert result.ret == 0
    result.assert_outcomes(passed=3, deselected=result.parseoutcomes()["deselected"])


def test_a_broken_rule_fails_with_its_story_its_cause_and_what_replays_it(
    folder: pytest.Pytester,
) -> None:
    folder.makepyfile(test_conf=BROKEN)
    result = run(folder, "-k", "SK-UNI-002 and [sync]")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "SK-UNI-002 · MUST · core · sync",
            "*Why it matters: *",
            "*Cause: CHARACTERS *",
            "*Smallest script:",
            "*Replay: streamkit-conformance replay *",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    (file,) = folder.path.rglob("*.skwire")
    assert load(file).target == f"{folder.path / 'test_conf.py'}::target"
    assert load(file).rule == "SK-UNI-002"


def test_a_session_without_a_target_is_left_alone(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_other="def test_one():\n    assert True\n")
    result = run(folder)
    assert result.ret == 0
    assert "streamkit conformance" not in result.stdout.str()


def test_a_filter_that_matches_nothing_is_no_success(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=RIGHT)
    assert run(folder, "-k", "SK-NONE-001").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_an_unknown_level_or_effort_is_refused_with_those_that_there_are(
    folder: pytest.Pytester,
) -> None:
    result = run(folder, "--streamkit-level", "perfect")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "resilience" in result.stderr.str()


def test_the_first_failure_ends_a_session_that_wants_it_and_the_last_failures_run_again(
    folder: pytest.Pytester,
) -> None:
    folder.makepyfile(test_conf=BROKEN)
    result = run(folder, "-k", "SK-UNI", "-x")
    assert result.parseoutcomes()["failed"] == 1
    again = run(folder, "--lf", "-q")
    assert again.parseoutcomes()["failed"] == 1
    assert "passed" not in again.parseoutcomes()


def test_a_target_that_cannot_be_tested_says_what_to_do(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_conf="from streamkit_conformance import Conformance, dialects\n"
        "target = Conformance(lambda env: 5, dialect=dialects.openai_sse())\n"
    )
    result = run(folder)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = result.stdout.str()
    assert "give a Provider, a Model, or an object with stream" in text.replace("\n", " ")
    assert "plugin.py" not in text


# What is green without having passed.


def test_what_is_not_applicable_is_told_apart_with_its_reason(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_conf=RIGHT.replace(
            'target = REFERENCES["streamkit-openai"]',
            "from dataclasses import replace\n"
            'target = replace(REFERENCES["streamkit-openai"], backends=("sync",))',
        )
    )
    result = run(folder, "-v", "-rA", "-k", "SK-UNI-002")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*SK-UNI-002[[]trio[]] N/A*", "*2 not applicable*"])
    assert result.parseoutcomes()["passed"] == 1


def waived(until: date) -> str:
    return BROKEN + (
        f"import datetime\n"
        f"from dataclasses import replace\n"
        f"target = replace(target, waivers=[Waiver(rule='SK-UNI-002', reason='later', "
        f"until=datetime.date.fromisoformat('{until}'))])\n"
    )


def test_a_waived_rule_is_green_and_shown_as_waived(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=waived(TOMORROW))
    result = run(folder, "-v", "--junitxml=junit.xml", "-k", "SK-UNI-002 and [sync]")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*SK-UNI-002[[]sync[]] WAIVED*", "*1 waived*"])
    (skipped,) = ET.parse(folder.path / "junit.xml").iter("skipped")
    assert "later" in skipped.attrib["message"]


def test_a_waiver_that_ended_is_red(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=waived(date.today() - timedelta(days=2)))
    result = run(folder, "-k", "SK-UNI-002 and [sync]")
    assert result.ret == 1
    assert "the waiver ended on" in result.stdout.str()


def test_waivers_stand_in_the_project_too(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=BROKEN)
    folder.makepyprojecttoml(
        "[tool.streamkit-conformance.waive]\n"
        f'SK-UNI-002 = {{ reason = "later", until = {TOMORROW} }}\n'
    )
    assert run(folder, "-k", "SK-UNI-002 and [sync]").ret == 0


# Reports.


def test_a_report_of_a_part_claims_nothing_and_says_what_was_run(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=BROKEN)
    result = run(folder, "-k", "SK-UNI", "--streamkit-report", "out")
    assert result.ret == 1
    out = folder.path / "out"
    names = {each.name for each in out.iterdir()}
    assert {"report.json", "report.html", "report.md", "badge.json", "junit.xml"} <= names
    assert len(list(out.glob("*SK-UNI-002-*.skwire"))) == 3
    report = from_json((out / "report.json").read_bytes())
    assert report.selection == "-k 'SK-UNI'"
    assert report.claim == "no claim"
    assert not report.is_green
    files = {each.failure.file for each in report.red if each.failure is not None}
    assert len(files) >= 3
    assert all(Path(each).is_file() for each in files)


def test_every_item_says_in_junit_what_it_judged(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=RIGHT)
    run(folder, "-k", "SK-UNI-002 and [sync]", "--junitxml=junit.xml")
    found = {
        each.attrib["name"]: each.attrib["value"]
        for each in ET.parse(folder.path / "junit.xml").iter("property")
    }
    assert found["rule"] == "SK-UNI-002"
    assert found["verdict"] == "pass"
    assert int(found["judged"]) > 0


@pytest.mark.integration
@pytest.mark.parametrize("how", ["load", "loadgroup"])
def test_several_processes_come_to_the_same_report(folder: pytest.Pytester, how: str) -> None:
    folder.makepyfile(test_conf=BROKEN)
    chosen = ("-k", "SK-UNI or SK-DISC", *CORPUS)
    alone = folder.runpytest_subprocess(*chosen, "--streamkit-report", "alone")
    together = folder.runpytest_subprocess(
        *chosen, "-n", "2", "--dist", how, "--streamkit-report", "together"
    )
    assert alone.ret == together.ret == 1
    reports = [
        from_json((folder.path / each / "report.json").read_bytes())
        for each in ("alone", "together")
    ]
    verdicts = [
        [(each.rule, each.backend, each.verdict) for each in one.results] for one in reports
    ]
    assert verdicts[0] == verdicts[1]
    assert reports[0].selection == reports[1].selection


# Recordings.


def with_recordings(folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_conf=RIGHT
        + "from dataclasses import replace\ntarget = replace(target, recordings='wire')\n"
    )


def test_a_recording_is_an_item_on_every_backend(folder: pytest.Pytester) -> None:
    with_recordings(folder)
    recording(folder, "Hi", expected="Hi")
    result = run(folder, "-v", "-k", "recording")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*::target::recording:hello[[]trio[]] PASSED*"])


def test_a_recording_that_comes_out_otherwise_makes_item_and_report_red(
    folder: pytest.Pytester,
) -> None:
    with_recordings(folder)
    recording(folder, "Hi", expected="Ho")
    result = run(folder, "-k", "[sync] and (recording or UNI-002)", "--streamkit-report", "out")
    assert result.ret == 1
    assert "chunk 1 differs" in result.stdout.str()
    data = json.loads((folder.path / "out" / "report.json").read_text())
    assert not data["is_green"]
    assert "hello.skwire on sync" in data["problems"][0]


def test_a_file_that_is_no_recording_fails_by_its_line(folder: pytest.Pytester) -> None:
    with_recordings(folder)
    path = recording(folder, "Hi", expected="Hi")
    path.write_text(path.read_text() + "oh\n")
    result = run(folder, "-k", "recording and [sync]")
    assert result.ret == 1
    assert "line 8: it is no JSON" in result.stdout.str().replace("\n", " ")


# Wrong dialects, and runs that break off.


def test_a_dialect_that_cannot_say_what_it_claims_is_an_error_of_its_author(
    folder: pytest.Pytester,
) -> None:
    folder.makepyfile(
        test_conf="from streamkit_conformance import Conformance, Dialect, Text\n"
        "class Acme(Dialect):\n"
        "    name = 'acme'\n"
        "    def record(self, event):\n"
        "        match event:\n"
        "            case Text(text):\n"
        "                return {'delta': text}\n"
        "        return super().record(event)\n"
        "target = Conformance('openai', dialect=Acme())\n"
    )
    result = run(folder)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = result.stdout.str()
    assert "Acme" in text or "acme" in text
    assert "plugin.py" not in text


def test_a_rule_that_cannot_be_judged_is_red_and_no_rule_less(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=RIGHT)
    folder.makeconftest(
        "def pytest_runtest_setup(item):\n"
        "    def breaks(rule, backend):\n"
        "        raise RuntimeError('out of breath')\n"
        "    item.home.judging.judged = breaks\n"
    )
    result = run(folder, "-k", "SK-UNI-002 and [sync]", "--streamkit-report", "out")
    assert result.ret == 1
    assert "RuntimeError: out of breath" in result.stdout.str()
    report = from_json((folder.path / "out" / "report.json").read_bytes())
    assert report.problems == ("SK-UNI-002[sync]: it broke off",)


# Live.


LIVE = """
from streamkit_conformance import Conformance, dialects
target = Conformance("openai", dialect=dialects.openai_sse(), model="any")
"""


def test_a_live_run_asks_the_real_service_few_times_and_claims_nothing(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.makepyfile(test_conf=LIVE)
    wire = write(
        Case(name="x", script=Script((Text("Hello"), Text(" you"), Finish()))), openai_sse()
    )
    with LoopbackServer() as server:
        server.answer([wire])
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        result = run(folder, "--streamkit-live", "--streamkit-report", "out", "-k", "not recording")
        assert 0 < len(server.requests) <= BUDGET
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*passed, * not applicable*"])
    text = (folder.path / "out" / "report.json").read_text()
    assert from_json(text).transports == ("live",)
    assert from_json(text).claim == "no claim"
    assert CANARY not in text


def test_a_live_run_without_a_key_is_red(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.makepyfile(test_conf=LIVE)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    result = run(folder, "--streamkit-live", "-k", "SK-LIFE-002")
    assert result.ret == 1
    assert "OPENAI_API_KEY" in result.stdout.str()


@pytest.mark.integration
def test_a_live_run_keeps_to_one_process(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_conf=LIVE)
    result = folder.runpytest_subprocess("--streamkit-live", "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "leave out -n" in result.stderr.str()
