"""Proof that a provider streams right: generated answers, every cut and fault, all rules, offline.

    from streamkit_conformance import Conformance, dialects

    target = Conformance("acme", dialect=dialects.openai_sse())

As a name in a test module this is all that pytest needs: one item for each rule and backend.
"""

from streamkit_conformance import dialects
from streamkit_conformance.axes import Axis, Style
from streamkit_conformance.case import Ask
from streamkit_conformance.dialects.base import Dialect, Spoken
from streamkit_conformance.framing import NDJSON, SSE, Framing, Named
from streamkit_conformance.report.report import Report
from streamkit_conformance.run import check
from streamkit_conformance.script import (
    ErrorRecord,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolCall,
    ToolStart,
)
from streamkit_conformance.target import Conformance, Env, TargetError, Waiver

__all__ = [
    "Ask",
    "Axis",
    "Conformance",
    "Dialect",
    "Env",
    "ErrorRecord",
    "Finish",
    "Framing",
    "NDJSON",
    "Named",
    "Reasoning",
    "Report",
    "SSE",
    "Script",
    "Spoken",
    "Style",
    "TargetError",
    "Text",
    "Tokens",
    "ToolArguments",
    "ToolCall",
    "ToolStart",
    "Waiver",
    "check",
    "dialects",
]
