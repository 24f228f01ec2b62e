"""What a plug-in's manifest imports, and all that it may import of streamkit.

Everything here is stdlib and pluggy: describing a provider must import neither an HTTP client nor
pydantic, so that listing what is installed costs nothing.

    from streamkit.plugin import Capabilities, EnvVar, ProviderSpec, hookimpl

    @hookimpl
    def streamkit_providers() -> list[ProviderSpec]:
        return [ProviderSpec(name="acme", factory="streamkit_acme.provider:AcmeProvider", …)]
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

import pluggy

__all__ = [
    "API_VERSION",
    "Capabilities",
    "Capability",
    "EnvVar",
    "PROJECT_NAME",
    "ProviderSpec",
    "Quirks",
    "hookimpl",
]

PROJECT_NAME: Final = "streamkit"

#: The version of the contract between the core and its plug-ins.
API_VERSION: Final = 1

hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


class Capability(StrEnum):
    """Whether a model can do something: the core refuses a sure no and passes what is unknown."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


_UNKNOWN: Final = Capability.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider's models can do, each one yes, no or unknown.

    Attributes:
        tools: Tool calls.
        parallel_tools: Several tool calls in one answer.
        reasoning: Reasoning is shown.
        usage: Token counts are told.
        running_usage: Token counts are told while the answer runs; unknown counts as no.
        json_schema: Answers that follow a JSON schema.
        images: Images in messages.
        documents: Documents in messages.
        prefill: The answer continues a given beginning.
        logprobs: Log probabilities of the tokens.
        list_models: The service tells its models.
        non_stream: The same answer in one piece.
    """

    tools: Capability = _UNKNOWN
    parallel_tools: Capability = _UNKNOWN
    reasoning: Capability = _UNKNOWN
    usage: Capability = _UNKNOWN
    running_usage: Capability = _UNKNOWN
    json_schema: Capability = _UNKNOWN
    images: Capability = _UNKNOWN
    documents: Capability = _UNKNOWN
    prefill: Capability = _UNKNOWN
    logprobs: Capability = _UNKNOWN
    list_models: Capability = _UNKNOWN
    non_stream: Capability = _UNKNOWN

    @classmethod
    def of(cls, *, yes: str = "", no: str = "") -> "Capabilities":
        """Writes a list shortly: `Capabilities.of(yes="tools usage", no="images")`.

        Raises:
            TypeError: A word is no capability.
        """
        answers = dict.fromkeys(yes.split(), Capability.YES)
        answers.update(dict.fromkeys(no.split(), Capability.NO))
        return cls(**answers)

    def is_refused(self, name: str) -> bool:
        """Whether the capability is a sure no."""
        return bool(getattr(self, name) is Capability.NO)


@dataclass(frozen=True, slots=True)
class EnvVar:
    """An environment variable that gives a provider a setting.

    Attributes:
        name: The variable, such as `OPENAI_API_KEY`.
        setting: The setting it gives: `api_key`, `base_url` or one of the provider's own options.
        secret: Its value must never be shown.
    """

    name: str
    setting: str
    secret: bool = False


Evidence: TypeAlias = Literal["finish_reason", "terminator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How an OpenAI-compatible server differs from OpenAI, as data.

    Attributes:
        reasoning_fields: Fields of a delta that hold reasoning; the first one present counts.
        reasoning_replay: The field in which reasoning is sent back, or `None` to leave it out.
        max_tokens_field: The request's field for the token limit.
        system_role: The role of system messages.
        include_usage: Ask for usage with `stream_options`; some servers refuse the field.
        output_includes_reasoning: Whether the wire's output count includes reasoning tokens.
        evidence: What proves that an answer is complete; either is enough where both stand.
        unsupported: Request settings that the server refuses.
        error_kinds: The server's own error codes and types, and the kinds they mean.
        close_connection: Send `Connection: close`: the server closes it after a stream anyway.
        key_header: The header that carries the key; the default sends `Authorization: Bearer`.
        headers: More headers for each request.
    """

    reasoning_fields: tuple[str, ...] = ("reasoning_content", "reasoning")
    reasoning_replay: str | None = "reasoning_content"
    max_tokens_field: str = "max_tokens"
    system_role: str = "system"
    include_usage: bool = True
    output_includes_reasoning: bool = True
    evidence: frozenset[Evidence] = frozenset({"finish_reason", "terminator"})
    unsupported: frozenset[str] = frozenset()
    error_kinds: Mapping[str, str] = field(default_factory=dict)
    close_connection: bool = False
    key_header: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """A provider, described without loading it.

    Attributes:
        name: The name that users write before the model: `openai` in `openai/gpt-5`.
        factory: Where the provider class is, as `package.module:Class`; imported on first use.
        title: The service's name for people.
        base_url: The service's address when none is set.
        needs_key: A request without a key makes no sense.
        env: Environment variables that give settings.
        capabilities: What its models can do.
        model_capabilities: Where a model differs, by its name.
        default_model: The model that examples and first tries use.
        distribution: The distribution to install for it.
        api_version: The version of the contract that it was written for.
        options: Names of further settings that the provider takes.
    """

    name: str
    factory: str
    title: str = ""
    base_url: str = ""
    needs_key: bool = True
    env: tuple[EnvVar, ...] = ()
    capabilities: Capabilities = Capabilities()
    model_capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    default_model: str | None = None
    distribution: str | None = None
    api_version: int = API_VERSION
    options: tuple[str, ...] = ()

    def capabilities_of(self, model: str) -> Capabilities:
        """The capabilities of one model: the provider's, with the model's own answers over them."""
        own = self.model_capabilities.get(model)
        if own is None:
            return self.capabilities
        merged: dict[str, Any] = {}
        for each in fields(Capabilities):
            answer = getattr(own, each.name)
            fallback = getattr(self.capabilities, each.name)
            merged[each.name] = fallback if answer is _UNKNOWN else answer
        return Capabilities(**merged)
