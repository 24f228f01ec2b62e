"""Bytes in, frames out: the wire formats, without any network.

A framer is fed the bytes as the network delivered them, cut anywhere, and returns the
whole frames among them. Nothing here waits, and nothing here knows a provider.
"""

from streamkit.wire.frames import MAX_FRAME_BYTES, Frame, Framer, FramingError
from streamkit.wire.json_body import JSONBodyFramer
from streamkit.wire.ndjson import NDJSONFramer
from streamkit.wire.sse import SSEFramer

__all__ = [
    "MAX_FRAME_BYTES",
    "Frame",
    "Framer",
    "FramingError",
    "JSONBodyFramer",
    "NDJSONFramer",
    "SSEFramer",
]
