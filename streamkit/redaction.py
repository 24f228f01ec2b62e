"""What must not be shown, and how it is hidden.

A `Redactor` knows every secret of one request by value, and the shapes in which services repeat
keys and account ids by pattern. Everything that leaves the core as prose passes through one.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

HIDDEN: Final = "[redacted]"

MAX_MESSAGE: Final = 500
MAX_DETAIL: Final = 4000

# What is shorter hides more of a text than it protects.
_SHORTEST_SECRET: Final = 4
# Characters of a secret that are worth hiding by themselves.
_TELLING_PIECE: Final = 8

# Shapes of keys and account ids as services repeat them in their messages: OpenAI's and its
# followers' `sk-…`, Groq's `gsk_…`, xAI's `xai-…`, Google's `AIza…`, Moonshot's `org-…<ak-…>`,
# OpenRouter's `user_…`, and whatever stands behind `Bearer` or before an `@` in an address.
_SHAPES: Final = re.compile(
    r"""(?:
        \b(?:sk|gsk|xai|ak|pk|rk|org|proj)[-_][A-Za-z0-9*_.\-]{8,}
      | \bAIza[A-Za-z0-9_\-]{20,}
      | \buser_[A-Za-z0-9]{12,}
      | (?<=Bearer\s)[^\s"'<>]{4,}
      | (?<=://)[^\s/"'<>]+(?=@)
    )""",
    re.VERBOSE,
)

# Words in the names of headers that carry secrets, also in those that a service made up.
_SENSITIVE_NAME: Final = re.compile("auth|cookie|key|password|secret|token", re.IGNORECASE)


class Redactor:
    """Hides the secrets of one request in any text.

    Args:
        secrets: The secrets by value; those of fewer than four characters are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = set(secrets)

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def learn(self, secrets: Iterable[str]) -> None:
        """Adds secrets to hide."""
        self._secrets.update(secrets)

    def text(self, text: str, limit: int = MAX_DETAIL) -> str:
        """The text without secrets, cut to `limit` characters."""
        text = _SHAPES.sub(HIDDEN, self._without_secrets(text))
        return text if len(text) <= limit else text[: limit - 1] + "…"

    def value(self, value: Any) -> Any:
        """A JSON value without the secrets themselves; what only looks like one stays."""
        if isinstance(value, str):
            return self._without_secrets(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def _without_secrets(self, text: str) -> str:
        forms = {form for secret in self._secrets for form in _written_forms(secret)}
        # Longest first: a secret may contain another one.
        for form in sorted(forms, key=len, reverse=True):
            text = _without_cut_end(text.replace(form, HIDDEN), form)
        return text


def _written_forms(secret: str) -> set[str]:
    """How a secret may stand in a text: as it is, escaped for JSON, or quoted for a URL."""
    if len(secret) < _SHORTEST_SECRET:
        return set()
    escaped = json.dumps(secret)[1:-1]
    return {secret, escaped, escaped.replace("/", "\\/"), quote(secret, safe="")}


def _without_cut_end(text: str, secret: str) -> str:
    """Hides the beginning of a secret that the text ends with: a limit cut the rest off."""
    for length in range(min(len(secret), len(text)), _TELLING_PIECE - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + HIDDEN
    return text


def secret_headers(headers: Mapping[str, str]) -> list[str]:
    """The secrets that request headers carry: whole values, and what stands behind `Bearer`."""
    found: list[str] = []
    for name, value in headers.items():
        if _SENSITIVE_NAME.search(name):
            found += [value, value.rpartition(" ")[2]]
    return found
