"""All forms are made from one report: they agree, and no text in it breaks them."""

import io
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from streamkit_conformance.report import json_report
from streamkit_conformance.report.badge import endpoint, svg
from streamkit_conformance.report.html import to_html
from streamkit_conformance.report.json_report import from_json, to_json
from streamkit_conformance.report.junit import to_junit
from streamkit_conformance.report.markdown import to_markdown
from streamkit_conformance.report.report import WORST_FIRST, Report, RuleResult
from streamkit_conformance.report.terminal import render
from streamkit_conformance.verdict import Verdict
from tests.made_reports import FAILURE, core, facts, failed, passed, report, reports

TOOL = facts("SK-TOOL-001", profile="tools")


def mixed() -> Report:
    """A report in which every verdict stands, some of them not counted."""
    shown = [
        RuleResult(
            rule=f"SK-LIFE-00{n}", backend="trio", verdict=verdict, reason=f"it is {verdict}"
        )
        for n, verdict in enumerate(each for each in Verdict if each is not Verdict.PASS)
        if n > 0
    ]
    preview = facts("SK-RETRY-001", is_scored=False)
    return report(
        *shown,
        failed("SK-FRAME-001"),
        failed("SK-FRAME-001", "trio"),
        failed(preview.id),
        rules=[preview],
        waivers=({"rule": "SK-LIFE-003", "reason": "later", "until": "2026-12-31"},),
        problems=("the dialect cannot be read",),
    )


class Page(HTMLParser):
    """What a browser would see: tags and attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def ids(self) -> list[str]:
        return [found for _, attrs in self.tags if (found := attrs.get("id"))]

    def links(self) -> Iterator[str]:
        return (href for tag, attrs in self.tags if tag == "a" and (href := attrs.get("href")))


# They agree.


def of_terminal(made: Report) -> dict[str, int]:
    last = render(made).strip().splitlines()[-1]
    return {name: int(number) for number, name in re.findall(r"(\d+) ([a-z-]+)", last)}


def of_json(made: Report) -> dict[str, int]:
    counts: dict[str, int] = json.loads(to_json(made))["counts"]
    return {name: number for name, number in counts.items() if number}


def of_junit(made: Report) -> dict[str, int]:
    found = ET.fromstring(to_junit(made)).findall(".//testcase//property[@name='verdict']")
    return dict(Counter(each.attrib["value"] for each in found))


def of_html(made: Report) -> dict[str, int]:
    lists = re.findall(
        r"aria-hidden=\"true\">[^<]*</span> ([a-z-]+)</dt><dd>(\d+)", to_html([made])
    )
    return {name: int(number) for name, number in lists if number != "0"}


def of_markdown(made: Report) -> dict[str, int]:
    table = to_markdown(made).split("| group |")[1].split("\n\n")[0].splitlines()
    names = [each.strip() for each in table[0].strip(" |").split("|")]
    totals = [each.strip() for each in table[-1].strip(" |").split("|")[1:]]
    return {name: int(number) for name, number in zip(names, totals, strict=True)}


@pytest.mark.parametrize("of_form", [of_terminal, of_json, of_junit, of_html, of_markdown])
def test_every_form_has_the_counts_of_the_report(of_form: Any) -> None:
    made = mixed()
    counts = {str(verdict): number for verdict, number in made.counts.items() if number}
    assert len(counts) == len(Verdict)
    assert of_form(made) == counts


def test_junit_fails_exactly_what_is_red() -> None:
    made = mixed()
    root = ET.fromstring(to_junit(made))
    suite = root[0]
    assert len(root.findall(".//failure")) == int(suite.attrib["failures"]) == len(made.red)
    assert len(root.findall(".//error")) == int(suite.attrib["errors"]) == 1
    assert len(root.findall(".//skipped")) == int(suite.attrib["skipped"])
    assert len(root.findall(".//testcase")) == int(suite.attrib["tests"])


def test_an_empty_run_is_an_error_in_junit() -> None:
    root = ET.fromstring(to_junit(Report(target="x")))
    assert [each.attrib["message"] for each in root.findall(".//error")] == ["nothing was judged"]


def test_a_test_case_tells_rule_level_profile_and_traces() -> None:
    case = ET.fromstring(to_junit(report(*passed([TOOL]), rules=[TOOL]))).find(
        ".//testcase[@name='SK-TOOL-001[trio]']"
    )
    assert case is not None
    found = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
    assert found == {
        "rule": "SK-TOOL-001",
        "level": "MUST",
        "profile": "tools",
        "verdict": "pass",
        "judged": "3",
        "traces": "4",
    }


def test_the_verdict_is_the_same_in_every_form() -> None:
    for made in (report(), mixed(), report(failed("SK-LIFE-001")), Report(target="x")):
        is_green = made.exit_code == 0
        junit = ET.fromstring(to_junit(made))[0].attrib
        assert (junit["failures"] == junit["errors"] == "0") is is_green
        assert json.loads(to_json(made))["exit_code"] == made.exit_code
        assert ("RED" not in render(made)) is is_green
        assert ("RED" not in to_markdown(made)) is is_green
        assert ('scope="col" class="green"' in to_html([made])) is is_green
        assert endpoint(made)["isError"] is not is_green


def test_the_claim_is_the_same_in_every_form() -> None:
    made = report(*passed([TOOL]), rules=[TOOL])
    assert made.claim in render(made)
    assert f"<td>{made.claim}</td>" in to_html([made]).replace("<wbr>", "")
    badge = endpoint(made)
    assert f"{badge['label']} · {badge['message']}" == made.claim
    assert 'aria-label="streamkit 2026.1: core+tools"' in svg(made)


def test_a_red_badge_says_so() -> None:
    made = endpoint(report(failed("SK-LIFE-001")))
    assert (made["label"], made["message"]) == ("streamkit 2026.1", "not conformant")


# Nothing breaks them.


@given(made=reports())
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_json(made: Report) -> None:
    written = to_json(made)
    jsonschema.validate(json.loads(written), json_report.schema())
    read = from_json(written)
    assert to_json(read) == written
    assert [each.verdict for each in read.results] == [each.verdict for each in made.results]
    reads = [each.failure.reads for each in made.results if each.failure]
    assert [each.failure.reads for each in read.results if each.failure] == reads


@given(made=reports())
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_junit(made: Report) -> None:
    root = ET.fromstring(to_junit(made).encode("utf-8"))
    assert len(root.findall(".//failure")) == len(made.red)


@given(made=reports())
@settings(max_examples=60, deadline=None)
def test_no_text_becomes_markup_in_html(made: Report) -> None:
    written = to_html([made, made])
    written.encode("utf-8")
    page = Page(written)
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= TAGS
    for _, attrs in page.tags:
        assert not any(name.startswith("on") or name in {"src", "style"} for name in attrs)
    ids = page.ids()
    assert len(ids) == len(set(ids))
    assert {href.removeprefix("#") for href in page.links()} <= set(ids)


@given(made=reports())
@settings(max_examples=60, deadline=None)
def test_no_text_becomes_markup_in_markdown(made: Report) -> None:
    written = to_markdown(made)
    written.encode("utf-8")
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(written)
    kinds = {each.type for each in tokens} | {
        child.type for each in tokens for child in each.children or ()
    }
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline"}
    headings = [each for each in tokens if each.type == "heading_open"]
    assert len([each for each in headings if each.tag == "h1"]) == 1
    assert len([each for each in tokens if each.type == "table_open"]) == 2


@given(made=reports())
@settings(max_examples=60, deadline=None)
def test_no_text_acts_on_a_terminal(made: Report) -> None:
    shown = render(made)
    shown.encode("utf-8")
    assert all(each == "\n" or each.isprintable() for each in shown)


@given(made=reports())
@settings(max_examples=30, deadline=None)
def test_no_text_breaks_a_badge(made: Report) -> None:
    ET.fromstring(svg(made))
    json.dumps(endpoint(made)).encode("ascii")


TAGS = set(
    """
    a article body code dd details div dl dt em fieldset h1 h2 h3 h4 head header html input label
    legend li main mark meta p pre span strong style summary sup table tbody td th thead title tr ul
    """.split()
)


# JSON.


def test_a_report_comes_back_from_json() -> None:
    made = mixed()
    assert from_json(to_json(made)) == made


def test_the_shipped_schema_is_current() -> None:
    assert json_report.shipped_schema() == json_report.schema(), (
        "write it anew: python -c 'from streamkit_conformance.report.json_report "
        "import write_schema; write_schema()'"
    )


def test_a_report_whose_verdict_was_changed_by_hand_is_refused() -> None:
    document = json.loads(to_json(report(failed("SK-LIFE-001"))))
    document["exit_code"], document["is_green"] = 0, True
    with pytest.raises(ValueError, match="do not follow"):
        from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "\x00"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no report"):
        from_json(text)


# HTML.


def test_the_page_asks_nobody_and_runs_nothing() -> None:
    page = Page(to_html([mixed()]))
    policy = next(
        attrs["content"]
        for tag, attrs in page.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "form", "object"}
    assert "url(" not in to_html([mixed()])


def test_each_cell_opens_its_story_and_the_story_leads_back() -> None:
    page = Page(to_html([mixed(), report()]))
    ids = set(page.ids())
    stories = {href for href in page.links() if href.startswith("#story-")}
    assert len(stories) == len(mixed().by_rule) + len(report().by_rule)
    for href in stories:
        assert href.removeprefix("#") in ids
        assert href.replace("#story-", "cell-") in ids


def test_the_story_of_a_cell_has_all_that_the_author_needs() -> None:
    written = to_html([report(failed("SK-LIFE-001"))])
    story = written.split('<article id="story-SK-LIFE-001-0"')[1].split("</article>")[0]
    for part in (
        "cuts the body.",
        "Why it matters",
        "READ BOUNDARIES: passes",
        '<code><mark><span class="hidden">first difference: </span>\\xbc</mark>ße&quot;}\\r',
        "Expected",
        "replay &#x27;out/SK-FRAME-001 asyncio.skwire&#x27;",
    ):
        assert part in story


def test_the_filter_hides_rows_of_the_matrix_and_nothing_of_a_story() -> None:
    written = to_html([mixed()])
    rules = re.findall(r"^.*:has\(#show-([a-z-]+):checked\) main :is\((.*)\)\{", written, re.M)
    assert [name for name, _ in rules] == ["red", *(str(each) for each in WORST_FIRST)]
    assert written.count(":checked)") == len(rules)
    assert "<main>" in written.split("<article")[0]
    assert "</main>" in written.split("<article")[0]


def test_what_is_alike_on_all_backends_is_told_once() -> None:
    alike = [failed("SK-LIFE-001", each) for each in ("asyncio", "trio", "sync")]
    assert to_html([report(*alike)]).count("READ BOUNDARIES") == 1
    other = failed("SK-LIFE-001", "sync", replace(FAILURE, message="something else"))
    assert to_html([report(*alike[:2], other)]).count("READ BOUNDARIES") == 2


def test_eight_providers_and_eighty_rules_fit_into_a_page() -> None:
    rules = core(80)
    made = report(rules=rules, results=tuple(passed(rules)))
    written = to_html([replace(made, target=f"provider {n}") for n in range(8)])
    assert len(written) < 2_000_000
    assert written.count('<td class="pass">') == 640


# The terminal.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_only_for_a_terminal() -> None:
    from streamkit_conformance.report.terminal import show

    for to, has_colours in ((Terminal(), True), (io.StringIO(), False)):
        show(report(), to)
        assert ("\033[" in to.getvalue()) is has_colours


def test_whoever_wants_no_colours_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamkit_conformance.report.terminal import show

    monkeypatch.setenv("NO_COLOR", "1")
    to = Terminal()
    show(report(), to)
    assert "\033[" not in to.getvalue()
