"""An answer as Markdown on a terminal, drawn while it comes.

Only what may still change is redrawn: the last block of the text, and tool calls that are not
whole. All before it is printed once and belongs to the terminal's own scrollback. Where the last
block is taller than the screen, its upper lines are printed as they are then: what has scrolled
away cannot be redrawn, and must not be lost.
"""

import time
from typing import Any, Final, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from streamkit.chunks import (
    ContentChunk,
    ReasoningChunk,
    StartChunk,
    StreamChunk,
    ToolCallChunk,
)
from streamkit.cli.markdown import THEME, Line, Lines, block_lines, blocks_of, lines_of
from streamkit.cli.terminal import one_line, printable
from streamkit.cli.views import Summary, beside

# Redrawing takes its share of the machine and no more, however long a block gets.
_SHORTEST_PAUSE_S: Final = 1 / 20
_PAUSE_PER_DRAWING: Final = 4
# Faster answers need no word of waiting.
_WAIT_SHOWN_AFTER_S: Final = 0.5
# Lines of the screen that stay free: the one above the block, and the cursor's.
_FREE_LINES: Final = 3

_QUIET: Final = "dim"
_THINKING: Final = "dim italic"


class _Answer:
    """The answer's own text: Markdown."""

    def __init__(self) -> None:
        self.text = ""

    def take_finished(self, console: Console) -> list[list[Line]]:
        """The blocks before the last one; they leave the text."""
        blocks = blocks_of(self.text)
        if len(blocks) < 2:
            return []
        finished = [block_lines(block, console) for block in blocks[:-1]]
        begin = blocks[-1].first_line
        self.text = "".join(self.text.splitlines(keepends=True)[begin:])
        return finished

    def rest(self, console: Console) -> list[Line]:
        """The last block, as it looks now."""
        return [line for block in blocks_of(self.text) for line in block_lines(block, console)]


class _Thoughts:
    """Reasoning: text as it is, dimmed; a paragraph is a block."""

    def __init__(self) -> None:
        self.text = ""

    def take_finished(self, console: Console) -> list[list[Line]]:
        """The paragraphs before the last one; they leave the text."""
        *finished, self.text = self.text.split("\n\n")
        return [_quiet_lines(each, console, _THINKING) for each in finished if each.strip()]

    def rest(self, console: Console) -> list[Line]:
        """The last paragraph, so far."""
        return _quiet_lines(self.text, console, _THINKING) if self.text.strip() else []


class Terminal(Console):
    """A terminal that answers are drawn on.

    Its cursor stays visible: a command that is killed could not bring it back.

    Args:
        file: Where to write.
        settings: Settings of rich's console.
    """

    def __init__(self, file: TextIO, **settings: Any) -> None:
        super().__init__(
            file=file, highlight=False, markup=False, emoji=False, theme=THEME, **settings
        )

    def show_cursor(self, show: bool = True) -> bool:
        """Leaves the cursor as it is."""
        return False


class LiveView:
    """Shows one answer on a terminal that can redraw.

    Args:
        console: The terminal.
        pause_s: Seconds between drawings; by default few, and more where drawing takes long.
    """

    def __init__(self, console: Console, *, pause_s: float | None = None) -> None:
        self._console = console
        self._pause_s = pause_s
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._summary = Summary()
        self._flow: _Answer | _Thoughts | None = None
        self._part: int | None = None
        self._calls: dict[str, str] = {}
        self._settled: list[Line] = []  # to be printed for good, with the next drawing
        self._has_above = False  # a block stands above the next one
        self._left = 0  # lines of the last block that have left the screen
        self._is_waiting = True
        self._begun = time.monotonic()
        self._next_drawing = 0.0

    def show(self, chunk: StreamChunk | None) -> None:
        """Takes a chunk in, and draws when it is time to."""
        self._live.start()
        if chunk is not None:
            self._take(chunk)
        now = time.monotonic()
        if now >= self._next_drawing:
            self._draw()
            took = time.monotonic() - now
            pause_s = max(_SHORTEST_PAUSE_S, took * _PAUSE_PER_DRAWING)
            self._next_drawing = now + (pause_s if self._pause_s is None else self._pause_s)

    def close(self) -> None:
        """Draws what is left, and says how the answer went."""
        self._is_waiting = False
        self._calls.clear()
        self._end_flow()
        if self._summary.last is not None:
            self._remark(self._summary.line())
        self._draw()
        self._live.stop()

    def _take(self, chunk: StreamChunk) -> None:
        self._summary.see(chunk)
        self._is_waiting = self._is_waiting and isinstance(chunk, StartChunk)
        match chunk:
            case ContentChunk():
                self._feed(_Answer, chunk.part, chunk.content)
            case ReasoningChunk():
                self._feed(_Thoughts, chunk.part, chunk.content)
            case ToolCallChunk() if not chunk.done:
                begun = self._calls.get(chunk.call_id, f"calls {chunk.name}(")
                self._calls[chunk.call_id] = begun + chunk.arguments_delta
            case _:
                if isinstance(chunk, ToolCallChunk):
                    self._calls.pop(chunk.call_id, None)
                for line in beside(chunk):
                    self._end_flow()
                    self._remark(line)

    def _feed(self, kind: type[_Answer] | type[_Thoughts], part: int | None, text: str) -> None:
        flow = self._flow
        if flow is None or type(flow) is not kind or part != self._part:
            self._end_flow()
            flow = self._flow = kind()
            self._part = part
        flow.text += printable(text)

    def _end_flow(self) -> None:
        flow, self._flow = self._flow, None
        if flow is not None:
            for block in [*flow.take_finished(self._console), flow.rest(self._console)]:
                self._settle(block)

    def _remark(self, text: str) -> None:
        self._settle(_quiet_lines(f"[{text}]", self._console, _QUIET))

    def _settle(self, block: list[Line]) -> None:
        """Adds a block that will not change to what is printed for good."""
        self._settled += self._with_gap(block)[self._left :]
        self._left = 0
        self._has_above = self._has_above or bool(block)

    def _with_gap(self, block: list[Line]) -> list[Line]:
        return [[], *block] if block and self._has_above else block

    def _draw(self) -> None:
        """Prints what is finished, and shows what may change: all of it in one write."""
        rest: list[Line] = []
        if self._flow is not None:
            for block in self._flow.take_finished(self._console):
                self._settle(block)
            rest = self._with_gap(self._flow.rest(self._console))[self._left :]
            too_many = max(0, len(rest) + len(self._calls) + _FREE_LINES - self._console.height)
            self._settled += rest[:too_many]
            self._left += too_many
            rest = rest[too_many:]
        with self._console:
            if self._settled:
                self._live.update(Lines([]), refresh=True)
                self._console.print(Lines(self._settled))
                self._settled = []
            self._live.update(Lines([*rest, *self._status()]), refresh=True)

    def _status(self) -> list[Line]:
        waited = time.monotonic() - self._begun
        remarks = list(self._calls.values())
        if self._is_waiting and waited >= _WAIT_SHOWN_AFTER_S:
            remarks = [f"waiting for the first words, {waited:.0f} s"]
        return [
            line
            for text in remarks
            for line in _quiet_lines(one_line(text, self._console.width - 1), self._console, _QUIET)
        ]


def _quiet_lines(text: str, console: Console, style: str) -> list[Line]:
    return lines_of(Text(printable(text).strip("\n"), style=style), console)
