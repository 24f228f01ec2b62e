"""What must come out of a script: made from the script and the dialect, never from a parser."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from streamkit.chunks import EndChunk, ErrorChunk
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
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import Fail

__all__ = [
    "CallExpected",
    "Expected",
    "expected",
    "first_mismatch",
    "mismatches",
    "whole_characters",
]


@dataclass(frozen=True, slots=True)
class CallExpected:
    """One tool call that must come out.

    Attributes:
        id: Its id; `None` where the wire sent none and the subject makes one.
        is_done: Its arguments came whole, so that it may be called.
    """

    id: str | None
    name: str
    text: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come out of one answer.

    Attributes:
        runs: Text, refusal and reasoning in order, neighbours of one kind joined.
        calls: The tool calls in the order in which they begin.
        tokens: The numbers that the service told, if any.
        finish: The finish reason; `None` where the stream must end in an error.
        raw_finish: The service's own word for it.
        kinds: The kinds of error in which it may end. With a `finish` beside them both are right:
            the answer was whole, and then something went wrong.
    """

    runs: tuple[tuple[str, str], ...]
    calls: tuple[CallExpected, ...]
    tokens: Tokens | None
    finish: str | None
    raw_finish: str | None
    kinds: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(text for kind, text in self.runs if kind == "text")


# Kinds of `ErrorInfo.kind` that are right for what goes wrong.
_SERVICE: Final = frozenset({"provider", "overloaded"})
_BROKEN: Final = frozenset({"connection", "truncated"})
KINDS: Final[Mapping[str, frozenset[str]]] = {
    "connect": frozenset({"connection"}),
    "dns": frozenset({"connection"}),
    "tls": frozenset({"connection"}),
    "stall_head": frozenset({"timeout_first_content", "timeout_total", "timeout_connect"}),
    "empty_body": frozenset({"empty_response", "truncated", "protocol"}),
    "json_error": frozenset({"provider", "overloaded", "protocol", "unknown", "invalid_request"}),
    "html_body": frozenset({"protocol", "provider", "truncated", "unknown"}),
    "error_record": frozenset({"provider", "overloaded", "unknown", "rate_limit"}),
    "malformed_record": frozenset({"protocol"}),
    "invalid_utf8": frozenset({"protocol"}),
    "end": frozenset({"truncated", "empty_response"}),
    "end_inside": frozenset({"truncated", "empty_response"}),
    "read_error": _BROKEN,
    "protocol_error": _BROKEN | {"protocol"},
    "reset": _BROKEN,
    "stall": frozenset({"timeout_idle", "timeout_first_content", "timeout_total"}),
}
STATUS_KINDS: Final[Mapping[int, frozenset[str]]] = {
    400: frozenset({"invalid_request"}),
    401: frozenset({"authentication"}),
    403: frozenset({"permission", "authentication"}),
    404: frozenset({"not_found"}),
    408: frozenset({"provider", "overloaded", "timeout_total", "timeout_first_content"}),
    422: frozenset({"invalid_request"}),
    429: frozenset({"rate_limit", "quota"}),
    500: _SERVICE,
    502: _SERVICE,
    503: _SERVICE,
    504: _SERVICE | {"timeout_total", "timeout_first_content"},
    529: _SERVICE,
}
_ANY_KIND: Final = frozenset({"provider", "overloaded", "protocol", "unknown", "invalid_request"})


def expected(script: Script, *, losses: frozenset[str] = frozenset()) -> Expected:
    """What must come out of a script on a wire with these losses."""
    events = [event for event in script.sent if not _is_lost(event, losses)]
    finishes = [event for event in events if isinstance(event, Finish)]
    told = [event for event in events if isinstance(event, Tokens)]
    # A clean end behind the finish is a service that sends no sentinel: the answer is whole.
    is_error = script.fault is not None and not (script.fault.kind == "end" and finishes)
    finish = finishes[-1] if finishes else None
    return Expected(
        runs=_runs(events),
        calls=_calls(events, script, losses, is_finished=bool(finishes)),
        tokens=told[-1] if told else None,
        finish=None if finish is None else finish.reason,
        raw_finish=None if finish is None else finish.raw,
        kinds=_kinds(script) if is_error else frozenset(),
    )


def mismatches(trace: Trace, *, silent: frozenset[str] = frozenset()) -> list[Fail]:
    """Every way in which what came out differs from what the script says; none when it is exact.

    An answer that broke off may lack what had not been shown when it did; it may never hold more.

    Args:
        trace: What was seen.
        silent: What the subject need not show, in the words of the dialects' losses.
    """
    wanted = expected(trace.case.script, losses=trace.dialect.losses | silent)
    found: list[Fail | None] = [
        _raised(trace),
        _runs_differ(trace, wanted),
        _calls_differ(trace, wanted),
        _ending_differs(trace, wanted),
        _tokens_differ(trace, wanted),
    ]
    return [each for each in found if each is not None]


def first_mismatch(trace: Trace, *, silent: frozenset[str] = frozenset()) -> Fail | None:
    """The first of `mismatches`."""
    return next(iter(mismatches(trace, silent=silent)), None)


def _raised(trace: Trace) -> Fail | None:
    error = trace.refused or trace.raised
    if error is None or trace.is_cancelled or trace.case.consumer.kind == "raise":
        return None
    return Fail(
        f"{type(error).__name__} came out of the stream instead of a chunk",
        "an error chunk",
        f"{type(error).__name__}: {error}",
    )


def _runs_differ(trace: Trace, wanted: Expected) -> Fail | None:
    got = trace.runs
    if got == list(wanted.runs) or (_may_lack(trace, wanted) and _is_prefix(got, wanted.runs)):
        return None
    return Fail("what was said differs from what was sent", _shown(wanted.runs), _shown(got))


def _calls_differ(trace: Trace, wanted: Expected) -> Fail | None:
    is_text_lost = "arguments_text" in trace.dialect.losses
    meant = _meaning if is_text_lost else str
    got = [(each.name, meant(each.text), each.is_done) for each in trace.calls]
    want = [(each.name, meant(each.text), each.is_done) for each in wanted.calls]
    if got != want:
        # Where the answer ended in an error no call need be done, whatever was sent of it.
        may_lack = trace.end is None or _may_lack(trace, wanted)
        is_cut = may_lack and _are_fewer(got, want)
        return None if is_cut else Fail("the tool calls differ", repr(want), repr(got))
    for seen, call in zip(trace.calls, wanted.calls, strict=True):
        if call.id is not None and seen.id != call.id:
            return Fail("a tool call has another id", repr(call.id), repr(seen.id))
        if call.is_done and not _are_arguments(seen.chunks[-1].arguments, call.text):
            last = seen.chunks[-1]
            got_text = repr(last.arguments if last.invalid is None else last.invalid)
            return Fail("the parsed arguments differ", call.text, got_text)
    return None


def _meaning(text: str) -> str:
    """What arguments mean, whatever their JSON text looks like."""
    try:
        return json.dumps(json.loads(text or "{}"), sort_keys=True)
    except ValueError:
        return text


def _are_arguments(parsed: Any, text: str) -> bool:
    try:
        wanted = from_json(text or "{}")
    except ValueError:
        return parsed is None
    return bool(parsed == wanted) if isinstance(wanted, dict) else parsed is None


def _ending_differs(trace: Trace, wanted: Expected) -> Fail | None:
    if trace.case.consumer.kind != "read_all":
        return None
    terminal = trace.terminals[-1] if trace.terminals else None
    match terminal:
        case None:
            return Fail(
                "the stream ended without an end or an error", "a terminal chunk", "nothing"
            )
        case EndChunk() if wanted.finish is None:
            return Fail(
                "an answer that broke off ended as if it were whole",
                f"an error of the kind {' or '.join(sorted(wanted.kinds))}",
                f"end ({terminal.finish_reason})",
            )
        case EndChunk() if terminal.finish_reason != wanted.finish:
            return Fail("the finish reason differs", wanted.finish or "", terminal.finish_reason)
        case ErrorChunk() if not wanted.kinds:
            said = f"error ({terminal.error.kind}: {terminal.error.message})"
            return Fail("a whole answer ended in an error", f"end ({wanted.finish})", said)
        case ErrorChunk() if terminal.error.kind not in wanted.kinds:
            return Fail(
                "the error is of another kind",
                " or ".join(sorted(wanted.kinds)),
                terminal.error.kind,
            )
    return None


def _tokens_differ(trace: Trace, wanted: Expected) -> Fail | None:
    if trace.end is None or trace.case.consumer.kind != "read_all":
        return None  # what an answer that broke off had cost may not have been told
    usage = trace.usage
    got = None if usage is None else (usage.input_tokens, usage.output_tokens)
    want = None if wanted.tokens is None else (wanted.tokens.input, wanted.tokens.output)
    return None if got == want else Fail("the token counts differ", repr(want), repr(got))


def _may_lack(trace: Trace, wanted: Expected) -> bool:
    return wanted.finish is None or trace.case.consumer.kind != "read_all"


def _is_prefix(got: list[tuple[str, str]], wanted: tuple[tuple[str, str], ...]) -> bool:
    if len(got) > len(wanted):
        return False
    for number, (kind, text) in enumerate(got):
        if kind != wanted[number][0]:
            return False
        is_last = number == len(got) - 1
        if text != wanted[number][1] and not (is_last and wanted[number][1].startswith(text)):
            return False
    return True


def _are_fewer(got: list[tuple[str, str, bool]], want: list[tuple[str, str, bool]]) -> bool:
    return len(got) <= len(want) and all(
        name == wanted[0] and wanted[1].startswith(text) and (wanted[2] or not is_done)
        for (name, text, is_done), wanted in zip(got, want, strict=False)
    )


def _is_lost(event: Event, losses: frozenset[str]) -> bool:
    match event:
        case Reasoning():
            return "reasoning" in losses
        case Text(refusal=True):
            return "refusal" in losses
        case Tokens():
            return "usage" in losses
        case ToolStart() | ToolArguments() | ToolCall():
            return "tools" in losses
    return False


def _runs(events: list[Event]) -> tuple[tuple[str, str], ...]:
    runs: list[tuple[str, str]] = []
    for event in events:
        match event:
            case Text(text, refusal):
                kind = "refusal" if refusal else "text"
            case Reasoning(text):
                kind = "reasoning"
            case _:
                continue
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + text)
        elif text:
            runs.append((kind, text))
    return tuple((kind, whole_characters(text)) for kind, text in runs)


def whole_characters(text: str) -> str:
    """A text whose surrogate pairs are characters; half of one is U+FFFD, as it has no bytes."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _calls(
    events: list[Event], script: Script, losses: frozenset[str], *, is_finished: bool
) -> tuple[CallExpected, ...]:
    names: dict[int, ToolStart] = {}
    texts: dict[int, str] = {}
    for event in events:
        if isinstance(event, ToolStart):
            names[event.key] = event
            texts[event.key] = ""
        elif isinstance(event, ToolArguments):
            texts[event.key] += event.text
    if "tool_fragments" in losses:
        # A call is sent when its last piece is; before that the wire says nothing of it.
        names = {key: start for key, start in names.items() if key not in script.unsent_calls}
    return tuple(
        CallExpected(
            id=None if "tool_ids" in losses else start.id,
            name=start.name,
            text=whole_characters(texts[key]),
            is_done=is_finished or "tool_fragments" in losses,
        )
        for key, start in names.items()
    )


def _kinds(script: Script) -> frozenset[str]:
    fault = script.fault
    assert fault is not None
    if fault.kind == "status":
        return STATUS_KINDS.get(fault.status, _ANY_KIND)
    return KINDS[fault.kind]


def _shown(runs: "tuple[tuple[str, str], ...] | list[tuple[str, str]]") -> str:
    return " + ".join(f"{kind} {text!r}" for kind, text in runs) or "nothing"
