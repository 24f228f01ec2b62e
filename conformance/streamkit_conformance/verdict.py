"""What was seen means: outcomes of one trace, verdicts over all of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

__all__ = [
    "Fail",
    "GREEN",
    "IRRELEVANT",
    "Irrelevant",
    "NotApplicable",
    "Outcome",
    "PASS",
    "Pass",
    "Untestable",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class Pass:
    """The trace shows that the rule is kept."""


@dataclass(frozen=True, slots=True)
class Irrelevant:
    """The trace says nothing about the rule; alone it never makes a verdict green."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The trace breaks the rule.

    Attributes:
        message: What is wrong, in one sentence.
        expected: What should have come, as text.
        got: What came, as text.
    """

    message: str
    expected: str = ""
    got: str = ""


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The rule cannot speak of this subject, whatever it does; reports show the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Untestable:
    """The rule should speak of it and could not be tried."""

    reason: str


Outcome: TypeAlias = Pass | Irrelevant | Fail | NotApplicable | Untestable

PASS: Final = Pass()
IRRELEVANT: Final = Irrelevant()


class Verdict(StrEnum):
    """What a rule says of a subject on one backend."""

    PASS = "pass"
    FAIL = "fail"
    VACUOUS = "vacuous"  # no trace showed anything
    UNTESTABLE = "untestable"
    WAIVED = "waived"
    STALE_WAIVER = "stale-waiver"  # waived, and would pass, or the waiver is no longer valid
    NOT_APPLICABLE = "not-applicable"


#: The verdicts that let a run be green.
GREEN: Final = frozenset({Verdict.PASS, Verdict.WAIVED, Verdict.NOT_APPLICABLE})
