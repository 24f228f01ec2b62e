"""Facts about a whole answer, collected until its last chunk carries them."""

from typing import Any, Final, cast, get_args

from streamkit.assembly.deltas import IdentityDelta, MetadataDelta, UsageDelta
from streamkit.assembly.unicode import mended_value
from streamkit.chunks import FinishReason, Usage
from streamkit.errors import ProviderError

_REASONS: Final[tuple[str, ...]] = get_args(FinishReason)


class AnswerFacts:
    """What is known of one answer besides its parts.

    Attributes:
        usage: The last snapshot of the token counts.
        metadata: The provider's own facts, with the wire's own usage among them.
        response_id: The service's id of the answer; the first one counts.
        model: The model as the service names it, likewise.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.metadata: dict[str, Any] = {}
        self.response_id: str | None = None
        self.model: str | None = None

    def add_usage(self, delta: UsageDelta) -> None:
        """The last one wins; nothing is summed."""
        self.usage = checked(delta.usage, Usage, "usage")
        if delta.wire:
            self.metadata["usage"] = delta.wire

    def add_metadata(self, delta: MetadataDelta) -> None:
        """Lists grow; of anything else the last value counts."""
        for name, value in delta.values.items():
            known = self.metadata.get(name)
            if isinstance(known, list) and isinstance(value, list):
                value = [*known, *value]
            self.metadata[name] = value

    def add_identity(self, delta: IdentityDelta) -> None:
        """The first of each counts: some services change them in mid-answer."""
        self.response_id = self.response_id or text_or_none(delta.response_id, "response id")
        self.model = self.model or text_or_none(delta.model, "model name")


def text_or_none(value: Any, what: str) -> str | None:
    """A text without half characters, or nothing.

    Raises:
        ProviderError: It is something else (`plugin`).
    """
    return None if value is None else cast(str, mended_value(checked(value, str, what)))


def check_reason(reason: str) -> None:
    """Refuses a finish reason that the schema does not have.

    Raises:
        ProviderError: It does not (`plugin`).
    """
    if reason not in _REASONS:
        raise ProviderError(
            "plugin",
            f"The provider gave {reason!r} as finish reason; there are {', '.join(_REASONS)}.",
        )


def checked(value: Any, expected: type, what: str) -> Any:
    """Refuses a value that the last chunk could not be made with.

    Raises:
        ProviderError: It is not of the expected type (`plugin`).
    """
    if not isinstance(value, expected):
        given = type(value).__name__
        raise ProviderError("plugin", f"The provider gave {given} instead of {what}.")
    return value
