"""Records what a real service answers, read by read, without its keys: a test for ever after.

What must come out is what came out this time; whoever commits the file reads it first.
"""

import itertools
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from streamkit.chunks import StreamChunk, chunk_to_json
from streamkit.model import get_model
from streamkit.redaction import Redactor, secret_headers
from streamkit_conformance.recordings import expectation
from streamkit_conformance.skwire import Recording
from streamkit_conformance.trace import SentRequest
from streamkit_conformance.transports.recording import Recorded, Recorder
from streamkit_conformance.wire import Wire

__all__ = ["RecordError", "Taken", "record", "without_secrets"]

#: What is kept of an answer's headers: nothing else matters to a reader of its body, and the others
#: may name an account.
_KEPT: Final = frozenset({"content-type", "content-encoding", "retry-after"})
#: What a secret is written over with; as long as it was, so that the reads stay as they came.
_OVER: Final = b"x"
#: What is shorter would be found in any text.
_SHORTEST: Final = 6
_PROMPT: Final = "Count from one to five in words, then say goodbye."


class RecordError(Exception):
    """There is nothing that could be recorded; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A recording, and what its author must know of it.

    Attributes:
        recording: What was recorded.
        doubts: What to look at before the file is shown to anyone.
    """

    recording: Recording
    doubts: tuple[str, ...] = ()


def record(
    model: str,
    *,
    dialect: str,
    prompt: str = _PROMPT,
    settings: Mapping[str, Any] | None = None,
    **making: Any,
) -> Taken:
    """Asks a real model once and records its answer.

    Args:
        model: The model, as `provider/model`.
        dialect: The name of the dialect that its service speaks.
        prompt: What to ask.
        settings: Request settings, such as `max_tokens`.
        making: More for `get_model`, such as `base_url`.

    Raises:
        ConfigurationError: The model cannot be made.
        RecordError: No answer came, or its body cannot be searched for keys.
    """
    recorder = Recorder()
    with recorder.client:
        asked = get_model(model, http_client=recorder.client, **making)
        with asked.stream(prompt, **(settings or {})) as stream:
            chunks: list[StreamChunk] = list(stream)
    if not recorder.answers:
        message = getattr(getattr(chunks[-1], "error", None), "message", "the stream said nothing")
        raise RecordError(f"No answer came: {message}")
    answer = recorder.answers[-1]
    secrets = _secrets(recorder.answers)
    redactor = Redactor(secrets)
    wire = Wire(
        answer.status,
        tuple((name, redactor.text(value)) for name, value in answer.headers if name in _KEPT),
        tuple(without_secrets(answer.reads, secrets, _encoding(answer))),
        answer.ending,
    )
    said = (from_json(chunk_to_json(each)) for each in chunks)
    expect = expectation(redactor.value(each) for each in said)
    recording = Recording(dialect=dialect, wire=wire, target=model.partition("/")[0], expect=expect)
    return Taken(recording=recording, doubts=tuple(_doubts(wire, redactor)))


def without_secrets(
    reads: Iterable[bytes], secrets: Iterable[str], encoding: str = ""
) -> list[bytes]:
    """The reads with every secret written over, also one that is cut in two; the cuts stay.

    Args:
        reads: The body as it came.
        secrets: What must not be in it.
        encoding: How the body is compressed.

    Raises:
        RecordError: It is compressed, and holds a secret or cannot be searched.
    """
    parts = list(reads)
    body = b"".join(parts)
    forms = [form for secret in secrets for form in _forms(secret)]
    if encoding not in ("", "identity"):
        plain = _decompressed(body, encoding)
        if any(form in plain for form in forms):
            raise RecordError("The compressed answer repeats the key, so it cannot be recorded.")
        return parts
    for form in sorted(forms, key=len, reverse=True):
        body = body.replace(form, _OVER * len(form))
    places = [0]
    for part in parts:
        places.append(places[-1] + len(part))
    return [body[start:end] for start, end in itertools.pairwise(places)]


def _forms(secret: str) -> set[bytes]:
    """How a secret may stand in a body: as it is, or escaped for JSON."""
    if len(secret) < _SHORTEST:
        return set()
    escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
    return {each.encode() for each in (secret, escaped, escaped.replace("/", "\\/"))}


def _secrets(answers: Iterable[Recorded]) -> list[str]:
    found: set[str] = set()
    for each in answers:
        found.update(secret_headers(dict(each.request.headers)))
        found.update(_in_address(each.request))
    return sorted(each for each in found if len(each) >= _SHORTEST)


def _in_address(request: SentRequest) -> Iterable[str]:
    """What an address carries that only its owner should know: a password, values of its query."""
    yield from re.findall(r"(?<=://)[^/@]*:([^/@]+)@", request.url)
    yield from re.findall(r"[?&][^=&#]*=([^&#]+)", request.url)


def _encoding(answer: Recorded) -> str:
    return dict(answer.headers).get("content-encoding", "").strip().lower()


def _decompressed(body: bytes, encoding: str) -> bytes:
    if encoding not in ("gzip", "deflate"):
        raise RecordError(f"The answer is compressed ({encoding}), and may hold keys unseen.")
    try:
        # 32 more than the window's size: zlib finds out which of its two heads the body has.
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body)
    except zlib.error as error:
        raise RecordError(f"The compressed answer cannot be read: {error}") from error


def _doubts(wire: Wire, redactor: Redactor) -> Iterable[str]:
    text = wire.body.decode(errors="replace")
    if redactor.text(text, limit=len(text) + 1) != text:
        yield "the body holds something that looks like a key or an account's name"
    if wire.status >= 400:
        yield f"the service answered with the status {wire.status}"
