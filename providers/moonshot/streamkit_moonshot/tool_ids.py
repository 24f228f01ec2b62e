"""Tool call ids: the service's repeat in every turn, ours do not.

Kimi numbers the calls of one answer and begins again in the next: `search:0` or
`functions.search:0` is a different call in every turn. Users, and other services to which a
conversation may move, need ids that are unique in the whole conversation. So a call gets an id made
from the answer's own, and the service's stays in the call's metadata, under the provider's name;
when the conversation is sent on, the service gets its own ids back as they were.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from streamkit.messages import Message, Part, ToolCall, ToolResult
from streamkit.provider import ToolCallDelta

__all__ = ["give_unique_id", "with_wire_ids"]

# The field of a call's metadata that keeps the service's id.
_FIELD: Final = "id"


def give_unique_id(delta: ToolCallDelta, response_id: str | None) -> None:
    """Replaces the service's id of a call by a unique one and keeps it in the metadata.

    Without the answer's id nothing here is unique: then the core makes an id up.
    """
    wire_id = delta.call_id
    if wire_id is None:
        return
    delta.metadata = {**(delta.metadata or {}), _FIELD: wire_id}
    delta.call_id = _unique_id(response_id, wire_id) if response_id else None


def _unique_id(response_id: str, wire_id: str) -> str:
    # Letters, digits and `_`, 29 characters: what every service takes as an id.
    source = f"{response_id}\n{wire_id}"
    return f"call_{blake2b(source.encode('utf-8', 'replace'), digest_size=12).hexdigest()}"


def with_wire_ids(
    messages: tuple[Message, ...],
    own_metadata: Callable[[Mapping[str, Any] | None], Mapping[str, Any]],
) -> tuple[Message, ...]:
    """The messages with the service's own ids in calls and results, where they are known.

    Args:
        messages: A conversation; calls and results of other providers keep their ids.
        own_metadata: Finds what this provider put into metadata.
    """
    known: dict[str, str] = {}
    return tuple(_renamed(message, known, own_metadata) for message in messages)


def _renamed(
    message: Message,
    known: dict[str, str],
    own_metadata: Callable[[Mapping[str, Any] | None], Mapping[str, Any]],
) -> Message:
    for part in message.parts:
        if isinstance(part, ToolCall):
            wire_id = own_metadata(part.metadata).get(_FIELD)
            if isinstance(wire_id, str):
                known[part.call_id] = wire_id
    if not known:
        return message
    parts: tuple[Part, ...] = tuple(
        part.model_copy(update={"call_id": known[part.call_id]})
        if isinstance(part, ToolCall | ToolResult) and part.call_id in known
        else part
        for part in message.parts
    )
    return message.model_copy(update={"parts": parts})
