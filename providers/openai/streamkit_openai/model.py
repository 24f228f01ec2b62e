"""OpenAI's models, for those who name the provider in code."""

from streamkit.model import ProviderModel
from streamkit_openai import streamkit_providers
from streamkit_openai.provider import OpenAIProvider

__all__ = ["OpenAIModel"]


class OpenAIModel(ProviderModel):
    """One model of OpenAI, such as `OpenAIModel("gpt-5")`.

    The same as `streamkit.get_model("openai/…")`, without the search for installed providers.
    """

    (spec,) = streamkit_providers()
    provider_class = OpenAIProvider
