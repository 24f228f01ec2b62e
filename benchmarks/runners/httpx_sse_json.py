"""httpx-sse with `json.loads`: what many write by hand."""

import json

# Installed only in the environment the benchmark makes for itself.
from httpx_sse import aconnect_sse  # type: ignore[import-not-found]

from benchmarks.runners import REQUEST, Read, Sink
from benchmarks.runners.floors import new_client


class HTTPXSSE:
    """Reads events with httpx-sse and parses each with the standard library."""

    def __init__(self) -> None:
        """Build the client."""
        self.client = new_client()

    def prepare(self, url: str) -> Read:
        """Return the function that reads one answer; see `Runner`."""
        endpoint = f"{url}/chat/completions"

        async def read(sink: Sink) -> int:
            async with aconnect_sse(self.client, "POST", endpoint, json=REQUEST) as source:
                async for event in source.aiter_sse():
                    if event.data == "[DONE]":
                        break
                    choices = json.loads(event.data)["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        sink(text)
            return 0

        return read
