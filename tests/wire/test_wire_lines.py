import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.wire.lines import LineSplitter
from tests.wire.reads import bytewise, cut


def split(reads: list[bytes], limit: int = 1000, *, lone_cr: bool = True) -> list[bytes]:
    splitter = LineSplitter(limit, lone_cr=lone_cr)
    return [line for read in reads for line in splitter.feed(read)] + [splitter.close()]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"a\nb\nc", [b"a", b"b", b"c"]),
        (b"a\r\nb\r\nc", [b"a", b"b", b"c"]),
        (b"a\rb\rc", [b"a", b"b", b"c"]),
        (b"a\r\rb", [b"a", b"", b"b"]),
        (b"a\n\rb", [b"a", b"", b"b"]),
        (b"a\r\n\nb", [b"a", b"", b"b"]),
        (b"a\r\r\nb", [b"a", b"", b"b"]),
        (b"a\r\n\r\nb", [b"a", b"", b"b"]),
        (b"a\n", [b"a", b""]),
        (b"", [b""]),
    ],
)
def test_a_line_ends_with_lf_crlf_or_a_lone_cr(body: bytes, lines: list[bytes]) -> None:
    assert split([body]) == lines
    assert split(bytewise(body)) == lines


def test_nothing_else_ends_a_line() -> None:
    body = "a\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029b".encode()
    assert split([body + b"\n"]) == [body, b""]


def test_a_cr_at_the_end_of_a_read_ends_its_line_at_once() -> None:
    assert LineSplitter(1000).feed(b"a\r") == [b"a"]


def test_the_lf_of_a_crlf_cut_in_two_is_swallowed_once() -> None:
    assert split([b"a\r", b"", b"\n", b"\nb"]) == [b"a", b"", b"b"]
    assert split([b"a\r", b"b\n", b"\n"]) == [b"a", b"b", b"", b""]


def test_one_byte_order_mark_is_dropped() -> None:
    mark = b"\xef\xbb\xbf"
    body = mark + mark + b"a\n" + mark + b"b\n"
    assert split([body]) == split(bytewise(body)) == [mark + b"a", mark + b"b", b""]
    assert split([mark + b"a"]) == [b"a"]
    assert split([b"a\n", mark + b"b"]) == [b"a", mark + b"b"]


def test_without_lone_cr_only_lf_ends_a_line() -> None:
    body = b"a\rb\r\nc\n"
    for reads in ([body], bytewise(body)):
        assert split(reads, lone_cr=False) == [b"a\rb\r", b"c", b""]


def test_between_lines_nothing_is_held_and_nothing_special_may_come() -> None:
    splitter = LineSplitter(1000)
    states = []
    for read in (b"", b"a", b"\n", b"b\r", b"\n", b"c"):
        splitter.feed(read)
        states.append((splitter.is_between_lines(), splitter.held))
    assert states == [(False, 0), (False, 1), (True, 0), (False, 0), (True, 0), (False, 1)]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_longer_than_the_limit_stops_the_splitter(end: bytes) -> None:
    body = b"123\n1234\n12345" + end + b"\n1\n"
    for reads in ([body], bytewise(body), [b"123\n1234\n123", b"45" + end]):
        splitter = LineSplitter(4)
        lines = [line for read in reads for line in splitter.feed(read)]
        assert (lines, splitter.overflowed) == ([b"123", b"1234"], True)
        assert (splitter.feed(b"1\n"), splitter.held) == ([], 0)


def test_an_endless_line_stops_the_splitter_without_its_end() -> None:
    splitter = LineSplitter(4)
    assert splitter.feed(b"1\n1234") == [b"1"]
    assert not splitter.overflowed
    assert splitter.feed(b"5") == []
    assert splitter.overflowed


endings = st.sampled_from([b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"a", "\u2028".encode()])


@given(cut(st.lists(endings | st.binary(max_size=3), max_size=20).map(b"".join)))
def test_any_cut_gives_the_lines_of_a_regular_expression(case: tuple[bytes, list[bytes]]) -> None:
    body, reads = case
    unmarked = body.removeprefix(b"\xef\xbb\xbf")
    assert split(reads) == re.split(rb"\r\n|\r|\n", unmarked)
    assert split(reads, lone_cr=False) == unmarked.split(b"\n")
