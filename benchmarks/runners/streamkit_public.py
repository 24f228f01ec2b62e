"""streamkit through its public API, as its README shows."""

import streamkit
from benchmarks.runners import CANARY_KEY, Read, Sink
from streamkit.chunks import ContentChunk, ErrorChunk


class Streamkit:
    """Streams from the openai provider, pointed at the load server."""

    reference = "openai/bench"

    def prepare(self, url: str) -> Read:
        """Return the function that reads one answer; see `Runner`."""
        model = streamkit.get_model(self.reference, api_key=CANARY_KEY, base_url=url)

        async def read(sink: Sink) -> int:
            async for chunk in model.stream("hi"):
                if isinstance(chunk, ContentChunk):
                    sink(chunk.content)
                elif isinstance(chunk, ErrorChunk):
                    raise RuntimeError(f"the stream failed: {chunk.error.kind}")
            return 0

        return read


class StreamkitNDJSON(Streamkit):
    """The same from the ollama provider."""

    reference = "ollama/bench"
