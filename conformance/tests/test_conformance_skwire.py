import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit_conformance.case import Case, Consumer
from streamkit_conformance.cuts import BYTES, WHOLE
from streamkit_conformance.dialects import openai_sse
from streamkit_conformance.expect import first_mismatch
from streamkit_conformance.recordings import differs, expectation, failed, recordings_of, replay
from streamkit_conformance.script import Finish, Script, Text, Tokens, ToolArguments, ToolStart
from streamkit_conformance.skwire import Recording, SkwireError, dump, dumps, load, loads
from streamkit_conformance.target import Conformance, TargetError
from streamkit_conformance.wire import Wire, write

HEADER = '{"skwire": 1, "dialect": "openai-sse", "status": 200}'
SCRIPT = Script((Text("Hé\u2028"), Text(" you"), Tokens(3, 2), Finish()))
SHORT = {"type": "content", "content": "Hé\u2028 you"}

reads = st.lists(st.binary(min_size=1, max_size=20), max_size=6)
names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
endings: st.SearchStrategy[Any] = st.sampled_from(
    ["end", "read_error", "protocol_error", "reset", "stall"]
)
texts = st.text(st.characters(), max_size=8)
scripts = st.none() | st.builds(
    lambda pieces: Script((*map(Text, pieces), Finish())), st.lists(texts, max_size=3)
)
wires = st.builds(
    Wire,
    st.integers(100, 599),
    st.lists(st.tuples(names.map(str.lower), texts), max_size=3).map(tuple),
    reads.map(tuple),
    endings,
)
recordings = st.builds(
    Recording,
    dialect=names,
    wire=wires,
    rule=texts,
    case=texts,
    target=texts,
    consumer=st.builds(Consumer, st.sampled_from(["read_all", "break"]), st.integers(1, 3)),
    is_stream=st.booleans(),
    script=scripts,
    expect=st.none() | st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2).map(tuple),
)


def recording_of(said: Script, **fields: Any) -> Recording:
    dialect = openai_sse()
    wire = write(Case(name="made", script=said), dialect)
    return Recording(dialect=dialect.name, wire=wire, **fields)


# Files.


@given(recordings)
def test_a_recording_comes_back_as_it_was_whatever_its_bytes(recording: Recording) -> None:
    assert loads(dumps(recording)) == recording


@given(recordings)
def test_a_file_has_one_line_for_each_thing_whatever_an_editor_takes_for_a_line_end(
    recording: Recording,
) -> None:
    text = dumps(recording)
    assert text.splitlines() == text.removesuffix("\n").split("\n")
    assert text.encode().decode() == text


@pytest.mark.parametrize("before", ["connect", "dns", "tls", "stall_head"])
def test_that_no_answer_came_is_recorded_too(before: str) -> None:
    recording = Recording(dialect="d", wire=Wire(0, (), (), "end", before))
    assert loads(dumps(recording)) == recording


def test_a_file_edited_on_another_system_or_without_its_last_line_end_can_be_read() -> None:
    recording = recording_of(SCRIPT, script=SCRIPT)
    text = dumps(recording)
    assert loads(text.replace("\n", "\r\n")) == recording
    assert loads(text.removesuffix("\n")) == recording


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ([""], 1, "no JSON"),
        (["[]"], 1, "no JSON object"),
        (["{}"], 1, 'no "skwire"'),
        (['{"skwire": 2}'], 1, "version is 2; this kit reads 1 to 1"),
        (['{"skwire": 1, "dialect": "d"}'], 1, "status: Field required"),
        (['{"skwire": 1, "dialect": "d", "status": "200"}'], 1, "status: Input should be"),
        ([f"{HEADER[:-1]}, " + '"titel": 1}'], 1, "titel: Extra inputs"),
        ([f"{HEADER[:-1]}, " + '"headers": [["a"]]}'], 1, "a name and a value"),
        ([HEADER, '{"utf9": "x"}'], 2, "no `utf9`; perhaps `utf8` is meant"),
        ([HEADER, '{"utf8": 1}'], 2, "`utf8` is no text"),
        ([HEADER, '{"utf8": "\\ud800"}'], 2, "half a character"),
        ([HEADER, '{"b64": "a"}'], 2, "no base64"),
        ([HEADER, '{"utf8": "x", "b64": ""}'], 2, "exactly one key"),
        ([HEADER, '{"ending": "reset"}'], 2, "'reset' is no ending"),
        ([HEADER, '{"fault": "rest"}'], 2, "'rest' is no fault"),
        ([HEADER, '{"ending": "end"}', '{"utf8": "x"}'], 3, "behind the end"),
        ([HEADER, '{"ending": "end"}', '{"fault": "reset"}'], 3, "ends twice"),
        ([HEADER, '{"ending": "end"}', '{"script": {}}'], 3, "no script"),
        ([HEADER, '{"ending": "end"}', '{"script": []}'], 3, "script"),
        ([HEADER, '{"ending": "end"}', '{"expect": [1]}'], 3, "no list of chunks"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(lines: list[str], line: int, said: str) -> None:
    with pytest.raises(SkwireError) as caught:
        loads("\n".join(lines), name="a.skwire")
    assert str(caught.value).startswith(f"a.skwire, line {line}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER, '{"utf8": "x"}'], "cut off"),
        ([HEADER, '{"fault": "connect"}'], "has none"),
        ([HEADER.replace("200", "0"), '{"ending": "end"}'], "no HTTP status"),
    ],
)
def test_a_file_that_cannot_be_an_answer_is_refused(lines: list[str], said: str) -> None:
    with pytest.raises(SkwireError, match=said):
        loads("\n".join(lines))


def test_a_file_that_is_no_text_or_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.skwire"
    path.write_bytes(HEADER.encode() + b'\n{"utf8": "\xff"}')
    with pytest.raises(SkwireError, match=r"a\.skwire, line 2: it is no UTF-8"):
        load(path)
    with pytest.raises(SkwireError, match=r"none\.skwire cannot be read"):
        load(tmp_path / "none.skwire")


# Replays.


def target(subject: str = "openai", **fields: Any) -> Conformance:
    return Conformance(subject, dialect=openai_sse(), **fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.skwire"


def test_a_recording_is_replayed_as_it_came_in_one_read_and_byte_by_byte(path: Path) -> None:
    recording = recording_of(SCRIPT, script=SCRIPT)
    dump(recording, path)
    replays = replay(target(), path, "sync")
    assert failed(replays) == ""
    body = recording.wire.body
    assert [each.trace.wire.reads for each in replays] == [
        recording.wire.reads,
        (body,),
        tuple(bytes([each]) for each in body),
    ]
    assert [each.trace.case.cut for each in replays[1:]] == [WHOLE, BYTES]


def test_what_comes_out_must_be_what_the_file_expects(path: Path) -> None:
    end = {"type": "end", "finish_reason": "stop"}
    usage = {"type": "usage", "usage": {"input_tokens": 3, "output_tokens": 2}}
    dump(recording_of(SCRIPT, expect=(SHORT, usage, end)), path)
    assert failed(replay(target(), path, "asyncio")) == ""
    dump(recording_of(SCRIPT, expect=({**SHORT, "content": "He"}, usage, end)), path)
    told = failed(replay(target(), path, "asyncio"))
    assert told.count("chunk 1 differs") == 3
    assert "byte by byte" in told
    dump(recording_of(SCRIPT, expect=(SHORT, usage)), path)
    assert "more came than was expected" in failed(replay(target(), path, "asyncio"))


def test_what_the_script_says_must_come_out_where_nothing_is_expected(path: Path) -> None:
    other = Script((Text("Ho"), Finish()))
    dump(recording_of(SCRIPT, script=other), path)
    told = failed(replay(target(), path, "sync"))
    assert "what was said differs" in told
    assert "Ho" in told


def test_an_answer_of_which_nothing_is_known_must_keep_the_rules_of_every_answer(
    path: Path,
) -> None:
    dump(recording_of(SCRIPT), path)
    assert failed(replay(target(), path, "sync")) == ""


@pytest.mark.parametrize("ending", ["read_error", "reset", "stall"])
def test_a_body_that_broke_off_is_replayed_with_its_break(path: Path, ending: Any) -> None:
    script = Script((Text("Hé"), Text(" you"), Finish())).with_fault(ending, after=1)
    recording = recording_of(script, script=script)
    dump(recording, path)
    replays = replay(target(), path, "sync")
    assert failed(replays) == ""
    assert all(first_mismatch(each.trace) is None for each in replays)
    assert all(each.trace.error is not None for each in replays)


def test_a_recording_in_another_dialect_is_refused(path: Path) -> None:
    dump(Recording(dialect="acme", wire=Wire(200, (), (b"x",))), path)
    with pytest.raises(TargetError, match="'acme'; the target speaks 'openai-sse'"):
        replay(target(), path, "sync")


def test_a_folder_without_recordings_proves_nothing(tmp_path: Path) -> None:
    assert recordings_of(target(), tmp_path) == []
    with pytest.raises(TargetError, match=r"no \.skwire files"):
        recordings_of(target(recordings="wire"), tmp_path)
    (tmp_path / "wire").mkdir()
    for name in ("b.skwire", "a.skwire", "notes.md"):
        (tmp_path / "wire" / name).write_text("")
    found = recordings_of(target(recordings="wire"), tmp_path)
    assert [each.name for each in found] == ["a.skwire", "b.skwire"]


# Comparing chunks.


def test_only_what_the_service_said_is_compared() -> None:
    got = [
        {"type": "start", "index": 0, "stream_id": "s", "provider": "acme", "model": "m"},
        {"type": "content", "index": 1, "stream_id": "s", "part": 0, "content": "a"},
        {"type": "content", "index": 2, "stream_id": "s", "part": 0, "content": "b"},
        {"type": "notice", "index": 3, "code": "setting_ignored"},
        {"type": "end", "index": 4, "finish_reason": "stop", "ttfc_ms": 12, "attempts": [{}]},
    ]
    wanted = [{"type": "content", "content": "ab"}, {"type": "end", "finish_reason": "stop"}]
    assert differs(wanted, [{**each} for each in got], b"") is None
    assert differs(list(expectation(got)), got, b"") is None
    assert differs(wanted[::-1], got, b"") is not None
    assert differs([*wanted, {"type": "usage"}], got, b"") is not None


def test_ids_that_the_wire_did_not_have_are_compared_by_their_order() -> None:
    def calls(*ids: str) -> list[dict[str, Any]]:
        return [{"type": "tool_call", "call_id": each, "name": "f"} for each in ids]

    assert differs(calls("call_a", "call_b"), calls("call_x", "call_y"), b"none") is None
    assert differs(calls("call_a", "call_b"), calls("call_x", "call_x"), b"none") is not None
    assert differs(calls("call_a"), calls("call_x"), b"call_a call_x") is not None


def test_pieces_of_different_calls_are_not_joined(path: Path) -> None:
    script = Script(
        (
            ToolStart(0, "call_1", "f"),
            ToolStart(1, "call_2", "g"),
            ToolArguments(0, '{"a": '),
            ToolArguments(1, "{}"),
            ToolArguments(0, "1}"),
            Finish("tool_calls"),
        )
    )
    dump(recording_of(script, script=script), path)
    (first, *_) = replay(target(), path, "sync")
    chunks = [json.loads(each.model_dump_json()) for each in first.trace.chunks]
    expect = expectation(chunks)
    dump(recording_of(script, expect=expect), path)
    assert failed(replay(target(), path, "sync")) == ""
    swapped = [{**each, "call_id": "call_2"} if "call_id" in each else each for each in expect]
    assert differs(swapped, chunks, first.trace.wire.body) is not None
