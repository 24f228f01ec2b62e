"""What is asked, and what is refused before anything is sent."""

from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, ValidationError

from streamkit.errors import ConfigurationError
from streamkit.messages import ImagePart, Message, Tool
from streamkit.model import get_model
from streamkit.request import ChatRequest, OutputSchema, build_request
from streamkit.stream import ChunkStream

CANARY = "my private words"
WEATHER = Tool(name="weather", parameters={"type": "object", "properties": {}})


T = TypeVar("T")


class Answer(BaseModel):
    text: str


class Box(BaseModel, Generic[T]):
    value: T


def build(messages: Any = "Hi", **settings: Any) -> ChatRequest:
    return build_request("large", messages, **settings)


# Messages.


@pytest.mark.parametrize(
    "messages",
    [
        "Hi",
        Message.user("Hi"),
        [Message.user("Hi")],
        (Message.user("Hi"),),
        {"role": "user", "parts": "Hi"},
        [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
        [{"role": "user", "content": "Hi"}],
    ],
)
def test_messages_are_read_in_every_way_they_are_written(messages: Any) -> None:
    assert build(messages).messages == (Message.user("Hi"),)


def test_a_conversation_keeps_its_order() -> None:
    roles = [
        message.role for message in build([Message.user("a"), Message.assistant("b")]).messages
    ]
    assert roles == ["user", "assistant"]


def test_system_stands_first() -> None:
    assert build("Hi", system="Be brief.").messages == (
        Message.system("Be brief."),
        Message.user("Hi"),
    )


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ("", "The message is empty"),
        (" \n", "The message is empty"),
        ([], "give a text or at least one message"),
        ((), "give a text or at least one message"),
        (None, "Message 0 is NoneType; give a Message, or a dict"),
        (5, "Message 0 is int; give a Message, or a dict"),
        (b"Hi", "give a Message, or a dict"),
        ([Message.user("a"), "b"], "Message 1 is str; give a Message, or a dict"),
        ({}, "Message 0: `role`: Field required; `parts`: Field required"),
        ([{"role": "robot", "parts": CANARY}], "`role`: Input should be 'system', 'user'"),
        ([{"role": "user", "parts": []}], "a message needs at least one part"),
        ([{"role": "user", "content": None}], "`parts`: Input should be a valid tuple"),
        ([{"role": "user", "parts": [{"type": "text", "text": 5}]}], "text"),
    ],
)
def test_messages_that_are_none_are_refused_with_what_to_do(messages: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        build(messages)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("system", [5, ["Be brief."], b"Be brief."])
def test_system_must_be_text(system: Any) -> None:
    with pytest.raises(ConfigurationError, match="`system` must be text, not"):
        build("Hi", system=system)


# Settings.


@pytest.mark.parametrize("n", [2, 0, "2", [2], {}, 1.5])
def test_a_stream_is_one_answer(n: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"`n` can only be 1\. Make several streams"):
        build(n=n)


@pytest.mark.parametrize("n", [None, 1])
def test_asking_for_one_answer_is_asking_for_nothing(n: Any) -> None:
    assert build(n=n) == build()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"temperature": "hot"}, "`temperature`: Input should be a valid number"),
        ({"temperature": -1}, "`temperature`: .* greater than or equal to 0"),
        ({"temperature": float("inf")}, "`temperature`: Input should be a finite number"),
        ({"presence_penalty": float("nan")}, "`presence_penalty`: Input should be a finite number"),
        ({"top_p": 2}, "`top_p`: .* less than or equal to 1"),
        ({"max_tokens": 0}, "`max_tokens`: .* greater than or equal to 1"),
        ({"max_tokens": 1.5}, "`max_tokens`: "),
        ({"stop": 5}, "`stop`: "),
        ({"extra": "x"}, "`extra`: Input should be a valid dictionary"),
        ({"logprobs": -1}, "`logprobs`: "),
        ({"temprature": 1}, "`temprature`: there is no such setting; .* go into `extra`"),
        ({"tools": 5}, "`tools`: "),
        ({"tools": [{"name": "f", "parameters": {"type": "nope"}}]}, "`tools.0.parameters`: "),
        ({"tools": [{"name": "f", "parameters": {}}]}, "no JSON schema: write"),
        ({"tools": [{"name": "two words"}]}, "`tools.0.name`: "),
        ({"tools": [WEATHER, WEATHER]}, "two tools have the same name"),
        ({"tool_choice": "auto"}, "`tool_choice` needs `tools`"),
        ({"tools": [WEATHER], "tool_choice": "other"}, "names no tool of the request: 'other'"),
        ({"output_schema": {"type": "nope"}}, "`output_schema.definition`: .*no such type: 'nope'"),
        ({"output_schema": 5}, "`output_schema`: "),
        ({"output_schema": {"definition": {}, "name": "two words"}}, "`output_schema.name`: "),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_what_is_wrong(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        build(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("temperature", CANARY),
        ("max_tokens", [CANARY]),
        ("stop", {CANARY: CANARY}),
        ("tools", [CANARY]),
        ("output_schema", CANARY),
        ("extra", CANARY),
    ],
)
def test_a_wrong_value_is_not_shown(name: str, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"`{name}") as caught:
        build(**{name: wrong})
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_defaults_hold_where_a_call_says_nothing() -> None:
    request = build(defaults={"temperature": 0.5, "seed": 7}, seed=8)
    assert (request.temperature, request.seed) == (0.5, 8)


def test_what_cannot_be_read_at_all_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="`model` is no setting of a request"):
        build(defaults={"model": "other"})


def test_what_would_be_lost_from_a_dict_is_refused() -> None:
    call = {"id": "call_1", "function": {"name": "f", "arguments": "{}"}}
    with pytest.raises(ConfigurationError, match="Message 0 has 'tool_calls' beside `content`"):
        build([{"role": "assistant", "content": "hi", "tool_calls": [call]}])


def test_one_stop_text_is_a_list_of_one() -> None:
    assert build(stop="END").stop == ("END",)


@pytest.mark.parametrize("choice", ["auto", "none", "required", "weather"])
def test_a_tool_choice_is_a_word_or_a_tools_name(choice: str) -> None:
    assert build(tools=[WEATHER], tool_choice=choice).tool_choice == choice


def test_an_output_schema_is_written_in_three_ways() -> None:
    definition = Answer.model_json_schema()
    assert build(output_schema=Answer).output_schema == OutputSchema(
        name="Answer", definition=definition
    )
    assert build(output_schema=definition).output_schema == OutputSchema(definition=definition)
    named = {"name": "mine", "definition": definition, "strict": False}
    assert build(output_schema=named).output_schema == OutputSchema(
        name="mine", definition=definition, strict=False
    )


def test_a_generic_models_name_is_written_as_services_take_it() -> None:
    schema = build(output_schema=Box[int]).output_schema
    assert schema is not None
    assert schema.name == "Box_int_"


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        build().seed = 5  # type: ignore[misc]  # that is what is refused


# The same through the public way: refused when the model or the stream is created.


@pytest.mark.parametrize(
    ("messages", "settings", "says"),
    [
        ([], {}, "There are no messages"),
        ("Hi", {"n": 2}, "`n` can only be 1"),
        ("Hi", {"temperature": "hot"}, "`temperature`"),
        ("Hi", {"tools": [WEATHER]}, "echo/echo cannot do what the request asks for: tools"),
        ("Hi", {"output_schema": Answer}, "cannot do .*: json schema"),
        ("Hi", {"logprobs": 2}, "cannot do .*: logprobs"),
        (Message.user(ImagePart(url="https://example.com/a")), {}, "cannot do .*: images"),
    ],
)
def test_a_stream_that_cannot_be_is_refused_when_it_is_created(
    messages: Any, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        get_model("echo/echo").stream(messages, **settings)


@pytest.mark.parametrize(
    ("defaults", "says"),
    [
        ({"temperature": "hot"}, "`defaults`: `temperature`: "),
        ({"max_token": 5}, "`defaults`: `max_token`: there is no such setting; did you mean `max_"),
        ({"wholly": 5}, "`wholly`: there is no such setting; a provider's own settings go into"),
        ({"model": "other"}, "`model` is no setting of a request"),
        ({"n": 2}, "`n` can only be 1"),
        ({5: 5}, "`defaults` cannot be read: keywords must be strings"),
    ],
)
def test_defaults_are_refused_when_the_model_is_made(defaults: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        get_model("echo/echo", defaults=defaults)


def test_settings_whose_names_are_no_texts_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="The request cannot be read: keywords must be"):
        build(defaults={5: 5})


def test_defaults_that_need_others_wait_for_the_call() -> None:
    model = get_model("openai/any", api_key="sk-canary-1", defaults={"tool_choice": "required"})
    assert isinstance(model.stream("Hi", tools=[WEATHER]), ChunkStream)
    with pytest.raises(ConfigurationError, match="`tool_choice` needs `tools`"):
        model.stream("Hi")


def test_a_misspelt_setting_of_a_call_is_told_with_the_word_it_resembles() -> None:
    with pytest.raises(ConfigurationError, match="did you mean `temperature`"):
        get_model("echo/echo").stream("Hi", temprature=1)  # type: ignore[call-arg]  # the fault
