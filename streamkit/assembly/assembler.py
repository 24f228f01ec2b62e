"""Deltas in, StreamChunks out.

The rules of a stream that live here, and nowhere else:

1. One `start` first, one terminal chunk last, an index without gaps.
2. An answer is complete only on evidence: a finish reason, or a terminator that counts as proof.
   Without it the end of the bytes is `truncated`; success that says nothing is `empty_response`.
3. A run of content, of refusal or of reasoning is one part; each tool call is a part of its own.
4. A tool call's `done` chunk comes when the call is whole, and only then are its arguments parsed.
5. No text holds half a character: not the answer's, and no other that a chunk carries.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from streamkit.assembly.attempts import AttemptLog
from streamkit.assembly.deltas import (
    ContentDelta,
    Delta,
    FinishDelta,
    IdentityDelta,
    MetadataDelta,
    NoticeDelta,
    ReasoningDelta,
    TerminatorDelta,
    ToolCallDelta,
    ToolResultDelta,
    UsageDelta,
)
from streamkit.assembly.facts import AnswerFacts, check_reason, text_or_none
from streamkit.assembly.tool_calls import OpenCall
from streamkit.assembly.unicode import is_whole, mended, mended_value, split_trailing_half
from streamkit.chunks import (
    ContentChunk,
    EndChunk,
    ErrorChunk,
    FinishReason,
    NoticeChunk,
    ReasoningChunk,
    StartChunk,
    StreamChunk,
    ToolCallChunk,
    ToolResultChunk,
    UsageChunk,
)
from streamkit.errors import ProviderError
from streamkit.redaction import MAX_MESSAGE, Redactor

# The run of the answer's text, compared by identity.
_CONTENT: Final = "content"

# The validated constructor without the call through Python: a third of a chunk's cost.
_make_content: Final = ContentChunk.__pydantic_validator__.validate_python

# Reasons that explain an answer without any content.
_EXPLAINING: Final = frozenset({"length", "content_filter"})


class Assembler:
    """Makes the chunks of one stream out of deltas; holds all state that spans them.

    Args:
        provider: The provider's name, also the name of its metadata.
        model: The model that was asked.
        stream_id: The stream's id, put on every chunk.
        new_id: Makes a unique id from a prefix.
        redactor: Hides the secrets of the request.
        request_id: The caller's own id.
        conversation_id: The conversation that the request belongs to.
        first_index: The index of the first chunk.
        first_part: The number of the first part.
    """

    def __init__(
        self,
        *,
        provider: str,
        model: str,
        stream_id: str,
        new_id: Callable[[str], str],
        redactor: Redactor,
        request_id: str | None = None,
        conversation_id: str | None = None,
        first_index: int = 0,
        first_part: int = 0,
    ) -> None:
        self._provider = provider
        self._model = model
        self._stream_id = stream_id
        self._new_id = new_id
        self._redactor = redactor
        self._request_id = request_id
        self._conversation_id = conversation_id
        self.next_index = first_index
        self._next_part = first_part

        self._run: object = None  # the kind of the open run, or None between runs
        self._part = first_part
        self._held = ""  # half a character, waiting for the other half
        self._calls: dict[object, OpenCall] = {}
        self._call_ids: set[str] = set()
        self._facts = AnswerFacts()
        self._finish: FinishDelta | None = None

        #: The answer is known to be complete.
        self.has_evidence = False

        self._log = AttemptLog(provider, model, redactor)
        self._first_content_ms: int | None = None

        #: The wire's end marker was seen: nothing of the answer follows.
        self.is_terminated = False
        #: The terminal chunk was made.
        self.is_over = False

    # What the flow calls.

    @property
    def has_spoken(self) -> bool:
        """Whether anything of an answer was shown."""
        return self._first_content_ms is not None

    def start(self) -> StartChunk:
        """The first chunk."""
        return StartChunk(
            **self._envelope(0),
            provider=self._provider,
            model=self._model,
            request_id=self._request_id,
            conversation_id=self._conversation_id,
        )

    def begin_attempt(self, elapsed_ms: int) -> None:
        """A request is about to be made."""
        self._log.begin(elapsed_ms)

    def answered(self, status: int, request_id: str | None) -> None:
        """The service's status and its id of the request are known."""
        self._log.answered(status, request_id)

    def feed(self, deltas: Iterable[Delta], elapsed_ms: int, out: list[StreamChunk]) -> None:
        """Appends to `out` the chunks that the deltas make.

        Raises:
            ProviderError: The deltas break a rule (`protocol`); the chunks before it are in `out`.
        """
        made, first = len(out), self.next_index
        try:
            for delta in deltas:
                if type(delta) is str:
                    if (
                        self._run is _CONTENT
                        and delta.isascii()
                        and not self._held
                        and self._finish is None
                    ):
                        index = self.next_index
                        self.next_index = index + 1
                        fields = {
                            "stream_id": self._stream_id,
                            "index": index,
                            "part": self._part,
                            "elapsed_ms": elapsed_ms,
                            "content": delta,
                        }
                        out.append(_make_content(fields))
                        continue
                    delta = ContentDelta(delta)
                _HANDLERS[type(delta)](self, delta, elapsed_ms, out)
                if self.is_terminated:
                    break  # nothing behind the end marker belongs to the answer
        except Exception:
            # A chunk that could not be made, of facts of the wrong types, leaves no gap behind.
            self.next_index = first + len(out) - made
            raise

    def complete(self, elapsed_ms: int, out: list[StreamChunk], *, detail: str = "") -> None:
        """The bytes ended: appends `end` if that is proven, else the error that it is.

        Args:
            elapsed_ms: Milliseconds since the first `next`.
            out: Where the chunks go.
            detail: How the bytes ended, for developers.
        """
        if not self.has_evidence:
            message = "The answer stopped before its end: the service sent no end marker."
            self.fail(ProviderError("truncated", message, detail=detail or None), elapsed_ms, out)
            return
        reason = self._finish_reason()
        try:
            self._release_half(elapsed_ms, out)
            self._close_calls(elapsed_ms, out)
        except ProviderError as error:
            self.fail(error, elapsed_ms, out)
            return
        if not self.has_spoken and reason not in _EXPLAINING:
            message = "The service answered with success, but the answer is empty."
            self.fail(ProviderError("empty_response", message), elapsed_ms, out)
            return
        self._finish_with(reason, "ok", elapsed_ms, out)

    def cancel(self, elapsed_ms: int, out: list[StreamChunk]) -> None:
        """The caller stopped the stream: appends `end` with `cancelled`."""
        self._release_half(elapsed_ms, out)
        self._finish_with("cancelled", "cancelled", elapsed_ms, out)

    def fail(self, error: ProviderError, elapsed_ms: int, out: list[StreamChunk]) -> None:
        """Appends the terminal `error`; what was said before stays."""
        if self.is_over:
            return
        self._release_half(elapsed_ms, out)
        info = self._log.error_info(error)
        self._log.record(info.kind, elapsed_ms)
        self._send_usage(elapsed_ms, out)
        out.append(
            ErrorChunk(
                **self._envelope(elapsed_ms),
                metadata=self._named_metadata(self._facts.metadata),
                error=info,
                partial=self.has_spoken,
                usage=self._facts.usage,
                attempts=self._log.attempts,
                ttfc_ms=self._log.since_first_request(self._first_content_ms),
            )
        )
        self.is_over = True

    # One handler for each kind of delta.

    def _on_content(self, delta: ContentDelta, elapsed_ms: int, out: list[StreamChunk]) -> None:
        refusal = delta.refusal
        run = "refusal" if refusal else _CONTENT
        text = delta.text
        if not text:
            return
        if self._finish is not None:
            raise self._spoke_after_finish()
        if self._run is not run:
            self._begin_run(run, elapsed_ms, out)
        if self._held or not text.isascii():
            text = self._whole_text(text)
            if not text:
                return  # half a character, so far
        if self._first_content_ms is None:
            self._first_content_ms = elapsed_ms
        index = self.next_index
        self.next_index = index + 1
        fields: dict[str, Any] = {
            "stream_id": self._stream_id,
            "index": index,
            "part": self._part,
            "elapsed_ms": elapsed_ms,
            "content": text,
        }
        if refusal:
            fields["refusal"] = True
        if delta.metadata is not None:
            fields["metadata"] = self._named_metadata(delta.metadata)
        out.append(_make_content(fields))

    def _on_reasoning(self, delta: ReasoningDelta, elapsed_ms: int, out: list[StreamChunk]) -> None:
        text = delta.text
        if not (text or delta.redacted or delta.metadata):
            return
        if self._finish is not None:
            raise self._spoke_after_finish()
        if self._run != "reasoning":
            self._begin_run("reasoning", elapsed_ms, out)
        if self._held or not text.isascii():
            text = self._whole_text(text)
            if not (text or delta.redacted or delta.metadata):
                return  # half a character, so far
        self._speak(elapsed_ms)
        out.append(
            ReasoningChunk(
                **self._envelope(elapsed_ms, self._part),
                content=text,
                redacted=delta.redacted,
                metadata=self._named_metadata(delta.metadata),
            )
        )

    def _on_tool_call(self, delta: ToolCallDelta, elapsed_ms: int, out: list[StreamChunk]) -> None:
        call = self._calls.get(delta.key)
        if self._finish is not None and (call is None or delta.arguments):
            raise self._spoke_after_finish()
        if call is None:
            self._begin_run(None, elapsed_ms, out)
            call = self._calls[delta.key] = OpenCall(self._take_part())
        elif self._run is not call:
            self._begin_run(None, elapsed_ms, out)
        self._run = call
        if call.done:
            raise ProviderError("protocol", "The service sent more of a tool call that was whole.")
        call.free_text = call.free_text or delta.free_text
        if delta.executed_by == "provider":
            call.executed_by = "provider"  # said once is enough
        call.name = call.name or mended_value(delta.name)
        if call.call_id is None and delta.call_id is not None:
            call.call_id = self._unique_call_id(mended_value(delta.call_id))
        text = delta.arguments
        if self._held or not text.isascii():
            text = self._whole_text(text)
        call.unsent += text
        if call.name is not None and (call.unsent or not call.announced or delta.metadata):
            self._send_call(call, elapsed_ms, out, self._named_metadata(delta.metadata))
        if delta.done:
            self._release_half(elapsed_ms, out)
            self._close_call(call, elapsed_ms, out)

    def _on_tool_result(
        self, delta: ToolResultDelta, elapsed_ms: int, out: list[StreamChunk]
    ) -> None:
        self._begin_run(None, elapsed_ms, out)
        self._speak(elapsed_ms)
        out.append(
            ToolResultChunk(
                **self._envelope(elapsed_ms, self._take_part()),
                call_id=mended_value(delta.call_id),
                name=mended_value(delta.name),
                output=mended_value(delta.output),
                is_error=delta.is_error,
                executed_by="provider",
            )
        )

    def _on_usage(self, delta: UsageDelta, elapsed_ms: int, out: list[StreamChunk]) -> None:
        self._facts.add_usage(delta)

    def _on_metadata(self, delta: MetadataDelta, elapsed_ms: int, out: list[StreamChunk]) -> None:
        self._facts.add_metadata(delta)

    def _on_identity(self, delta: IdentityDelta, elapsed_ms: int, out: list[StreamChunk]) -> None:
        self._facts.add_identity(delta)

    def _on_notice(self, delta: NoticeDelta, elapsed_ms: int, out: list[StreamChunk]) -> None:
        out.append(
            NoticeChunk(
                **self._envelope(elapsed_ms),
                code=delta.code,
                message=self._redactor.text(delta.message, MAX_MESSAGE),
            )
        )

    def _on_finish(self, delta: FinishDelta, elapsed_ms: int, out: list[StreamChunk]) -> None:
        check_reason(delta.reason)
        self._release_half(elapsed_ms, out)
        self._finish = FinishDelta(delta.reason, text_or_none(delta.raw, "finish reason"))
        self.has_evidence = True

    def _on_terminator(
        self, delta: TerminatorDelta, elapsed_ms: int, out: list[StreamChunk]
    ) -> None:
        self.is_terminated = True
        self.has_evidence = self.has_evidence or delta.evidence

    # Runs, parts and indexes.

    def _envelope(self, elapsed_ms: int, part: int | None = None) -> dict[str, Any]:
        """What every chunk begins with; takes the next index."""
        index = self.next_index
        self.next_index = index + 1
        return {
            "stream_id": self._stream_id,
            "index": index,
            "part": part,
            "elapsed_ms": elapsed_ms,
        }

    def _take_part(self) -> int:
        part = self._next_part
        self._next_part = part + 1
        return part

    def _begin_run(self, run: object, elapsed_ms: int, out: list[StreamChunk]) -> None:
        """Ends the open run; a named run takes the next part, `None` leaves that to the caller."""
        self._release_half(elapsed_ms, out)
        self._run = run
        if run is not None:
            self._part = self._take_part()

    def _speak(self, elapsed_ms: int) -> None:
        if self._finish is not None:
            raise self._spoke_after_finish()
        if self._first_content_ms is None:
            self._first_content_ms = elapsed_ms

    @staticmethod
    def _spoke_after_finish() -> ProviderError:
        return ProviderError("protocol", "More of the answer came after its finish reason.")

    # Half characters.

    def _whole_text(self, text: str) -> str:
        text, self._held = self._held + text, ""
        if is_whole(text):
            return text
        text, self._held = split_trailing_half(text)
        return mended(text)

    def _release_half(self, elapsed_ms: int, out: list[StreamChunk]) -> None:
        """The other half never came: U+FFFD stands for the one that did."""
        if not self._held:
            return
        run, self._held = self._run, ""
        if isinstance(run, OpenCall):
            run.unsent += "\ufffd"
            if run.name is not None:
                self._send_call(run, elapsed_ms, out, None)
        elif run == "reasoning":
            self._on_reasoning(ReasoningDelta("\ufffd"), elapsed_ms, out)
        else:
            self._on_content(ContentDelta("\ufffd", run == "refusal"), elapsed_ms, out)

    # Tool calls.

    def _unique_call_id(self, call_id: str) -> str:
        # Two calls of one answer with one id could not be told apart by their results.
        if call_id in self._call_ids:
            call_id = self._new_id("call")
        self._call_ids.add(call_id)
        return call_id

    def _send_call(
        self, call: OpenCall, elapsed_ms: int, out: list[StreamChunk], metadata: Any
    ) -> None:
        self._speak(elapsed_ms)
        if call.call_id is None:
            call.call_id = self._unique_call_id(self._new_id("call"))
        fields = call.next_piece()
        out.append(
            ToolCallChunk(**self._envelope(elapsed_ms, call.part), metadata=metadata, **fields)
        )

    def _close_calls(self, elapsed_ms: int, out: list[StreamChunk]) -> None:
        for call in self._calls.values():
            if not call.done:
                self._close_call(call, elapsed_ms, out)

    def _close_call(self, call: OpenCall, elapsed_ms: int, out: list[StreamChunk]) -> None:
        fields = call.close()
        out.append(ToolCallChunk(**self._envelope(elapsed_ms, call.part), **fields))

    # The end.

    def _finish_reason(self) -> FinishReason:
        reason = self._finish.reason if self._finish is not None else "other"
        # A forced call ends with `stop` at OpenAI, and relays send no reason at all: the calls
        # themselves say more than the word.
        if reason in {"stop", "other"} and any(
            call.executed_by == "caller" for call in self._calls.values()
        ):
            reason = "tool_calls"
        return cast(FinishReason, reason)

    def _finish_with(
        self, reason: FinishReason, outcome: str, elapsed_ms: int, out: list[StreamChunk]
    ) -> None:
        if self.is_over:
            return
        hide = self._redactor.value  # a service may say back what it was sent, anywhere
        self._log.record(outcome, elapsed_ms)
        self._send_usage(elapsed_ms, out)
        out.append(
            EndChunk(
                **self._envelope(elapsed_ms),
                metadata=self._named_metadata(self._facts.metadata),
                finish_reason=reason,
                raw_finish_reason=hide(self._finish.raw if self._finish is not None else None),
                model=hide(self._facts.model),
                response_id=hide(self._facts.response_id),
                usage=self._facts.usage,
                attempts=self._log.attempts,
                ttfc_ms=self._log.since_first_request(self._first_content_ms),
            )
        )
        self.is_over = True

    def _send_usage(self, elapsed_ms: int, out: list[StreamChunk]) -> None:
        if self._facts.usage is not None:
            out.append(UsageChunk(**self._envelope(elapsed_ms), usage=self._facts.usage))

    def _named_metadata(self, values: dict[str, Any] | None) -> dict[str, Any] | None:
        return {self._provider: self._redactor.value(mended_value(values))} if values else None


_HANDLERS: Final[dict[type, Callable[[Assembler, Any, int, list[StreamChunk]], None]]] = {
    ContentDelta: Assembler._on_content,
    ReasoningDelta: Assembler._on_reasoning,
    ToolCallDelta: Assembler._on_tool_call,
    ToolResultDelta: Assembler._on_tool_result,
    UsageDelta: Assembler._on_usage,
    MetadataDelta: Assembler._on_metadata,
    IdentityDelta: Assembler._on_identity,
    NoticeDelta: Assembler._on_notice,
    FinishDelta: Assembler._on_finish,
    TerminatorDelta: Assembler._on_terminator,
}
