"""Ollama as a provider of streamkit: the manifest, and the rest on first use."""

from typing import TYPE_CHECKING

from streamkit.plugin import Capabilities, EnvVar, ProviderSpec, hookimpl
from streamkit_ollama.host import base_url_of_host

if TYPE_CHECKING:
    from streamkit_ollama.model import OllamaModel

__all__ = ["OllamaModel", "streamkit_providers"]


@hookimpl
def streamkit_providers() -> list[ProviderSpec]:
    """Describes the provider without loading it."""
    return [
        ProviderSpec(
            name="ollama",
            api_version=1,
            factory="streamkit_ollama.provider:OllamaProvider",
            title="Ollama",
            base_url="http://127.0.0.1:11434",
            # A server of one's own asks for no key; ollama.com does.
            needs_key=False,
            env=(
                EnvVar("OLLAMA_HOST", "base_url", parse=base_url_of_host),
                EnvVar("OLLAMA_API_KEY", "api_key", secret=True),
            ),
            # Tools, reasoning, images and prefill depend on the model: `/api/show` tells of most.
            capabilities=Capabilities.of(
                yes="usage json_schema list_models non_stream",
                no="running_usage documents",
            ),
            distribution="streamkit-ollama",
            options=("keep_alive", "num_ctx"),
        )
    ]


def __getattr__(name: str) -> object:
    if name == "OllamaModel":
        from streamkit_ollama.model import OllamaModel

        return OllamaModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
