"""Framings write legal bytes: a reader made from the standards alone gets the records back."""

import itertools
import json
import zlib
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamkit_conformance.axes import PLAIN, Axis, Style
from streamkit_conformance.cuts import BYTES, RECORDS, WHOLE, Cut, cut_at
from streamkit_conformance.framing import NDJSON, SSE, Framed, Framing, Named
from streamkit_conformance.framing.base import ENCODING
from streamkit_conformance.framing.sse import AFTER_SENTINEL, BOM, SENTINEL, TRAILING

_TEXT: Final = 'a\u2028b\x85c\x0b\x0c\x1c\x1d\x1e é水😀\ufeff"\\\n\r [DONE] data: x'
_RECORDS: Final = [{"text": "Hello"}, {"text": _TEXT, "list": [1, None, {}]}, {"done": True}]
_FRAMINGS: Final[list[Framing]] = [SSE(), SSE(sentinel=None), NDJSON()]


def _values(axis: Axis) -> list[tuple[str, Any]]:
    return [(axis.name, value) for value in axis.values]


def _pairs(framing: Framing) -> list[Style]:
    """Styles in which any two values of two axes meet."""
    return [
        Style.of(**dict(pair))
        for one, other in itertools.combinations(framing.axes, 2)
        for pair in itertools.product(_values(one), _values(other))
    ]


def _unpacked(framed: Framed) -> bytes:
    body = b"".join(framed.records)
    encoding = dict(framed.headers).get("content-encoding", "identity")
    if encoding == "identity":
        return body
    unpacker = zlib.decompressobj(wbits={"gzip": 31, "deflate": 15}[encoding])
    unpacked = unpacker.decompress(body) + unpacker.flush()
    assert unpacker.eof
    return unpacked


def _read_sse(body: bytes, sentinel: str | None) -> tuple[list[Any], list[Any]]:
    """The records before and behind the sentinel, as "Server-sent events" of HTML reads them.

    The one departure: an event that the end of the body leaves open counts.
    """
    text = body.decode().removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events: list[tuple[str, str]] = []
    data: list[str] = []
    name = ""
    for line in [*lines, ""]:
        if not line:
            if data:
                events.append((name, "\n".join(data)))
            data, name = [], ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
    read: list[Any] = []
    behind: list[Any] = []
    is_over = False
    for name, value in events:
        into = behind if is_over else read
        if value == sentinel:
            behind += [sentinel] if is_over else []
            is_over = True
            continue
        parsed = json.loads(value)
        into.append(parsed if name in ("", "message") else Named(name, parsed))
    if sentinel is not None:
        behind.insert(0, is_over)
    return read, behind


def _read_ndjson(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.decode().split("\n") if line.strip("\r")]


def _read(framing: Framing, framed: Framed) -> list[Any]:
    body = _unpacked(framed)
    if isinstance(framing, SSE):
        return _read_sse(body, framing.sentinel)[0]
    return _read_ndjson(body)


@pytest.mark.parametrize("framing", _FRAMINGS, ids=["sse", "sse-no-sentinel", "ndjson"])
def test_any_two_values_of_a_style_say_the_same(framing: Framing) -> None:
    for style in _pairs(framing):
        framed = framing.frame(_RECORDS, style, is_whole=True)
        assert _read(framing, framed) == _RECORDS, style


@pytest.mark.parametrize("framing", _FRAMINGS, ids=["sse", "sse-no-sentinel", "ndjson"])
def test_every_value_of_an_axis_changes_the_bytes(framing: Framing) -> None:
    for axis in framing.axes:
        bodies = {
            (framed.headers, framed.records)
            for value in axis.values
            for framed in [framing.frame(_RECORDS, Style.of(**{axis.name: value}), is_whole=True)]
        }
        assert len(bodies) == len(axis.values), axis.name


@pytest.mark.parametrize("framing", _FRAMINGS, ids=["sse", "sse-no-sentinel", "ndjson"])
def test_axes_have_names_of_their_own_and_rules(framing: Framing) -> None:
    names = [axis.name for axis in framing.axes]
    assert len(set(names)) == len(names)
    assert all(axis.rule.startswith("SK-") for axis in framing.axes)


@st.composite
def _styles(draw: st.DrawFn, framing: Framing) -> Style:
    return Style.of(**{axis.name: draw(st.sampled_from(axis.values)) for axis in framing.axes})


_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_OBJECTS: Final = st.lists(st.dictionaries(st.text(max_size=3), _JSON, max_size=3), max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_records_in_any_style_come_back(data: st.DataObject) -> None:
    framing = data.draw(st.sampled_from(_FRAMINGS))
    records = data.draw(_OBJECTS)
    framed = framing.frame(records, data.draw(_styles(framing)), is_whole=True)
    assert _read(framing, framed) == records


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_reads_of_any_cut_are_the_body(data: st.DataObject) -> None:
    framing = data.draw(st.sampled_from(_FRAMINGS))
    framed = framing.frame(_RECORDS, data.draw(_styles(framing)), is_whole=True)
    places = data.draw(st.lists(st.integers(0, 900), max_size=6))
    for cut in (RECORDS, WHOLE, BYTES, Cut("at", tuple(places))):
        reads = cut.reads(framed.records)
        assert b"".join(reads) == b"".join(framed.records)
        assert all(reads)


def test_a_cut_by_bytes_has_one_byte_in_each_read_and_a_whole_one_all() -> None:
    records = [b"ab", b"", b"c"]
    assert BYTES.reads(records) == [b"a", b"b", b"c"]
    assert WHOLE.reads(records) == [b"abc"]
    assert RECORDS.reads(records) == [b"ab", b"c"]
    assert WHOLE.reads([]) == BYTES.reads([b""]) == []


def test_places_outside_the_body_cut_nothing() -> None:
    assert cut_at(b"abc", [9, 0, 3, -1, 1, 1]) == [b"a", b"bc"]


def test_compressed_records_can_be_read_as_they_come() -> None:
    for value in ENCODING.values[1:]:
        framed = NDJSON().frame(_RECORDS, Style.of(encoding=value), is_whole=True)
        unpacker = zlib.decompressobj(wbits={"gzip": 31, "deflate": 15}[value])
        lines = [unpacker.decompress(each) for each in framed.records]
        assert [json.loads(line) for line in lines if line] == _RECORDS


def test_named_records_name_their_events() -> None:
    records = [Named("ping", {}), Named("message_delta", {"text": "a"})]
    for value in (True, False):
        framed = SSE(sentinel=None).frame(records, Style.of(space=value), is_whole=True)
        assert _read_sse(b"".join(framed.records), None)[0] == records


def test_the_sentinel_and_what_stands_behind_it() -> None:
    def behind(**values: Any) -> list[Any]:
        framed = SSE().frame(_RECORDS, Style.of(**values), is_whole=True)
        return _read_sse(b"".join(framed.records), "[DONE]")[1]

    assert behind() == [True]
    assert behind(**{SENTINEL.name: "absent"}) == [False]
    assert behind(**{AFTER_SENTINEL.name: "sentinel"}) == [True, "[DONE]"]
    assert behind(**{AFTER_SENTINEL.name: "record"}) == [True, _RECORDS[-1]]


def test_an_answer_that_broke_off_has_neither_sentinel_nor_open_end() -> None:
    for framing in _FRAMINGS:
        plain = framing.frame(_RECORDS, PLAIN, is_whole=False).records
        styled = framing.frame(_RECORDS, Style.of(trailing="open"), is_whole=False).records
        assert styled == plain
        assert b"".join(plain).endswith(b"\n")
        assert b"data: [DONE]" not in b"".join(plain[2:])


def test_the_end_may_lack_its_blank_line_or_every_line_end() -> None:
    def body(value: str) -> bytes:
        framed = SSE().frame(_RECORDS, Style.of(**{TRAILING.name: value}), is_whole=True)
        return b"".join(framed.records)

    assert body("full") == body("no_blank_line") + b"\n" == body("open") + b"\n\n"


def test_a_byte_order_mark_stands_before_the_first_record_only() -> None:
    framed = SSE().frame(_RECORDS, Style.of(**{BOM.name: True}), is_whole=True)
    assert [each.startswith(b"\xef\xbb\xbf") for each in framed.records] == [True, *[False] * 3]


def test_half_a_surrogate_pair_is_escaped_as_it_has_no_bytes() -> None:
    framed = NDJSON().frame([{"text": "\ud83d"}], PLAIN, is_whole=True)
    assert b"\\ud83d" in framed.records[0]


@pytest.mark.parametrize("framing", _FRAMINGS, ids=["sse", "sse-no-sentinel", "ndjson"])
@pytest.mark.parametrize("record", [*_RECORDS, {}, {"text": "plain"}], ids=range(5))
def test_broken_records_are_broken(framing: Framing, record: Any) -> None:
    head = b"data: " if isinstance(framing, SSE) else b""
    with pytest.raises(ValueError):  # noqa: PT011  # of JSON or of UTF-8
        json.loads(framing.half(record).removeprefix(head))
    with pytest.raises(json.JSONDecodeError):
        json.loads(framing.malformed().removeprefix(head))
    with pytest.raises(UnicodeDecodeError):
        framing.invalid_utf8(record).decode()
    assert framing.malformed().endswith(b"\n")
    assert framing.invalid_utf8(record).endswith(b"\n")
    assert not framing.half(record).endswith(b"\n")


def test_half_a_record_ends_inside_a_character_if_it_has_one() -> None:
    for framing in _FRAMINGS:
        with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
            framing.half({"text": "aé"}).decode()
