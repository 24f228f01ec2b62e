"""The tool calls of one answer while they stream: ids, names, and whether the arguments parse."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_core import from_json

from streamkit.assembly.unicode import mended_value
from streamkit.chunks import InvalidArguments
from streamkit.errors import ProviderError


@dataclass(slots=True)
class OpenCall:
    """One tool call that has begun.

    Attributes:
        unsent: Arguments that came before the name; they wait for it.
    """

    part: int
    call_id: str | None = None
    name: str | None = None
    text: list[str] = field(default_factory=list)
    unsent: str = ""
    announced: bool = False
    free_text: bool = False
    done: bool = False
    executed_by: Literal["caller", "provider"] = "caller"

    def next_piece(self) -> dict[str, Any]:
        """What the next chunk of the call says: all that waits to be sent."""
        unsent, self.unsent = self.unsent, ""
        self.announced = True
        self.text.append(unsent)
        return {
            "call_id": self.call_id,
            "name": self.name,
            "arguments_delta": unsent,
            "executed_by": self.executed_by,
        }

    def close(self) -> dict[str, Any]:
        """What the last chunk of the call says: its arguments, parsed.

        Raises:
            ProviderError: The call never got a name (`protocol`).
        """
        if not self.announced:
            raise ProviderError("protocol", "The service sent a tool call without a name.")
        text = "".join(self.text)
        self.text.clear()
        self.done = True
        result = None if self.free_text else parse_arguments(text)
        is_invalid = isinstance(result, InvalidArguments)
        return {
            "call_id": self.call_id,
            "name": self.name,
            "done": True,
            "arguments": None if is_invalid else result,
            "input": text if self.free_text else None,
            "invalid": result if is_invalid else None,
            "executed_by": self.executed_by,
        }


def parse_arguments(text: str) -> dict[str, Any] | InvalidArguments:
    """Reads the arguments of a whole call: an object, or why it is none.

    No text at all means no arguments: services write it for tools that take none.
    """
    if not text.strip():
        return {}
    try:
        value = _read(text)
    except (ValueError, RecursionError) as error:
        return InvalidArguments(text=text, reason=f"not valid JSON: {error}")
    if not isinstance(value, dict):
        return InvalidArguments(text=text, reason=f"a JSON {type(value).__name__}, not an object")
    return value


def _read(text: str) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        # The fast parser refuses escapes of half a character, which JSON allows.
        if "\\u" not in text:
            raise
        return mended_value(json.loads(text, parse_constant=_refuse_constant))


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"JSON knows no {word}")
