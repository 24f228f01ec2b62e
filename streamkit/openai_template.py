"""Recognises frames of one answer that differ in their text alone, and reads just that.

Most frames of a long answer are the same bytes around another piece of text. Parsing the rest of
them again and again is most of what reading a stream costs. The shortcut is exact: what stands
before the text ends inside the same JSON string as before, what stands behind it begins with that
string's closing quote, and what is between must parse as one JSON string; so the frame as a whole
parses to the same object with that text in it. Anything else is read the long way.

One field may differ besides: `obfuscation`, random letters and digits with which OpenAI hides the
length of the text. It means nothing and is read by nobody.
"""

import re
from typing import Final

from pydantic_core import from_json

_CONTENT: Final = re.compile(rb'"content"\s*:\s*"')
_PADDING: Final = re.compile(rb'"obfuscation"\s*:\s*"(?=[0-9A-Za-z]*")')
_STRING: Final = re.compile(rb'(?:[^"\\]|\\.)*')

# Frames to learn from in one answer. A server that varies more than the text from frame to frame
# teaches nothing, and trying costs more than it saves.
_LESSONS: Final = 8


class ContentTemplate:
    """What stands before and behind the text in the frames of one answer."""

    __slots__ = ("_after", "_before", "_lesson", "_lessons", "_shortest", "_to_padding")

    def __init__(self) -> None:
        self._lesson: tuple[bytes, str] | None = None
        self._before = b""
        self._to_padding = b""  # from behind the text to the padding, where there is one
        self._after = b""
        self._shortest = 0
        self._lessons = _LESSONS

    def text_of(self, data: bytes) -> str | None:
        """The text of a frame that fits; `None` for any other."""
        if self._lesson is not None:
            self._learn(*self._lesson)
        before, after = self._before, self._after
        if (
            not before
            or len(data) < self._shortest
            or not data.startswith(before)
            or not data.endswith(after)
        ):
            return None
        begin, end = len(before), len(data) - len(after)
        if self._to_padding:
            behind = data.rfind(self._to_padding, begin, end)
            padding = data[behind + len(self._to_padding) : end]
            if behind < 0 or not (padding.isalnum() or not padding):
                return None
            end = behind
        try:
            text: str = from_json(b'"%b"' % data[begin:end])
        except ValueError:
            return None
        return text

    def learn(self, data: bytes, text: str) -> None:
        """Remembers what stands around `text` in a frame that holds it as content and no more.

        It does so when the next frame comes: a first piece of text is not kept waiting for it.

        Args:
            data: The frame, which is valid JSON.
            text: What was read from it.
        """
        self._lesson = (data, text)

    def _learn(self, data: bytes, text: str) -> None:
        self._lesson = None
        self._before = b""
        if self._lessons == 0:
            return
        self._lessons -= 1
        found = _CONTENT.search(data)
        if found is None or _CONTENT.search(data, found.end()) is not None:
            return
        begin = found.end()
        string = _STRING.match(data, begin)
        if string is None or not _says(string.group(), text):
            return
        rest = data[string.end() :]
        padding = _PADDING.search(rest)
        self._to_padding = rest[: padding.end()] if padding is not None else b""
        self._after = rest[rest.index(b'"', padding.end()) :] if padding is not None else rest
        self._before = data[:begin]
        self._shortest = len(self._before) + len(self._to_padding) + len(self._after)


def _says(string: bytes, text: str) -> bool:
    try:
        return bool(from_json(b'"%b"' % string) == text)
    except ValueError:
        return False  # half a character, which only the lenient parser reads
