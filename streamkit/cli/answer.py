"""Reads one answer while the screen stays alive and Ctrl-C is heard.

The stream is read in a thread of its own; everything else, and all that is shown, happens in the
main thread. Ctrl-C is one more item in the queue between them: it stops the stream, which then ends
by itself with all that had come. It can therefore never strike in the middle of a line that is
being drawn. A second Ctrl-C does not wait for that.
"""

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeAlias

from streamkit.chunks import StreamChunk
from streamkit.stream import ChunkStream

#: Shows a chunk; `None` says that time has passed and nothing came.
Show: TypeAlias = Callable[[StreamChunk | None], None]

# How often the screen may change while nothing comes.
_TICK_S: Final = 0.1
# A thread that hangs in a plug-in's own code must not keep the prompt away.
_LONGEST_FAREWELL_S: Final = 2.0

_DONE: Final = object()
_STOP: Final = object()


def read_answer(stream: ChunkStream, show: Show) -> bool:
    """Reads a stream to its end and shows its chunks; says whether Ctrl-C stopped it.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed again before the stream had stopped.
    """
    # Its `put` may be called while another one is under way: so a signal handler may use it.
    items: queue.SimpleQueue[object] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(stream, items), name="streamkit-chat")
    reader.daemon = True
    was_stopped = False
    with _ctrl_c_goes_to(items):
        reader.start()
        try:
            for item in _until_done(items):
                if item is _STOP:
                    was_stopped = True
                    stream.stop()
                elif isinstance(item, BaseException):
                    raise item
                else:
                    show(item if isinstance(item, StreamChunk) else None)
        finally:
            stream.close()
            reader.join(_LONGEST_FAREWELL_S)
    return was_stopped


def _read(stream: ChunkStream, items: "queue.SimpleQueue[object]") -> None:
    try:
        for chunk in stream:
            items.put(chunk)
    except Exception as error:
        items.put(error)
    finally:
        items.put(_DONE)


def _until_done(items: "queue.SimpleQueue[object]") -> Iterator[object]:
    while True:
        try:
            item = items.get(timeout=_TICK_S)
        except queue.Empty:
            item = None
        if item is _DONE:
            return
        yield item


@contextmanager
def _ctrl_c_goes_to(items: "queue.SimpleQueue[object]") -> Iterator[None]:
    usual = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if usual is not signal.default_int_handler or not is_main:
        # Someone else listens, or the shell told us not to: a command in the background.
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, usual)
        items.put(_STOP)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
