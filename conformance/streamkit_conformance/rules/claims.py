"""What a subject claims, and what of an answer that leaves to the rules of claims.

A capability is claimed (`yes`), denied (`no`), or left open. What is claimed must come out, and
`SK-CAP-001` says so; what is denied must not, and `SK-CAP-002` says that. The rules about the
content itself therefore speak only of what did come out.
"""

from collections.abc import Mapping
from typing import Any, Final

from streamkit.chunks import ErrorChunk, UsageChunk
from streamkit.errors import ConfigurationError
from streamkit.messages import ImagePart, Message
from streamkit_conformance.case import Ask
from streamkit_conformance.script import Reasoning, Script, Text, Tokens, ToolStart
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import IRRELEVANT, Fail, Irrelevant, NotApplicable, Outcome

__all__ = [
    "asked_for",
    "came_out",
    "claim",
    "is_refused",
    "left_to_claims",
    "must_come_out",
    "nothing_of",
    "said_by",
    "swaps_reasoning",
]

#: Kinds of errors that refuse a request in words, before it is sent.
_REFUSALS: Final = frozenset({"configuration", "invalid_request", "unsupported"})


def claim(trace: Trace, capability: str) -> str:
    """What the subject says of a capability: `yes`, `no` or `unknown`."""
    return str(getattr(trace.claims, capability))


def said_by(script: Script) -> frozenset[str]:
    """The capabilities that an answer uses."""
    calls = sum(isinstance(each, ToolStart) for each in script.events)
    used = {
        "tools": calls > 0,
        "parallel_tools": calls > 1,
        "reasoning": any(isinstance(each, Reasoning) for each in script.events),
        "usage": any(isinstance(each, Tokens) for each in script.events),
    }
    return frozenset(name for name, is_used in used.items() if is_used)


def came_out(trace: Trace, capability: str) -> bool:
    """Whether anything of a capability came out; only those of `said_by` are known."""
    match capability:
        case "tools":
            return bool(trace.calls)
        case "parallel_tools":
            return len(trace.calls) > 1
        case "reasoning":
            return bool(trace.reasoning)
    told_at_end = trace.end is not None and trace.end.usage is not None
    return told_at_end or any(isinstance(each, UsageChunk) for each in trace.chunks)


def asked_for(ask: Ask) -> frozenset[str]:
    """The capabilities that a request needs."""
    messages = [each for each in _listed(ask.messages) if isinstance(each, Message)]
    settings: Mapping[str, Any] = ask.settings
    used = {
        "tools": bool(settings.get("tools")),
        "parallel_tools": settings.get("parallel_tool_calls") is True,
        "json_schema": settings.get("output_schema") is not None,
        "logprobs": settings.get("logprobs") is not None,
        "images": any(isinstance(part, ImagePart) for each in messages for part in each.parts),
        "prefill": bool(messages) and messages[-1].role == "assistant",
        "non_stream": not ask.stream,
    }
    return frozenset(name for name, is_used in used.items() if is_used)


def is_refused(trace: Trace) -> bool:
    """Whether the request was refused in words, with nothing of it sent."""
    if trace.requests:
        return False
    if isinstance(trace.refused, ConfigurationError):
        return True
    last = trace.chunks[-1] if trace.chunks else None
    return isinstance(last, ErrorChunk) and last.error.kind in _REFUSALS


def left_to_claims(trace: Trace, capability: str) -> Outcome | None:
    """What a rule about a capability says where nothing of it came out; else `None`.

    Where it is claimed, that is a false claim and no matter of the rule; where it is left open, all
    or nothing may come out.
    """
    if claim(trace, capability) == "no":
        name = capability.replace("_", " ")
        return NotApplicable(f"the subject says that it has no {name}; see SK-CAP-002")
    if came_out(trace, capability):
        return None
    if claim(trace, capability) == "yes":
        return IRRELEVANT
    name = capability.replace("_", " ")
    return NotApplicable(f"nothing of {name} came out, and the subject does not claim it")


def nothing_of(trace: Trace, capability: str) -> Outcome:
    """What a rule that judges every trace says of one in which nothing of a capability came out."""
    if claim(trace, capability) != "no" and capability in trace.dialect.losses:
        return NotApplicable(f"the dialect {trace.dialect.name} has no {capability}")
    if claim(trace, capability) == "no" or capability in said_by(trace.case.script):
        return left_to_claims(trace, capability) or IRRELEVANT
    return IRRELEVANT


def must_come_out(trace: Trace, capability: str) -> Outcome | None:
    """As `left_to_claims`; but where it is claimed and nothing of it came out, that is a failure.

    For cases with a base: of a false claim the base fails too, and then the case says nothing.
    """
    outcome = left_to_claims(trace, capability)
    if isinstance(outcome, Irrelevant):
        return Fail(f"nothing of {capability.replace('_', ' ')} came out", got="nothing of it")
    return outcome


def swaps_reasoning(trace: Trace) -> Fail | None:
    """How reasoning came out as text, or text as reasoning, if it did."""
    events = trace.case.script.sent
    texts = "".join(each.text for each in events if isinstance(each, Text))
    thoughts = "".join(each.text for each in events if isinstance(each, Reasoning))
    shown = trace.text + trace.refusal
    for event in events:
        words = event.text.strip() if isinstance(event, Reasoning | Text) else ""
        if not words:
            continue
        if isinstance(event, Reasoning) and words in shown and words not in texts:
            return Fail("reasoning came out as text", f"reasoning {words!r}", f"text {shown!r}")
        if isinstance(event, Text) and words in trace.reasoning and words not in thoughts:
            got = f"reasoning {trace.reasoning!r}"
            return Fail("text came out as reasoning", f"text {words!r}", got)
    return None


def _listed(messages: str | tuple[Message, ...]) -> tuple[str | Message, ...]:
    return (messages,) if isinstance(messages, str) else messages
