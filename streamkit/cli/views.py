"""Ways to show an answer: as JSON, as plain text, or (in `live`) as Markdown on a terminal."""

import json
import sys
from typing import Any, Final, Protocol, TextIO

from streamkit.chunks import (
    ContentChunk,
    EndChunk,
    ErrorChunk,
    NoticeChunk,
    ReasoningChunk,
    ResetChunk,
    StartChunk,
    StreamChunk,
    ToolCallChunk,
    ToolResultChunk,
    chunk_to_json,
)
from streamkit.cli.terminal import is_terminal, note, one_line, printable, write

# Tokens divided by a shorter time say how the network cut the answer, not how fast it was.
_SHORTEST_MEASURE_MS: Final = 50


class View(Protocol):
    """Shows one answer."""

    def show(self, chunk: StreamChunk | None) -> None:
        """Shows a chunk; `None` says that time has passed."""

    def close(self) -> None:
        """Ends the last line; nothing more comes."""


class JSONView:
    """One chunk a line, as JSON."""

    def show(self, chunk: StreamChunk | None) -> None:
        """Prints the chunk."""
        if chunk is not None:
            print(chunk_to_json(chunk), flush=True)

    def close(self) -> None:
        """Every line is ended already."""


class PlainView:
    """The answer's text on standard output, byte for byte; all else beside it, dimmed."""

    def __init__(self) -> None:
        self._summary = Summary()
        self._has_text = False
        self._mid_line: TextIO | None = None
        self._is_thinking = False

    def show(self, chunk: StreamChunk | None) -> None:
        """Prints the chunk as it comes."""
        if chunk is None:
            return
        self._summary.see(chunk)
        match chunk:
            case ReasoningChunk():
                self._is_thinking = True
                self._write(sys.stderr, chunk.content, dim=True)
            case ContentChunk():
                if self._is_thinking:
                    self._is_thinking = False
                    write(sys.stderr, "\n\n")
                self._has_text = True
                self._write(sys.stdout, chunk.content)
            case _:
                for line in beside(chunk):
                    self._end_line_on_screen()
                    note(f"[{line}]")

    def close(self) -> None:
        """Ends the answer's line and says how it went, also when its reader went away."""
        try:
            if self._has_text:
                write(sys.stdout, "\n")
            elif self._is_thinking:
                write(sys.stderr, "\n")
        finally:
            if self._summary.last is not None:
                note(f"[{self._summary.line()}]")

    def _write(self, to: TextIO, text: str, *, dim: bool = False) -> None:
        write(to, text, dim=dim)
        if text:
            self._mid_line = None if text.endswith("\n") else to

    def _end_line_on_screen(self) -> None:
        """Keeps a remark off the answer's line where both are on one screen."""
        mid = self._mid_line
        if mid is sys.stderr or (is_terminal(mid) and is_terminal(sys.stderr)):
            write(sys.stderr, "\n")
            self._mid_line = None


class Summary:
    """Collects what is said about an answer in one line: who gave it, how soon and how fast."""

    def __init__(self) -> None:
        self.last: EndChunk | ErrorChunk | None = None
        self._model = ""
        self._first_ms: int | None = None

    def see(self, chunk: StreamChunk) -> None:
        """Takes note of a chunk."""
        match chunk:
            case StartChunk():
                self._model = f"{chunk.provider}/{chunk.model}"
            case EndChunk() | ErrorChunk():
                self.last = chunk
            case ContentChunk() | ReasoningChunk() | ToolCallChunk() if self._first_ms is None:
                self._first_ms = chunk.elapsed_ms

    def line(self) -> str:
        """The facts, joined."""
        facts = [self._model]
        last = self.last
        if last is not None and last.ttfc_ms is not None:
            facts.append(f"first content after {last.ttfc_ms / 1000:.2f} s")
        tokens = last.usage.output_tokens if last is not None and last.usage is not None else None
        if last is not None and tokens is not None:
            facts.append(f"{tokens} {'token' if tokens == 1 else 'tokens'}")
            writing_ms = last.elapsed_ms - (
                last.elapsed_ms if self._first_ms is None else self._first_ms
            )
            if writing_ms >= _SHORTEST_MEASURE_MS:
                facts[-1] += f", {tokens * 1000 / writing_ms:.0f} a second"
        if isinstance(last, EndChunk) and last.finish_reason != "stop":
            facts.append(_FINISHED.get(last.finish_reason, last.finish_reason))
        return " · ".join(facts)


# Words for people, each holding the schema's own word for those who search for it.
_FINISHED: Final = {
    "length": "cut off at the limit (length)",
    "cancelled": "stopped",
    "content_filter": "stopped by the service's filter (content_filter)",
    "tool_calls": "waits for its tool calls",
}


def beside(chunk: StreamChunk) -> list[str]:
    """What is told of a chunk that is no text: a tool call once it is whole, a notice, a reset."""
    match chunk:
        case ToolCallChunk() if chunk.done:
            return [f"calls {call_text(chunk)}"]
        case ToolResultChunk():
            said = "failed" if chunk.is_error else "gave"
            return [f"{chunk.name} {said}: {one_line(_compact(chunk.output))}"]
        case NoticeChunk():
            return [chunk.message]
        case ResetChunk():
            return [f"the answer begins again: {chunk.reason}"]
    return []


def call_text(call: ToolCallChunk) -> str:
    """A whole tool call on one line."""
    if call.invalid is not None:
        return f"{call.name}({one_line(call.invalid.text)}): {call.invalid.reason}"
    given = call.input if call.input is not None else _compact(call.arguments)
    return printable(f"{call.name}({one_line(given)})")


def _compact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
