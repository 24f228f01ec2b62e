"""Proves that the provider streams right: one test for each rule and backend.

It is given an address, so it starts no server of its own; the one that it starts is tested live.
"""

from streamkit_conformance import Conformance, dialects

target = Conformance("local", dialect=dialects.openai_sse())
