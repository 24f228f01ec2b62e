"""What is checked of a dialect before anything is judged in it: that it writes what the kit asks.

A dialect that writes nothing for a count, or the same for two different answers, would turn a
mistake of its own into a verdict about the provider. So the dialect is looked at first, and a
mistake in it ends the run with what to do about it:

- SK-DIAL-001: two answers that differ in meaning differ on the wire.
- SK-DIAL-002: what a dialect declares as a loss it cannot say.
- SK-DIAL-003: a dialect that is published comes with recordings of the real service.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_args

from streamkit.chunks import FinishReason
from streamkit.words import nearest
from streamkit_conformance.axes import Axis
from streamkit_conformance.dialects.base import LOSSES, Dialect, Spoken, joined_calls
from streamkit_conformance.framing.base import Framing, Named
from streamkit_conformance.script import (
    ErrorRecord,
    Event,
    Finish,
    Reasoning,
    Script,
    Text,
    Tokens,
    ToolArguments,
    ToolCall,
    ToolStart,
)
from streamkit_conformance.target import Conformance, TargetError

__all__ = ["check_dialect", "notes_on"]

_Made = TypeVar("_Made")

#: Losses that say how a thing is sent rather than whether: they may be declared of any wire.
_OF_FORM: Final = frozenset({"tool_fragments", "tool_ids"})
#: The reasons that a service gives for an end; that calls are made the calls themselves may say.
_SAME_WORD: Final = frozenset({"stop", "tool_calls"})


def check_dialect(dialect: Dialect) -> None:
    """Checks a dialect.

    Raises:
        TargetError: It cannot be used as it is; the message says what to change.
    """
    _Check(dialect).all()


def notes_on(target: Conformance) -> tuple[str, ...]:
    """What whoever reads a report should know of the dialect that it was made with."""
    dialect = target.dialect
    is_own = not type(dialect).__module__.startswith("streamkit_conformance.")
    if not is_own or isinstance(dialect, Spoken) or target.recordings is not None:
        return ()
    note = (
        f"SK-DIAL-003: nothing shows that the service speaks {dialect.name} as the dialect says. "
        "Before you publish it, record real answers (streamkit-conformance record) and name their "
        "folder: Conformance(…, recordings=…)."
    )
    return (note,)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two answers that differ in one thing.

    Attributes:
        what: The thing, in words.
        left: The events of one.
        right: The events of the other.
        loss: The loss of wires that cannot say it; empty where every wire must.
    """

    what: str
    left: tuple[Event, ...]
    right: tuple[Event, ...]
    loss: str = ""


def _call(
    arguments: str = '{"a":1}', *, name: str = "look", id: str = "call_a"
) -> tuple[Event, ...]:
    return (ToolStart(0, id, name), ToolArguments(0, arguments))


_PAIRS: Final = (
    _Pair("a text", (Text("Hello"),), (Text("Hallo"),)),
    _Pair("the order of texts", (Text("a"), Text("b")), (Text("b"), Text("a"))),
    _Pair("a refusal", (Text("No.", refusal=True),), (Text("No."),), "refusal"),
    _Pair("reasoning", (Reasoning("Hm."),), (Reasoning("Ha."),), "reasoning"),
    _Pair("reasoning", (Reasoning("Hm."),), (Text("Hm."),), "reasoning"),
    _Pair("the tokens read", (Tokens(7, 5),), (Tokens(8, 5),), "usage"),
    _Pair("the tokens written", (Tokens(7, 5),), (Tokens(7, 6),), "usage"),
    _Pair(
        "the tokens of the reasoning",
        (Tokens(9, 6, reasoning=4),),
        (Tokens(9, 6, reasoning=3),),
        "usage_details",
    ),
    _Pair(
        "the tokens from a cache",
        (Tokens(9, 6, cache_read=4),),
        (Tokens(9, 6, cache_read=3),),
        "usage_details",
    ),
    _Pair("a count of zero", (Tokens(0, 5),), (Tokens(1, 5),), "usage_zero"),
    _Pair("the name of a call", _call(name="look"), _call(name="find"), "tools"),
    _Pair("the arguments of a call", _call('{"a":1}'), _call('{"a":2}'), "tools"),
    _Pair("the id of a call", _call(id="call_a"), _call(id="call_b"), "tool_ids"),
    _Pair("the text of arguments", _call('{"a":1}'), _call('{"a": 1}'), "arguments_text"),
    _Pair(
        "the words of a failure",
        (ErrorRecord("a", None),),
        (ErrorRecord("b", None),),
        "error_record",
    ),
)
#: What else a thing needs to be told.
_NEEDS: Final[Mapping[str, str]] = {
    "usage_details": "usage",
    "usage_zero": "usage",
    "tool_ids": "tools",
    "arguments_text": "tools",
}


class _Check:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._is_class = isinstance(dialect, type)
        self._name = dialect.__name__ if isinstance(dialect, type) else type(dialect).__name__
        self._losses: frozenset[str] = frozenset()

    def all(self) -> None:
        given: Any = self._dialect
        if self._is_class or not isinstance(given, Dialect):
            call = f"{self._name}()" if self._is_class else "a Dialect"
            raise TargetError(f"The dialect must be an object: give dialect={call}.")
        self._check_words()
        if isinstance(self._dialect, Spoken):
            return
        self._check_form()
        self._check_finishes()
        self._check_records()
        self._check_pairs()
        self._check_whole()

    # What it declares.

    def _check_words(self) -> None:
        losses: Any = self._dialect.losses
        if isinstance(losses, str) or not isinstance(losses, Iterable):
            raise self._error(f"losses is a set of words, such as frozenset({{{losses!r}}})")
        for word in sorted(map(str, losses)):
            if word not in LOSSES:
                near = nearest(word, LOSSES)
                meant = f"did you mean {near[0]!r}? " if near else ""
                raise self._error(
                    f"there is no loss {word!r}: {meant}there are {', '.join(sorted(LOSSES))}"
                )
        self._losses = frozenset(losses)

    def _check_form(self) -> None:
        framing: Any = self._dialect.framing
        if not isinstance(framing, Framing):
            made = f"{framing.__name__}()" if isinstance(framing, type) else "SSE() or NDJSON()"
            raise self._error(f"framing must be an object: framing = {made}")
        axes: Sequence[Any] = self._dialect.all_axes
        names = [axis.name for axis in axes if isinstance(axis, Axis)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or len(names) != len(self._dialect.all_axes):
            raise self._error(f"axes is a tuple of Axis, each with a name of its own: {twice}")

    def _check_finishes(self) -> None:
        known = set(get_args(FinishReason)) - {"cancelled"}
        words = self._dialect.finish
        for reason in words:
            if reason not in known:
                near = nearest(str(reason), known)
                meant = f"did you mean {near[0]!r}? " if near else ""
                raise self._error(
                    f"finish has the reason {reason!r}: {meant}the schema has "
                    f"{', '.join(sorted(known))}, and the service's words are the values"
                )
        if "stop" not in words:
            raise self._error(
                'finish needs the service\'s word for an answer that is whole: "stop"'
            )
        for reason, word in words.items():
            same = {each for each in words if words[each] == word}
            if len(same) > 1 and not same <= _SAME_WORD:
                raise self._error(
                    f"finish has the word {word!r} for {' and for '.join(sorted(same))}: nobody "
                    f"could tell them apart; leave out what the service has no word for ({reason})"
                )

    # What it writes.

    def _check_records(self) -> None:
        """Every event alone, and together in an answer."""
        told = [each for pair in _PAIRS if not self._is_lost(pair.loss) for each in pair.left]
        for event in [*told, *(Finish(reason) for reason in self._dialect.finish)]:
            if isinstance(event, ToolStart | ToolArguments):
                continue  # they belong together; the pairs write them
            if isinstance(event, ErrorRecord):
                if self._failure(event.message) is None:
                    raise self._silent(event, "error_record")
                continue
            written = self._written((event, *([] if isinstance(event, Finish) else [Finish()])))
            if not isinstance(event, Tokens) and not written[0]:
                raise self._silent(event, _LOSS_OF.get(type(event), ""))
        refusal = self._made(
            "the body of an error", "", lambda: self._dialect.http_error(429, "a", "b")
        )
        self._json(refusal)

    def _check_pairs(self) -> None:
        by_loss: dict[str, list[_Pair]] = {}
        for pair in _PAIRS:
            by_loss.setdefault(pair.loss, []).append(pair)
        for loss, pairs in by_loss.items():
            if self._is_lost(_NEEDS.get(loss, "")):
                continue
            if loss in self._losses:
                self._check_loss(loss, pairs)
                continue
            for pair in pairs:
                if self._tells(pair):
                    continue
                raise self._error(
                    f"SK-DIAL-001: {pair.what} is not told. {_shown(pair.left)} and "
                    f"{_shown(pair.right)} are written alike; write what tells them apart"
                    f"{_or_lose(loss)}"
                )

    def _check_loss(self, loss: str, pairs: Sequence[_Pair]) -> None:
        """A dialect that is given the parts of an answer one by one has no other use for them.

        One that overrides `records` may be made for services that differ, of which some can say it.
        """
        is_by_event = type(self._dialect).record is not Dialect.record
        if loss in _OF_FORM or not is_by_event:
            return
        try:
            is_told = all(self._tells(pair) for pair in pairs)
        except TargetError:
            return  # it cannot be written: so it is lost
        if is_told:
            raise self._error(
                f"SK-DIAL-002: the loss {loss!r} is declared, and {pairs[0].what} is written all "
                f"the same, as {_shown(pairs[0].left)} shows: take the loss away"
            )

    def _check_whole(self) -> None:
        if "whole" not in self._losses and self._whole("Hello") == self._whole("Hallo"):
            raise self._error("SK-DIAL-001: whole() writes two different answers alike")

    # Helpers.

    def _is_lost(self, loss: str) -> bool:
        return bool({loss, _NEEDS.get(loss, "")} & self._losses)

    def _tells(self, pair: _Pair) -> bool:
        return bool(self._answer(pair.left) != self._answer(pair.right))

    def _answer(self, events: tuple[Event, ...]) -> Any:
        """All records of an answer of these events."""
        if isinstance(events[0], ErrorRecord):
            return self._failure(events[0].message)
        return [each for group in self._written((*events, Finish())) for each in group]

    def _failure(self, message: str) -> Any:
        record = self._made(
            "a failure inside a stream",
            "error_record",
            lambda: self._dialect.error_record(message, None),
        )
        return self._json(record)

    def _whole(self, text: str) -> Any:
        script = Script((Text(text), Finish()))
        made = self._made("an answer in one piece", "whole", lambda: self._dialect.whole(script))
        return self._json(made)

    def _written(self, events: tuple[Event, ...]) -> list[list[Any]]:
        """The records of each event, as JSON values that can be compared."""
        spoken = list(events)
        if "tool_fragments" in self._losses:
            spoken = joined_calls(spoken)
        loss = next((_LOSS_OF[type(each)] for each in events if type(each) in _LOSS_OF), "")
        groups = self._made(_shown(events), loss, lambda: self._dialect.records(spoken))
        if len(groups) != len(spoken):
            raise self._error(
                f"records() gave {len(groups)} lists for {len(spoken)} events: one list for each"
            )
        return [[self._json(each) for each in group] for group in groups]

    def _made(self, what: str, loss: str, make: Callable[[], _Made]) -> _Made:
        try:
            return make()
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"
            raise self._error(
                f"{what} cannot be written ({cause}); write it{_or_lose(loss)}"
            ) from error

    def _json(self, value: Any) -> Any:
        if isinstance(value, Named):
            return [value.event, self._json(value.data)]
        try:
            return json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise self._error(f"a record must be JSON values ({error}): {value!r}") from error

    def _silent(self, event: Event, loss: str) -> TargetError:
        return self._error(f"there is no record for {event!r}; write one{_or_lose(loss)}")

    def _error(self, message: str) -> TargetError:
        return TargetError(f"The dialect {self._name}: {message}.")


_LOSS_OF: Final[Mapping[type, str]] = {
    Reasoning: "reasoning",
    Tokens: "usage",
    ToolStart: "tools",
    ToolArguments: "tools",
    ToolCall: "tools",
}


def _or_lose(loss: str) -> str:
    return f", or say that the wire cannot: losses = {{{loss!r}}}" if loss else ""


def _shown(events: Sequence[Event]) -> str:
    return " + ".join(map(repr, events))
