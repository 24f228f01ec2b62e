"""Markdown for a terminal, block by block: finished blocks stay, the last one may still change.

A model's text is not trusted, and nothing of it may get lost: what would be HTML or the definition
of a link is shown as it is written, a link always shows where it leads, and no rendered line holds
a control character or a hyperlink of the terminal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.markdown import CodeBlock, Heading, ListItem, Markdown, MarkdownElement
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax
from rich.theme import Theme

from streamkit.cli.terminal import printable

Line: TypeAlias = list[Segment]

# HTML would be dropped by the renderer, definitions of links by the parser: both are text here.
_PARSER: Final = (
    MarkdownIt()
    .enable("strikethrough")
    .enable("table")
    .disable(["html_block", "html_inline", "reference"])
)
# The terminal's own colours, which its owner can read.
_CODE_THEME: Final = "ansi_dark"

#: Styles that read well on dark and on light terminals: no backgrounds, colour for code alone.
THEME: Final = Theme(
    {
        "markdown.code": "cyan",
        "markdown.h1": "bold underline",
        **{f"markdown.h{level}": "bold" for level in range(2, 7)},
        "markdown.block_quote": "italic",
        "markdown.item.bullet": "none",
        "markdown.item.number": "none",
        "markdown.link": "none",
        "markdown.link_url": "underline",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the top level: a paragraph, a list, a code block, a table.

    Attributes:
        first_line: Where it begins, counted in lines of the text.
        tokens: What it consists of.
    """

    first_line: int
    tokens: Sequence[Token]


def blocks_of(text: str) -> list[Block]:
    """The blocks of a text. Text that is added to its end can change the last of them alone."""
    blocks: list[Block] = []
    begun: list[Token] = []
    for token in _PARSER.parse(text):
        begun.append(token)
        if token.level == 0 and token.nesting <= 0:
            blocks.append(Block(begun[0].map[0] if begun[0].map else 0, begun))
            begun = []
    return blocks


def block_lines(block: Block, console: Console) -> list[Line]:
    """A block as lines of the console's width."""
    return lines_of(_Rendered(block.tokens), console)


def lines_of(renderable: RenderableType, console: Console) -> list[Line]:
    """Anything as lines that are safe to print, without empty ones at either end."""
    options = console.options.update(height=None)
    lines = [_safe(line) for line in console.render_lines(renderable, options, pad=False)]
    while lines and _is_blank(lines[-1]):
        lines.pop()
    while lines and _is_blank(lines[0]):
        lines.pop(0)
    return lines


@dataclass(frozen=True, slots=True)
class Lines:
    """Rendered lines, as something that rich prints."""

    lines: Sequence[Line]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from line
            yield Segment.line()


def _safe(line: Iterable[Segment]) -> Line:
    """The line without control characters, hyperlinks, and spaces that nobody sees."""
    safe: Line = []
    for text, style, control in line:
        if control is not None:
            continue
        if style is not None and style.link is not None:
            style = style.update_link(None)
        safe.append(Segment(printable(text).replace("\n", ""), style))
    while safe and not safe[-1].text.strip() and not _is_visible(safe[-1].style):
        safe.pop()
    if safe and not _is_visible(safe[-1].style):
        safe[-1] = Segment(safe[-1].text.rstrip(), safe[-1].style)
    return safe


def _is_visible(style: Style | None) -> bool:
    """Whether the style shows on a space."""
    return style is not None and bool(style.bgcolor or style.reverse or style.underline)


def _is_blank(line: Line) -> bool:
    return not any(segment.text.strip() for segment in line)


class _Heading(Heading):
    """A heading at the left, told apart by weight: a column of text has no middle."""

    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = dict.fromkeys(Heading.LEVEL_ALIGN, "left")


class _ListItem(ListItem):
    """An item whose number has its dot."""

    def render_number(
        self, console: Console, options: ConsoleOptions, number: int, last_number: int
    ) -> RenderResult:
        width = len(str(last_number)) + 3
        lines = console.render_lines(self.elements, options.update(width=options.max_width - width))
        for position, line in enumerate(lines):
            yield Segment("" if position else f"{number}.".rjust(width - 1))
            yield Segment(" " * (width if position else 1))
            yield from line
            yield Segment.line()


class _CodeBlock(CodeBlock):
    """Code in the terminal's own colours, indented, without a box: it can be copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        yield Syntax(
            code,
            self.lexer_name,
            theme=_CODE_THEME,
            background_color="default",
            word_wrap=True,
            padding=(0, 0, 0, 2),
        )


class _Rendered(Markdown):
    """Parsed blocks, rendered by rich."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _CodeBlock,
        "code_block": _CodeBlock,
        "list_item_open": _ListItem,
    }

    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__("", hyperlinks=False)
        self.parsed = list(_with_line_ends(tokens))


def _with_line_ends(tokens: Iterable[Token]) -> Iterable[Token]:
    """The tokens, with lines that end where the model ended them, and images as words.

    Models write verses and addresses line by line; to join them, as HTML would, loses that.
    """
    for token in tokens:
        if token.type == "softbreak":
            yield token.copy(type="hardbreak")
        elif token.type == "image":
            source = str(token.attrs.get("src", ""))
            yield Token("text", "", 0, content=f"{token.content} ({source})".strip())
        elif token.type == "inline" and token.children:
            yield token.copy(children=list(_with_line_ends(token.children)))
        else:
            yield token
