"""What cannot be meant in the row of an OpenAI-compatible server, wherever the row is written.

The types of a row are checked where it is written: by a type checker in a plug-in, by the reader of
the config file in a table. Here is what its values may be. A fault is the end of a sentence that
begins with the word at fault, and shows nothing that may be a key.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from streamkit.errors import FAMILIES, ConfigurationError
from streamkit.plugin import Evidence, Quirks, Setting
from streamkit.words import nearest

__all__ = ["base_url_fault", "check_quirks", "choice_fault"]

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Visible ASCII, with spaces and tabs inside only: clients refuse the rest.
_HEADER_VALUE: Final = re.compile(r"([!-~]([ \t!-~]*[!-~])?)?")
# They follow from the body, which the client writes.
_OF_THE_CLIENT: Final = frozenset({"content-length", "transfer-encoding"})

# What every good answer holds, too: nothing there would tell an error from an answer.
_OF_EVERY_ANSWER: Final = frozenset(
    {"choices", "created", "id", "model", "object", "usage"}
    | {
        f"choices.0{place}"
        for place in ("", ".delta", ".finish_reason", ".index", ".logprobs", ".message")
    }
)


def check_quirks(quirks: Quirks, place: str) -> None:
    """Refuses quirks that no server can have.

    Args:
        quirks: What is said of the server.
        place: Where it is said, for the message, such as `[providers.acme]`.

    Raises:
        ConfigurationError: A value cannot be meant, or no answer could be read with it.
    """
    for word, fault_of in _FAULTS.items():
        fault = fault_of(getattr(quirks, word))
        if fault is not None:
            raise ConfigurationError(f"{place}: `{word}` {fault}.")


def base_url_fault(url: str) -> str | None:
    """What makes a text no address that requests could go to; `None` for one that is."""
    try:
        parts = urlsplit(url.strip())
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "is not a valid URL"
    if parts.scheme not in {"http", "https"} or not has_host:
        return (
            "must start with http:// or https:// and name a host, such as "
            "https://api.example.com/v1"
        )
    if parts.query or parts.fragment:
        return "must not hold a query or a fragment"
    if any(ord(character) <= 32 for character in url.strip()):
        return "contains a space or a control character"
    return None


def choice_fault(words: Iterable[str], choices: Iterable[str]) -> str | None:
    """Says which word is none of the choices, with the nearest that is; `None` if all are."""
    known = list(choices)
    for word in sorted(words):
        if word not in known:
            near = nearest(word, known)
            meant = f" (perhaps `{near[0]}` is meant)" if near else ""
            return f"cannot hold `{word}`{meant}, only {', '.join(known)}"
    return None


def _name_fault(name: str | None) -> str | None:
    return "must not be empty" if name is not None and not name.strip() else None


def _names_fault(names: Iterable[str]) -> str | None:
    return next(filter(None, map(_name_fault, names)), None)


def _path_fault(path: str | None) -> str | None:
    if path is None or all(path.split(".")):
        return None
    return "must be names or positions with a dot between them, such as choices.0.usage"


def _error_path_fault(path: str | None) -> str | None:
    if path in _OF_EVERY_ANSWER:
        return f"cannot be {path}: every answer has it, and would be an error"
    return _path_fault(path)


def _evidence_fault(evidence: frozenset[str]) -> str | None:
    if not evidence:
        return "must not be empty: no answer could ever be complete"
    return choice_fault(evidence, get_args(Evidence))


def _settings_fault(settings: frozenset[str]) -> str | None:
    return choice_fault(settings, get_args(Setting))


def _kinds_fault(kinds: Mapping[str, str]) -> str | None:
    return choice_fault(kinds.values(), FAMILIES)


def _header_name_fault(name: str | None) -> str | None:
    if name is not None and not _HEADER_NAME.fullmatch(name):
        # Not shown: who mixes up name and value puts the key here.
        return "must be a header's name: letters, digits and hyphens"
    if name is not None and name.lower() in _OF_THE_CLIENT:
        return f"cannot be {name}: the HTTP client sets it"
    return None


def _headers_fault(headers: Mapping[str, str]) -> str | None:
    for name, value in headers.items():
        fault = _header_name_fault(name)
        if fault is not None:
            return f"has a name that {fault}"
        if not _HEADER_VALUE.fullmatch(value):
            return (
                f"gives `{name}` a value that no header can carry: it must be ASCII in one line, "
                "without a space at either end"
            )
    return None


_FAULTS: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "reasoning_fields": _names_fault,
    "reasoning_replay": _name_fault,
    "max_tokens_field": _name_fault,
    "system_role": _name_fault,
    "usage_path": _path_fault,
    "error_path": _error_path_fault,
    "evidence": _evidence_fault,
    "unsupported": _settings_fault,
    "ignored": _settings_fault,
    "prefill_field": _name_fault,
    "error_kinds": _kinds_fault,
    "key_header": _header_name_fault,
    "headers": _headers_fault,
}
