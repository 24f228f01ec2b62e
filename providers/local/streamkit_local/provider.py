"""The `local` provider: the OpenAI-compatible dialect, spoken to a server of our own."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from streamkit.errors import ConfigurationError
from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import ProviderSpec, Quirks
from streamkit.provider import HTTPCall, ProviderError
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings
from streamkit_local.model_file import PATH_VARIABLE, SMOLLM2, find_model
from streamkit_local.supervisor import ServerAddress, ServerSettings, supervisor_for

__all__ = ["LocalProvider"]


class LocalProvider(OpenAICompatibleProvider):
    """llama.cpp's own server, in a child process that starts with the first request.

    Providers with equal settings share one server for as long as the process lives. With a
    `base_url` no server is started: the one at that address is used, with the `api_key` given.

    Options:
        model_path: A GGUF file to serve in place of the default model; a request may then call the
            model by any name.
        chat_template: A Jinja chat template in place of the model's own.
        context_size, slots, threads, show_slots, start_timeout_s: See `ServerSettings`.
    """

    quirks = Quirks(
        # It announces keep-alive and closes the connection after a stream all the same: the next
        # request on that connection would fail before its first byte.
        close_connection=True,
    )

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        options = settings.options
        if options.get("model_path") or options.get("chat_template") or settings.base_url:
            # Another model, template or server: what the default model cannot do says nothing.
            spec = replace(spec, model_capabilities={})
        super().__init__(spec, settings)
        self._server_options = _checked(options)
        self._address: ServerAddress | None = None

    @property
    def base_url(self) -> str:
        """The server's address; empty until `prepare()` has started it."""
        return self.settings.base_url or (self._address.base_url if self._address else "")

    def reveal_key(self) -> str | None:
        """The key of the server: the child's own, or the one given for `base_url`."""
        return self._address.api_key if self._address else super().reveal_key()

    def secrets(self) -> list[str]:
        """The key of the child."""
        return [self._address.api_key] if self._address else []

    def prepare(self, request: ChatRequest | None) -> None:
        """Starts the server unless it runs; blocks while the model loads.

        Raises:
            ConfigurationError: The model or llama.cpp is missing; the message says what mends it.
            ProviderError: The server did not start.
        """
        if not self.settings.base_url:
            self._address = supervisor_for(self.server_settings()).ensure()

    def server_settings(self) -> ServerSettings:
        """What the child is started with.

        Raises:
            ConfigurationError: The model is missing; the message says what mends it.
        """
        model_path = self.settings.options.get("model_path")
        server = ServerSettings(
            model_path=find_model(model_path),
            model_alias=SMOLLM2.model,
            **self._server_options,
        )
        if model_path:
            server = replace(server, model_alias=server.model_path.stem)
        return server

    def request(self, request: ChatRequest) -> HTTPCall:
        """Says which HTTP call a request becomes; pure.

        Raises:
            ProviderError: The server would ignore the model's name and answer as another
                (`not_found`), or as in the dialect.
        """
        serves_any_name = self.settings.base_url or self.settings.options.get("model_path")
        if not serves_any_name and request.model != SMOLLM2.model:
            raise ProviderError(
                "not_found",
                f"`{self.name}` serves `{SMOLLM2.model}`, not `{request.model}`. For another "
                f"model, pass model_path=… or set {PATH_VARIABLE} to its GGUF file.",
            )
        return super().request(request)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


# What each option must be, in code and in words.
_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "chat_template": (lambda value: isinstance(value, str), "text"),
    "context_size": (_is_count, "a whole number above 0"),
    "slots": (_is_count, "a whole number above 0"),
    "threads": (_is_count, "a whole number above 0"),
    "show_slots": (lambda value: isinstance(value, bool), "True or False"),
    "start_timeout_s": (
        lambda value: isinstance(value, int | float) and 0 < value < 86_400,
        "seconds above 0, and less than a day",
    ),
}


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that become settings of the server.

    Raises:
        ConfigurationError: One of them is not what it must be.
    """
    for name, (is_right, words) in _CHECKS.items():
        if name in options and not is_right(options[name]):
            raise ConfigurationError(f"The setting `{name}` of `local` must be {words}.")
    return {name: options[name] for name in _CHECKS if name in options}
