"""SEC: the key is in a request's headers and nowhere else."""

import pickle
import traceback
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from streamkit.chunks import StreamChunk
from streamkit_conformance.case import CANARY, Case
from streamkit_conformance.rules.failures import SHORT, broken_off, case_of, fault_of, looked_at
from streamkit_conformance.rules.registry import Plan, rule
from streamkit_conformance.trace import SentRequest, Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, NotApplicable, Outcome

#: What is raised for a chunk that holds more than data, or is none.
_UNWRITABLE: Final = (AttributeError, TypeError, ValueError, pickle.PicklingError)
#: So many characters of a key in a row tell enough of it.
_TELLING: Final = 16
_ECHO: Final = f"Incorrect API key provided: {CANARY}. You can find your key in the settings."
#: The key stands where a message is cut: its first half would stay.
_CUT_ECHO: Final = f"{'No. ' * 119}{CANARY}"


def _shown_cases(_plan: Plan) -> Iterator[Case]:
    yield from looked_at()


@rule(
    "SK-SEC-001",
    statement="The key is in no chunk, no `repr` or `str`, no pickle, no exception and none that "
    "stands behind one.",
    reason="Chunks are stored, exceptions are sent to error trackers, reprs stand in every "
    "traceback. A key in one of them is a key in a hundred places.",
    wire="authorization: Bearer sk-canary-…\n\nHTTP/1.1 401 Unauthorized\n"
    "expected: sk-canary-… in nothing that the subject shows",
    cases=_shown_cases,
    is_live=True,
)
def _not_shown(trace: Trace) -> Outcome:
    if not trace.case.captures or _is_echo(trace):
        return IRRELEVANT
    places = [
        *(("a chunk", text) for chunk in trace.chunks for text in _texts(chunk)),
        *(("a repr", text) for text in trace.reprs),
        *(("an exception", text) for text in _exceptions(trace)),
    ]
    return _verdict(trace, places, is_shown=bool(trace.seen or trace.raised or trace.refused))


@rule(
    "SK-SEC-002",
    statement="The key is in no log record, at any level.",
    reason="Logs are kept for years and read by many. httpx writes each address at INFO, and the "
    "repr of headers hides `authorization` and not `x-api-key`.",
    wire="DEBUG httpx: POST https://… headers=…\nexpected: no record holds sk-canary-…",
    cases=_shown_cases,
    is_live=True,
)
def _not_logged(trace: Trace) -> Outcome:
    if not trace.case.captures or _is_echo(trace):
        return IRRELEVANT
    return _verdict(trace, [("a log record", each) for each in trace.logs])


def _echo_cases(_plan: Plan) -> Iterator[Case]:
    for what, script in (
        ("status", SHORT.with_fault("status", status=401, message=_ECHO)),
        ("text", SHORT.with_fault("status", status=401, message=_ECHO, body="text")),
        ("record", broken_off("error_record", 1, message=_ECHO)),
        ("cut", SHORT.with_fault("status", status=401, message=_CUT_ECHO)),
    ):
        yield case_of("SK-SEC-003", what, script, captures=True)


@rule(
    "SK-SEC-003",
    statement="A key that the service repeats in its error is hidden in everything that the "
    "subject shows and logs, also where a limit cuts it in two.",
    reason="Services answer `Incorrect API key provided: sk-…`. The message is made to be shown to "
    "users, so the key is, too.",
    wire='HTTP/1.1 401 Unauthorized\r\n\r\n{"error":{"message":"Incorrect API key provided: '
    'sk-canary-…"}}\nexpected: error(kind=authentication), its message without the key',
    profile="resilience",
    cases=_echo_cases,
)
def _echo_is_hidden(trace: Trace) -> Outcome:
    if not _is_echo(trace):
        return IRRELEVANT
    places = [
        *(("a chunk", text) for chunk in trace.chunks for text in _texts(chunk)),
        *(("a log record", text) for text in trace.logs),
        *(("an exception", text) for text in _exceptions(trace)),
    ]
    return _verdict(trace, places, is_shown=bool(trace.error or trace.raised or trace.refused))


@rule(
    "SK-SEC-004",
    statement="The key is in no address and no body of a request.",
    reason="Addresses stand in the logs of every proxy, of the service and of the client (litellm "
    "15799, graniet/llm 115). What is in the body may be stored with the conversation.",
    wire="POST /v1/chat/completions?key=sk-canary-…\nexpected: no address holds the key",
    is_live=True,
)
def _only_in_headers(trace: Trace) -> Outcome:
    if not trace.dialect.is_wire:
        return NotApplicable("the subject has no wire")
    if not trace.requests:
        return IRRELEVANT
    places = [
        *(("an address", each.url) for each in trace.requests),
        *(("a body", each.body.decode("utf-8", "replace")) for each in trace.requests),
    ]
    return _verdict(trace, places)


def _redirect_cases(_plan: Plan) -> Iterator[Case]:
    options = {"redirect": True}
    yield case_of("SK-SEC-005", "redirect", SHORT, via="loopback", options=options)


@rule(
    "SK-SEC-005",
    statement="A redirect to another origin does not get the key; it need not be followed.",
    reason="Whoever can put a redirect before a service would be sent the key of each of its "
    "users. Clients that drop `authorization` often keep `x-api-key`.",
    wire="HTTP/1.1 307 Temporary Redirect\r\nlocation: http://another.example/v1/…\n"
    "expected: no request there that holds sk-canary-…",
    profile="resilience",
    cases=_redirect_cases,
)
def _redirect(trace: Trace) -> Outcome:
    if "redirect" not in trace.case.options or not trace.requests:
        return IRRELEVANT
    home = _origin(trace.requests[0])
    elsewhere = [each for each in trace.requests if _origin(each) != home]
    texts = (f"{name}: {value}" for each in elsewhere for name, value in each.headers)
    return _verdict(trace, [("a request to another origin", text) for text in texts])


@rule(
    "SK-SEC-006",
    statement="The key is in no warning.",
    reason="Warnings are printed where nobody looks for secrets: in test reports, in the standard "
    "error of a server, in the output of a notebook that is shared.",
    wire="UserWarning: the key sk-canary-… looks unusual\nexpected: no warning holds the key",
    profile="resilience",
    cases=_shown_cases,
    is_live=True,
)
def _not_warned_of(trace: Trace) -> Outcome:
    if not trace.case.captures:
        return IRRELEVANT
    return _verdict(trace, [("a warning", each) for each in trace.warnings])


def _bad_key_cases(_plan: Plan) -> Iterator[Case]:
    yield case_of(
        "SK-SEC-007", "line-feed", SHORT, via="loopback", secret=f"{CANARY}\n", captures=True
    )


@rule(
    "SK-SEC-007",
    statement="A key with a line break at its end fails without being shown, or works without the "
    "line break.",
    reason="Keys are read from files and keep their last line end. The HTTP library then says "
    "`Illegal header value b'Bearer sk-…'`, and the key is in every log (litellm 27188).",
    wire="authorization: Bearer sk-canary-…\\n\n"
    "expected: an error without the key, or a request with the key alone",
    profile="resilience",
    cases=_bad_key_cases,
)
def _bad_key(trace: Trace) -> Outcome:
    if trace.case.secret == trace.case.secret.strip():
        return IRRELEVANT
    places = [
        *(("a chunk", text) for chunk in trace.chunks for text in _texts(chunk)),
        *(("a repr", text) for text in trace.reprs),
        *(("a log record", text) for text in trace.logs),
        *(("a warning", text) for text in trace.warnings),
        *(("an exception", text) for text in _exceptions(trace)),
    ]
    return _verdict(trace, places, is_shown=bool(trace.seen or trace.raised or trace.refused))


# For all of them.


def _verdict(trace: Trace, places: Iterable[tuple[str, str]], *, is_shown: bool = True) -> Outcome:
    """Fails with the first place that tells the key, and never shows it itself."""
    pieces = _pieces(trace.case.secret.strip())
    for where, text in places:
        told = next((each for each in pieces if each in text), None)
        if told is not None:
            start = max(text.index(told) - 60, 0)
            around = text[start : text.index(told)]
            return Fail(f"the key is in {where}", "nothing of it", f"{around}[the key]")
    return PASS if is_shown else IRRELEVANT


def _pieces(secret: str) -> list[str]:
    if len(secret) <= _TELLING:
        return [secret] if secret else []
    return [secret[start : start + _TELLING] for start in range(len(secret) - _TELLING + 1)]


def _texts(chunk: StreamChunk) -> Iterator[str]:
    yield repr(chunk)
    for write in (_as_json, pickle.dumps):
        try:
            yield write(chunk).decode("utf-8", "replace")
        except _UNWRITABLE:
            continue  # it shows nothing that way


def _as_json(chunk: StreamChunk) -> bytes:
    return chunk.model_dump_json().encode()


def _exceptions(trace: Trace) -> Iterator[str]:
    """What came out of the stream, and all that stands behind it."""
    for outermost in (trace.raised, trace.refused):
        for error in _chain(outermost):
            yield f"{error!r} {error} {error.args!r}"
        if outermost is not None:
            yield "".join(traceback.format_exception(outermost))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__]
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _is_echo(trace: Trace) -> bool:
    """The service itself says the key."""
    fault = trace.case.script.fault
    has_words = fault_of(trace) in ("status", "error_record", "json_error")
    return fault is not None and has_words and trace.case.secret.strip() in fault.message


def _origin(request: SentRequest) -> tuple[str, str]:
    parts = urlsplit(request.url)
    return parts.scheme, parts.netloc
