"""The official `openai` package, used as its own guide shows."""

# Installed only in the environment the benchmark makes for it.
from openai import AsyncOpenAI  # type: ignore[import-not-found]

from benchmarks.runners import CANARY_KEY, Read, Sink


class OpenAIPython:
    """Streams through `client.chat.completions.create(stream=True)`."""

    def __init__(self) -> None:
        """Build the client; those for each URL share its connections."""
        self.client = AsyncOpenAI(api_key=CANARY_KEY, base_url="http://127.0.0.1")

    def prepare(self, url: str) -> Read:
        """Return the function that reads one answer; see `Runner`."""
        completions = self.client.with_options(base_url=url).chat.completions

        async def read(sink: Sink) -> int:
            stream = await completions.create(
                model="bench",
                messages=[{"role": "user", "content": "hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
            async for chunk in stream:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    sink(text)
            return 0

        return read
