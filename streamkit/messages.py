"""Messages and what they are made of: the same for every provider, and for history.

A `Message` has a role and parts. What a service said comes back as parts too, with the metadata
that some services demand back (signatures, reasoning), so a response goes into history unchanged.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_serializer,
    field_validator,
    model_validator,
)

__all__ = [
    "ImagePart",
    "Message",
    "MessageInput",
    "Part",
    "ReasoningPart",
    "Role",
    "TextPart",
    "Tool",
    "ToolCall",
    "ToolResult",
]

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


class _Value(BaseModel):
    """A frozen value that keeps the fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        # Pydantic gives frozen models a hash; ours hold dicts and lists, which have none.
        cls.__hash__ = None  # type: ignore[assignment]


class TextPart(_Value):
    """Text that is said: the user's, the system's, or the model's answer.

    Attributes:
        refusal: The model declined with these words.
        metadata: What the provider added, under its name.
    """

    type: Literal["text"] = "text"
    text: str
    refusal: bool = False
    metadata: dict[str, Any] | None = None


class ImagePart(_Value):
    """An image, by its address or by its bytes; exactly one of the two.

    Attributes:
        url: An address that the service fetches or reads: `https://…`, `data:…`, or the id that it
            gave a file of its own, such as `ms://…`. Which ones a service takes, its provider says;
            an address on this machine is none.
        data: The image's bytes; base64 in JSON.
        media_type: The type of the bytes, such as `image/png`.
        detail: How closely the model should look, where a service knows levels.
    """

    type: Literal["image"] = "image"
    url: str | None = None
    data: bytes | None = Field(default=None, repr=False)
    media_type: str = "image/png"
    detail: Literal["auto", "low", "high"] | None = None

    @field_validator("data", mode="before")
    @classmethod
    def _data_from_base64(cls, value: object) -> object:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else value

    @field_serializer("data", when_used="json-unless-none")
    def _data_to_base64(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.url is None) == (self.data is None):
            raise ValueError("an image has either a `url` or its bytes as `data`")
        if self.url is not None and not _is_image_url(self.url):
            raise ValueError(
                "an image's `url` must start with https://, http:// or data:, or be a service's "
                "own id of a file, such as ms://…; give a file of yours by its bytes, as `data`"
            )
        if self.data is not None and not self.data:
            raise ValueError("an image's `data` is empty")
        return self

    def as_url(self) -> str:
        """The address, or the bytes as a `data:` address."""
        if self.data is None:
            return self.url or ""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"


# One letter is a drive, as in `C://`.
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]+)://\S", re.IGNORECASE)
# Places of this machine or page, programs, and what no service fetches.
_NO_IMAGE_SCHEMES = frozenset({"blob", "file", "ftp", "javascript", "vbscript"})


def _is_image_url(url: str) -> bool:
    scheme = _SCHEME.match(url)
    if scheme is None:
        return url.startswith("data:")
    return scheme[1].lower() not in _NO_IMAGE_SCHEMES


class ReasoningPart(_Value):
    """What the model marked as its thinking; some services demand it back unchanged.

    Attributes:
        redacted: The service withheld the text.
        metadata: What the provider added, under its name, such as a signature.
    """

    type: Literal["reasoning"] = "reasoning"
    text: str
    redacted: bool = False
    metadata: dict[str, Any] | None = None


class ToolCall(_Value):
    """The model asks for a tool.

    Attributes:
        call_id: The id that the result must quote.
        arguments: The parsed arguments; `None` when they do not parse or the tool takes free text.
        arguments_text: The arguments' JSON text as it came, sent back unchanged.
        input: The text for a free-text tool.
        invalid: Why the arguments do not parse.
        executed_by: Who runs the tool.
    """

    type: Literal["tool_call"] = "tool_call"
    call_id: str
    name: str
    arguments: dict[str, Any] | None = None
    arguments_text: str = ""
    input: str | None = None
    invalid: str | None = None
    executed_by: Literal["caller", "provider"] = "caller"
    metadata: dict[str, Any] | None = None


class ToolResult(_Value):
    """What a tool gave back.

    Attributes:
        output: Text, or any JSON value.
        is_error: The tool failed, and `output` says how.
    """

    type: Literal["tool_result"] = "tool_result"
    call_id: str
    name: str
    output: Any
    is_error: bool = False
    executed_by: Literal["caller", "provider"] = "caller"


Part: TypeAlias = Annotated[
    TextPart | ImagePart | ReasoningPart | ToolCall | ToolResult, Field(discriminator="type")
]


class Message(_Value):
    """One entry of a conversation: a role and its parts, at least one.

    The parts may be given as plain text: `Message(role="user", parts="Hello")`.
    """

    role: Role
    parts: tuple[Part, ...]
    metadata: dict[str, Any] | None = None

    @field_validator("parts", mode="before")
    @classmethod
    def _parts_from_text(cls, value: object) -> object:
        return (TextPart(text=value),) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_its_role(self) -> Self:
        if not self.parts:
            raise ValueError("a message needs at least one part")
        allowed = _PARTS_OF_ROLE[self.role]
        for part in self.parts:
            if part.type not in allowed:
                raise ValueError(f"a {self.role} message holds no {part.type} part")
        return self

    @classmethod
    def system(cls, text: str) -> Self:
        """A message of the system."""
        return cls(role="system", parts=(TextPart(text=text),))

    @classmethod
    def user(cls, *parts: "str | Part") -> Self:
        """A message of the user: texts and parts in order."""
        made = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
        return cls(role="user", parts=made)

    @classmethod
    def assistant(cls, *parts: "str | Part") -> Self:
        """A message of the model: texts and parts in order."""
        made = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
        return cls(role="assistant", parts=made)

    @classmethod
    def tool(cls, *results: ToolResult) -> Self:
        """What tools gave back, one result for each call."""
        return cls(role="tool", parts=results)

    @property
    def text(self) -> str:
        """All text of the message, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


_PARTS_OF_ROLE: Mapping[str, frozenset[str]] = {
    "system": frozenset({"text"}),
    "user": frozenset({"text", "image"}),
    "assistant": frozenset({"text", "reasoning", "tool_call", "tool_result"}),
    "tool": frozenset({"tool_result"}),
}


class Tool(_Value):
    """A tool that the model may call.

    Attributes:
        name: Letters, digits, `_`, `-` and `.`, at most 256.
        description: What it is for, for the model.
        parameters: The JSON schema of its arguments, an object schema.
        strict: Ask the service to hold the model to the schema, where it can.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.\-]{1,256}$")
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _is_an_object_schema(cls, value: dict[str, Any]) -> dict[str, Any]:
        problem = schema_problem(value)
        if problem is None and value.get("type", "object") != "object":
            problem = "the schema of a tool's arguments must have the type `object`"
        if problem is None and not ({"type", "properties", "$ref", "anyOf", "allOf"} & set(value)):
            problem = 'it is no JSON schema: write {"type": "object", "properties": {…}}'
        if problem is not None:
            raise ValueError(problem)
        return value


MessageInput: TypeAlias = (
    str | Message | Mapping[str, Any] | Sequence["Message | Mapping[str, Any]"]
)

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})


def schema_problem(schema: object, where: str = "") -> str | None:
    """Says what makes a value no JSON schema, or `None`.

    Only what surely is wrong is named: types that do not exist, `properties` that are none,
    `required` that is no list of names. Services have dialects of their own beyond that.
    """
    place = f" at `{where}`" if where else ""
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict):
        return f"a JSON schema must be an object{place}, not {type(schema).__name__}"
    kinds = schema.get("type")
    named = kinds if isinstance(kinds, list) else [kinds]
    if kinds is not None and not all(isinstance(k, str) and k in _TYPES for k in named):
        return f"a JSON schema knows no such type{place}: {kinds!r}"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return f"`required` must be a list of names{place}"
    return _nested_problem(schema, where)


def _nested_problem(schema: dict[str, Any], where: str) -> str | None:
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        return f"`properties` must be an object{f' at `{where}`' if where else ''}"
    nested = {f"{where}.{name}".lstrip("."): value for name, value in properties.items()}
    if isinstance(schema.get("items"), dict):
        nested[f"{where}[]"] = schema["items"]
    for place, value in nested.items():
        problem = schema_problem(value, place)
        if problem is not None:
            return problem
    return None
