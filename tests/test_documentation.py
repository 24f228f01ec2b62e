"""Tables in the documentation say what the code says."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from streamkit import ModelInfo, StreamSummary, chunks
from streamkit.errors import FAMILIES, RETRYABLE_KINDS
from streamkit.registry.discovery import default_registry
from streamkit.settings import Timeouts

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = "docs/reference/errors-and-settings.md"


def rows_of_table(page: str, heading: str) -> list[list[str]]:
    """The rows below the table's head that begins with the column `heading`, as plain cells."""
    text = (ROOT / page).read_text()
    (table,) = re.findall(
        rf"^\| {re.escape(heading)} \|.*\n\|[- |]+\n((?:\|.*\n)+)", text, re.MULTILINE
    )
    return [
        [cell.strip().strip("`") for cell in row.strip("|").split("|")]
        for row in table.splitlines()
    ]


def test_every_kind_of_failure_is_listed_with_its_exception() -> None:
    rows = rows_of_table(SETTINGS, "kind")
    assert [row[0] for row in rows] == sorted(FAMILIES)
    assert {row[0]: row[2] for row in rows} == {
        kind: family.__name__ for kind, family in FAMILIES.items()
    }
    assert {row[0] for row in rows if row[3] == "yes"} == RETRYABLE_KINDS


def test_for_every_kind_of_failure_there_is_something_to_do() -> None:
    rows = rows_of_table("docs/how-to/when-it-fails.md", "kind")
    assert [row[0] for row in rows] == sorted(FAMILIES)
    assert all(row[1] for row in rows)


def test_every_extra_for_users_is_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {row[0] for row in rows_of_table("docs/how-to/install.md", "extra")}
    assert listed == set(project["optional-dependencies"]) - {"dev", "test"}


def test_every_chunk_type_is_listed_with_its_fields() -> None:
    envelope = chunks.StreamChunk.model_fields
    rows = rows_of_table("docs/reference/chunks.md", "type")
    classes = {
        name: value
        for name, value in vars(chunks).items()
        if isinstance(value, type)
        and issubclass(value, chunks.StreamChunk)
        and value not in {chunks.StreamChunk, chunks.UnknownChunk}
    }
    assert [row[1] for row in rows] == list(classes)
    for kind, name, own_fields in rows:
        cls = classes[name]
        assert cls.model_fields["type"].default == kind
        assert re.findall(r"\w+", own_fields) == [f for f in cls.model_fields if f not in envelope]
    assert [row[0] for row in rows_of_table("docs/reference/chunks.md", "field")] == list(envelope)


def test_every_timeout_is_listed_with_its_default() -> None:
    rows = rows_of_table(SETTINGS, "field of `Timeouts`")
    defaults = {field.name: getattr(Timeouts(), field.name) for field in fields(Timeouts)}
    assert {row[0]: None if row[1] == "none" else float(row[1]) for row in rows} == defaults


@pytest.mark.parametrize("cls", [ModelInfo, StreamSummary])
def test_every_field_of_what_plugins_and_lists_tell_is_listed(cls: Any) -> None:
    rows = rows_of_table(SETTINGS, f"field of `{cls.__name__}`")
    listed = [name for row in rows for name in re.findall(r"\w+", row[0])]
    assert listed == [field.name for field in fields(cls)]


def test_every_provider_is_listed_with_its_settings() -> None:
    rows = {row[0]: row[1:] for row in rows_of_table(SETTINGS, "provider")}
    own = [path.parent.name for path in (ROOT / "providers").glob("*/pyproject.toml")]
    assert sorted(rows) == sorted(own)
    for name, (key, address, needs_key, options) in rows.items():
        spec = default_registry().describe(name)
        variables = {each.setting: each.name for each in spec.env}
        assert (key, address) == (variables.get("api_key", ""), variables.get("base_url", ""))
        assert needs_key == ("yes" if spec.needs_key else "no")
        assert set(re.findall(r"\w+", options)) == set(spec.options)


def test_every_module_has_its_place_in_the_architecture() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text()
    (table,) = re.findall(r"^\| module \|.*\n\|[- |]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    named = set(re.findall(r"`(\w+)/?`", table))
    present = {path.stem for path in (ROOT / "streamkit").iterdir() if path.suffix in {"", ".py"}}
    assert {name for name in present if not name.startswith("__")} <= named


def test_the_order_of_imports_is_the_one_that_is_checked() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text()
    (drawn,) = re.findall(r"```text\n(cli >.*?)```", page, re.DOTALL)
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [each for each in tables["contracts"] if each["id"] == "layers"]
    present = {path.stem for path in (ROOT / "streamkit").iterdir()}
    layers = [
        " | ".join(name for name in re.findall(r"\w+", layer) if name in present)
        for layer in contract["layers"]
    ]
    assert " ".join(drawn.split()) == " > ".join(layer for layer in layers if layer)


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("providers/**/*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if not target.startswith(("https://", "http://", "mailto:"))
        and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_of_the_documentation_is_in_an_index() -> None:
    docs = ROOT / "docs"
    indexes = [docs / "README.md", docs / "decisions" / "README.md"]
    linked = {
        (index.parent / target).resolve()
        for index in indexes
        for target in re.findall(r"\]\(([^)#]+)", index.read_text())
    }
    pages = {page.resolve() for page in docs.rglob("*.md")} - {index.resolve() for index in indexes}
    assert pages - linked == set()


def test_every_test_that_the_promises_name_is_there() -> None:
    page = (ROOT / "docs/explanation/promises.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    missing = sorted(name for name in named if f"def {name}(" not in sources)
    assert named
    assert missing == []
