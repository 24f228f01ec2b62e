"""What is said of a failed answer: its kind, its words, and what would help."""

import difflib
import sys

from streamkit.chunks import ErrorInfo
from streamkit.cli.cache import known_models
from streamkit.cli.terminal import complain, note, one_line, write


def explain(error: ErrorInfo, ref: str) -> None:
    """Writes on standard error what went wrong with an answer."""
    complain(f"{error.kind}: {error.message}")
    for line in (error.detail or "").splitlines()[:1]:
        note(line)
    if error.kind == "not_found":
        hint = nearest_models(ref)
        if hint:
            write(sys.stderr, f"{hint}\n")
    if error.retry_after_s is not None:
        note(f"The service asks to wait {error.retry_after_s:.0f} s.")


def nearest_models(ref: str) -> str:
    """A sentence that names the models closest to one that does not exist, as far as known."""
    provider, _, model = ref.partition("/")
    known = known_models(provider)
    if not known:
        return f"See what there is: streamkit models {provider}"
    near = difflib.get_close_matches(model, known, n=3, cutoff=0.5)
    near += [each for each in known if model and model in each and each not in near][
        : 3 - len(near)
    ]
    if not near:
        return f"See what there is: streamkit models {provider}"
    return f"Nearest: {', '.join(one_line(f'{provider}/{each}', 100) for each in near)}"
