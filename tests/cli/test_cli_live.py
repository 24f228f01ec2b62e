"""Markdown on a terminal: the same whatever the cuts, nothing lost, nothing obeyed."""

import io
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.chunks import ContentChunk, StartChunk, StreamChunk, parse_chunk
from streamkit.cli.live import LiveView, Terminal
from tests.cli.terminal import Screen

HEIGHT = 14

TEXT = """\
# Sorting

Python's **built-in** sort is *stable*: [docs](https://example.com/sort).

```python
def by_length(words):
    return sorted(words, key=len)
```

1. `sorted()` gives a new list
2. `.sort()` works in place
   - and gives `None`

| call | in place |
|------|----------|
| a    | yes      |

> a quote

Roses are red,
violets are <b>blue</b>.

[1]: https://example.com "kept"
"""


def drawn(chunks: list[StreamChunk], *, at_once: bool = False, is_over: bool = True) -> str:
    """What stands on the screen and above it after an answer, or while it comes."""
    file = io.StringIO()
    terminal = Terminal(
        file,
        force_terminal=True,
        color_system=None,
        width=48,
        height=HEIGHT,
        legacy_windows=False,
        _environ={"TERM": "xterm"},
    )
    view = LiveView(terminal, pause_s=3600.0 if at_once else 0.0)
    for chunk in chunks:
        view.show(chunk)
    if is_over:
        view.close()
    screen = Screen(HEIGHT)
    screen.feed(file.getvalue().replace("\n", "\r\n"))
    return screen.text()


def content(*pieces: str) -> list[StreamChunk]:
    start = StartChunk(stream_id="s", index=0, provider="acme", model="m")
    said = [
        ContentChunk(stream_id="s", index=i, part=0, content=piece)
        for i, piece in enumerate(pieces, 1)
    ]
    return [start, *said]


@given(st.lists(st.integers(0, len(TEXT)), max_size=12))
def test_an_answer_looks_the_same_however_it_is_cut(cuts: list[int]) -> None:
    edges = sorted({0, len(TEXT), *cuts})
    pieces = [TEXT[a:b] for a, b in pairwise(edges)]
    assert drawn(content(*pieces)) == drawn(content(TEXT), at_once=True)


def test_an_answer_that_comes_letter_by_letter_looks_like_one_that_comes_whole() -> None:
    shown = drawn(content(*TEXT))
    assert shown == drawn(content(TEXT), at_once=True)
    assert "docs\n(https://example.com/sort)" in shown
    assert "<b>blue</b>" in shown
    assert '[1]: https://example.com "kept"' in shown


@pytest.mark.parametrize(
    "pattern",
    ["```", "- item {}\n", "word{} "],
    ids=["code", "list", "paragraph"],
)
def test_a_block_that_is_taller_than_the_screen_loses_and_doubles_nothing(pattern: str) -> None:
    opening, line = ("```\n", "line {} of the code\n") if "```" in pattern else ("", pattern)
    pieces = [opening, *(line.format(number) for number in range(100, 160))]
    shown = drawn(content(*[piece for piece in pieces if piece]))
    numbers = [int(word) for word in shown.replace("word", " ").split() if word.isdigit()]
    assert numbers == list(range(100, 160))


def test_of_a_block_that_is_taller_than_the_screen_the_end_is_shown() -> None:
    lines = [f"line {number}\n" for number in range(100, 160)]
    shown = drawn(content("```\n", *lines), is_over=False)
    assert [line.strip() for line in shown.splitlines()] == [line.strip() for line in lines]


@pytest.mark.parametrize(
    "hostile",
    [
        "\033]2;owned\007",
        "\033[2J",
        "&#27;[2J",
        "&#x9b;2J",
        "\x9b2J",
        "[a](https://example.com/\033]8;;x\007)",
        "```\033[31m\n\033[2J\n```",
        "`\033c`",
        "| \033[1A |\n|---|\n| \x07 |",
        "[red]not markup[/red]",
    ],
)
def test_nothing_that_a_model_says_steers_the_terminal(hostile: str) -> None:
    file = io.StringIO()
    terminal = Terminal(
        file, force_terminal=True, color_system=None, width=60, height=20, _environ={"TERM": "vt"}
    )
    view = LiveView(terminal, pause_s=0.0)
    for chunk in content(f"before {hostile} after"):
        view.show(chunk)
    view.close()
    # What is left are the sequences that drawing takes: back to the line's start, up, and clear.
    written = file.getvalue()
    for own in ("\033[2K", "\033[1A", "\r"):
        written = written.replace(own, "")
    assert not [
        each for each in written if (ord(each) < 32 and each != "\n") or 127 <= ord(each) < 160
    ]
    if "markup" in hostile:
        assert hostile in written


def test_reasoning_tool_calls_and_notices_stand_where_they_came() -> None:
    call = {"type": "tool_call", "call_id": "c1", "name": "weather", "part": 2}
    said: list[dict[str, Any]] = [
        {"type": "start", "provider": "acme", "model": "m"},
        {"type": "notice", "code": "setting_ignored", "message": "No temperature."},
        {"type": "reasoning", "part": 0, "content": "I think.\n\nI th"},
        {"type": "reasoning", "part": 0, "content": "ink again."},
        {"type": "content", "part": 1, "content": "It is **sunny**."},
        {**call, "arguments_delta": '{"city": "Ro'},
        {**call, "arguments_delta": 'me"}'},
        {**call, "done": True, "arguments": {"city": "Rome"}},
        {
            "type": "end",
            "elapsed_ms": 2300,
            "finish_reason": "tool_calls",
            "ttfc_ms": 300,
            "usage": {"output_tokens": 20},
        },
    ]
    shown = drawn(
        [parse_chunk({"stream_id": "s", "index": i, **each}) for i, each in enumerate(said)]
    )
    lines = [line for line in shown.splitlines() if line]
    assert lines[:5] == [
        "[No temperature.]",
        "I think.",
        "I think again.",
        "It is sunny.",
        '[calls weather({"city": "Rome"})]',
    ]
    assert "20 tokens, 9 a second" in " ".join(lines[5:])
