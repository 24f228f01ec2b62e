"""The smallest case that still fails: what a person wants to read.

Greedy and bounded: a smaller case that still fails takes the place of the one before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamkit_conformance.case import READ_ALL, Case
from streamkit_conformance.causes import Fails, keeping
from streamkit_conformance.cuts import RECORDS, WHOLE, Cut
from streamkit_conformance.dialects.base import Dialect
from streamkit_conformance.script import (
    Event,
    Finish,
    Reasoning,
    Script,
    Text,
    ToolArguments,
    ToolStart,
)
from streamkit_conformance.wire import write

__all__ = ["REPLAYS", "reduce"]

#: How often a case is played again at most.
REPLAYS: Final = 60


def reduce(case: Case, dialect: Dialect, fails: Fails, *, replays: int = REPLAYS) -> Case:
    """Makes a failing case small.

    Args:
        case: It fails.
        dialect: In what it is written.
        fails: Plays a case and says whether it fails too.
        replays: How often that may be asked.

    Returns:
        A case that fails; the one that was given where nothing smaller does.
    """
    search = _Search(case, dialect, fails, replays)
    search.try_all([search.best.with_(cut=RECORDS)])
    search.drop_streams()
    search.drop_styles()
    search.drop_events()
    search.shorten_texts()
    search.narrow_cut()
    return search.best


@dataclass
class _Search:
    """A failing case, and how many more may be played."""

    best: Case
    dialect: Dialect
    fails: Fails
    left: int

    def try_all(self, smaller: Sequence[Case]) -> bool:
        """Takes the first of the smaller cases that fails."""
        for case in smaller:
            if self.left <= 0:
                return False
            if case == self.best or not self.dialect.can_say(case.script):
                continue
            self.left -= 1
            if self.fails(case):
                self.best = case
                return True
        return False

    def drop_streams(self) -> None:
        for number in reversed(range(len(self.best.then))):
            then = self.best.then
            self.try_all([self.best.with_(then=then[:number] + then[number + 1 :])])

    def drop_styles(self) -> None:
        for name, _ in self.best.style.values:
            self.try_all([self.best.with_(style=self.best.style.without(name))])

    def drop_events(self) -> None:
        """Drops runs of events, long ones first."""
        size = max(1, len(self.best.script.events) // 2)
        while self.left > 0:
            start = 0
            while start < len(self.best.script.events) and self.left > 0:
                if not self.try_all(list(_dropped(self.best, start, size))):
                    start += size
            if size == 1:
                return
            size //= 2

    def shorten_texts(self) -> None:
        for number in range(len(self.best.script.events)):
            while self.left > 0 and self.try_all(list(_shortened(self.best, number))):
                pass

    def narrow_cut(self) -> None:
        """From every byte to the one place that matters."""
        if self.best.cut.kind not in ("bytes", "at"):
            return
        if self.try_all([self.best.with_(cut=WHOLE)]):
            return
        body = b"".join(write(self.best.with_(cut=WHOLE), self.dialect).reads)
        places: Sequence[int] = self.best.cut.places or range(1, len(body))
        while len(places) > 1 and self.left > 0:
            half = len(places) // 2
            smaller = [
                self.best.with_(cut=Cut("at", tuple(each)))
                for each in (places[:half], places[half:])
            ]
            if not self.try_all(smaller):
                return
            places = self.best.cut.places


def _dropped(case: Case, start: int, size: int) -> Iterator[Case]:
    """The case without a run of events, where that still makes an answer."""
    events = case.script.events
    gone = set(range(start, min(start + size, len(events))))
    # An answer without its end would be another failure, and pieces need the call they belong to.
    gone = {each for each in gone if not isinstance(events[each], Finish)}
    keys = {_key(events[each]) for each in gone if isinstance(events[each], ToolStart)}
    gone |= {
        n for n, each in enumerate(events) if isinstance(each, ToolArguments) and each.key in keys
    }
    if gone and _is_enough(case, len(events) - len(gone)):
        keep = [number not in gone for number in range(len(events))]
        yield case.with_(script=keeping(case.script, keep))


def _is_enough(case: Case, left: int) -> bool:
    """Something is left to be said, and a consumer who stops midway gets that far."""
    return left > (1 if case.consumer == READ_ALL else case.consumer.after + 1)


def _key(event: Event) -> int | None:
    return event.key if isinstance(event, ToolStart) else None


def _shortened(case: Case, number: int) -> Iterator[Case]:
    event = case.script.events[number]
    if not isinstance(event, Text | Reasoning) or len(event.text) < 2:
        return
    half = len(event.text) // 2
    for text in (event.text[:half], event.text[half:], event.text[1:], event.text[:-1]):
        yield case.with_(script=_with_text(case.script, number, replace(event, text=text)))


def _with_text(script: Script, number: int, event: Event) -> Script:
    events = (*script.events[:number], event, *script.events[number + 1 :])
    return replace(script, events=events)
