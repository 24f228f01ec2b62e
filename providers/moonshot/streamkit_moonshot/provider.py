"""Moonshot AI over chat completions: what differs from OpenAI's dialect, and nothing else."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from streamkit.error_body import parsed_body
from streamkit.errors import ConfigurationError
from streamkit.messages import Message, ToolResult
from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.openai_decode import decode_frame
from streamkit.plugin import Capabilities, Capability, ProviderSpec, Quirks
from streamkit.provider import (
    Emitter,
    Frame,
    HTTPCall,
    ModelInfo,
    NoticeDelta,
    ProviderError,
    ProviderSettings,
    ReasoningDelta,
    ToolCallDelta,
)
from streamkit.request import ChatRequest
from streamkit.settings import ARGUMENT, DEFAULT
from streamkit_moonshot.errors import in_words
from streamkit_moonshot.refusals import refuse_impossible
from streamkit_moonshot.rules import is_thinking, rules_of
from streamkit_moonshot.tool_ids import give_unique_id, with_wire_ids

__all__ = ["MoonshotProvider"]

_ADDRESSES: Final = {
    "international": "https://api.moonshot.ai/v1",
    "cn": "https://api.moonshot.cn/v1",
}
_REASONING: Final = "reasoning_content"
_TOLD_CAPABILITIES: Final = {"reasoning": "supports_reasoning", "images": "supports_image_in"}

# The field, said to be empty. Inside a string of the frame its quotes would be escaped.
_EMPTY_REASONING: Final = re.compile(rb'"reasoning_content"\s*:\s*""')


class MoonshotProvider(OpenAICompatibleProvider):
    """Moonshot AI (Kimi), international or China platform, streaming and not."""

    quirks = Quirks(
        # The documented name; `max_tokens` is deprecated and still accepted.
        max_tokens_field="max_completion_tokens",
        reasoning_fields=(_REASONING,),
        reasoning_replay=_REASONING,
        prefill_field="partial",
    )

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        super().__init__(spec, _placed(spec, settings))

    def quirks_of(self, model: str) -> Quirks:
        """How requests to one model differ."""
        if rules_of(model).takes_effort is False:
            return replace(self.quirks, ignored=self.quirks.ignored | {"reasoning_effort"})
        return self.quirks

    # Requests.

    def request(self, request: ChatRequest) -> HTTPCall:
        """Says which HTTP call a request becomes; pure.

        Raises:
            ProviderError: The service is certain to refuse it (`unsupported`, `configuration`).
        """
        refuse_impossible(request)
        return super().request(request)

    def settings_of(self, request: ChatRequest) -> tuple[dict[str, Any], list[NoticeDelta]]:
        """The settings as they stand in the body, without those that the model fixes itself.

        The fixed value itself is left out too, silently: it holds anyway, and which one it is
        depends on whether the model thinks.
        """
        fixed = rules_of(request.model).fixed_sampling(thinking=is_thinking(request) is not False)
        given = {name: getattr(request, name) for name in fixed}
        kept = request.model_copy(update=dict.fromkeys(fixed))
        settings, notices = super().settings_of(kept)
        notices += [
            NoticeDelta(
                "setting_ignored",
                f"`{name}` is fixed at {fixed[name]:g} for `{self.name}/{request.model}` and was "
                "left out.",
            )
            for name, value in given.items()
            if value is not None and value != fixed[name]
        ]
        return settings, notices

    def encode_messages(self, request: ChatRequest) -> list[dict[str, Any]]:
        """Writes all of a request's messages, with the service's own tool call ids."""
        messages = with_wire_ids(request.messages, self._own)
        entries = super().encode_messages(request.model_copy(update={"messages": messages}))
        _answer_builtin_calls(entries)
        if is_thinking(request):
            for entry in entries:
                # While it thinks, the service refuses these without the field; an empty text will
                # do for what was said without reasoning, by another model or before.
                if "tool_calls" in entry or "partial" in entry:
                    entry.setdefault(_REASONING, "")
        return entries

    def encode_message(self, message: Message, quirks: Quirks) -> list[dict[str, Any]]:
        """Writes one message: a `tool` message becomes one entry for each of its results."""
        entries = super().encode_message(message, quirks)
        names = [
            part.name
            for part in message.parts
            if isinstance(part, ToolResult) and part.executed_by == "caller"
        ]
        results = [entry for entry in entries if entry["role"] == "tool"]
        for entry, name in zip(results, names, strict=True):
            # The service recognises its own tools, such as `$web_search`, by it.
            entry["name"] = name
        return entries

    # Answers.

    def decode(self, frame: Frame, emit: Emitter) -> None:
        """Says what one frame adds; pure. Serves streamed and whole answers alike."""
        deltas, memory = emit.deltas, emit.memory
        told = len(deltas)
        try:
            decode_frame(frame, emit, self.quirks)
        except ProviderError as error:
            shown = in_words(error, self.base_url)
        else:
            # Most frames add a further piece of text and nothing else: no mark is in them, since
            # reasoning, be it empty, is told before the text or together with a call.
            if len(deltas) != told + 1 or type(deltas[told]) is not str or "spoken" not in memory:
                _read_marks(frame, told, emit)
            return
        # Outside the handler: its message may name the account, and must not come along as cause.
        raise shown

    # Errors and models.

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Says what a failed response means."""
        error = super().classify(status, headers, body)
        return in_words(error, self.base_url, parsed_body(body))

    def decode_models(self, frame: Frame) -> list[ModelInfo]:
        """Reads the answer to `list_models()`.

        Raises:
            FramingError: It is not JSON.
            ProviderError: It is an error, or no list of models (`protocol`).
        """
        try:
            return [_with_capabilities(info) for info in super().decode_models(frame)]
        except ProviderError as error:
            shown = in_words(error, self.base_url)
        raise shown


def _read_marks(frame: Frame, told: int, emit: Emitter) -> None:
    """Goes over what one frame added, which may be more than a piece of text."""
    deltas, memory = emit.deltas, emit.memory
    if "reasoned" not in memory and _EMPTY_REASONING.search(frame.data):
        memory["reasoned"] = False
    for delta in deltas[told:]:
        if type(delta) is str:
            memory["spoken"] = True
        elif isinstance(delta, ReasoningDelta):
            memory["reasoned"] = True
        elif isinstance(delta, ToolCallDelta):
            if memory.get("reasoned") is False:
                # The service wants the empty text back with the call, and would not take the
                # field's absence for it.
                empty = ReasoningDelta("", metadata={_REASONING: ""})
                deltas.insert(deltas.index(delta, told), empty)
            memory["reasoned"] = True
            give_unique_id(delta, memory.get("id"))


def _answer_builtin_calls(entries: Iterable[dict[str, Any]]) -> None:
    """Puts a call's own arguments into the result of a tool that the service runs itself.

    It wants them back unchanged. Its tools have names with a `$`, which no tool of a caller can
    have.
    """
    wanted: dict[str, str | None] = {}
    for entry in entries:
        for call in entry.get("tool_calls") or ():
            function = call.get("function") or {}
            is_builtin = function.get("name", "").startswith("$")
            # Ids repeat over turns: a result belongs to the last call of its id.
            wanted[call["id"]] = function["arguments"] if is_builtin else None
        arguments = wanted.get(entry.get("tool_call_id", ""))
        if arguments is not None:
            entry["content"] = arguments


def _with_capabilities(info: ModelInfo) -> ModelInfo:
    """What the service tells of a model beside its name, in the schema's words."""
    told = {
        ours: Capability.YES if info.metadata[theirs] else Capability.NO
        for ours, theirs in _TOLD_CAPABILITIES.items()
        if isinstance(info.metadata.get(theirs), bool)
    }
    return replace(info, capabilities=Capabilities(**told)) if told else info


def _placed(spec: ProviderSpec, settings: ProviderSettings) -> ProviderSettings:
    """The settings with the address of the region, where one is named."""
    region = settings.options.get("region")
    if region is None:
        return settings
    address = _ADDRESSES.get(str(region))
    if address is None:
        known = " and ".join(f"`{name}`" for name in sorted(_ADDRESSES))
        raise ConfigurationError(f"`{spec.name}` knows the regions {known}, not {region!r}.")
    if settings.base_url == address:
        return settings
    source = settings.sources.get("base_url", DEFAULT)
    named = settings.sources.get("region", ARGUMENT)
    if source != DEFAULT or settings.base_url != spec.base_url:
        raise ConfigurationError(
            f"`region` (from {named}) and the base URL (from {source}) name two different "
            f"addresses for `{spec.name}`: give one of them."
        )
    key_source = settings.sources.get("api_key", ARGUMENT)
    if named == ARGUMENT and _is_of_table(spec, key_source):
        # The same rule as for a base URL: a key in the config file is for what stands beside it.
        raise ConfigurationError(
            f"`api_key` for `{spec.name}` comes from {key_source}, and `region` from {named}: the "
            "secret is not sent there. Put both into the table, or give api_key where the region "
            "is given."
        )
    return replace(settings, base_url=address, sources={**settings.sources, "base_url": named})


def _is_of_table(spec: ProviderSpec, source: str) -> bool:
    """Whether a key comes from the config file, or from a variable that only its table names."""
    elsewhere = {ARGUMENT, *(f"the environment variable {each.name}" for each in spec.env)}
    return source not in elsewhere and not source.startswith("the plug-in ")
