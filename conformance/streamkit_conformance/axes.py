"""How a wire may look without saying anything else: axes, each with a neutral first value.

A service may end lines with CR LF, put no space after `data:`, send comments. None of it changes
what the model said, so none of it may change the chunks; each axis names the rule that says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Axis", "PLAIN", "Style"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One way in which a wire may differ.

    Attributes:
        name: Its key in a style, such as `newline`.
        label: What a diagnosis calls it, such as `NEWLINE STYLE`.
        values: What it may be, the neutral one first.
        rule: The rule that a difference along it breaks.
    """

    name: str
    label: str
    values: tuple[Any, ...]
    rule: str

    @property
    def neutral(self) -> Any:
        """The value of a wire that looks as most do."""
        return self.values[0]


@dataclass(frozen=True, slots=True)
class Style:
    """Values of axes; one that is not named is neutral."""

    values: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, **values: Any) -> "Style":
        """A style with these values."""
        return cls(tuple(sorted(values.items())))

    def get(self, axis: Axis) -> Any:
        """The value along an axis."""
        return dict(self.values).get(axis.name, axis.neutral)

    def without(self, name: str) -> "Style":
        """The same style, neutral along one axis."""
        return Style(tuple(each for each in self.values if each[0] != name))

    def with_(self, **values: Any) -> "Style":
        """The same style with other values."""
        return Style.of(**{**dict(self.values), **values})

    def changed(self, axes: Iterable[Axis]) -> list[Axis]:
        """The axes along which it is not neutral."""
        return [axis for axis in axes if self.get(axis) != axis.neutral]

    def to_json(self) -> Mapping[str, Any]:
        """The style as JSON values."""
        return dict(self.values)


PLAIN: Final = Style()
