"""One whole JSON body: bytes in, one frame at the end.

The rules kept here:

1. The body is the frame. It is complete when the body ends, and only then.
2. Whitespace around it is dropped: services send empty lines to keep the connection alive
   while they work, and that may be for minutes, so they do not count against the limit.
3. One byte order mark before it is dropped.
4. An empty body is no frame.
5. Whether the body is JSON is for its reader to find out (`Frame.json`): an error page
   in HTML is a frame too, and says more than its absence would.
"""

from streamkit.wire.frames import (
    BYTE_ORDER_MARK,
    JSON_WHITESPACE,
    MAX_FRAME_BYTES,
    Frame,
    FramingError,
    too_large,
)


class JSONBodyFramer:
    """Turns the reads of one `application/json` body into its one frame.

    Args:
        max_frame_bytes: The limit for the body.
    """

    __slots__ = ("_fault", "_held", "_max_frame_bytes")

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._held = bytearray()
        self._fault: str | None = None

    @property
    def pending(self) -> bool:
        """Whether a body has begun that was not returned; never true after `close`."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[Frame]:
        """Hold the next bytes; always returns an empty list.

        Raises:
            FramingError: The body exceeds the limit.
        """
        if self._fault is not None:
            raise FramingError(self._fault)
        self._held += data if self._held else data.lstrip(JSON_WHITESPACE)
        if len(self._held) > self._max_frame_bytes:
            self._held.clear()
            fault = too_large(self._max_frame_bytes)
            self._fault = fault.reason
            raise fault
        return []

    def close(self) -> list[Frame]:
        """Return the body as one frame, or nothing if it is empty.

        Raises:
            FramingError: The body exceeded the limit before.
        """
        if self._fault is not None:
            raise FramingError(self._fault)
        body = bytes(self._held).removeprefix(BYTE_ORDER_MARK).strip(JSON_WHITESPACE)
        self._held.clear()
        return [Frame(body)] if body else []
