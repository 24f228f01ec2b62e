"""Reports of the conformance kit made by hand, and by Hypothesis, for tests of their forms."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from streamkit_conformance.report.report import (
    FLOOR,
    LEVELS,
    PROFILES,
    Failure,
    Report,
    RuleFacts,
    RuleResult,
)
from streamkit_conformance.verdict import Verdict

BACKENDS: Final = ("asyncio", "trio", "sync")

FAILURE: Final = Failure(
    message="what was said differs from what was sent",
    case="SK-FRAME-001/bytes",
    causes=("READ BOUNDARIES: passes when the body arrives in one read",),
    script={
        "events": [
            {"event": "Text", "text": "Grüße\u2028", "refusal": False},
            {"event": "Finish", "reason": "stop", "raw": None},
        ],
        "fault": None,
    },
    reads=(b'data: {"text": "Gr\xc3', b'\xbc\xc3\x9fe"}\r\n\r\n', b"data: [DONE]\n\n"),
    mark=(1, 0),
    expected="[('text', 'Grüße and a long enough text to need a mark')]",
    got="[('text', 'Gr\ufffd\ufffde and a long enough text to need a mark')]",
    chunks=('{"type":"content","content":"Gr"}',),
    skwire='{"skwire": 1}\n',
    file="out/SK-FRAME-001 asyncio.skwire",
)


def facts(rule: str, **changes: Any) -> RuleFacts:
    """A rule's facts."""
    made = RuleFacts(
        id=rule,
        statement="Chunks do not depend on where the network cuts the body.",
        reason="A proxy cuts elsewhere than the service did, and the answer changes.",
    )
    return replace(made, **changes)


def core(count: int = FLOOR) -> list[RuleFacts]:
    """Rules of core, enough for a whole run."""
    groups = ("LIFE", "CONT", "FRAME", "UNI", "SEC")
    return [facts(f"SK-{groups[n % 5]}-{n // 5 + 1:03}") for n in range(count)]


def passed(rules: Iterable[RuleFacts], backends: Iterable[str] = BACKENDS) -> list[RuleResult]:
    """A pass for each rule and backend."""
    return [
        RuleResult(rule=each.id, backend=backend, verdict=Verdict.PASS, judged=3, traces=4)
        for each in rules
        for backend in backends
    ]


def failed(rule: str, backend: str = "asyncio", failure: Failure = FAILURE) -> RuleResult:
    """A failure."""
    return RuleResult(
        rule=rule,
        backend=backend,
        verdict=Verdict.FAIL,
        reason=failure.message,
        judged=2,
        traces=5,
        failure=failure,
    )


def report(*results: RuleResult, rules: Iterable[RuleFacts] = (), **changes: Any) -> Report:
    """A green report of core, and what is given besides; results given replace those there are."""
    more = list(rules)
    known = {each.id for each in more}
    base = [each for each in core() if each.id not in known]
    given = {(each.rule, each.backend) for each in results}
    kept = [each for each in passed(base) if (each.rule, each.backend) not in given]
    fields: dict[str, Any] = {
        "target": "moonshot",
        "subject_version": "0.1.0",
        "kit_version": "0.1.0",
        "revision": "2026.1",
        "dialect": "openai_sse",
        "backends": BACKENDS,
        "transports": ("mock", "loopback"),
        "seed": 7,
        "claims": {"tools": "yes", "reasoning": "unknown"},
        "started": "2026-11-25T04:22:21+00:00",
        "took_s": 12.5,
        "rules": (*base, *more),
        "results": (*kept, *results),
    }
    return Report(**{**fields, **changes})


# By Hypothesis.

NASTY: Final = (
    "\x00", "\x1b[31m", "</script><script>alert(1)</script>", "]]>", "\ud800", "\udfff", "`" * 5,
    "| a | b |", "<!--", "\u202e", "\u2028", "\r", "\n# heading", "&amp;", "\ufffe", "'\" onload=x",
    "[x](javascript:y)", "\\", "\x85", "😀",
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from((*NASTY, "word", " ")), max_size=4).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=12),
)
_reads = st.lists(st.binary(max_size=12), max_size=5).map(tuple)
_scripts = st.fixed_dictionaries(
    {
        "events": st.lists(
            st.fixed_dictionaries({"event": st.just("Text"), "text": texts}), max_size=2
        ),
        "fault": st.none(),
    }
)
_tuples = st.lists(texts, max_size=2).map(tuple)
failures = st.builds(
    Failure,
    message=texts,
    case=texts,
    causes=_tuples,
    script=_scripts,
    reads=_reads,
    mark=st.none() | st.tuples(st.integers(-1, 6), st.integers(0, 14)),
    expected=texts,
    got=texts,
    chunks=_tuples,
    skwire=texts,
    file=texts,
)
_ids = st.sampled_from([f"SK-{group}-{n:03}" for group in ("LIFE", "UNI") for n in (1, 2, 3)])
_rules = st.lists(
    st.builds(
        RuleFacts,
        id=_ids,
        level=st.sampled_from(["MUST", "SHOULD"]),
        profile=st.sampled_from(PROFILES),
        statement=texts,
        reason=texts,
        is_scored=st.booleans(),
    ),
    unique_by=lambda each: each.id,
    min_size=1,
    max_size=4,
)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """A report in which every text may be nasty and every verdict may stand."""
    rules = draw(_rules)
    verdicts = draw(
        st.lists(st.sampled_from(list(Verdict)), min_size=2 * len(rules), max_size=2 * len(rules))
    )
    results = [
        RuleResult(
            rule=rules[n // 2].id,
            backend=("asyncio", "trio")[n % 2],
            verdict=verdict,
            reason=draw(texts),
            judged=1 if verdict is Verdict.PASS else draw(st.integers(0, 2)),
            traces=3,
            failure=draw(failures) if verdict in (Verdict.FAIL, Verdict.WAIVED) else None,
        )
        for n, verdict in enumerate(verdicts)
    ]
    waiver = st.fixed_dictionaries({"rule": texts, "reason": texts, "until": texts})
    return Report(
        target=draw(texts),
        subject_version=draw(texts),
        kit_version="0.1.0",
        revision=draw(texts),
        dialect=draw(texts),
        backends=("asyncio", "trio"),
        transports=("mock",),
        level=draw(st.sampled_from(LEVELS)),
        claims=draw(st.dictionaries(texts, texts, max_size=1)),
        results=tuple(results),
        waivers=tuple(draw(st.lists(waiver, max_size=1))),
        problems=draw(_tuples),
        rules=tuple(rules),
        is_live=draw(st.booleans()),
        selection=draw(texts),
    )
