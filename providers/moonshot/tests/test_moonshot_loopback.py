"""Moonshot over real sockets: two turns with tools in sync code, asyncio and trio, and failures."""

import json
import re
from typing import Any

import pytest

import streamkit
from streamkit import ChunkStream, Message, Model, NoticeChunk, Tool, ToolResult
from streamkit.chunks import ErrorChunk, StartChunk, UsageChunk
from streamkit.errors import AuthenticationError, ProviderError, RateLimitError
from streamkit.listing import list_models_sync
from streamkit.messages import ToolCall
from streamkit.plugin import Capabilities
from tests.loopback import END, Action, LoopbackServer, chunk, head, serving

CANARY = "sk-canary-0123456789"
SEARCH = Tool(name="search", parameters={"type": "object", "properties": {}})
ACCOUNT = "org-00000000000000000000000000000000<ak-000000000000000000000000000000>"


def event(response_id: str, delta: dict[str, Any], **choice: Any) -> bytes:
    payload = {
        "id": response_id,
        "object": "chat.completion.chunk",
        "model": "kimi-k2.6",
        "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}],
    }
    return f"data: {json.dumps(payload)}\n\n".encode()


def answered(*events: bytes) -> list[Action]:
    return [head(), *[chunk(each) for each in events], chunk(b"data: [DONE]\n\n"), END]


def asking_turn(number: int) -> list[Action]:
    """An answer that thinks, then makes one call; its id is the same in every turn."""
    response_id = f"chatcmpl-{number}"
    call = {"index": 0, "id": "search:0", "type": "function"}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    return answered(
        event(response_id, {"role": "assistant", "content": ""}),
        event(response_id, {"reasoning_content": f"Thought {number}."}),
        event(
            response_id,
            {"tool_calls": [{**call, "function": {"name": "search", "arguments": ""}}]},
        ),
        event(response_id, {"tool_calls": [{"index": 0, "function": {"arguments": '{"q":1}'}}]}),
        event(response_id, {}, finish_reason="tool_calls", usage=usage),
        f"data: {json.dumps({'id': response_id, 'choices': [], 'usage': usage})}\n\n".encode(),
    )


def last_turn() -> list[Action]:
    return answered(
        event("chatcmpl-3", {"content": "Found "}),
        event("chatcmpl-3", {"content": "it."}, finish_reason="stop"),
    )


def moonshot(server: LoopbackServer, **settings: Any) -> Model:
    return streamkit.get_model(
        "moonshot/kimi-k2.6", api_key=CANARY, base_url=f"{server.url}/v1", **settings
    )


def bodies(server: LoopbackServer) -> list[dict[str, Any]]:
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]


def results_of(message: Message) -> Message:
    return Message.tool(
        *(
            ToolResult(call_id=part.call_id, name=part.name, output="a page")
            for part in message.parts
            if isinstance(part, ToolCall)
        )
    )


def ids_of(history: list[Message]) -> list[str]:
    return [
        part.call_id for message in history for part in message.parts if isinstance(part, ToolCall)
    ]


def judge(server: LoopbackServer, history: list[Message]) -> None:
    """What the server saw of two turns with tools, and what stands in the history."""
    assert history[-1].text == "Found it."
    ids = ids_of(history)
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"call_[0-9a-f]{24}", call_id) for call_id in ids)
    first, second, third = bodies(server)
    assert [entry["role"] for entry in first["messages"]] == ["user"]
    assert second["messages"] == third["messages"][:3]
    for turn, start in ((1, 1), (2, 3)):
        asks, told = third["messages"][start : start + 2]
        assert asks == {
            "role": "assistant",
            "content": None,
            "reasoning_content": f"Thought {turn}.",
            "tool_calls": [
                {
                    "id": "search:0",
                    "type": "function",
                    "function": {"name": "search", "arguments": '{"q":1}'},
                }
            ],
        }
        assert told == {
            "role": "tool",
            "tool_call_id": "search:0",
            "name": "search",
            "content": "a page",
        }
    assert server.requests[0].startswith(b"POST /v1/chat/completions ")
    assert f"Bearer {CANARY}".encode() in server.requests[0]


def test_two_turns_with_the_same_tool_call_id_in_sync_code() -> None:
    with serving(asking_turn(1), asking_turn(2), last_turn()) as server:
        model = moonshot(server)
        history = [Message.user("Search twice.")]
        for _ in range(2):
            history.append(model.generate_sync(history, tools=[SEARCH]).message())
            history.append(results_of(history[-1]))
        history.append(model.generate_sync(history, tools=[SEARCH]).message())
        judge(server, history)


@pytest.mark.anyio
async def test_two_turns_with_the_same_tool_call_id_in_async_code() -> None:
    with serving(asking_turn(1), asking_turn(2), last_turn()) as server:
        model = moonshot(server)
        history = [Message.user("Search twice.")]
        for _ in range(2):
            async with model.stream(history, tools=[SEARCH]) as stream:
                chunks = [chunk async for chunk in stream]
            assert sum(isinstance(chunk, UsageChunk) for chunk in chunks) == 1
            history.append(stream.response.message())
            history.append(results_of(history[-1]))
        history.append((await model.generate(history, tools=[SEARCH])).message())
        judge(server, history)


def test_a_setting_that_is_left_out_is_noticed_before_the_answer() -> None:
    with serving(last_turn()) as server:
        chunks = list(moonshot(server).stream("Hello", temperature=0.2))
        assert isinstance(chunks[0], StartChunk)
        assert isinstance(chunks[1], NoticeChunk)
        assert chunks[1].code == "setting_ignored"
        assert "temperature" not in bodies(server)[0]


def test_what_the_service_would_refuse_is_never_sent() -> None:
    with serving(last_turn()) as server:
        chunks = list(moonshot(server).stream("Hello", tools=[SEARCH], tool_choice="search"))
        assert isinstance(chunks[-1], ErrorChunk)
        assert chunks[-1].error.kind == "unsupported"
        assert server.requests == []


def failing(status: int, type: str, message: str, *lines: str) -> list[Action]:
    body = json.dumps({"error": {"message": message, "type": type}}).encode()
    return [head(status, "application/json", *lines), chunk(body), END]


def error_of(stream: ChunkStream) -> Exception:
    with pytest.raises(streamkit.StreamFailed) as caught:
        stream.collect_sync()
    return caught.value


def test_a_rate_limit_is_told_without_the_account() -> None:
    script = failing(
        429,
        "rate_limit_reached_error",
        f"Your account {ACCOUNT} request reached organization max RPM: 3",
        "retry-after: 1",
        "msh-request-id: request-1",
    )
    with serving(script) as server:
        error = error_of(moonshot(server).stream("Hello"))
    assert isinstance(error, RateLimitError)
    assert (error.retry_after_s, error.request_id) == (1.0, "request-1")
    assert "org-0" not in f"{error} {error.error!r}"


def test_a_refused_key_is_told_and_not_shown() -> None:
    script = failing(401, "invalid_authentication_error", f"Invalid Authentication {CANARY}")
    with serving(script) as server:
        error = error_of(moonshot(server).stream("Hello"))
    assert isinstance(error, AuthenticationError)
    assert CANARY not in f"{error} {error.error!r}"


def test_the_models_of_the_service_are_listed() -> None:
    body = json.dumps({"data": [{"id": "kimi-k2.6", "supports_reasoning": True}]}).encode()
    with serving([head(200, "application/json"), chunk(body), END]) as server:
        (info,) = list_models_sync("moonshot", api_key=CANARY, base_url=f"{server.url}/v1")
    assert info.id == "kimi-k2.6"
    assert info.capabilities == Capabilities.of(yes="reasoning")
    assert server.requests[0].startswith(b"GET /v1/models ")


def test_a_list_that_fails_is_told_without_the_account() -> None:
    script = failing(429, "exceeded_current_quota_error", f"Your account {ACCOUNT} is suspended")
    with serving(script) as server, pytest.raises(ProviderError) as caught:
        list_models_sync("moonshot", api_key=CANARY, base_url=f"{server.url}/v1")
    assert (caught.value.kind, caught.value.status) == ("quota", 429)
    assert "org-0" not in f"{caught.value} {caught.value.detail}"


def test_an_overload_in_mid_answer_keeps_what_came() -> None:
    broken = {"error": {"message": "The engine is overloaded", "type": "engine_overloaded_error"}}
    script = answered(
        event("chatcmpl-1", {"content": "Half"}), f"data: {json.dumps(broken)}\n\n".encode()
    )
    with serving(script) as server:
        error = error_of(moonshot(server).stream("Hello"))
    assert isinstance(error, streamkit.StreamFailed)
    assert (error.kind, error.partial.text) == ("overloaded", "Half")
