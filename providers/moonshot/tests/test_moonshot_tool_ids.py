"""Ids that the service repeats in every turn are unique here and go back to it as they were."""

import json
import re
from typing import Any

import pytest

import streamkit_moonshot
from streamkit.messages import Message, ReasoningPart, ToolCall, ToolResult
from streamkit.model import Model
from streamkit.request import build_request
from streamkit.settings import resolve_settings
from streamkit.transport.memory import MemoryTransport, Reply
from streamkit_moonshot.provider import MoonshotProvider

(SPEC,) = streamkit_moonshot.streamkit_providers()


def moonshot() -> MoonshotProvider:
    known = {"MOONSHOT_API_KEY": "sk-canary-0123456789"}
    return MoonshotProvider(SPEC, resolve_settings(SPEC, environment=known))


def event(payload: Any) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()


def frame(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"model": "kimi-k2.6", "choices": [choice], **fields})


def calls(*ids: str | None, response_id: str | None = "chatcmpl-1", **first: Any) -> bytes:
    """A streamed answer that calls the tool `search` with each of these ids."""
    known = {} if response_id is None else {"id": response_id}
    body = frame({"role": "assistant", "content": "", **first}, **known)
    for index, wire_id in enumerate(ids):
        call: dict[str, Any] = {"index": index, "function": {"name": "search", "arguments": ""}}
        if wire_id is not None:
            call["id"] = wire_id
        body += frame({"tool_calls": [call]}, **known)
        piece = {"index": index, "function": {"arguments": "{}"}}
        body += frame({"tool_calls": [piece]}, **known)
    return body + frame({}, "tool_calls", **known) + b"data: [DONE]\n\n"


def answer(body: bytes) -> Message:
    model = Model(moonshot(), "kimi-k2.6", transport=MemoryTransport([Reply(body)]))
    return model.generate_sync("Search.").message()


def tool_calls(message: Message) -> list[ToolCall]:
    return [part for part in message.parts if isinstance(part, ToolCall)]


def result_of(call: ToolCall, output: str = "nothing") -> Message:
    return Message.tool(ToolResult(call_id=call.call_id, name=call.name, output=output))


def sent(*messages: Message) -> list[dict[str, Any]]:
    request = build_request("kimi-k2.6", [Message.user("Search."), *messages])
    entries: list[dict[str, Any]] = (moonshot().request(request).json or {})["messages"]
    return entries


@pytest.mark.parametrize("wire_id", ["search:0", "functions.search:0", "0", "call_abc"])
def test_the_same_id_in_two_turns_is_two_ids(wire_id: str) -> None:
    turns = [answer(calls(wire_id, response_id=f"chatcmpl-{turn}")) for turn in (1, 2)]
    ids = [call.call_id for turn in turns for call in tool_calls(turn)]
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_]{1,40}", call_id) for call_id in ids)


def test_the_same_answer_gives_the_same_ids() -> None:
    one, other = (answer(calls("search:0", "search:1")) for _ in range(2))
    assert [call.call_id for call in tool_calls(one)] == [
        call.call_id for call in tool_calls(other)
    ]


def test_the_same_id_twice_in_one_answer_is_two_ids() -> None:
    one, other = tool_calls(answer(calls("search:0", "search:0")))
    assert one.call_id != other.call_id


def test_the_service_s_own_id_stands_in_the_metadata() -> None:
    (call,) = tool_calls(answer(calls("search:0")))
    assert call.metadata == {"moonshot": {"id": "search:0"}}


def test_without_an_id_of_the_answer_the_ids_are_unique_all_the_same() -> None:
    turns = [answer(calls("search:0", response_id=None)) for _ in range(2)]
    found = [call for turn in turns for call in tool_calls(turn)]
    assert len({call.call_id for call in found} | {"search:0"}) == 3
    assert all(call.metadata == {"moonshot": {"id": "search:0"}} for call in found)


def test_a_call_without_an_id_gets_one_and_keeps_it() -> None:
    message = answer(calls(None))
    (call,) = tool_calls(message)
    _, asks, told = sent(message, result_of(call))
    assert call.call_id
    assert asks["tool_calls"][0]["id"] == told["tool_call_id"] == call.call_id


def test_the_service_gets_its_own_ids_back_in_calls_and_results() -> None:
    history: list[Message] = []
    for turn in (1, 2):
        message = answer(calls("search:0", "search:1", response_id=f"chatcmpl-{turn}"))
        one, other = tool_calls(message)
        # Results may come in any order: each names its call.
        history += [message, result_of(other, f"b{turn}"), result_of(one, f"a{turn}")]
    entries = sent(*history)
    assert [
        [call["id"] for call in entry["tool_calls"]] for entry in entries if "tool_calls" in entry
    ] == [["search:0", "search:1"]] * 2
    assert [
        (entry["tool_call_id"], entry["content"]) for entry in entries if entry["role"] == "tool"
    ] == [("search:1", "b1"), ("search:0", "a1"), ("search:1", "b2"), ("search:0", "a2")]


def test_calls_of_another_provider_keep_their_ids() -> None:
    call = ToolCall(
        call_id="toolu_1", name="search", arguments={}, metadata={"acme": {"id": "search:0"}}
    )
    entries = sent(Message.assistant(call), result_of(call))
    assert entries[1]["tool_calls"][0]["id"] == entries[2]["tool_call_id"] == "toolu_1"


def test_a_result_in_the_message_of_its_call_is_renamed_with_it() -> None:
    (call,) = tool_calls(answer(calls("search:0")))
    result = ToolResult(call_id=call.call_id, name="search", output="nothing")
    entries = sent(Message.assistant(call, result))
    assert entries[1]["tool_calls"][0]["id"] == entries[2]["tool_call_id"] == "search:0"


def test_the_ids_survive_a_history_that_is_saved_as_json() -> None:
    message = answer(calls("search:0"))
    loaded = Message.model_validate_json(message.model_dump_json())
    (call,) = tool_calls(loaded)
    entries = sent(loaded, result_of(call))
    assert entries[1]["tool_calls"][0]["id"] == entries[2]["tool_call_id"] == "search:0"


def test_a_whole_answer_gives_the_same_id_as_a_streamed_one() -> None:
    call = {"id": "search:0", "function": {"name": "search", "arguments": "{}"}, "type": "function"}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "", "tool_calls": [call]},
        "finish_reason": "tool_calls",
    }
    body = json.dumps({"id": "chatcmpl-1", "model": "kimi-k2.6", "choices": [choice]}).encode()
    assert tool_calls(answer(body)) == tool_calls(answer(calls("search:0")))


def shared_frame(wire_id: str = "search:0", **fields: Any) -> bytes:
    """An answer whose text and whole tool call stand in one frame, behind reasoning said empty."""
    call = {"index": 0, "id": wire_id, "function": {"name": "search", "arguments": "{}"}}
    body = frame({"role": "assistant", "content": ""}, **fields)
    delta = {"content": "Let me see.", "reasoning_content": "", "tool_calls": [call]}
    return body + frame(delta, "tool_calls", **fields) + b"data: [DONE]\n\n"


def test_a_call_that_shares_a_frame_with_text_has_an_id_of_its_turn() -> None:
    turns = [answer(shared_frame(id=f"chatcmpl-{turn}")) for turn in (1, 2)]
    found = [call for turn in turns for call in tool_calls(turn)]
    assert len({call.call_id for call in found} | {"search:0"}) == 3
    assert all(call.metadata == {"moonshot": {"id": "search:0"}} for call in found)


def test_a_whole_answer_without_id_and_model_has_ids_of_its_turn() -> None:
    call = {"id": "search:0", "function": {"name": "search", "arguments": "{}"}, "type": "function"}
    message = {"role": "assistant", "content": "Let me see.", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = json.dumps({"choices": [choice]}).encode()
    found = [call for _ in range(2) for call in tool_calls(answer(body))]
    assert len({call.call_id for call in found} | {"search:0"}) == 3
    assert all(call.metadata == {"moonshot": {"id": "search:0"}} for call in found)


# Reasoning, which the service wants back with the calls.


def reasoning_sent_back(body: bytes) -> Any:
    """The field as it goes back where nothing adds it; `...` where it is absent."""
    message = answer(body)
    off = {"thinking": {"type": "disabled"}}
    request = build_request("kimi-k2.6", [Message.user("Search."), message], extra=off)
    return (moonshot().request(request).json or {})["messages"][1].get("reasoning_content", ...)


def test_reasoning_comes_in_and_goes_back_out() -> None:
    body = frame({"reasoning_content": "I must "}, id="chatcmpl-1")
    body += frame({"reasoning_content": "search."}, id="chatcmpl-1") + calls("search:0")
    assert answer(body).parts[0].model_dump()["text"] == "I must search."
    assert reasoning_sent_back(body) == "I must search."


def test_reasoning_that_is_said_to_be_empty_goes_back_empty() -> None:
    assert reasoning_sent_back(calls("search:0", reasoning_content="")) == ""


def test_empty_reasoning_beside_text_and_call_goes_back_empty() -> None:
    assert reasoning_sent_back(shared_frame(id="chatcmpl-1")) == ""


def test_empty_reasoning_that_comes_with_the_call_behind_text_goes_back_empty() -> None:
    said = frame({"content": "Let "}, id="chatcmpl-1") + frame({"content": "me."}, id="chatcmpl-1")
    assert reasoning_sent_back(said + calls("search:0", reasoning_content="")) == ""
    call = {"index": 0, "id": "search:0", "function": {"name": "search", "arguments": "{}"}}
    last = frame({"reasoning_content": "", "tool_calls": [call]}, "tool_calls", id="chatcmpl-1")
    assert reasoning_sent_back(said + last + b"data: [DONE]\n\n") == ""


def test_text_is_not_searched_for_reasoning_frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[bytes] = []

    class Counting:
        def search(self, data: bytes) -> None:
            searched.append(data)

    monkeypatch.setattr("streamkit_moonshot.provider._EMPTY_REASONING", Counting())
    text = b"".join(frame({"content": f"{n} "}, id="chatcmpl-1") for n in range(50))
    end = frame({}, "stop", id="chatcmpl-1") + b"data: [DONE]\n\n"
    assert answer(text + end).text.endswith("49 ")
    assert len(searched) <= 3


def test_reasoning_that_begins_empty_is_no_empty_reasoning() -> None:
    body = frame({"reasoning_content": ""}, id="chatcmpl-1")
    body += frame({"reasoning_content": "Hm."}, id="chatcmpl-1") + calls("search:0")
    reasoning, _ = answer(body).parts
    assert reasoning == ReasoningPart(text="Hm.")
    assert reasoning_sent_back(body) == "Hm."


def test_reasoning_that_is_absent_stays_absent() -> None:
    assert reasoning_sent_back(calls("search:0")) is ...


def test_a_text_that_quotes_the_field_is_no_reasoning() -> None:
    body = frame({"content": '"reasoning_content":""'}, id="chatcmpl-1") + calls("search:0")
    assert reasoning_sent_back(body) is ...


def test_empty_reasoning_stands_once_before_several_calls() -> None:
    message = answer(calls("search:0", "search:1", reasoning_content=""))
    assert [part.type for part in message.parts] == ["reasoning", "tool_call", "tool_call"]


def test_empty_reasoning_beside_a_plain_answer_shows_nothing() -> None:
    body = frame({"reasoning_content": "", "content": ""}, id="chatcmpl-1")
    body += frame({"content": "Hi."}, "stop", id="chatcmpl-1") + b"data: [DONE]\n\n"
    assert [part.type for part in answer(body).parts] == ["text"]
