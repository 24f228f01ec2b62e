"""OpenAI as a provider of streamkit: the manifest, and `OpenAIProvider` on first use."""

from streamkit.plugin import Capabilities, EnvVar, ProviderSpec, hookimpl

__all__ = ["streamkit_providers"]


@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    """Describes the provider without loading it."""
    return [
        ProviderSpec(
            name="openai",
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
                no="reasoning running_usage prefill documents",
            ),
            distribution="streamkit-openai",
            options=("organization", "project"),
        )
    ]
