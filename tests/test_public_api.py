"""What users may import, and what importing it costs."""

import importlib
import importlib.metadata
import inspect
import subprocess
import sys

import pytest

import streamkit
from streamkit.registry.discovery import default_registry

PUBLIC_MODULES = ["chunks", "messages", "plugin", "provider", "request", "testing"]


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after some code."""
    program = f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return set(finished.stdout.splitlines())


def roots(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_every_exported_name_is_there() -> None:
    for name in streamkit.__all__:
        assert getattr(streamkit, name) is not None
    assert set(streamkit.__all__) <= set(dir(streamkit))


def test_the_exports_are_sorted() -> None:
    assert streamkit.__all__ == sorted(streamkit.__all__)


def test_every_name_that_type_checkers_see_is_exported() -> None:
    with open(streamkit.__file__, encoding="utf-8") as file:
        seen = {line.split()[-1] for line in file if line.startswith("    from streamkit.")}
    assert seen == set(streamkit.__all__) - {"__version__"}


def test_an_export_is_the_thing_itself() -> None:
    from streamkit.chunks import StreamChunk

    assert streamkit.StreamChunk is StreamChunk


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'streamkit' has no attribute 'Chunk'"):
        _ = streamkit.Chunk


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_a_public_module_lists_its_names_sorted(name: str) -> None:
    module = importlib.import_module(f"streamkit.{name}")
    assert module.__all__ == sorted(module.__all__)
    assert all(hasattr(module, each) for each in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_a_public_module_lists_every_public_name_it_defines(name: str) -> None:
    module = importlib.import_module(f"streamkit.{name}")
    defined = {
        each
        for each, value in vars(module).items()
        if not each.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }
    # What other modules of the package need and users do not.
    internal = {"messages": {"schema_problem"}, "request": {"check_defaults"}}.get(name, set())
    assert defined - set(module.__all__) == internal


def test_every_public_name_says_what_it_is() -> None:
    for name in PUBLIC_MODULES:
        module = importlib.import_module(f"streamkit.{name}")
        assert module.__doc__
        for each in module.__all__:
            value = getattr(module, each)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert value.__doc__, f"{name}.{each}"


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"pydantic", "pydantic_core", "httpx", "pluggy", "anyio", "asyncio", "ssl"}
    assert not heavy & roots(loaded_after("import streamkit"))


def test_the_chunk_types_import_no_http_client() -> None:
    loaded = roots(loaded_after("import streamkit; streamkit.StreamChunk"))
    assert "pydantic" in loaded
    assert not {"httpx", "httpcore", "anyio", "pluggy", "ssl"} & loaded


@pytest.mark.parametrize("name", ["echo", "local", "moonshot", "ollama", "openai"])
def test_describing_a_provider_imports_neither_an_http_client_nor_pydantic(name: str) -> None:
    code = (
        "from streamkit.registry.discovery import default_registry\n"
        f"assert default_registry().describe({name!r}).name == {name!r}"
    )
    loaded = loaded_after(code)
    assert not {"httpx", "pydantic", "pydantic_core", "anyio", "asyncio"} & roots(loaded)
    assert {each for each in loaded if each.startswith("streamkit.")} == {
        "streamkit.compat_checks",
        "streamkit.config_file",
        "streamkit.errors",
        "streamkit.plugin",
        "streamkit.registry",
        "streamkit.registry.discovery",
        "streamkit.registry.hooks",
        "streamkit.registry.hookspecs",
        "streamkit.registry.manifests",
        "streamkit.registry.once",
        "streamkit.registry.records",
        "streamkit.registry.references",
        "streamkit.words",
    }


def test_listing_providers_imports_no_manifest() -> None:
    code = "from streamkit.registry.discovery import default_registry; default_registry().names()"
    own = [f"streamkit_{name}" for name in default_registry().names()]
    assert "streamkit_openai" in own
    assert not {*own} & roots(loaded_after(code))


def test_the_testing_helpers_import_no_test_runner() -> None:
    assert not {"pytest", "_pytest", "hypothesis"} & roots(loaded_after("import streamkit.testing"))


def test_the_version_is_the_distributions() -> None:
    assert importlib.metadata.version("streamkit-llm") == streamkit.__version__
