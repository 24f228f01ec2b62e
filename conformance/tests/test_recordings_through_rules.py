"""Answers of real services, cut and broken anew, under every rule that needs no script.

Where the recordings come from stands in `tests/wire_recordings.py`.
"""

import re
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.openai_compatible import OpenAICompatibleProvider
from streamkit.plugin import ProviderSpec
from streamkit_conformance.case import BACKENDS, Ask, Backend, Case
from streamkit_conformance.cuts import BYTES, WHOLE, Cut
from streamkit_conformance.dialects import ollama_ndjson, openai_sse
from streamkit_conformance.play import Player
from streamkit_conformance.rules import all_rules
from streamkit_conformance.script import Script
from streamkit_conformance.subject import claims_of
from streamkit_conformance.target import Conformance, Env
from streamkit_conformance.trace import Trace
from streamkit_conformance.verdict import Fail, Pass
from streamkit_conformance.wire import Ending, Wire
from tests.wire_recordings import (
    Recording,
    llamacpp_recordings,
    ollama_recordings,
    recordings_folder,
    recordings_of,
)

#: The longest body that is played byte by byte, and the most reads of a longer one.
SHORT: Final = 1500
#: Headers that speak of the connection, which here is another.
OF_THE_CONNECTION: Final = frozenset({"connection", "content-length", "transfer-encoding"})
#: Where a service says that its answer is over; what follows may be lost.
FINISH: Final = re.compile(rb'"finish_reason": ?"|"done": ?true')
BREAKS: Final[tuple[Ending, ...]] = ("end", "read_error", "protocol_error")


def compatible(env: Env) -> OpenAICompatibleProvider:
    """A provider for servers that speak OpenAI's dialect, with no quirk of any of them."""
    spec = ProviderSpec(name="compatible", api_version=1, factory="compatible:Compatible")
    return OpenAICompatibleProvider(spec, env.settings)


TARGETS: Final = {
    "openai-chat": Conformance("openai", dialect=openai_sse(), model="gpt-5"),
    "openai-compat": Conformance(compatible, dialect=openai_sse()),
    "moonshot-chat": Conformance("moonshot", dialect=openai_sse(), model="kimi-k2.6"),
    "llamacpp": Conformance("local", dialect=openai_sse()),
    "ollama-chat": Conformance("ollama", dialect=ollama_ndjson(), model="qwen3"),
}
RECORDINGS: Final = [
    *llamacpp_recordings(),
    *ollama_recordings(),
    *(each for dialect in TARGETS for each in recordings_of(dialect)),
]
INVARIANTS: Final = [each for each in all_rules() if each.is_invariant]

every_recording = pytest.mark.parametrize(
    "recording", RECORDINGS, ids=[each.name for each in RECORDINGS]
)
every_backend = pytest.mark.parametrize("backend", BACKENDS)


@cache
def player_of(dialect: str) -> Player:
    target = TARGETS[dialect]
    return Player(target, claims_of(target, Case(name="probe", script=Script(()))))


def case_of(recording: Recording, cut: Cut = WHOLE, **changes: Any) -> Case:
    """A case whose answer is the recorded one, cut and changed."""
    headers = tuple(
        (name, value) for name, value in recording.headers.items() if name not in OF_THE_CONNECTION
    )
    wire = replace(Wire(recording.status, headers, (recording.body,)), **changes)
    ask = Ask(stream=recording.is_stream)
    return Case(name=recording.name, script=Script(()), cut=cut, ask=ask, recorded=wire)


def broken_off(recording: Recording, at: int, ending: Ending, cut: Cut = WHOLE) -> Case:
    """A case whose answer breaks off after so many bytes."""
    return case_of(recording, cut, reads=(recording.body[:at],) if at else (), ending=ending)


def play(recording: Recording, backend: Backend, *cases: Case) -> list[Trace]:
    return player_of(recording.dialect).play(cases, backend)


def broken_rules(trace: Trace) -> dict[str, Fail]:
    """The invariant rules that a trace breaks."""
    outcomes = {rule.id: rule.judge(trace) for rule in INVARIANTS if rule.judge is not None}
    return {name: each for name, each in outcomes.items() if isinstance(each, Fail)}


def said(trace: Trace) -> tuple[Any, ...]:
    """What an answer said, without ids that are made for each stream and without times."""
    calls = [
        (each.name, each.text, each.is_done, each.chunks[-1].arguments) for each in trace.calls
    ]
    end, error = trace.end, trace.error
    return (
        trace.runs,
        calls,
        trace.usage,
        None if end is None else (end.finish_reason, end.raw_finish_reason, end.response_id),
        None if error is None else error.error,
    )


def is_beginning(part: Trace, whole: Trace) -> bool:
    """Whether what came is what the whole answer began with."""
    names = [each.name for each in part.calls]
    return (
        whole.text.startswith(part.text)
        and whole.reasoning.startswith(part.reasoning)
        and names == [each.name for each in whole.calls[: len(names)]]
    )


def test_there_are_recordings_of_every_dialect() -> None:
    recordings_folder()
    assert {each.dialect for each in RECORDINGS} == set(TARGETS)


@every_backend
@every_recording
def test_a_recorded_answer_keeps_the_rules_however_it_is_cut(
    recording: Recording, backend: Backend
) -> None:
    step = -(-len(recording.body) // SHORT)
    small = BYTES if step <= 1 else Cut("at", tuple(range(0, len(recording.body), step)))
    whole, cut_up = play(recording, backend, case_of(recording), case_of(recording, small))
    assert broken_rules(whole) == {}
    assert broken_rules(cut_up) == {}
    assert said(cut_up) == said(whole)


@every_recording
def test_a_recorded_answer_that_breaks_off_keeps_the_rules_and_is_never_whole(
    recording: Recording,
) -> None:
    finish = FINISH.search(recording.body)
    middle = (len(recording.body.rstrip()) if finish is None else finish.start()) // 2
    cases = [broken_off(recording, middle, ending) for ending in BREAKS]
    for number, backend in enumerate(BACKENDS):
        whole, broken = play(recording, backend, case_of(recording), cases[number])
        assert broken_rules(broken) == {}
        assert broken.end is None
        assert broken.error is not None
        assert is_beginning(broken, whole)


@given(data=st.data())
def test_a_recorded_answer_cut_and_broken_anywhere_keeps_the_rules(data: st.DataObject) -> None:
    recording = data.draw(st.sampled_from(RECORDINGS))
    backend = data.draw(st.sampled_from(BACKENDS))
    places = st.integers(0, len(recording.body))
    cut = Cut("at", tuple(data.draw(st.lists(places, max_size=8))))
    at, ending = data.draw(places), data.draw(st.sampled_from(BREAKS))
    whole, cut_up, broken = play(
        recording,
        backend,
        case_of(recording),
        case_of(recording, cut),
        broken_off(recording, at, ending, cut),
    )
    assert said(cut_up) == said(whole)
    assert broken_rules(cut_up) == {}
    assert broken_rules(broken) == {}
    assert is_beginning(broken, whole)
    if broken.end is not None:
        # Nothing but the end of the body was missing.
        assert said(broken)[:2] == said(whole)[:2]


def test_the_recordings_show_something_about_the_rules_that_judge_them() -> None:
    shown: set[str] = set()
    for recording in RECORDINGS:
        (trace,) = play(recording, "sync", case_of(recording))
        for rule in INVARIANTS:
            if rule.judge is not None and isinstance(rule.judge(trace), Pass):
                shown.add(rule.id)
    # A recorded answer has no script to say what the finish word or the model's name was.
    assert shown >= {rule.id for rule in INVARIANTS if rule.is_live}
