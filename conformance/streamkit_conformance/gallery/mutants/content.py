"""Mutants that change, lose or double what was said."""

import html
import re
from typing import Any

from streamkit.chunks import ContentChunk, EndChunk, StreamChunk
from streamkit_conformance.gallery.mutant import mutant
from streamkit_conformance.gallery.plain_reader import Broken
from streamkit_conformance.gallery.plain_wires import OllamaReader, OpenAIReader

# The text.


@mutant(kills={"SK-CONT-001"}, why="Each delta is stripped: words are glued together.")
class Strips(OpenAIReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content((text or "").strip(), refusal=refusal)


@mutant(kills={"SK-CONT-001"}, why="`if text.strip()`: deltas of white space alone are dropped.")
class DropsWhiteSpace(OllamaReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content(text if text and text.strip() else "", refusal=refusal)


@mutant(kills={"SK-CONT-001"}, why="The white space before the first word is trimmed.")
class TrimsTheBeginning(OllamaReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content(text if self.has_spoken else (text or "").lstrip(), refusal=refusal)


@mutant(kills={"SK-CONT-001"}, why="A delta equal to the one before is taken for sent twice.")
class DropsRepeats(OpenAIReader):
    before: object = None

    def content(self, text: Any, *, refusal: bool = False) -> None:
        if text and text == self.before:
            return
        self.before = text or self.before
        super().content(text, refusal=refusal)


@mutant(kills={"SK-CONT-001"}, why="Entities of HTML are undone in the model's text.")
class UndoesEntities(OpenAIReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content(html.unescape(text or ""), refusal=refusal)


@mutant(kills={"SK-CONT-001"}, why="Escapes are undone a second time, after the JSON parser did.")
class UndoesEscapes(OllamaReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content((text or "").replace("\\n", "\n"), refusal=refusal)


@mutant(kills={"SK-CONT-001"}, why="Line ends in the model's text are made alike.")
class LineEndsMadeAlike(OpenAIReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content(re.sub(r"\r\n?", "\n", text or ""), refusal=refusal)


@mutant(kills={"SK-CONT-002"}, why="The record that names the role gives an empty chunk.")
class EmptyChunks(OpenAIReader):
    def choice(self, choice: dict[str, Any]) -> None:
        if (choice.get("delta") or {}).get("content") == "" and not self.is_finished:
            self.begin("content")
            self.emit(ContentChunk, part=self.part, content="")
        super().choice(choice)


@mutant(kills={"SK-CONT-002"}, why="The last line's empty content gives an empty chunk.")
class EmptyLastChunk(OllamaReader):
    def finish(self, word: str | None) -> None:
        if self.run == "content":
            self.emit(ContentChunk, part=self.part, content="")
        super().finish(word)


@mutant(
    kills={"SK-CONT-003"},
    why='The end marker is looked for anywhere: `"[DONE]" in data`.',
    axis="CHARACTERS",
)
class DoneAnywhere(OpenAIReader):
    def is_end(self, data: str) -> bool:
        return "[DONE]" in data


@mutant(
    kills={"SK-CONT-003"},
    why='An error is looked for in the text of the record: `"error" in data`.',
    axis="CHARACTERS",
)
class ErrorAnywhere(OpenAIReader):
    def event(self, name: str, data: str) -> None:
        if '\\"error\\"' in data:
            raise Broken("provider", "The service reported an error.")
        super().event(name, data)


@mutant(
    kills={"SK-CONT-003"},
    why="The end is looked for in the text of the line.",
    axis="CHARACTERS",
)
class DoneInTheLine(OllamaReader):
    def record(self, record: dict[str, Any]) -> None:
        super().record(record)
        if '"done":true' in str((record.get("message") or {}).get("content")):
            self.finish("stop")
            self.complete()


@mutant(
    kills={"SK-CONT-003"},
    why="Content that parses as JSON is taken for more than text.",
    axis="CHARACTERS",
)
class NullIsNoText(OllamaReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content("" if text in {"null", "{}", "[]"} else text, refusal=refusal)


@mutant(kills={"SK-CONT-004"}, why="Deltas are cut into single characters, for the typing effect.")
class CutsDeltas(OpenAIReader):
    def show(self, run: str, text: str) -> None:
        for each in text:
            super().show(run, each)


@mutant(kills={"SK-CONT-004"}, why="The deltas of one read are joined to one chunk.")
class JoinsDeltas(OllamaReader):
    def feed(self, data: bytes) -> None:
        before = len(self.out)
        super().feed(data)
        said = [each for each in self.out[before:] if isinstance(each, ContentChunk)]
        if len(said) < 2 or len({each.part for each in said}) > 1:
            return
        joined = said[0].model_copy(update={"content": "".join(each.content for each in said)})
        kept = [each for each in self.out if each not in said[1:]]
        first = self.out[0].index
        kept = [joined if each is said[0] else each for each in kept]
        self.out = [each.model_copy(update={"index": first + n}) for n, each in enumerate(kept)]
        self.index = first + len(self.out)


@mutant(kills={"SK-CONT-005"}, why="When an answer breaks off, what it said is shown once more.")
class ShowsPartialAgain(OpenAIReader):
    said: tuple[str, ...] = ()

    def show(self, run: str, text: str) -> None:
        self.said = (*self.said, text)
        super().show(run, text)

    def fail(self, error: Broken) -> None:
        if error.kind == "connection" and self.run == "content" and not self.is_over:
            for each in self.said:
                super().show("content", each)
        super().fail(error)


@mutant(kills={"SK-CONT-006", "SK-CAP-004"}, why="A refusal is shown as any other text.")
class RefusalsAreText(OpenAIReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content(text)


@mutant(
    kills={"SK-CONT-006", "SK-CAP-004", "SK-LIFE-009"},
    why="Nobody looks at the field with the refusal: the answer is empty.",
)
class RefusalsLost(OpenAIReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        super().content("" if refusal else text)


# The reasoning.


@mutant(kills={"SK-REAS-002"}, why="Reasoning is shown as the answer.")
class ReasoningIsText(OpenAIReader):
    def reasoning(self, text: Any) -> None:
        self.content(text)


@mutant(kills={"SK-REAS-002"}, why="Behind the first reasoning, text is reasoning too.")
class TextIsReasoning(OllamaReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        if self.run == "reasoning" and text:
            super().reasoning(text)
        else:
            super().content(text, refusal=refusal)


@mutant(kills={"SK-REAS-001"}, why="Reasoning is stripped.")
class StripsReasoning(OpenAIReader):
    def reasoning(self, text: Any) -> None:
        super().reasoning((text or "").strip())


@mutant(kills={"SK-REAS-001"}, why="The same reasoning in two fields is shown twice.")
class ReasoningTwice(OpenAIReader):
    def delta(self, delta: dict[str, Any]) -> None:
        super().delta(delta)
        for each in delta.get("reasoning_details") or []:
            self.reasoning(each.get("text"))


@mutant(kills={"SK-REAS-003"}, why="Once the answer has begun, reasoning is dropped.")
class ReasoningOnlyFirst(OllamaReader):
    def reasoning(self, text: Any) -> None:
        super().reasoning("" if self.run == "content" else text)


@mutant(kills={"SK-REAS-003"}, why="Late reasoning is collected and shown at the end.")
class ReasoningAtTheEnd(OpenAIReader):
    late = ""

    def reasoning(self, text: Any) -> None:
        if self.run == "content" and text:
            self.late += text
        else:
            super().reasoning(text)

    def finish(self, word: str | None) -> None:
        late, self.late = self.late, ""
        super().reasoning(late) if not self.is_finished else None
        super().finish(word)


# The beginning and the end.


@mutant(kills={"SK-LIFE-001"}, why="Content is looked for where other services have it: none.")
class SaysNothing(OpenAIReader):
    def content(self, text: Any, *, refusal: bool = False) -> None:
        self.has_spoken = self.has_spoken or bool(text)


@mutant(kills={"SK-LIFE-002"}, why="The finish reason and the end marker make an end each.")
class EndsTwice(OpenAIReader):
    def finished(self, reason: str, raw: str | None) -> None:
        super().finished(reason, raw)
        self.emit(EndChunk, finish_reason=reason, raw_finish_reason=raw, usage=self.usage)


@mutant(kills={"SK-LIFE-002"}, why="A stream just ends: nothing says that it is whole.")
class EndsInSilence(OllamaReader):
    def finished(self, reason: str, raw: str | None) -> None:
        super().finished(reason, raw)
        self.out.pop()


@mutant(kills={"SK-LIFE-003"}, why="Something is told behind the end.")
class ContentBehindTheEnd(OpenAIReader):
    def finished(self, reason: str, raw: str | None) -> None:
        super().finished(reason, raw)
        self.emit(ContentChunk, part=self.part, content="\n")


@mutant(kills={"SK-LIFE-006"}, why="Whatever the service says, the answer is whole.")
class AlwaysStop(OpenAIReader):
    def reason(self, word: str | None) -> str:
        reason = super().reason(word)
        return reason if reason == "tool_calls" else "stop"


@mutant(kills={"SK-LIFE-006"}, why="A word that is in no table is an error.")
class UnknownReasonBreaks(OpenAIReader):
    def finish(self, word: str | None) -> None:
        if word not in {"stop", "length", "tool_calls", "content_filter"}:
            raise Broken("protocol", "The service ended for an unknown reason.")
        super().finish(word)


@mutant(kills={"SK-LIFE-006"}, why="An answer cut by its limit is told as whole.")
class LengthIsStop(OllamaReader):
    def reason(self, word: str | None) -> str:
        return super().reason("stop" if word == "length" else word)


@mutant(kills={"SK-LIFE-007"}, why="`start` comes with the first content.")
class StartsLate(OpenAIReader):
    def start(self) -> None:
        return

    def emit(self, cls: type[StreamChunk], **fields: Any) -> None:
        if not self.index:
            self.index = -1
            super().start()
        super().emit(cls, **fields)


@mutant(kills={"SK-LIFE-007"}, why="There is no `start`.")
class NeverStarts(OllamaReader):
    def start(self) -> None:
        return


@mutant(kills={"SK-LIFE-008"}, why="An answer without usage is taken for broken off.")
class WantsUsage(OllamaReader):
    def finished(self, reason: str, raw: str | None) -> None:
        if self.usage is None and reason != "cancelled":
            self.fail(Broken("protocol", "The service told no usage."))
        else:
            super().finished(reason, raw)


@mutant(kills={"SK-LIFE-009"}, why="A success that holds nothing is a success.")
class EmptySuccess(OpenAIReader):
    def complete(self) -> None:
        self.has_spoken, spoken = self.is_finished, self.has_spoken
        super().complete()
        self.has_spoken = spoken


@mutant(kills={"SK-LIFE-009"}, why="An empty answer is an error, also where its limit explains it.")
class NothingIsAlwaysWrong(OllamaReader):
    def complete(self) -> None:
        if self.is_finished and not self.has_spoken:
            self.fail(Broken("empty_response", "The service's answer is empty."))
        super().complete()


# What stands on chunks.


@mutant(kills={"SK-META-001"}, why="Chunks are counted from 1.")
class CountsFromOne(OpenAIReader):
    def start(self) -> None:
        self.index = 1
        super().start()


@mutant(kills={"SK-META-001"}, why="The service's id is the stream's, and changes with it.")
class ServiceIdIsTheStreams(OpenAIReader):
    def record(self, record: dict[str, Any]) -> None:
        self.stream_id = record.get("id") or self.stream_id
        super().record(record)


@mutant(kills={"SK-META-002"}, why="Times are taken between chunks instead of since the start.")
class TimesBetween(OpenAIReader):
    def elapsed_ms(self) -> int:
        return max(0, 1000 - self.index)


@mutant(kills={"SK-META-003"}, why="The schema's word is told as the service's own.")
class RawIsNotRaw(OpenAIReader):
    def finished(self, reason: str, raw: str | None) -> None:
        super().finished(reason, reason)


@mutant(kills={"SK-META-003"}, why="The service's own word is not kept.")
class RawIsLost(OllamaReader):
    def finished(self, reason: str, raw: str | None) -> None:
        super().finished(reason, None)


@mutant(kills={"SK-META-004"}, why="Each delta has a part of its own.")
class PartForEachDelta(OpenAIReader):
    def show(self, run: str, text: str) -> None:
        super().show(run, text)
        self.part, self.next_part = self.next_part, self.next_part + 1


@mutant(kills={"SK-META-004"}, why="All of an answer is one part.")
class OnePart(OllamaReader):
    def chunk(self, cls: type[StreamChunk], **fields: Any) -> StreamChunk:
        return super().chunk(cls, **fields | ({"part": 0} if "part" in fields else {}))


@mutant(kills={"SK-META-005", "SK-USE-002"}, why="The end repeats other usage than was told.")
class EndTellsOtherUsage(OpenAIReader):
    def chunk(self, cls: type[StreamChunk], **fields: Any) -> StreamChunk:
        if cls is EndChunk:
            fields["usage"] = None
        return super().chunk(cls, **fields)


@mutant(kills={"SK-META-006"}, why="An error always says that something had been shown.")
class AlwaysPartial(OpenAIReader):
    def fail(self, error: Broken) -> None:
        self.has_spoken = True
        super().fail(error)


@mutant(kills={"SK-META-007"}, why="Nobody notes which requests were made.")
class NoAttempts(OllamaReader):
    def attempts(self, outcome: str) -> Any:
        return ()


@mutant(kills={"SK-META-008"}, why="The service's id of the answer is lost.")
class AnswerIdLost(OpenAIReader):
    def record(self, record: dict[str, Any]) -> None:
        super().record({**record, "id": None})


@mutant(kills={"SK-SER-001"}, why="A chunk carries an object that no JSON has.")
class ObjectOnAChunk(OpenAIReader):
    def chunk(self, cls: type[StreamChunk], **fields: Any) -> StreamChunk:
        made = super().chunk(cls, **fields)
        return made.model_copy(update={"metadata": {"plain": object()}}) if self.index else made


@mutant(kills={"SK-SER-001"}, why="A chunk holds bytes where the schema has text.")
class BytesOnAChunk(OllamaReader):
    def chunk(self, cls: type[StreamChunk], **fields: Any) -> StreamChunk:
        made = super().chunk(cls, **fields)
        if cls is EndChunk:
            return made.model_copy(update={"response_id": b"c1"})
        return made
