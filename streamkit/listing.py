"""Asks a service for its models: all of them, or what it tells of one.

One request and one whole answer; nothing is kept and nothing is tried again.
"""

import math
from collections.abc import Callable
from typing import Any, Final, Generic, TypedDict, TypeVar, Unpack

from streamkit.attempt import MAX_ERROR_BODY, plugin_error
from streamkit.clock import SYSTEM_CLOCK
from streamkit.errors import ProviderError, StreamkitError
from streamkit.model import make_provider, secrets_of
from streamkit.outgoing import outgoing_request
from streamkit.provider import Frame, HTTPCall, HTTPProvider, ModelInfo, Provider
from streamkit.redaction import MAX_DETAIL, MAX_MESSAGE, Redactor
from streamkit.registry.discovery import default_registry
from streamkit.settings import KeySource, Timeouts
from streamkit.transport.base import DeadlinePassed, Head, OutgoingRequest, TransportFailure
from streamkit.transport.clients import Network
from streamkit.transport.host import BlockingCall
from streamkit.transport.http import HTTPTransport
from streamkit.wire.frames import FramingError

__all__ = ["list_models", "list_models_sync", "show_model", "show_model_sync"]

AnswerT = TypeVar("AnswerT")

#: How long a list may take; lists are short, and people wait for them.
LIST_TIMEOUTS: Final = Timeouts(connect=10.0, first_content=30.0, total=60.0)


class Access(TypedDict, total=False):
    """How to reach a service; see `get_model` for each."""

    api_key: KeySource | str | None
    base_url: str | None
    http_client: Any
    network: Network | None
    timeouts: Timeouts | None
    options: dict[str, Any]


async def list_models(provider: str, **access: Unpack[Access]) -> list[ModelInfo]:
    """The models that a provider's service offers.

    Args:
        provider: The provider's name.
        access: See `Access`.

    Raises:
        ConfigurationError: The provider is not installed, a setting is missing or malformed.
        ProviderError: The service does not tell, or failed; `kind` says how.
    """
    return await _ask(_listing(provider, access))


def list_models_sync(provider: str, **access: Unpack[Access]) -> list[ModelInfo]:
    """`list_models()` for synchronous code."""
    return _ask_sync(_listing(provider, access))


async def show_model(ref: str, **access: Unpack[Access]) -> ModelInfo:
    """What a service tells of one of its models.

    Args:
        ref: The model's reference, as for `get_model`.
        access: See `Access`.

    Raises:
        ConfigurationError: As `list_models()`.
        ProviderError: As `list_models()`; `not_found` where it knows no such model.
    """
    return await _ask(_showing(ref, access))


def show_model_sync(ref: str, **access: Unpack[Access]) -> ModelInfo:
    """`show_model()` for synchronous code."""
    return _ask_sync(_showing(ref, access))


class _Question(Generic[AnswerT]):
    """One question to a service: what to send, and how the answer is read. No I/O."""

    def __init__(
        self,
        provider: HTTPProvider,
        access: Access,
        *,
        call: Callable[[], HTTPCall | None],
        read: Callable[[Frame], AnswerT],
        what: str,
    ) -> None:
        self._provider = provider
        self._call = call
        self._read = read
        self._what = what
        self._redactor = Redactor(secrets_of(provider))
        self.timeouts = access.get("timeouts") or LIST_TIMEOUTS
        self.transport = HTTPTransport(access.get("http_client"), access.get("network"))
        self.deadline = SYSTEM_CLOCK.monotonic() + (self.timeouts.total or math.inf)

    def preparation(self) -> BlockingCall | None:
        """What makes the service ready, where anything does."""
        if type(self._provider).prepare is Provider.prepare:
            return None
        return BlockingCall(lambda: self._provider.prepare(None))

    def outgoing(self) -> OutgoingRequest:
        """The request."""
        call = self._call()
        if call is None:
            message = f"`{self._provider.name}` does not {self._what}."
            raise ProviderError("unsupported", message)
        return outgoing_request(self._provider, call, self._redactor)

    def answer(self, head: Head, body: bytearray) -> AnswerT:
        """Reads the service's answer."""
        if head.status >= 300:
            raise self._provider.classify(head.status, head.headers, bytes(body[:MAX_ERROR_BODY]))
        return self._read(Frame(bytes(body)))

    def check_size(self, body: bytearray) -> None:
        """Refuses an answer that does not end."""
        if len(body) > self._provider.max_frame_bytes:
            raise ProviderError("protocol", "The service's answer is too large to be a list.")

    def told(self, error: Exception) -> Exception:
        """What went wrong, in words for users and without secrets."""
        if isinstance(error, TransportFailure):
            message = error.message
            if isinstance(error, DeadlinePassed):
                message = f"The service did not answer within {self.timeouts.total:g} s."
            error = ProviderError(error.kind, message, detail=error.detail)
        elif isinstance(error, FramingError):
            message = f"The service's answer makes no sense: {error.reason}."
            error = ProviderError("protocol", message)
        elif not isinstance(error, StreamkitError):
            error = plugin_error(self._provider.name, error)
        if isinstance(error, ProviderError):
            error.message = self._redactor.text(error.message, MAX_MESSAGE)
            error.detail = error.detail and self._redactor.text(error.detail, MAX_DETAIL)
        return error


def _listing(name: str, access: Access) -> _Question[list[ModelInfo]]:
    provider = _provider(name, access)
    return _Question(
        provider,
        access,
        call=provider.list_models,
        read=provider.decode_models,
        what="list its models",
    )


def _showing(ref: str, access: Access) -> _Question[ModelInfo]:
    name, model = default_registry().resolve(ref)
    provider = _provider(name, access)
    return _Question(
        provider,
        access,
        call=lambda: provider.show_model(model),
        read=lambda frame: provider.decode_model(model, frame),
        what="describe its models",
    )


def _provider(name: str, access: Access) -> HTTPProvider:
    registry = default_registry()
    provider = make_provider(
        registry.describe(name),
        lambda: registry.load(name),
        api_key=access.get("api_key"),
        base_url=access.get("base_url"),
        options=access.get("options"),
    )
    if not isinstance(provider, HTTPProvider):
        raise ProviderError("unsupported", f"`{name}` does not list its models.")
    return provider


async def _ask(question: _Question[AnswerT]) -> AnswerT:
    try:
        preparation = question.preparation()
        if preparation is not None:
            await preparation.run(question.deadline)
        question.transport.check(is_async=True)
        opening = question.transport.opening()
        exchange = await opening.open(question.outgoing(), question.deadline, question.timeouts)
        try:
            body = bytearray()
            while (data := await exchange.read(question.deadline)) is not None:
                body += data
                question.check_size(body)
        finally:
            await exchange.close()
        return question.answer(exchange.head, body)
    except Exception as error:
        raise question.told(error) from None


def _ask_sync(question: _Question[AnswerT]) -> AnswerT:
    try:
        preparation = question.preparation()
        if preparation is not None:
            preparation.run_sync(question.deadline)
        question.transport.check(is_async=False)
        opening = question.transport.opening()
        exchange = opening.open_sync(question.outgoing(), question.deadline, question.timeouts)
        try:
            body = bytearray()
            while (data := exchange.read(question.deadline)) is not None:
                body += data
                question.check_size(body)
        finally:
            exchange.close()
        return question.answer(exchange.head, body)
    except Exception as error:
        raise question.told(error) from None
