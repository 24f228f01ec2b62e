"""Proves that the provider streams right: one test for each rule and backend."""

from streamkit_conformance import Conformance, dialects

target = Conformance("openai", dialect=dialects.openai_sse(reasoning_field=None), model="gpt-5")
