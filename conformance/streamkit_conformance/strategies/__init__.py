"""Random cases for Hypothesis: `cases(plan)` makes whole ones for a dialect."""

from streamkit_conformance.strategies.cases import cases

__all__ = ["cases"]
