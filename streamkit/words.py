"""The words that somebody may have meant, for messages."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.7) -> list[str]:
    """The known words that are like this one, whatever its case, the likest first.

    Args:
        word: What somebody wrote.
        known: What there is.
        cutoff: How like they must be, up to 1 for the same word.
    """
    lowered = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), lowered, n=3, cutoff=cutoff)
    return [lowered[each] for each in near]
