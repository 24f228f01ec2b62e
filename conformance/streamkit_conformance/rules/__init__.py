"""The rule book: one module for each group, and all rules in order."""

from importlib import import_module
from typing import Final

from streamkit_conformance.rules.registry import RULES, Rule

__all__ = ["GROUPS", "all_rules", "find"]

#: The groups in the order of the book; each is a module beside this one.
GROUPS: Final = (
    "life",
    "cont",
    "frame",
    "uni",
    "tool",
    "reas",
    "use",
    "pre",
    "mid",
    "trunc",
    "timing",
    "res",
    "iso",
    "sec",
    "meta",
    "par",
    "disc",
    "ser",
    "cap",
    "req",
    "retry",
)

for _group in GROUPS:
    import_module(f"{__name__}.{_group}")


def all_rules() -> list[Rule]:
    """All rules, in the order of the book."""
    return list(RULES.values())


def find(id: str) -> Rule:
    """The rule with this id.

    Raises:
        KeyError: There is none.
    """
    return RULES[id]
