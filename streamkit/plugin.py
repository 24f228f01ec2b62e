"""What a plug-in's manifest imports, and all that it may import of streamkit.

Everything here is stdlib and pluggy: describing a provider must import neither an HTTP client nor
pydantic, so that listing what is installed costs nothing.

    from streamkit.plugin import Capabilities, EnvVar, ProviderSpec, hookimpl

    @hookimpl
    def streamkit_providers() -> list[ProviderSpec]:
        return [
            ProviderSpec(
                name="acme", api_version=1, factory="streamkit_acme.provider:AcmeProvider", …
            )
        ]
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, TypeAlias

import pluggy

__all__ = [
    "API_VERSION",
    "Capabilities",
    "Capability",
    "Command",
    "CompatSpec",
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
        parse: Reads the variable's text where it is not the setting itself; raises `ValueError`
            with a sentence for users, without the value.
    """

    name: str
    setting: str
    secret: bool = False
    parse: Callable[[str], Any] | None = None


Evidence: TypeAlias = Literal["finish_reason", "terminator"]
#: The settings of a request that a server may refuse or ignore, by their names in `ChatRequest`.
Setting: TypeAlias = Literal[
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "output_schema",
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "logprobs",
]


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
        usage_path: Where a frame holds the usage, as `choices.0.usage`; by default every place that
            is known, such as beside `choices` and in the first choice.
        error_path: Where a body or a frame holds its error, such as `fault.detail`; by default
            `error`, or the whole body.
        keep_alive: Frames that only keep the connection alive and add nothing: their event's name,
            or their whole text.
        evidence: What proves that an answer is complete; either is enough where both stand.
        unsupported: Request settings that the server refuses: so does the core, before sending.
        ignored: Request settings that mean nothing to the server: left out, with a notice. Without
            `tools`, what is said about them is left out too.
        prefill_field: The field of a last assistant message that asks to continue it, such as
            `partial`; `None` sends it as any other message.
        error_kinds: The server's own error codes and types, and the kinds of `ErrorInfo.kind` that
            they mean.
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
    usage_path: str | None = None
    error_path: str | None = None
    keep_alive: frozenset[str] = frozenset()
    evidence: frozenset[Evidence] = frozenset({"finish_reason", "terminator"})
    unsupported: frozenset[Setting] = frozenset()
    ignored: frozenset[Setting] = frozenset()
    prefill_field: str | None = None
    error_kinds: Mapping[str, str] = field(default_factory=dict)
    close_connection: bool = False
    key_header: str | None = None
    # Whoever writes a row may put a key into a header.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """A provider, described without loading it.

    Attributes:
        name: The name that users write before the model: `openai` in `openai/gpt-5`.
        api_version: The version of the contract that the plug-in was written for, as a number in
            its own text: streamkit supports its own `API_VERSION` and the one before.
        factory: Where the provider class is, as `package.module:Class`; imported on first use.
        title: The service's name for people.
        base_url: The service's address when none is set. It may hold a password: not in the repr.
        needs_key: A request without a key makes no sense.
        env: Environment variables that give settings.
        capabilities: What its models can do.
        model_capabilities: Where a model differs, by its name or by a pattern such as `kimi-k2*`:
            the name itself counts first, then the first pattern that fits.
        default_model: The model that examples and first tries use.
        distribution: The distribution to install for it.
        options: Names of further settings that the provider takes.
        quirks: How an OpenAI-compatible server differs; read by `OpenAICompatibleProvider`.
    """

    name: str
    api_version: int
    factory: str
    title: str = ""
    base_url: str = field(default="", repr=False)
    needs_key: bool = True
    env: tuple[EnvVar, ...] = ()
    capabilities: Capabilities = Capabilities()
    model_capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    default_model: str | None = None
    distribution: str | None = None
    options: tuple[str, ...] = ()
    quirks: Quirks | None = None

    def capabilities_of(self, model: str) -> Capabilities:
        """The capabilities of one model: the provider's, with the model's own answers over them."""
        patterns = (each for each in self.model_capabilities if fnmatchcase(model, each))
        name = model if model in self.model_capabilities else next(patterns, None)
        own = None if name is None else self.model_capabilities[name]
        if own is None:
            return self.capabilities
        merged: dict[str, Any] = {}
        for each in fields(Capabilities):
            answer = getattr(own, each.name)
            fallback = getattr(self.capabilities, each.name)
            merged[each.name] = fallback if answer is _UNKNOWN else answer
        return Capabilities(**merged)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatSpec:
    """An OpenAI-compatible server as a row of data: a provider without code.

    The same can stand in the user's config file, as a table `[providers.NAME]` with
    `kind = "openai-compatible"`.

    Attributes:
        name: The name that users write before the model.
        base_url: The server's address, up to where `/chat/completions` follows.
        title: The server's name for people.
        key_env: The environment variable of the key; without one the server needs no key.
        needs_key: A request without a key makes no sense; by default so where `key_env` is given.
        base_url_env: An environment variable that gives another address.
        capabilities: What its models can do.
        model_capabilities: Where a model differs, by its name or by a pattern.
        default_model: The model that examples and first tries use.
        distribution: The distribution to install for it.
        api_version: The version of the contract that the row was written for.
        quirks: How the server differs from OpenAI.
    """

    name: str
    base_url: str = field(repr=False)
    title: str = ""
    key_env: str | None = None
    needs_key: bool | None = None
    base_url_env: str | None = None
    capabilities: Capabilities = Capabilities()
    model_capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    default_model: str | None = None
    distribution: str | None = None
    api_version: int = API_VERSION
    quirks: Quirks = Quirks()

    def as_provider_spec(self) -> ProviderSpec:
        """The same description for a provider that reads the row."""
        variables = []
        if self.key_env is not None:
            variables.append(EnvVar(self.key_env, "api_key", secret=True))
        if self.base_url_env is not None:
            variables.append(EnvVar(self.base_url_env, "base_url"))
        return ProviderSpec(
            name=self.name,
            api_version=self.api_version,
            factory="streamkit.openai_compatible:OpenAICompatibleProvider",
            title=self.title,
            base_url=self.base_url,
            needs_key=self.key_env is not None if self.needs_key is None else self.needs_key,
            env=tuple(variables),
            capabilities=self.capabilities,
            model_capabilities=self.model_capabilities,
            default_model=self.default_model,
            distribution=self.distribution,
            quirks=self.quirks,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that a plug-in adds to the command line `streamkit`.

    Attributes:
        name: The word after `streamkit`.
        help: One line on what it does.
        run: Where its function is, as `package.module:function`; imported when it is called. It
            takes the arguments after the word, as a list, and returns the exit code.
    """

    name: str
    help: str
    run: str
