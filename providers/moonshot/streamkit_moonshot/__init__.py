"""Moonshot AI (Kimi) as a provider of streamkit: the manifest, and the rest on first use."""

from typing import TYPE_CHECKING, Final

from streamkit.plugin import Capabilities, EnvVar, ProviderSpec, hookimpl

if TYPE_CHECKING:
    from streamkit_moonshot.model import MoonshotModel

__all__ = ["MoonshotModel", "streamkit_providers"]

_KIMI: Final = Capabilities.of(yes="reasoning images prefill")
# Nothing is said of the images of these.
_CODE: Final = Capabilities.of(yes="reasoning prefill")
_TEXT_ONLY: Final = Capabilities.of(yes="prefill", no="reasoning images")


@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    """Describes the provider without loading it."""
    return [
        ProviderSpec(
            name="moonshot",
            api_version=1,
            factory="streamkit_moonshot.provider:MoonshotProvider",
            title="Moonshot AI (Kimi)",
            base_url="https://api.moonshot.ai/v1",
            env=(
                EnvVar("MOONSHOT_API_KEY", "api_key", secret=True),
                EnvVar("MOONSHOT_BASE_URL", "base_url"),
            ),
            capabilities=Capabilities.of(
                yes="tools parallel_tools usage json_schema list_models non_stream",
                no="running_usage documents",
            ),
            # Patterns that do not overlap; what is in none of them stays unknown, as does a
            # successor before its abilities are documented.
            model_capabilities={
                "kimi-k3": _KIMI,
                "kimi-k2.7-code": _CODE,
                "kimi-k2.7-code-highspeed": _CODE,
                "kimi-k2.6": _KIMI,
                "kimi-k2.5": _KIMI,
                "moonshot-v1-8k": _TEXT_ONLY,
                "moonshot-v1-32k": _TEXT_ONLY,
                "moonshot-v1-128k": _TEXT_ONLY,
                "moonshot-v1-auto": _TEXT_ONLY,
                "moonshot-v1-*-vision-preview": Capabilities.of(
                    yes="images prefill", no="reasoning"
                ),
            },
            default_model="kimi-k2.6",
            distribution="streamkit-moonshot",
            options=("region",),
        )
    ]


def __getattr__(name: str) -> object:
    if name == "MoonshotModel":
        from streamkit_moonshot.model import MoonshotModel

        return MoonshotModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
