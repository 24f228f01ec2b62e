"""How records become bytes: SSE, NDJSON, and the ways in which services differ about them."""

from streamkit_conformance.framing.base import Framed, Framing, Named
from streamkit_conformance.framing.ndjson import NDJSON
from streamkit_conformance.framing.sse import SSE

__all__ = ["Framed", "Framing", "NDJSON", "Named", "SSE"]
