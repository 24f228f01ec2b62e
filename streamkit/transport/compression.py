"""Undoes the compression of answers that came compressed although `identity` was asked for.

Done here and not by the HTTP client: what a few bytes unpack to is bounded, a broken or cut stream
is told as such, and nothing of the client's own machinery is left half-read.
"""

import zlib
from typing import Final

from streamkit.transport.base import TransportFailure

#: Bytes that are unpacked at once: a small read can hold a thousand times its size.
MAX_UNPACKED: Final = 1024 * 1024

# 32 reads the head of gzip or of zlib, whichever it is; `deflate` is the latter (RFC 9110).
_ANY_HEAD: Final = 32 + zlib.MAX_WBITS
_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})


class Unpacker:
    """Unpacks one body, read by read.

    Args:
        coding: The answer's Content-Encoding.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inner = zlib.decompressobj(_ANY_HEAD)
        self._packed = b""

    @property
    def has_more(self) -> bool:
        """Whether there is more to take before the next read is needed."""
        return bool(self._packed)

    def feed(self, data: bytes) -> None:
        """Takes the next read of the body."""
        self._packed += data

    def take(self) -> bytes:
        """The next bytes of the answer, possibly none yet.

        Raises:
            TransportFailure: The coding is not known, or the body does not keep to it (`protocol`).
        """
        if self._coding.strip().lower() not in _CODINGS:
            message = "The service compressed its answer unasked, in a way that cannot be undone."
            raise TransportFailure("protocol", message, f"content-encoding: {self._coding}")
        try:
            unpacked = self._inner.decompress(self._packed, MAX_UNPACKED)
        except zlib.error as error:
            message = "The answer's compression is broken."
            raise TransportFailure("protocol", message, str(error)) from None
        self._packed = self._inner.unconsumed_tail
        if self._inner.unused_data:
            # Gzip allows several of itself, one behind the other (RFC 1952, 2.2).
            self._packed = self._inner.unused_data
            self._inner = zlib.decompressobj(_ANY_HEAD)
        return unpacked

    def close(self) -> None:
        """The body ended.

        Raises:
            TransportFailure: It did so before its compressed end (`truncated`).
        """
        if not self._inner.eof:
            raise TransportFailure("truncated", "The compressed answer was cut.")
