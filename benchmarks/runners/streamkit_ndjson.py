"""streamkit reading Ollama's lines: a small provider of its own, on the same public stream."""

from benchmarks.runners import Read, Sink
from streamkit.chunks import ContentChunk, ErrorChunk
from streamkit.model import Model
from streamkit.plugin import ProviderSpec
from streamkit.provider import Emitter, Frame, HTTPCall, HTTPProvider
from streamkit.request import ChatRequest
from streamkit.settings import resolve_settings

SPEC = ProviderSpec(
    name="ndjson-bench",
    api_version=1,
    factory="benchmarks.runners.streamkit_ndjson:OllamaLines",
    needs_key=False,
    base_url="http://127.0.0.1",
)


class OllamaLines(HTTPProvider):
    """As much of Ollama's `/api/chat` as the benchmark needs."""

    def request(self, request: ChatRequest) -> HTTPCall:
        """Ask for one streamed answer."""
        messages = [{"role": "user", "content": message.text} for message in request.messages]
        body = {"model": request.model, "messages": messages}
        return HTTPCall(path="/api/chat", json=body, framing="ndjson")

    def decode(self, frame: Frame, emit: Emitter) -> None:
        """Take the content and the end; the end's reason is the proof of completion."""
        line = frame.object()
        emit.content(line["message"]["content"])
        if line["done"]:
            emit.finish("stop", raw=line["done_reason"])
            emit.terminator()


class StreamkitNDJSON:
    """Streams through a `Model` made with that provider."""

    def prepare(self, url: str) -> Read:
        """Return the function that reads one answer; see `Runner`."""
        model = Model(OllamaLines(SPEC, resolve_settings(SPEC, base_url=url)), "bench")

        async def read(sink: Sink) -> int:
            async for chunk in model.stream("hi"):
                if isinstance(chunk, ContentChunk):
                    sink(chunk.content)
                elif isinstance(chunk, ErrorChunk):
                    raise RuntimeError(f"the stream failed: {chunk.error.kind}")
            return 0

        return read
