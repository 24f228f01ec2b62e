"""Server-sent events: bytes in, one frame per event out.

The rules are those of the WHATWG HTML standard, "Server-sent events", sections "Parsing
an event stream" and "Interpreting an event stream":

1. An empty line ends an event. A line that begins with a colon is a comment.
2. Otherwise the field's name is what stands before the first colon, exactly (` data` and
   `Data` are other fields, and ignored), and its value what stands behind it, less one space.
   A line without a colon is a name with an empty value.
3. The values of several `data` lines are joined with LF. The last `event` line counts.
   `id` and `retry` serve reconnecting, which is not done here: they are ignored.

Four departures from it, because a wrong answer is worse than none:

4. Data stays bytes; whoever reads it decodes it strictly. The standard replaces invalid UTF-8.
5. An event with empty data is not returned, also when it has a bare `data:` line: it says
   nothing, and gateways send it to keep a connection alive.
6. The standard discards an event that the end of the body leaves without its empty line.
   Servers do forget it, so such an event is returned if it is whole beyond doubt: `[DONE]`, or
   JSON that parses. Anything else leaves `pending` true.
7. No event may exceed the limit, and no line may exceed it by more than `data: `.
"""

from typing import NoReturn

from streamkit.wire.frames import (
    MAX_FRAME_BYTES,
    Frame,
    FramingError,
    is_whole_json,
    too_large,
)
from streamkit.wire.lines import LineSplitter

_DATA = b"data: "
_EVENT_END = b"\n\n"
_SHORTEST_EVENT = len(_DATA) + 1 + len(_EVENT_END)
_LF = 0x0A


class SSEFramer:
    """Turns the reads of one `text/event-stream` body into frames.

    Args:
        max_frame_bytes: The limit for the data of one event.

    Attributes:
        event_count: How many events have been completed.
        comment_count: How many comment lines have been seen. A read that gives no frame
            but raises this was a keep-alive.
    """

    __slots__ = (
        "_between_events",
        "_data",
        "_event",
        "_fault",
        "_lines",
        "_max_frame_bytes",
        "_max_line_bytes",
        "_rest",
        "comment_count",
        "event_count",
    )

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._max_line_bytes = max_frame_bytes + len(_DATA)
        self._lines = LineSplitter(self._max_line_bytes)
        # Every data line so far, each with an LF behind it, as in the standard.
        self._data = bytearray()
        self._event = ""
        # A last line that the end of the body cut off.
        self._rest = b""
        # No field, no piece of a line and no CR that waits for its LF is held, and the
        # first line is over: the next byte simply begins an event.
        self._between_events = False
        self._fault: str | None = None
        self.event_count = 0
        self.comment_count = 0

    @property
    def pending(self) -> bool:
        """Whether an event, or a line of one, has begun that was not returned."""
        return bool(self._data or self._event or self._lines.held or self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the events that the next bytes complete.

        Raises:
            FramingError: An event exceeds the limit, or its name is not valid UTF-8. The
                events before it are in the error's `frames`.
        """
        # The shortcut for what most servers do: this read is exactly one event of one line.
        if (
            self._between_events
            and data.find(b"\n") == len(data) - 2
            and data.startswith(_DATA)
            and data[-1] == _LF
            and data.find(b"\r") < 0
            and _SHORTEST_EVENT <= len(data) <= self._max_line_bytes
        ):
            self.event_count += 1
            return [Frame(data[6:-2])]
        if self._fault is not None:
            raise FramingError(self._fault)
        frames: list[Frame] = []
        if not self._between_events:
            # Finish what is held line by line. Whatever that is, two LF in a row are at
            # least one empty line and leave nothing held.
            end = data.find(_EVENT_END) + len(_EVENT_END)
            head = data[:end] if end >= len(_EVENT_END) else data
            self._feed_lines(head, frames)
            data = data[len(head) :]
        if data:
            tail = self._feed_plain_events(data, frames)
            self._feed_lines(tail, frames)
        self._between_events = self._lines.is_between_lines() and not (self._data or self._event)
        return frames

    def close(self) -> list[Frame]:
        """Return the last event if only its end is missing.

        Raises:
            FramingError: The last event exceeds the limit.
        """
        if self._fault is not None:
            raise FramingError(self._fault)
        frames: list[Frame] = []
        rest = self._lines.close()
        if rest.partition(b":")[0] == b"data":
            self._take_line(rest, frames)
        elif not rest.startswith(b":"):
            # The head of some other field, or of a name like `dat`: a cut, whatever it was.
            self._rest = rest
        data = bytes(self._data[:-1])
        if not self._rest and (data == b"[DONE]" or is_whole_json(data)):
            self._dispatch(frames)
        return frames

    def _feed_lines(self, data: bytes, frames: list[Frame]) -> None:
        for line in self._lines.feed(data):
            self._take_line(line, frames)
        if self._lines.overflowed:
            self._fail(too_large(self._max_frame_bytes), frames)

    def _feed_plain_events(self, data: bytes, frames: list[Frame]) -> bytes:
        """Take the events of a read that begins with one, if all are plain; return the rest.

        Plain is one `data: ` line and an empty line, with LF. One event that is not plain
        leaves the whole read to the line by line way, which gives the same frames.
        """
        end = data.rfind(_EVENT_END)
        if (
            end < 0
            or not data.startswith(_DATA)
            or len(data) > self._max_line_bytes
            or data.find(b"\r") >= 0
        ):
            return data
        values = data[len(_DATA) : end].split(_EVENT_END + _DATA)
        # No LF but those between the events, or some value holds a further line.
        if data.count(b"\n", 0, end) != 2 * (len(values) - 1) or b"" in values:
            return data
        frames.extend([Frame(value) for value in values])
        self.event_count += len(values)
        return data[end + len(_EVENT_END) :]

    def _take_line(self, line: bytes, frames: list[Frame]) -> None:
        if not line:
            self._dispatch(frames)
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data += value.removeprefix(b" ")
            if len(self._data) > self._max_frame_bytes:
                self._fail(too_large(self._max_frame_bytes), frames)
            self._data += b"\n"
        elif name == b"event":
            try:
                self._event = value.removeprefix(b" ").decode()
            except UnicodeDecodeError:
                self._fail(FramingError("the name of an event is not valid UTF-8"), frames)
        elif not name:
            self.comment_count += 1

    def _dispatch(self, frames: list[Frame]) -> None:
        if len(self._data) > 1:
            frames.append(Frame(bytes(self._data[:-1]), self._event))
            self.event_count += 1
        self._data.clear()
        self._event = ""

    def _fail(self, fault: FramingError, frames: list[Frame]) -> NoReturn:
        self._fault = fault.reason
        self._between_events = False
        fault.frames = frames
        raise fault
