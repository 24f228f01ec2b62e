import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamkit_conformance.case import Case
from streamkit_conformance.cli import main
from streamkit_conformance.cli.running import chosen_rules
from streamkit_conformance.cli.targets import find_target
from streamkit_conformance.dialects import openai_sse
from streamkit_conformance.installed import installed_target
from streamkit_conformance.report.json_report import from_json, to_json
from streamkit_conformance.report.report import Report, RuleFacts, RuleResult
from streamkit_conformance.rules import all_rules
from streamkit_conformance.script import Finish, Script, Text
from streamkit_conformance.skwire import Recording, dump
from streamkit_conformance.target import Conformance, TargetError
from streamkit_conformance.verdict import Verdict
from streamkit_conformance.wire import write

BROKEN = """
from streamkit_conformance.gallery.mutants import reading
from streamkit_conformance.gallery.mutant import MUTANTS
target = MUTANTS["split lines"].target
"""
RIGHT = """
from streamkit_conformance.gallery.references import REFERENCES
first = REFERENCES["streamkit-openai"]
second = REFERENCES["plain-openai"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with two files of targets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "right.py").write_text(RIGHT)
    return tmp_path


def recording(path: Path, said: str = "Hi", **fields: Any) -> Path:
    script = Script((Text(said), Finish()))
    dialect = openai_sse()
    wire = write(Case(name="x", script=script), dialect)
    dump(Recording(dialect=dialect.name, wire=wire, **{"script": script, **fields}), path)
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# The rule book.


def test_all_rules_are_listed_for_people_and_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = [rule.id for rule in all_rules()]
    code, out, _ = told(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[:-1]] == ids
    code, out, _ = told(capsys, "list", "--json")
    assert [each["id"] for each in json.loads(out)] == ids
    assert {"statement", "reason", "wire", "level", "profile"} <= set(json.loads(out)[0])


def test_a_rule_is_explained_with_the_wire_and_with_those_who_break_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = told(capsys, "explain", "SK-UNI-002")
    assert code == 0
    for part in ("Why it matters", "On the wire", "split lines", "rules.uni:"):
        assert part in out
    _, out, _ = told(capsys, "explain", "uni-002", "--json")
    facts = json.loads(out)
    assert facts["id"] == "SK-UNI-002"
    assert "split lines" in {each["name"] for each in facts["mutants"]}


@pytest.mark.parametrize("rule", [rule.id for rule in all_rules()])
def test_every_rule_can_be_explained(capsys: pytest.CaptureFixture[str], rule: str) -> None:
    code, out, _ = told(capsys, "explain", rule)
    assert code == 0
    assert all(each in out for each in (rule, "Why it matters", "Judged by"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", "SK-UNY-002"], "Did you mean SK-UNI-002"),
        (["explain", "SK-UNI"], "is a group: SK-UNI-001"),
        (["run", "broken.py", "--rule", "SK-UNY-002"], "Did you mean SK-UNI-002"),
        (["run", "moonshott"], "moonshot"),
        (["run", "nowhere.py::target"], "no file nowhere.py"),
        (["run", "right.py::third"], "right.py::first, right.py::second"),
        (["run", "right.py"], "Which target of right.py is meant?"),
        (["replay", "nowhere.skwire"], "nowhere.skwire cannot be read"),
        (["report", "broken.py", "--html", "out.html"], "broken.py: no report"),
        (["run", "right.py::first", "--live", "--rule", "SK-UNI"], "leave out --rule"),
        (["record", "echo/echo", "--out", "broken.py"], "broken.py is there already"),
    ],
)
def test_wrong_use_is_said_clearly_and_has_a_code_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code, out, err = told(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_an_unknown_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["rum", "moonshot"])
    assert caught.value.code == 2
    assert "certify" in capsys.readouterr().err


def test_rules_are_named_by_id_and_by_group_in_any_case() -> None:
    uni = [rule.id for rule in all_rules() if rule.group == "UNI"]
    assert chosen_rules(["sk-uni"]) == chosen_rules(["UNI"]) == uni
    assert chosen_rules(["SK-LIFE-002", "uni-002"]) == ["SK-LIFE-002", "SK-UNI-002"]
    with pytest.raises(TargetError):
        chosen_rules(["SK-U"])


# Targets.


def test_a_file_with_one_target_needs_no_name(folder: Path) -> None:
    assert find_target("broken.py").name == "split lines"
    assert find_target("right.py::second").name == "plain-openai"


def test_a_file_that_cannot_be_imported_is_no_target(folder: Path) -> None:
    (folder / "bad.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(TargetError, match=r"bad\.py cannot be imported: ModuleNotFoundError"):
        find_target("bad.py")


class _Registry:
    """Says of a provider what a test wants."""

    def __init__(self, given: Any, **spec: Any) -> None:
        from streamkit.plugin import ProviderSpec

        self.spec = ProviderSpec(name="acme", api_version=1, factory="acme:Acme", **spec)
        self.given = given

    def describe(self, name: str) -> Any:
        return self.spec

    def conformance_target(self, name: str) -> Any:
        return self.given


def use(monkeypatch: pytest.MonkeyPatch, registry: _Registry) -> None:
    monkeypatch.setattr("streamkit_conformance.installed.default_registry", lambda: registry)


def test_a_plug_in_says_itself_how_it_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Conformance("acme", dialect=openai_sse())
    use(monkeypatch, _Registry(target))
    assert installed_target("acme") is target


def test_a_row_of_data_needs_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamkit.plugin import Quirks

    use(monkeypatch, _Registry(None, quirks=Quirks(reasoning_fields=("reasoning",))))
    dialect = installed_target("acme").dialect
    assert dialect.name == "openai-sse"
    assert dialect.losses == frozenset()
    use(monkeypatch, _Registry(None, quirks=Quirks(reasoning_fields=(), include_usage=False)))
    assert installed_target("acme").dialect.losses == {"reasoning", "usage"}


@pytest.mark.parametrize(
    ("given", "said"), [(None, "does not say how it is tested"), (5, "gave int")]
)
def test_a_provider_of_which_nobody_says_how_it_is_tested_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: Any, said: str
) -> None:
    use(monkeypatch, _Registry(given))
    with pytest.raises(TargetError, match=said):
        installed_target("acme")


# Replays and reports.


def test_a_recording_is_replayed_against_the_target_that_it_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recording(folder / "a.skwire", target=f"{folder / 'broken.py'}::target")
    code, out, _ = told(capsys, "replay", str(path))
    assert code == 0
    assert out.count("as it should be") == 3
    path = recording(folder / "b.skwire", "a\u2028b", target=f"{folder / 'broken.py'}::target")
    code, out, _ = told(capsys, "replay", str(path), "--backend", "sync")
    assert code == 1
    assert "WRONG" in out
    assert "\u2028" not in out
    code, out, _ = told(capsys, "replay", str(path), "right.py::first", "--backend", "sync")
    assert code == 0


def test_a_recording_that_names_nobody_needs_a_target(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = told(capsys, "replay", str(recording(folder / "a.skwire")))
    assert code == 2
    assert "name a target" in err


def test_several_reports_make_one_matrix_and_its_code_is_the_worst(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def report(name: str, verdict: Verdict) -> str:
        result = RuleResult(rule="SK-UNI-002", backend="sync", verdict=verdict, judged=1)
        facts = RuleFacts(id="SK-UNI-002")
        made = Report(target=name, results=(result,), rules=(facts,), selection="SK-UNI")
        path = folder / f"{name}.json"
        path.write_text(to_json(made))
        return str(path)

    good, bad = report("good", Verdict.PASS), report("bad", Verdict.FAIL)
    assert told(capsys, "report", good, "--html", "one.html")[0] == 0
    assert told(capsys, "report", good, bad, "--html", "two.html")[0] == 1
    page = (folder / "two.html").read_text()
    assert all(f">{name}<" in page for name in ("good", "bad"))


# Runs, as people start them.


def started(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "import sys; from streamkit_conformance.cli import main; "]
    command[-1] += "sys.exit(main())"
    return subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


RUN = ("run", "broken.py::target", "--effort", "corpus", "--backend", "sync")


@pytest.mark.integration
def test_a_run_is_red_where_a_rule_is_and_green_where_it_is_kept(folder: Path) -> None:
    red = started(folder, *RUN, "--rule", "SK-UNI-002", "--report", "out")
    assert red.returncode == 1, red.stdout + red.stderr
    assert "SK-UNI-002 · MUST · core · sync" in red.stdout
    assert "Cause: CHARACTERS" in red.stdout
    assert from_json((folder / "out" / "report.json").read_bytes()).red
    green = started(folder, *RUN, "--rule", "SK-UNI-001")
    assert green.returncode == 0, green.stdout + green.stderr


@pytest.mark.integration
def test_a_filter_that_matches_nothing_is_wrong_use(folder: Path) -> None:
    inspected = next(rule.id for rule in all_rules() if rule.inspect is not None)
    done = started(folder, *RUN, "--rule", inspected)
    assert done.returncode == 2, done.stdout + done.stderr


@pytest.mark.integration
def test_a_run_for_programs_prints_the_report_and_nothing_else(folder: Path) -> None:
    done = started(folder, *RUN, "--rule", "SK-UNI", "--json")
    assert done.returncode == 1, done.stderr
    report = from_json(done.stdout)
    assert report.target == "split lines"
    assert {each.backend for each in report.results} == {"sync"}
    assert "SK-UNI-002" in done.stderr


@pytest.mark.integration
def test_the_command_of_streamkit_is_the_same(folder: Path) -> None:
    command = [sys.executable, "-m", "streamkit", "conformance", "explain", "SK-UNY-002"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Did you mean SK-UNI-002" in done.stderr
