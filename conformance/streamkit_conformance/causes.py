"""Why a case fails: what is odd about it is taken away, one thing at a time, and it plays again.

Where it then passes, that one thing is a cause. Only one thing changes at once, and what is left
stays comparable: a body that came byte by byte still does, so that no innocent axis is blamed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from streamkit_conformance.case import CANARY, READ_ALL, Ask, Case
from streamkit_conformance.characters import odd_characters
from streamkit_conformance.cuts import BYTES, RECORDS, WHOLE
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.script import (
    Event,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolCall,
    ToolStart,
)

__all__ = ["ALWAYS", "Cause", "Fails", "causes"]

Fails: TypeAlias = Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing without which a case passes.

    Attributes:
        label: The axis, such as `READ BOUNDARIES`.
        text: The whole line: the axis, and what makes the failure vanish.
        rule: The rule that it breaks, where it belongs to one.
    """

    label: str
    text: str
    rule: str | None = None


ALWAYS: Final = Cause("ALWAYS", "ALWAYS: no change makes it pass")

#: The rules that are about each fault.
FAULT_RULES: Final[dict[str, str]] = {
    "connect": "SK-PRE-003",
    "dns": "SK-PRE-003",
    "tls": "SK-PRE-003",
    "status": "SK-PRE-001",
    "stall_head": "SK-TIME-001",
    "empty_body": "SK-PRE-004",
    "json_error": "SK-PRE-004",
    "html_body": "SK-PRE-004",
    "error_record": "SK-MID-001",
    "read_error": "SK-MID-002",
    "protocol_error": "SK-MID-002",
    "reset": "SK-MID-002",
    "malformed_record": "SK-MID-003",
    "invalid_utf8": "SK-MID-003",
    "end": "SK-TRUNC-001",
    "end_inside": "SK-TRUNC-002",
    "stall": "SK-TIME-001",
}
#: The rules that are about each way to stop reading.
_CONSUMER_RULES: Final[dict[str, str]] = {
    "break": "SK-RES-001",
    "raise": "SK-RES-001",
    "cancel": "SK-RES-002",
    "close_elsewhere": "SK-RES-003",
}

#: A changed case, and what to say if it passes.
_Change: TypeAlias = tuple[Case, Cause]


def causes(case: Case, dialect: Dialect, fails: Fails) -> tuple[Cause, ...]:
    """Finds what a failing case fails of.

    The most telling come first: how the wire looks and what was said, before where it was cut.

    Args:
        case: It fails.
        dialect: In what it is written.
        fails: Plays a case and says whether it fails too.

    Returns:
        Every single change that makes it pass; `ALWAYS` where none does.
    """
    found: list[Cause] = []
    settled = _comparable(case, fails)
    for changes in (_changes(settled, dialect, found), _cuts(case)):
        for changed, cause in changes:
            is_said = dialect.can_say(changed.script)
            if is_said and all(each.label != cause.label for each in found) and not fails(changed):
                found.append(cause)
    return tuple(found) or (ALWAYS,)


def _comparable(case: Case, fails: Fails) -> Case:
    """The same failure with a cut that means the same whatever else changes.

    Offsets mean another place once the bytes change; byte by byte every place is cut.
    """
    if case.cut.kind != "at":
        return case
    everywhere = case.with_(cut=BYTES)
    return everywhere if fails(everywhere) else case


def _changes(case: Case, dialect: Dialect, found: list[Cause]) -> Iterator[_Change]:
    yield from _faults(case)
    yield from _styles(case, dialect)
    yield from _texts(case, found)
    yield from _events(case)
    yield from _asked(case)
    yield from _read(case)


def _cuts(case: Case) -> Iterator[_Change]:
    label, rule = "READ BOUNDARIES", "SK-FRAME-001"
    if case.cut != WHOLE:
        yield case.with_(cut=WHOLE), _cause(label, "when the body arrives in one read", rule)
    if case.cut != RECORDS:
        each = "when each record arrives in a read of its own"
        yield case.with_(cut=RECORDS), _cause(label, each, rule)


def _faults(case: Case) -> Iterator[_Change]:
    fault = case.script.fault
    if fault is not None:
        cause = _cause(f"FAULT {fault.kind}", "without it", FAULT_RULES[fault.kind])
        yield case.with_(script=replace(case.script, fault=None)), cause
    if fault is not None and fault.kind == "status" and fault.body != "own":
        own = replace(case.script, fault=replace(fault, body="own"))
        cause = _cause(f"ERROR BODY {fault.body}", "with the service's own", "SK-PRE-002")
        yield case.with_(script=own), cause


def _styles(case: Case, dialect: Dialect) -> Iterator[_Change]:
    for axis in case.style.changed(dialect.all_axes):
        cause = _cause(f"WIRE STYLE {axis.name}", f"with {_shown(axis.neutral)}", axis.rule)
        yield case.with_(style=case.style.without(axis.name)), cause


def _texts(case: Case, found: list[Cause]) -> Iterator[_Change]:
    covered = ""
    is_settled = False
    for odd in odd_characters(case.script):
        # Where a word is the cause, each of its letters would be named too; where anything narrow
        # is, so would the class that it belongs to.
        is_told = odd.characters in covered if odd.characters else is_settled
        if is_told and is_settled:
            continue
        place = "its" if odd.characters else "their"
        cause = _cause(odd.label, f"with 'x' in {place} place", odd.rule)
        yield case.with_(script=odd.without(case.script)), cause
        if cause in found:
            is_settled = True
            covered += odd.characters


def _events(case: Case) -> Iterator[_Change]:
    def without(*kinds: type[Event]) -> Case:
        return _kept(case, lambda event: not isinstance(event, kinds))

    events = case.script.events
    if not all(map(_says_something, events)):
        changed = _kept(case, _says_something)
        yield changed, _cause("EMPTY DELTAS", "without them", "SK-CONT-002")
    if any(isinstance(each, Reasoning) for each in events):
        yield without(Reasoning), _cause("REASONING", "without it", "SK-REAS-001")
    if any(isinstance(each, ToolStart) for each in events):
        changed = without(ToolStart, ToolArguments, ToolCall)
        stopped = _with_events(changed, _stop_for_tool_calls)
        yield stopped, _cause("TOOL CALLS", "without them", "SK-TOOL-001")
    if any(isinstance(each, Text) and each.refusal for each in events):
        plain = _with_events(case, lambda each: Text(each.text) if isinstance(each, Text) else each)
        yield plain, _cause("REFUSAL", "with plain text", "SK-CONT-001")
    if any(isinstance(each, Tokens) for each in events):
        yield without(Tokens), _cause("USAGE RECORD", "without it", "SK-USE-001")
    for finish in (each for each in events if isinstance(each, Finish) and each != Finish()):
        plain = _with_events(case, lambda each: Finish() if isinstance(each, Finish) else each)
        word = finish.raw if finish.raw is not None else finish.reason
        yield plain, _cause(f"FINISH REASON {word}", "with stop", "SK-LIFE-006")


def _asked(case: Case) -> Iterator[_Change]:
    ask = case.ask
    for name in ask.settings:
        settings = {key: value for key, value in ask.settings.items() if key != name}
        changed = case.with_(ask=replace(ask, settings=settings))
        yield changed, _cause(f"SETTING {name}", "without it", "SK-REQ-001")
    if ask.messages != Ask().messages:
        changed = case.with_(ask=replace(ask, messages=Ask().messages))
        yield changed, _cause("MESSAGES", "with one short message", "SK-REQ-001")
    if not ask.stream:
        changed = case.with_(ask=replace(ask, stream=True))
        yield changed, _cause("NON-STREAM", "when it is streamed", "SK-PAR-001")
    if case.secret != CANARY:
        yield case.with_(secret=CANARY), _cause("KEY", "with an ordinary one", "SK-SEC-003")


def _read(case: Case) -> Iterator[_Change]:
    kind = case.consumer.kind
    if case.consumer != READ_ALL:
        rule = _CONSUMER_RULES.get(kind)
        cause = _cause(f"CONSUMER {kind}", "when everything is read", rule)
        yield case.with_(consumer=READ_ALL), cause
    if case.together:
        cause = _cause("INTERLEAVED STREAMS", "one after the other", "SK-ISO-001")
        yield case.with_(together=False), cause
    if case.then:
        yield case.with_(then=()), _cause("SECOND STREAM", "alone", "SK-ISO-002")
    if case.via == "loopback" and not case.options:
        yield case.with_(via="mock"), _cause("REAL SOCKET", "when httpx is mocked")
    for name in case.options:
        options = {key: value for key, value in case.options.items() if key != name}
        yield case.with_(options=options), _cause(f"SERVER {name}", "without it")


def _shown(value: object) -> str:
    named = {"\n": "LF", "\r\n": "CRLF", "\r": "CR", True: "it", False: "none"}
    return named.get(value, str(value)) if isinstance(value, str | bool) else repr(value)


def _cause(label: str, how: str, rule: str | None = None) -> Cause:
    return Cause(label, f"{label}: passes {how}", rule)


def _says_something(event: Event) -> bool:
    return not isinstance(event, Text | Reasoning) or bool(event.text)


def _stop_for_tool_calls(event: Event) -> Event:
    is_for_tools = isinstance(event, Finish) and event.reason == "tool_calls"
    return Finish() if is_for_tools else event


def _with_events(case: Case, change: Callable[[Event], Event]) -> Case:
    events = tuple(change(each) for each in case.script.events)
    return case.with_(script=replace(case.script, events=events))


def _kept(case: Case, keep: Callable[[Event], bool]) -> Case:
    return case.with_(script=keeping(case.script, [keep(each) for each in case.script.events]))


def keeping(script: Script, keep: list[bool]) -> Script:
    """The script with some of its events; its fault stays behind the same ones."""
    events = tuple(each for each, kept in zip(script.events, keep, strict=True) if kept)
    fault = script.fault
    if fault is not None:
        fault = replace(fault, after=sum(keep[: fault.after]))
    return Script(events, fault)
