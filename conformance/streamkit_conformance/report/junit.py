"""A report as JUnit XML: one test case for each rule and backend, as CI servers read it."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable

from streamkit_conformance.report.report import Report, RuleResult
from streamkit_conformance.report.story import tell, text
from streamkit_conformance.report.terminal import header
from streamkit_conformance.report.visible import bounded, readable
from streamkit_conformance.verdict import Verdict

__all__ = ["to_junit"]


def to_junit(report: Report) -> str:
    """Writes reports' verdicts as test cases.

    A result that makes the run red is a failure. One that is not applicable, waived or not counted
    at the level is skipped, with its reason. What makes the run red besides is an error, so that
    an empty run is red here too.
    """
    suite = ET.Element(
        "testsuite",
        name=_text(f"streamkit-conformance {report.target}"),
        tests=str(len(report.results) + len(report.all_problems)),
        failures=str(len(report.red)),
        errors=str(len(report.all_problems)),
        skipped=str(sum(_is_skipped(report, each) for each in report.results)),
        time=f"{report.took_s or 0:.3f}",
    )
    if report.started:
        suite.set("timestamp", _text(report.started))
    facts = [*header(report), ("claim", report.claim)]
    _properties(suite, facts)
    for each in report.results:
        suite.append(_case(report, each))
    for problem in report.all_problems:
        case = ET.SubElement(suite, "testcase", classname=_text(report.target), name="run")
        ET.SubElement(case, "error", message=_text(problem), type="run").text = _text(problem)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _is_skipped(report: Report, result: RuleResult) -> bool:
    return result.verdict is not Verdict.PASS and not report.is_red(result)


def _case(report: Report, result: RuleResult) -> ET.Element:
    facts = report.facts(result.rule)
    backend = f"[{result.backend}]" if result.backend else ""
    case = ET.Element(
        "testcase",
        classname=_text(f"{report.target}.{facts.group}"),
        name=_text(f"{result.rule}{backend}"),
    )
    _properties(
        case,
        [
            ("rule", result.rule),
            ("level", facts.level if facts.is_scored else "preview"),
            ("profile", facts.profile),
            ("verdict", str(result.verdict)),
            ("judged", str(result.judged)),
            ("traces", str(result.traces)),
        ],
    )
    if result.verdict is Verdict.PASS:
        return case
    story = tell(facts, result)
    message = _text(bounded(f"{result.verdict}: {story.said}", 300))
    if report.is_red(result):
        failure = ET.SubElement(case, "failure", message=message, type=str(result.verdict))
        failure.text = _text(text(story))
    else:
        ET.SubElement(case, "skipped", message=message)
    return case


def _properties(parent: ET.Element, facts: Iterable[tuple[str, str]]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in facts:
        ET.SubElement(properties, "property", name=name, value=_text(value))


def _text(shown: str) -> str:
    # Whatever XML 1.0 cannot hold in any way is no printable character either.
    return readable(shown)
