"""The subjects of the comparison, one module each.

A runner is a class built without arguments. Its `prepare(url)` returns the function that streams
one answer from that base URL and hands every text to a sink. Each module is imported only in the
process that measures it, since they live in different environments.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

Sink = Callable[[str], object]
Read = Callable[[Sink], Awaitable[int]]

REQUEST = {
    "model": "bench",
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
CANARY_KEY = "sk-canary-benchmark"


class Runner(Protocol):
    """What each module here provides."""

    def prepare(self, url: str) -> Read:
        """Return the function that streams one answer from this base URL.

        It hands every content to the sink as it arrives. It returns the length of the body when
        it reads bytes only and has no contents to show for its work, otherwise 0.
        """
        ...
