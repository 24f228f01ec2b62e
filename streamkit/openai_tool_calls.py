"""Reads tool calls in OpenAI's dialect, where every server has its own way to cut them up.

A call is known by its `index`, else by its id, else by its place in the list. A new id with a name
at a known index begins a new call: some servers give every call the index 0.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from streamkit.openai_values import as_object, as_word, no_such_frame
from streamkit.provider import Emitter

__all__ = ["read_tool_calls"]


@dataclass(slots=True)
class _Call:
    """What is known of a tool call so far."""

    key: int
    id: str | None = None
    name: str | None = None
    has_arguments: bool = False


def read_tool_calls(pieces: Any, emit: Emitter) -> None:
    """Says what the pieces of one delta, or the whole calls of one message, add to the calls.

    Raises:
        ProviderError: They are no list of objects (`protocol`).
    """
    if not isinstance(pieces, list):
        raise no_such_frame("`tool_calls` is no list")
    for position, piece in enumerate(pieces):
        if not isinstance(piece, dict):
            raise no_such_frame("a tool call is no object")
        _read_tool_call(piece, position, emit)


def _read_tool_call(piece: dict[str, Any], position: int, emit: Emitter) -> None:
    is_free_text = isinstance(piece.get("custom"), dict)
    function = as_object(piece.get("custom" if is_free_text else "function"))
    call_id, name = as_word(piece.get("id")), as_word(function.get("name"))
    arguments = function.get("input" if is_free_text else "arguments")
    extra = piece.get("extra_content")
    if not (call_id or name or arguments or extra):
        return
    call = _call_of(piece.get("index"), position, call_id, name, emit)
    if arguments is not None and not isinstance(arguments, str):
        # Not text but the object itself; whoever sends it so sends it whole.
        arguments = None if call.has_arguments else to_json(arguments).decode()
    emit.tool_call(
        call.key,
        id=call_id if call.id is None else None,
        name=name if call.name is None else None,
        arguments=arguments,
        free_text=is_free_text,
        metadata={"extra_content": extra} if extra else None,
    )
    call.id = call.id or call_id
    call.name = call.name or name
    call.has_arguments = call.has_arguments or bool(arguments)


def _call_of(
    index: Any, position: int, call_id: str | None, name: str | None, emit: Emitter
) -> _Call:
    """The call that a piece belongs to; a new one when it begins one."""
    calls: list[_Call] = emit.memory.setdefault("calls", [])
    slots: dict[object, _Call] = emit.memory.setdefault("slots", {})
    if not isinstance(index, int | str):
        named = [call for call in calls if call_id and call.id == call_id]
        slot: tuple[str, object] = ("place", position)
        call = named[0] if named else slots.get(slot)
    else:
        slot = ("index", index)
        call = slots.get(slot)
    if call is None or _begins_another(call, index, call_id, name):
        call = _Call(len(calls))
        calls.append(call)
    slots[slot] = call
    return call


def _begins_another(call: _Call, index: Any, call_id: str | None, name: str | None) -> bool:
    if not name:
        return False
    if call_id and call.id:
        return call_id != call.id
    # Without an index and without ids, calls come whole, one behind the other.
    return index is None and call.has_arguments
