"""Real distributions in a folder, found by fresh interpreters: what is imported, what goes wrong.

The folder holds one plug-in of each kind that must harm nobody.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import quiet_environment

pytestmark = pytest.mark.integration

#: What describing must not import, and what only some of streamkit needs.
HEAVY = {"anyio", "httpcore", "httpx", "pydantic", "pydantic_core", "ssl"}
OWN = ("echo", "local", "moonshot", "ollama", "openai")

DESCRIBES = """
from streamkit.plugin import ProviderSpec, hookimpl

@hookimpl
def {hook}():
    return [
        ProviderSpec(
            name={name!r}, api_version={version}, factory="streamkit_echo.provider:EchoProvider",
            title="of the folder", needs_key=False,
        )
    ]
"""
SLOW_S = 2.0


def describes(name: str, *, hook: str = "streamkit_providers", version: int = 1) -> str:
    return DESCRIBES.format(name=name, hook=hook, version=version)


#: By provider: its distribution, and the source of its module.
PLUGINS = {
    "raising": ("streamkit-raising", 'raise RuntimeError("it does not even import")'),
    "exiting": ("streamkit-exiting", 'raise SystemExit("it leaves")'),
    "misspelt": ("streamkit-misspelt", describes("misspelt", hook="streamkit_provider")),
    "newer": ("streamkit-newer", describes("newer", version=99)),
    "older": ("streamkit-older", describes("older", version=-1)),
    "slow": ("streamkit-slow", f"import time\ntime.sleep({SLOW_S})\n" + describes("slow")),
    "openai": ("aaa-openai", describes("openai")),
    "fine": ("streamkit-fine", describes("fine")),
}

#: A plug-in that is no provider: it is asked for secrets, and has none to give.
KEEPER = """
from streamkit.plugin import hookimpl

@hookimpl
def streamkit_secret(provider, name):
    raise RuntimeError("sk-canary-of-the-keeper")
"""

#: What `doctor` says of each: a piece of the problem, and of what mends it.
TOLD = {
    "raising": ("RuntimeError: it does not even import", "pip uninstall streamkit-raising"),
    "exiting": ("SystemExit: it leaves", "pip uninstall streamkit-exiting"),
    "misspelt": ("perhaps streamkit_providers is meant", "tell the author of streamkit-misspelt"),
    "newer": ("it is written for version 99", "pip install --upgrade streamkit-llm"),
    "older": ("it is written for version -1", "pip install --upgrade streamkit-older"),
    "openai": ("the name `openai` is taken by streamkit-openai", "pip uninstall aaa-openai"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with all of them, as an installer would have left it."""
    folder = tmp_path_factory.mktemp("discovery")
    site = folder / "site"
    site.mkdir()
    for name, (distribution, source) in PLUGINS.items():
        install(site, "streamkit.providers", name, distribution, source)
    install(site, "streamkit.plugins", "keeper", "streamkit-keeper", KEEPER)
    return folder


def install(site: Path, group: str, name: str, distribution: str, source: str) -> None:
    """Leaves a distribution with one module and one entry point in the folder."""
    module = f"plugin_{name}" if group == "streamkit.providers" else f"other_{name}"
    (site / f"{module}.py").write_text(source)
    facts = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (facts / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")


def child(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs a fresh interpreter that finds the folder's distributions."""
    return subprocess.run(
        [sys.executable, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**quiet_environment(folder), "PYTHONPATH": str(folder / "site")},
    )


def said(folder: Path, code: str) -> Any:
    """Runs code in a fresh interpreter and returns the JSON that it prints."""
    done = child(folder, "-c", f"import json, sys\n{code}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def imported_by(folder: Path, code: str) -> set[str]:
    """The modules that a fresh interpreter has after the code, and had not before it."""
    return set(
        said(
            folder,
            f"before = set(sys.modules)\n{code}\nprint(json.dumps([*set(sys.modules) - before]))",
        )
    )


def providers_among(modules: set[str]) -> set[str]:
    """The manifests and classes of providers among these modules."""
    own = tuple(f"streamkit_{name}" for name in OWN)
    return {each for each in modules if each.startswith(("plugin_", *own))}


# What is imported.


def test_importing_streamkit_imports_no_heavy_module_and_no_provider(folder: Path) -> None:
    modules = imported_by(folder, "import streamkit")
    assert "streamkit" in modules
    assert not HEAVY & modules
    assert not providers_among(modules)


def test_listing_imports_no_provider(folder: Path) -> None:
    modules = imported_by(
        folder,
        "from streamkit.registry.discovery import default_registry\n"
        f"assert set(default_registry().names()) >= {{*{OWN}, 'slow', 'raising'}}",
    )
    assert not providers_among(modules)
    assert not HEAVY & modules


@pytest.mark.parametrize("name", [*OWN, "fine"])
def test_describing_imports_that_manifest_alone_and_no_http_client(folder: Path, name: str) -> None:
    modules = imported_by(
        folder,
        "from streamkit.registry.discovery import default_registry\n"
        f"assert default_registry().describe({name!r}).name == {name!r}",
    )
    package = "plugin_fine" if name == "fine" else f"streamkit_{name}"
    assert package in modules
    assert {each.partition(".")[0] for each in providers_among(modules)} == {package}
    assert f"{package}.provider" not in modules
    assert not HEAVY & modules


def test_a_model_imports_its_own_provider_alone(folder: Path) -> None:
    modules = imported_by(folder, "import streamkit\nstreamkit.get_model('echo/echo')")
    assert providers_among(modules) == {"streamkit_echo", "streamkit_echo.provider"}


# What goes wrong.


def test_each_is_told_of_one_by_one_and_harms_no_other(folder: Path) -> None:
    records = said(
        folder,
        "from streamkit.registry.discovery import default_registry\n"
        "print(json.dumps([[r.name, r.distribution, r.version, r.import_s, r.problem, r.remedy,"
        " len(r.specs)] for r in default_registry().records()]))\n"
        f"assert not {HEAVY} & set(sys.modules)",
    )
    by_owner = {(name, owner): rest for name, owner, *rest in records}
    for name, (problem, remedy) in TOLD.items():
        version, _, told, mends, count = by_owner[name, PLUGINS[name][0]]
        assert (version, count) == ("1.2", 0)
        assert problem in told
        assert "\n" not in told
        assert remedy in mends
    for name in OWN:
        _, _, told, _, count = by_owner[name, f"streamkit-{name}"]
        assert (told, count) == (None, 1)
    _, import_s, told, _, count = by_owner["slow", "streamkit-slow"]
    assert import_s >= SLOW_S
    assert (told, count) == (None, 1)
    assert max(rest[1] for key, rest in by_owner.items() if key[0] != "slow") < SLOW_S


@pytest.mark.parametrize("name", ["fine", "slow"])
def test_what_works_in_such_company_streams(folder: Path, name: str) -> None:
    answer = said(
        folder,
        "import streamkit\n"
        f"print(json.dumps(streamkit.get_model({f'{name}/echo'!r}).generate_sync('Hi').text))",
    )
    assert answer == "Hi"


@pytest.mark.parametrize("name", sorted(set(TOLD) - {"openai"}))
def test_what_is_broken_says_so_when_it_is_asked_for(folder: Path, name: str) -> None:
    done = child(folder, "-m", "streamkit", "chat", "Hi", "-m", f"{name}/any")
    problem, remedy = TOLD[name]
    assert done.returncode == 2
    assert problem in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr


def test_the_name_stays_with_its_owner(folder: Path) -> None:
    title = said(
        folder,
        "from streamkit.registry.discovery import default_registry\n"
        "print(json.dumps(default_registry().describe('openai').title))",
    )
    assert title == "OpenAI"


def test_chat_goes_on_in_such_company_and_waits_for_no_other(folder: Path) -> None:
    answer, modules = said(
        folder,
        "import contextlib, io\n"
        "from streamkit.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as shown:\n"
        "    assert main(['chat', 'Hi there', '-m', 'echo/echo']) == 0\n"
        "print(json.dumps([shown.getvalue(), [*sys.modules]]))",
    )
    assert answer == "Hi there\n"
    assert providers_among(set(modules)) == {"streamkit_echo", "streamkit_echo.provider"}


def test_providers_are_shown_in_such_company(folder: Path) -> None:
    done = child(folder, "-m", "streamkit", "providers", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    problems = {each["name"]: each["problem"] for each in shown if each["problem"]}
    assert set(problems) == set(TOLD)
    assert {*OWN, "fine", "slow"} <= {each["name"] for each in shown if not each["problem"]}


def test_doctor_names_each_problem_and_what_mends_it(folder: Path) -> None:
    done = child(folder, "-m", "streamkit", "doctor", "--json")
    assert done.returncode == 1, done.stderr
    sections = {each["title"]: each["findings"] for each in json.loads(done.stdout)["sections"]}
    findings = sections["Plug-ins"]
    for name, (problem, remedy) in TOLD.items():
        (found,) = [e for e in findings if e["name"] == name and e["status"] == "broken"]
        assert problem in found["told"]
        assert remedy in found["remedy"]
    (slow,) = [each for each in findings if each["name"] == "slow"]
    assert slow["status"] == "warning"
    assert "slow" in slow["told"]
    healthy = {each["name"] for each in findings if each["status"] == "ok"}
    assert {*OWN, "fine"} <= healthy


def test_doctor_tells_of_a_secrets_plugin_that_failed_when_it_was_asked(folder: Path) -> None:
    done = child(folder, "-m", "streamkit", "doctor", "--json")
    sections = {each["title"]: each["findings"] for each in json.loads(done.stdout)["sections"]}
    (keeper,) = [each for each in sections["Plug-ins"] if each["name"] == "keeper"]
    assert keeper["status"] == "broken"
    assert "RuntimeError" in keeper["told"]
    assert "sk-canary-of-the-keeper" not in done.stdout + done.stderr
