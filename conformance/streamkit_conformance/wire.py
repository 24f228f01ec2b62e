"""From a case to what the network delivers: status, headers, reads, and how it ends."""

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from streamkit_conformance.case import Case
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.framing.base import (
    ENCODING,
    broken_utf8,
    compressed,
    cut_inside,
    json_text,
)
from streamkit_conformance.script import (
    BEFORE_THE_ANSWER,
    Event,
    Fault,
    Script,
    Text,
)

__all__ = ["Ending", "Wire", "write"]

#: How the body ends: as it should, or as the fault says.
Ending: TypeAlias = Literal["end", "read_error", "protocol_error", "reset", "stall"]


@dataclass(frozen=True, slots=True)
class Wire:
    """One answer as the network delivers it.

    Attributes:
        status: The HTTP status; 0 where there is no answer, for the reason `before`.
        headers: The answer's headers.
        reads: The body's bytes as they arrive.
        ending: How the body ends after them.
        before: Why there is no answer: `connect`, `dns`, `tls`, `stall_head`; else empty.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    reads: tuple[bytes, ...]
    ending: Ending = "end"
    before: str = ""

    @property
    def body(self) -> bytes:
        """All bytes of the body."""
        return b"".join(self.reads)


_BREAKS: Final[dict[str, Ending]] = {
    "read_error": "read_error",
    "protocol_error": "protocol_error",
    "reset": "reset",
    "stall": "stall",
}
_HTML: Final = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1><hr>proxy</body></html>"
_HUGE: Final = 300_000


def write(case: Case, dialect: Dialect) -> Wire:
    """Writes a case's answer in a dialect."""
    if case.recorded is not None:
        return replace(case.recorded, reads=tuple(case.cut.reads(case.recorded.reads)))
    fault = case.script.fault
    if fault is not None and fault.kind == "status":
        return _refusal(fault, dialect)
    if fault is not None and fault.kind in BEFORE_THE_ANSWER:
        return Wire(0, (), (), before=fault.kind)
    if fault is not None and fault.kind == "empty_body":
        return Wire(200, (("content-type", dialect.framing.content_type),), ())
    if fault is not None and fault.kind == "html_body":
        return Wire(200, (("content-type", "text/html"),), (_HTML,))
    if fault is not None and fault.kind == "json_error":
        body = json_text(dialect.http_error(200, fault.message, fault.code)).encode()
        return Wire(200, (("content-type", "application/json"),), tuple(case.cut.reads([body])))
    if not case.ask.stream:
        return _whole(case, dialect, fault)
    return _stream(case, dialect, fault)


def _whole(case: Case, dialect: Dialect, fault: Fault | None) -> Wire:
    """The answer in one piece; what breaks a stream breaks it in its middle."""
    kind = "" if fault is None else fault.kind
    script = replace(case.script, fault=None)
    text = json_text(dialect.whole(script))
    body = text.encode()
    match kind:
        case "error_record" if fault is not None:
            body = json_text(dialect.error_record(fault.message, fault.code)).encode()
        case "malformed_record":
            body = cut_inside(text) + b'"broken,,'
        case "invalid_utf8":
            body = broken_utf8(text)
        case "":
            pass
        case _:
            body = cut_inside(text)
    packed = compressed([body], case.style, is_whole=kind not in _BREAKS)
    headers = (("content-type", "application/json"), *packed.headers)
    return Wire(200, headers, tuple(case.cut.reads(packed.records)), _BREAKS.get(kind, "end"))


def _stream(case: Case, dialect: Dialect, fault: Fault | None) -> Wire:
    framing = dialect.framing
    # Whatever is broken is broken inside the content encoding, which therefore comes last.
    style = case.style.without(ENCODING.name)
    groups = dialect.records(dialect.spoken(case.script.events), style)
    count = len(_sent(case.script, dialect))
    records = [each for group in groups[:count] for each in group]
    following = [each for group in groups[count:] for each in group]
    rest = (following or records or [{}])[0 if following else -1]
    if fault is not None and fault.kind == "error_record":
        records.append(dialect.error_record(fault.message, fault.code, style))
    pieces = list(framing.frame(records, style, is_whole=fault is None).records)
    if fault is not None:
        match fault.kind:
            case "end_inside":
                pieces.append(framing.half(rest))
            case "malformed_record":
                pieces.append(framing.malformed())
            case "invalid_utf8":
                pieces.append(framing.invalid_utf8(rest))
        if fault.kind in ("malformed_record", "invalid_utf8"):
            # The rest of the answer follows: a bad record must not be skipped in silence.
            tail_style = style.without("bom")
            pieces += framing.frame(following, tail_style, is_whole=True).records
    tail = case.options.get("tail")
    if tail is not None:  # a late piece of text, behind all that ends the answer
        late = dialect.records([*case.script.events, Text(tail)], style)[-1]
        pieces += framing.frame(late, style.without("bom"), is_whole=False).records
    ending = _BREAKS.get(fault.kind, "end") if fault is not None else "end"
    framed = compressed(pieces, case.style, is_whole=ending == "end")
    headers = (("content-type", framing.content_type), *framed.headers)
    return Wire(200, headers, tuple(case.cut.reads(framed.records)), ending)


def _sent(script: Script, dialect: Dialect) -> list[Event]:
    """The events that reach the wire, as it has them."""
    unsent = script.unsent_calls if "tool_fragments" in dialect.losses else frozenset()
    return dialect.spoken(
        [each for each in script.sent if getattr(each, "key", None) not in unsent]
    )


def _refusal(fault: Fault, dialect: Dialect) -> Wire:
    match fault.body:
        case "own":
            body = json_text(dialect.http_error(fault.status, fault.message, fault.code)).encode()
        case "html":
            body = _HTML
        case "empty":
            body = b""
        case "huge":
            body = b"x" * _HUGE
        case "text":
            body = fault.message.encode()
    kind = {"own": "application/json", "html": "text/html"}.get(fault.body, "text/plain")
    headers = (("content-type", kind), *fault.headers.items())
    return Wire(fault.status, headers, (body,) if body else ())
