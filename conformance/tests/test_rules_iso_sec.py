import pytest

from streamkit.chunks import Usage, UsageChunk
from streamkit_conformance.case import CANARY
from streamkit_conformance.dialects import openai_sse
from streamkit_conformance.rules import all_rules
from streamkit_conformance.script import Finish, Tokens
from streamkit_conformance.trace import Seen, Trace
from streamkit_conformance.verdict import Fail, Irrelevant, NotApplicable, Pass
from tests.handmade_traces import (
    OLLAMA,
    OPENAI,
    Wireless,
    call,
    case,
    cases,
    end,
    error,
    judged,
    notice,
    request,
    reset,
    said,
    trace,
)

JUDGING = frozenset({"PRE", "MID", "TRUNC", "TIME", "RES", "ISO", "SEC", "RETRY"})
WHOLE = said("Hello", ", wide", " world.")


def _counted(word: str, number: int, **fields: object) -> Trace:
    usage = Usage(input_tokens=11 + number, output_tokens=21 + number)
    together = case("SK-ISO-001", "three")
    of = (together, *together.then)[number]
    texts = said(*(f"{word}{each} " for each in range(4)))
    told = UsageChunk(stream_id="", index=0, usage=usage)
    return trace(of, *texts, told, end(), **{"stream_id": f"s{number}", **fields})


def _three(**last: object) -> Trace:
    first = _counted("ant", 0)
    first.others = [_counted("bee", 1), _counted("cow", 2, **last)]
    return first


def test_streams_that_run_together_keep_their_own() -> None:
    assert judged("SK-ISO-001", _three()) == Pass()
    mixed = _three()
    mixed.others[0] = _counted("cow", 1)
    assert isinstance(judged("SK-ISO-001", mixed), Fail)
    counts = _three()
    counts.others[0] = trace(counts.others[0].case, *counts.chunks[1:5], end())
    assert isinstance(judged("SK-ISO-001", counts), Fail)
    shared = judged("SK-ISO-001", _three(stream_id="s0"))
    assert isinstance(shared, Fail)
    assert "share an id" in shared.message


def test_one_stream_alone_says_nothing_about_others() -> None:
    base = case("SK-ISO-001", "alone=0")
    alone = _counted("ant", 0)
    alone.case = base
    assert judged("SK-ISO-001", alone) == Irrelevant()
    assert isinstance(judged("SK-ISO-001", trace(base, *said("ant0 "), end())), Fail)
    calls = trace(case("SK-ISO-004", "two"), error("provider"))
    assert judged("SK-ISO-001", calls) == Irrelevant()


def test_where_a_wire_counts_nothing_no_counts_are_sent() -> None:
    silent = cases("SK-ISO-001", openai_sse(usage=False))[0]
    assert not any(isinstance(each, Tokens) for each in silent.script.events)
    told = cases("SK-ISO-001", OLLAMA)[0]
    assert any(isinstance(each, Tokens) for each in told.script.events)


@pytest.mark.parametrize("what", ["error-record", "end-inside", "status", "left", "cancelled"])
def test_what_went_before_leaves_nothing_in_the_next_stream(what: str) -> None:
    first = case("SK-ISO-002", what)
    after = trace(first, error("provider"))
    after.others = [trace(first.then[0], *WHOLE, end())]
    assert judged("SK-ISO-002", after) == Pass()
    after.others = [trace(first.then[0], *said("\u6c34"), *WHOLE, end())]
    assert isinstance(judged("SK-ISO-002", after), Fail)
    alone = case("SK-ISO-002", "alone")
    assert judged("SK-ISO-002", trace(alone, *WHOLE, end())) == Irrelevant()
    assert isinstance(judged("SK-ISO-002", trace(alone, end())), Fail)
    together = trace(case("SK-ISO-001", "three"), end())
    assert judged("SK-ISO-002", together) == Irrelevant()


def _twice(*second: object, body: bytes = b'{"messages":[1]}') -> Trace:
    both = case("SK-ISO-003", "twice")
    first = trace(both, *WHOLE, end(), requests=[request(body=b'{"messages":[1]}')])
    chunks = second or (*WHOLE, end())
    first.others = [
        trace(both.then[0], *chunks, stream_id="s2", requests=[request(body=body)])  # type: ignore[arg-type]
    ]
    return first


def test_a_second_stream_is_like_the_first() -> None:
    assert judged("SK-ISO-003", _twice()) == Pass()
    grown = judged("SK-ISO-003", _twice(body=b'{"messages":[1,2,1]}'))
    assert isinstance(grown, Fail)
    assert "asks for something else" in grown.message
    assert isinstance(judged("SK-ISO-003", _twice(*WHOLE, *WHOLE, end())), Fail)
    parts = [each.model_copy(update={"part": 1}) for each in WHOLE]
    assert isinstance(judged("SK-ISO-003", _twice(*parts, end())), Fail)
    joined = judged("SK-ISO-003", _twice(*said("Hello", ", wide world."), end()))
    assert isinstance(joined, Fail)
    more = judged("SK-ISO-003", _twice(*WHOLE, end(), notice("late")))
    assert isinstance(more, Fail)
    assert "another number" in more.message


def test_a_first_stream_that_is_wrong_itself_is_another_rules() -> None:
    both = _twice()
    both.seen = both.seen[:2]
    assert judged("SK-ISO-003", both) == Irrelevant()
    both = _twice()
    both.raised = ValueError("x")
    assert judged("SK-ISO-003", both) == Irrelevant()
    alone = case("SK-ISO-003", "alone")
    assert judged("SK-ISO-003", trace(alone, *WHOLE, end())) == Irrelevant()
    assert isinstance(judged("SK-ISO-003", trace(alone, end())), Fail)
    together = trace(case("SK-ISO-001", "three"), end())
    assert judged("SK-ISO-003", together) == Irrelevant()


def test_calls_of_streams_that_run_together_keep_their_arguments() -> None:
    both = case("SK-ISO-004", "two")
    rome = call("call_a", "tool_a", '{"city":', '"Rome"}')
    oslo = call("call_b", "tool_b", '{"city":', '"Oslo"}')
    right = trace(both, *rome, end("tool_calls"))
    right.others = [trace(both.then[0], *oslo, end("tool_calls"))]
    assert judged("SK-ISO-004", right) == Pass()
    swapped = trace(both, *rome, end("tool_calls"))
    swapped.others = [
        trace(both.then[0], *call("call_b", "tool_b", '{"city":"Rome"}'), end("tool_calls"))
    ]
    assert isinstance(judged("SK-ISO-004", swapped), Fail)
    alone = trace(case("SK-ISO-004", "alone=0"), *rome, end("tool_calls"))
    assert judged("SK-ISO-004", alone) == Irrelevant()
    assert judged("SK-ISO-004", _three()) == Irrelevant()


LOOKED = case("SK-SEC-001", "whole")
PLAIN = case("SK-MID-001", "none")


def _noted() -> Exception:
    """A note stands in the traceback alone."""
    error = RuntimeError("no connection")
    error.add_note(f"headers: {CANARY}")
    return error


def _with_cause() -> Exception:
    try:
        try:
            raise ValueError(f"Illegal header value b'Bearer {CANARY}'")
        except ValueError as cause:
            raise RuntimeError("no connection") from cause
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    "fields",
    [
        {"reprs": [f"<Client key={CANARY}>"]},
        {"reprs": [f"<Client key={CANARY[:18]}…>"]},
        {"raised": RuntimeError(CANARY)},
        {"refused": RuntimeError(CANARY)},
        {"raised": _with_cause()},
        {"raised": _noted()},
        {"raised": ExceptionGroup("two", [_with_cause()])},
    ],
)
def test_a_key_that_is_shown_is_found(fields: dict[str, object]) -> None:
    outcome = judged("SK-SEC-001", trace(LOOKED, *WHOLE, end(), **fields))
    assert isinstance(outcome, Fail)
    assert CANARY not in f"{outcome.message} {outcome.expected} {outcome.got}"


def test_a_key_in_a_chunk_is_found() -> None:
    told = error("provider", "It failed.", detail=f"sent {CANARY}")
    assert isinstance(judged("SK-SEC-001", trace(LOOKED, told)), Fail)
    extra = end().model_copy(update={"metadata": {"p": {"headers": CANARY}}})
    assert isinstance(judged("SK-SEC-001", trace(LOOKED, *WHOLE, extra)), Fail)


def test_where_no_key_is_shown_all_is_well() -> None:
    shown = {"reprs": ["<Client>", f"<Client {CANARY[:6]}…>"], "raised": RuntimeError("x")}
    assert judged("SK-SEC-001", trace(LOOKED, *WHOLE, end(), **shown)) == Pass()
    assert judged("SK-SEC-001", trace(LOOKED, seen=[])) == Irrelevant()
    assert judged("SK-SEC-001", trace(PLAIN, *WHOLE, end(), reprs=[CANARY])) == Irrelevant()
    echo = trace(case("SK-SEC-003", "status"), reprs=[CANARY])
    assert judged("SK-SEC-001", echo) == Irrelevant()


@pytest.mark.parametrize(("rule", "place"), [("SK-SEC-002", "logs"), ("SK-SEC-006", "warnings")])
def test_a_key_in_a_log_or_a_warning_is_found(rule: str, place: str) -> None:
    told = trace(LOOKED, *WHOLE, end(), **{place: ["all is well", f"sending {CANARY}"]})
    assert isinstance(judged(rule, told), Fail)
    assert judged(rule, trace(LOOKED, *WHOLE, end(), **{place: ["all is well"]})) == Pass()
    assert judged(rule, trace(PLAIN, *WHOLE, end(), **{place: [CANARY]})) == Irrelevant()


def test_a_log_of_what_the_service_itself_said_is_another_rules() -> None:
    echo = trace(case("SK-SEC-003", "status"), error("authentication"), logs=[CANARY])
    assert judged("SK-SEC-002", echo) == Irrelevant()
    assert isinstance(judged("SK-SEC-003", echo), Fail)


@pytest.mark.parametrize("what", ["status", "text", "record", "cut"])
def test_a_key_that_the_service_repeats_is_hidden(what: str) -> None:
    echo = case("SK-SEC-003", what)
    hidden = error("authentication", "Incorrect API key provided: [hidden].")
    assert judged("SK-SEC-003", trace(echo, hidden)) == Pass()
    assert echo.script.fault is not None
    whole = error("authentication", echo.script.fault.message[:500])
    assert isinstance(judged("SK-SEC-003", trace(echo, whole)), Fail)
    raised = trace(echo, raised=RuntimeError(echo.script.fault.message[:500]))
    assert isinstance(judged("SK-SEC-003", raised), Fail)
    assert judged("SK-SEC-003", trace(echo, end())) == Irrelevant()
    assert judged("SK-SEC-003", trace(LOOKED, error("x", CANARY))) == Irrelevant()


def test_a_message_that_is_cut_at_500_characters_cuts_the_key() -> None:
    fault = case("SK-SEC-003", "cut").script.fault
    assert fault is not None
    assert CANARY not in fault.message[:500]
    assert CANARY[:-5] in fault.message[:500]


def test_a_key_in_an_address_or_a_body_is_found() -> None:
    right = request(authorization=f"Bearer {CANARY}")
    assert judged("SK-SEC-004", trace(PLAIN, *WHOLE, end(), requests=[right])) == Pass()
    address = request(f"https://service.invalid/v1/chat?key={CANARY}")
    assert isinstance(judged("SK-SEC-004", trace(PLAIN, requests=[right, address])), Fail)
    body = request(body=f'{{"key": "{CANARY}"}}'.encode())
    assert isinstance(judged("SK-SEC-004", trace(PLAIN, requests=[body])), Fail)
    assert judged("SK-SEC-004", trace(PLAIN)) == Irrelevant()
    wireless = trace(PLAIN)
    wireless.dialect = Wireless()
    assert isinstance(judged("SK-SEC-004", wireless), NotApplicable)


def test_a_redirect_to_another_origin_gets_no_key() -> None:
    redirected = case("SK-SEC-005", "redirect")
    first = request("http://127.0.0.1:1000/v1/chat", authorization=f"Bearer {CANARY}")
    second = request("http://127.0.0.1:2000/v1/chat", accept="*/*")
    leaked = request("http://127.0.0.1:2000/v1/chat", cookie=f"key={CANARY}")
    assert judged("SK-SEC-005", trace(redirected, requests=[first])) == Pass()
    assert judged("SK-SEC-005", trace(redirected, requests=[first, second])) == Pass()
    assert isinstance(judged("SK-SEC-005", trace(redirected, requests=[first, leaked])), Fail)
    assert judged("SK-SEC-005", trace(redirected, requests=[])) == Irrelevant()
    assert judged("SK-SEC-005", trace(PLAIN, requests=[first, leaked])) == Irrelevant()


def test_a_key_with_a_line_break_is_not_shown_when_it_fails() -> None:
    bad = case("SK-SEC-007", "line-feed")
    assert bad.secret == f"{CANARY}\n"
    refused = trace(bad, refused=ValueError("The key contains a line break."))
    assert judged("SK-SEC-007", refused) == Pass()
    assert judged("SK-SEC-007", trace(bad, *WHOLE, end())) == Pass()
    shown = ValueError(f"Illegal header value b'Bearer {CANARY}\\n'")
    assert isinstance(judged("SK-SEC-007", trace(bad, refused=shown)), Fail)
    told = error("invalid_request", str(shown))
    assert isinstance(judged("SK-SEC-007", trace(bad, told)), Fail)
    for place in ("logs", "warnings", "reprs"):
        assert isinstance(judged("SK-SEC-007", trace(bad, **{place: [CANARY]})), Fail)
    assert judged("SK-SEC-007", trace(bad, seen=[])) == Irrelevant()
    assert judged("SK-SEC-007", trace(LOOKED, error("x", CANARY))) == Irrelevant()


def test_looking_is_shared() -> None:
    looked = {each.name for each in cases("SK-SEC-001")}
    for rule in ("SK-SEC-002", "SK-SEC-006", "SK-RES-004"):
        assert looked <= {each.name for each in cases(rule) if each.captures}


# Retries.


@pytest.mark.parametrize("what", ["read_error", "end", "error_record"])
def test_a_second_request_behind_content_is_told(what: str) -> None:
    broken = case("SK-RETRY-001", what)
    kept, one, two = said("Hello", ", wide"), [request()], [request(), request()]
    assert judged("SK-RETRY-001", trace(broken, *kept, error("x"), requests=one)) == Pass()
    secret = trace(broken, *kept, error("x"), requests=two)
    assert isinstance(judged("SK-RETRY-001", secret), Fail)
    told = trace(broken, *kept, reset(0), *kept, error("x"), requests=two)
    assert judged("SK-RETRY-001", told) == Pass()
    assert judged("SK-RETRY-001", trace(broken, error("x"), requests=two)) == Irrelevant()
    assert judged("SK-RETRY-001", trace(PLAIN, *WHOLE, end(), requests=two)) == Irrelevant()


def test_content_is_not_shown_twice() -> None:
    broken = case("SK-RETRY-002", "read_error")
    kept = said("Hello", ", wide")
    assert judged("SK-RETRY-002", trace(broken, *kept, error("x"))) == Pass()
    again = trace(broken, *kept, *kept, error("x"))
    assert isinstance(judged("SK-RETRY-002", again), Fail)
    assert judged("SK-RETRY-002", trace(broken, *kept, reset(0), *kept, error("x"))) == Pass()
    assert judged("SK-RETRY-002", trace(broken, error("x"))) == Irrelevant()
    assert judged("SK-RETRY-002", trace(PLAIN, *WHOLE, *WHOLE, end())) == Irrelevant()


def test_requests_before_content_are_told_and_few() -> None:
    busy = case("SK-RETRY-003", "status=503")
    two = [request(), request()]
    assert judged("SK-RETRY-003", trace(busy, error("x"), requests=[request()])) == Pass()
    assert isinstance(judged("SK-RETRY-003", trace(busy, error("x"), requests=two)), Fail)
    told = trace(busy, notice("retrying"), error("x"), requests=two)
    assert judged("SK-RETRY-003", told) == Pass()
    many = trace(busy, *[notice("retrying")] * 9, error("x"), requests=two * 5)
    assert isinstance(judged("SK-RETRY-003", many), Fail)
    assert judged("SK-RETRY-003", trace(busy, error("x"))) == Irrelevant()
    assert judged("SK-RETRY-003", trace(PLAIN, *WHOLE, end(), requests=two)) == Irrelevant()


def test_what_cannot_be_mended_is_asked_once() -> None:
    wrong_key = case("SK-RETRY-004", "status=401")
    once, twice = [request()], [request(), request()]
    assert judged("SK-RETRY-004", trace(wrong_key, error("x"), requests=once)) == Pass()
    assert isinstance(judged("SK-RETRY-004", trace(wrong_key, requests=twice)), Fail)
    assert judged("SK-RETRY-004", trace(wrong_key, error("x"))) == Irrelevant()
    busy = trace(case("SK-RETRY-003", "status=503"), requests=twice)
    assert judged("SK-RETRY-004", busy) == Irrelevant()


def test_every_script_here_ends() -> None:
    for rule in ("SK-ISO-001", "SK-ISO-002", "SK-ISO-003", "SK-ISO-004"):
        for each in cases(rule, OPENAI):
            assert isinstance(each.script.events[-1], Finish)


def test_the_key_itself_may_be_short() -> None:
    short = LOOKED.with_(secret="k3y")
    assert isinstance(judged("SK-SEC-001", trace(short, *WHOLE, end(), reprs=["k3y"])), Fail)
    none = LOOKED.with_(secret="")
    assert judged("SK-SEC-001", trace(none, *WHOLE, end(), reprs=["anything"])) == Pass()


def test_what_cannot_be_pickled_is_looked_at_all_the_same() -> None:
    odd = end().model_copy(update={"later": lambda: None})
    assert judged("SK-SEC-001", trace(LOOKED, *WHOLE, odd)) == Pass()


@pytest.mark.parametrize("rule", [each.id for each in all_rules() if each.group in JUDGING])
def test_a_subject_that_yields_something_else_breaks_no_judge(rule: str) -> None:
    for of in (LOOKED, PLAIN, case("SK-MID-001", "after=1")):
        strange = trace(of, opened=1, closed=1, requests=[request()])
        strange.seen = [Seen("Hello", 1), Seen(object(), 1)]  # type: ignore[arg-type]
        assert judged(rule, strange) is not None


def test_arguments_that_are_no_json_are_compared_as_they_are() -> None:
    both = case("SK-ISO-004", "two")
    half = call("call_a", "tool_a", '{"city":"Rome"}')[:1]
    broken = half[0].model_copy(update={"arguments_delta": '{"city":'})
    assert isinstance(judged("SK-ISO-004", trace(both, broken, error("truncated"))), Fail)
