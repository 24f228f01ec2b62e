import io
from dataclasses import replace

import pytest

from streamkit_conformance.report.report import Failure, RuleResult
from streamkit_conformance.report.story import stories, tell, text
from streamkit_conformance.report.terminal import Progress, render
from streamkit_conformance.report.visible import bounded, readable
from streamkit_conformance.verdict import Verdict
from tests.made_reports import FAILURE, facts, failed, passed, report

RULE = facts("SK-FRAME-001")


def told(failure: Failure) -> str:
    return text(tell(RULE, failed(RULE.id, failure=failure)))


def test_the_parts_stand_in_their_order() -> None:
    shown = told(FAILURE)
    parts = [
        "SK-FRAME-001 · MUST · core · asyncio",
        RULE.statement,
        "Why it matters: A proxy",
        "What is wrong: what was said differs",
        "Cause: READ BOUNDARIES",
        "Text(text='Grüße\\u2028')",
        'data: {"text": "Gr\\xc3',
        "^ first difference\n",
        "Expected: [('text', 'Grüße",
        "Got:      [('text', 'Gr",
        "File: out/SK-FRAME-001 asyncio.skwire",
        "Replay: streamkit-conformance replay 'out/SK-FRAME-001 asyncio.skwire'",
    ]
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)


def marked(reads: tuple[bytes, ...], mark: tuple[int, int] | None) -> str:
    """What stands over the caret, to the end of its line."""
    lines = told(replace(FAILURE, reads=reads, mark=mark)).splitlines()
    caret = next(n for n, line in enumerate(lines) if line.endswith("^ first difference"))
    return lines[caret - 1][lines[caret].index("^") :]


def test_the_caret_stands_under_the_first_difference() -> None:
    assert marked((b"abc", b"de\n\xc3\xbcf"), (1, 2)) == "\\nüf"


def test_a_mark_inside_a_character_stands_under_what_follows() -> None:
    assert marked(("aüb".encode(),), (0, 2)) == "b"


def test_a_mark_at_the_end_of_a_read_stands_behind_it() -> None:
    assert marked((b"abc", b"d"), (0, 3)) == ""


def test_the_mark_is_in_sight_in_a_read_of_a_megabyte() -> None:
    shown = marked((b"x" * 500_000 + b"HERE" + b"y" * 500_000,), (0, 500_000))
    assert shown.startswith("HEREy")
    assert len(shown) < 250


def test_the_mark_is_in_sight_in_a_body_cut_byte_by_byte() -> None:
    body = b"x" * 5_000 + b"HERE" + b"y" * 5_000
    reads = tuple(body[n : n + 1] for n in range(len(body)))
    assert marked(reads, (5_000, 0)).startswith("H│E│R│E")
    assert len(told(replace(FAILURE, reads=reads, mark=(5_000, 0)))) < 3_000


def test_the_mark_is_in_sight_among_many_reads() -> None:
    reads = tuple(f"read number {n}".encode() for n in range(1_000))
    shown = told(replace(FAILURE, reads=reads, mark=(500, 5)))
    assert marked(reads, (500, 5)) == "number 500"
    assert "1-491 │ (491 reads, " in shown
    assert len(shown) < 3_000


@pytest.mark.parametrize("mark", [(-1, 0), (9, 0), None])
def test_a_mark_that_is_nowhere_is_left_out(mark: tuple[int, int] | None) -> None:
    shown = told(replace(FAILURE, mark=mark))
    assert "Reads:" in shown
    assert "^ first difference\n" not in shown


def test_a_character_cut_apart_is_shown_by_its_bytes() -> None:
    assert 'Gr\\xc3\n    2 │ \\xbcße"}\\r\\n\\r\\n' in told(FAILURE)


def test_a_backslash_of_the_wire_is_told_from_a_line_end() -> None:
    shown = told(replace(FAILURE, reads=(b"a\\nb\nc",), mark=None))
    assert "1 │ a\\\\nb\\nc" in shown


def test_long_texts_are_shown_at_their_first_difference() -> None:
    expected = "a" * 5_000 + "X" + "b" * 5_000
    shown = told(replace(FAILURE, expected=expected, got=expected.replace("X", "Y")))
    assert "aaaX" in shown
    assert "aaaY" in shown
    assert "at character 5000" in shown
    assert len(shown) < 4_000


def test_a_failure_without_a_file_names_no_command() -> None:
    assert "Replay" not in told(replace(FAILURE, file=""))


def test_backends_that_fail_alike_share_a_story() -> None:
    made = report(
        failed(RULE.id, "asyncio", replace(FAILURE, file="a", skwire="1")),
        failed(RULE.id, "trio", replace(FAILURE, file="b", skwire="2")),
        failed(RULE.id, "sync", replace(FAILURE, got="something else")),
    )
    assert [each.backends for each in stories(made, made.red)] == [("asyncio", "trio"), ("sync",)]


def test_the_terminal_says_why_rules_are_not_applicable() -> None:
    results = [
        RuleResult(
            rule=rule,
            backend=backend,
            verdict=Verdict.NOT_APPLICABLE,
            reason="the dialect has no reasoning",
        )
        for rule, backend in [(f"SK-REAS-{n:03}", b) for n in (1, 2) for b in ("asyncio", "trio")]
    ][:-1]
    rules = [facts("SK-REAS-001"), facts("SK-REAS-002")]
    shown = render(report(*results, rules=rules, backends=("asyncio", "trio")))
    assert "- the dialect has no reasoning: SK-REAS-001, SK-REAS-002[asyncio]\n" in shown


# What can be shown.


def test_what_would_act_is_written_as_an_escape() -> None:
    assert readable("a\x1b[31m\u202e\ud800\x85\\n\n") == "a\\x1b[31m\\u202e\\ud800\\x85\\n\n"
    assert readable("a\nb", lines=False) == "a\\nb"


def test_a_text_that_is_too_long_keeps_both_its_ends() -> None:
    shown = bounded("a" * 500 + "b" * 500, 100)
    assert len(shown) <= 100
    assert shown.startswith("aaa")
    assert shown.endswith("bbb")
    assert "…924 more…" in shown


# Progress.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_few_lines_and_no_more() -> None:
    to = io.StringIO()
    progress = Progress(to, 100)
    for n in range(100):
        progress.step(f"SK-LIFE-{n:03}")
    progress.end()
    lines = to.getvalue().splitlines()
    assert [each.partition(" ")[0] for each in lines] == ["25/100", "50/100", "75/100", "100/100"]


def test_a_terminal_has_one_line_that_is_redrawn_now_and_then() -> None:
    now = 0.0

    def clock() -> float:
        return now

    to = Terminal()
    progress = Progress(to, 1_000, clock)
    for _ in range(1_000):
        progress.step("x\n\x1b[2J")
        now += 0.001
    progress.end()
    shown = to.getvalue()
    assert "\n" not in shown
    assert "\x1b[2J" not in shown
    assert 10 <= shown.count("\r\033[K") <= 13
    assert shown.endswith("1000/1000 x\\n\\x1b[2J\r\033[K")


def test_progress_of_nothing_shows_nothing() -> None:
    to = io.StringIO()
    Progress(to, 0).step("x")
    assert to.getvalue() == ""


def test_the_table_counts_every_result_once() -> None:
    made = report(*passed([facts("SK-TOOL-001")]), rules=[facts("SK-TOOL-001")])
    total = next(line for line in render(made).splitlines() if line.startswith("total"))
    assert total.split() == ["total", str(len(made.by_rule)), str(len(made.results))]
