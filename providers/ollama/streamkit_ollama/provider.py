"""Ollama over its native `/api/chat`, streaming and not."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from streamkit.classify import classify_response
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.plugin import ProviderSpec
from streamkit.provider import Emitter, Frame, HTTPCall, HTTPProvider, ModelInfo
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings
from streamkit.wire.frames import FramingError
from streamkit_ollama.decode import decode_line
from streamkit_ollama.encode import encode_request
from streamkit_ollama.errors import with_own_words
from streamkit_ollama.listing import read_model, read_models

__all__ = ["OllamaProvider"]

# A text that Go's `time.ParseDuration` reads.
_DURATION: Final = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")

_CLOUD: Final = "ollama.com"
# Where a key of ollama.com comes from: nobody who set one there named a server to send it to.
_CLOUD_SOURCES: Final = ("the environment variable OLLAMA_API_KEY", "the plug-in ")


class OllamaProvider(HTTPProvider):
    """A provider for Ollama servers, one's own and ollama.com.

    The variable OLLAMA_API_KEY holds a key of ollama.com, and so it is sent to ollama.com and its
    subdomains alone, over https; likewise a key from a plug-in that keeps secrets. A key that is
    given for a server (as an argument, or in the config file beside the server's address) is sent
    to that server, whichever it is.
    """

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        super().__init__(spec, settings)
        _check_options(settings.options)
        self._key_source = settings.sources.get("api_key", "")
        is_cloud_key = self._key_source.startswith(_CLOUD_SOURCES)
        self._withholds_key = is_cloud_key and not _is_cloud(self.base_url)

    def request(self, request: ChatRequest) -> HTTPCall:
        """Says which HTTP call a request becomes; pure.

        Raises:
            ProviderError: Ollama cannot do what is asked (`unsupported`), or `extra` sets what is
                not its to set (`configuration`).
        """
        body, notices = encode_request(request, self.name, self.settings.options)
        media_type = "application/x-ndjson" if request.stream else "application/json"
        return HTTPCall(
            path="/api/chat",
            json=body,
            framing="ndjson" if request.stream else "json",
            headers={"Accept": media_type, **self.request_headers()},
            notices=notices,
        )

    def decode(self, frame: Frame, emit: Emitter) -> None:
        """Says what one line adds, or the one object of a whole answer; pure."""
        decode_line(frame, emit)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Says what a failed response means."""
        error = classify_response(status, headers, body)
        if status == 401 and self._withholds_key:
            error.message = (
                f"{error.message.rstrip('.')}. The key from {self._key_source} is sent to {_CLOUD} "
                "alone: for this server give api_key=…"
            )
            return error
        return with_own_words(error, _object(body))

    def list_models(self) -> HTTPCall | None:
        """The call that lists the models that the server has."""
        return HTTPCall(
            path="/api/tags", method="GET", framing="json", headers=self.request_headers()
        )

    def decode_models(self, frame: Frame) -> list[ModelInfo]:
        """Reads the answer to `list_models()`.

        Raises:
            FramingError: It is not a JSON object.
            ProviderError: It is an error, or no list of models (`protocol`).
        """
        return read_models(frame)

    def show_model(self, name: str) -> HTTPCall | None:
        """The call that tells of one model what it can do and how much it can read."""
        return HTTPCall(
            path="/api/show", json={"model": name}, framing="json", headers=self.request_headers()
        )

    def decode_model(self, name: str, frame: Frame) -> ModelInfo:
        """Reads the answer to `show_model()`.

        Raises:
            FramingError: It is not a JSON object.
            ProviderError: It is an error.
        """
        return read_model(name, frame)

    def request_headers(self) -> dict[str, str]:
        """The headers of every request, the key among them where the server may see it.

        Raises:
            ConfigurationError: The key's source gave no usable key.
        """
        key = None if self._withholds_key else self.reveal_key()
        return {} if key is None else {"Authorization": f"Bearer {key}"}


def _is_cloud(base_url: str) -> bool:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == _CLOUD or host.endswith(f".{_CLOUD}"))


def _object(body: bytes) -> Any:
    try:
        return Frame(body).json()
    except FramingError:
        return None  # no JSON: then it names no address either


def _is_wait(value: Any) -> bool:
    if isinstance(value, str):
        return _DURATION.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_options(options: Mapping[str, Any]) -> None:
    window = options.get("num_ctx")
    is_window = isinstance(window, int) and not isinstance(window, bool) and window > 0
    if window is not None and not is_window:
        raise ConfigurationError("`num_ctx` of `ollama` must be a number of tokens above 0.")
    wait = options.get("keep_alive")
    if wait is not None and not _is_wait(wait):
        raise ConfigurationError(
            "`keep_alive` of `ollama` must be seconds, or text such as '10m'; "
            "a negative one keeps the model for ever."
        )
