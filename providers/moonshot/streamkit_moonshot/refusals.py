"""What the service is certain to refuse: said before anything is sent, in one sentence."""

import re
from collections.abc import Callable
from typing import Any, Final

from streamkit.errors import ProviderError
from streamkit.messages import ImagePart
from streamkit.request import ChatRequest
from streamkit_moonshot.rules import is_thinking, rules_of

__all__ = ["refuse_impossible"]

_MOST_STOPS: Final = 5
_LONGEST_STOP: Final = 32

# The service's own rule for the names of functions; dots and leading digits are other services'.
_TOOL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,255}")

_IMAGE_ADDRESSES: Final = ("data:", "ms://")


def refuse_impossible(request: ChatRequest) -> None:
    """Lets a request pass that the service may accept.

    Raises:
        ProviderError: It certainly does not (`unsupported`; `configuration` where two settings
            contradict each other).
    """
    for kind, problem_of in _JUDGES:
        problem = problem_of(request)
        if problem is not None:
            raise ProviderError(kind, problem)


def _temperature_problem(request: ChatRequest) -> str | None:
    highest = rules_of(request.model).highest_temperature
    if highest is None or request.temperature is None or request.temperature <= highest:
        return None
    return (
        f"`{request.model}` takes a temperature from 0 to {highest:g}, "
        f"not {request.temperature:g}: the scale is half of OpenAI's."
    )


def _stop_problem(request: ChatRequest) -> str | None:
    if len(request.stop) > _MOST_STOPS:
        return f"Moonshot takes at most {_MOST_STOPS} texts in `stop`, not {len(request.stop)}."
    longest = max((len(text.encode("utf-8", "replace")) for text in request.stop), default=0)
    if longest > _LONGEST_STOP:
        return (
            f"Moonshot takes texts of at most {_LONGEST_STOP} bytes in `stop`; one has {longest}."
        )
    return None


def _tool_name_problem(request: ChatRequest) -> str | None:
    for tool in request.tools:
        if not _TOOL_NAME.fullmatch(tool.name):
            return (
                f"Moonshot does not take `{tool.name}` as the name of a tool: it must begin with "
                "a letter or `_` and hold letters, digits, `_` and `-` only."
            )
    return None


def _tool_choice_problem(request: ChatRequest) -> str | None:
    choice = request.tool_choice
    if choice in {None, "auto", "none"} or is_thinking(request) is not True:
        return None
    rules = rules_of(request.model)
    if choice == "required" and rules.takes_required_tool:
        return None
    remedy = (
        " Turn thinking off with extra={'thinking': {'type': 'disabled'}}."
        if rules.thinks == "by default"
        else ""
    )
    return (
        f"`{request.model}` takes no tool choice {choice!r} while it thinks: "
        f"it decides itself.{remedy}"
    )


def _thinking_problem(request: ChatRequest) -> str | None:
    effort: Any = request.extra.get("reasoning_effort")
    if rules_of(request.model).takes_effort is not False:
        effort = effort or request.reasoning_effort
    if effort is None or request.extra.get("thinking") is None:
        return None
    return "`reasoning_effort` and `thinking` say the same to Moonshot: give one of them, not both."


def _image_problem(request: ChatRequest) -> str | None:
    # The service reads `data:` addresses and the ids of its own files; it fetches nothing.
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ImagePart) and not part.as_url().startswith(_IMAGE_ADDRESSES):
                return (
                    "Moonshot fetches no images from the web: give the image's bytes as `data`, "
                    "a `data:` address, or the `ms://` id of a file that it keeps."
                )
    return None


def _prefill_problem(request: ChatRequest) -> str | None:
    form = request.extra.get("response_format")
    is_json = isinstance(form, dict) and form.get("type") == "json_object"
    if is_json and request.messages[-1].role == "assistant":
        return "Moonshot does not continue a given beginning with the response format json_object."
    return None


_JUDGES: Final[tuple[tuple[str, Callable[[ChatRequest], str | None]], ...]] = (
    ("configuration", _thinking_problem),
    ("unsupported", _temperature_problem),
    ("unsupported", _stop_problem),
    ("unsupported", _tool_name_problem),
    ("unsupported", _tool_choice_problem),
    ("unsupported", _image_problem),
    ("unsupported", _prefill_problem),
)
