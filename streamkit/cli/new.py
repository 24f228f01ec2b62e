"""`streamkit new provider NAME`: makes a package that is complete but for its service.

The templates lie beside this module, one folder for what all share and one for each wire. Text in
double braces is replaced; a folder called `module` becomes the package's.
"""

import argparse
import keyword
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from streamkit.cli.parser import WIRES
from streamkit.errors import ConfigurationError
from streamkit.registry.discovery import default_registry

_NAME: Final = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_SUFFIX: Final = ".template"


def run(arguments: argparse.Namespace) -> int:
    """Makes the package, and says what to do with it."""
    words = _words(arguments.name)
    folder = Path(arguments.folder or words["distribution"])
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} is there and not empty; name another with --folder.")
    for place, text in sorted(_files(arguments.wire, words)):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
    manifest = folder / words["module"] / "__init__.py"
    print(
        f"\nNext: fill in the address of the service in {manifest}, then\n"
        f"  cd {folder} && pip install -e '.[test]' && pytest",
        file=sys.stderr,
    )
    return 0


def _words(name: str) -> dict[str, str]:
    """What the templates' words become.

    Raises:
        ConfigurationError: It cannot be a provider's name, or is one already.
    """
    module = "streamkit_" + name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigurationError(
            f"{name!r} cannot be a provider's name: small letters and digits, with single hyphens."
        )
    if name in default_registry().names():
        raise ConfigurationError(f"There is a provider `{name}` already; `streamkit providers`.")
    title = " ".join(part.capitalize() for part in re.split("[-_]", name))
    return {
        "name": name,
        "distribution": f"streamkit-{name}",
        "module": module,
        "title": title,
        "class": title.replace(" ", ""),
        "constant": name.replace("-", "_").upper(),
    }


def _files(wire: str, words: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The package's files: where each goes, and what is in it."""
    templates = files("streamkit.cli") / "templates" / "provider"
    assert wire in WIRES
    for part in ("common", wire):
        for place, template in _walk(templates / part, ()):
            text = template.read_text(encoding="utf-8")
            for word, value in words.items():
                text = text.replace("{{" + word + "}}", value)
            parts = [words["module"] if each == "module" else each for each in place]
            yield "/".join(parts).removesuffix(_SUFFIX), text


def _walk(
    folder: Traversable, place: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _walk(each, (*place, each.name))
        elif each.name.endswith(_SUFFIX):
            yield (*place, each.name), each
