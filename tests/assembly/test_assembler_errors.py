"""Failures in the assembler: what an error chunk tells, and what it never shows."""

from typing import Any

import pytest

from streamkit.assembly.deltas import ContentDelta, Delta, FinishDelta, IdentityDelta, UsageDelta
from streamkit.chunks import ErrorChunk, StreamChunk
from streamkit.errors import ProviderError
from streamkit.redaction import Redactor
from tests.assembly.builders import assemble, new_assembler

KEY = "canary-key"
STOP = FinishDelta("stop", "end_turn")


def error_of(*deltas: Delta, end: str = "complete", **fields: Any) -> ErrorChunk:
    last = assemble(deltas, end, **fields)[-1]
    assert isinstance(last, ErrorChunk)
    return last


def info_of(error: ProviderError, **fields: Any) -> Any:
    assembler = new_assembler(**fields)
    out: list[StreamChunk] = []
    assembler.begin_attempt(0)
    assembler.fail(error, 0, out)
    assert isinstance(out[-1], ErrorChunk)
    return out[-1].error


def test_an_error_tells_all_it_knows() -> None:
    info = info_of(
        ProviderError(
            "rate_limit",
            "Too\n many   requests.",
            detail="d",
            retry_after_s=2.0,
            status=429,
            provider_code="slow",
            request_id="req_9",
            evidence="e",
        )
    )
    assert info.model_dump() == {
        "kind": "rate_limit",
        "message": "Too many requests.",
        "detail": "d",
        "retryable": True,
        "retry_after_s": 2.0,
        "status": 429,
        "provider": "acme",
        "model": "large",
        "provider_code": "slow",
        "request_id": "req_9",
        "evidence": "e",
    }


def test_the_answers_own_status_and_id_stand_where_the_error_has_none() -> None:
    error = error_of(ContentDelta("a"), end="fail").error
    assert (error.status, error.request_id) == (200, "req_1")


@pytest.mark.parametrize("message", ["", " \n"])
def test_a_message_is_never_empty(message: str) -> None:
    assert info_of(ProviderError("quota", message)).message == "The request failed (quota)."


def test_a_message_has_at_most_500_characters_and_a_detail_4000() -> None:
    info = info_of(ProviderError("quota", "x" * 10_000, detail="y" * 10_000))
    assert (len(info.message), len(info.detail)) == (500, 4000)


def test_every_text_of_an_error_is_redacted() -> None:
    error = ProviderError("quota", KEY, detail=KEY, provider_code=KEY, request_id=KEY, evidence=KEY)
    assert KEY not in info_of(error, redactor=Redactor([KEY])).model_dump_json()


def test_the_request_id_of_an_attempt_is_redacted() -> None:
    assembler, out = new_assembler(redactor=Redactor([KEY])), list[StreamChunk]()
    assembler.begin_attempt(0)
    assembler.answered(200, f"id-{KEY}")
    assembler.cancel(0, out)
    assert KEY not in out[-1].model_dump_json()


@pytest.mark.parametrize(
    "fields", [{"message": None}, {"message": "m", "status": "many"}, {"kind": 5, "message": "m"}]
)
def test_a_malformed_error_of_a_plugin_is_an_error_chunk_all_the_same(
    fields: dict[str, Any],
) -> None:
    info = info_of(ProviderError(**{"kind": "quota", **fields}))
    assert info.kind == "plugin"
    assert info.message == "The provider raised a malformed error; this is a bug in its plug-in."


@pytest.mark.parametrize(
    ("delta", "says"),
    [
        (FinishDelta("bored"), "gave 'bored' as finish reason; there are stop, length, "),
        (FinishDelta("stop", 5), "gave int instead of finish reason"),  # type: ignore[arg-type]
        (IdentityDelta(5), "gave int instead of response id"),  # type: ignore[arg-type]
        (IdentityDelta("a", b"m"), "gave bytes instead of model name"),  # type: ignore[arg-type]
        (UsageDelta({"input_tokens": 1}), "gave dict instead of usage"),  # type: ignore[arg-type]
    ],
)
def test_facts_of_the_wrong_type_are_the_plugins_fault(delta: Delta, says: str) -> None:
    error = error_of(ContentDelta("a"), delta, STOP).error
    assert error.kind == "plugin"
    assert says in error.message
