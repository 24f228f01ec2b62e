"""Mutants that get tool calls and token counts wrong."""

import json
from typing import Any

from streamkit.chunks import Usage, UsageChunk
from streamkit_conformance.gallery.mutant import mutant
from streamkit_conformance.gallery.plain_reader import Broken, Call
from streamkit_conformance.gallery.plain_wires import OllamaReader, OpenAIReader

# Tool calls.


@mutant(kills={"SK-TOOL-001"}, why="Arguments are parsed and written anew.")
class WritesArgumentsAnew(OpenAIReader):
    def show_call(self, call: Call) -> None:
        try:
            call.unsent = json.dumps(json.loads(call.unsent))
        except ValueError:
            pass  # pieces of it are no JSON and stay
        super().show_call(call)


@mutant(kills={"SK-TOOL-001"}, why="Pieces of the arguments are stripped.")
class StripsArguments(OpenAIReader):
    def argument_text(self, arguments: Any) -> str:
        return super().argument_text(arguments).strip()


@mutant(kills={"SK-TOOL-001"}, why="Whole numbers go through floats: the last digits are lost.")
class ArgumentsAsFloats(OllamaReader):
    def parse(self, text: str) -> dict[str, Any]:
        super().parse(text)
        record: dict[str, Any] = json.loads(text, parse_int=_as_float)
        return record


def _as_float(text: str) -> int:
    return int(float(text))


@mutant(kills={"SK-TOOL-002"}, why="Whatever its index, a piece belongs to the newest call.")
class PiecesOfTheNewestCall(OpenAIReader):
    def call_of(self, index: Any, position: int, id: str | None, name: str) -> Call:
        call = super().call_of(index, position, id, name)
        return call if name else self.calls[-1]


@mutant(kills={"SK-TOOL-002"}, why="Calls are told apart by their index alone, which may repeat.")
class IndexAlone(OpenAIReader):
    def call_of(self, index: Any, position: int, id: str | None, name: str) -> Call:
        return super().call_of(index or 0, position, None, "")


@mutant(kills={"SK-TOOL-002"}, why="Calls with the same index are one, as Ollama's often are.")
class CallsByIndex(OllamaReader):
    def tool(self, entry: dict[str, Any]) -> None:
        function = entry.get("function") or {}
        if self.calls and function.get("index", 1) == 0:
            return
        super().tool(entry)


@mutant(kills={"SK-TOOL-003"}, why="Each piece of a call without an id gets an id of its own.")
class IdForEachPiece(OpenAIReader):
    def show_call(self, call: Call) -> None:
        if call.wire_id is None:
            call.id = None
        super().show_call(call)


@mutant(kills={"SK-TOOL-003"}, why="Names are joined like arguments: said again, they double.")
class NamesAreJoined(OpenAIReader):
    def tool(self, piece: dict[str, Any], position: int) -> None:
        super().tool(piece, position)
        name = (piece.get("function") or {}).get("name")
        if name and self.calls[-1].text:
            self.calls[-1].name += name


@mutant(kills={"SK-TOOL-003"}, why="Calls without an id all get the same one.")
class SameIdMadeTwice(OpenAIReader):
    def call_id(self, call: Call) -> str:
        return call.wire_id or "call_0"


@mutant(kills={"SK-TOOL-004"}, why="Empty arguments are no JSON, and so invalid.")
class EmptyArgumentsAreInvalid(OpenAIReader):
    def arguments(self, text: str) -> Any:
        return json.loads(text)


@mutant(kills={"SK-TOOL-004"}, why="Of several calls in one record only the first is taken.")
class FirstCallOfARecord(OllamaReader):
    def record(self, record: dict[str, Any]) -> None:
        calls = (record.get("message") or {}).get("tool_calls") or []
        del calls[1:]
        super().record(record)


@mutant(
    kills={"SK-TOOL-005"}, why="An answer that breaks off closes its calls as if they were whole."
)
class ClosesBrokenCalls(OpenAIReader):
    def fail(self, error: Broken) -> None:
        for call in self.calls if not self.is_over else []:
            if call.is_shown:
                self.close_call(call)
        super().fail(error)


@mutant(kills={"SK-TOOL-006"}, why="Broken arguments are mended by closing what is open.")
class MendsArguments(OpenAIReader):
    def arguments(self, text: str) -> Any:
        try:
            return super().arguments(text)
        except ValueError:
            return {}


@mutant(
    kills={"SK-TOOL-006"}, why="A call whose arguments do not parse ends the stream in an error."
)
class InvalidArgumentsBreak(OpenAIReader):
    def arguments(self, text: str) -> Any:
        try:
            return super().arguments(text)
        except ValueError as error:
            raise Broken("protocol", "The arguments are no JSON.") from error


@mutant(kills={"SK-TOOL-007"}, why="Ids are replaced by the client's own.")
class OwnIds(OpenAIReader):
    def call_id(self, call: Call) -> str:
        call.wire_id = None
        return super().call_id(call)


@mutant(kills={"SK-TOOL-007"}, why="Two calls to which the service gave one id are one call.")
class RepeatedIdsStay(OpenAIReader):
    def call_id(self, call: Call) -> str:
        return call.wire_id or super().call_id(call)


@mutant(kills={"SK-TOOL-008"}, why="Nothing says that a call is whole.")
class NeverDone(OpenAIReader):
    def close_call(self, call: Call) -> None:
        call.is_done = True


@mutant(kills={"SK-TOOL-009"}, why="An answer that ends in calls is told as ended by itself.")
class CallsEndInStop(OllamaReader):
    def reason(self, word: str | None) -> str:
        reason = super().reason(word)
        return "stop" if reason == "tool_calls" else reason


# Token counts.


@mutant(kills={"SK-USE-001"}, why="Counts that nobody told are 0.")
class UntoldIsZero(OpenAIReader):
    def finished(self, reason: str, raw: str | None) -> None:
        self.usage = self.usage or Usage(input_tokens=0, output_tokens=0)
        super().finished(reason, raw)


@mutant(kills={"SK-USE-001"}, why="`if count`: a count of 0 is taken for untold.")
class ZeroIsUntold(OpenAIReader):
    def tell(self, **counts: Any) -> None:
        super().tell(**{name: count or None for name, count in counts.items()})


@mutant(kills={"SK-USE-001"}, why="The total is told as the output.")
class TotalIsOutput(OpenAIReader):
    def tell(self, **counts: Any) -> None:
        output = (counts["input_tokens"] or 0) + (counts["output_tokens"] or 0)
        super().tell(**{**counts, "output_tokens": output})


@mutant(kills={"SK-USE-001"}, why="Input and output are mixed up.")
class CountsMixedUp(OllamaReader):
    def tell(self, **counts: Any) -> None:
        super().tell(input_tokens=counts["output_tokens"], output_tokens=counts["input_tokens"])


@mutant(kills={"SK-USE-002"}, why="Usage is told with every record that holds it.")
class UsageWithEveryRecord(OpenAIReader):
    def tell(self, **counts: Any) -> None:
        super().tell(**counts)
        if not self.is_over and self.usage is not None:
            self.emit(UsageChunk, usage=self.usage)


@mutant(kills={"SK-USE-003"}, why="`choices[0]` of a record that has none.")
class FirstChoiceBlindly(OpenAIReader):
    def choices(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        if not record.get("choices"):
            raise IndexError("list index out of range")
        return super().choices(record)


@mutant(kills={"SK-USE-003"}, why="A record without choices is taken for the end.")
class UsageEndsTheStream(OpenAIReader):
    def record(self, record: dict[str, Any]) -> None:
        super().record(record)
        if not record.get("choices") and not self.is_finished:
            self.finish("stop")


@mutant(kills={"SK-USE-004"}, why="Tokens of reasoning are added to an output that holds them.")
class ReasoningCountedTwice(OpenAIReader):
    def tell(self, **counts: Any) -> None:
        if counts["output_tokens"] is not None:
            counts["output_tokens"] += counts["reasoning_tokens"] or 0
        super().tell(**counts)


@mutant(kills={"SK-USE-004"}, why="Tokens from the cache are not told.")
class CacheNotTold(OpenAIReader):
    def tell(self, **counts: Any) -> None:
        super().tell(**{**counts, "cache_read_tokens": None})


@mutant(kills={"SK-USE-005"}, why="The counts of all records are added up.")
class CountsSummed(OpenAIReader):
    def tell(self, **counts: Any) -> None:
        if self.usage is not None and type(counts["output_tokens"]) is int:
            counts["input_tokens"] += self.usage.input_tokens or 0
            counts["output_tokens"] += self.usage.output_tokens or 0
        super().tell(**counts)


@mutant(kills={"SK-USE-005"}, why="The first counts are taken for the last.")
class FirstCountsStay(OpenAIReader):
    def tell(self, **counts: Any) -> None:
        if self.usage is None:
            super().tell(**counts)


@mutant(kills={"SK-CAP-001"}, why="Usage is claimed and dropped.")
class UsageLost(OllamaReader):
    def tell(self, **counts: Any) -> None:
        return


@mutant(kills={"SK-CAP-001"}, why="Reasoning is claimed and dropped.")
class ReasoningLost(OpenAIReader):
    def reasoning(self, text: Any) -> None:
        return


@mutant(kills={"SK-CAP-001"}, why="Tools are claimed, and their calls are dropped.")
class CallsLost(OllamaReader):
    def tool(self, entry: dict[str, Any]) -> None:
        self.has_spoken = True
