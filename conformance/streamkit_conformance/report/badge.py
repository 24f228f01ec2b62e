"""A badge that states a claim, never a percentage: one broken MUST hides well behind 98 %."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from streamkit_conformance.report.report import NO_CLAIM, NOT_CONFORMANT, Report
from streamkit_conformance.report.visible import readable

__all__ = ["endpoint", "svg"]

_COLOURS: Final[Mapping[str, str]] = {
    NOT_CONFORMANT: "#b3261e",
    NO_CLAIM: "#5f6368",
    "with waivers": "#8a5a00",
    "": "#1b7f3b",
}
# Widths of Verdana's characters at 11 pixels, near enough: the text is stretched to the sum.
_NARROW: Final = frozenset("ijlft.,:;!|'()[]I ·")
_WIDE: Final = frozenset("mwMW+%@")
_HEIGHT: Final = 20
_PADDING: Final = 6


def endpoint(report: Report) -> dict[str, Any]:
    """The values that shields.io's endpoint badge reads from a file."""
    label, message = _words(report)
    return {
        "schemaVersion": 1,
        "label": label,
        "message": message,
        "color": _colour(report).lstrip("#"),
        "isError": not report.is_green,
    }


def svg(report: Report) -> str:
    """The badge as a picture that needs no service."""
    label, message = (readable(each, lines=False) for each in _words(report))
    left, right = (_width(each) + 2 * _PADDING for each in (label, message))
    title = escape(f"{label}: {message}", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" '
        f'role="img" aria-label="{title}"><title>{title}</title>'
        f'<rect width="{left + right}" height="{_HEIGHT}" rx="3" fill="{_colour(report)}"/>'
        f'<path d="M3 0H{left}V{_HEIGHT}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#3c4043"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">'
        f"{_text(label, 0)}{_text(message, left)}</g></svg>\n"
    )


def _words(report: Report) -> tuple[str, str]:
    """What stands left and right."""
    head, dot, rest = report.claim.partition(" · ")
    if dot:
        return head, rest
    return f"streamkit {report.revision}".strip(), report.claim


def _colour(report: Report) -> str:
    claim = report.claim
    return next(
        colour for words, colour in _COLOURS.items() if claim == words or claim.endswith(words)
    )


def _width(shown: str) -> int:
    return sum(4 if each in _NARROW else 10 if each in _WIDE else 7 for each in shown)


def _text(shown: str, x: int) -> str:
    return (
        f'<text x="{x + _PADDING}" y="14" textLength="{_width(shown)}">'
        f"{escape(shown, quote=True)}</text>"
    )
