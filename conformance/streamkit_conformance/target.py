"""What is tested: a subject, the dialect in which it is answered, and what it claims."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import SecretStr

from streamkit.plugin import Capabilities
from streamkit.settings import ProviderSettings, Timeouts
from streamkit_conformance.case import BACKENDS, Backend
from streamkit_conformance.dialects.base import Dialect

__all__ = ["Conformance", "Env", "Subject", "TargetError", "Waiver"]


class TargetError(Exception):
    """The kit was given something that it cannot test; the message says what to do."""


@dataclass(kw_only=True)
class Env:
    """What a subject is made with, once for each case.

    Attributes:
        secret: The key; it may appear in a request's headers and nowhere else.
        base_url: The service's address; nothing is there but the kit.
        http_client: A client of httpx for the backend, answered by the kit. Reading it says that
            the subject uses it; a subject that makes clients of its own leaves it alone.
        backend: `asyncio`, `trio` or `sync`.
        model: The model's name.
        timeouts: How long the subject waits.
        name: The provider's name, for its settings.
    """

    secret: str
    base_url: str
    client: Any = field(repr=False)
    backend: Backend
    model: str
    timeouts: Timeouts
    name: str = "subject"

    @property
    def http_client(self) -> Any:
        """See the class."""
        return self.client

    @property
    def settings(self) -> ProviderSettings:
        """Key and address as a provider's constructor takes them."""
        return ProviderSettings(
            provider=self.name, base_url=self.base_url, api_key=SecretStr(self.secret)
        )


#: The name of an installed provider, or what makes a subject: a `Provider`, a `Model`, or any
#: object with `stream(messages, **settings)` that gives `StreamChunk`s.
Subject: TypeAlias = str | Callable[[Env], Any]


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A rule that the subject breaks, knowingly and for a time.

    Attributes:
        rule: The rule's id.
        reason: Why.
        until: The last day on which it counts.
        issue: Where it is being mended.
        backends: Where it is broken; empty for everywhere.
    """

    rule: str
    reason: str
    until: date
    issue: str = ""
    backends: tuple[Backend, ...] = ()


@dataclass(eq=False)
class Conformance:
    """A provider to test; as a name of a test module pytest collects it.

    Attributes:
        subject: The name of an installed provider, or what makes the subject from an `Env`.
        dialect: How its service says things.
        name: What reports call it; by default the provider's name.
        model: The model to ask for; by default the provider's default model, else `test-model`.
        claims: What the subject says it can; by default the provider's own capabilities.
        backends: Where it runs; one that is left out stands in the report as not applicable.
        waivers: Rules that it breaks knowingly; more may stand in `pyproject.toml`.
        recordings: A folder of `.skwire` files, each of them a test too.

    Raises:
        TargetError: It cannot be tested as it is given.
    """

    subject: Subject
    dialect: Dialect = field(kw_only=True)
    name: str = field(default="", kw_only=True)
    model: str = field(default="", kw_only=True)
    claims: Capabilities | None = field(default=None, kw_only=True)
    backends: tuple[Backend, ...] = field(default=BACKENDS, kw_only=True)
    waivers: Iterable[Waiver] = field(default=(), kw_only=True)
    recordings: Path | str | None = field(default=None, kw_only=True)
