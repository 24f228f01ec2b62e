"""Asks a service for its models: all of them, or what it tells of one.

One question and one whole answer; nothing is kept and nothing is tried again. Unlike a stream it
raises: what goes wrong is a `ProviderError` with the kind, and without the secrets of the request.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from streamkit.assembly.attempts import AttemptLog
from streamkit.attempt import MAX_ERROR_BODY, choose_framing, plugin_error
from streamkit.classify import request_id_of, retry_after
from streamkit.clock import SYSTEM_CLOCK
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.flow import ERROR_BODY_S, MAX_REDIRECTS
from streamkit.making import check_type, make_provider, make_transport, secrets_of
from streamkit.outgoing import outgoing_request, redirect_target
from streamkit.provider import Frame, HTTPCall, HTTPProvider, ModelInfo, Provider
from streamkit.redaction import Redactor
from streamkit.registry.discovery import default_registry
from streamkit.settings import KeySource, Timeouts
from streamkit.transport.base import DeadlinePassed, Head, OutgoingRequest, TransportFailure
from streamkit.transport.clients import Network
from streamkit.transport.host import BlockingCall
from streamkit.wire import FramingError, JSONBodyFramer

__all__ = ["list_models", "list_models_sync", "show_model", "show_model_sync"]

AnswerT = TypeVar("AnswerT")

#: How long a list may take; lists are short, and people wait for them.
LIST_TIMEOUTS: Final = Timeouts(connect=10.0, first_content=30.0, idle=30.0, total=60.0)

# Bytes of an answer that tell a developer what it is.
_TELLING: Final = 2000


@dataclass(frozen=True, slots=True)
class _Access:
    """How to reach a service; see `get_model` for each."""

    api_key: KeySource | str | None = field(repr=False)
    base_url: str | None = field(repr=False)
    http_client: Any
    network: Network | None
    timeouts: Timeouts | None
    options: dict[str, Any] = field(repr=False)


async def list_models(
    provider: str,
    *,
    api_key: KeySource | str | None = None,
    base_url: str | None = None,
    http_client: Any = None,
    network: Network | None = None,
    timeouts: Timeouts | None = None,
    **options: Any,
) -> list[ModelInfo]:
    """The models that a provider's service offers.

    Args:
        provider: The provider's name.
        api_key: See `get_model`, as for all that follow.
        base_url: The service's address.
        http_client: A client of httpx's shape to use; it is never closed.
        network: Proxy and certificates of streamkit's own clients.
        timeouts: How long to wait; by default 30 seconds for the answer to begin, and 60 in all.
        options: The provider's own settings.

    Raises:
        ConfigurationError: The provider is not installed, a setting is missing or malformed.
        ProviderError: The service does not list its models (`unsupported`), or failed: `kind` says
            how.
    """
    access = _Access(api_key, base_url, http_client, network, timeouts, options)
    return await _ask(_listing(provider, access))


def list_models_sync(
    provider: str,
    *,
    api_key: KeySource | str | None = None,
    base_url: str | None = None,
    http_client: Any = None,
    network: Network | None = None,
    timeouts: Timeouts | None = None,
    **options: Any,
) -> list[ModelInfo]:
    """`list_models()` for synchronous code."""
    access = _Access(api_key, base_url, http_client, network, timeouts, options)
    return _ask_sync(_listing(provider, access))


async def show_model(
    ref: str,
    *,
    api_key: KeySource | str | None = None,
    base_url: str | None = None,
    http_client: Any = None,
    network: Network | None = None,
    timeouts: Timeouts | None = None,
    **options: Any,
) -> ModelInfo:
    """What a service tells of one of its models.

    Args:
        ref: The model's reference, as for `get_model`.
        api_key: As for `list_models()`, and so are all that follow.
        base_url: The service's address.
        http_client: A client of httpx's shape to use; it is never closed.
        network: Proxy and certificates of streamkit's own clients.
        timeouts: How long to wait.
        options: The provider's own settings.

    Raises:
        ConfigurationError: As `list_models()`.
        ProviderError: As `list_models()`; `not_found` where the service knows no such model.
    """
    access = _Access(api_key, base_url, http_client, network, timeouts, options)
    return await _ask(_showing(ref, access))


def show_model_sync(
    ref: str,
    *,
    api_key: KeySource | str | None = None,
    base_url: str | None = None,
    http_client: Any = None,
    network: Network | None = None,
    timeouts: Timeouts | None = None,
    **options: Any,
) -> ModelInfo:
    """`show_model()` for synchronous code."""
    access = _Access(api_key, base_url, http_client, network, timeouts, options)
    return _ask_sync(_showing(ref, access))


class _Question(Generic[AnswerT]):
    """One question to a service: what to send, and how its answer is read. It never waits.

    Args:
        provider: Whom to ask.
        access: How to reach it.
        call: What to send; `None` where the service has no such call.
        read: Reads the answer.
        kind: What reading must give.
        what: What is asked for, as it goes on after `does not`.

    Attributes:
        deadline: Until when the next wait may last, on the machine's clock.
        is_whole: Nothing more is to be read.
    """

    def __init__(
        self,
        provider: HTTPProvider,
        access: _Access,
        *,
        call: Callable[[], HTTPCall | None],
        read: Callable[[Frame], AnswerT],
        kind: type,
        what: str,
    ) -> None:
        check_type("timeouts", access.timeouts, Timeouts)
        self.timeouts = access.timeouts or LIST_TIMEOUTS
        self.transport = make_transport(access.http_client, access.network)
        self._provider = provider
        self._call, self._read, self._kind, self._what = call, read, kind, what
        self._redactor = Redactor(secrets_of(provider))
        self._log = AttemptLog(provider.name, "", self._redactor)
        self._target = ""
        self._redirects = 0
        self._head = Head(0, {})
        self._framer = JSONBodyFramer(max_frame_bytes=provider.max_frame_bytes)
        self._beginning = b""  # of an answer; of an error, as much as is wanted of it
        self.is_whole = False
        now = SYSTEM_CLOCK.monotonic()
        self._total_deadline = now + _or_forever(self.timeouts.total)
        self.deadline = min(now + _or_forever(self.timeouts.first_content), self._total_deadline)

    def preparation(self) -> BlockingCall | None:
        """What makes the service ready, where anything does."""
        if type(self._provider).prepare is Provider.prepare:
            return None
        self._redactor.learn(self._provider.secrets())
        return BlockingCall(lambda: self._provider.prepare(None))

    def outgoing(self) -> OutgoingRequest:
        """The request."""
        call = self._call()
        if call is None:
            raise _unsupported(self._provider.name, self._what)
        request = outgoing_request(self._provider, call, self._redactor)
        self._target = f"{request.method} {request.url}"
        return request

    def redirected(self, request: OutgoingRequest, head: Head) -> OutgoingRequest | None:
        """Where to ask instead; `None` where this is the answer, whose body is to be read."""
        target = redirect_target(request, head)
        if target is not None:
            self._redirects += 1
            if self._redirects > MAX_REDIRECTS:
                raise ProviderError("protocol", "The service redirects without an end.")
            return target
        self._head = head
        self._log.answered(head.status, request_id_of(head.headers))
        if self._is_error:
            # What it says is known: its body is worth a short wait, and may be missing.
            self.deadline = min(SYSTEM_CLOCK.monotonic() + ERROR_BODY_S, self._total_deadline)
        return None

    def received(self, data: bytes | None) -> None:
        """Takes a read of the answer, `None` at its end.

        Raises:
            FramingError: The answer does not end.
        """
        if data is None:
            self.is_whole = True
            return
        limit = MAX_ERROR_BODY if self._is_error else _TELLING
        if len(self._beginning) < limit:
            self._beginning += data[: limit - len(self._beginning)]
        if self._is_error:
            self.is_whole = len(self._beginning) >= limit
            return
        self._framer.feed(data)
        idle = SYSTEM_CLOCK.monotonic() + _or_forever(self.timeouts.idle)
        self.deadline = min(idle, self._total_deadline)

    def broke_off(self, failure: TransportFailure) -> None:
        """The answer broke off: an error is one all the same, a list is none."""
        if not self._is_error:
            raise failure
        self.is_whole = True

    def answer(self) -> AnswerT:
        """Reads the service's answer."""
        if self._is_error:
            raise self._classified()
        frames = self._framer.close()
        if not frames:
            message = "The service answered with success and an empty body."
            raise ProviderError("empty_response", message)
        choose_framing("json", self._beginning)  # tells a page of HTML from an answer
        answer = self._read(frames[0])
        if not isinstance(answer, self._kind):
            raise TypeError(f"the provider read {type(answer).__name__} in its answer")
        return answer

    def told(self, error: Exception) -> ConfigurationError | ProviderError:
        """What went wrong, in words for users.

        The exception is made anew: the one that came, and what led to it, may quote a secret.
        """
        if isinstance(error, ConfigurationError):
            return ConfigurationError(self._redactor.text(str(error)))
        info = self._log.error_info(self._in_words(error))
        return ProviderError(
            info.kind,
            info.message,
            detail=info.detail,
            retryable=info.retryable,
            retry_after_s=info.retry_after_s,
            status=info.status,
            provider_code=info.provider_code,
            request_id=info.request_id,
            evidence=info.evidence,
        )

    @property
    def _is_error(self) -> bool:
        return self._head.status >= 300

    def _classified(self) -> ProviderError:
        status, headers = self._head.status, self._head.headers
        error = self._provider.classify(status, headers, self._beginning)
        if not isinstance(error, ProviderError):
            raise TypeError(f"classify() gave {type(error).__name__}")
        if error.retry_after_s is None:
            error.retry_after_s = retry_after(headers, SYSTEM_CLOCK.wall())
        return error

    def _in_words(self, error: Exception) -> ProviderError:
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, DeadlinePassed):
            return self._expired()
        if isinstance(error, TransportFailure):
            detail = ": ".join(filter(None, (self._target, error.detail)))
            return ProviderError(error.kind, error.message, detail=detail or None)
        if isinstance(error, FramingError):
            message = f"The service sent something malformed: {error.reason}."
            began = self._beginning[:_TELLING].decode("utf-8", "replace")
            return ProviderError("protocol", message, detail=f"it began: {began}")
        return plugin_error(self._provider.name, error)

    def _expired(self) -> ProviderError:
        """Which of the caller's limits it was that passed."""
        limits = self.timeouts
        if SYSTEM_CLOCK.monotonic() >= self._total_deadline:
            kind, limit = "timeout_total", limits.total
        elif not self._beginning:
            kind, limit = "timeout_first_content", limits.first_content
        else:
            kind, limit = "timeout_idle", limits.idle
        return ProviderError(kind, f"The service did not answer within {limit or 0:g} s.")


def _listing(name: str, access: _Access) -> _Question[list[ModelInfo]]:
    what = "list its models"
    provider = _provider(name, access, what)
    if provider.spec.capabilities.is_refused("list_models"):
        raise _unsupported(name, what)
    return _Question(
        provider,
        access,
        call=provider.list_models,
        read=provider.decode_models,
        kind=list,
        what=what,
    )


def _showing(ref: str, access: _Access) -> _Question[ModelInfo]:
    name, model = default_registry().resolve(ref)
    what = "describe its models one by one"
    provider = _provider(name, access, what)
    return _Question(
        provider,
        access,
        call=lambda: provider.show_model(model),
        read=lambda frame: provider.decode_model(model, frame),
        kind=ModelInfo,
        what=what,
    )


def _provider(name: str, access: _Access, what: str) -> HTTPProvider:
    registry = default_registry()
    provider = make_provider(
        registry.describe(name),
        lambda: registry.load(name),
        api_key=access.api_key,
        base_url=access.base_url,
        options=access.options,
    )
    if not isinstance(provider, HTTPProvider):
        raise _unsupported(name, what)
    return provider


def _unsupported(name: str, what: str) -> ProviderError:
    return ProviderError("unsupported", f"`{name}` does not {what}.")


def _or_forever(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


# The asynchronous and the synchronous way stand side by side and differ in `await` alone.


async def _ask(question: _Question[AnswerT]) -> AnswerT:
    try:
        return await _answer(question)
    except Exception as error:
        failure = question.told(error)
    raise failure  # outside of the handler, so without what led to it


async def _answer(question: _Question[AnswerT]) -> AnswerT:
    question.transport.check(is_async=True)
    preparation = question.preparation()
    if preparation is not None:
        await preparation.run(question.deadline)
    request: OutgoingRequest | None = question.outgoing()
    while request is not None:
        opening = question.transport.opening()
        exchange = await opening.open(request, question.deadline, question.timeouts)
        try:
            request = question.redirected(request, exchange.head)
            while request is None and not question.is_whole:
                question.received(await exchange.read(question.deadline))
        except TransportFailure as failure:
            question.broke_off(failure)
        finally:
            await exchange.close()
    return question.answer()


def _ask_sync(question: _Question[AnswerT]) -> AnswerT:
    try:
        return _answer_sync(question)
    except Exception as error:
        failure = question.told(error)
    raise failure


def _answer_sync(question: _Question[AnswerT]) -> AnswerT:
    question.transport.check(is_async=False)
    preparation = question.preparation()
    if preparation is not None:
        preparation.run_sync(question.deadline)
    request: OutgoingRequest | None = question.outgoing()
    while request is not None:
        opening = question.transport.opening()
        exchange = opening.open_sync(request, question.deadline, question.timeouts)
        try:
            request = question.redirected(request, exchange.head)
            while request is None and not question.is_whole:
                question.received(exchange.read(question.deadline))
        except TransportFailure as failure:
            question.broke_off(failure)
        finally:
            exchange.close()
    return question.answer()
