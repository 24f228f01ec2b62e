"""What each of Moonshot's models takes, as a table.

A request is judged by it before it is sent. Only what is certain of a model stands here: of a model
that is in no row nothing is known, and its requests are left to the service.
"""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final, Literal

from streamkit.request import ChatRequest

__all__ = ["ModelRules", "is_thinking", "rules_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRules:
    """What one family of models takes.

    Attributes:
        thinks: Whether its models think: always, unless `thinking` disables it, or never; `None` is
            not known.
        takes_effort: Whether `reasoning_effort` means something to them; `None` is not known.
        takes_required_tool: Whether they accept the tool choice `required` while they think.
        has_fixed_sampling: The service refuses every temperature, `top_p` and penalty but its own.
        unthinking_temperature: The only temperature while they do not think, where sampling is
            fixed.
        highest_temperature: The highest temperature that they take, where it is lower than usual.
    """

    thinks: Literal["always", "by default", "never"] | None = None
    takes_effort: bool | None = None
    takes_required_tool: bool = False
    has_fixed_sampling: bool = False
    unthinking_temperature: float = 1.0
    highest_temperature: float | None = None

    def fixed_sampling(self, *, thinking: bool) -> dict[str, float]:
        """The only values that the service takes, by setting; none where it lets one choose."""
        if not self.has_fixed_sampling:
            return {}
        return {
            "temperature": 1.0 if thinking else self.unthinking_temperature,
            "top_p": 0.95,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
        }


# `reasoning_effort` is a word of `kimi-k3`; what thinks on demand has `thinking` for it.
_ON_DEMAND: Final = ModelRules(thinks="by default", takes_effort=False, has_fixed_sampling=True)
_ALWAYS: Final = ModelRules(thinks="always", has_fixed_sampling=True)

# The first pattern that fits counts. A whole name stands for one model: what the next of its line
# will take is not known before it is there.
_RULES: Final[tuple[tuple[str, ModelRules], ...]] = (
    ("kimi-k3", replace(_ALWAYS, takes_effort=True, takes_required_tool=True)),
    ("kimi-k2.7-code", _ALWAYS),
    ("kimi-k2.7-code-highspeed", _ALWAYS),
    ("kimi-k2.6", _ON_DEMAND),
    ("kimi-k2.5", replace(_ON_DEMAND, unthinking_temperature=0.6)),
    ("kimi-k*", ModelRules(has_fixed_sampling=True)),
    ("moonshot-v1-*", ModelRules(thinks="never", takes_effort=False, highest_temperature=1.0)),
)
_UNKNOWN: Final = ModelRules()


def rules_of(model: str) -> ModelRules:
    """What is known of a model, by its name."""
    return next((rules for pattern, rules in _RULES if fnmatchcase(model, pattern)), _UNKNOWN)


def is_thinking(request: ChatRequest) -> bool | None:
    """Whether the model will think about this request; `None` where that is not certain."""
    thinks = rules_of(request.model).thinks
    if thinks in {"always", "never"}:
        return thinks == "always"
    wish = request.extra.get("thinking")
    kind = wish.get("type") if isinstance(wish, dict) else None
    if kind in {"enabled", "disabled"}:
        return bool(kind == "enabled")
    return True if thinks == "by default" and wish is None else None
