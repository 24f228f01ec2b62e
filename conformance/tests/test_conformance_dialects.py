"""Dialects say what the script says: a reader made from the protocols alone gets it back."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streamkit_conformance import base_scripts
from streamkit_conformance.axes import PLAIN as NEUTRAL
from streamkit_conformance.axes import Style
from streamkit_conformance.base_scripts import EVERYTHING, FINISHES, ONE_CALL, REASONING, TWO_CALLS
from streamkit_conformance.dialects import Dialect, ollama_ndjson, openai_sse
from streamkit_conformance.dialects.base import LOSSES, joined_calls
from streamkit_conformance.expect import Expected, expected, whole_characters
from streamkit_conformance.framing import NDJSON, Named
from streamkit_conformance.script import (
    ErrorRecord,
    Event,
    Finish,
    Script,
    Text,
    Tokens,
    ToolCall,
    ToolStart,
)
from streamkit_conformance.strategies.cases import scripts

_OPENAI: Final = openai_sse()
_OLLAMA: Final = ollama_ndjson()
_DIALECTS: Final[dict[str, Dialect]] = {
    "openai": _OPENAI,
    "openai-reasoning": openai_sse(reasoning_field="reasoning"),
    "openai-kimi": openai_sse(tool_ids=False),
    "openai-least": openai_sse(
        reasoning_field=None, usage=False, refusals=False, tools=False, sentinel=None
    ),
    "ollama": _OLLAMA,
    "ollama-least": ollama_ndjson(reasoning=False, tools=False),
}
_SCRIPTS: Final[dict[str, Script]] = {
    name: value for name, value in vars(base_scripts).items() if isinstance(value, Script)
}
_IDS: Final = [*_DIALECTS]


def _flat(groups: list[list[Any]]) -> Iterator[Any]:
    for group in groups:
        for record in group:
            yield json.loads(json.dumps(record.data if isinstance(record, Named) else record))


def _join(runs: list[tuple[str, str]], kind: str, text: Any) -> None:
    if not text:
        return
    if runs and runs[-1][0] == kind:
        runs[-1] = (kind, runs[-1][1] + text)
    else:
        runs.append((kind, text))


class _Read:
    """What records say, read one by one."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []
        self.calls: list[dict[str, Any]] = []
        self.tokens: tuple[int, int] | None = None
        self.finish: str | None = None

    def openai(self, record: Any, reasoning_field: str) -> None:
        choices = record.get("choices") or [{}]
        choice = choices[0]
        delta = choice.get("delta") or {}
        _join(self.runs, "reasoning", delta.get(reasoning_field))
        _join(self.runs, "text", delta.get("content"))
        _join(self.runs, "refusal", delta.get("refusal"))
        for entry in delta.get("tool_calls") or []:
            self._fragment(entry)
        self.finish = choice.get("finish_reason") or self.finish
        groq = record.get("x_groq") or {}
        usage = record.get("usage") or choice.get("usage") or groq.get("usage")
        if usage:
            self.tokens = (usage["prompt_tokens"], usage["completion_tokens"])

    def _fragment(self, entry: Any) -> None:
        index = entry.get("index", 0)
        function = entry["function"]
        known = [each for each in self.calls if each["index"] == index]
        is_new = not known or (
            entry.get("id") not in (None, "", known[-1]["id"]) and bool(function.get("name"))
        )
        if is_new:
            known = [{"index": index, "id": entry.get("id"), "name": function["name"], "text": ""}]
            self.calls += known
        known[-1]["text"] += function.get("arguments") or ""

    def ollama(self, line: Any) -> None:
        message = line["message"]
        _join(self.runs, "reasoning", message.get("thinking"))
        _join(self.runs, "text", message["content"])
        for call in message.get("tool_calls", []):
            function = call["function"]
            text = json.dumps(function["arguments"])
            self.calls.append({"id": call.get("id"), "name": function["name"], "text": text})
        if line["done"]:
            self.finish = line.get("done_reason", "stop")
            if "eval_count" in line:
                self.tokens = (line["prompt_eval_count"], line["eval_count"])


def _read(dialect: Dialect, script: Script, style: Style = NEUTRAL) -> _Read:
    read = _Read()
    for record in _flat(dialect.records(dialect.spoken(script.events), style)):
        if dialect.name.startswith("openai"):
            read.openai(record, getattr(dialect, "reasoning_field", ""))
        else:
            read.ollama(record)
    return read


def _check(dialect: Dialect, script: Script, style: Style) -> None:
    """What the records say is what the script says."""
    read = _read(dialect, script, style)
    wanted = expected(script, losses=dialect.losses)
    assert tuple((kind, whole_characters(text)) for kind, text in read.runs) == wanted.runs
    assert [each["name"] for each in read.calls] == [each.name for each in wanted.calls]
    for call, want in zip(read.calls, wanted.calls, strict=True):
        assert "tool_ids" in dialect.losses or call["id"] == want.id
        if "arguments_text" in dialect.losses:
            assert json.loads(call["text"]) == json.loads(want.text or "{}")
        else:
            assert call["text"] == want.text
    assert read.tokens == (wanted.tokens and (wanted.tokens.input, wanted.tokens.output))
    finish = script.events[-1]
    assert read.finish == dialect.finish_word(finish)  # type: ignore[arg-type]


def _values(dialect: Dialect) -> list[list[tuple[str, Any]]]:
    return [[(axis.name, value) for value in axis.values] for axis in dialect.axes]


@pytest.mark.parametrize("name", _IDS)
@pytest.mark.parametrize("script", _SCRIPTS)
def test_each_value_of_each_axis_says_what_the_script_says(name: str, script: str) -> None:
    dialect = _DIALECTS[name]
    if not dialect.can_say(_SCRIPTS[script]):
        assert dialect.missing(_SCRIPTS[script]) <= LOSSES | {"finish:content_filter"}
        return
    for value in itertools.chain(*_values(dialect)):
        _check(dialect, _SCRIPTS[script], Style.of(**dict([value])))


@pytest.mark.parametrize("name", ["openai", "ollama"])
def test_any_two_values_of_a_dialects_axes_say_the_same(name: str) -> None:
    dialect = _DIALECTS[name]
    for one, other in itertools.combinations(_values(dialect), 2):
        for pair in itertools.product(one, other):
            _check(dialect, EVERYTHING, Style.of(**dict(pair)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_script_in_any_style_says_the_same(data: st.DataObject) -> None:
    dialect = _DIALECTS[data.draw(st.sampled_from(_IDS))]
    script = data.draw(scripts(dialect))
    values = {axis.name: data.draw(st.sampled_from(axis.values)) for axis in dialect.axes}
    _check(dialect, script, Style.of(**values))


def _meaning(wanted: Expected) -> Expected:
    """What an answer means, without what Ollama's wire leaves open."""
    calls = (
        replace(each, text=json.dumps(json.loads(each.text or "{}"), sort_keys=True))
        for each in wanted.calls
    )
    return replace(wanted, calls=tuple(calls))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_scripts_that_differ_in_meaning_differ_on_the_wire(data: st.DataObject) -> None:
    dialect = data.draw(st.sampled_from([_OPENAI, _OLLAMA]))
    one, other = data.draw(scripts(dialect)), data.draw(scripts(dialect))
    meanings = [_meaning(expected(each, losses=dialect.losses)) for each in (one, other)]
    assume(meanings[0] != meanings[1])
    wires = [list(_flat(dialect.records(dialect.spoken(each.events)))) for each in (one, other)]
    assert wires[0] != wires[1]


@pytest.mark.parametrize("name", _IDS)
def test_each_event_has_a_group_and_a_shorter_answer_begins_the_same(name: str) -> None:
    dialect = _DIALECTS[name]
    script = EVERYTHING if dialect.can_say(EVERYTHING) else base_scripts.PLAIN
    events = dialect.spoken(script.events)
    groups = dialect.records(events)
    assert len(groups) == len(events)
    for count in range(len(events)):
        assert dialect.records(events[:count]) == groups[:count]


@pytest.mark.parametrize("name", _IDS)
def test_axes_have_names_of_their_own_and_rules(name: str) -> None:
    axes = _DIALECTS[name].all_axes
    assert len({axis.name for axis in axes}) == len(axes)
    assert all(axis.rule.startswith("SK-") for axis in axes)
    assert all(len(set(axis.values)) == len(axis.values) > 1 for axis in axes)


@pytest.mark.parametrize("name", ["openai", "ollama"])
def test_each_value_of_an_axis_changes_what_some_script_becomes(name: str) -> None:
    dialect = _DIALECTS[name]
    told = [script for script in _SCRIPTS.values() if dialect.can_say(script)]

    def written(style: Style) -> str:
        records = [dialect.records(dialect.spoken(each.events), style) for each in told]
        error = dialect.error_record("no", None, style)
        return repr([*records, error])

    for axis in dialect.axes:
        wires = {written(Style.of(**{axis.name: value})) for value in axis.values}
        assert len(wires) == len(axis.values), axis.name


@pytest.mark.parametrize("name", _IDS)
def test_a_whole_answer_says_what_the_stream_says(name: str) -> None:
    dialect = _DIALECTS[name]
    for script in _SCRIPTS.values():
        if not dialect.can_say(script):
            continue
        read, whole = _Read(), json.loads(json.dumps(dialect.whole(script)))
        if dialect.name.startswith("openai"):
            choice = whole["choices"][0]
            read.openai(
                {**whole, "choices": [{**choice, "delta": choice["message"]}]},
                getattr(dialect, "reasoning_field", ""),
            )
            # In one piece the calls have no index: they stand in a list.
            calls = choice["message"].get("tool_calls", [])
            read.calls = [
                {"id": each.get("id"), "name": fn["name"], "text": fn["arguments"]}
                for each in calls
                for fn in [each["function"]]
            ]
        else:
            read.ollama(whole)
        streamed = _read(dialect, script)
        said = [(kind, whole_characters(text)) for kind, text in streamed.runs]
        assert sorted(read.runs) == sorted(said)
        assert (read.tokens, read.finish) == (streamed.tokens, streamed.finish)
        assert [(each["id"], each["text"]) for each in read.calls] == [
            (each["id"], each["text"]) for each in streamed.calls
        ]


def test_losses_are_found_in_what_a_script_uses() -> None:
    assert _OPENAI.missing(EVERYTHING) == frozenset()
    assert _OLLAMA.missing(base_scripts.REFUSAL) == {"refusal"}
    assert _OLLAMA.missing(base_scripts.ZERO_USAGE) == {"usage_zero"}
    assert _OLLAMA.missing(FINISHES["content_filter"]) == {"finish:content_filter"}
    odd = Script((ToolStart(0, "a", "b"), *ONE_CALL.events[1:2], *ONE_CALL.events[-1:]))
    assert _OLLAMA.missing(odd) == {"arguments_text"}
    assert _OPENAI.missing(odd) == frozenset()
    assert _DIALECTS["openai-least"].missing(REASONING) == {"reasoning", "usage"}


def test_openais_records_are_those_of_the_protocol() -> None:
    script = Script((Text("Hi"), Tokens(3, 2, cache_read=1), *FINISHES["stop"].events[-1:]))
    first, text, finish, usage = _flat(_OPENAI.records(script.events))
    envelope = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "test-model"}
    assert first == {
        **envelope,
        "choices": [
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        ],
    }
    assert text["choices"][0]["delta"] == {"content": "Hi"}
    assert finish["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert usage == {
        **envelope,
        "choices": [],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
    }


def test_ollamas_lines_are_those_of_the_protocol() -> None:
    script = Script((Text("Hi"), Tokens(3, 2), *FINISHES["stop"].events[-1:]))
    text, last = _flat(_OLLAMA.records(script.events))
    envelope = {"model": "test-model", "created_at": "2026-01-02T03:04:05Z"}
    said = {"role": "assistant", "content": "Hi"}
    assert text == {**envelope, "message": said, "done": False}
    assert last == {
        **envelope,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "total_duration": 5_000_000,
        "prompt_eval_count": 3,
        "eval_count": 2,
    }


def test_ollamas_calls_come_whole_with_an_object() -> None:
    lines = list(_flat(_OLLAMA.records(_OLLAMA.spoken(TWO_CALLS.events))))
    assert [each["message"].get("tool_calls") for each in lines] == [
        [
            {
                "id": "call_a",
                "function": {"index": 0, "name": "weather", "arguments": {"city": "Rome"}},
            }
        ],
        [
            {
                "id": "call_b",
                "function": {"index": 1, "name": "weather", "arguments": {"city": "Oslo"}},
            }
        ],
        None,
    ]


def test_errors_have_the_shape_of_their_service() -> None:
    assert _OPENAI.http_error(429, "Slow down.", None) == {
        "error": {
            "message": "Slow down.",
            "type": "requests",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }
    assert _OPENAI.http_error(400, "No.", "unsupported_value")["error"]["code"] == (
        "unsupported_value"
    )
    assert _OLLAMA.http_error(404, "model 'x' not found", None) == {"error": "model 'x' not found"}
    assert _OLLAMA.error_record("out of memory", None) == {"error": "out of memory"}
    for value in ("object", "named", "text", "number"):
        record = _OPENAI.error_record("out of memory", "x", Style.of(error_shape=value))
        data = record.data if isinstance(record, Named) else record
        assert "out of memory" in json.dumps(data["error"])


def test_calls_are_joined_at_their_last_piece_and_in_the_order_of_their_starts() -> None:
    events = EVERYTHING.events
    assert [type(each).__name__ for each in joined_calls(events)][-4:] == [
        "ToolCall",
        "ToolCall",
        "Tokens",
        "Finish",
    ]
    calls = [each for each in joined_calls(events) if isinstance(each, ToolCall)]
    assert [(each.key, each.arguments) for each in calls] == [
        (0, '{"city":"Rome"}'),
        (1, '{"city":"Oslo"}'),
    ]


class _Acme(Dialect):
    """A dialect as an author writes it: one record for each event."""

    name = "acme"
    framing = NDJSON()
    losses = frozenset({"tool_fragments", "whole", "reasoning"})
    finish = MappingProxyType({"stop": "done", "tool_calls": "tool"})

    def record(self, event: Event) -> Any:
        match event:
            case Text(text):
                return {"delta": text}
            case ToolCall():
                return {"tool": [event.id, event.name, event.arguments]}
            case Tokens():
                return {"tok": [event.input, event.output]}
            case Finish():
                return {"end": self.finish_word(event)}
            case ErrorRecord(message):
                return {"problem": message}
        return None


def test_a_dialect_of_an_authors_own_says_one_event_at_a_time() -> None:
    acme = _Acme()
    events = acme.spoken(TWO_CALLS.events)
    assert list(_flat(acme.records(events))) == [
        {"tool": ["call_a", "weather", '{"city":"Rome"}']},
        {"tool": ["call_b", "weather", '{"city":"Oslo"}']},
        {"tok": [7, 5]},
        {"end": "tool"},
    ]
    assert acme.error_record("no", None) == {"problem": "no"}
    assert acme.missing(EVERYTHING) == {"reasoning"}
    assert acme.missing(FINISHES["length"]) == {"finish:length"}
    with pytest.raises(NotImplementedError, match="_Acme has no answer in one piece"):
        acme.whole(TWO_CALLS)


def test_an_open_last_line_is_harmless_only_where_the_dialect_says_so() -> None:
    acme = _Acme()
    assert acme.harmless_axes == acme.all_axes
    acme.last_line_may_end_open = False
    assert "trailing" in {axis.name for axis in acme.all_axes}
    assert "trailing" not in {axis.name for axis in acme.harmless_axes}
