"""The official `ollama` package, used as its own README shows."""

# Installed only in the environment the benchmark makes for it, or by chance.
from ollama import AsyncClient  # type: ignore[import-not-found,unused-ignore]

from benchmarks.runners import Read, Sink


class OllamaPython:
    """Streams through `AsyncClient.chat(stream=True)`."""

    def prepare(self, url: str) -> Read:
        """Return the function that reads one answer; see `Runner`."""
        client = AsyncClient(host=url)

        async def read(sink: Sink) -> int:
            messages = [{"role": "user", "content": "hi"}]
            async for part in await client.chat(model="bench", messages=messages, stream=True):
                if text := part.message.content:
                    sink(text)
            return 0

        return read
