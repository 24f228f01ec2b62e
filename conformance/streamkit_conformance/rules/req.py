"""REQ: what is asked for is what is sent.

Each request holds canaries, values that stand nowhere else; they are looked for in the JSON of the
body. So no knowledge of the service's own words is needed.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from streamkit.chunks import NoticeChunk
from streamkit.messages import ImagePart, Message, TextPart, ToolCall, ToolResult
from streamkit_conformance.case import Ask, Case
from streamkit_conformance.rules.asks import (
    ANSWER,
    IMAGE,
    OPTIONS,
    SCHEMA,
    TOOL,
    WISHES,
    history_of,
    plain,
)
from streamkit_conformance.rules.body import (
    call_sent,
    entries,
    holds,
    lost,
    role_of,
    schema_sent,
    texts,
)
from streamkit_conformance.rules.claims import is_refused
from streamkit_conformance.rules.registry import Judge, Plan, rule
from streamkit_conformance.trace import SentRequest, Trace
from streamkit_conformance.verdict import IRRELEVANT, PASS, Fail, Outcome, Untestable


def _case(id: str, what: str, ask: Ask, *, then: Ask | None = None) -> Case:
    name = f"{id}/{what}"
    further = () if then is None else (Case(name=f"{name}/then", script=ANSWER, ask=then),)
    rules = frozenset({id})
    return Case(name=name, rules=rules, script=ANSWER, ask=ask, then=further, base=plain())


def _asking(id: str, **asks: Ask) -> Callable[[Plan], Iterator[Case]]:
    """The cases of a rule, one for each request by its name."""

    def cases(plan: Plan) -> Iterator[Case]:
        if plan.dialect.is_wire:
            for what, ask in asks.items():
                yield _case(id, what.replace("_", " "), ask)

    return cases


def _of_the_body(check: Callable[[Trace, Any], Outcome]) -> Judge:
    """A judge of what was sent; what was refused in words was not altered in silence."""

    def judge(trace: Trace) -> Outcome:
        if not trace.requests:
            if is_refused(trace):
                return PASS
            error = trace.refused or trace.raised or (trace.error and trace.error.error)
            message = "the request was neither sent nor refused in words"
            return Fail(message, "one of both", repr(error))
        body = trace.requests[0].json
        if body is None:
            return Untestable("the body of the request is no JSON")
        return check(trace, body)

    judge.__doc__ = check.__doc__
    judge.__name__ = check.__name__
    return judge


# SK-REQ-001

_TALK: Final = (
    Message.user("Canary question one."),
    Message.assistant("Canary answer two."),
    Message.user("Canary question three."),
)


def _stream_cases(plan: Plan) -> Iterator[Case]:
    if not plan.dialect.is_wire:
        return
    can_be_whole = plan.claims.get("non_stream") != "no" and "whole" not in plan.dialect.losses
    whole = Ask(messages=_TALK, stream=False) if can_be_whole else None
    yield _case("SK-REQ-001", "a conversation", Ask(messages=_TALK), then=whole)


@rule(
    "SK-REQ-001",
    cases=_stream_cases,
    statement="The request asks for a stream, and holds all messages in their order.",
    reason="An answer that was not asked for as a stream comes in one piece, after a minute of "
    "silence. Messages in another order are another conversation.",
    wire='{"stream":true,"messages":[{"role":"user",…},{"role":"assistant",…},{"role":"user",…}]}',
)
@_of_the_body
def a_stream_is_asked_for(trace: Trace, body: Any) -> Outcome:
    """A request for a stream differs from one for an answer in one piece, whatever the field."""
    said = [each.text for each in _messages(trace)]
    found = texts(body)
    places = [next((n for n, each in enumerate(found) if text in each), -1) for text in said]
    if -1 in places:
        return lost("a message", said[places.index(-1)], body)
    if places != sorted(places):
        return Fail("the messages are in another order", " / ".join(said), " / ".join(found))
    others = trace.others[0].requests if trace.others else []
    if others and _way(trace.requests[0]) == _way(others[0]):
        return Fail("a stream is not asked for", "another request than without", repr(body)[:600])
    return PASS


def _way(sent: SentRequest) -> tuple[str, Any, str]:
    """All that may ask for a stream: the address, the body, and what is accepted."""
    return sent.url, sent.json, dict(sent.headers).get("accept", "")


def _messages(trace: Trace) -> tuple[Message, ...]:
    given = trace.case.ask.messages
    return (Message.user(given),) if isinstance(given, str) else given


# SK-REQ-002

_ABOUT_TOOLS: Final = frozenset({"parallel_tool_calls", "tool_choice"})


def _option_cases(plan: Plan) -> Iterator[Case]:
    if not plan.dialect.is_wire:
        return
    for name, value in OPTIONS.items():
        yield _case("SK-REQ-002", name, Ask(settings={name: value}))
    for name, value in WISHES.items():
        rest = {"tools": (TOOL,)} if name in _ABOUT_TOOLS else {}
        without = Ask(settings=rest)
        yield _case("SK-REQ-002", name, Ask(settings={**rest, name: value}), then=without)


@rule(
    "SK-REQ-002",
    cases=_option_cases,
    statement="An option of the request is sent with its value, refused in words, or left out with "
    "a notice that names it; none is dropped in silence.",
    reason="Whoever sets a temperature, a seed or a limit and gets another finds out by the bill, "
    "or by an evaluation that cannot be repeated.",
    wire='{"temperature":0.375,"seed":424243,"stop":["CANARY-STOP"],…}',
)
@_of_the_body
def options_are_sent(trace: Trace, body: Any) -> Outcome:
    """Looks for the values; a wish without a value of its own must change the request."""
    for name, value in trace.case.ask.settings.items():
        is_sent = True
        if name in OPTIONS:
            is_sent = holds(body, value)
        elif name in WISHES and trace.others and trace.others[0].requests:
            is_sent = trace.others[0].requests[0].json != body
        if not is_sent and not _is_noticed(trace, name):
            return lost(f"`{name}`", repr(value), body)
    return PASS


def _is_noticed(trace: Trace, name: str) -> bool:
    notices = (each for each in trace.chunks if isinstance(each, NoticeChunk))
    return any(each.code == "setting_ignored" and name in each.message for each in notices)


# SK-REQ-003

_PICTURE: Final = "https://pictures.example/canary.png"


@rule(
    "SK-REQ-003",
    cases=_asking(
        "SK-REQ-003",
        by_its_bytes=Ask(messages=(Message.user("Canary picture?", ImagePart(data=IMAGE)),)),
        by_its_address=Ask(messages=(Message.user("Canary picture?", ImagePart(url=_PICTURE)),)),
    ),
    statement="An image of a message is sent with its bytes or its address unchanged, beside the "
    "message's text, or the request is refused in words.",
    reason="A model that got no picture describes one all the same.",
    wire='{"content":[{"type":"text",…},{"type":"image_url","image_url":{"url":"data:image/png;…"}}]}',
)
@_of_the_body
def images_are_sent(trace: Trace, body: Any) -> Outcome:
    """Looks for the image's base64 or address, and for the text beside it."""
    found = texts(body)
    for message in _messages(trace):
        for part in (each for each in message.parts if isinstance(each, ImagePart | TextPart)):
            if isinstance(part, TextPart):
                wanted = part.text
            else:
                wanted = part.url or base64.b64encode(part.data or b"").decode()
            if not any(wanted in each for each in found):
                return lost(f"the {part.type}", wanted, body)
    return PASS


# SK-REQ-004


@rule(
    "SK-REQ-004",
    cases=_asking(
        "SK-REQ-004",
        a_schema=Ask(settings={"output_schema": {"name": "canary_card", "definition": SCHEMA}}),
    ),
    statement="The schema that an answer must follow is sent whole, or the request is refused in "
    "words.",
    reason="Without the schema the answer is prose, or JSON of another shape, and the program that "
    "reads it breaks now and then.",
    wire='{"response_format":{"type":"json_schema","json_schema":{"schema":{"properties":{…}}}}}',
)
@_of_the_body
def schemas_are_sent(trace: Trace, body: Any) -> Outcome:
    """Looks for the names and the texts of the schema."""
    given = trace.case.ask.settings.get("output_schema")
    return PASS if given is None else schema_sent("the schema", given["definition"], body)


# SK-REQ-005


def _tool_cases(plan: Plan) -> Iterator[Case]:
    if not plan.dialect.is_wire:
        return
    yield _case("SK-REQ-005", "tools", Ask(settings={"tools": (TOOL,)}))
    yield _case(
        "SK-REQ-005",
        "calls and results",
        history_of("functions.look_up_canary:0", "call_canary_b2"),
        then=history_of("functions.look_up_canary:7", "call_canary_b9"),
    )


@rule(
    "SK-REQ-005",
    cases=_tool_cases,
    statement="Tools are sent with their names, descriptions and parameters; calls and results of "
    "the conversation go back unchanged, each result with its call's id or name.",
    reason="A result that lost its id answers another call or none: services refuse it, or the "
    "model takes one city's weather for another's.",
    wire='{"role":"tool","tool_call_id":"functions.look_up_canary:0","content":"…"}',
)
@_of_the_body
def tools_and_results_are_sent(trace: Trace, body: Any) -> Outcome:
    """Looks for all of them; ids may be missing where the service knows calls by their names."""
    found = texts(body)
    for tool in trace.case.ask.settings.get("tools", ()):
        for word in (tool.name, tool.description):
            if word not in found:
                return lost("a tool's name or description", word, body)
        outcome = schema_sent("a tool's parameters", tool.parameters, body)
        if outcome != PASS:
            return outcome
    others = trace.others[0].requests if trace.others else []
    are_ids_sent = not others or others[0].json != body
    for message in _messages(trace):
        for part in message.parts:
            outcome = PASS
            if isinstance(part, ToolCall):
                outcome = call_sent(part, body, are_ids_sent=are_ids_sent)
            elif isinstance(part, ToolResult) and part.output not in found:
                outcome = lost("a tool's result", repr(part.output), body)
            if outcome != PASS:
                return outcome
    return PASS


# SK-REQ-006


def _once_cases(plan: Plan) -> Iterator[Case]:
    if plan.dialect.is_wire:
        yield _case("SK-REQ-006", "once", Ask()).with_(base=None)


@rule(
    "SK-REQ-006",
    cases=_once_cases,
    statement="An answer is asked for with exactly one request; the key, where one is sent, stands "
    "whole in a header, and not in the body.",
    reason="Every further request is paid for and counts against the limit. A key in the body is "
    "kept with the conversation by whoever keeps that.",
    wire="POST …/chat/completions   Authorization: Bearer sk-canary-…",
)
def one_request_is_sent(trace: Trace) -> Outcome:
    """Of a key in the address SK-SEC-002 speaks."""
    if not trace.requests:
        return IRRELEVANT
    if len(trace.requests) != 1:
        return Fail("an answer was asked for more than once", "1 request", str(len(trace.requests)))
    sent, key = trace.requests[0], trace.case.secret
    if key.encode() in sent.body:
        return Fail("the key stands in the body", "a header", "the body")
    given = dict(sent.headers).get("authorization")
    if given is not None and given.rpartition(" ")[2] != key:
        return Fail("the header for the key holds something else", "the key", "not the key")
    return PASS


# SK-REQ-007

_EXTRA: Final[Mapping[str, Any]] = {"canary_setting": {"depth": [1, "two", None], "on": False}}


@rule(
    "SK-REQ-007",
    cases=_asking("SK-REQ-007", a_setting=Ask(settings={"extra": dict(_EXTRA)})),
    statement="What stands in `extra` is sent as it is, or the request is refused in words.",
    reason="It is the only way to what a service has and streamkit has no word for; dropped, the "
    "user looks for the mistake at the service.",
    wire='{"canary_setting":{"depth":[1,"two",null],"on":false},…}',
)
@_of_the_body
def extra_settings_are_sent(trace: Trace, body: Any) -> Outcome:
    """Looks for each setting under its own name."""
    for name, value in trace.case.ask.settings.get("extra", {}).items():
        if value not in entries(body, name):
            return lost(f"`{name}` of `extra`", repr(value), body)
    return PASS


# SK-REQ-008


@rule(
    "SK-REQ-008",
    cases=_asking(
        "SK-REQ-008",
        a_system_message=Ask(
            messages=(Message.system("Canary rule: be brief."), Message.user("Canary question."))
        ),
    ),
    statement="A system message is sent, and not as something that the user said.",
    reason="Rules that never reach the model are not kept, and rules in the user's mouth can be "
    "talked away by the user.",
    wire='{"messages":[{"role":"system","content":"Canary rule: be brief."},{"role":"user",…}]}',
)
@_of_the_body
def system_messages_are_kept(trace: Trace, body: Any) -> Outcome:
    """Looks for the text, and for the role of what it stands in."""
    for message in _messages(trace):
        if message.role != "system":
            continue
        role = role_of(body, message.text)
        if role is None:
            return lost("the system message", message.text, body)
        if role in ("user", "assistant", "tool"):
            return Fail("the system message is sent as another's", "system", role)
    return PASS


# SK-REQ-009

_CHARACTERS: Final = (
    'Canary \u00e9\u0301 \u2028 \U0001f469\u200d\U0001f680 \u05e9\u05dc \x07 \\ " end'
)


@rule(
    "SK-REQ-009",
    cases=_asking(
        "SK-REQ-009",
        characters=Ask(messages=_CHARACTERS),
        half_a_character=Ask(messages="Canary \ud83d half."),
    ),
    statement="Every character of a message arrives; half a surrogate pair, which no UTF-8 can "
    "carry, is refused in words before anything is sent.",
    reason="Text that is cut by length ends in half an emoji. Encoded late it is a crash in the "
    "midst of the client; replaced, it is another text.",
    wire='{"content":"Canary \u00e9\u0301 \u05e9\u05dc …"}',
)
@_of_the_body
def characters_arrive(trace: Trace, body: Any) -> Outcome:
    """Looks for the message's text among those of the body."""
    given = trace.case.ask.messages
    text = given if isinstance(given, str) else "".join(each.text for each in given)
    return PASS if any(text in each for each in texts(body)) else lost("the text", repr(text), body)


# SK-REQ-010


_SPACES: Final = (
    Message.user("  Canary code:\n\n\tindented  \n"),
    Message.assistant("Canary said. \n"),
    Message.user("\nCanary again?\n "),
)


@rule(
    "SK-REQ-010",
    cases=_asking(
        "SK-REQ-010",
        white_space=Ask(messages=_SPACES),
        several_parts=Ask(messages=(Message.user("Canary 1 ", " canary 2", "\n", " canary 3"),)),
        an_empty_part=Ask(messages=(Message.user("", "Canary beside nothing."),)),
    ),
    statement="The text of a message is sent as it is: white space at its ends, between its parts "
    "and in them, and beside parts that are empty.",
    reason="Python without its indentation is another program, and a prompt whose space was taken "
    "at the end is cached and answered as another.",
    wire='{"role":"user","content":"  Canary code:\\n\\n\\tindented  \\n"}',
)
@_of_the_body
def texts_are_not_altered(trace: Trace, body: Any) -> Outcome:
    """Looks for each message's text, in one piece or in its parts."""
    found = texts(body)
    for message in _messages(trace):
        parts = [each.text for each in message.parts if isinstance(each, TextPart) and each.text]
        is_whole = any("".join(parts) in each for each in found)
        if not is_whole and not all(each in found for each in parts):
            return lost("a message's text as it was given", repr("".join(parts)), body)
    return PASS
