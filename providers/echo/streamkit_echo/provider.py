"""Says back what it is told, word by word: the smallest complete provider, and no network.

Copy it to start a provider that does not speak HTTP. One that does is an `HTTPProvider`, which is
smaller still: see the `openai` provider.
"""

import re
from collections.abc import AsyncIterator, Iterator

from streamkit.chunks import Usage
from streamkit.provider import (
    ContentDelta,
    Delta,
    FinishDelta,
    IdentityDelta,
    ReasoningDelta,
    StreamProvider,
    StreamScope,
    UsageDelta,
)
from streamkit.request import ChatRequest

_WORD = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")


class EchoProvider(StreamProvider):
    """Answers with the text of the last message; the model `echo/thinker` thinks first."""

    async def open(self, request: ChatRequest, scope: StreamScope) -> AsyncIterator[Delta]:
        """Gives the answer's deltas."""
        for delta in _answer(request):
            yield delta

    def open_sync(self, request: ChatRequest, scope: StreamScope) -> Iterator[Delta]:
        """The same for synchronous code."""
        yield from _answer(request)


def _answer(request: ChatRequest) -> Iterator[Delta]:
    yield IdentityDelta(model=request.model)
    if request.model == "thinker":
        yield ReasoningDelta("I will say the same.")
    words = _WORD.findall(request.messages[-1].text)
    limit = len(words) if request.max_tokens is None else request.max_tokens
    for word in words[:limit]:
        yield ContentDelta(word)
    told = sum(len(_WORD.findall(message.text)) for message in request.messages)
    yield UsageDelta(Usage(input_tokens=told, output_tokens=min(limit, len(words))))
    yield FinishDelta("length" if limit < len(words) else "stop", raw="done")
