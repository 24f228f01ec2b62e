"""What a `ChatRequest` becomes on the wire, in the dialect of OpenAI's chat completions."""

from typing import Any

import pytest

from streamkit.errors import ProviderError
from streamkit.messages import (
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCall,
    ToolResult,
)
from streamkit.plugin import Quirks
from streamkit.provider import Frame
from streamkit.request import OutputSchema, build_request
from tests.compatible_servers import CANARY, compatible

WEATHER = Tool(name="weather", description="Tells it.", parameters={"type": "object"})


def sent(messages: Any = "Hello", *, quirks: Any = None, **settings: Any) -> dict[str, Any]:
    request = build_request("m-1", messages, **settings)
    return dict(compatible(**(quirks or {})).request(request).json or {})


def sent_message(message: Message, **quirks: Any) -> dict[str, Any]:
    provider = compatible(**quirks)
    (entry,) = provider.encode_message(message, provider.quirks)
    return entry


def test_a_stream_is_asked_for_with_its_usage() -> None:
    assert sent() == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_whole_answer_is_asked_for_without_stream_options() -> None:
    assert sent(stream=False) == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": False,
    }


def test_the_framing_follows_what_is_asked_for() -> None:
    request = build_request("m-1", "Hello")
    streamed = compatible().request(request)
    whole = compatible().request(request.model_copy(update={"stream": False}))
    assert (streamed.path, streamed.method, streamed.framing) == (
        "/chat/completions",
        "POST",
        "sse",
    )
    assert whole.framing == "json"


def test_a_server_may_refuse_stream_options() -> None:
    assert "stream_options" not in sent(quirks={"include_usage": False})


def test_settings_go_out_under_the_wire_s_names() -> None:
    body = sent(
        temperature=0.5,
        top_p=0.9,
        max_tokens=7,
        stop=["a", "b"],
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        reasoning_effort="low",
        logprobs=2,
        tools=[WEATHER],
        parallel_tool_calls=False,
    )
    del body["model"], body["messages"], body["stream"], body["stream_options"], body["tools"]
    assert body == {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "stop": ["a", "b"],
        "seed": 3,
        "presence_penalty": 0.1,
        "frequency_penalty": -0.1,
        "reasoning_effort": "low",
        "logprobs": True,
        "top_logprobs": 2,
        "parallel_tool_calls": False,
    }


def test_zero_is_a_value_and_is_sent() -> None:
    body = sent(temperature=0, seed=0)
    assert (body["temperature"], body["seed"]) == (0, 0)


def test_logprobs_without_alternatives_ask_for_none() -> None:
    body = sent(logprobs=0)
    assert body["logprobs"] is True
    assert "top_logprobs" not in body


def test_the_token_limit_has_the_server_s_name() -> None:
    body = sent(quirks={"max_tokens_field": "max_completion_tokens"}, max_tokens=7)
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body


def test_tools_are_functions() -> None:
    bare = Tool(name="now", strict=True)
    assert sent(tools=[WEATHER, bare])["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "parameters": {"type": "object"},
                "description": "Tells it.",
            },
        },
        {
            "type": "function",
            "function": {
                "name": "now",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
        },
    ]


@pytest.mark.parametrize("word", ["auto", "none", "required"])
def test_a_tool_choice_in_a_word_is_sent_as_it_is(word: str) -> None:
    assert sent(tools=[WEATHER], tool_choice=word)["tool_choice"] == word


def test_a_tool_choice_by_name_names_the_function() -> None:
    assert sent(tools=[WEATHER], tool_choice="weather")["tool_choice"] == {
        "type": "function",
        "function": {"name": "weather"},
    }


def test_an_output_schema_is_a_response_format() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert sent(output_schema=schema)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema},
    }
    strict = OutputSchema(name="cat", definition=schema, strict=True)
    assert sent(output_schema=strict)["response_format"]["json_schema"]["strict"] is True


def test_extra_settings_have_the_last_word() -> None:
    body = sent(temperature=0.5, extra={"temperature": 1, "prompt_cache_key": "k", "n": 1})
    assert (body["temperature"], body["prompt_cache_key"], body["n"]) == (1, "k", 1)


@pytest.mark.parametrize(
    "extra",
    [
        {"n": 2},
        {"n": 0},
        {"stream": True},
        {"model": "m-2"},
        {"messages": []},
        {"modalities": ["text", "audio"]},
    ],
)
def test_extra_settings_that_would_change_the_call_are_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match=next(iter(extra))) as caught:
        sent(extra=extra)
    assert caught.value.kind == "configuration"


def test_tools_of_the_service_s_own_stand_beside_the_caller_s() -> None:
    search = {"type": "web_search"}
    assert sent(extra={"tools": [search]})["tools"] == [search]
    both = sent(tools=[WEATHER], extra={"tools": [search]})["tools"]
    assert both == [*sent(tools=[WEATHER])["tools"], search]


def test_a_setting_that_the_server_refuses_is_named() -> None:
    quirks = {"unsupported": frozenset({"logprobs", "stop", "tools"})}
    assert sent(quirks=quirks)["model"] == "m-1"
    for settings in ({"logprobs": 0}, {"stop": ["a"]}, {"tools": [WEATHER]}):
        with pytest.raises(ProviderError, match=next(iter(settings))) as caught:
            sent(quirks=quirks, **settings)
        assert caught.value.kind == "unsupported"


def test_system_messages_have_the_server_s_role() -> None:
    message = Message.system("Be brief.")
    assert sent_message(message) == {"role": "system", "content": "Be brief."}
    assert sent_message(message, system_role="developer")["role"] == "developer"


def test_text_and_images_become_a_list_of_parts() -> None:
    message = Message.user(
        "What is this?",
        ImagePart(url="https://example.com/a.png", detail="low"),
        ImagePart(data=b"\x89PNG", media_type="image/png"),
    )
    assert sent_message(message)["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]


def test_several_texts_stay_apart() -> None:
    assert sent_message(Message.user("a", "b"))["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]


def test_arguments_go_back_as_they_came() -> None:
    call = ToolCall(
        call_id="functions.add:0", name="add", arguments={"a": 1}, arguments_text='{ "a":1 }'
    )
    assert sent_message(Message.assistant(call)) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "functions.add:0",
                "type": "function",
                "function": {"name": "add", "arguments": '{ "a":1 }'},
            }
        ],
    }


@pytest.mark.parametrize(("arguments", "text"), [({"a": 1}, '{"a":1}'), (None, "{}")])
def test_arguments_without_a_text_are_written(arguments: Any, text: str) -> None:
    entry = sent_message(Message.assistant(ToolCall(call_id="c", name="f", arguments=arguments)))
    assert entry["tool_calls"][0]["function"]["arguments"] == text


def test_a_free_text_call_goes_back_as_a_custom_one() -> None:
    entry = sent_message(Message.assistant(ToolCall(call_id="c", name="shell", input="ls")))
    assert entry["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    ]


def test_calls_that_the_provider_ran_itself_are_not_sent_back() -> None:
    call = ToolCall(call_id="c", name="search", arguments={}, executed_by="provider")
    result = ToolResult(call_id="c", name="search", output="x", executed_by="provider")
    message = Message.assistant(call, result, "Found.")
    assert sent_message(message) == {"role": "assistant", "content": "Found."}


def test_results_inside_an_assistant_s_message_follow_it() -> None:
    call = ToolCall(call_id="c", name="add", arguments_text="{}")
    result = ToolResult(call_id="c", name="add", output="3")
    entries = compatible().encode_message(Message.assistant(call, result), Quirks())
    assert [entry["role"] for entry in entries] == ["assistant", "tool"]


def test_a_refusal_stands_in_its_own_field() -> None:
    message = Message.assistant(TextPart(text="I can't.", refusal=True))
    assert sent_message(message) == {
        "role": "assistant",
        "content": None,
        "refusal": "I can't.",
    }


def test_each_result_is_a_message_of_its_own() -> None:
    message = Message.tool(
        ToolResult(call_id="a", name="f", output="12 °C"),
        ToolResult(call_id="b", name="f", output={"temp": 12}),
        ToolResult(call_id="c", name="f", output=None, is_error=True),
    )
    assert compatible().encode_message(message, Quirks()) == [
        {"role": "tool", "tool_call_id": "a", "content": "12 °C"},
        {"role": "tool", "tool_call_id": "b", "content": '{"temp":12}'},
        {"role": "tool", "tool_call_id": "c", "content": "null"},
    ]


def test_a_result_that_is_no_json_is_refused_by_name() -> None:
    message = Message.tool(ToolResult(call_id="a", name="camera", output=object()))
    with pytest.raises(ProviderError, match="camera") as caught:
        compatible().encode_message(message, Quirks())
    assert caught.value.kind == "configuration"


THINKING = ReasoningPart(text="Hm. ")


@pytest.mark.parametrize(
    ("message", "quirks", "fields"),
    [
        (Message.assistant(THINKING, "Yes."), {}, {"reasoning_content": "Hm. "}),
        (Message.assistant(ReasoningPart(text=""), "Yes."), {}, {"reasoning_content": ""}),
        (Message.assistant("Yes."), {}, {}),
        (Message.assistant(THINKING, "Yes."), {"reasoning_replay": None}, {}),
        (
            Message.assistant(THINKING, "Yes."),
            {"reasoning_replay": "reasoning"},
            {"reasoning": "Hm. "},
        ),
    ],
)
def test_reasoning_goes_back_where_the_server_wants_it(
    message: Message, quirks: dict[str, Any], fields: dict[str, str]
) -> None:
    assert sent_message(message, **quirks) == {"role": "assistant", "content": "Yes.", **fields}


def test_reasoning_details_go_back_joined() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm", "index": 0, "signature": None},
        {"type": "reasoning.text", "text": ".", "index": 0, "signature": "s", "format": None},
        {"type": "reasoning.encrypted", "data": "x", "index": 1},
        {"type": "reasoning.encrypted", "data": "y", "index": 1},
        {"type": "reasoning.text", "text": "!", "index": 2},
        "odd",
    ]
    part = ReasoningPart(text="Hm.!", metadata={"acme": {"reasoning_details": details}})
    entry = sent_message(Message.assistant(part, "Yes."), reasoning_replay=None)
    assert entry["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Hm.", "index": 0, "signature": "s"},
        {"type": "reasoning.encrypted", "data": "x", "index": 1},
        {"type": "reasoning.encrypted", "data": "y", "index": 1},
        {"type": "reasoning.text", "text": "!", "index": 2},
        "odd",
    ]


def test_a_call_s_own_extras_go_back_and_another_provider_s_do_not() -> None:
    ours = {"acme": {"extra_content": {"google": {"thought_signature": "s"}}}}
    call = ToolCall(call_id="c", name="f", arguments_text="{}", metadata=ours)
    foreign = ToolCall(call_id="d", name="f", arguments_text="{}", metadata={"other": ours["acme"]})
    first, second = sent_message(Message.assistant(call, foreign))["tool_calls"]
    assert first["extra_content"] == {"google": {"thought_signature": "s"}}
    assert "extra_content" not in second


def test_the_key_is_a_bearer_token() -> None:
    call = compatible(key=CANARY).request(build_request("m-1", "Hello"))
    assert call.headers == {"Authorization": f"Bearer {CANARY}"}
    assert CANARY not in str(call.json)


def test_the_key_may_have_a_header_of_its_own() -> None:
    call = compatible(key=CANARY, key_header="api-key").request(build_request("m-1", "Hello"))
    assert call.headers == {"api-key": CANARY}


def test_without_a_key_no_header_stands_for_it() -> None:
    assert compatible().request(build_request("m-1", "Hello")).headers == {}


def test_headers_of_the_server_s_own_are_sent() -> None:
    provider = compatible(close_connection=True, headers={"X-Title": "streamkit"})
    assert provider.request(build_request("m-1", "Hello")).headers == {
        "X-Title": "streamkit",
        "Connection": "close",
    }


def test_models_are_listed_with_the_key() -> None:
    call = compatible(key=CANARY).list_models()
    assert call is not None
    assert (call.method, call.path, call.json, call.framing) == ("GET", "/models", None, "json")
    assert call.headers == {"Authorization": f"Bearer {CANARY}"}


def test_a_list_of_models_is_read() -> None:
    frame = Frame(
        b'{"object":"list","data":[{"id":"a","object":"model","owned_by":"acme"},'
        b'{"id":"b","name":"Bee","context_length":4096},{"id":""},null]}'
    )
    first, second = compatible().decode_models(frame)
    assert (first.id, first.title, first.context_window) == ("a", None, None)
    assert first.metadata == {"owned_by": "acme"}
    assert (second.id, second.title, second.context_window) == ("b", "Bee", 4096)


def test_a_bare_list_of_models_is_read() -> None:
    assert [model.id for model in compatible().decode_models(Frame(b'[{"id":"a"}]'))] == ["a"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(b'{"error":{"code":401,"message":"no"}}', "authentication"), (b"{}", "protocol")],
)
def test_an_answer_that_is_no_list_of_models_is_an_error(answer: bytes, kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        compatible().decode_models(Frame(answer))
    assert caught.value.kind == kind
