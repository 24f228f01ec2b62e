"""What an Ollama server is sent: its own names for things, and nothing that it would pass over."""

import base64
import math
from typing import Any

import pytest

import streamkit_ollama
from streamkit.assembly.response import ResponseBuilder
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.messages import (
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCall,
    ToolResult,
)
from streamkit.model import Model
from streamkit.provider import HTTPCall
from streamkit.request import build_request
from streamkit.settings import resolve_settings
from streamkit.transport.memory import MemoryTransport
from streamkit_ollama.provider import OllamaProvider
from tests.wire_recordings import manifest, recordings_folder

(SPEC,) = streamkit_ollama.streamkit_providers()
WEATHER = Tool(name="weather", description="Tells the weather.", strict=None)


def ollama(**options: Any) -> OllamaProvider:
    return OllamaProvider(SPEC, resolve_settings(SPEC, environment={}, options=options))


def call(messages: Any = "Hello", **settings: Any) -> HTTPCall:
    return ollama().request(build_request("qwen3", messages, **settings))


def body_of(messages: Any = "Hello", **settings: Any) -> dict[str, Any]:
    return dict(call(messages, **settings).json or {})


def refusal(**settings: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        call(**settings)
    return raised.value


def image_body(part: ImagePart) -> dict[str, Any]:
    (entry,) = body_of(Message.user("Look", part))["messages"]
    assert entry["content"] == "Look"
    return dict(entry)


def test_a_plain_request_says_what_would_differ_by_default() -> None:
    sent = call()
    assert sent.json == {
        "model": "qwen3",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "truncate": False,
    }
    assert (sent.method, sent.path, sent.framing) == ("POST", "/api/chat", "ndjson")
    assert sent.headers == {"Accept": "application/x-ndjson"}
    assert sent.notices == ()


def test_a_whole_answer_is_asked_for_in_so_many_words() -> None:
    sent = call(stream=False)
    assert (sent.json or {})["stream"] is False
    assert sent.framing == "json"
    assert sent.headers == {"Accept": "application/json"}


def test_settings_stand_among_the_options_by_the_server_s_names() -> None:
    body = body_of(
        max_tokens=7,
        temperature=0.5,
        top_p=0.9,
        seed=1,
        stop=["a", "b"],
        presence_penalty=0.1,
        frequency_penalty=0.2,
    )
    assert body["options"] == {
        "num_predict": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 1,
        "stop": ["a", "b"],
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
    }


def test_extra_adds_to_the_options_and_wins_over_them() -> None:
    body = body_of(
        max_tokens=7,
        temperature=0,
        extra={"options": {"num_ctx": 8192, "temperature": 1}, "keep_alive": "10m", "think": True},
    )
    assert body["options"] == {"num_predict": 7, "temperature": 1, "num_ctx": 8192}
    assert body["keep_alive"] == "10m"
    assert body["think"] is True


def test_extra_may_let_the_server_cut_a_long_prompt() -> None:
    assert body_of(extra={"truncate": True})["truncate"] is True


def test_the_provider_s_options_hold_for_every_request_until_extra_says_otherwise() -> None:
    provider = ollama(num_ctx=8192, keep_alive=-1)
    body = dict(provider.request(build_request("qwen3", "Hello")).json or {})
    assert (body["options"], body["keep_alive"]) == ({"num_ctx": 8192}, -1)
    extra = {"options": {"num_ctx": 4096}, "keep_alive": 0}
    body = dict(provider.request(build_request("qwen3", "Hello", extra=extra)).json or {})
    assert (body["options"], body["keep_alive"]) == ({"num_ctx": 4096}, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"num_ctx": 0},
        {"num_ctx": "8192"},
        {"num_ctx": True},
        {"keep_alive": [1]},
        {"keep_alive": math.nan},
        {"keep_alive": math.inf},
        {"keep_alive": ""},
        {"keep_alive": "long"},
    ],
)
def test_an_option_that_is_none_is_refused_when_the_provider_is_made(
    options: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        ollama(**options)


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"top_k": 5}, "top_k"),
        ({"num_ctx": 8192}, "num_ctx"),
        ({"stream": False}, "stream"),
        ({"model": "other"}, "model"),
        ({"messages": []}, "messages"),
        ({"n": 2}, "n"),
        ({"options": [1]}, "options"),
    ],
)
def test_what_extra_may_not_set_is_named(extra: dict[str, Any], named: str) -> None:
    error = refusal(extra=extra)
    assert error.kind == "configuration"
    assert f"`{named}`" in error.message


@pytest.mark.parametrize(
    ("effort", "think"),
    [("none", False), ("low", "low"), ("medium", "medium"), ("high", "high"), ("max", "max")],
)
def test_the_reasoning_effort_says_how_to_think(effort: str, think: object) -> None:
    assert body_of(reasoning_effort=effort)["think"] == think


def test_an_unknown_reasoning_effort_is_refused() -> None:
    error = refusal(reasoning_effort="minimal")
    assert error.kind == "unsupported"
    assert "low, medium, high" in error.message


def test_a_schema_is_sent_as_it_is_without_a_wrapper() -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    assert body_of(output_schema=schema)["format"] == schema


@pytest.mark.parametrize(
    ("logprobs", "sent"),
    [(0, {"logprobs": True}), (3, {"logprobs": True, "top_logprobs": 3})],
)
def test_logprobs_are_asked_for(logprobs: int, sent: dict[str, Any]) -> None:
    body = body_of(logprobs=logprobs)
    assert {name: body[name] for name in body if "logprobs" in name} == sent


def test_tools_are_sent_in_the_usual_form() -> None:
    body = body_of(tools=[WEATHER], tool_choice="auto", parallel_tool_calls=True)
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": WEATHER.parameters,
            },
        }
    ]
    assert not {"tool_choice", "parallel_tool_calls"} & set(body)


def test_a_model_that_may_call_no_tool_is_shown_none() -> None:
    assert "tools" not in body_of(tools=[WEATHER], tool_choice="none")


@pytest.mark.parametrize("choice", ["required", "weather"])
def test_a_demanded_tool_call_is_refused(choice: str) -> None:
    error = refusal(tools=[WEATHER], tool_choice=choice)
    assert error.kind == "unsupported"
    assert "tool_choice" in error.message


def test_wishes_that_the_server_has_no_word_for_are_left_out_with_a_notice() -> None:
    picture = ImagePart(data=b"png", detail="low")
    sent = call(
        Message.user("Look", picture),
        tools=[Tool(name="weather", strict=True)],
        parallel_tool_calls=False,
    )
    assert [notice.code for notice in sent.notices] == ["setting_ignored"] * 3
    said = " ".join(notice.message for notice in sent.notices)
    assert all(name in said for name in ("`parallel_tool_calls`", "`strict`", "`detail`"))
    assert "strict" not in str(sent.json)


def test_nothing_is_said_of_tools_that_are_not_sent() -> None:
    strict = Tool(name="weather", strict=True)
    assert call("Hi", tools=[strict], tool_choice="none").notices == ()


def test_an_image_goes_out_as_bare_base64() -> None:
    coded = base64.b64encode(b"\x89PNG").decode()
    assert image_body(ImagePart(data=b"\x89PNG"))["images"] == [coded]
    assert image_body(ImagePart(url=f"data:image/png;base64,{coded}"))["images"] == [coded]
    assert image_body(ImagePart(url="data:image/png,%89PNG"))["images"] == [coded]
    for head in ("data:image/png;BASE64,", "data:image/png;charset=x;base64 ,"):
        assert image_body(ImagePart(url=f"{head}{coded[:3]}\n {coded[3:]}"))["images"] == [coded]
    quoted = coded.replace("=", "%3D")
    assert image_body(ImagePart(url=f"data:image/png;base64,{quoted}"))["images"] == [coded]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://example.com/cat.png", "unsupported"),
        ("http://example.com/cat.png", "unsupported"),
        ("data:image/png;base64,???", "configuration"),
        ("data:image/png;base64,", "configuration"),
        ("data:nothing", "configuration"),
    ],
)
def test_an_image_that_cannot_be_sent_is_refused_with_a_sentence(url: str, kind: str) -> None:
    error = refusal(messages=Message.user(ImagePart(url=url)))
    assert error.kind == kind
    assert error.message.endswith(".")


def test_a_history_with_ids_of_the_server_goes_back_as_it_came() -> None:
    own = {"ollama": {"id": "call_own"}}
    history = [
        Message.system("Be brief."),
        Message.user("Weather?"),
        Message.assistant(
            ReasoningPart(text="Hm, "),
            ReasoningPart(text="ask."),
            "One moment.",
            ToolCall(call_id="call_1", name="weather", arguments={"city": "Oslo"}, metadata=own),
        ),
        Message.tool(ToolResult(call_id="call_1", name="weather", output={"degrees": 3})),
    ]
    assert body_of(history)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "One moment.",
            "thinking": "Hm, ask.",
            "tool_calls": [
                {
                    "id": "call_own",
                    "function": {"name": "weather", "arguments": {"city": "Oslo"}},
                }
            ],
        },
        {
            "role": "tool",
            "content": '{"degrees":3}',
            "tool_name": "weather",
            "tool_call_id": "call_own",
        },
    ]


def test_an_id_that_the_server_never_gave_is_not_sent() -> None:
    foreign = {"openai": {"id": "call_foreign"}}
    history = [
        Message.user("Weather?"),
        Message.assistant(ToolCall(call_id="call_made_up", name="weather", metadata=foreign)),
        Message.tool(ToolResult(call_id="call_made_up", name="weather", output="Rain")),
    ]
    assert body_of(history)["messages"][1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "weather", "arguments": {}}}],
        },
        {"role": "tool", "content": "Rain", "tool_name": "weather"},
    ]


def test_arguments_that_are_no_object_still_show_what_was_written() -> None:
    broken = ToolCall(call_id="1", name="weather", arguments_text="{city", invalid="not JSON")
    free = ToolCall(call_id="2", name="shell", input="ls")
    sent = body_of([Message.user("Go"), Message.assistant(broken, free)])["messages"][1]
    assert [each["function"]["arguments"] for each in sent["tool_calls"]] == [
        {"input": "{city"},
        {"input": "ls"},
    ]


def test_what_the_provider_of_another_model_ran_itself_is_not_sent() -> None:
    searched = ToolCall(call_id="1", name="search", arguments={}, executed_by="provider")
    found = ToolResult(call_id="1", name="search", output="x", executed_by="provider")
    history = [Message.user("Go"), Message.assistant(searched, found, TextPart(text="Found."))]
    assert body_of(history)["messages"][1:] == [{"role": "assistant", "content": "Found."}]


def test_a_result_that_is_no_json_is_refused() -> None:
    result = ToolResult(call_id="1", name="weather", output=object())
    assert refusal(messages=[Message.tool(result)]).kind == "configuration"


def test_a_last_assistant_message_is_sent_for_the_model_to_continue() -> None:
    history = [Message.user("Count"), Message.assistant("One, two,")]
    assert body_of(history)["messages"][-1] == {"role": "assistant", "content": "One, two,"}


def test_an_answer_with_reasoning_and_tool_calls_goes_back_as_the_server_wrote_it() -> None:
    line = (
        b'{"model":"qwen3","message":{"role":"assistant","content":"So.","thinking":"Hm.",'
        b'"tool_calls":[{"id":"call_a1","function":{"name":"weather","arguments":{"city":"Oslo"}}},'
        b'{"function":{"name":"weather","arguments":{}}}]},"done":true,"done_reason":"stop"}\n'
    )
    model = Model(ollama(), "qwen3", transport=MemoryTransport([line]))
    builder = ResponseBuilder()
    builder.extend(list(model.stream("Weather?", tools=[WEATHER])))
    answer = builder.response().message()
    assert body_of([Message.user("Weather?"), answer])["messages"][1] == {
        "role": "assistant",
        "content": "So.",
        "thinking": "Hm.",
        "tool_calls": [
            {"id": "call_a1", "function": {"name": "weather", "arguments": {"city": "Oslo"}}},
            {"function": {"name": "weather", "arguments": {}}},
        ],
    }


def recorded_requests() -> list[tuple[str, dict[str, Any]]]:
    entries = manifest(recordings_folder() / "recordings")["entries"]
    return [
        (entry["name"], entry["request"]["body"])
        for entry in entries
        if entry["dialect"] == "ollama-chat" and (entry["request"]["body"] or {}).get("messages")
    ]


def request_like(recorded: dict[str, Any]) -> Any:
    """The request that a caller of streamkit would make for the recorded one."""
    messages = []
    for entry in recorded["messages"]:
        calls = [each["function"] for each in entry.get("tool_calls", ())]
        if entry["role"] == "tool":
            result = ToolResult(call_id="made_up", name="recorded", output=entry["content"])
            messages.append(Message.tool(result))
        elif calls:
            parts = [ToolCall(call_id="made_up", **function) for function in calls]
            messages.append(Message.assistant(*parts))
        else:
            messages.append(Message(role=entry["role"], parts=entry["content"]))
    settings: dict[str, Any] = {"stream": recorded.get("stream", True)}
    if "think" in recorded:
        settings["extra"] = {"think": recorded["think"]}
    return build_request(recorded["model"], messages, **settings)


def test_recorded_requests_are_written_the_same() -> None:
    seen = 0
    for name, recorded in recorded_requests():
        # What the recorded client sent empty is not sent here, and one of them is cut short.
        wanted = {key: value for key, value in recorded.items() if value not in ("", {}, [], None)}
        wanted.pop("tools", None)
        sent = dict(ollama().request(request_like(recorded)).json or {})
        # What is new since they were recorded, or left to a default there.
        assert sent.pop("truncate") is False
        for entry in sent["messages"]:
            entry.pop("tool_name", None)
        assert sent == {"stream": True, **wanted}, name
        seen += 1
    assert seen >= 5
