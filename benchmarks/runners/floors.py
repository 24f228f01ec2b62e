"""The floors: httpx alone, and httpx with the least that can be called decoding."""

import json

import httpx

from benchmarks.runners import REQUEST, Read, Sink

# The pool's own limit (100) would make the many-stream lines wait for each other.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)
# At 1,000 streams at once the last answer comes long after the first.
TIMEOUT_SECONDS = 120.0
# With one HTTP chunk per event, the first read is the role and the second one the first content.
FIRST_CONTENT_READ = 2


def new_client() -> httpx.AsyncClient:
    """Return a client that opens as many connections as it is asked for."""
    return httpx.AsyncClient(limits=LIMITS, timeout=TIMEOUT_SECONDS)


class Discard:
    """Floor 1: `aiter_raw`, the bytes counted and thrown away."""

    def __init__(self) -> None:
        """Build the client."""
        self.client = new_client()

    def prepare(self, url: str) -> Read:
        """Return the function that reads one answer; see `Runner`."""
        endpoint = f"{url}/chat/completions"

        async def read(sink: Sink) -> int:
            size = reads = 0
            async with self.client.stream("POST", endpoint, json=REQUEST) as response:
                async for data in response.aiter_raw():
                    reads += 1
                    if reads == FIRST_CONTENT_READ:
                        sink("")
                    size += len(data)
            return size

        return read


class SplitJSON:
    """Floor 2: split at the blank line, `json.loads`, take the content."""

    def __init__(self) -> None:
        """Build the client."""
        self.client = new_client()

    def prepare(self, url: str) -> Read:
        """Return the function that reads one answer; see `Runner`."""
        endpoint = f"{url}/chat/completions"

        async def read(sink: Sink) -> int:
            held = b""
            async with self.client.stream("POST", endpoint, json=REQUEST) as response:
                async for data in response.aiter_raw():
                    *events, held = (held + data).split(b"\n\n")
                    for event in events:
                        if event == b"data: [DONE]":
                            continue
                        choices = json.loads(event[6:])["choices"]
                        if choices and (text := choices[0]["delta"].get("content")):
                            sink(text)
            return 0

        return read


class SplitNDJSON:
    """The same for Ollama's lines: split at the line feed, `json.loads`, take the content."""

    def __init__(self) -> None:
        """Build the client."""
        self.client = new_client()

    def prepare(self, url: str) -> Read:
        """Return the function that reads one answer; see `Runner`."""
        endpoint = f"{url}/api/chat"

        async def read(sink: Sink) -> int:
            held = b""
            async with self.client.stream("POST", endpoint, json=REQUEST) as response:
                async for data in response.aiter_raw():
                    *lines, held = (held + data).split(b"\n")
                    for line in lines:
                        if text := json.loads(line)["message"]["content"]:
                            sink(text)
            return 0

        return read
