"""What a mutant is: a provider right but for one decision, and the rules that must see it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from streamkit.plugin import Capabilities
from streamkit_conformance.case import Backend
from streamkit_conformance.dialects import ollama_ndjson, openai_sse
from streamkit_conformance.gallery.plain_client import OllamaClient, OpenAIClient, PlainClient
from streamkit_conformance.gallery.plain_reader import PlainReader
from streamkit_conformance.gallery.plain_wires import OllamaReader
from streamkit_conformance.gallery.references import (
    OLLAMA_CLAIMS,
    OPENAI_CLAIMS,
    OllamaReference,
    OpenAIReference,
    provider_of,
)
from streamkit_conformance.target import Conformance

__all__ = ["MUTANTS", "Mutant", "mutant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A provider broken on purpose.

    Attributes:
        name: Its name, in words.
        kills: The ids of the rules that must fail, exactly.
        why: What is broken, and who writes it so.
        axis: What the diagnosis must name; empty where nothing makes it pass.
        target: The provider.
        backend: Where it shows.
    """

    name: str
    kills: frozenset[str]
    why: str
    axis: str
    target: Conformance
    backend: Backend = "asyncio"


MUTANTS: Final[dict[str, Mutant]] = {}

_Class = TypeVar("_Class", bound=type)


def mutant(
    *,
    kills: Iterable[str],
    why: str,
    axis: str = "",
    backend: Backend = "asyncio",
    claims: Capabilities | None = None,
) -> Callable[[_Class], _Class]:
    """Puts a reader, a client or a provider of the references' kinds into the gallery.

    Raises:
        ValueError: There is a mutant of that name already.
    """

    def register(cls: _Class) -> _Class:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", cls.__name__).lower()
        if name in MUTANTS:
            raise ValueError(f"there is a mutant called {name!r} already")
        MUTANTS[name] = Mutant(
            name=name,
            kills=frozenset(kills),
            why=why,
            axis=axis,
            target=_target(cls, name, claims),
            backend=backend,
        )
        return cls

    return register


def _target(cls: type[Any], name: str, claims: Capabilities | None) -> Conformance:
    is_ollama = issubclass(cls, OllamaReader | OllamaClient | OllamaReference)
    own = OLLAMA_CLAIMS if is_ollama else OPENAI_CLAIMS
    return Conformance(
        _subject(cls, is_ollama=is_ollama),
        dialect=ollama_ndjson() if is_ollama else openai_sse(),
        name=name,
        claims=claims or own,
    )


def _subject(cls: type[Any], *, is_ollama: bool) -> Callable[[Any], Any]:
    if issubclass(cls, PlainReader):
        client = OllamaClient if is_ollama else OpenAIClient
        return lambda env: client(env, cls)
    if issubclass(cls, PlainClient):
        return cls
    if issubclass(cls, OllamaReference | OpenAIReference):
        return provider_of(cls)
    raise TypeError(f"{cls.__name__} is no reader, client or provider of the references' kinds")
