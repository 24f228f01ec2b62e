"""Requests for the rules about requests: what they hold is found again in what was sent."""

from collections.abc import Mapping
from typing import Any, Final

from streamkit.messages import ImagePart, Message, Tool, ToolCall, ToolResult
from streamkit_conformance.case import Ask, Case
from streamkit_conformance.script import Finish, Script, Text

__all__ = ["ANSWER", "ASKS", "IMAGE", "OPTIONS", "SCHEMA", "TOOL", "WISHES", "history_of", "plain"]

#: What every one of these requests is answered with.
ANSWER: Final = Script((Text("Well "), Text("then."), Finish()))

TOOL: Final = Tool(
    name="look_up_canary",
    description="Looks up the canary of a city.",
    parameters={
        "type": "object",
        "properties": {"canary_city": {"type": "string", "description": "The canary's home."}},
        "required": ["canary_city"],
    },
)
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "canary_name": {"type": "string", "description": "The canary's full name."},
        "canary_mood": {"type": "string", "enum": ["canary-merry", "canary-sad"]},
    },
    "required": ["canary_name", "canary_mood"],
    "additionalProperties": False,
}
#: One pixel, as PNG.
IMAGE: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)

#: Options whose values are found again.
OPTIONS: Final[Mapping[str, Any]] = {
    "temperature": 0.375,
    "top_p": 0.625,
    "max_tokens": 4099,
    "stop": ("CANARY-STOP",),
    "seed": 424243,
    "presence_penalty": 0.4375,
    "frequency_penalty": 0.5625,
}
#: Options whose values every service has words of its own for.
WISHES: Final[Mapping[str, Any]] = {
    "reasoning_effort": "high",
    "parallel_tool_calls": False,
    "tool_choice": "none",
}

#: A request that uses each capability.
ASKS: Final[dict[str, Ask]] = {
    "tools": Ask(settings={"tools": (TOOL,)}),
    "parallel_tools": Ask(settings={"tools": (TOOL,), "parallel_tool_calls": True}),
    "json_schema": Ask(settings={"output_schema": {"name": "canary", "definition": SCHEMA}}),
    "images": Ask(messages=(Message.user("What is this?", ImagePart(data=IMAGE)),)),
    "logprobs": Ask(settings={"logprobs": 2}),
    "prefill": Ask(messages=(Message.user("Count to five."), Message.assistant("One, two,"))),
    "non_stream": Ask(stream=False),
}


def plain(name: str = "SK-REQ/plain") -> Case:
    """The same with nothing special about the request."""
    return Case(name=name, script=ANSWER)


_ARGUMENTS: Final = '{"canary_city": "Troms\\u00f8",  "n": 1.50}'


def history_of(*ids: str) -> Ask:
    """A conversation with two calls of these ids, and their results."""
    names = ("look_up_canary", "feed_canary")
    calls = tuple(
        ToolCall(
            call_id=each,
            name=name,
            arguments={"canary_city": "Troms\u00f8", "n": 1.5},
            arguments_text=_ARGUMENTS,
        )
        for each, name in zip(ids, names, strict=True)
    )
    results = tuple(
        ToolResult(call_id=each, name=name, output=f" Result of {name}.\n")
        for each, name in zip(ids, names, strict=True)
    )
    question = Message.user("Where does it live?")
    return Ask(messages=(question, Message.assistant(*calls), Message.tool(*results)))
