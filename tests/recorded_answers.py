"""Plays a recording through the code that users' streams run through, and judges what comes out."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from pydantic_core import from_json

from streamkit.assembly.assembler import Assembler
from streamkit.assembly.response import Response, ResponseBuilder
from streamkit.attempt import HTTPAttempt
from streamkit.chunks import StreamChunk
from streamkit.provider import HTTPProvider
from streamkit.redaction import MAX_MESSAGE, Redactor
from streamkit.request import build_request
from tests.wire_recordings import Recording

# The manifests' words and ours: the one place where they meet.
KINDS = {
    "authentication": "authentication",
    "content_filter": "content_filter",
    "context_length": "context_overflow",
    "invalid_request": "invalid_request",
    "not_found": "not_found",
    "overloaded": "overloaded",
    "permission": "permission",
    "quota_exhausted": "quota",
    "rate_limit": "rate_limit",
    "server_error": "provider",
    "tool_use_failed": "tool_use_failed",
}
FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    # A refusal is content of its own here, and an error is no way to finish.
    "refusal": "stop",
    "error": None,
    "other": "other",
}
USAGE_FIELDS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cached": "cache_read_tokens",
    "reasoning": "reasoning_tokens",
}
WIRE_USAGE_FIELDS = {
    "input": "prompt_tokens",
    "output": "completion_tokens",
    "total": "total_tokens",
}
# The kinds of the llama.cpp recordings, whose manifest keeps the server's own error.
LLAMACPP_KINDS = {
    "authentication_error": "authentication",
    "exceed_context_size_error": "context_length",
    "invalid_request_error": "invalid_request",
    "not_found_error": "not_found",
}

# Where the expectation differs from what the schema promises, and why.
DIFFERENCES: dict[str, dict[str, Any]] = {
    "openai-compat/xai-grok4-fast-parallel-tools": {
        # The wire leaves the 136 reasoning tokens out of its 68; the schema counts them in.
        "usage.output_tokens": 204,
    },
    "llamacpp/slow_prefill_pings": {
        # It stopped at once: success that says nothing is an error here.
        "error.kind": "empty_response",
    },
    "llamacpp/err_get_not_post": {
        # What a wrong path gives, so the message says where to look.
        "error.message": "File Not Found; check the base URL.",
    },
}


@dataclass(frozen=True)
class Answer:
    """What came of a recording: the chunks, and the response that they make."""

    chunks: list[StreamChunk]
    response: Response


def play(recording: Recording, reads: Iterable[bytes], provider: HTTPProvider) -> Answer:
    """Feeds the body, cut into these reads, to one attempt."""
    counter = itertools.count()
    assembler = Assembler(
        provider=provider.name,
        model="recorded",
        stream_id="stream",
        new_id=lambda prefix: f"{prefix}_{next(counter)}",
        redactor=Redactor(),
    )
    request = build_request("recorded", "Hello", stream=recording.is_stream)
    attempt = HTTPAttempt(provider, provider.request(request).framing, assembler)
    chunks: list[StreamChunk] = [assembler.start()]
    assembler.begin_attempt(0)
    attempt.opened(recording.status, recording.headers)
    for read in reads:
        chunks += attempt.received(read, 0)
        if assembler.is_over:
            break
    if not assembler.is_over:
        chunks += attempt.ended(0)
    builder = ResponseBuilder()
    builder.extend(chunks)
    return Answer(chunks, builder.response())


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    """The body, cut at these places."""
    edges = [0, *sorted(places), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges) if start < end]


def chunks_of(
    recording: Recording, provider: HTTPProvider, places: Sequence[int] = ()
) -> list[StreamChunk]:
    """The chunks that come of the body, cut at these places."""
    return play(recording, cut(recording.body, places), provider).chunks


def every_place(recording: Recording) -> range:
    """The places that cut the body byte by byte."""
    return range(len(recording.body))


def any_places(recording: Recording) -> st.SearchStrategy[list[int]]:
    """Places to cut the body at, as hypothesis chooses them."""
    return st.lists(st.integers(0, len(recording.body)), max_size=12)


def expected_facts(recording: Recording) -> dict[str, Any]:
    """What should come of the recording, in the schema's words, without what is ambiguous."""
    told = recording.expected
    if recording.dialect == "llamacpp":
        told = _in_the_words_of_the_others(recording)
    facts: dict[str, Any] = {
        "text": told["text"],
        "reasoning": told["reasoning"],
        "refusal": told["refusal"],
        "is_complete": told["complete"],
    }
    for position, call in enumerate(told["tool_calls"]):
        for name in ("id", "name", "arguments", "arguments_json"):
            facts[f"tool_calls[{position}].{name}"] = call[name]
    facts["tool_calls"] = len(told["tool_calls"])
    if told["complete"]:
        # An error chunk has no finish reason, neither normalised nor raw.
        facts["raw_finish_reason"] = told["finish_reason_raw"]
        facts["finish_reason"] = FINISH_REASONS.get(told["finish_reason"])
    usage = told["usage"] or {}
    facts["usage"] = bool(usage)
    for theirs, count in usage.items():
        if theirs in USAGE_FIELDS:
            facts[f"usage.{USAGE_FIELDS[theirs]}"] = count
        if theirs in WIRE_USAGE_FIELDS:
            facts[f"wire_usage.{WIRE_USAGE_FIELDS[theirs]}"] = count
    facts.update(_expected_error(told))
    changes = DIFFERENCES.get(recording.name, {})
    if "error.kind" in changes:
        facts = {name: value for name, value in facts.items() if "finish_reason" not in name}
        facts["is_complete"] = False
    facts.update(changes)
    vague = told.get("ambiguous", ())
    return {name: value for name, value in facts.items() if not _is_ambiguous(name, vague)}


def actual_facts(answer: Answer) -> dict[str, Any]:
    """What came of the recording, under the same names."""
    response = answer.response
    error = response.error
    facts: dict[str, Any] = {
        "text": response.text,
        "reasoning": response.reasoning,
        "refusal": response.refusal,
        "is_complete": response.state == "complete",
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.raw_finish_reason,
        "tool_calls": len(response.tool_calls),
        "usage": response.usage is not None,
        "error.kind": error and error.kind,
    }
    for position, call in enumerate(response.tool_calls):
        facts[f"tool_calls[{position}].id"] = call.call_id
        facts[f"tool_calls[{position}].name"] = call.name
        facts[f"tool_calls[{position}].arguments"] = call.arguments_text
        facts[f"tool_calls[{position}].arguments_json"] = call.arguments
    if response.usage is not None:
        for name in USAGE_FIELDS.values():
            facts[f"usage.{name}"] = getattr(response.usage, name)
        wire = (response.metadata or {})[response.provider or ""]["usage"]
        for name in WIRE_USAGE_FIELDS.values():
            facts[f"wire_usage.{name}"] = wire.get(name)
    if error is not None:
        for name in ("status", "provider_code", "message", "retryable"):
            facts[f"error.{name}"] = getattr(error, name)
    return facts


def shown(message: str) -> str:
    """A service's message as an error chunk shows it: on one line, redacted, cut."""
    return Redactor().text(" ".join(message.split()), MAX_MESSAGE)


def _expected_error(told: dict[str, Any]) -> dict[str, Any]:
    error = told["error"]
    if error is None:
        return {"error.kind": None if told["complete"] else "truncated"}
    # The service's name for an error: its code, unless that only repeats a status.
    code = error["code"] if isinstance(error["code"], str) else None
    number = None if error["code"] is None else str(error["code"])
    return {
        "error.kind": KINDS[error["kind"]],
        "error.status": error["status"],
        "error.provider_code": code or error["type"] or number,
        "error.message": shown(error["message"]),
        "error.retryable": error["retryable"],
    }


def _is_ambiguous(name: str, vague: Sequence[str]) -> bool:
    # What is ambiguous in the arguments' text is so in what it parses to.
    return any(name.removesuffix("_json") == path for path in vague)


def _in_the_words_of_the_others(recording: Recording) -> dict[str, Any]:
    """The expectation of a llama.cpp recording in the form of the other manifest."""
    told = recording.expected
    finish = {end["index"]: end["finish_reason"] for end in told.get("finish", ())}.get(0)
    error = told.get("error")
    usage = told.get("usage")
    return {
        "text": told.get("text", ""),
        "reasoning": told.get("reasoning", ""),
        "refusal": None,
        "tool_calls": [
            {**call, "arguments_json": _parsed(call["arguments"])}
            for call in told.get("tool_calls", ())
        ],
        "finish_reason_raw": finish,
        "finish_reason": finish,
        "complete": finish is not None,
        "usage": usage
        and {
            "input": usage["prompt_tokens"],
            "output": usage["completion_tokens"],
            "total": usage["total_tokens"],
            "cached": usage["prompt_tokens_details"]["cached_tokens"],
            "reasoning": None,
        },
        "error": error
        and {
            "kind": LLAMACPP_KINDS[error["type"]],
            "status": recording.status,
            "type": error["type"],
            "code": error["code"],
            "message": error["message"],
            "retryable": False,
        },
    }


def _parsed(arguments: str) -> Any:
    return from_json(arguments) if arguments else None
