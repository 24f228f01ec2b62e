"""The plug-in of `local`: its manifest, which imports only `streamkit.plugin`."""

from streamkit.plugin import Capabilities, EnvVar, ProviderSpec, hookimpl

__all__ = ["LOCAL", "streamkit_providers"]

DEFAULT_MODEL = "smollm2-135m-instruct"

LOCAL = ProviderSpec(
    name="local",
    api_version=1,
    title="llama.cpp on this machine",
    factory="streamkit_local.provider:LocalProvider",
    needs_key=False,
    env=(EnvVar("STREAMKIT_LOCAL_MODEL", "model_path"),),
    default_model=DEFAULT_MODEL,
    distribution="streamkit-local",
    options=("chat_template", "context_size", "show_slots", "slots", "start_timeout_s", "threads"),
    capabilities=Capabilities.of(
        yes="usage json_schema logprobs list_models non_stream",
        no="running_usage images documents",
    ),
    # Its chat template knows no tools, and the server then ignores them without a word.
    model_capabilities={DEFAULT_MODEL: Capabilities.of(no="tools parallel_tools reasoning")},
)


@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    """Describes the provider."""
    return [LOCAL]
