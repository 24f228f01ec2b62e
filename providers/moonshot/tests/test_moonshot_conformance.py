"""Proves that the provider streams right: one test for each rule and backend."""

from streamkit_conformance import Conformance, dialects

target = Conformance("moonshot", dialect=dialects.openai_sse(tool_ids=False), model="kimi-k2.6")
