"""Recordings as tests: each is replayed as it came, in one read and byte by byte.

What must come out is what the file expects; else what its script says; else, where nobody knows,
the rules that hold for every answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamkit_conformance.case import Ask, Backend, Case
from streamkit_conformance.cuts import BYTES, RECORDS, WHOLE, Cut
from streamkit_conformance.expect import first_mismatch
from streamkit_conformance.play import Player
from streamkit_conformance.report.visible import readable
from streamkit_conformance.rules import all_rules
from streamkit_conformance.script import Script
from streamkit_conformance.skwire import SUFFIX, Recording, chunks_as_json, load
from streamkit_conformance.subject import claims_of
from streamkit_conformance.target import Conformance, TargetError
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import Fail

__all__ = ["Replayed", "differs", "expectation", "failed", "recordings_of", "replay"]

#: How a recording is cut, and what that is called.
_CUTS: Final[Mapping[str, Cut]] = {
    "as recorded": RECORDS,
    "in one read": WHOLE,
    "byte by byte": BYTES,
}
#: Endings that only a socket has.
_SOCKET_ONLY: Final = frozenset({"reset", "stall", "stall_head"})
_WAIT_S: Final = 0.3

#: The chunks that say what the service said; the others are the core's own.
_SAID: Final = frozenset(
    {"content", "reasoning", "tool_call", "tool_result", "usage", "end", "error"}
)
#: Fields that differ from one stream to the next, or between those who read the same answer.
_VOLATILE: Final = frozenset(
    {"stream_id", "index", "elapsed_ms", "ttfc_ms", "attempts", "provider", "duration_ms"}
)
_VOLATILE_OF_ERROR: Final = frozenset({"provider", "model", "message", "detail", "evidence"})
_JOINED: Final[Mapping[str, str]] = {
    "content": "content",
    "reasoning": "content",
    "tool_call": "arguments_delta",
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """How one replay of a recording went.

    Attributes:
        how: How the body was cut: `as recorded`, `in one read`, `byte by byte`.
        trace: What was seen.
        fail: What is wrong with it, if anything.
        rule: The rule that says so; empty where the chunks differ from what was expected.
    """

    how: str
    trace: Trace
    fail: Fail | None = None
    rule: str = ""


def recordings_of(target: Conformance, folder: Path) -> list[Path]:
    """The files of a target's recordings, in the alphabet's order.

    Args:
        target: The target.
        folder: Where relative paths begin.

    Raises:
        TargetError: There is no such folder, or nothing is in it.
    """
    if target.recordings is None:
        return []
    where = folder / target.recordings
    found = sorted(where.glob(f"*{SUFFIX}"))
    if not found:
        raise TargetError(
            f"There are no {SUFFIX} files in {where}: remove recordings=, or add some."
        )
    return found


def replay(target: Conformance, path: Path, backend: Backend) -> list[Replayed]:
    """Replays a recording's file on a backend, cut in each way.

    Raises:
        SkwireError: The file is no recording.
        TargetError: The target speaks another dialect.
    """
    recording = load(path)
    if recording.dialect != target.dialect.name:
        raise TargetError(
            f"{path} is written in the dialect {recording.dialect!r}; the target speaks "
            f"{target.dialect.name!r}."
        )
    cases = {how: _case(recording, path, how, cut) for how, cut in _CUTS.items()}
    player = Player(target, claims_of(target, cases["as recorded"]))
    traces = player.play(list(cases.values()), backend)
    return [_judged(recording, how, each) for how, each in zip(cases, traces, strict=True)]


def failed(replays: Iterable[Replayed]) -> str:
    """What is wrong with the replays of one recording, as text; empty where nothing is."""
    told: list[str] = []
    for each in replays:
        if each.fail is not None:
            rule = f"{each.rule}: " if each.rule else ""
            told.append(f"{each.how}: {rule}{each.fail.message}")
            told += [f"  expected: {each.fail.expected}"] if each.fail.expected else []
            told += [f"  got:      {each.fail.got}"] if each.fail.got else []
    return readable("\n".join(told))


def _case(recording: Recording, path: Path, how: str, cut: Cut) -> Case:
    wire = recording.wire
    is_socket = bool({wire.ending, wire.before} & _SOCKET_ONLY)
    return Case(
        name=f"{path.name}/{how}",
        rules=frozenset({recording.rule} - {""}),
        script=recording.script or Script(()),
        cut=cut,
        ask=Ask(stream=recording.is_stream),
        consumer=recording.consumer,
        via="loopback" if is_socket else "mock",
        timeouts={"first_content": _WAIT_S, "idle": _WAIT_S} if is_socket else {},
        recorded=wire,
    )


def _judged(recording: Recording, how: str, trace: Trace) -> Replayed:
    if recording.expect is not None:
        body = trace.wire.body
        fail = differs(recording.expect, chunks_as_json(trace), body)
        if fail is not None:
            return Replayed(how, trace, fail)
    elif recording.script is not None:
        fail = first_mismatch(trace)
        if fail is not None:
            return Replayed(how, trace, fail)
    for rule in all_rules():
        # The rule that the file was made for judges it too, whatever the script says.
        is_asked = rule.is_invariant or (rule.id == recording.rule and recording.script is not None)
        # Without a script nothing is known but what holds for a real service's answers as well.
        if rule.judge is None or not is_asked or (recording.script is None and not rule.is_live):
            continue
        outcome = rule.judge(trace)
        if isinstance(outcome, Fail):
            return Replayed(how, trace, outcome, rule.id)
    return Replayed(how, trace)


def differs(
    wanted: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]], body: bytes
) -> Fail | None:
    """How chunks differ from those that a file expects; `None` where they don't.

    Neighbours of one kind are joined on both sides, since reads may be; what names the stream or
    the time is left out; and a field that a file does not name may be anything.

    Args:
        wanted: What the file expects.
        got: What came.
        body: The answer's body; ids that are not in it were made, and are compared by their order.
    """
    left, right = _joined(wanted, body), _joined(got, body)
    for number, expected in enumerate(left):
        came = right[number] if number < len(right) else {"type": "nothing"}
        if not _holds(expected, came):
            message = f"chunk {number + 1} differs (neighbours of one kind joined)"
            return Fail(message, repr(expected), repr(came))
    if len(right) > len(left):
        return Fail("more came than was expected", "nothing more", repr(right[len(left)]))
    return None


def expectation(chunks: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Chunks as a file should expect them: without what differs from one stream to the next."""
    return tuple(
        {key: value for key, value in chunk.items() if key not in _VOLATILE and value is not None}
        for chunk in chunks
        if chunk.get("type") in _SAID
    )


def _holds(expected: Mapping[str, Any], came: Mapping[str, Any]) -> bool:
    return all(
        _holds(value, found)
        if isinstance(value, Mapping) and isinstance(found := came.get(key), Mapping)
        else came.get(key) == value
        for key, value in expected.items()
    )


def _joined(chunks: Iterable[Mapping[str, Any]], body: bytes) -> list[dict[str, Any]]:
    ids: dict[str, str] = {}
    joined: list[dict[str, Any]] = []
    for chunk in chunks:
        kind = str(chunk.get("type"))
        if kind not in _SAID:
            continue
        said = {key: value for key, value in chunk.items() if key not in _VOLATILE}
        if isinstance(said.get("error"), Mapping):
            error = said["error"]
            said["error"] = {k: v for k, v in error.items() if k not in _VOLATILE_OF_ERROR}
        call = said.get("call_id")
        if isinstance(call, str) and call.encode() not in body:
            said["call_id"] = ids.setdefault(call, f"call {len(ids) + 1}")
        field = _JOINED.get(kind)
        if field is not None and joined and _is_more(joined[-1], said, field):
            joined[-1][field] += said[field]
        else:
            joined.append(said)
    return joined


def _is_more(before: Mapping[str, Any], said: Mapping[str, Any], field: str) -> bool:
    """Whether a chunk only goes on with the one before."""
    is_text = isinstance(before.get(field), str) and isinstance(said.get(field), str)
    same = {key: value for key, value in before.items() if key != field}
    return is_text and same == {key: value for key, value in said.items() if key != field}
