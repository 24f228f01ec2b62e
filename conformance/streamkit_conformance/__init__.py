"""Proof that a provider streams right: generated answers, every cut and fault, all rules, offline.

    from streamkit_conformance import Conformance, dialects

    target = Conformance("acme", dialect=dialects.openai_sse())

As a name in a test module this is all that pytest needs: one item for each rule and backend.

A name is loaded on first use: whoever has the kit installed has its plug-ins loaded with every
pytest and every `streamkit`, and must not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamkit_conformance import dialects as dialects
    from streamkit_conformance.axes import Axis as Axis
    from streamkit_conformance.axes import Style as Style
    from streamkit_conformance.case import Ask as Ask
    from streamkit_conformance.dialects.base import Dialect as Dialect
    from streamkit_conformance.dialects.base import Spoken as Spoken
    from streamkit_conformance.framing import NDJSON as NDJSON
    from streamkit_conformance.framing import SSE as SSE
    from streamkit_conformance.framing import Framing as Framing
    from streamkit_conformance.framing import Named as Named
    from streamkit_conformance.report.report import Report as Report
    from streamkit_conformance.run import check as check
    from streamkit_conformance.script import ErrorRecord as ErrorRecord
    from streamkit_conformance.script import Finish as Finish
    from streamkit_conformance.script import Reasoning as Reasoning
    from streamkit_conformance.script import Script as Script
    from streamkit_conformance.script import Text as Text
    from streamkit_conformance.script import Tokens as Tokens
    from streamkit_conformance.script import ToolArguments as ToolArguments
    from streamkit_conformance.script import ToolCall as ToolCall
    from streamkit_conformance.script import ToolStart as ToolStart
    from streamkit_conformance.target import Conformance as Conformance
    from streamkit_conformance.target import Env as Env
    from streamkit_conformance.target import TargetError as TargetError
    from streamkit_conformance.target import Waiver as Waiver

_NAMES_OF_MODULE = {
    "axes": "Axis Style",
    "case": "Ask",
    "dialects.base": "Dialect Spoken",
    "framing": "Framing NDJSON Named SSE",
    "report.report": "Report",
    "run": "check",
    "script": "ErrorRecord Finish Reasoning Script Text Tokens ToolArguments ToolCall ToolStart",
    "target": "Conformance Env TargetError Waiver",
}
_MODULE_OF_NAME = {
    name: module for module, names in _NAMES_OF_MODULE.items() for name in names.split()
}

__all__ = sorted([*_MODULE_OF_NAME, "dialects"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "dialects":
        return import_module(f"{__name__}.dialects")
    module = _MODULE_OF_NAME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
