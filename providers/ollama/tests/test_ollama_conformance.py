"""Proves that the provider streams right: one test for each rule and backend."""

from streamkit_conformance import Conformance, dialects

target = Conformance("ollama", dialect=dialects.ollama_ndjson(), model="qwen3")
