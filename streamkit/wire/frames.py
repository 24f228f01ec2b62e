r"""What the framers share: the frame, the fault, the limit and the contract.

The rules kept here:

1. A frame holds bytes. They are decoded where they are used, once, and strictly:
   invalid UTF-8 is a fault and is never replaced by U+FFFD.
2. JSON is what RFC 8259 says, with one addition. `pydantic_core` refuses the escape
   of a lone surrogate (`"\ud83d"`), which services do send when they cut an emoji
   in two; Python's own parser accepts it, so such a frame is read by that one.
3. `NaN` and `Infinity` are not JSON and are refused. A number too large for a float
   (`1e999`) is JSON and becomes infinity.
4. A reason names a place in the frame and never its content, which may be private.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic_core import from_json

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""The default limit for one frame. Inline images of several MB are real."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""U+FEFF in UTF-8: one of it may stand at the very start of a body and means nothing."""

JSON_WHITESPACE = b" \t\r\n"
"""The only bytes that JSON lets stand around a value."""

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


class FramingError(ValueError):
    """The bytes are not what their wire format says.

    Attributes:
        reason: What is wrong, one sentence without a full stop, safe to show: it
            never contains anything of the frame.
        frames: The frames that the failed call had completed before the fault, in
            order. They are as good as any other and must not be lost.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.frames: list[Frame] = []


# Not frozen, though a value: a frozen dataclass pays twice the price on construction,
# and one is built for every delta of every stream. Nobody changes a frame.
@dataclass(slots=True)
class Frame:
    """One whole unit of the wire format: an SSE event, an NDJSON line, a JSON body.

    Attributes:
        data: The frame's content, as sent. Not checked in any way.
        event: The event's name, for SSE. Empty when none was given, which the
            standard takes for "message".
    """

    # The content stays out of the repr: it ends up in logs and tracebacks.
    data: bytes = field(repr=False)
    event: str = ""

    def text(self) -> str:
        """Return the content as text.

        Raises:
            FramingError: The content is not valid UTF-8.
        """
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            place = error.start
        # Raised outside the handler, so without a cause: a UnicodeDecodeError carries the
        # whole content along.
        raise FramingError(f"the frame is not valid UTF-8: invalid byte at offset {place}")

    def json(self) -> Any:
        """Return the content parsed as JSON.

        Of two equal keys the last wins. A lone surrogate escape becomes that lone
        surrogate, which can be joined with its other half later.

        Raises:
            FramingError: The content is not valid UTF-8, not valid JSON, nested more than
                200 levels deep or contains an integer of more than 4,300 digits.
        """
        try:
            return from_json(self.data, allow_inf_nan=False)
        except ValueError:
            return self._json_with_lone_surrogates()

    def object(self) -> dict[str, Any]:
        """Return the content parsed as a JSON object.

        Raises:
            FramingError: As `json` does, and when the JSON is not an object.
        """
        value = self.json()
        if isinstance(value, dict):
            return value
        raise FramingError("the frame is not a JSON object")

    def _json_with_lone_surrogates(self) -> Any:
        text = self.text()
        # Every surrogate escape is first put out of the way by one that is never refused
        # and is as long. So the strict parser still judges all the rest (depth, NaN,
        # syntax) and names the right place; only then may the lenient one read it.
        harmless = _SURROGATE_ESCAPE.sub(rb"\\ufffd", self.data)
        try:
            from_json(harmless, allow_inf_nan=False)
            return json.loads(text)
        except ValueError as error:
            raise FramingError(f"the frame is not valid JSON: {error}") from error


class Framer(Protocol):
    """Turns the reads of one body into frames; one framer serves one body.

    However a body is cut into reads, the frames are the same, and each is returned
    by the call that completes it. A fault spends the framer: every later call raises
    the same reason, with no frames.
    """

    @property
    def pending(self) -> bool:
        """Whether a frame has begun that was not returned.

        True after `close` means that the body was cut off.
        """
        ...

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that the next bytes complete.

        Raises:
            FramingError: The bytes break the wire format or its limit. The frames
                completed by this call before the fault are in its `frames`.
        """
        ...

    def close(self) -> list[Frame]:
        """Return the frames that the end of the body completes; nothing may be fed after.

        Raises:
            FramingError: As `feed` does. A body that merely stops early is no fault: it
                leaves `pending` true.
        """
        ...


def too_large(max_frame_bytes: int) -> FramingError:
    """Return the fault of a frame that exceeds the limit."""
    return FramingError(f"a frame exceeds {max_frame_bytes} bytes")


def is_whole_json(data: bytes) -> bool:
    """Whether the bytes are a JSON text that cannot be the beginning of a longer one.

    A bare number is never known to be whole: `12` may be all that arrived of `123`.
    """
    try:
        value = Frame(data).json()
    except FramingError:
        return False
    return isinstance(value, bool) or not isinstance(value, int | float)
