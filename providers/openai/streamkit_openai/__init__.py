"""OpenAI as a provider of streamkit: the manifest, and the rest on first use."""

from typing import TYPE_CHECKING

from streamkit.plugin import Capabilities, EnvVar, ProviderSpec, hookimpl

if TYPE_CHECKING:
    from streamkit_openai.model import OpenAIModel

__all__ = ["OpenAIModel", "streamkit_providers"]


@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    """Describes the provider without loading it."""
    return [
        ProviderSpec(
            name="openai",
            api_version=1,
            factory="streamkit_openai.provider:OpenAIProvider",
            title="OpenAI",
            base_url="https://api.openai.com/v1",
            env=(
                EnvVar("OPENAI_API_KEY", "api_key", secret=True),
                EnvVar("OPENAI_BASE_URL", "base_url"),
                EnvVar("OPENAI_ORG_ID", "organization"),
                EnvVar("OPENAI_PROJECT_ID", "project"),
            ),
            # Its chat completions count reasoning tokens and never show the reasoning.
            capabilities=Capabilities.of(
                yes="tools parallel_tools usage json_schema list_models non_stream",
                no="running_usage prefill documents",
            ),
            distribution="streamkit-openai",
            options=("organization", "project"),
        )
    ]


def __getattr__(name: str) -> object:
    if name == "OpenAIModel":
        from streamkit_openai.model import OpenAIModel

        return OpenAIModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
