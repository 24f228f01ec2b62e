"""Bytes in, lines out, cut anywhere.

The rules kept here:

1. A line ends with LF, CR LF or a lone CR, and with nothing else. U+2028, U+0085 and the
   others that `str.splitlines` knows are ordinary characters inside JSON; the method of
   `bytes` knows only the right three.
2. A line is returned as soon as its end is seen. A CR at the end of a read ends its line
   there and then; if the next read begins with LF, that LF belongs to the CR and is dropped.
   Waiting for it would delay an event until the next one; counting it would add an empty
   line, and an empty line ends an event.
3. One byte order mark before the first line is dropped.
4. Every byte is looked at once: what is held is never searched again.
"""

from streamkit.wire.frames import BYTE_ORDER_MARK


class LineSplitter:
    """Splits a body into lines, without their ends.

    Args:
        max_line_bytes: The longest line that is let through.
        lone_cr: Whether a CR ends a line. Without it only LF does, and a CR before it is
            left in the line.

    Attributes:
        overflowed: A line grew longer than the limit. The lines before it have been
            returned; nothing after it ever is.
    """

    __slots__ = ("_after_cr", "_first", "_held", "_lone_cr", "_max_line_bytes", "overflowed")

    def __init__(self, max_line_bytes: int, *, lone_cr: bool = True) -> None:
        self._max_line_bytes = max_line_bytes
        self._lone_cr = lone_cr
        self._held = bytearray()
        self._after_cr = False
        self._first = True
        self.overflowed = False

    @property
    def held(self) -> int:
        """How many bytes of an unfinished line are held."""
        return len(self._held)

    def is_between_lines(self) -> bool:
        """Whether the next byte, whatever it is, simply begins a line.

        False as well at the very start (a byte order mark may come) and after a CR (its LF
        may come).
        """
        return not (self._held or self._after_cr or self._first)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that the next bytes complete; none once `overflowed`."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if not data or self.overflowed:
            return []
        longest_possible = len(self._held) + len(data)
        lines, tail = self._split(data)
        if lines and self._held:
            lines[0] = bytes(self._held) + lines[0]
            self._held.clear()
        self._held += tail
        if longest_possible > self._max_line_bytes:
            self._enforce_limit(lines)
        # Last, so that a mark counts against the limit whether its line comes whole or not.
        if lines and self._first:
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
            self._first = False
        return lines

    def close(self) -> bytes:
        """Return what is held of a last line without an end; empty if there is none."""
        rest = bytes(self._held)
        self._held.clear()
        return rest.removeprefix(BYTE_ORDER_MARK) if self._first else rest

    def _split(self, data: bytes) -> tuple[list[bytes], bytes]:
        if not self._lone_cr:
            *lines, tail = data.split(b"\n")
            return lines, tail
        lines = data.splitlines()
        self._after_cr = data.endswith(b"\r")
        tail = b"" if self._after_cr or data.endswith(b"\n") else lines.pop()
        return lines, tail

    def _enforce_limit(self, lines: list[bytes]) -> None:
        """Drop the first line that is too long and all that follows it."""
        for position, line in enumerate(lines):
            if len(line) > self._max_line_bytes:
                self.overflowed = True
                del lines[position:]
                break
        if self.overflowed or len(self._held) > self._max_line_bytes:
            self.overflowed = True
            self._held.clear()
