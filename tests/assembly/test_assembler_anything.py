"""Any deltas in any order keep the promises that every stream makes."""

from hypothesis import given
from hypothesis import strategies as st

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
from streamkit.assembly.unicode import is_whole, mended
from streamkit.chunks import (
    ContentChunk,
    EndChunk,
    ErrorChunk,
    StreamChunk,
    ToolCallChunk,
    Usage,
    chunk_to_json,
    parse_chunk,
)
from streamkit.errors import ProviderError
from tests.assembly.builders import assemble, new_assembler

torn = st.text(
    st.characters(codec="utf-8") | st.sampled_from(["\ud83d", "\ude00", "{", "}", '"']), max_size=6
)
metadata = st.none() | st.dictionaries(st.sampled_from(["a", "b"]), torn, max_size=2)
content = st.builds(ContentDelta, torn, st.booleans(), metadata)
speaking: st.SearchStrategy[Delta] = st.one_of(
    content,
    st.builds(ReasoningDelta, torn, st.booleans(), metadata),
    st.builds(
        ToolCallDelta,
        key=st.integers(0, 2),
        call_id=st.none() | st.sampled_from(["c1", "c2"]),
        name=st.none() | st.sampled_from(["f", "g"]),
        arguments=torn,
        free_text=st.booleans(),
        done=st.booleans(),
        executed_by=st.sampled_from(["caller", "provider"]),
        metadata=metadata,
    ),
    st.builds(ToolResultDelta, torn, torn, torn),
)
telling: st.SearchStrategy[Delta] = st.one_of(
    st.builds(UsageDelta, st.builds(Usage, input_tokens=st.none() | st.integers(0, 9))),
    st.builds(MetadataDelta, st.dictionaries(torn, torn, max_size=2)),
    st.builds(IdentityDelta, st.none() | torn, st.none() | torn),
    st.builds(NoticeDelta, st.just("hint"), torn),
)
ending: st.SearchStrategy[Delta] = st.one_of(
    st.builds(FinishDelta, st.sampled_from(["stop", "length", "tool_calls", "bored"]), torn),
    st.builds(TerminatorDelta, st.booleans()),
)
deltas = st.lists(speaking | speaking | telling | ending, max_size=12)
ends = st.sampled_from(["complete", "cancel", "fail"])


@given(deltas=deltas, end=ends)
def test_a_stream_has_one_start_first_and_one_terminal_chunk_last(
    deltas: list[Delta], end: str
) -> None:
    chunks = assemble(deltas, end)
    assert [chunk.type for chunk in chunks if chunk.type in {"start", "end", "error"}] == [
        chunks[0].type,
        chunks[-1].type,
    ]
    assert chunks[0].type == "start"


@given(deltas=deltas, end=ends)
def test_the_index_has_no_gap(deltas: list[Delta], end: str) -> None:
    chunks = assemble(deltas, end)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))


@given(deltas=deltas)
def test_feeding_raises_nothing_but_a_provider_error(deltas: list[Delta]) -> None:
    assembler, out = new_assembler(), list[StreamChunk]()
    kind = "none"
    try:
        assembler.feed(deltas, 0, out)
    except ProviderError as error:
        kind = error.kind
    assert kind in {"none", "protocol", "plugin"}


@given(deltas=deltas, end=ends)
def test_every_chunk_can_be_written_and_read_again(deltas: list[Delta], end: str) -> None:
    for chunk in assemble(deltas, end):
        assert parse_chunk(chunk_to_json(chunk)) == chunk


@given(deltas=deltas, end=ends)
def test_parts_hold_one_thing_each_and_are_numbered_as_they_begin(
    deltas: list[Delta], end: str
) -> None:
    holds: dict[int, tuple[object, ...]] = {}
    for chunk in assemble(deltas, end):
        if chunk.part is None:
            assert chunk.type not in {"content", "reasoning", "tool_call", "tool_result"}
            continue
        what = (chunk.type, getattr(chunk, "refusal", None), getattr(chunk, "call_id", None))
        assert holds.setdefault(chunk.part, what) == what
    assert len(set(holds)) == len(holds)
    # A tool call whose name never came has a part and no chunk.
    if not any(isinstance(delta, ToolCallDelta) for delta in deltas):
        assert list(holds) == list(range(len(holds)))


@given(pieces=st.lists(torn, max_size=8), refusal=st.booleans(), end=ends)
def test_content_joined_is_what_the_deltas_said(pieces: list[str], refusal: bool, end: str) -> None:
    said = [ContentDelta(piece, refusal) for piece in pieces]
    proof = [FinishDelta("stop")] if end == "complete" else []
    chunks = [chunk for chunk in assemble([*said, *proof], end) if isinstance(chunk, ContentChunk)]
    assert "".join(chunk.content for chunk in chunks) == mended("".join(pieces))
    assert all(chunk.content and is_whole(chunk.content) for chunk in chunks)


@given(pieces=st.lists(torn, max_size=8))
def test_arguments_joined_are_what_the_deltas_said(pieces: list[str]) -> None:
    said = [ToolCallDelta(0, "c1", "f", piece) for piece in ["", *pieces]]
    chunks = assemble([*said, FinishDelta("stop")])
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]
    assert "".join(call.arguments_delta for call in calls) == mended("".join(pieces))
    assert [call.done for call in calls] == [False] * (len(calls) - 1) + [True]


@given(deltas=deltas, end=ends)
def test_a_whole_call_says_exactly_one_thing(deltas: list[Delta], end: str) -> None:
    done: list[str] = []
    for call in assemble(deltas, end):
        if isinstance(call, ToolCallChunk):
            assert call.call_id
            assert call.name
            assert call.call_id not in done
            told = [each for each in (call.arguments, call.input, call.invalid) if each is not None]
            assert len(told) == int(call.done)
            if call.done:
                done.append(call.call_id)
                assert not call.arguments_delta


@given(deltas=deltas)
def test_an_end_stands_only_on_evidence(deltas: list[Delta]) -> None:
    chunks = assemble(deltas)
    proofs = [
        delta
        for delta in deltas
        if isinstance(delta, FinishDelta) or (isinstance(delta, TerminatorDelta) and delta.evidence)
    ]
    if isinstance(chunks[-1], EndChunk):
        assert proofs
    if not proofs:
        assert isinstance(chunks[-1], ErrorChunk)


@given(deltas=deltas, cut=st.integers(0, 12))
def test_it_makes_no_difference_how_the_deltas_are_fed(deltas: list[Delta], cut: int) -> None:
    assembler, out = new_assembler(), list[StreamChunk]()
    out.append(assembler.start())
    assembler.begin_attempt(10)
    assembler.answered(200, "req_1")
    try:
        for each in (deltas[:cut], deltas[cut:]):
            if not assembler.is_terminated:
                assembler.feed(each, 25, out)
    except ProviderError as error:
        assembler.fail(error, 25, out)
    if not assembler.is_over:
        assembler.complete(30, out)
    assert out == assemble(deltas)
