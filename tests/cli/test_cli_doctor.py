"""What `doctor` calls broken, whom it asks, and what it shows to a plug-in's author."""

import json
from pathlib import Path

import pytest

from tests.cli.commands import CANARY, install, streamkit
from tests.cli.test_cli_services import failing, listed, openai_at
from tests.cli.test_cli_terminal import answer
from tests.loopback import END, chunk, head, serving

pytestmark = pytest.mark.integration

OWL = """
from streamkit.plugin import ProviderSpec, hookimpl

@hookimpl
def streamkit_providers():
    return [ProviderSpec(
        name="owl", api_version=1, factory="owl_provider:OwlProvider", title="Owl",
        base_url="{url}", needs_key={needs_key}, default_model="barn",
    )]
"""
OWL_PROVIDER = """
from streamkit.provider import HTTPCall, HTTPProvider

class OwlProvider(HTTPProvider):
    def request(self, request):
        return HTTPCall(path="/chat", json={}, framing="ndjson")

    def decode(self, frame, emit):
        emit.content(frame.object()["toot"])
"""
HOOT = [head(200, "application/x-ndjson"), chunk(b'{"hoot": "hu"}\n'), END]


def install_owl(
    folder: Path, source: str, *, url: str = "http://127.0.0.1:1", needs_key: bool = False
) -> None:
    install(folder, "owl", OWL.format(url=url, needs_key=needs_key))
    (folder / "site" / "owl_provider.py").write_text(source)


def configure(folder: Path, text: str) -> Path:
    place = folder / "config" / "streamkit" / "config.toml"
    place.parent.mkdir(parents=True)
    place.write_text(text)
    place.chmod(0o600)
    return place


def test_a_bug_of_a_plug_in_is_told_with_its_line_and_with_all_of_it_when_asked(
    tmp_path: Path,
) -> None:
    with serving(HOOT, HOOT, HOOT, HOOT) as server:
        install_owl(tmp_path, OWL_PROVIDER, url=server.url)
        place = f"{tmp_path / 'site' / 'owl_provider.py'}:9"
        brief = streamkit("chat", "Hi", "-m", "owl/barn", folder=tmp_path)
        assert f"{place}: KeyError: 'toot'" in brief.stderr
        assert "Traceback" not in brief.stderr
        whole = streamkit("chat", "Hi", "-m", "owl/barn", "--verbose", folder=tmp_path)
        assert "Traceback" in whole.stderr
        assert 'emit.content(frame.object()["toot"])' in whole.stderr
        probed = streamkit("doctor", "owl", "--probe", folder=tmp_path)
        assert f"{place}: KeyError: 'toot'" in probed.stdout
        assert "→ tell the plug-in's author" in probed.stdout
        assert "Traceback" not in probed.stdout
        probed = streamkit("doctor", "--probe", "--verbose", folder=tmp_path)
        assert "✗ owl" in probed.stdout
        assert "Traceback" in probed.stdout


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import owllib", "ModuleNotFoundError: No module named 'owllib'"),
        ("def broken(:", "SyntaxError"),
        ("class OwlProvidr: pass", "AttributeError"),
    ],
    ids=["import", "syntax", "name"],
)
def test_a_class_that_cannot_be_imported_is_told_once_with_its_traceback(
    source: str, said: str, tmp_path: Path
) -> None:
    install_owl(tmp_path, source)
    done = streamkit("doctor", "owl", "-v", folder=tmp_path)
    assert done.returncode == 1
    assert f"✗ owl  {said}" in done.stdout
    assert "Traceback" in done.stdout
    assert "`streamkit doctor`" not in done.stdout
    assert "1 thing is broken" in done.stdout


@pytest.mark.parametrize("needs_key", [False, True])
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (OWL_PROVIDER.replace("def decode", "def decod"), "lacks decode()"),
        ("class OwlProvider: pass", "must derive from HTTPProvider or StreamProvider"),
    ],
    ids=["abstract", "no provider"],
)
def test_a_class_that_makes_no_provider_is_broken_with_and_without_a_key(
    source: str, said: str, needs_key: bool, tmp_path: Path
) -> None:
    install_owl(tmp_path, source, needs_key=needs_key)
    done = streamkit("doctor", "owl", folder=tmp_path)
    assert done.returncode == 1
    assert said in done.stdout
    assert "1 thing is broken" in done.stdout


def test_a_provider_that_raises_when_it_is_made_is_broken(tmp_path: Path) -> None:
    made = OWL_PROVIDER + "\n    def __init__(self, spec, settings):\n        raise OSError('no')\n"
    install_owl(tmp_path, made)
    done = streamkit("doctor", "owl", "-v", folder=tmp_path)
    assert done.returncode == 1
    assert "OSError: no" in done.stdout
    assert "Traceback" in done.stdout


@pytest.mark.parametrize(
    "table",
    [
        '[providers.openai]\napi_key = "x"\nregion = "cn"',
        "[providers.openai]\napi_key = 12345",
        '[providers.house]\nkind = "openai-compatible"\nbase_url = "127.0.0.1:8000/v1"',
        '[providers.local]\nslots = "many"',
        "[providers.ollama]\nnum-ctx = 3",
        '[aliases]\nfast = "ecoh/echo"',
    ],
)
def test_a_setting_or_an_alias_that_makes_every_chat_fail_is_broken(
    table: str, tmp_path: Path
) -> None:
    configure(tmp_path, table)
    environment = {"OLLAMA_HOST": "http://127.0.0.1:1"}
    done = streamkit("doctor", folder=tmp_path, environment=environment)
    broken = [line for line in done.stdout.splitlines() if "✗" in line]
    assert done.returncode == 1
    # The address of ollama is set here, and nothing listens.
    assert len([line for line in broken if "ollama  http" not in line]) == 1, done.stdout


def test_a_missing_key_is_not_set_up_and_not_broken(tmp_path: Path) -> None:
    done = streamkit("doctor", "openai", folder=tmp_path)
    assert done.returncode == 0
    assert "not set up: no key: set OPENAI_API_KEY" in done.stdout


def test_the_variable_that_the_config_file_names_is_the_one_to_set(tmp_path: Path) -> None:
    configure(tmp_path, '[providers.openai]\nkey_env = "OWN_KEY"\n')
    for command in ("doctor", "providers"):
        done = streamkit(command, "openai", folder=tmp_path)
        assert "set OWN_KEY or OPENAI_API_KEY" in done.stdout


@pytest.mark.parametrize("text", ["= no toml", "[alias]\nfast = 'echo/echo'\n"])
def test_a_broken_config_file_is_told_once(text: str, tmp_path: Path) -> None:
    place = configure(tmp_path, text)
    for command in ("doctor", "providers", "models"):
        done = streamkit(command, folder=tmp_path)
        assert (done.stdout + done.stderr).count(str(place)) == 1, done.stdout + done.stderr
        assert "()" not in done.stdout
    assert "1 thing is broken" in streamkit("doctor", folder=tmp_path).stdout


def house(url: str) -> str:
    return f'[providers.house]\nkind = "openai-compatible"\nbase_url = "{url}"\n'


def test_a_model_is_asked_only_where_it_is_the_default_or_named(tmp_path: Path) -> None:
    with serving(listed("embed-1", "ok"), listed("ok"), answer("Hello.")) as server:
        configure(tmp_path, house(server.url))
        done = streamkit("doctor", "house", "--probe", folder=tmp_path)
        assert done.returncode == 0, done.stdout
        assert "· house  not asked" in done.stdout
        assert "--model house/MODEL" in done.stdout
        done = streamkit("doctor", "--model", "house/ok", folder=tmp_path)
        assert "✓ house  house/ok: first content after" in done.stdout
        assert json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])["model"] == "ok"
    done = streamkit("doctor", "echo", "-m", "house/ok", folder=tmp_path)
    assert done.returncode == 2
    assert "not of `echo`" in done.stderr


def test_a_message_that_says_what_mends_it_becomes_the_remedy(tmp_path: Path) -> None:
    source = OWL_PROVIDER + (
        "\n    def prepare(self, request):\n        from streamkit.errors import ConfigurationError"
        "\n        raise ConfigurationError('Owl sleeps. To wake it, run: hoot')\n"
    )
    install_owl(tmp_path, source)
    done = streamkit("doctor", "--probe", folder=tmp_path)
    assert "! owl" in done.stdout
    assert "owl/barn: configuration: Owl sleeps.\n" in done.stdout
    assert "→ To wake it, run: hoot\n" in done.stdout


def test_a_config_file_with_a_key_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    with serving(*[listed("gpt-a")] * 3) as server:
        text = f'[providers.openai]\napi_key = "{CANARY}"\nbase_url = "{server.url}"\n'
        place = configure(tmp_path, text)
        assert "chmod" not in streamkit("doctor", "openai", folder=tmp_path).stdout
        place.chmod(0o644)
        done = streamkit("doctor", "openai", folder=tmp_path)
        assert done.returncode == 0
        assert "! config.toml" in done.stdout
        assert f"→ chmod 600 {place}" in done.stdout
        place.write_text(f'[providers.openai]\nbase_url = "{server.url}"\n')
        assert "chmod" not in streamkit("doctor", "openai", folder=tmp_path).stdout
    assert CANARY not in done.stdout + done.stderr


def test_a_listed_model_that_is_not_there_is_not_its_own_nearest(tmp_path: Path) -> None:
    with serving(listed("gpt-a"), failing(404, "No such model.")) as server:
        environment = openai_at(server.url)
        streamkit("models", "openai", folder=tmp_path, environment=environment)
        done = streamkit(
            "chat", "Hi", "-m", "openai/gpt-a", folder=tmp_path, environment=environment
        )
    assert "Nearest" not in done.stderr
    assert "streamkit models openai --refresh" in done.stderr
