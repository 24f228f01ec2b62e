import base64
import json
from typing import Any

import pytest

from streamkit.chunks import NoticeChunk, StreamChunk
from streamkit.errors import ConfigurationError
from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import ProviderSpec, Quirks
from streamkit.provider import HTTPProvider
from streamkit.request import build_request
from streamkit.settings import ProviderSettings
from streamkit_conformance.case import CANARY, Ask, Case
from streamkit_conformance.dialects.base import Dialect, Spoken
from streamkit_conformance.rules.asks import IMAGE, OPTIONS, SCHEMA, TOOL
from streamkit_conformance.script import Script
from streamkit_conformance.trace import SentRequest
from streamkit_conformance.verdict import Fail, Irrelevant, Outcome, Pass, Untestable
from tests.handmade_traces import DIALECTS, case, cases, end, error, judged, said, trace

ANSWER = [*said("Well ", "then."), end()]
SPEC = ProviderSpec(name="subject", api_version=1, factory="-:-", quirks=Quirks())
PROVIDER = OpenAICompatibleProvider(SPEC, ProviderSettings(provider="subject", base_url="http://x"))
RULES = [f"SK-REQ-{number:03}" for number in range(1, 11)]


def _body_of(ask: Ask, provider: HTTPProvider = PROVIDER) -> Any:
    """The body that a right provider sends."""
    request = build_request("test-model", ask.messages, stream=ask.stream, **ask.settings)
    return json.loads(json.dumps(provider.request(request).json))


def _sent(body: Any, **headers: str) -> SentRequest:
    headers = headers or {"authorization": f"Bearer {CANARY}"}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SentRequest("POST", "https://service.invalid/v1/chat", tuple(headers.items()), data)


def _judged(of: Case, body: Any, *chunks: StreamChunk, then: Any = None) -> Outcome:
    """What a rule says of a body; the further request is right unless it is given."""
    (rule,) = of.rules
    bodies = [] if not of.then else [_body_of(of.then[0].ask) if then is None else then]
    seen = trace(of, *(chunks or ANSWER), requests=[_sent(each) for each in (body, *bodies)])
    seen.others = [
        trace(each, *ANSWER, requests=[_sent(other)])
        for each, other in zip(of.then, bodies, strict=True)
    ]
    return judged(rule, seen)


def _without(body: Any, lost: Any) -> Any:
    """The body with everything equal to a value left out."""
    if isinstance(body, dict):
        return {key: _without(each, lost) for key, each in body.items() if each != lost}
    if isinstance(body, list):
        return [_without(each, lost) for each in body if each != lost]
    return body


def _replaced(body: Any, old: str, new: str) -> Any:
    return json.loads(json.dumps(body, ensure_ascii=False).replace(old, new))


RIGHT = [
    each for rule in RULES for each in cases(rule) if each.ask.messages != "Canary \ud83d half."
]


@pytest.mark.parametrize("of", RIGHT, ids=lambda each: each.name)
def test_a_request_that_holds_all_passes(of: Case) -> None:
    (rule,) = of.rules
    body = _body_of(of.ask)
    if rule == "SK-REQ-006":
        assert judged(rule, trace(of, *ANSWER, requests=[_sent(body)])) == Pass()
        return
    assert _judged(of, body) == Pass()


@pytest.mark.parametrize("of", RIGHT, ids=lambda each: each.name)
def test_nothing_sent_and_nothing_said_fails(of: Case) -> None:
    (rule,) = of.rules
    crashed = judged(rule, trace(of, refused=TypeError("unexpected keyword")))
    if rule == "SK-REQ-006":
        assert crashed == Irrelevant()
        return
    assert isinstance(crashed, Fail)
    assert "unexpected keyword" in crashed.got
    assert isinstance(judged(rule, trace(of, *ANSWER)), Fail)
    assert isinstance(judged(rule, trace(of, error("plugin", "It broke."))), Fail)


@pytest.mark.parametrize("rule", [each for each in RULES if each != "SK-REQ-006"])
def test_a_request_refused_in_words_is_not_altered_in_silence(rule: str) -> None:
    of = cases(rule)[0]
    assert judged(rule, trace(of, refused=ConfigurationError("It cannot do that."))) == Pass()
    for kind in ("unsupported", "configuration", "invalid_request"):
        assert judged(rule, trace(of, error(kind, partial=False))) == Pass()


@pytest.mark.parametrize("rule", [each for each in RULES if each != "SK-REQ-006"])
def test_a_body_that_is_no_json_cannot_be_judged(rule: str) -> None:
    of = cases(rule)[0]
    seen = trace(of, *ANSWER, requests=[_sent(b"prompt=Hello")])
    assert isinstance(judged(rule, seen), Untestable)


@pytest.mark.parametrize("rule", [each for each in RULES if each != "SK-REQ-006"])
def test_what_is_compared_with_passes_every_rule(rule: str) -> None:
    base = cases(rule)[0].base
    assert base is not None
    assert judged(rule, trace(base, *ANSWER, requests=[_sent(_body_of(base.ask))])) == Pass()


@pytest.mark.parametrize("rule", RULES)
def test_requests_of_a_subject_without_a_wire_cannot_be_seen(rule: str) -> None:
    class Mute(Spoken):
        name = "mute"

        def say(self, script: Script) -> None:
            return None

    assert not cases(rule, Mute())
    assert all(cases(rule, each) for each in DIALECTS)


# SK-REQ-001


def test_a_request_that_asks_the_same_both_ways_fails() -> None:
    of = case("SK-REQ-001", "a conversation")
    whole = _body_of(of.then[0].ask)
    assert isinstance(_judged(of, whole, then=whole), Fail)


def test_messages_dropped_or_in_another_order_fail() -> None:
    of = case("SK-REQ-001", "a conversation")
    body = _body_of(of.ask)
    turned = {**body, "messages": body["messages"][::-1]}
    assert isinstance(_judged(of, turned), Fail)
    fewer = {**body, "messages": body["messages"][-1:]}
    assert isinstance(_judged(of, fewer), Fail)


def test_a_subject_without_whole_answers_is_not_asked_for_one() -> None:
    class Streams(Dialect):
        losses = frozenset({"whole"})

    (of,) = cases("SK-REQ-001", Streams())
    assert not of.then
    assert _judged(of, _body_of(of.ask)) == Pass()


# SK-REQ-002


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_an_option_dropped_or_changed_in_silence_fails(name: str) -> None:
    of = case("SK-REQ-002", name)
    assert isinstance(_judged(of, _body_of(Ask())), Fail)
    changed: Any = "CANARY" if name == "stop" else 1
    assert isinstance(_judged(of, {**_body_of(Ask()), name: changed}), Fail)


@pytest.mark.parametrize("name", ["reasoning_effort", "parallel_tool_calls", "tool_choice"])
def test_a_wish_that_changes_nothing_fails(name: str) -> None:
    of = case("SK-REQ-002", name)
    assert isinstance(_judged(of, _body_of(of.then[0].ask)), Fail)


def test_an_option_left_out_with_a_notice_passes() -> None:
    of = case("SK-REQ-002", "seed")
    told = NoticeChunk(
        stream_id="", index=0, code="setting_ignored", message="`seed` means nothing here."
    )
    assert _judged(of, _body_of(Ask()), told, *ANSWER) == Pass()
    of_another = told.model_copy(update={"message": "`top_p` means nothing here."})
    assert isinstance(_judged(of, _body_of(Ask()), of_another, *ANSWER), Fail)


def test_a_flag_is_no_number() -> None:
    of = case("SK-REQ-002", "seed").with_(ask=Ask(settings={"seed": 1}))
    assert isinstance(_judged(of, {**_body_of(Ask()), "stream": True}), Fail)


# SK-REQ-003 to SK-REQ-005


def test_an_image_or_the_text_beside_it_lost_fails() -> None:
    of = case("SK-REQ-003", "by its bytes")
    body = _body_of(of.ask)
    data = base64.b64encode(IMAGE).decode()
    assert isinstance(_judged(of, _replaced(body, data, data[:-8])), Fail)
    assert isinstance(_judged(of, _without(body, "Canary picture?")), Fail)
    by_address = case("SK-REQ-003", "by its address")
    assert isinstance(
        _judged(by_address, _replaced(_body_of(by_address.ask), "canary.png", "")), Fail
    )


@pytest.mark.parametrize("lost", ["canary_mood", "The canary's full name.", "canary-sad"])
def test_a_schema_that_lost_something_fails(lost: str) -> None:
    of = case("SK-REQ-004", "a schema")
    assert isinstance(_judged(of, _replaced(_body_of(of.ask), lost, "x")), Fail)
    assert lost in json.dumps(SCHEMA)


@pytest.mark.parametrize("lost", [TOOL.name, TOOL.description, "canary_city", "The canary's home."])
def test_a_tool_that_lost_something_fails(lost: str) -> None:
    of = case("SK-REQ-005", "tools")
    assert isinstance(_judged(of, _replaced(_body_of(of.ask), lost, "x")), Fail)


def _spoiled(body: Any, change: str) -> Any:
    calls, results = body["messages"][1]["tool_calls"], body["messages"][2:]
    match change:
        case "arguments written anew":
            for each in calls:
                each["function"]["arguments"] = json.dumps(json.loads('{"canary_city": "Oslo"}'))
        case "result stripped":
            results[0]["content"] = results[0]["content"].strip()
        case "id of the result lost":
            del results[0]["tool_call_id"]
        case "id cleaned":
            for each, key in ((calls[0], "id"), (results[0], "tool_call_id")):
                each[key] = "functions_look_up_canary_0"
        case "name lost":
            calls[0]["function"]["name"] = "f"
    return body


@pytest.mark.parametrize(
    "change",
    [
        "arguments written anew",
        "result stripped",
        "id of the result lost",
        "id cleaned",
        "name lost",
    ],
)
def test_calls_and_results_that_go_back_changed_fail(change: str) -> None:
    of = case("SK-REQ-005", "calls and results")
    assert isinstance(_judged(of, _spoiled(_body_of(of.ask), change)), Fail)


def _named(ask: Ask, *, with_ids: bool) -> Any:
    """The body of a service that ties results to calls by their names."""
    body = _body_of(ask)
    for each in body["messages"][1]["tool_calls"]:
        each["function"]["arguments"] = json.loads(each["function"]["arguments"])
        if not with_ids:
            del each["id"]
    names = [each["function"]["name"] for each in body["messages"][1]["tool_calls"]]
    for each, name in zip(body["messages"][2:], names, strict=True):
        del each["tool_call_id"]
        each["tool_name"] = name
    return body


@pytest.mark.parametrize("with_ids", [False, True])
def test_a_result_may_name_its_tool_in_place_of_an_id(with_ids: bool) -> None:
    of = case("SK-REQ-005", "calls and results")
    body, then = (_named(each, with_ids=with_ids) for each in (of.ask, of.then[0].ask))
    assert _judged(of, body, then=then) == Pass()
    for each in (body, then):
        del each["messages"][2]["tool_name"]
    assert isinstance(_judged(of, body, then=then), Fail)


# SK-REQ-006


def test_a_second_request_or_a_key_elsewhere_fails() -> None:
    of = case("SK-REQ-006", "once")
    right = _sent(_body_of(of.ask))
    keyless = _sent(_body_of(of.ask), accept="text/event-stream")
    assert judged("SK-REQ-006", trace(of, *ANSWER, requests=[keyless])) == Pass()
    for requests in (
        [right, right],
        [_sent({**_body_of(of.ask), "user": CANARY})],
        [_sent(_body_of(of.ask), authorization="Bearer None")],
    ):
        assert isinstance(judged("SK-REQ-006", trace(of, *ANSWER, requests=requests)), Fail)


# SK-REQ-007 to SK-REQ-010


def test_an_extra_setting_dropped_or_changed_fails() -> None:
    of = case("SK-REQ-007", "a setting")
    assert isinstance(_judged(of, _body_of(Ask())), Fail)
    changed = _replaced(_body_of(of.ask), '"two"', '"2"')
    assert isinstance(_judged(of, changed), Fail)


def test_a_system_message_lost_or_said_by_another_fails() -> None:
    of = case("SK-REQ-008", "a system message")
    body = _body_of(of.ask)
    assert isinstance(_judged(of, {**body, "messages": body["messages"][1:]}), Fail)
    assert isinstance(_judged(of, _replaced(body, '"system"', '"user"')), Fail)
    apart = {**body, "messages": body["messages"][1:], "system": body["messages"][0]["content"]}
    assert _judged(of, apart) == Pass()


def test_a_character_lost_on_the_way_fails() -> None:
    of = case("SK-REQ-009", "characters")
    for lost in ("\u2028", "\u200d", "\u0301"):
        assert isinstance(_judged(of, _replaced(_body_of(of.ask), lost, "")), Fail)


def test_half_a_character_that_is_replaced_fails() -> None:
    of = case("SK-REQ-009", "half a character")
    replaced = _body_of(Ask(messages="Canary ? half."))
    assert isinstance(_judged(of, replaced), Fail)
    refused = error("invalid_request", partial=False)
    assert judged("SK-REQ-009", trace(of, refused)) == Pass()


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("white space", "  Canary code:", "Canary code:"),
        ("white space", "Canary said. \\n", "Canary said."),
        ("several parts", " canary 2", "canary 2"),
        ("an empty part", "Canary beside nothing.", ""),
    ],
)
def test_white_space_taken_away_fails(what: str, old: str, new: str) -> None:
    of = case("SK-REQ-010", what)
    body = _body_of(of.ask)
    changed = _replaced(body, old, new)
    assert changed != body
    assert isinstance(_judged(of, changed), Fail)


def test_parts_may_go_out_joined() -> None:
    of = case("SK-REQ-010", "several parts")
    joined = {"messages": [{"role": "user", "content": "Canary 1  canary 2\n canary 3"}]}
    assert _judged(of, joined) == Pass()
