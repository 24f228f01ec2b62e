"""How services say things: one module for each, and the base class for your own."""

from streamkit_conformance.dialects.base import Dialect, Spoken
from streamkit_conformance.dialects.ollama import ollama_ndjson
from streamkit_conformance.dialects.openai import openai_sse

__all__ = ["Dialect", "Spoken", "ollama_ndjson", "openai_sse"]
