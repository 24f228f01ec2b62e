"""Moonshot AI over chat completions: what differs from OpenAI's dialect, and nothing else."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from streamkit.errors import ConfigurationError
from streamkit.messages import Message, ToolResult
from streamkit.openai_compatible import OpenAICompatibleProvider
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
            # The service's own tools, such as `$web_search`, are recognised by it.
            entry["name"] = name
        return entries

    # Answers.

    def decode(self, frame: Frame, emit: Emitter) -> None:
        """Says what one frame adds; pure. Serves streamed and whole answers alike."""
        deltas, memory = emit.deltas, emit.memory
        told = len(deltas)
        try:
            super().decode(frame, emit)
        except ProviderError as error:
            shown = in_words(error, self.base_url)
        else:
            if "reasoned" not in memory and _EMPTY_REASONING.search(frame.data):
                memory["reasoned"] = False
            if len(deltas) > told and type(deltas[told]) is not str:
                self._read_marks(told, emit)
            return
        # Outside the handler: its message may name the account, and must not come along as cause.
        raise shown

    def _read_marks(self, told: int, emit: Emitter) -> None:
        """Goes over the deltas of one frame that holds more than a piece of text."""
        deltas, memory = emit.deltas, emit.memory
        for delta in deltas[told:]:
            if isinstance(delta, ReasoningDelta):
                memory["reasoned"] = True
            elif isinstance(delta, ToolCallDelta):
                if memory.get("reasoned") is False:
                    # The service wants the empty text back with the call, and would not take the
                    # field's absence for it.
                    memory["reasoned"] = True
                    empty = ReasoningDelta("", metadata={_REASONING: ""})
                    deltas.insert(deltas.index(delta), empty)
                give_unique_id(delta, memory.get("id"))

    # Errors and models.

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Says what a failed response means."""
        return in_words(super().classify(status, headers, body), self.base_url)

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
    if settings.base_url not in {spec.base_url, address}:
        raise ConfigurationError(
            f"`region` and the base URL name two different addresses for `{spec.name}`: "
            "give one of them."
        )
    sources = {**settings.sources, "base_url": settings.sources.get("region", "the argument")}
    return replace(settings, base_url=address, sources=sources)
