"""The command line: `streamkit chat "…"` streams one answer to the terminal.

Exit codes: 0 answered, 1 the stream failed (kind and message on stderr), 2 wrong usage or settings,
130 stopped with Ctrl-C; what had been said is kept.
"""

import argparse
import io
import os
import re
import sys
import time
from collections.abc import Sequence
from typing import Final, TextIO

from streamkit import __version__
from streamkit.chunks import ContentChunk, EndChunk, ErrorChunk, ReasoningChunk, chunk_to_json
from streamkit.errors import ConfigurationError
from streamkit.model import get_model
from streamkit.stream import ChunkStream

DEFAULT_MODEL: Final = "local/smollm2-135m-instruct"

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DIM, _PLAIN = "\033[2m", "\033[0m"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show it all
    options = _parser().parse_args(arguments)
    try:
        return _chat(options)
    except ConfigurationError as error:
        print(f"streamkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away, such as `head`. Python would complain about it once
        # more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"streamkit: cannot write the answer: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="streamkit", description="Talk to language models.")
    parser.add_argument("--version", action="version", version=f"streamkit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    chat = commands.add_parser("chat", help="ask a model and stream its answer")
    chat.add_argument("prompt", help="what to ask; - reads it from standard input")
    chat.add_argument(
        "-m", "--model", default=DEFAULT_MODEL, help="provider/model (default: %(default)s)"
    )
    chat.add_argument("--system", help="a system message")
    chat.add_argument("--max-tokens", type=int, help="the most tokens that the answer may have")
    chat.add_argument("--temperature", type=float, help="sampling temperature")
    chat.add_argument("--json", action="store_true", help="print one chunk a line, as JSON")
    return parser


def _chat(options: argparse.Namespace) -> int:
    prompt = options.prompt
    if prompt == "-":
        if sys.stdin is None:
            raise ConfigurationError("The prompt is to come from standard input, which is closed.")
        prompt = sys.stdin.read()
    model = get_model(options.model)
    stream = model.stream(
        prompt,
        system=options.system,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
    )
    show = _show_json if options.json else _show_text
    try:
        with stream:
            show(stream)
    except KeyboardInterrupt:
        print("\n[stopped]", file=sys.stderr)
        raise
    error = stream.response.error
    if error is None:
        return 0
    print(f"streamkit: {error.kind}: {error.message}", file=sys.stderr)
    for line in (error.detail or "").splitlines()[:1]:
        _write(sys.stderr, f"{line}\n", dim=True)
    return 1


def _show_json(stream: ChunkStream) -> None:
    for chunk in stream:
        print(chunk_to_json(chunk), flush=True)


def _show_text(stream: ChunkStream) -> None:
    began = time.monotonic()
    is_thinking = False
    for chunk in stream:
        match chunk:
            case ReasoningChunk():
                is_thinking = True
                _write(sys.stderr, chunk.content, dim=True)
            case ContentChunk():
                if is_thinking:
                    _write(sys.stderr, "\n\n")
                    is_thinking = False
                _write(sys.stdout, chunk.content)
            case EndChunk() | ErrorChunk():
                if stream.response.parts:
                    _write(sys.stdout, "\n")
                _write(sys.stderr, _summary(stream, chunk, time.monotonic() - began), dim=True)


def _write(to: TextIO, text: str, *, dim: bool = False) -> None:
    if to.isatty():
        # A model's words are text: they must not move the cursor, rename the window, or worse.
        text = _CONTROL.sub("", text)
        text = f"{_DIM}{text}{_PLAIN}" if dim else text
    print(text, end="", file=to, flush=True)


def _summary(stream: ChunkStream, last: EndChunk | ErrorChunk, seconds: float) -> str:
    """One line about the answer: who gave it, how soon and how fast."""
    response = stream.response
    facts = [f"{response.provider}/{response.model}"]
    if last.ttfc_ms is not None:
        facts.append(f"first content after {last.ttfc_ms / 1000:.2f} s")
    tokens = last.usage.output_tokens if last.usage is not None else None
    if tokens is not None and last.ttfc_ms is not None:
        writing = max(seconds - last.ttfc_ms / 1000, 0.001)
        facts.append(f"{tokens} tokens, {tokens / writing:.0f} a second")
    if isinstance(last, EndChunk) and last.finish_reason != "stop":
        facts.append(last.finish_reason)
    return f"[{' · '.join(facts)}]\n"
