"""The plug-in of `echo`: its manifest, which imports only `streamkit.plugin`."""

from streamkit.plugin import Capabilities, ProviderSpec, hookimpl

ECHO = ProviderSpec(
    name="echo",
    api_version=1,
    title="Echo",
    factory="streamkit_echo.provider:EchoProvider",
    needs_key=False,
    default_model="echo",
    distribution="streamkit-echo",
    capabilities=Capabilities.of(
        yes="usage reasoning", no="tools parallel_tools json_schema images logprobs list_models"
    ),
)


@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    """Describes the provider."""
    return [ECHO]
