"""Traces made by hand, for the judges of rules."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json

from streamkit.chunks import (
    ContentChunk,
    EndChunk,
    ErrorChunk,
    ErrorInfo,
    NoticeChunk,
    ResetChunk,
    StartChunk,
    StreamChunk,
    ToolCallChunk,
)
from streamkit.plugin import Capabilities
from streamkit_conformance import dialects
from streamkit_conformance.case import Ask, Case
from streamkit_conformance.dialects.base import Dialect, Spoken
from streamkit_conformance.rules import find
from streamkit_conformance.rules.registry import Plan
from streamkit_conformance.script import Script
from streamkit_conformance.trace import Seen, SentRequest, Trace
from streamkit_conformance.verdict import Outcome
from streamkit_conformance.wire import write


class Wireless(Spoken):
    """A subject that speaks to no service."""

    name = "wireless"

    def say(self, script: Script) -> tuple[Ask, Script] | None:
        return None


OPENAI = dialects.openai_sse()
OLLAMA = dialects.ollama_ndjson()
DIALECTS: tuple[Dialect, ...] = (OPENAI, OLLAMA)


def plan(dialect: Dialect = OPENAI) -> Plan:
    return Plan(dialect, "test-model", {})


def cases(rule: str, dialect: Dialect = OPENAI) -> list[Case]:
    made = find(rule).cases
    assert made is not None
    return list(made(plan(dialect)))


def case(rule: str, what: str, dialect: Dialect = OPENAI) -> Case:
    """The case of a rule whose name ends so, or a base of one."""
    made = cases(rule, dialect)
    bases = [each.base for each in made if each.base is not None]
    return next(each for each in [*made, *bases] if each.name.endswith(f"/{what}"))


def judged(rule: str, trace: Trace) -> Outcome:
    judge = find(rule).judge
    assert judge is not None
    return judge(trace)


def trace(of: Case, *chunks: StreamChunk, **fields: Any) -> Trace:
    """A stream of these chunks, behind a start, with an index each; and fields of the trace."""
    dialect = fields.pop("dialect", OPENAI)
    made = Trace(
        case=of,
        backend=fields.pop("backend", "asyncio"),
        dialect=dialect,
        claims=Capabilities(),
        wire=write(of, dialect),
        seen=[Seen(each, 1) for each in _numbered(chunks, fields.pop("stream_id", "s1"))],
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def said(*texts: str) -> list[StreamChunk]:
    return [ContentChunk(stream_id="", index=0, part=0, content=each) for each in texts]


def call(id: str, name: str, *pieces: str) -> list[StreamChunk]:
    """A whole tool call."""
    envelope: dict[str, Any] = {"stream_id": "", "index": 0, "part": 0, "call_id": id, "name": name}
    deltas = [ToolCallChunk(**envelope, arguments_delta=each) for each in pieces]
    arguments = from_json("".join(pieces))
    return [*deltas, ToolCallChunk(**envelope, done=True, arguments=arguments)]


def end(reason: Any = "stop") -> EndChunk:
    return EndChunk(stream_id="", index=0, finish_reason=reason)


def error(
    kind: str, message: str = "It failed.", *, partial: bool = True, **info: Any
) -> ErrorChunk:
    info.setdefault("retryable", True)
    told = ErrorInfo(kind=kind, message=message, **info)
    return ErrorChunk(stream_id="", index=0, error=told, partial=partial)


def notice(code: str) -> NoticeChunk:
    return NoticeChunk(stream_id="", index=0, code=code, message=code)


def reset(keep_through: int) -> ResetChunk:
    return ResetChunk(
        stream_id="",
        index=0,
        reason="retry",
        attempt=2,
        provider="p",
        model="m",
        keep_through=keep_through,
    )


def request(
    url: str = "https://service.invalid/v1/chat", *, body: bytes = b"{}", **headers: Any
) -> SentRequest:
    return SentRequest("POST", url, tuple(headers.items()), body)


def _numbered(chunks: Iterable[StreamChunk], stream_id: str) -> list[StreamChunk]:
    start = StartChunk(stream_id="", index=0, provider="p", model="m")
    return [
        each.model_copy(update={"stream_id": stream_id, "index": number})
        for number, each in enumerate([start, *chunks])
    ]
