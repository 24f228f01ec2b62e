"""Makes the subject of a target: whatever it is, something with `stream()`."""

from dataclasses import dataclass, field
from typing import Any

from streamkit.making import make_provider
from streamkit.model import Model
from streamkit.plugin import Capabilities
from streamkit.provider import HTTPProvider, StreamProvider
from streamkit.registry.discovery import default_registry
from streamkit.settings import Timeouts
from streamkit.transport.http import HTTPTransport
from streamkit_conformance.case import Backend, Case
from streamkit_conformance.target import Conformance, Env, TargetError

__all__ = ["Made", "claims_of", "make", "model_of", "name_of", "timeouts_of"]

#: How long a stream may take where its case says nothing: far beyond what any takes.
_LONG_S = 10.0


@dataclass(frozen=True, slots=True)
class Made:
    """A subject, ready to be asked.

    Attributes:
        subject: The object with `stream()`.
        uses_client: It sends its requests through the kit's client; one that does not makes clients
            of its own, which are answered by patching them.
        is_streamkit: It is a provider or a model of streamkit.
    """

    subject: Any
    uses_client: bool
    is_streamkit: bool


def make(target: Conformance, case: Case, backend: Backend, *, client: Any, base_url: str) -> Made:
    """Makes the subject for one case.

    Args:
        target: What is tested.
        case: What is asked, with which key.
        backend: On what.
        base_url: The service's address.
        client: The kit's client; `None` lets providers of streamkit use streamkit's own.

    Raises:
        Exception: Whatever the subject's author raises, such as for a key that cannot be one.
    """
    env = _Env(
        secret=case.secret,
        base_url=base_url,
        client=client,
        backend=backend,
        model=case.ask.model or model_of(target),
        timeouts=timeouts_of(case),
        name=name_of(target),
    )
    if isinstance(target.subject, str):
        spec = default_registry().describe(target.subject)
        made: Any = make_provider(
            spec,
            lambda: default_registry().load(spec.name),
            api_key=case.secret,
            base_url=base_url,
        )
    else:
        made = target.subject(env)
    if isinstance(made, HTTPProvider | StreamProvider):
        model = Model(made, env.model, transport=HTTPTransport(client), timeouts=env.timeouts)
        return Made(model, True, True)
    if not callable(getattr(made, "stream", None)) and not callable(
        getattr(made, "stream_sync", None)
    ):
        raise TargetError(
            f"The subject of `{name_of(target)}` is a {type(made).__name__}: give a Provider, a "
            "Model, or an object with stream(messages, **settings)."
        )
    return Made(made, env.is_used, isinstance(made, Model))


@dataclass(kw_only=True)
class _Env(Env):
    """An `Env` that remembers whether its client was taken."""

    is_used: bool = field(default=False, init=False)

    @property
    def http_client(self) -> Any:
        self.is_used = True
        return self.client


def name_of(target: Conformance) -> str:
    """What reports call the target."""
    if target.name:
        return target.name
    if isinstance(target.subject, str):
        return target.subject
    made = getattr(target.subject, "__name__", "")
    return made if made and made != "<lambda>" else "subject"


def model_of(target: Conformance) -> str:
    """The model that the target is asked for."""
    if target.model:
        return target.model
    if isinstance(target.subject, str):
        return default_registry().describe(target.subject).default_model or "test-model"
    return "test-model"


def timeouts_of(case: Case) -> Timeouts:
    """How long the case's streams wait."""
    limits: dict[str, float] = {"connect": _LONG_S, "first_content": _LONG_S, "idle": _LONG_S}
    return Timeouts(**{**limits, **case.timeouts})


def claims_of(target: Conformance, probe: Case) -> Capabilities:
    """What the target claims: its own word, else the subject's capabilities, else nothing.

    Raises:
        TargetError: The subject cannot be made.
    """
    if target.claims is not None:
        return target.claims
    try:
        made = make(
            target, probe, target.backends[0], client=None, base_url="http://127.0.0.1:9/v1"
        )
    except TargetError:
        raise
    except Exception as error:
        raise TargetError(
            f"The subject of `{name_of(target)}` cannot be made: {type(error).__name__}: {error}"
        ) from error
    claims = getattr(made.subject, "capabilities", None)
    return claims if isinstance(claims, Capabilities) else Capabilities()
