"""OpenAI's chat completions: the dialect that the others follow, with no detours."""

from typing import Final

from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import Quirks

__all__ = ["OpenAIProvider"]

# The headers in which an organization or a project is named, by the option that gives it.
_HEADERS: Final = {"organization": "OpenAI-Organization", "project": "OpenAI-Project"}


class OpenAIProvider(OpenAICompatibleProvider):
    """OpenAI over chat completions, streaming and not."""

    quirks = Quirks(
        # `max_tokens` is deprecated, and the reasoning models refuse it.
        max_tokens_field="max_completion_tokens",
        # Reasoning is never returned here, so none can be sent back.
        reasoning_replay=None,
    )

    def request_headers(self) -> dict[str, str]:
        """The headers of every request, the key among them.

        Raises:
            ConfigurationError: The key's source gave no usable key.
        """
        headers = super().request_headers()
        for option, header in _HEADERS.items():
            value = self.settings.options.get(option)
            if value:
                headers[header] = str(value)
        return headers
