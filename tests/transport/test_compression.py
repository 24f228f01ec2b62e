"""Answers that come compressed: whole, cut anywhere, broken, and far larger than they look."""

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.transport.base import TransportFailure
from streamkit.transport.compression import MAX_UNPACKED, Unpacker


def _unpack(unpacker: Unpacker, reads: list[bytes]) -> list[bytes]:
    pieces = []
    for each in reads:
        unpacker.feed(each)
        pieces.append(unpacker.take())
        while unpacker.has_more:
            pieces.append(unpacker.take())
    unpacker.close()
    return pieces


@given(plain=st.binary(), cuts=st.lists(st.integers(0, 200)), is_gzip=st.booleans())
def test_what_was_packed_comes_out_wherever_it_is_cut(
    plain: bytes, cuts: list[int], is_gzip: bool
) -> None:
    packed = gzip.compress(plain) if is_gzip else zlib.compress(plain)
    places = sorted({0, len(packed), *(cut for cut in cuts if cut < len(packed))})
    reads = [packed[start:end] for start, end in itertools.pairwise(places)]
    coding = "gzip" if is_gzip else "deflate"
    assert b"".join(_unpack(Unpacker(coding), reads)) == plain


@given(parts=st.lists(st.binary(), min_size=1, max_size=4), size=st.integers(1, 50))
def test_several_gzip_files_one_behind_the_other_are_one_body(
    parts: list[bytes], size: int
) -> None:
    packed = b"".join(map(gzip.compress, parts))
    reads = [packed[place : place + size] for place in range(0, len(packed), size)]
    assert b"".join(_unpack(Unpacker("x-gzip"), reads)) == b"".join(parts)


def test_no_piece_is_larger_than_the_limit() -> None:
    pieces = _unpack(Unpacker("gzip"), [gzip.compress(bytes(5 * MAX_UNPACKED + 7), 1)])
    assert max(map(len, pieces)) == MAX_UNPACKED
    assert sum(map(len, pieces)) == 5 * MAX_UNPACKED + 7


@pytest.mark.parametrize(
    "body",
    [b"data: no gzip", gzip.compress(b"x" * 99)[:-8] + b"\0" * 8],
    ids=["no head", "a wrong checksum"],
)
def test_what_is_not_packed_as_it_says_is_a_protocol_failure(body: bytes) -> None:
    with pytest.raises(TransportFailure) as caught:
        _unpack(Unpacker("gzip"), [body])
    assert caught.value.kind == "protocol"


def test_a_body_that_ends_too_early_is_truncated() -> None:
    with pytest.raises(TransportFailure) as caught:
        _unpack(Unpacker("gzip"), [gzip.compress(b"Hello")[:-1]])
    assert caught.value.kind == "truncated"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "rot13"])
def test_a_coding_that_is_not_known_is_a_protocol_failure(coding: str) -> None:
    with pytest.raises(TransportFailure) as caught:
        _unpack(Unpacker(coding), [b"x"])
    assert caught.value.kind == "protocol"
    assert caught.value.detail == f"content-encoding: {coding}"
