import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from streamkit_conformance.case import Ask, Case, Consumer
from streamkit_conformance.causes import ALWAYS, FAULT_RULES, Fails, causes
from streamkit_conformance.cuts import BYTES, RECORDS, WHOLE, Cut
from streamkit_conformance.dialects import openai_sse
from streamkit_conformance.reduce import reduce
from streamkit_conformance.rules import all_rules
from streamkit_conformance.script import (
    FAULT_KINDS,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolStart,
)
from streamkit_conformance.wire import write

DIALECT = openai_sse()
LONG = Script(
    (
        Reasoning("Let me see."),
        Text("Once upon a time "),
        Text("there was \u2028 a line"),
        Text(" that 「ended」 nowhere 🙂"),
        ToolStart(0, "call_1", "look"),
        ToolArguments(0, '{"for": '),
        ToolArguments(0, '"it"}'),
        Tokens(3, 2),
        Finish("tool_calls"),
    )
)
PLAIN_CASE = Case(name="plain", script=Script((Text("Hi"), Text(" you"), Finish())))


class Reader:
    """Reads the text of an answer, rightly; subclasses have one bug each."""

    def text(self, reads: Sequence[bytes]) -> str:
        body = self.decoded(reads)
        said = [self.said(line) for line in self.lines(body) if line.startswith("data:")]
        return "".join(said)

    def decoded(self, reads: Sequence[bytes]) -> str:
        return b"".join(reads).decode()

    def lines(self, body: str) -> list[str]:
        return body.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def said(self, line: str) -> str:
        data = line.removeprefix("data:").strip(" ")
        return "" if data == "[DONE]" else self.of_record(json.loads(data))

    def of_record(self, record: Any) -> str:
        deltas = [each.get("delta", {}) for each in record.get("choices") or ()]
        return "".join(each.get("content") or "" for each in deltas)


class SplitsLines(Reader):
    def lines(self, body: str) -> list[str]:
        return body.splitlines()


class DecodesReads(Reader):
    def decoded(self, reads: Sequence[bytes]) -> str:
        return "".join(each.decode(errors="replace") for each in reads)


class WantsWholeLines(Reader):
    def decoded(self, reads: Sequence[bytes]) -> str:
        return "\n".join(each.decode(errors="ignore") for each in reads)


class WantsSpace(Reader):
    def said(self, line: str) -> str:
        return super().said(line) if line.startswith("data: ") else ""


class KnowsLFAlone(Reader):
    def lines(self, body: str) -> list[str]:
        return [each for each in body.split("\n") if not each.endswith("\r")]


class LooksForTheSentinel(Reader):
    def said(self, line: str) -> str:
        return "" if "[DONE]" in line else super().said(line)


class Strips(Reader):
    def of_record(self, record: Any) -> str:
        return super().of_record(record).strip()


class SaysReasoning(Reader):
    def of_record(self, record: Any) -> str:
        deltas = [each.get("delta", {}) for each in record.get("choices") or ()]
        reasoning = "".join(each.get("reasoning_content") or "" for each in deltas)
        return reasoning + super().of_record(record)


class SaysNothing(Reader):
    def text(self, reads: Sequence[bytes]) -> str:
        return ""


class WantsChoices(Reader):
    def of_record(self, record: Any) -> str:
        content: str = record["choices"][0]["delta"].get("content") or ""
        return content


def failing(reader: Reader) -> Fails:
    """Whether a reader gets a case wrong."""

    def fails(case: Case) -> bool:
        wanted = "".join(each.text for each in case.script.sent if isinstance(each, Text))
        try:
            return reader.text(write(case, DIALECT).reads) != wanted
        except (ValueError, LookupError):
            return True

    return fails


def labels(case: Case, fails: Fails) -> list[str]:
    return [each.label for each in causes(case, DIALECT, fails)]


def text_case(text: str, **fields: Any) -> Case:
    return Case(name="text", script=Script((Text(text), Text("!"), Finish())), **fields)


@pytest.mark.parametrize(
    ("reader", "case", "expected"),
    [
        (SplitsLines(), text_case("a\u2028b"), ["CHARACTERS U+2028"]),
        (
            SplitsLines(),
            text_case("a\u2028b\x85c"),
            ["CHARACTERS that end lines elsewhere"],
        ),
        (DecodesReads(), text_case("é", cut=BYTES), ["CHARACTERS U+00E9 (é)", "READ BOUNDARIES"]),
        (WantsWholeLines(), text_case("a", cut=BYTES), ["READ BOUNDARIES"]),
        (WantsWholeLines(), text_case("a", cut=Cut("at", (9, 30))), ["READ BOUNDARIES"]),
        (LooksForTheSentinel(), text_case("a [DONE] b"), ["TEXT '[DONE]'"]),
        (Strips(), text_case(" a"), ["CHARACTERS U+0020 (space)"]),
        (SaysNothing(), text_case("a"), ["ALWAYS"]),
    ],
)
def test_the_one_thing_without_which_it_passes_is_named(
    reader: Reader, case: Case, expected: list[str]
) -> None:
    assert failing(reader)(case)
    assert labels(case, failing(reader)) == expected


@pytest.mark.parametrize(
    ("reader", "style", "label", "text"),
    [
        (WantsSpace(), {"space": False}, "WIRE STYLE space", "passes with it"),
        (KnowsLFAlone(), {"newline": "\r\n"}, "WIRE STYLE newline", "passes with LF"),
    ],
)
@pytest.mark.parametrize("cut", [RECORDS, WHOLE, BYTES])
def test_a_style_is_named_with_what_passes_and_its_rule(
    reader: Reader, style: dict[str, Any], label: str, text: str, cut: Cut
) -> None:
    case = PLAIN_CASE.with_(style=PLAIN_CASE.style.with_(**style, bom=False), cut=cut)
    (cause,) = causes(case, DIALECT, failing(reader))
    assert cause.label == label
    assert cause.text == f"{label}: {text}"
    axes = {axis.name: axis for axis in DIALECT.all_axes}
    assert cause.rule == axes[next(iter(style))].rule


def test_events_that_matter_are_named() -> None:
    assert labels(Case(name="long", script=LONG), failing(SaysReasoning())) == ["REASONING"]
    usage = Script((Text("a"), Tokens(1, 1), Finish()))
    assert labels(Case(name="usage", script=usage), failing(WantsChoices())) == ["USAGE RECORD"]


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_fault_is_named_with_its_rule(kind: Any) -> None:
    case = PLAIN_CASE.with_(script=PLAIN_CASE.script.with_fault(kind, after=1))
    found = causes(case, DIALECT, lambda changed: changed.script.fault is not None)
    assert found[0].text == f"FAULT {kind}: passes without it"
    assert found[0].rule == FAULT_RULES[kind]


@pytest.mark.parametrize(
    ("changes", "matters", "text"),
    [
        (
            {"consumer": Consumer("break")},
            lambda case: case.consumer.kind == "break",
            "CONSUMER break: passes when everything is read",
        ),
        (
            {"via": "loopback"},
            lambda case: case.via == "loopback",
            "REAL SOCKET: passes when httpx is mocked",
        ),
        (
            {"ask": Ask(settings={"seed": 1, "stop": ["x"]})},
            lambda case: "seed" in case.ask.settings,
            "SETTING seed: passes without it",
        ),
        (
            {"ask": Ask(stream=False)},
            lambda case: not case.ask.stream,
            "NON-STREAM: passes when it is streamed",
        ),
        (
            {"then": (PLAIN_CASE,), "together": True},
            lambda case: case.together,
            "INTERLEAVED STREAMS: passes one after the other",
        ),
        ({"then": (PLAIN_CASE,)}, lambda case: bool(case.then), "SECOND STREAM: passes alone"),
        (
            {"secret": "a\nb"},
            lambda case: "\n" in case.secret,
            "KEY: passes with an ordinary one",
        ),
    ],
)
def test_who_asks_and_who_reads_are_named(
    changes: dict[str, Any], matters: Callable[[Case], bool], text: str
) -> None:
    found = causes(PLAIN_CASE.with_(**changes), DIALECT, matters)
    assert [each.text for each in found] == [text]


def test_each_change_is_played_alone_and_leaves_the_rest_as_it_was() -> None:
    style = PLAIN_CASE.style.with_(newline="\r", space=False)
    case = text_case("é\u2028", cut=BYTES, style=style)
    played: list[Case] = []

    def fails(changed: Case) -> bool:
        played.append(changed)
        return True

    assert causes(case, DIALECT, fails) == (ALWAYS,)
    for each in played:
        fields = ("script", "style", "cut", "ask", "consumer", "via", "then", "secret")
        assert sum(getattr(each, name) != getattr(case, name) for name in fields) == 1


def test_what_the_dialect_cannot_say_is_not_played() -> None:
    dialect = openai_sse()
    dialect.finish = {"length": "length"}
    case = Case(name="cut", script=Script((Text("a"), Finish("length"))), cut=BYTES)
    played: list[Case] = []

    def fails(changed: Case) -> bool:
        played.append(changed)
        return True

    causes(case, dialect, fails)
    assert played
    assert all(dialect.can_say(each.script) for each in played)


def test_every_rule_that_a_cause_names_is_in_the_rule_book() -> None:
    nasty = Script(
        (
            Reasoning(""),
            Text("\u2028\ud83d é\ufeff [DONE]"),
            Text("no", refusal=True),
            ToolStart(0, None, "f"),
            ToolArguments(0, "{}"),
            Tokens(1, 1),
            Finish("length"),
        )
    ).with_fault("status", body="html")
    style = PLAIN_CASE.style.with_(**{axis.name: axis.values[-1] for axis in DIALECT.all_axes})
    ask = Ask(messages="Other", settings={"seed": 1}, stream=False)
    named = set(FAULT_RULES.values())
    for kind in ("break", "raise", "cancel", "stop", "close_elsewhere"):
        consumer = Consumer(kind)
        case = Case(
            name="all",
            script=nasty,
            style=style,
            cut=BYTES,
            ask=ask,
            consumer=consumer,
            via="loopback",
            then=(PLAIN_CASE,),
            together=True,
            secret="other",
        )
        found = causes(case, DIALECT, case.__eq__)
        named |= {each.rule for each in found if each.rule is not None}
    assert named <= {rule.id for rule in all_rules()}


# The smallest case.


def test_the_smallest_case_keeps_what_fails_and_little_else() -> None:
    case = Case(name="long", script=LONG, cut=BYTES, style=PLAIN_CASE.style.with_(space=False))
    small = reduce(case, DIALECT, failing(SplitsLines()))
    assert failing(SplitsLines())(small)
    assert small.script == Script((Text("\u2028"), Finish("tool_calls")))
    assert small.style.changed(DIALECT.all_axes) == []
    assert small.cut == RECORDS


def test_of_a_cut_the_one_place_is_left_that_matters() -> None:
    case = text_case("Here é is", cut=BYTES)
    small = reduce(case, DIALECT, failing(DecodesReads()))
    (place,) = small.cut.places
    body = b"".join(write(small, DIALECT).reads)
    assert body[place - 1 : place + 1] == "é".encode()
    assert small.script.events[0] == Text("é")


def test_a_style_that_matters_stays() -> None:
    style = PLAIN_CASE.style.with_(space=False, newline="\r\n")
    small = reduce(PLAIN_CASE.with_(style=style), DIALECT, failing(WantsSpace()))
    assert [axis.name for axis in small.style.changed(DIALECT.all_axes)] == ["space"]


def test_a_fault_stays_behind_the_events_it_was_behind() -> None:
    script = Script((Text("a"), Text("b"), Text("\u2028"), Text("c"), Finish()))
    case = Case(name="fault", script=script.with_fault("end", after=3))
    small = reduce(case, DIALECT, failing(SplitsLines()))
    assert small.script.sent == (Text("\u2028"),)
    assert small.script.fault is not None


def test_a_tool_call_is_dropped_whole_or_not_at_all() -> None:
    def fails(case: Case) -> bool:
        keys = {each.key for each in case.script.events if isinstance(each, ToolStart)}
        pieces = [each.key for each in case.script.events if isinstance(each, ToolArguments)]
        assert set(pieces) <= keys
        return any(isinstance(each, Text) and "time" in each.text for each in case.script.events)

    small = reduce(Case(name="long", script=LONG), DIALECT, fails)
    assert small.script == Script((Text("time"), Finish("tool_calls")))


def test_a_consumer_who_stops_still_gets_that_far() -> None:
    case = Case(name="break", script=LONG, consumer=Consumer("break", after=2))
    small = reduce(case, DIALECT, lambda _: True)
    assert len(small.script.sent) >= 3


def test_what_cannot_be_smaller_is_left_and_few_replays_are_made() -> None:
    played = itertools.count()

    def fails(case: Case) -> bool:
        next(played)
        return case == Case(name="long", script=LONG, cut=BYTES)

    case = Case(name="long", script=LONG, cut=BYTES)
    assert reduce(case, DIALECT, fails, replays=25) == case
    assert next(played) <= 25
