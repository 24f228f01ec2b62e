"""The runner of the documents' examples notices what it is there to notice."""

from pathlib import Path

import pytest
from sybil.document import Document

from tests.markdown_examples import parse_other_blocks


def check_page(text: str) -> None:
    """Runs all examples of a page, as the collection of the real pages does."""
    document = Document(text, "page.md")
    for region in parse_other_blocks(document):
        document.add(region)
    for example in document.examples():
        example.evaluate()


def test_a_command_that_prints_what_the_page_says_passes() -> None:
    check_page("```console\n$ echo one; echo two; echo three\none\n...\nthree\n```\n")


def test_a_command_that_prints_something_else_fails() -> None:
    with pytest.raises(AssertionError, match="the page says"):
        check_page("```console\n$ echo one\ntwo\n```\n")


def test_a_command_that_fails_fails() -> None:
    with pytest.raises(AssertionError, match="no such thing"):
        check_page("```console\n$ echo no such thing; exit 3\n```\n")


def test_a_command_sees_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-in-the-environment")
    check_page('```console\n$ echo "key: $OPENAI_API_KEY."\nkey: .\n```\n')


def test_a_block_in_an_unknown_language_fails() -> None:
    with pytest.raises(AssertionError, match="no check for blocks in 'cobol'"):
        check_page("```cobol\nSTOP RUN.\n```\n")


def test_a_block_that_names_no_language_fails() -> None:
    with pytest.raises(AssertionError, match="no check for blocks in ''"):
        check_page("```\nanything\n```\n")


@pytest.mark.parametrize("command", ["make nonsense", "python -m pip install -r nonsense.txt"])
def test_a_repository_command_that_does_not_exist_fails(command: str) -> None:
    with pytest.raises(AssertionError):
        check_page(f"```sh\n{command}\n```\n")


def test_broken_json_and_toml_fail() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        check_page("```json\n{,}\n```\n")
    with pytest.raises(ValueError, match="Invalid"):
        check_page("```toml\na =\n```\n")


def test_the_commands_of_the_readme_are_among_the_blocks_checked() -> None:
    page = Path(__file__).resolve().parent.parent / "README.md"
    regions = list(parse_other_blocks(Document(page.read_text(), str(page))))
    assert any("make demo" in region.parsed for region in regions)
    assert any("make test" in region.parsed for region in regions)
