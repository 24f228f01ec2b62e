"""Newline-delimited JSON: bytes in, one frame per line out.

The rules kept here:

1. A line ends with LF or CR LF. A lone CR is whitespace to JSON and ends nothing.
2. A line of whitespace is no frame.
3. One byte order mark at the start of the body is dropped.
4. A last line without its LF is returned if it is whole beyond doubt, that is if it parses.
   Anything else leaves `pending` true: the body was cut off.
"""

from streamkit.wire.frames import (
    JSON_WHITESPACE,
    MAX_FRAME_BYTES,
    Frame,
    FramingError,
    is_whole_json,
    too_large,
)
from streamkit.wire.lines import LineSplitter


class NDJSONFramer:
    """Turns the reads of one `application/x-ndjson` body into frames.

    Args:
        max_frame_bytes: The limit for one line, without its end.
    """

    __slots__ = ("_between_lines", "_fault", "_lines", "_max_frame_bytes", "_rest")

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        # One more for the CR, which the splitter leaves in the line.
        self._lines = LineSplitter(max_frame_bytes + 1, lone_cr=False)
        self._rest = b""
        # Nothing is held and the first line is over: the next byte simply begins a line.
        self._between_lines = False
        self._fault: str | None = None

    @property
    def pending(self) -> bool:
        """Whether a line has begun that was not returned."""
        return bool(self._lines.held or self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the lines that the next bytes complete.

        Raises:
            FramingError: A line exceeds the limit. The lines before it are in the
                error's `frames`.
        """
        # The shortcut for what servers do: this read is exactly one line.
        if (
            self._between_lines
            and data.find(b"\n") == len(data) - 1
            and data.startswith(b"{")
            and len(data) <= self._max_frame_bytes
        ):
            return [Frame(data[:-1].removesuffix(b"\r"))]
        if self._fault is not None:
            raise FramingError(self._fault)
        frames: list[Frame] = []
        for line in self._lines.feed(data):
            self._take_line(line.removesuffix(b"\r"), frames)
        if self._lines.overflowed:
            self._fail(frames)
        self._between_lines = self._lines.is_between_lines()
        return frames

    def close(self) -> list[Frame]:
        """Return the last line if only its end is missing.

        Raises:
            FramingError: A line exceeded the limit before.
        """
        if self._fault is not None:
            raise FramingError(self._fault)
        rest = self._lines.close().strip(JSON_WHITESPACE)
        if is_whole_json(rest):
            return [Frame(rest)]
        self._rest = rest
        return []

    def _take_line(self, line: bytes, frames: list[Frame]) -> None:
        if len(line) > self._max_frame_bytes:
            self._fail(frames)
        if line.strip(JSON_WHITESPACE):
            frames.append(Frame(line))

    def _fail(self, frames: list[Frame]) -> None:
        fault = too_large(self._max_frame_bytes)
        self._fault = fault.reason
        self._between_lines = False
        fault.frames = frames
        raise fault
