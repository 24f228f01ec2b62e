"""What Moonshot is sent, and what is refused before anything is sent."""

from typing import Any

import pytest

import streamkit_moonshot
from streamkit.errors import ProviderError
from streamkit.messages import ImagePart, Message, ReasoningPart, Tool, ToolCall, ToolResult
from streamkit.provider import HTTPCall
from streamkit.request import build_request
from streamkit.settings import resolve_settings
from streamkit_moonshot.provider import MoonshotProvider

(SPEC,) = streamkit_moonshot.streamkit_providers()
SEARCH = Tool(name="search")
THINKING_OFF = {"thinking": {"type": "disabled"}}
THINKING_ON = {"thinking": {"type": "enabled"}}


def call(model: str, messages: Any = "Hello", **settings: Any) -> HTTPCall:
    known = {"MOONSHOT_API_KEY": "sk-canary-0123456789"}
    provider = MoonshotProvider(SPEC, resolve_settings(SPEC, environment=known))
    return provider.request(build_request(model, messages, **settings))


def body(model: str, messages: Any = "Hello", **settings: Any) -> dict[str, Any]:
    return dict(call(model, messages, **settings).json or {})


def refusal(model: str, messages: Any = "Hello", **settings: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call(model, messages, **settings)
    return caught.value


def asked(*messages: Message) -> list[Message]:
    return [Message.user("Search."), *messages]


# Sampling.


@pytest.mark.parametrize("model", ["kimi-k3", "kimi-k3.1-pro", "kimi-k2.7-code", "kimi-k2.6"])
@pytest.mark.parametrize(
    ("name", "value", "fixed"),
    [
        ("temperature", 0.3, "1"),
        ("top_p", 0.5, "0.95"),
        ("presence_penalty", 1.0, "0"),
        ("frequency_penalty", -1.0, "0"),
    ],
)
def test_sampling_that_a_model_fixes_is_left_out_with_a_notice(
    model: str, name: str, value: float, fixed: str
) -> None:
    sent = call(model, **{name: value})
    assert name not in (sent.json or {})
    assert [notice.code for notice in sent.notices] == ["setting_ignored"]
    assert f"`{name}` is fixed at {fixed} for `moonshot/{model}`" in sent.notices[0].message


def test_the_fixed_values_themselves_are_left_out_without_a_word() -> None:
    sent = call("kimi-k3", temperature=1, top_p=0.95, presence_penalty=0.0, frequency_penalty=0.0)
    assert sent.notices == ()
    assert not {"temperature", "top_p", "presence_penalty", "frequency_penalty"} & set(
        sent.json or {}
    )


def test_without_thinking_the_fixed_temperature_is_another() -> None:
    assert call("kimi-k2.5", temperature=0.6, extra=THINKING_OFF).notices == ()
    (notice,) = call("kimi-k2.5", temperature=1, extra=THINKING_OFF).notices
    assert "fixed at 0.6" in notice.message


def test_of_other_models_the_fixed_temperature_is_always_1() -> None:
    assert call("kimi-k2.6", temperature=1, extra=THINKING_OFF).notices == ()
    (notice,) = call("kimi-k2.6", temperature=0.6, extra=THINKING_OFF).notices
    assert "fixed at 1" in notice.message


def test_moonshot_v1_takes_the_sampling_that_is_asked_for() -> None:
    sent = body("moonshot-v1-8k", temperature=0.3, top_p=0.5, presence_penalty=1.0)
    assert (sent["temperature"], sent["top_p"], sent["presence_penalty"]) == (0.3, 0.5, 1.0)


def test_moonshot_v1_takes_a_temperature_of_1_and_no_more() -> None:
    assert body("moonshot-v1-32k", temperature=1)["temperature"] == 1
    error = refusal("moonshot-v1-32k", temperature=1.5)
    assert error.kind == "unsupported"
    assert "from 0 to 1, not 1.5" in error.message


def test_sampling_of_an_unknown_model_is_sent() -> None:
    assert body("kimi-for-coding", temperature=1.5)["temperature"] == 1.5


def test_several_answers_are_refused() -> None:
    error = refusal("moonshot-v1-8k", extra={"n": 2})
    assert (error.kind, "`n` can only be 1" in error.message) == ("configuration", True)


# Thinking.


def test_thinking_goes_out_as_it_is() -> None:
    wish = {"thinking": {"type": "enabled", "keep": "all"}}
    assert body("kimi-k2.6", extra=wish)["thinking"] == wish["thinking"]


def test_the_effort_goes_to_the_model_that_knows_it() -> None:
    sent = call("kimi-k3", reasoning_effort="low")
    assert (sent.json or {})["reasoning_effort"] == "low"
    assert sent.notices == ()


@pytest.mark.parametrize("model", ["kimi-k3.1-pro", "kimi-k2.7-code"])
def test_the_effort_goes_to_a_model_of_which_nothing_is_said(model: str) -> None:
    assert body(model, reasoning_effort="low")["reasoning_effort"] == "low"


@pytest.mark.parametrize("model", ["kimi-k2.6", "kimi-k2.5", "moonshot-v1-8k"])
def test_the_effort_is_left_out_where_it_means_nothing(model: str) -> None:
    sent = call(model, reasoning_effort="low")
    assert "reasoning_effort" not in (sent.json or {})
    assert [notice.code for notice in sent.notices] == ["setting_ignored"]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("kimi-k3", {"reasoning_effort": "low", "extra": THINKING_ON}),
        ("kimi-k3", {"extra": {"reasoning_effort": "low", **THINKING_ON}}),
        ("kimi-for-coding", {"reasoning_effort": "low", "extra": THINKING_OFF}),
        ("kimi-k2.6", {"extra": {"reasoning_effort": "low", **THINKING_OFF}}),
    ],
)
def test_thinking_and_effort_never_go_out_together(model: str, settings: dict[str, Any]) -> None:
    error = refusal(model, **settings)
    assert (error.kind, "not both" in error.message) == ("configuration", True)


def test_an_effort_that_is_left_out_does_not_contradict_thinking() -> None:
    sent = body("kimi-k2.6", reasoning_effort="low", extra=THINKING_OFF)
    assert sent["thinking"] == {"type": "disabled"}
    assert "reasoning_effort" not in sent


# Tools.


@pytest.mark.parametrize(
    ("model", "choice", "extra"),
    [
        ("kimi-k3", "search", {}),
        ("kimi-k2.7-code", "search", {}),
        ("kimi-k2.7-code", "required", THINKING_OFF),
        ("kimi-k2.6", "search", {}),
        ("kimi-k2.6", "required", THINKING_ON),
        ("kimi-k2.5", "required", {}),
        ("kimi-for-coding", "search", THINKING_ON),
    ],
)
def test_a_forced_tool_is_refused_while_the_model_is_sure_to_think(
    model: str, choice: str, extra: dict[str, Any]
) -> None:
    error = refusal(model, tools=[SEARCH], tool_choice=choice, extra=extra)
    assert error.kind == "unsupported"
    assert f"takes no tool choice '{choice}' while it thinks" in error.message


def test_the_refusal_says_how_to_turn_thinking_off_where_that_can_be_done() -> None:
    error = refusal("kimi-k2.6", tools=[SEARCH], tool_choice="required")
    assert "extra={'thinking': {'type': 'disabled'}}" in error.message
    error = refusal("kimi-k2.7-code", tools=[SEARCH], tool_choice="required")
    assert "disabled" not in error.message


@pytest.mark.parametrize(
    ("model", "choice", "extra"),
    [
        ("kimi-k3", "required", {}),
        ("kimi-k2.6", "required", THINKING_OFF),
        ("kimi-k2.5", "search", THINKING_OFF),
        ("moonshot-v1-8k", "search", {}),
        ("kimi-for-coding", "required", {}),
        ("kimi-k2.6", "required", {"thinking": {"type": "some day"}}),
        ("kimi-k2.7-code", "auto", {}),
        ("kimi-k2.7-code", "none", {}),
    ],
)
def test_a_tool_choice_that_may_be_accepted_is_sent(
    model: str, choice: str, extra: dict[str, Any]
) -> None:
    sent = body(model, tools=[SEARCH], tool_choice=choice, extra=extra)
    named = {"type": "function", "function": {"name": "search"}}
    assert sent["tool_choice"] == (named if choice == "search" else choice)


@pytest.mark.parametrize("name", ["files.search", "2nd_search", "-search"])
def test_a_tool_name_that_the_service_refuses_is_refused_before_it_is_sent(name: str) -> None:
    error = refusal("kimi-k3", tools=[Tool(name=name)])
    assert (error.kind, f"`{name}`" in error.message) == ("unsupported", True)


@pytest.mark.parametrize("name", ["search", "_search-2", "S" * 256])
def test_a_tool_name_that_the_service_takes_is_sent(name: str) -> None:
    assert body("kimi-k3", tools=[Tool(name=name)])["tools"][0]["function"]["name"] == name


def test_a_tool_goes_out_with_its_type() -> None:
    assert [tool["type"] for tool in body("kimi-k3", tools=[SEARCH])["tools"]] == ["function"]


def test_a_builtin_tool_gets_its_arguments_back_unchanged_and_by_name() -> None:
    builtin = {"type": "builtin_function", "function": {"name": "$web_search"}}
    arguments = '{"search_result":{"search_id":"x"}, "usage":{"total_tokens":7}}'
    asks = ToolCall(call_id="call_1", name="$web_search", arguments_text=arguments)
    result = ToolResult(call_id="call_1", name="$web_search", output=asks.arguments_text)
    sent = body(
        "moonshot-v1-8k",
        asked(Message.assistant(asks), Message.tool(result)),
        extra={"tools": [builtin]},
    )
    assert sent["tools"] == [builtin]
    assert sent["messages"][2] == {
        "role": "tool",
        "tool_call_id": "call_1",
        "name": "$web_search",
        "content": arguments,
    }


WEB_SEARCH = {"type": "builtin_function", "function": {"name": "$web_search"}}


def test_a_builtin_tool_stands_beside_the_caller_s_own() -> None:
    sent = body("kimi-k3", tools=[SEARCH], extra={"tools": [WEB_SEARCH], "prompt_cache_key": "x"})
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["search", "$web_search"]
    assert sent["tools"][1] == WEB_SEARCH
    assert sent["prompt_cache_key"] == "x"


@pytest.mark.parametrize("output", [{"search_result": {}}, "", "found it"])
def test_the_result_of_a_builtin_tool_is_its_call_s_arguments_as_they_came(output: Any) -> None:
    arguments = ['{"search_id": "x" , "n":1}', '{"search_id":"y"}']
    history: list[Message] = []
    for turn, text in enumerate(arguments):
        # The service's ids repeat in every turn; the tool of the caller keeps its own result.
        own = {"moonshot": {"id": "search:0"}}
        builtin = {"moonshot": {"id": "$web_search:1"}}
        history += [
            Message.assistant(
                ToolCall(call_id=f"a{turn}", name="search", arguments_text="{}", metadata=own),
                ToolCall(
                    call_id=f"b{turn}", name="$web_search", arguments_text=text, metadata=builtin
                ),
            ),
            Message.tool(
                ToolResult(call_id=f"b{turn}", name="$web_search", output=output),
                ToolResult(call_id=f"a{turn}", name="search", output="mine"),
            ),
        ]
    sent = body("kimi-k3", asked(*history), tools=[SEARCH], extra={"tools": [WEB_SEARCH]})
    results = [entry for entry in sent["messages"] if entry["role"] == "tool"]
    assert [entry["content"] for entry in results] == [arguments[0], "mine", arguments[1], "mine"]


def test_a_result_of_a_builtin_tool_whose_call_is_gone_stays_as_it_is() -> None:
    result = ToolResult(call_id="call_1", name="$web_search", output="kept")
    sent = body("kimi-k3", asked(Message.tool(result)))
    assert sent["messages"][1]["content"] == "kept"


# Stops, images and limits.


def test_as_many_and_as_long_stops_as_the_service_takes_are_sent() -> None:
    stops = ["é" * 16, "b", "c", "d", "e"]
    assert body("kimi-k3", stop=stops)["stop"] == stops


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (list("abcdef"), "at most 5 texts in `stop`, not 6"),
        (["é" * 16 + "x"], "at most 32 bytes in `stop`; one has 33"),
    ],
)
def test_more_or_longer_stops_are_refused(stop: list[str], words: str) -> None:
    error = refusal("kimi-k3", stop=stop)
    assert (error.kind, words in error.message) == ("unsupported", True)


def test_an_image_goes_out_by_its_bytes() -> None:
    image = ImagePart(data=b"GIF89a", media_type="image/gif")
    content = body("kimi-k2.6", [Message.user("What is it?", image)])["messages"][0]["content"]
    assert content[1] == {
        "type": "image_url",
        "image_url": {"url": "data:image/gif;base64,R0lGODlh"},
    }


@pytest.mark.parametrize("url", ["ms://file-1", "data:image/gif;base64,R0lGODlh"])
def test_an_image_goes_out_by_what_the_service_reads(url: str) -> None:
    content = body("kimi-k2.6", [Message.user("What is it?", ImagePart(url=url))])["messages"]
    assert content[0]["content"][1]["image_url"] == {"url": url}


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "http://example.com/a.png", "gs://example.com/a.png"]
)
def test_an_image_in_the_web_is_refused(url: str) -> None:
    error = refusal("kimi-k2.6", [Message.user("What is it?", ImagePart(url=url))])
    assert error.kind == "unsupported"
    assert "give the image's bytes" in error.message
    assert "example.com" not in error.message


def test_the_token_limit_has_its_documented_name() -> None:
    sent = body("kimi-k3", max_tokens=7)
    assert sent["max_completion_tokens"] == 7
    assert "max_tokens" not in sent


# A given beginning.


def test_a_last_message_of_the_assistant_is_to_be_continued() -> None:
    sent = body("moonshot-v1-8k", asked(Message.assistant("The sky is")))
    assert sent["messages"][-1] == {
        "role": "assistant",
        "content": "The sky is",
        "partial": True,
    }


@pytest.mark.parametrize("model", ["kimi-k3", "kimi-k2.6"])
def test_a_thinking_model_gets_reasoning_with_the_beginning(model: str) -> None:
    last = body(model, asked(Message.assistant("The sky is")))["messages"][-1]
    assert (last["partial"], last["reasoning_content"]) == (True, "")
    thought = Message.assistant(ReasoningPart(text="Blue."), "The sky is")
    last = body(model, asked(thought))["messages"][-1]
    assert (last["partial"], last["reasoning_content"]) == (True, "Blue.")


def test_only_the_last_message_is_to_be_continued() -> None:
    sent = body("kimi-k3", asked(Message.assistant("Blue."), Message.user("Why?")))
    assert [message for message in sent["messages"] if "partial" in message] == []


def test_a_beginning_and_json_object_do_not_go_together() -> None:
    form = {"response_format": {"type": "json_object"}}
    error = refusal("kimi-k2.6", asked(Message.assistant("{")), extra=form)
    assert (error.kind, "json_object" in error.message) == ("unsupported", True)
    assert body("kimi-k2.6", extra=form)["response_format"] == {"type": "json_object"}


# Reasoning of the history.


CALL = ToolCall(call_id="call_1", name="search", arguments={}, arguments_text="{}")
RESULT = Message.tool(ToolResult(call_id="call_1", name="search", output="nothing"))


def with_reasoning(*reasoning: ReasoningPart) -> list[Message]:
    return asked(Message.assistant(*reasoning, CALL), RESULT)


def test_reasoning_goes_back_with_its_tool_call() -> None:
    sent = body("kimi-k3", with_reasoning(ReasoningPart(text="I must search.")))
    assert sent["messages"][1]["reasoning_content"] == "I must search."


def test_empty_reasoning_goes_back_as_an_empty_text_and_none_as_nothing() -> None:
    empty = body("moonshot-v1-8k", with_reasoning(ReasoningPart(text="")))["messages"][1]
    absent = body("moonshot-v1-8k", with_reasoning())["messages"][1]
    assert empty["reasoning_content"] == ""
    assert "reasoning_content" not in absent


def test_a_call_without_reasoning_goes_to_a_thinking_model_with_an_empty_one() -> None:
    assert body("kimi-k2.6", with_reasoning())["messages"][1]["reasoning_content"] == ""
    off = body("kimi-k2.6", with_reasoning(), extra=THINKING_OFF)["messages"][1]
    assert "reasoning_content" not in off


def test_an_answer_without_calls_needs_no_reasoning() -> None:
    sent = body("kimi-k3", asked(Message.assistant("Nothing."), Message.user("Why?")))
    assert sent["messages"][1] == {"role": "assistant", "content": "Nothing."}


def test_no_empty_text_stands_beside_a_tool_call() -> None:
    assert body("kimi-k3", with_reasoning())["messages"][1]["content"] is None
