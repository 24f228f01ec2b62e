"""A model to talk to: a provider, a model name, and how to reach them."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypedDict, Unpack

from streamkit.assembly.assembler import Assembler
from streamkit.assembly.response import Response
from streamkit.clock import SYSTEM_CLOCK, Clock, new_id
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.flow import StreamFlow
from streamkit.making import check_type, make_provider, make_transport, secrets_of
from streamkit.messages import ImagePart, MessageInput
from streamkit.plugin import Capabilities, ProviderSpec
from streamkit.provider import AnyProvider, HTTPProvider, StreamProvider
from streamkit.redaction import Redactor
from streamkit.registry.discovery import default_registry
from streamkit.registry.hooks import Hooks
from streamkit.request import ChatRequest, RequestSettings, build_request, check_defaults
from streamkit.settings import KeySource, Timeouts
from streamkit.stream import ChunkStream
from streamkit.transport.base import Transport
from streamkit.transport.clients import Network
from streamkit.transport.http import HTTPTransport

__all__ = ["Model", "ProviderModel", "get_model"]


# Which capability a request needs, and how to see it. A sure no is refused, unknown passes.
_NEEDS: Final[dict[str, Callable[[ChatRequest], bool]]] = {
    "tools": lambda request: bool(request.tools),
    "json_schema": lambda request: request.output_schema is not None,
    "logprobs": lambda request: request.logprobs is not None,
    "parallel_tools": lambda request: request.parallel_tool_calls is True,
    "non_stream": lambda request: not request.stream,
    "prefill": lambda request: request.messages[-1].role == "assistant",
    "images": lambda request: any(
        isinstance(part, ImagePart) for message in request.messages for part in message.parts
    ),
}


class Model:
    """One model of one provider; makes streams. May be used from several threads and loops.

    Args:
        provider: The provider, made with its settings.
        name: The model's name as the service knows it.
        transport: How to reach the service.
        timeouts: How long streams wait.
        defaults: Request settings that hold where a call says nothing.
        clock: Tells the time; by default the transport's own clock, or the machine's.
        make_id: Makes a unique id from a prefix.
        hooks: The plug-ins whose policies hold for the requests and who are told of the streams;
            by default none, so that a model made by hand is what it was made of.
    """

    def __init__(
        self,
        provider: AnyProvider,
        name: str,
        *,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        defaults: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        make_id: Callable[[str], str] = new_id,
        hooks: Hooks | None = None,
    ) -> None:
        check_type("name", name, str)
        if not name or not name.strip():
            raise ConfigurationError("The model's name is empty.")
        check_type("timeouts", timeouts, Timeouts)
        check_type("defaults", defaults, Mapping)
        check_defaults(defaults or {})
        is_own = clock is not None and clock is not SYSTEM_CLOCK
        if is_own and isinstance(transport, HTTPTransport):
            raise ConfigurationError(
                "Over a network the machine's clock counts; a clock of your own needs a transport "
                "of your own, such as MemoryTransport."
            )
        self._provider = provider
        self._name = name
        self._transport = transport or HTTPTransport()
        self._timeouts = timeouts or Timeouts()
        self._defaults = dict(defaults or {})
        # A transport that plays a script has a clock of its own, on which its pauses pass.
        self._clock: Clock = clock or getattr(transport, "clock", None) or SYSTEM_CLOCK
        self._make_id = make_id
        self._hooks = hooks
        self._has_policies = hooks is not None and hooks.has("streamkit_request")
        is_told = hooks is not None and hooks.has("streamkit_stream_finished")
        self._tell = hooks.finished if hooks is not None and is_told else None
        self._known_secrets = secrets_of(provider)
        self._refused = [each for each in _NEEDS if self.capabilities.is_refused(each)]

    def __repr__(self) -> str:
        return f"<Model {self.ref}>"

    @property
    def ref(self) -> str:
        """The model as it is written: `provider/model`."""
        return f"{self._provider.name}/{self._name}"

    @property
    def name(self) -> str:
        """The model's name as the service knows it."""
        return self._name

    @property
    def provider(self) -> AnyProvider:
        """The provider."""
        return self._provider

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do, as far as it is known."""
        return self._provider.spec.capabilities_of(self._name)

    def stream(
        self,
        messages: MessageInput,
        *,
        system: str | None = None,
        **settings: Unpack[RequestSettings],
    ) -> ChunkStream:
        """Makes a stream of the answer; nothing is sent yet.

        Args:
            messages: A text, a message, or the messages of a conversation.
            system: A system message to put first.
            settings: See `RequestSettings`.

        Raises:
            ConfigurationError: Something is wrong that is known without asking the service.
        """
        request = build_request(
            self._name, messages, system=system, defaults=self._defaults, **settings
        )
        self._refuse_impossible(request)
        return self._open(request)

    def generate_response_stream(
        self,
        messages: MessageInput,
        *,
        system: str | None = None,
        **settings: Unpack[RequestSettings],
    ) -> ChunkStream:
        """The same as `stream()`."""
        return self.stream(messages, system=system, **settings)

    async def generate(
        self,
        messages: MessageInput,
        *,
        system: str | None = None,
        **settings: Unpack[RequestSettings],
    ) -> Response:
        """Asks and waits for the whole response, by reading a stream to its end.

        Raises:
            ConfigurationError: As `stream()`.
            StreamFailed: The stream ended in an error; `partial` is what came.
        """
        return await self.stream(messages, system=system, **settings).collect()

    def generate_sync(
        self,
        messages: MessageInput,
        *,
        system: str | None = None,
        **settings: Unpack[RequestSettings],
    ) -> Response:
        """`generate()` for synchronous code."""
        return self.stream(messages, system=system, **settings).collect_sync()

    def _open(self, request: ChatRequest) -> ChunkStream:
        stream_id = self._make_id("stream")
        redactor = Redactor(self._secrets())
        assembler = Assembler(
            provider=self._provider.name,
            model=self._name,
            stream_id=stream_id,
            new_id=self._make_id,
            redactor=redactor,
            request_id=request.request_id,
            conversation_id=request.conversation_id,
        )
        flow = StreamFlow(
            self._provider,
            request,
            assembler=assembler,
            redactor=redactor,
            timeouts=self._timeouts,
            clock=self._clock,
            policy=self._policed if self._has_policies else None,
        )
        return ChunkStream(
            stream_id=stream_id,
            provider=self._provider,
            request=request,
            flow=flow,
            transport=self._transport,
            timeouts=self._timeouts,
            on_finished=self._tell,
        )

    def _policed(self, request: ChatRequest) -> ChatRequest:
        """The request as the plug-ins' policies leave it, checked as the caller's own was.

        Raises:
            ProviderError: A policy refused it, is broken, or made something impossible of it
                (`plugin`). Another model is impossible: the stream has said which one answers.
        """
        assert self._hooks is not None
        given = self._hooks.policed(request, self._provider.spec)
        if given is request:
            return request
        fields = dict(given)
        name, messages = fields.pop("model", None), fields.pop("messages", ())
        try:
            if name != request.model:
                raise ConfigurationError(f"it is for {name!r} instead of {request.model!r}.")
            checked = build_request(name, messages, **fields)
            self._refuse_impossible(checked)
        except ConfigurationError as error:
            message = f"The plug-ins' policies made an impossible request: {error}"
            raise ProviderError("plugin", message) from error
        return checked

    def _secrets(self) -> list[str]:
        return [*self._known_secrets, *self._provider.secrets()]

    def _refuse_impossible(self, request: ChatRequest) -> None:
        for name in self._refused:
            if _NEEDS[name](request):
                raise ConfigurationError(
                    f"{self.ref} cannot do what the request asks for: {name.replace('_', ' ')}."
                )


def get_model(
    ref: str,
    *,
    api_key: KeySource | str | None = None,
    base_url: str | None = None,
    http_client: Any = None,
    network: Network | None = None,
    timeouts: Timeouts | None = None,
    defaults: Mapping[str, Any] | None = None,
    **options: Any,
) -> Model:
    """Makes a model from its reference, such as `openai/gpt-5`.

    Args:
        ref: `provider/model`; `provider:model` is read too, and aliases are.
        api_key: The key, or a callable that gives it for each request. Default: the provider's
            environment variable.
        base_url: The service's address. Default: the provider's variable, then its own.
        http_client: A client of httpx's shape to use, sync or async; it is never closed.
        network: Proxy and certificates of streamkit's own clients; not together with `http_client`.
        timeouts: How long streams wait.
        defaults: Request settings that hold where a call says nothing.
        options: The provider's own settings.

    Raises:
        ConfigurationError: The provider is not installed, a setting is missing or malformed.
    """
    registry = default_registry()
    provider_name, model_name = registry.resolve(ref)
    parts = _parts(
        registry.describe(provider_name),
        lambda: registry.load(provider_name),
        api_key=api_key,
        base_url=base_url,
        http_client=http_client,
        network=network,
        options=options,
    )
    return Model(name=model_name, timeouts=timeouts, defaults=defaults, **parts)


class ProviderModel(Model):
    """A model whose provider stands in code: the base of classes such as `OpenAIModel`.

    It takes what `get_model` takes, and the model's name alone in place of a reference.

    Args:
        name: The model's name as the service knows it.
        api_key: The key, or a callable that gives it for each request. Default: the provider's
            environment variable.
        base_url: The service's address. Default: the provider's variable, then its own.
        http_client: A client of httpx's shape to use, sync or async; it is never closed.
        network: Proxy and certificates of streamkit's own clients; not together with `http_client`.
        timeouts: How long streams wait.
        defaults: Request settings that hold where a call says nothing.
        options: The provider's own settings.

    Attributes:
        spec: The provider, described.
        provider_class: The provider.

    Raises:
        ConfigurationError: A setting is missing or malformed.
    """

    spec: ClassVar[ProviderSpec]
    provider_class: ClassVar[type[HTTPProvider | StreamProvider]]

    def __init__(
        self,
        name: str,
        *,
        api_key: KeySource | str | None = None,
        base_url: str | None = None,
        http_client: Any = None,
        network: Network | None = None,
        timeouts: Timeouts | None = None,
        defaults: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        parts = _parts(
            self.spec,
            lambda: self.provider_class,
            api_key=api_key,
            base_url=base_url,
            http_client=http_client,
            network=network,
            options=options,
        )
        super().__init__(name=name, timeouts=timeouts, defaults=defaults, **parts)


class _Parts(TypedDict):
    provider: AnyProvider
    transport: Transport
    hooks: Hooks


def _parts(
    spec: ProviderSpec,
    load: Callable[[], Any],
    *,
    http_client: Any,
    network: Network | None,
    **given: Any,
) -> _Parts:
    """What a model is made of: a provider with its settings, and the way to its service."""
    return {
        "transport": make_transport(http_client, network),
        "provider": make_provider(spec, load, **given),
        "hooks": default_registry().hooks,
    }
