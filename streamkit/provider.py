"""The contract of a provider: what a plug-in's author writes.

Most providers are an `HTTPProvider`: two pure functions. `request()` says which HTTP call a
`ChatRequest` becomes, `decode()` says what one frame of the answer adds. Connections, deadlines,
framing, order, proof of completion, errors and secrets are the core's.

What is not HTTP is a `StreamProvider`: it gives the deltas itself.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeAlias, get_args

from pydantic_core import to_json

from streamkit.assembly.deltas import (
    ContentDelta,
    Delta,
    FinishDelta,
    IdentityDelta,
    MetadataDelta,
    NoticeDelta,
    ReasoningDelta,
    TerminatorDelta,
    ToolCallDelta,
    ToolResultDelta,
    UsageDelta,
)
from streamkit.chunks import Usage
from streamkit.classify import classify_response
from streamkit.errors import ProviderError
from streamkit.messages import ToolResult
from streamkit.plugin import Capabilities, ProviderSpec
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings, Timeouts
from streamkit.wire.frames import Frame

__all__ = [
    "AnyProvider",
    "ContentDelta",
    "Delta",
    "Emitter",
    "FinishDelta",
    "Frame",
    "Framing",
    "HTTPCall",
    "HTTPProvider",
    "IdentityDelta",
    "MetadataDelta",
    "ModelInfo",
    "NoticeDelta",
    "Provider",
    "ProviderError",
    "ProviderSettings",
    "ReasoningDelta",
    "StreamProvider",
    "StreamScope",
    "TerminatorDelta",
    "ToolCallDelta",
    "ToolResultDelta",
    "UsageDelta",
    "check_extra",
    "output_text",
    "own_metadata",
    "token_count",
]

Framing: TypeAlias = Literal["sse", "ndjson", "json"]
_FRAMINGS: Final[tuple[str, ...]] = get_args(Framing)


def _text(value: Any, what: str) -> Any:
    """Refuses what is no text, at the line that gives it."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, not {type(value).__name__}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPCall:
    """One HTTP request, as data.

    Attributes:
        path: Joined to the provider's base URL.
        json: The body, sent as JSON; `None` sends none.
        framing: How the body of the answer is cut into frames; with `json` all of it is one frame.
        headers: Headers besides those of the core; a key belongs into one of these. Never shown.
        method: The HTTP method.
        notices: What the caller should know of this request, such as a setting that was left out
            (`setting_ignored`): each becomes a notice chunk before the answer.
    """

    path: str
    json: Mapping[str, Any] | None = None
    framing: Framing = "sse"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"
    notices: tuple[NoticeDelta, ...] = ()

    def __post_init__(self) -> None:
        # Here, so that the traceback names the author's own line.
        for name in ("path", "method"):
            _text(getattr(self, name), name)
        for name, value in self.headers.items():
            if not isinstance(value, str):
                raise TypeError(f"the header {name!r} must be text, not {type(value).__name__}")
        if self.framing not in _FRAMINGS:
            raise ValueError(f"framing must be one of {', '.join(_FRAMINGS)}, not {self.framing!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that a service offers.

    Attributes:
        id: The name to ask for it.
        title: A name for people.
        context_window: Tokens that fit into a request and its answer.
        capabilities: What it can do, where the service tells.
        metadata: What else the service tells.
    """

    id: str
    title: str | None = None
    context_window: int | None = None
    capabilities: Capabilities | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Emitter:
    """Collects what frames add; the only thing that `decode()` writes to.

    Providers keep no state of a stream: what must be remembered from frame to frame goes into
    `memory`, which is empty at the start of every answer. Empty texts are dropped.

    Attributes:
        memory: The provider's own notes for this answer.
    """

    __slots__ = ("deltas", "memory")

    def __init__(self) -> None:
        self.deltas: list[Delta] = []
        self.memory: dict[str, Any] = {}

    def content(self, text: str, *, metadata: dict[str, Any] | None = None) -> None:
        """The next characters of the answer."""
        if text:
            if metadata is None and type(text) is str:
                self.deltas.append(text)
            else:
                self.deltas.append(ContentDelta(_text(text, "content"), False, metadata))

    def refusal(self, text: str) -> None:
        """The next characters of a refusal."""
        if text:
            self.deltas.append(ContentDelta(_text(text, "refusal"), True))

    def reasoning(
        self, text: str, *, redacted: bool = False, metadata: dict[str, Any] | None = None
    ) -> None:
        """The next characters of the reasoning, or a signature or redaction that belongs to it."""
        if text or redacted or metadata:
            self.deltas.append(ReasoningDelta(_text(text, "reasoning"), redacted, metadata))

    def tool_call(
        self,
        key: object,
        *,
        id: str | None = None,
        name: str | None = None,
        arguments: str | None = None,
        free_text: bool = False,
        done: bool = False,
        executed_by: Literal["caller", "provider"] = "caller",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """A further piece of the tool call `key`; see `ToolCallDelta`."""
        self.deltas.append(
            ToolCallDelta(
                key,
                id or None,
                name or None,
                _text(arguments or "", "arguments"),
                free_text,
                done,
                executed_by,
                metadata,
            )
        )

    def tool_result(self, call_id: str, name: str, output: Any, *, is_error: bool = False) -> None:
        """What a tool that the provider ran gave back."""
        self.deltas.append(ToolResultDelta(call_id, name, output, is_error))

    def usage(self, usage: Usage, *, wire: dict[str, Any] | None = None) -> None:
        """A snapshot of the token counts; `wire` keeps the service's own numbers in metadata."""
        self.deltas.append(UsageDelta(usage, wire))

    def metadata(self, values: dict[str, Any]) -> None:
        """Facts about the whole answer, such as citations."""
        if values:
            self.deltas.append(MetadataDelta(values))

    def identity(self, *, response_id: str | None = None, model: str | None = None) -> None:
        """The service's own id of the answer and name of the model."""
        self.deltas.append(IdentityDelta(response_id, model))

    def notice(self, code: str, message: str) -> None:
        """Something that the caller should know and that is no failure."""
        self.deltas.append(NoticeDelta(code, message))

    def finish(self, reason: str, *, raw: str | None = None) -> None:
        """Why the answer ended, in the schema's word and the service's: proof that it is whole."""
        self.deltas.append(FinishDelta(reason, raw))

    def terminator(self, *, evidence: bool = True) -> None:
        """The wire's own end marker was seen; with `evidence` it alone proves completion."""
        self.deltas.append(TerminatorDelta(evidence))


class Provider(ABC):
    """What every provider has: its description and its settings.

    One object serves all streams of a model and may be used from several threads: it holds no state
    of a stream.
    """

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        self.spec = spec
        self.settings = settings

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.spec.name

    def prepare(self, request: ChatRequest | None) -> None:
        """Makes ready what a request needs; blocking, run in a thread, before each request.

        Args:
            request: What will be asked; `None` where only the models are asked for.

        Raises:
            ProviderError: It cannot be made ready.
        """

    def secrets(self) -> list[str]:
        """Secrets besides the key that no chunk, log or error may show."""
        return []


class HTTPProvider(Provider):
    """A provider over HTTP: two pure functions.

    Attributes:
        max_frame_bytes: The largest frame that is accepted.
    """

    max_frame_bytes: ClassVar[int] = 16 * 1024 * 1024

    @property
    def base_url(self) -> str:
        """The service's address, without a slash at its end."""
        return self.settings.base_url

    def reveal_key(self) -> str | None:
        """The key for one request."""
        return self.settings.reveal_key()

    @abstractmethod
    def request(self, request: ChatRequest) -> HTTPCall:
        """Says which HTTP call a request becomes; pure.

        Raises:
            ProviderError: The service cannot do what is asked (`unsupported`).
        """

    @abstractmethod
    def decode(self, frame: Frame, emit: Emitter) -> None:
        """Says what one frame adds; pure. Serves streamed and whole answers alike.

        Raises:
            ProviderError: The frame reports a failure, or makes no sense (`protocol`).
        """

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Says what a status of 300 or above means; `body` is bounded and may be anything."""
        return classify_response(status, headers, body)

    def list_models(self) -> HTTPCall | None:
        """The call that lists the service's models, when it has one."""
        return None

    def decode_models(self, frame: Frame) -> list[ModelInfo]:
        """Reads the answer to `list_models()`."""
        raise ProviderError("unsupported", f"`{self.name}` does not list its models.")

    def show_model(self, name: str) -> HTTPCall | None:
        """The call that tells more of one model, when the service has one."""
        return None

    def decode_model(self, name: str, frame: Frame) -> ModelInfo:
        """Reads the answer to `show_model()`."""
        raise ProviderError("unsupported", f"`{self.name}` does not describe its models.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamScope:
    """What a `StreamProvider` is told besides the request.

    Attributes:
        stream_id: The stream's id.
        timeouts: The caller's limits; the core enforces them in asynchronous code.
    """

    stream_id: str
    timeouts: Timeouts


class StreamProvider(Provider):
    """A provider with its own way to the model: it gives deltas instead of bytes.

    `open` is an async generator; it is closed when the stream is, so `finally` is the place to let
    go of things. Where `open_sync` is not given, synchronous use is refused when it is tried.
    """

    @abstractmethod
    def open(self, request: ChatRequest, scope: StreamScope) -> AsyncIterator[Delta]:
        """Gives the answer's deltas, a `FinishDelta` among the last."""

    def open_sync(self, request: ChatRequest, scope: StreamScope) -> Iterator[Delta]:
        """The same as a generator, for synchronous code.

        Raises:
            ProviderError: This provider has no such way (`unsupported`).
        """
        raise ProviderError("unsupported", f"`{self.name}` cannot be used in synchronous code.")

    def has_open_sync(self) -> bool:
        """Whether synchronous code can use this provider."""
        return type(self).open_sync is not StreamProvider.open_sync


AnyProvider: TypeAlias = HTTPProvider | StreamProvider


# For the two translations of a provider.

_OF_THE_CALL: Final = ("messages", "model", "stream")


def check_extra(extra: Mapping[str, Any]) -> None:
    """Refuses in `ChatRequest.extra` what the call itself says: a second word would be silent.

    Raises:
        ProviderError: It sets the messages, the model, `stream`, or asks for several answers
            (`configuration`).
    """
    for name in _OF_THE_CALL:
        if name in extra:
            raise ProviderError(
                "configuration", f"`{name}` follows from the call and cannot stand in `extra`."
            )
    if extra.get("n") not in (None, 1):
        raise ProviderError(
            "configuration",
            "A stream is one answer: `n` can only be 1. Make several streams.",
        )


def output_text(result: ToolResult) -> str:
    """What a tool gave back, as the text that services want: JSON for anything but text.

    Raises:
        ProviderError: It cannot be written as JSON (`configuration`).
    """
    if isinstance(result.output, str):
        return result.output
    try:
        return to_json(result.output).decode()
    except ValueError as error:
        message = f"The result of the tool `{result.name}` cannot be written as JSON."
        raise ProviderError("configuration", message, detail=str(error)) from error


def own_metadata(metadata: Mapping[str, Any] | None, provider: str) -> Mapping[str, Any]:
    """What a provider itself put into metadata; another's means nothing to its service."""
    own = (metadata or {}).get(provider)
    return own if isinstance(own, Mapping) else {}


def token_count(*values: Any) -> int | None:
    """The first of the values that is a number of tokens, whatever JSON says in its place."""
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
            return int(value)
    return None
