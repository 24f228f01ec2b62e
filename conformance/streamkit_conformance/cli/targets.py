"""Finds the target that somebody means: an installed provider's, or one of a test file."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from streamkit_conformance.installed import installed_target
from streamkit_conformance.target import Conformance, TargetError

__all__ = ["find_target", "is_of_a_file"]


def is_of_a_file(name: str) -> bool:
    """Whether a name is that of a test file, with or without the name of a target in it."""
    return "::" in name or name.endswith(".py")


def find_target(name: str) -> Conformance:
    """The target that a name means.

    Args:
        name: `NAME`, `FILE::target`, or `FILE` where there is only one in it.

    Raises:
        TargetError: There is none.
    """
    if not is_of_a_file(name):
        return installed_target(name)
    file, _, wanted = name.partition("::")
    targets = _targets_of(Path(file))
    if wanted in targets:
        return targets[wanted]
    if not wanted and len(targets) == 1:
        return next(iter(targets.values()))
    there = ", ".join(f"{file}::{each}" for each in targets) or "none"
    raise TargetError(f"Which target of {file} is meant? There are: {there}.")


def _targets_of(path: Path) -> dict[str, Conformance]:
    if not path.is_file():
        raise TargetError(f"There is no file {path}.")
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is no Python file.")
    module = module_from_spec(spec)
    # As pytest does, so that a test file finds what stands beside it.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise TargetError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    return {name: each for name, each in vars(module).items() if isinstance(each, Conformance)}
