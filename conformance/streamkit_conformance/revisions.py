"""The revisions of the rule book: which rules a claim of each is about, frozen for ever.

A new rule comes as a preview and is scored from the next revision on. A rule is never renumbered
and never leaves the list of a revision; what a claim of `2026.1` means does not change.
"""

from collections.abc import Mapping
from typing import Final

from streamkit_conformance.rules.registry import CURRENT, Rule

__all__ = ["REVISIONS", "is_scored", "revision_order"]

REVISIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "2026.1": (),
}


def is_scored(rule: Rule, revision: str) -> bool:
    """Whether a rule is part of a revision; an empty one is the current."""
    return not rule.is_preview and revision_order(rule.since) <= revision_order(revision or CURRENT)


def revision_order(revision: str) -> tuple[int, ...]:
    """What revisions are sorted by.

    Raises:
        ValueError: It is no revision.
    """
    try:
        return tuple(int(each) for each in revision.split("."))
    except ValueError as error:
        raise ValueError(f"{revision!r} is no revision, such as {CURRENT}") from error
