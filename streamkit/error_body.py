"""What the body of a failed answer says, whatever its shape: parsed JSON or bytes in, facts out.

Nothing is decided here: `classify` says what the facts mean.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any, Final

from pydantic_core import from_json, to_json

from streamkit.wire.frames import BYTE_ORDER_MARK, Frame, FramingError

__all__ = [
    "Facts",
    "as_json",
    "facts_of",
    "has_error",
    "is_html",
    "parsed_body",
    "sentence_of_text",
    "value_at",
    "whole_characters",
]

# More than anyone is shown: the text is cut again after secrets are hidden in it.
MAX_SENTENCE: Final = 2000

_HTML: Final = re.compile(rb"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class Facts:
    """What an error payload says, whatever its shape."""

    sentence: str
    words: list[tuple[str, str]]
    number: int | None

    def code(self) -> str | None:
        """The service's own name for the error: its code, else another word, else the number."""
        named = [word for where, word in self.words if where == "code"]
        named += [word for _, word in self.words]
        return named[0] if named else None if self.number is None else str(self.number)


def value_at(payload: Any, path: str) -> Any:
    """What stands in parsed JSON at a path such as `choices.0.usage`; `None` where nothing does."""
    for step in path.split("."):
        if isinstance(payload, dict):
            payload = payload.get(step)
        elif isinstance(payload, list) and step.isdecimal() and int(step) < len(payload):
            payload = payload[int(step)]
        else:
            return None
    return payload


def has_error(payload: Mapping[str, Any], error_path: str | None) -> bool:
    """Whether a JSON object says that it holds an error."""
    return bool(payload.get("error") or (error_path and value_at(payload, error_path)))


def facts_of(payload: Any, error_path: str | None) -> Facts:
    """What an error payload of any shape says.

    Args:
        payload: The parsed JSON, or the sentence that stands for a body that is none.
        error_path: Where the provider's errors stand, when it has a place of its own for them.
    """
    if isinstance(payload, list) and payload:
        # One service sends the error as the only item of a list.
        payload = payload[0]
    inner = value_at(payload, error_path) if error_path else None
    # Where the path leads to a bare sentence, what names the error stands beside it.
    naming = inner if isinstance(inner, dict) else None
    if not inner:
        inner = payload
        if isinstance(payload, dict) and isinstance(payload.get("error"), dict):
            inner = payload["error"] or payload
    elif naming is None:
        parent = (error_path or "").rpartition(".")[0]
        naming = value_at(payload, parent) if parent else payload
    words: list[tuple[str, str]] = []
    number: int | None = None
    for where, value in _named(inner if naming is None else naming):
        status = _as_status(value)
        if status is not None:
            number = number or status
        elif value and isinstance(value, str | int) and not isinstance(value, bool):
            words.append((where, str(value)))
    return Facts(_sentence(inner).strip()[:MAX_SENTENCE], words, number)


def _named(error: Any) -> Iterator[tuple[str, Any]]:
    """Every value of an error object that may name the error, in the order of their worth."""
    if not isinstance(error, dict):
        return
    for name in ("type", "code", "status", "status_code"):
        yield name, error.get(name)
    inner = error.get("innererror")
    if isinstance(inner, dict):
        yield "innererror", inner.get("code")
    details = error.get("details")
    for item in details if isinstance(details, list) else ():
        if isinstance(item, dict):
            yield "reason", item.get("reason")


def _as_status(value: Any) -> int | None:
    if isinstance(value, str) and value.isdigit() and len(value) == 3:
        value = int(value)
    is_status = isinstance(value, int) and 400 <= value <= 599
    return value if is_status else None


def _sentence(value: Any) -> str:
    """The words for people in an error of any shape."""
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, list):
        return "; ".join(filter(None, map(_sentence, value)))
    if not isinstance(value, dict):
        return ""
    said = next(
        filter(
            None, (_sentence(value.get(name)) for name in ("message", "msg", "detail", "error"))
        ),
        "",
    )
    place = value.get("loc")
    if said and isinstance(place, list):
        # How FastAPI reports what is wrong with a request, one item for each field.
        said = f"{'.'.join(map(str, place))}: {said}"
    return said


def parsed_body(body: bytes) -> Any:
    """The JSON of a body, as far as it was read; `None` for one that is no JSON."""
    data = body.removeprefix(BYTE_ORDER_MARK)
    try:
        return Frame(data).json()
    except FramingError:
        pass  # perhaps only cut: what can be read of it still says more than nothing
    try:
        return from_json(data, allow_partial="trailing-strings") if data[:1] in b"{[" else None
    except ValueError:
        return None


def is_html(body: bytes) -> bool:
    """Whether a body is a page for people: a gateway's, or a website's."""
    return _HTML.match(body.removeprefix(BYTE_ORDER_MARK)) is not None


def sentence_of_text(body: bytes) -> str:
    """A sentence about a body that is not JSON; empty when there is nothing to say."""
    data = body.removeprefix(BYTE_ORDER_MARK)
    text = data.decode("utf-8", "replace")
    if is_html(body):
        title = _TITLE.search(text)
        named = " ".join(unescape(title[1]).split())[:200] if title else ""
        page = "The service answered with an HTML page, not an API answer"
        return f"{page}: {named}" if named else f"{page}."
    if not _is_text(data):
        return "The service answered with bytes that are no text."
    if text.lstrip()[:1] in {"{", "["}:
        return ""
    return " ".join(text.split())[:MAX_SENTENCE]


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        # A long body is cut anywhere, also inside its last character.
        return error.reason == "unexpected end of data"
    return True


def whole_characters(text: str) -> str:
    """The text with U+FFFD for every half of a surrogate pair, which no UTF-8 can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def as_json(payload: Any) -> str:
    """A payload as text again, for developers to read."""
    try:
        return to_json(payload).decode()
    except ValueError:
        # Half of a surrogate pair somewhere inside: the repr shows it as an escape.
        return repr(payload)
