"""Finds what was asked for again in the JSON of a request, whatever the service calls it."""

from collections.abc import Iterator, Mapping
from typing import Any

from streamkit.messages import ToolCall
from streamkit_conformance.verdict import PASS, Fail, Outcome

__all__ = [
    "call_sent",
    "entries",
    "holds",
    "keys",
    "lost",
    "nodes",
    "role_of",
    "schema_sent",
    "texts",
]


def nodes(value: Any) -> Iterator[Any]:
    """A JSON value and all that it holds, in the order in which they are written."""
    yield value
    if isinstance(value, dict):
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each)


def texts(value: Any) -> list[str]:
    """All texts in it, names of fields left out."""
    return [each for each in nodes(value) if isinstance(each, str)]


def keys(value: Any) -> frozenset[str]:
    """The names of all fields in it."""
    return frozenset(key for each in nodes(value) if isinstance(each, dict) for key in each)


def entries(value: Any, key: str) -> list[Any]:
    """What stands in the fields of one name, wherever they are."""
    return [each[key] for each in nodes(value) if isinstance(each, dict) and key in each]


def _has_number(value: Any, number: float) -> bool:
    """Whether a number is in it."""
    return any(
        isinstance(each, int | float) and not isinstance(each, bool) and each == number
        for each in nodes(value)
    )


def role_of(value: Any, text: str, role: str = "") -> str | None:
    """The role of the message that holds a text, empty where it has none.

    It is the `role` of the innermost object around the text that has one. `None` where the text is
    nowhere.
    """
    if isinstance(value, str):
        return role if text in value else None
    inner: list[Any] = []
    if isinstance(value, Mapping):
        own = value.get("role")
        role = own if isinstance(own, str) else role
        inner = list(value.values())
    elif isinstance(value, list):
        inner = value
    found = (role_of(each, text, role) for each in inner)
    return next((each for each in found if each is not None), None)


def lost(what: str, wanted: str, body: Any) -> Fail:
    """The failure of a request that something is missing from."""
    shown = repr(body)
    return Fail(f"{what} is not in the request", wanted, shown[:600])


def holds(body: Any, value: Any) -> bool:
    """Whether a text, a number, or each of several, is in it."""
    if isinstance(value, str):
        return value in texts(body)
    if isinstance(value, tuple):
        return all(holds(body, each) for each in value)
    return _has_number(body, value)


def schema_sent(what: str, schema: Mapping[str, Any], body: Any) -> Outcome:
    """Whether the names and the texts of an object schema are in it."""
    properties = schema["properties"]
    missing = sorted(set(properties) - keys(body))
    if missing:
        return lost(f"{what}'s `{missing[0]}`", missing[0], body)
    found = texts(body)
    words = [each["description"] for each in properties.values() if "description" in each]
    words += [word for each in properties.values() for word in each.get("enum", ())]
    unsent = next((each for each in words if each not in found), None)
    return PASS if unsent is None else lost(f"{what}'s text", unsent, body)


def call_sent(call: ToolCall, body: Any, *, are_ids_sent: bool) -> Outcome:
    """Whether a call of the conversation is in it, and something that ties its result to it.

    Args:
        call: The call; its result is sent too.
        body: The JSON of the request.
        are_ids_sent: The service is sent ids; else it knows calls by their names.
    """
    if not any(each in (call.arguments_text, call.arguments) for each in nodes(body)):
        return lost("a call's arguments", call.arguments_text, body)
    # Once with the call and once with its result.
    found = texts(body)
    is_tied = found.count(call.call_id) > 1 or found.count(call.name) > 1
    if not is_tied or (are_ids_sent and call.call_id not in found):
        wanted = f"{call.call_id!r} twice" if are_ids_sent else f"{call.name!r} twice"
        return Fail("a call's id or name does not tie its result to it", wanted, repr(body)[:600])
    return PASS if call.name in found else lost("a call's name", call.name, body)
