"""One thing to try: an answer, how its wire looks and is cut, what is asked, who reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from streamkit.messages import Message
from streamkit_conformance.axes import PLAIN, Style
from streamkit_conformance.cuts import RECORDS, Cut
from streamkit_conformance.script import Script

if TYPE_CHECKING:
    from streamkit_conformance.wire import Wire

__all__ = [
    "Ask",
    "Backend",
    "BACKENDS",
    "CANARY",
    "Case",
    "Consumer",
    "ConsumerError",
    "READ_ALL",
    "Via",
]

Backend: TypeAlias = Literal["asyncio", "trio", "sync"]
BACKENDS: Final[tuple[Backend, ...]] = ("asyncio", "trio", "sync")

#: How the provider's requests are answered: by respx, or by a real server on loopback.
Via: TypeAlias = Literal["mock", "loopback"]

#: The key that every subject is given; it may turn up in a request's headers and nowhere else.
CANARY: Final = "sk-canary-7f3a91c2e5d84b60"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What the subject is asked.

    Attributes:
        messages: A text or the messages of a conversation.
        settings: Request settings by name, as `Model.stream` takes them.
        stream: Whether the streaming call is wanted.
        model: Another model than the target's.
    """

    messages: str | tuple[Message, ...] = "Hello"
    settings: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who reads the stream, and how they stop.

    Attributes:
        kind: `read_all` to the end; `break` out of the loop inside `async with`; `raise` an error
            of their own inside it; `cancel` the task that reads; `stop` through the stream's
            `stop()` where it has one; `close_elsewhere` closes from another task while it is idle.
        after: After how many content chunks.
    """

    kind: Literal["read_all", "break", "raise", "cancel", "stop", "close_elsewhere"] = "read_all"
    after: int = 1


READ_ALL: Final = Consumer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One stream to play and to judge.

    Attributes:
        name: Unique in the corpus; the rule's id and what is tried, such as
            `SK-FRAME-002/newline=CRLF/bytes`.
        rules: The rules that judge it, besides those that judge every trace.
        script: What the model says.
        style: How the wire looks.
        cut: How the body is cut into reads.
        ask: What is asked.
        consumer: Who reads.
        via: How the requests are answered.
        base: The same without what is tried. Where the base itself is not read right, a failure
            here says nothing new: the verdict is `untestable`, with the base's own failure named.
        then: Further streams of the same subject, judged together with this one.
        together: They run interleaved, chunk by chunk, instead of one after the other.
        timeouts: Seconds, by the names of `streamkit.settings.Timeouts`.
        secret: The key that the subject is given.
        needs: Capabilities that the script uses, such as `tools`; where one is a sure no, the
            rules of claims judge the trace instead of the rule itself.
        captures: Log records at DEBUG, warnings and reprs are kept for this case.
        options: More for one rule's transport, such as `redirect`.
        recorded: The answer as it was recorded, which the cut cuts anew; it takes the place of what
            the dialect would write.
    """

    name: str
    rules: frozenset[str] = frozenset()
    script: Script
    style: Style = PLAIN
    cut: Cut = RECORDS
    ask: Ask = Ask()
    consumer: Consumer = READ_ALL
    via: Via = "mock"
    base: "Case | None" = None
    then: "tuple[Case, ...]" = ()
    together: bool = False
    timeouts: Mapping[str, float] = field(default_factory=dict)
    secret: str = CANARY
    needs: frozenset[str] = frozenset()
    captures: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    recorded: "Wire | None" = None

    def with_(self, **changes: Any) -> "Case":
        """The same case with changes."""
        return replace(self, **changes)


class ConsumerError(Exception):
    """What a consumer of the kind `raise` raises; it must come out as it is."""
