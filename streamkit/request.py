"""What a model is asked: messages, tools and settings, for no provider in particular."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Self, TypeAlias, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from streamkit.errors import ConfigurationError
from streamkit.messages import Message, MessageInput, Tool, schema_problem
from streamkit.words import nearest

__all__ = ["ChatRequest", "OutputSchema", "RequestSettings", "ToolChoice", "build_request"]

ToolChoice: TypeAlias = Literal["auto", "none", "required"] | str


class OutputSchema(BaseModel):
    """The JSON schema that an answer must follow.

    Attributes:
        name: A name for the schema, for services that want one.
        definition: The JSON schema.
        strict: Ask the service to enforce it, where it can.
    """

    model_config = ConfigDict(frozen=True)

    name: str = Field(default="answer", pattern=r"^[A-Za-z0-9_\-]{1,64}$")
    definition: dict[str, Any]
    strict: bool | None = None

    @field_validator("definition")
    @classmethod
    def _is_a_schema(cls, value: dict[str, Any]) -> dict[str, Any]:
        problem = schema_problem(value)
        if problem is not None:
            raise ValueError(problem)
        return value


class ChatRequest(BaseModel):
    """One request to a model; frozen, made by `Model.stream()` and read by providers.

    A setting that is `None` is not sent: the service's own default holds.

    Attributes:
        model: The model's name as the service knows it.
        messages: The conversation, at least one message.
        stream: Which of the two calls is wanted: streamed, or the same answer in one piece.
        tools: Tools that the model may call.
        tool_choice: `auto`, `none`, `required`, or the name of the tool to call.
        parallel_tool_calls: Whether several calls in one answer are allowed.
        output_schema: The JSON schema that the answer must follow.
        temperature: Sampling temperature.
        top_p: Nucleus sampling.
        max_tokens: The most tokens that the answer may have, reasoning included.
        stop: Texts at which the answer stops.
        seed: For repeatable answers, where a service offers them.
        reasoning_effort: How long the model should think, in the service's own words.
        logprobs: How many alternatives to tell for each token; they ride in the chunks' metadata.
        extra: Settings of one provider, sent to it as they are.
        request_id: The caller's own id; it stands in the `start` chunk.
        conversation_id: The conversation that the request belongs to, likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(min_length=1)
    messages: tuple[Message, ...] = Field(min_length=1)
    stream: bool = True
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output_schema: OutputSchema | None = None
    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    logprobs: int | None = Field(default=None, ge=0)
    extra: dict[str, Any] = Field(default_factory=dict)
    request_id: str | None = None
    conversation_id: str | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _stop_from_text(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("output_schema", mode="before")
    @classmethod
    def _schema_from_definition(cls, value: object) -> object:
        if isinstance(value, type) and issubclass(value, BaseModel):
            # A generic model's name has brackets, which no service takes.
            name = re.sub(r"[^A-Za-z0-9_\-]+", "_", value.__name__)[:64]
            return {"name": name, "definition": value.model_json_schema()}
        if isinstance(value, Mapping) and "definition" not in value:
            return {"definition": dict(value)}
        return value

    @model_validator(mode="after")
    def _tool_settings_fit(self) -> Self:
        names = [tool.name for tool in self.tools]
        if len(set(names)) != len(names):
            raise ValueError("two tools have the same name")
        choice = self.tool_choice
        if choice is not None and not names:
            raise ValueError("`tool_choice` needs `tools`")
        if choice is not None and choice not in {"auto", "none", "required", *names}:
            raise ValueError(f"`tool_choice` names no tool of the request: {choice!r}")
        return self


_SETTINGS: Final = frozenset(ChatRequest.model_fields) - {"model", "messages"}


class RequestSettings(TypedDict, total=False):
    """What `Model.stream()` takes besides the messages; see `ChatRequest` for each."""

    tools: tuple[Tool, ...] | list[Tool]
    tool_choice: ToolChoice | None
    parallel_tool_calls: bool | None
    output_schema: OutputSchema | Mapping[str, Any] | type | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: str | tuple[str, ...] | list[str]
    seed: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    reasoning_effort: str | None
    logprobs: int | None
    extra: dict[str, Any]
    request_id: str | None
    conversation_id: str | None
    n: int | None
    stream: bool


def build_request(
    model: str,
    messages: MessageInput,
    /,
    *,
    system: str | None = None,
    defaults: Mapping[str, Any] | None = None,
    **settings: Any,
) -> ChatRequest:
    """Makes a request from what a caller wrote.

    Args:
        model: The model's name as the service knows it.
        messages: A text, a message, or several messages; dicts are read as messages.
        system: A system message to put first.
        defaults: Settings that hold where `settings` says nothing.
        settings: Fields of `ChatRequest`.

    Raises:
        ConfigurationError: Something is wrong with them; the message says what.
    """
    merged = _merged(defaults or {}, settings)
    collected = _messages(messages)
    if not collected:
        raise ConfigurationError("There are no messages: give a text or at least one message.")
    if system is not None:
        collected = (_system(system), *collected)
    try:
        return ChatRequest(model=model, messages=collected, **merged)
    except ValidationError as error:
        raise ConfigurationError(_in_words(error, _SETTINGS)) from None
    except TypeError as error:
        raise ConfigurationError(f"The request cannot be read: {error}.") from error


def check_defaults(defaults: Mapping[str, Any]) -> None:
    """Refuses settings that no request could have; whether they fit together, a request says.

    Raises:
        ConfigurationError: One of them is unknown or malformed.
    """
    if not defaults:
        return
    try:
        ChatRequest(model="any", messages=(Message.user("any"),), **_merged(defaults, {}))
    except ValidationError as error:
        # Without a place it is about several settings, and the others come with the call.
        if all(each["loc"] for each in error.errors(include_input=False, include_url=False)):
            raise ConfigurationError(f"`defaults`: {_in_words(error, _SETTINGS)}") from None
    except TypeError as error:
        raise ConfigurationError(f"`defaults` cannot be read: {error}.") from error


def _merged(defaults: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a request; those of the call come first."""
    merged = {**defaults, **settings}
    for name in ("model", "messages"):
        if name in merged:
            raise ConfigurationError(f"`{name}` is no setting of a request: it is given already.")
    answers = merged.pop("n", None)
    if answers is not None and answers != 1:
        raise ConfigurationError("A stream is one answer: `n` can only be 1. Make several streams.")
    return merged


def _system(text: object) -> Message:
    if not isinstance(text, str):
        raise ConfigurationError(f"`system` must be text, not {type(text).__name__}.")
    return Message.system(text)


def _messages(given: MessageInput) -> tuple[Message, ...]:
    if isinstance(given, str):
        if not given.strip():
            raise ConfigurationError("The message is empty.")
        return (Message.user(given),)
    items = given if isinstance(given, Sequence) else (given,)
    return tuple(_message(item, position) for position, item in enumerate(items))


def _message(item: object, position: int) -> Message:
    if isinstance(item, Message):
        return item
    if not isinstance(item, Mapping):
        raise ConfigurationError(
            f"Message {position} is {type(item).__name__}; give a Message, or a dict with "
            "`role` and `parts`."
        )
    fields = dict(item)
    if "content" in fields and "parts" not in fields:
        # The field's usual spelling elsewhere: read it, so that a first try works. What else stands
        # beside it there has its place among the parts here, and would be lost.
        fields["parts"] = fields.pop("content")
        unknown = sorted(set(fields) - {"role", "parts", "metadata"})
        if unknown:
            raise ConfigurationError(
                f"Message {position} has {', '.join(map(repr, unknown))} beside `content`. Tool "
                "calls and their results are parts: give `parts` with ToolCall and ToolResult."
            )
    try:
        return Message.model_validate(fields)
    except ValidationError as error:
        raise ConfigurationError(f"Message {position}: {_in_words(error)}") from None


def _in_words(error: ValidationError, known: Iterable[str] = ()) -> str:
    """The problems without the values: those may be private.

    Args:
        error: What was found.
        known: The words that one in its place may have meant.
    """
    problems = []
    for problem in error.errors(include_input=False, include_url=False):
        place = ".".join(str(step) for step in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            near = nearest(place, known)
            meant = f"; did you mean `{near[0]}`?" if near else ";"
            text = f"there is no such setting{meant} a provider's own settings go into `extra`"
        problems.append(f"`{place}`: {text}" if place else text)
    return "; ".join(problems) + "."
