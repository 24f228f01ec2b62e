"""Ollama's models, for those who name the provider in code."""

from streamkit.model import ProviderModel
from streamkit_ollama import streamkit_providers
from streamkit_ollama.provider import OllamaProvider

__all__ = ["OllamaModel"]


class OllamaModel(ProviderModel):
    """One model of an Ollama server, such as `OllamaModel("qwen3")`.

    The same as `streamkit.get_model("ollama/…")`, without the search for installed providers.
    """

    (spec,) = streamkit_providers()
    provider_class = OllamaProvider
