"""What an author gives is checked where it is given: the traceback names their own line."""

from collections.abc import Callable
from typing import Any

import pytest

from streamkit.provider import ContentDelta, Emitter, HTTPCall


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"framing": "jsonl"}, ValueError, "framing must be one of sse, ndjson, json, not 'jsonl'"),
        ({"framing": ["sse"]}, ValueError, "framing must be one of"),
        ({"path": None}, TypeError, "path must be text, not NoneType"),
        ({"method": b"POST"}, TypeError, "method must be text, not bytes"),
        ({"headers": {"x-team": 5}}, TypeError, "the header 'x-team' must be text, not int"),
    ],
)
def test_a_call_that_cannot_be_sent_is_refused_where_it_is_written(
    fields: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        HTTPCall(**{"path": "/chat", **fields})


def test_the_value_of_a_header_is_not_shown() -> None:
    with pytest.raises(TypeError) as caught:
        HTTPCall(path="/chat", headers={"authorization": b"sk-canary-1"})  # type: ignore[dict-item]
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "give",
    [
        lambda emit, value: emit.content(value),
        lambda emit, value: emit.content(value, metadata={"a": 1}),
        lambda emit, value: emit.refusal(value),
        lambda emit, value: emit.reasoning(value),
        lambda emit, value: emit.tool_call(0, arguments=value),
    ],
)
@pytest.mark.parametrize("value", [3, ["a"], {"city": "Oslo"}, b"a"])
def test_what_is_no_text_is_refused_where_it_is_emitted(
    give: Callable[[Emitter, Any], None], value: Any
) -> None:
    emit = Emitter()
    with pytest.raises(TypeError, match=f"must be text, not {type(value).__name__}"):
        give(emit, value)
    assert emit.deltas == []


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_text_is_dropped(empty: Any) -> None:
    emit = Emitter()
    emit.content(empty)
    emit.refusal(empty)
    emit.reasoning(empty)
    assert emit.deltas == []


def test_a_text_of_a_class_of_its_own_is_text() -> None:
    class Word(str):
        __slots__ = ()

    emit = Emitter()
    emit.content(Word("a"))
    assert emit.deltas == [ContentDelta("a")]
