"""Moonshot's models, for those who name the provider in code."""

from streamkit.model import ProviderModel
from streamkit_moonshot import streamkit_providers
from streamkit_moonshot.provider import MoonshotProvider

__all__ = ["MoonshotModel"]


class MoonshotModel(ProviderModel):
    """One model of Moonshot AI, such as `MoonshotModel("kimi-k2.6")`.

    The same as `streamkit.get_model("moonshot/…")`, without the search for installed providers;
    `region="cn"` asks the China platform.
    """

    (spec,) = streamkit_providers()
    provider_class = MoonshotProvider
