"""A table of the config file that describes a server: what it says, and what is refused of it."""

import json
import tomllib
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.config_file import spec_from_table
from streamkit.errors import ConfigurationError
from streamkit.plugin import Capabilities, CompatSpec, Quirks

CANARY = "sk-canary-0123456789"
SERVER = 'kind = "openai-compatible"\nbase_url = "https://api.acme.example/v1"\n'


def spec_of(text: str) -> CompatSpec:
    """Reads a table `[providers.acme]` with these lines beside its kind and its address."""
    return spec_from_table("acme", tomllib.loads(SERVER + text))


A_SERVER = """
title = "Acme"
key_env = "ACME_API_KEY"
base_url_env = "ACME_BASE_URL"
needs_key = false
default_model = "small"
capabilities = {yes = ["tools", "usage"], no = "images logprobs"}
model_capabilities = {"large*" = {yes = "images"}}
reasoning_fields = ["thoughts"]
reasoning_replay = false
max_tokens_field = "max_completion_tokens"
include_usage = false
usage_path = "choices.0.usage"
error_path = "fault"
keep_alive = ["ping", "[WAIT]"]
evidence = ["terminator"]
unsupported = "seed stop"
ignored = []
prefill_field = "partial"
key_header = "x-key"
error_kinds = {1305 = "rate_limit"}
headers = {x-team = "blue"}
close_connection = true
"""


def test_a_table_is_the_row_that_it_describes() -> None:
    assert spec_of(A_SERVER) == CompatSpec(
        name="acme",
        base_url="https://api.acme.example/v1",
        title="Acme",
        key_env="ACME_API_KEY",
        base_url_env="ACME_BASE_URL",
        needs_key=False,
        default_model="small",
        capabilities=Capabilities.of(yes="tools usage", no="images logprobs"),
        model_capabilities={"large*": Capabilities.of(yes="images")},
        quirks=Quirks(
            reasoning_fields=("thoughts",),
            reasoning_replay=None,
            max_tokens_field="max_completion_tokens",
            include_usage=False,
            usage_path="choices.0.usage",
            error_path="fault",
            keep_alive=frozenset({"ping", "[WAIT]"}),
            evidence=frozenset({"terminator"}),
            unsupported=frozenset({"seed", "stop"}),
            prefill_field="partial",
            key_header="x-key",
            error_kinds={"1305": "rate_limit"},
            headers={"x-team": "blue"},
            close_connection=True,
        ),
    )


def test_what_a_table_leaves_out_is_as_a_row_has_it() -> None:
    assert spec_of("") == CompatSpec(name="acme", base_url="https://api.acme.example/v1")


def test_a_table_may_hold_a_key_which_is_no_part_of_the_row() -> None:
    row = spec_of(f'api_key = "{CANARY}"\nheaders = {{authorization = "Bearer {CANARY}"}}')
    assert row.quirks.headers == {"authorization": f"Bearer {CANARY}"}
    assert CANARY not in repr(row)
    assert CANARY not in repr(row.as_provider_spec())


NOT_OF_A_TABLE = {"name", "quirks", "api_version", "distribution"}


@pytest.mark.parametrize(
    "word", sorted({each.name for each in (*fields(CompatSpec), *fields(Quirks))} - NOT_OF_A_TABLE)
)
def test_every_field_of_a_row_can_be_written_and_refuses_what_it_cannot_be(word: str) -> None:
    table = {**tomllib.loads(SERVER), word: 1.5}
    with pytest.raises(ConfigurationError, match=rf"\[providers.acme\]: `{word}` must be "):
        spec_from_table("acme", table)


@pytest.mark.parametrize("word", sorted(NOT_OF_A_TABLE))
def test_what_only_a_package_has_means_nothing_in_a_table(word: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\[providers.acme\] has `{word}`, which means"):
        spec_of(f'{word} = "1"')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bse_url_env = 1", " has `bse_url_env`, which means nothing here. Did you mean `base_url"),
        ("telepathy = 1", " has `telepathy`, which means nothing here."),
        ("title = 5", ": `title` must be text, not a number."),
        ("title = false", ": `title` must be text, not true or false."),
        ("title = 2026-01-01", ": `title` must be text, not a date or a time."),
        ("title = [1]", ": `title` must be text, not a list."),
        ("needs_key = 1", ": `needs_key` must be true or false, not a number."),
        ('include_usage = "no"', ": `include_usage` must be true or false, not text."),
        ("default_model = true", ": `default_model` must be text, not true or false."),
        (
            'keep_alive = ["a", 1]',
            ": `keep_alive` must be a list of texts, and item 2 is a number.",
        ),
        ("keep_alive = true", ": `keep_alive` must be a list of texts, not true or false."),
        ("unsupported = {}", ": `unsupported` must be a list of texts, not a table."),
        ("headers = {a = 1}", ": `headers` must be a table of texts, and `a` is a number."),
        ("error_kinds = {E = []}", ": `error_kinds` must be a table of texts, and `E` is a list."),
        ('headers = "a"', ": `headers` must be a table of texts, not text."),
        (
            f'key_env = "{CANARY}"',
            ": `key_env` must be the name of an environment variable, not a key or a path.",
        ),
        ("base_url_env = true", ": `base_url_env` must be the name of an environment variable"),
        ("evidence = []", ": `evidence` must not be empty: no answer could ever be complete."),
        (
            'evidence = ["finish_reasons"]',
            ": `evidence` cannot hold `finish_reasons` (perhaps `finish_reason` is meant), only ",
        ),
        ('evidence = "x"', ": `evidence` cannot hold `x`, only finish_reason, terminator."),
        ('capabilities = "tools"', ": `capabilities` must be a table such as {yes = ["),
        ("capabilities = {maybe = 1}", ": `capabilities` must be a table such as {yes = ["),
        ("capabilities = {yes = 1}", ": `capabilities` must be a list of texts, not a number."),
        (
            'capabilities = {yes = "tolls"}',
            ": `capabilities` cannot hold `tolls` (perhaps `tools` is meant), only tools, ",
        ),
        (
            'capabilities = {yes = "usage tools", no = "tools"}',
            ": `capabilities` says both yes and no to `tools`.",
        ),
        ("model_capabilities = 1", ": `model_capabilities` must be a table of tables, one for ea"),
        ('model_capabilities = {a = "tools"}', ": `model_capabilities` must be a table such as "),
        ('model_capabilities = {a = {no = "x"}}', ": `model_capabilities` cannot hold `x`, only "),
    ],
)
def test_a_word_that_cannot_be_read_is_told_with_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        spec_of(text)
    assert str(caught.value).startswith(f"[providers.acme]{says}")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'headers = {{a = "{CANARY}ü"}}', ": `headers` gives `a` a value that no header can carr"),
        (f'headers = {{a = "{CANARY}\\n"}}', ": `headers` gives `a` a value that no header can ca"),
        (f'headers = {{a = " {CANARY}"}}', ": `headers` gives `a` a value that no header can carr"),
        (f'headers = {{"a: {CANARY}" = ""}}', ": `headers` has a name that must be a header's na"),
        ('headers = {"" = "a"}', ": `headers` has a name that must be a header's name: letters, "),
        ('headers = {"ü" = "a"}', ": `headers` has a name that must be a header's name: letters,"),
        ('headers = {Content-Length = "5"}', ": `headers` has a name that cannot be Content-Lengt"),
        ('key_header = ""', ": `key_header` must be a header's name: letters, digits and hyphens."),
        ('key_header = "X Bad"', ": `key_header` must be a header's name: letters, digits and hyp"),
        (f'key_header = "x: {CANARY}"', ": `key_header` must be a header's name: letters, digits"),
        (
            'error_kinds = {E = "qouta"}',
            ": `error_kinds` cannot hold `qouta` (perhaps `quota` is meant), only authentication, ",
        ),
        (
            'unsupported = ["max_token"]',
            ": `unsupported` cannot hold `max_token` (perhaps `max_tokens` is meant), only tools, ",
        ),
        ('ignored = "seed model"', ": `ignored` cannot hold `model`, only tools, tool_choice, "),
        ('usage_path = "a..b"', ": `usage_path` must be names or positions with a dot between "),
        ('usage_path = ""', ": `usage_path` must be names or positions with a dot between them, "),
        ('error_path = "a."', ": `error_path` must be names or positions with a dot between them"),
        ('error_path = "choices"', ": `error_path` cannot be choices: every answer has it, and w"),
        ('error_path = "choices.0"', ": `error_path` cannot be choices.0: every answer has it, "),
        ('max_tokens_field = ""', ": `max_tokens_field` must not be empty."),
        ('system_role = " "', ": `system_role` must not be empty."),
        ('reasoning_replay = ""', ": `reasoning_replay` must not be empty."),
        ('prefill_field = ""', ": `prefill_field` must not be empty."),
        ('reasoning_fields = ["a", ""]', ": `reasoning_fields` must not be empty."),
        ('base_url = "acme.example"', ": `base_url` must start with http:// or https:// and name"),
        ('base_url = "ftp://acme.example"', ": `base_url` must start with http:// or https:// an"),
        ('base_url = "https://a.example/?v=1"', ": `base_url` must not hold a query or a fragme"),
        ('base_url = "https://a.example/a b"', ": `base_url` contains a space or a control char"),
        ('base_url = "https://[a/"', ": `base_url` is not a valid URL."),
    ],
)
def test_a_word_that_cannot_be_meant_is_told_with_its_place(text: str, says: str) -> None:
    table = {**tomllib.loads(SERVER), **tomllib.loads(text)}
    with pytest.raises(ConfigurationError) as caught:
        spec_from_table("acme", table)
    assert str(caught.value).startswith(f"[providers.acme]{says}")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'headers = {X_a-1 = "", B = "a b\\tc"}',
        'key_header = "api-key"',
        'error_path = "choices.0.error"',
        "reasoning_fields = []",
        'base_url = "http://[::1]:8000/v1/"',
    ],
)
def test_a_word_that_is_only_rare_is_taken(text: str) -> None:
    table = {**tomllib.loads(SERVER), **tomllib.loads(text)}
    word, value = next(iter(tomllib.loads(text).items()))
    row = spec_from_table("acme", table)
    read = getattr(row, word) if word == "base_url" else getattr(row.quirks, word)
    assert read == (() if value == [] else value)


def test_a_keep_alive_that_is_a_sentence_is_one_entry() -> None:
    assert spec_of('keep_alive = "still working"').quirks.keep_alive == {"still working"}
    listed = spec_of('keep_alive = ["still working", "ping"]').quirks.keep_alive
    assert listed == {"still working", "ping"}


@pytest.mark.parametrize("address", [None, "", False])
def test_a_table_needs_an_address(address: object) -> None:
    table = {"kind": "openai-compatible", "base_url": address}
    wanted = {name: value for name, value in table.items() if value is not None}
    with pytest.raises(ConfigurationError, match=r"\[providers.acme\]:? (needs )?`base_url`"):
        spec_from_table("acme", wanted)


@pytest.mark.parametrize("kind", ["openai", "", 5, None, ["openai-compatible"]])
def test_a_kind_that_there_is_not_is_told_with_the_one_that_there_is(kind: object) -> None:
    says = r'\[providers.acme\] has an unknown `kind`; the one that there is is "openai-compatible"'
    with pytest.raises(ConfigurationError, match=says):
        spec_from_table("acme", {"kind": kind, "base_url": "https://a.example"})


# Any table.

WORDS = [*(each.name for each in (*fields(CompatSpec), *fields(Quirks))), "kind", "api_key", "new"]
LEAVES = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(["", "tools", "terminator", "openai-compatible", "ACME_KEY", "a b"]),
    st.text(max_size=5),
    st.datetimes(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["yes", "no", "a*"]), inner, max_size=3),
    ),
    max_leaves=5,
)


@given(
    table=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6),
    has_address=st.booleans(),
)
def test_any_table_is_a_row_or_refused_and_shows_no_key(
    table: dict[str, Any], has_address: bool
) -> None:
    table = {**table, "kind": "openai-compatible", "api_key": CANARY}
    if has_address:
        table["base_url"] = "https://api.acme.example/v1"
    try:
        shown = repr(spec_from_table("acme", table).as_provider_spec())
    except ConfigurationError as error:
        shown = str(error) + repr(error)
        assert "[providers.acme]" in shown
    assert CANARY not in shown


@given(value=VALUES, word=st.sampled_from(["headers", "key_env", "title", "capabilities"]))
def test_any_value_of_a_word_that_may_be_mistaken_for_the_keys_is_not_shown(
    value: Any, word: str
) -> None:
    def poisoned(value: Any) -> Any:
        match value:
            case dict():
                return {name: poisoned(each) for name, each in value.items()}
            case list():
                return [*map(poisoned, value), {"deep": CANARY}]
            case _:
                return value

    table = {**tomllib.loads(SERVER), word: poisoned([value])}
    with pytest.raises(ConfigurationError) as caught:
        spec_from_table("acme", table)
    assert CANARY not in json.dumps(str(caught.value))
