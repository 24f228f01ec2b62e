"""What is said of a failed answer: its kind, its words, and what would help."""

import difflib
import re
import sys
import sysconfig
from pathlib import Path
from typing import Final

import streamkit
from streamkit.chunks import ErrorInfo
from streamkit.cli.cache import known_models
from streamkit.cli.services import may_list
from streamkit.cli.terminal import complain, for_the_shell, note, one_line, printable, write

_STEP: Final = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_OWN_FOLDER: Final = Path(streamkit.__file__).parent
_STDLIB: Final = Path(sysconfig.get_path("stdlib"))


def explain(error: ErrorInfo, ref: str, *, is_verbose: bool = False) -> None:
    """Writes on standard error what went wrong with an answer.

    Args:
        error: What the stream ended with.
        ref: The model's reference.
        is_verbose: Show all that is known for developers, such as a traceback.
    """
    complain(f"{error.kind}: {for_the_shell(error.message)}")
    detail = error.detail or ""
    if is_verbose and detail:
        write(sys.stderr, f"{printable(detail).rstrip()}\n", dim=True)
    elif error.kind == "plugin":
        note(f"{plugin_fault(detail) or detail[:300]}  (--verbose shows all of it)")
    elif detail:
        note(detail.splitlines()[0])
    if error.kind == "not_found":
        hint = nearest_models(ref)
        if hint:
            write(sys.stderr, f"{hint}\n")
    if error.retry_after_s is not None:
        note(f"The service asks to wait {error.retry_after_s:.0f} s.")


def plugin_fault(detail: str) -> str:
    """What an author looks for in a traceback: the last line of the plug-in, and the exception.

    Args:
        detail: The traceback, as text.
    """
    last = detail.rpartition("Traceback (most recent call last):\n")[2]
    steps = list(_STEP.finditer(last))
    said = [line for line in last.splitlines() if line and not line.startswith(" ")]
    theirs = [step for step in steps if _is_of_a_plug_in(Path(step["file"]))]
    place = f"{theirs[-1]['file']}:{theirs[-1]['line']}" if theirs else ""
    return ": ".join(part for part in (place, one_line(" ".join(said), 300)) if part)


def _is_of_a_plug_in(file: Path) -> bool:
    """Whether code is neither ours nor Python's own."""
    if file.is_relative_to(_OWN_FOLDER):
        return False
    return "site-packages" in file.parts or not file.is_relative_to(_STDLIB)


def nearest_models(ref: str) -> str:
    """A sentence that names the models closest to one that does not exist, as far as known.

    Empty where nothing is known and the service lists nothing.
    """
    provider, _, model = ref.partition("/")
    known = known_models(provider)
    if model in known:
        return (
            f"The list that is kept names it, and may be old: streamkit models {provider} --refresh"
        )
    if not known and not may_list(provider):
        return ""
    if not known:
        return f"See what there is: streamkit models {provider}"
    near = difflib.get_close_matches(model, known, n=3, cutoff=0.5)
    near += [each for each in known if model and model in each and each not in near][
        : 3 - len(near)
    ]
    if not near:
        return f"See what there is: streamkit models {provider}"
    return f"Nearest: {', '.join(one_line(f'{provider}/{each}', 100) for each in near)}"
