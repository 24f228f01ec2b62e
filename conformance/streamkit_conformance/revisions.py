"""The revisions of the rule book: which rules a claim of each is about, frozen for ever.

A new rule comes as a preview and is scored from the next revision on. A rule is never renumbered
and never leaves the list of a revision; what a claim of `2026.1` means does not change.
"""

from collections.abc import Mapping
from typing import Final

from streamkit_conformance.rules.registry import CURRENT, Rule

__all__ = ["REVISIONS", "is_scored", "revision_order"]

_2026_1: Final = """
    SK-LIFE-001 SK-LIFE-002 SK-LIFE-003 SK-LIFE-004 SK-LIFE-005
    SK-LIFE-006 SK-LIFE-007 SK-LIFE-008 SK-LIFE-009
    SK-CONT-001 SK-CONT-002 SK-CONT-003 SK-CONT-004 SK-CONT-005
    SK-CONT-006
    SK-FRAME-001 SK-FRAME-002 SK-FRAME-003 SK-FRAME-004 SK-FRAME-005
    SK-FRAME-006 SK-FRAME-007 SK-FRAME-008 SK-FRAME-009 SK-FRAME-010
    SK-UNI-001 SK-UNI-002 SK-UNI-003 SK-UNI-004 SK-UNI-005
    SK-TOOL-001 SK-TOOL-002 SK-TOOL-003 SK-TOOL-004 SK-TOOL-005
    SK-TOOL-006 SK-TOOL-007 SK-TOOL-008 SK-TOOL-009
    SK-REAS-001 SK-REAS-002 SK-REAS-003
    SK-USE-001 SK-USE-002 SK-USE-003 SK-USE-004 SK-USE-005
    SK-PRE-001 SK-PRE-002 SK-PRE-003 SK-PRE-004 SK-PRE-005
    SK-PRE-006 SK-PRE-007
    SK-MID-001 SK-MID-002 SK-MID-003 SK-MID-004 SK-MID-005
    SK-TRUNC-001 SK-TRUNC-002 SK-TRUNC-003 SK-TRUNC-004 SK-TRUNC-005
    SK-TIME-001 SK-TIME-002 SK-TIME-003 SK-TIME-004 SK-TIME-005
    SK-RES-001 SK-RES-002 SK-RES-003 SK-RES-004 SK-RES-005
    SK-RES-006 SK-RES-007 SK-RES-008
    SK-ISO-001 SK-ISO-002 SK-ISO-003 SK-ISO-004
    SK-SEC-001 SK-SEC-002 SK-SEC-003 SK-SEC-004 SK-SEC-005
    SK-SEC-006 SK-SEC-007
    SK-META-001 SK-META-002 SK-META-003 SK-META-004 SK-META-005
    SK-META-006 SK-META-007 SK-META-008
    SK-PAR-001 SK-PAR-002 SK-PAR-003
    SK-DISC-001 SK-DISC-002
    SK-SER-001
    SK-CAP-001 SK-CAP-002 SK-CAP-003 SK-CAP-004
    SK-REQ-001 SK-REQ-002 SK-REQ-003 SK-REQ-004 SK-REQ-005
    SK-REQ-006 SK-REQ-007 SK-REQ-008 SK-REQ-009 SK-REQ-010
"""

REVISIONS: Final[Mapping[str, tuple[str, ...]]] = {"2026.1": tuple(_2026_1.split())}


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
