import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from streamkit.messages import (
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolResult,
    schema_problem,
)
from tests.chunk_strategies import json_values, texts

PARTS: dict[str, Part] = {
    "text": TextPart(text="a", metadata={"acme": {"x": 1}}),
    "image": ImagePart(url="https://example.com/a.png"),
    "reasoning": ReasoningPart(text="hm", metadata={"acme": {"signature": "s"}}),
    "tool_call": ToolCall(call_id="c", name="f", arguments={"a": 1}, arguments_text='{"a": 1}'),
    "tool_result": ToolResult(call_id="c", name="f", output={"b": [1]}),
}
ALLOWED: dict[Role, set[str]] = {
    "system": {"text"},
    "user": {"text", "image"},
    "assistant": {"text", "reasoning", "tool_call", "tool_result"},
    "tool": {"tool_result"},
}


@pytest.mark.parametrize("role", ALLOWED)
@pytest.mark.parametrize("kind", PARTS)
def test_a_message_holds_the_parts_of_its_role_and_no_others(role: Role, kind: str) -> None:
    if kind in ALLOWED[role]:
        assert Message(role=role, parts=(PARTS[kind],)).parts == (PARTS[kind],)
    else:
        with pytest.raises(ValidationError, match=f"a {role} message holds no {kind} part"):
            Message(role=role, parts=(PARTS[kind],))


def test_a_message_needs_a_part() -> None:
    with pytest.raises(ValidationError, match="at least one part"):
        Message(role="user", parts=())


def test_plain_text_is_one_text_part() -> None:
    read = Message.model_validate({"role": "user", "parts": "Hello"})
    assert read == Message.user("Hello") == Message(role="user", parts=(TextPart(text="Hello"),))


def test_the_shorthands_put_texts_and_parts_in_order() -> None:
    image = ImagePart(url="data:image/png;base64,AA==")
    assert [part.type for part in Message.user("a", image, "b").parts] == ["text", "image", "text"]
    assert Message.user("a", image, "b").text == "ab"
    assert Message.assistant("a", PARTS["tool_call"]).role == "assistant"
    assert Message.system("Be brief.").text == "Be brief."
    result = ToolResult(call_id="c", name="f", output="x")
    assert Message.tool(result).parts == (result,)


@given(
    st.lists(
        st.one_of(
            st.builds(TextPart, text=texts, refusal=st.booleans()),
            st.builds(ReasoningPart, text=texts, redacted=st.booleans()),
            st.builds(ToolResult, call_id=texts, name=texts, output=json_values),
            st.builds(ToolCall, call_id=texts, name=texts, arguments_text=texts),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_message_comes_back_from_json_as_it_was(parts: list[Part]) -> None:
    message = Message(role="assistant", parts=tuple(parts), metadata={"acme": {"id": 1}})
    assert Message.model_validate_json(message.model_dump_json()) == message


@given(st.binary(min_size=1, max_size=50))
def test_image_bytes_come_back_from_json_and_stand_in_the_address(data: bytes) -> None:
    image = ImagePart(data=data, media_type="image/webp")
    assert ImagePart.model_validate_json(image.model_dump_json()) == image
    assert image.as_url() == f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def test_an_address_is_its_own_address() -> None:
    assert ImagePart(url="https://example.com/a.png").as_url() == "https://example.com/a.png"


@pytest.mark.parametrize("url", ["ms://file-1", "gs://bucket/a.png", "HTTPS://example.com/a.png"])
def test_a_service_s_own_address_of_an_image_stays_as_it_is(url: str) -> None:
    image = ImagePart(url=url)
    assert ImagePart.model_validate_json(image.model_dump_json()) == image
    assert image.as_url() == url


def test_image_bytes_are_not_in_the_repr() -> None:
    assert "secret pixels" not in repr(Message.user(ImagePart(data=b"secret pixels")))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "url.*data"),
        ({"url": "https://example.com", "data": b"a"}, "url.*data"),
        ({"data": b""}, "empty"),
        ({"url": "ftp://example.com/a.png"}, "https://, http:// or data:"),
        ({"url": "file:///etc/passwd"}, "https://, http:// or data:"),
        ({"url": "FILE:///etc/passwd"}, "https://, http:// or data:"),
        ({"url": "file:/etc/passwd"}, "https://, http:// or data:"),
        ({"url": "/etc/passwd"}, "https://, http:// or data:"),
        ({"url": "cat.png"}, "https://, http:// or data:"),
        ({"url": "C:\\cat.png"}, "https://, http:// or data:"),
        ({"url": "C://cat.png"}, "https://, http:// or data:"),
        ({"url": "javascript:alert(1)"}, "https://, http:// or data:"),
        ({"url": "JavaScript://%0aalert(1)"}, "https://, http:// or data:"),
        ({"url": " https://example.com/a.png"}, "https://, http:// or data:"),
        ({"url": "ms://"}, "https://, http:// or data:"),
        ({"url": ""}, "https://, http:// or data:"),
        ({"data": "no base64!"}, "base64"),
        ({"url": "https://example.com", "detail": "extreme"}, "detail"),
    ],
)
def test_an_image_that_cannot_be_one_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ImagePart(**fields)


def test_unknown_fields_of_history_are_kept() -> None:
    stored = {
        "role": "assistant",
        "parts": [{"type": "text", "text": "a", "language": "en"}],
        "stored_at": 5,
    }
    written = Message.model_validate(stored).model_dump(mode="json")
    assert written["stored_at"] == 5
    assert written["parts"][0]["language"] == "en"


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_parts_are_values(part: Part) -> None:
    assert part.__hash__ is None
    with pytest.raises(ValidationError):
        part.type = "other"


def test_a_part_of_an_unknown_type_is_refused() -> None:
    adapter: TypeAdapter[Part] = TypeAdapter(Part)
    with pytest.raises(ValidationError, match="hologram"):
        adapter.validate_python({"type": "hologram"})


# Tools and their schemas.


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {"properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}},
        {"type": "object", "properties": {"a": True}, "additionalProperties": False},
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}},
        {"anyOf": [{"type": "object"}]},
    ],
)
def test_a_tool_takes_any_object_schema(schema: dict[str, Any]) -> None:
    assert Tool(name="f", parameters=schema).parameters == schema


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "string"}, "must have the type `object`"),
        ({"city": "string"}, "it is no JSON schema: write"),
        ({}, "it is no JSON schema: write"),
        ({"type": "text"}, "knows no such type: 'text'"),
        ({"type": 5}, "knows no such type: 5"),
        ({"type": ["object", "nil"]}, "knows no such type"),
        ({"type": "object", "required": "city"}, "`required` must be a list of names"),
        ({"type": "object", "required": [1]}, "`required` must be a list of names"),
        ({"type": "object", "properties": ["city"]}, "`properties` must be an object"),
        ({"properties": {"a": 5}}, "must be an object at `a`, not int"),
        ({"properties": {"a": {"type": "str"}}}, "no such type at `a`: 'str'"),
        ({"properties": {"a": {"properties": {"b": {"type": "x"}}}}}, "at `a.b`"),
        ({"properties": {"a": {"items": {"type": "x"}}}}, r"at `a\[\]`"),
        ({"properties": {"a": {"properties": []}}}, "`properties` must be an object at `a`"),
    ],
)
def test_what_is_no_schema_of_arguments_is_refused_by_its_place(
    schema: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        Tool(name="f", parameters=schema)


@pytest.mark.parametrize("schema", [5, "object", None, []])
def test_a_schema_is_an_object(schema: object) -> None:
    assert "must be an object" in (schema_problem(schema) or "")


def test_a_tool_without_parameters_takes_none() -> None:
    assert Tool(name="now").parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize("name", ["", "a b", "näme", "a" * 257, "a\n"])
def test_a_tool_has_a_name_that_services_take(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        Tool(name=name)
