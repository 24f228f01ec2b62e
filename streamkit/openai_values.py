"""Values of parsed JSON as the readers of OpenAI's dialect want them, whatever a server wrote."""

from typing import Any

from streamkit.errors import ProviderError

__all__ = ["as_object", "as_text", "as_word", "no_such_frame"]


def as_object(value: Any) -> dict[str, Any]:
    """The object itself; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_text(value: Any, name: str) -> str:
    """A text; empty for null.

    Raises:
        ProviderError: It is anything else (`protocol`).
    """
    if value is not None and not isinstance(value, str):
        raise no_such_frame(f"`{name}` is no text")
    return value or ""


def as_word(value: Any) -> str | None:
    """A text or a number as text; `None` when it is empty or anything else."""
    is_word = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
    return str(value) if is_word else None


def no_such_frame(why: str) -> ProviderError:
    """The error for a frame that is none of the dialect."""
    return ProviderError("protocol", f"The service's answer makes no sense: {why}.")
