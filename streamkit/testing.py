"""For your own tests: a model that says what you tell it to, and a transport without a network.

    from streamkit.testing import Answer, ScriptedModel

    busy = ProviderError("overloaded", "Too busy.")
    model = ScriptedModel(["Hello there!", Answer(text="Half", error=busy)])
    assert model.generate_sync("Hi").text == "Hello there!"

Nothing here imports pytest, waits, or opens a socket; the same script gives the same chunks.
"""

import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json

from streamkit.chunks import Usage
from streamkit.clock import Clock
from streamkit.errors import ProviderError
from streamkit.messages import ToolCall
from streamkit.model import Model
from streamkit.plugin import ProviderSpec
from streamkit.provider import (
    ContentDelta,
    Delta,
    FinishDelta,
    ReasoningDelta,
    StreamProvider,
    StreamScope,
    ToolCallDelta,
    UsageDelta,
)
from streamkit.request import ChatRequest
from streamkit.settings import ProviderSettings
from streamkit.transport.memory import Break, ManualClock, MemoryTransport, Pause, Reply

__all__ = [
    "Answer",
    "Break",
    "ManualClock",
    "MemoryTransport",
    "Pause",
    "Reply",
    "ScriptedModel",
    "sequential_ids",
]

_WORD: Final = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a scripted model says once.

    Attributes:
        text: The answer: a text, streamed word by word, or its pieces.
        reasoning: What it thinks first.
        refusal: With what words it declines.
        tool_calls: The tools that it asks for.
        usage: What it reports to have used.
        finish_reason: Why it ends; with tool calls, `stop` becomes `tool_calls`.
        error: It fails with this after all of the above, instead of ending.
    """

    text: str | Sequence[str] = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: Sequence[ToolCall] = ()
    usage: Usage | None = None
    finish_reason: str = "stop"
    error: ProviderError | None = None

    def deltas(self) -> Iterator[Delta]:
        """The answer as a provider gives it.

        Raises:
            ProviderError: The scripted `error`, at its place.
        """
        if self.reasoning:
            yield ReasoningDelta(self.reasoning)
        pieces = _WORD.findall(self.text) if isinstance(self.text, str) else self.text
        yield from (ContentDelta(piece) for piece in pieces)
        if self.refusal:
            yield ContentDelta(self.refusal, refusal=True)
        for position, call in enumerate(self.tool_calls):
            text = call.arguments_text if call.input is None else call.input
            yield ToolCallDelta(
                position, call.call_id, call.name, text or _json(call), call.input is not None
            )
        if self.usage is not None:
            yield UsageDelta(self.usage)
        if self.error is not None:
            raise self.error
        yield FinishDelta(self.finish_reason, raw=self.finish_reason)


class ScriptedModel(Model):
    """A model that gives scripted answers, one for each stream, in order.

    A stream beyond the script fails with the kind `provider`.

    Args:
        answers: The answers; a text alone is an answer that says it.
        name: The model's name.
        clock: Tells the time; by default one that stands still.

    Attributes:
        requests: The requests that were made.
    """

    def __init__(
        self,
        answers: Iterable[Answer | str],
        *,
        name: str = "scripted",
        clock: Clock | None = None,
    ) -> None:
        spec = ProviderSpec(
            name="testing", api_version=1, factory=f"{__name__}:ScriptedModel", needs_key=False
        )
        provider = _ScriptedProvider(spec, ProviderSettings(provider="testing"))
        provider.script = iter(answers)
        self.requests: list[ChatRequest] = provider.requests
        super().__init__(provider, name, clock=clock or ManualClock(), make_id=sequential_ids())


class _ScriptedProvider(StreamProvider):
    script: Iterator[Answer | str]

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        super().__init__(spec, settings)
        self.requests: list[ChatRequest] = []

    async def open(self, request: ChatRequest, scope: StreamScope) -> AsyncIterator[Delta]:
        for delta in self.open_sync(request, scope):
            yield delta

    def open_sync(self, request: ChatRequest, scope: StreamScope) -> Iterator[Delta]:
        self.requests.append(request)
        answer = next(self.script, None)
        if answer is None:
            message = f"The script has no answer for request {len(self.requests)}."
            raise ProviderError("provider", message, retryable=False)
        yield from (Answer(text=answer) if isinstance(answer, str) else answer).deltas()


def sequential_ids() -> Callable[[str], str]:
    """Makes ids that count: `stream_1`, `call_2`, …; for chunks that can be compared."""
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}_{next(numbers)}"


def _json(call: ToolCall) -> str:
    return to_json(call.arguments or {}).decode()
