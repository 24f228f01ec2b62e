"""The rows of docs/how-to/openai-compatible-servers.md, each against what its server really sends.

The rows are read from the page, so what a reader copies is what is tested. Every quirk of a row is
taken out once: a check has to fail then, or the row says more than it must.
"""

import dataclasses
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from streamkit.assembly.assembler import Assembler
from streamkit.attempt import HTTPAttempt
from streamkit.chunks import StreamChunk
from streamkit.config_file import spec_from_table
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.messages import Message, ReasoningPart, TextPart
from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import Capabilities, Capability, CompatSpec, Quirks
from streamkit.provider import HTTPCall
from streamkit.redaction import Redactor
from streamkit.registry.discovery import Registry
from streamkit.request import build_request
from streamkit.settings import resolve_settings
from tests.compatible_servers import CANARY
from tests.known_servers import (
    ACME_FRAMES,
    DOCUMENTED_ADDRESSES,
    ERRORS,
    RECORDED,
    REFUSED_FIELDS,
)
from tests.recorded_answers import actual_facts, expected_facts, play
from tests.wire_recordings import (
    Recording,
    llamacpp_recordings,
    manifest,
    recordings_folder,
    recordings_of,
)

PAGE = Path(__file__).resolve().parent.parent / "docs/how-to/openai-compatible-servers.md"


BLOCKS: Final[list[str]] = re.findall(
    r"^```toml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
)


def rows_of_the_page() -> dict[str, CompatSpec]:
    """Every table of the page, as the reader of config files reads it."""
    tables = tomllib.loads("\n".join(BLOCKS))["providers"]
    return {name: spec_from_table(name, table) for name, table in tables.items()}


ROWS = rows_of_the_page()


def provider_of(row: CompatSpec, key: str | None = CANARY) -> OpenAICompatibleProvider:
    spec = row.as_provider_spec()
    settings = resolve_settings(spec, api_key=key, environment={})
    return OpenAICompatibleProvider(spec, settings)


def recordings_of_server(name: str) -> list[Recording]:
    recordings_folder()
    beginnings = tuple(f"openai-compat/{each}" for each in RECORDED.get(name, ()))
    found = [
        each for each in recordings_of("openai-compat") if each.name.startswith(beginnings or "/")
    ]
    return [*found, *(llamacpp_recordings() if name == "llamacpp" else ())]


def recorded_requests(name: str) -> list[dict[str, Any]]:
    """Address and body of each recorded request to the server."""
    names = {recording.name for recording in recordings_of_server(name)}
    entries = manifest(recordings_folder() / "recordings")["entries"]
    return [entry["request"] for entry in entries if entry["name"] in names]


def call(row: CompatSpec, *messages: Message, **settings: Any) -> HTTPCall:
    request = build_request("m-1", messages or "Hello", **settings)
    return provider_of(row).request(request)


def body(row: CompatSpec, *messages: Message, **settings: Any) -> dict[str, Any]:
    return dict(call(row, *messages, **settings).json or {})


def streamed(row: CompatSpec, data: bytes, **headers: str) -> list[StreamChunk]:
    provider = provider_of(row)
    assembler = Assembler(
        provider=row.name, model="m-1", stream_id="s", new_id=str, redactor=Redactor()
    )
    attempt = HTTPAttempt(provider, "sse", assembler)
    assembler.begin_attempt(0)
    attempt.opened(200, {"content-type": "text/event-stream", **headers})
    chunks = attempt.received(data, 0)
    return chunks if assembler.is_over else [*chunks, *attempt.ended(0)]


# The checks. Each holds for a row as it stands on the page.


def answers_are_read(row: CompatSpec) -> None:
    for recording in recordings_of_server(row.name):
        whole = recording.body
        answer = play(recording, [whole], provider_of(row))
        expected = expected_facts(recording)
        actual = actual_facts(answer)
        assert {name: actual.get(name) for name in expected} == expected, recording.name


def address_is_the_recorded_one(row: CompatSpec) -> None:
    if row.name == "acme":
        return
    seen = {request["url"] for request in recorded_requests(row.name)}
    expected = {DOCUMENTED_ADDRESSES.get(row.name), *seen} - {None}
    assert f"{provider_of(row).base_url}{call(row).path}" in expected


def key_goes_where_the_server_looks(row: CompatSpec) -> None:
    headers = call(row).headers
    names = {"azure": "api-key", "acme": "X-Acme-Key"}
    if row.name in names:
        assert headers[names[row.name]] == CANARY
        assert "Authorization" not in headers
    else:
        assert headers["Authorization"] == f"Bearer {CANARY}"


def token_limit_has_a_name_that_was_seen(row: CompatSpec) -> None:
    requests = [request["body"] or {} for request in recorded_requests(row.name)]
    seen = {
        name
        for each in requests
        for name in ("max_tokens", "max_completion_tokens")
        if name in each
    }
    if row.name == "llamacpp":
        seen.add("max_tokens")  # in the repository's own recordings
    if row.name == "acme":
        seen.add("max_new_tokens")
    if seen:
        assert seen & set(body(row, max_tokens=5))


def nothing_refused_is_sent(row: CompatSpec) -> None:
    said = Message.assistant(ReasoningPart(text="Hm."), TextPart(text="Hi."))
    sent = body(row, Message.user("a"), said, Message.user("b"), max_tokens=5)
    refused = set(REFUSED_FIELDS.get(row.name, {}))
    assert not refused & set(sent)
    assert not refused & {field for message in sent["messages"] for field in message}


def reasoning_goes_back_as_it_came(row: CompatSpec) -> None:
    refused = set(REFUSED_FIELDS.get(row.name, {}))
    for recording in recordings_of_server(row.name):
        response = play(recording, [recording.body], provider_of(row)).response
        if not response.reasoning:
            continue
        text = recording.body.decode()
        names = {name for name in ("reasoning_content", "reasoning") if f'"{name}":' in text}
        (entry,) = body(row, response.message())["messages"]
        given = {name: value for name, value in entry.items() if name in names - refused}
        assert set(given) == names - refused, recording.name
        assert all(value == response.reasoning for value in given.values())


def usage_is_asked_for_as_recorded(row: CompatSpec) -> None:
    requests = [request["body"] or {} for request in recorded_requests(row.name)]
    if any("stream_options" in each for each in requests):
        assert body(row)["stream_options"] == {"include_usage": True}
    if row.name == "acme":
        assert "stream_options" not in body(row)


def errors_have_their_kinds(row: CompatSpec) -> None:
    for status, payload, kind in ERRORS.get(row.name, ()):
        error = provider_of(row).classify(status, {}, json.dumps(payload).encode())
        assert (payload, error.kind) == (payload, kind)


def done_proves_nothing_where_it_follows_failures(row: CompatSpec) -> None:
    if row.name != "openrouter":
        return
    data = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n'
    last = streamed(row, data)[-1]
    assert last.type == "error"
    # The failure behind which it was seen.
    (failed,) = [
        each
        for each in recordings_of_server("openrouter")
        if each.name.endswith("mid-stream-error")
    ]
    assert failed.body.rstrip().endswith(b"data: [DONE]")


def what_it_can_do_was_seen(row: CompatSpec) -> None:
    told = {
        field.name
        for field in dataclasses.fields(row.capabilities)
        if getattr(row.capabilities, field.name) is Capability.YES
    }
    seen: set[str] = set()
    for recording in recordings_of_server(row.name):
        response = play(recording, [recording.body], provider_of(row)).response
        calls = len(response.tool_calls)
        facts = {
            "tools": calls > 0,
            "parallel_tools": calls > 1,
            "reasoning": bool(response.reasoning),
            "usage": response.usage is not None,
            "non_stream": not recording.is_stream and response.state == "complete",
            "json_schema": recording.name.endswith("/json_schema"),
            "logprobs": b'"logprobs":{' in recording.body,
        }
        seen |= {name for name, is_seen in facts.items() if is_seen}
    assert told <= seen


def acme_is_read(row: CompatSpec) -> None:
    if row.name != "acme":
        return
    whole = "".join(f"{frame}\n\n" for frame in ACME_FRAMES).encode()
    chunks = streamed(row, whole)
    assert [chunk.type for chunk in chunks] == ["reasoning", "content", "usage", "end"]
    usage = chunks[-1].model_dump()["usage"]
    assert (usage["output_tokens"], usage["reasoning_tokens"]) == (13, 6)
    cut = "".join(f"{frame}\n\n" for frame in ACME_FRAMES[:-1]).encode()
    assert streamed(row, cut)[-1].model_dump()["error"]["kind"] == "truncated"
    reported = streamed(row, b'data: {"fault":{"detail":{"code":"E42","message":"x"}}}\n\n')[-1]
    assert reported.model_dump()["error"]["kind"] == "quota"


def acme_is_asked(row: CompatSpec) -> None:
    if row.name != "acme":
        return
    said = Message.assistant(ReasoningPart(text="Hm."), TextPart(text="The sky"))
    made = call(row, Message.system("s"), Message.user("a"), said, temperature=0.5)
    sent = dict(made.json or {})
    assert [message["role"] for message in sent["messages"]] == ["developer", "user", "assistant"]
    last = sent["messages"][-1]
    assert (last["content"], last["thoughts"], last["partial"]) == ("The sky", "Hm.", True)
    assert "temperature" not in sent
    assert [notice.code for notice in made.notices] == ["setting_ignored"]
    assert (made.headers["X-Acme-Client"], made.headers["Connection"]) == ("mine", "close")
    with pytest.raises(ProviderError, match="`seed`"):
        call(row, seed=1)


CHECKS: Final[list[Callable[[CompatSpec], None]]] = [
    acme_is_asked,
    acme_is_read,
    address_is_the_recorded_one,
    answers_are_read,
    done_proves_nothing_where_it_follows_failures,
    errors_have_their_kinds,
    key_goes_where_the_server_looks,
    nothing_refused_is_sent,
    reasoning_goes_back_as_it_came,
    token_limit_has_a_name_that_was_seen,
    usage_is_asked_for_as_recorded,
    what_it_can_do_was_seen,
]


# One quirk of one row, or one entry of a quirk that is a table, with the row that lacks it.
def mutants() -> list[Any]:
    made = []
    for row in ROWS.values():
        for field in dataclasses.fields(Quirks):
            value, default = getattr(row.quirks, field.name), getattr(Quirks(), field.name)
            if value == default:
                continue
            lesser = {field.name: default}
            if isinstance(value, dict):
                for key in value:
                    rest = {name: each for name, each in value.items() if name != key}
                    made.append((row, f"{field.name}.{key}", {field.name: rest}))
            else:
                made.append((row, field.name, lesser))
    return [pytest.param(row, change, id=f"{row.name}-{name}") for row, name, change in made]


every_row = pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
every_check = pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])


def test_the_page_has_a_row_for_each_server() -> None:
    assert set(ROWS) == {*RECORDED, "lmstudio", "acme"}


@every_row
@every_check
def test_a_row_says_what_is_so(row: CompatSpec, check: Callable[[CompatSpec], None]) -> None:
    check(row)


@every_row
def test_answers_read_byte_by_byte_are_the_same(row: CompatSpec) -> None:
    provider = provider_of(row)
    for recording in recordings_of_server(row.name):
        whole = recording.body
        single = (whole[i : i + 1] for i in range(len(whole)))
        assert play(recording, single, provider).chunks == play(recording, [whole], provider).chunks


@pytest.mark.parametrize(("row", "change"), mutants())
def test_no_quirk_of_a_row_can_be_left_out(row: CompatSpec, change: dict[str, Any]) -> None:
    without = dataclasses.replace(row, quirks=dataclasses.replace(row.quirks, **change))
    assert any(fails(check, without) for check in CHECKS)


def fails(check: Callable[[CompatSpec], None], row: CompatSpec) -> bool:
    try:
        check(row)
    except (AssertionError, KeyError, pytest.fail.Exception):
        return True
    return False


@every_row
def test_every_recording_of_a_server_is_there(row: CompatSpec) -> None:
    assert bool(recordings_of_server(row.name)) == (row.name in RECORDED)


@pytest.mark.parametrize("name", ["vllm", "lmstudio", "llamacpp"])
def test_a_server_of_ones_own_needs_no_key(name: str) -> None:
    headers = provider_of(ROWS[name], key=None).request_headers()
    assert "Authorization" not in headers


def test_the_page_s_tables_are_providers_once_they_stand_in_the_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("\n".join(BLOCKS), "utf-8")
    monkeypatch.setenv("STREAMKIT_CONFIG", str(config))
    registry = Registry([], [])
    assert set(registry.names()) == set(ROWS)
    for name, row in ROWS.items():
        assert registry.resolve(f"{name}/some:model") == (name, "some:model")
        assert registry.load(name) is OpenAICompatibleProvider
        assert registry.describe(name) == row.as_provider_spec()


def test_the_row_in_the_plug_in_is_the_table_s() -> None:
    (block,) = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(block, names)
    (row,) = names["streamkit_providers"]()
    assert row == ROWS[row.name]


def test_the_page_lists_all_that_a_row_can_say() -> None:
    (table,) = re.findall(
        r"^\| in the table \|.*\n\|[- |]+\n((?:\|.*\n)+)", PAGE.read_text("utf-8"), re.MULTILINE
    )
    told = {
        word for line in table.splitlines() for word in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    fields = (*dataclasses.fields(CompatSpec), *dataclasses.fields(Quirks))
    assert told == {field.name for field in fields if is_word_of_a_table(field.name)}


def is_word_of_a_table(word: str) -> bool:
    table = {"kind": "openai-compatible", "base_url": "https://a.example", word: 1.5}
    with pytest.raises(ConfigurationError) as caught:
        spec_from_table("acme", table)
    return "which means nothing here" not in str(caught.value)


def test_the_page_says_which_row_no_recording_bears_out() -> None:
    (unproven,) = set(ROWS) - set(RECORDED) - {"acme"}
    row = ROWS[unproven]
    text = " ".join(PAGE.read_text("utf-8").split())
    assert f"{row.title}'s row is the one here that no recording bears out" in text
    assert row.capabilities == Capabilities()
