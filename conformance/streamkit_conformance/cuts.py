"""Where the network cuts a body into reads: anywhere, and none of it may matter."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

__all__ = ["BYTES", "CutKind", "Cut", "RECORDS", "WHOLE", "cut_at"]

CutKind: TypeAlias = Literal["records", "whole", "bytes", "at"]


@dataclass(frozen=True, slots=True)
class Cut:
    """How a body is cut.

    Attributes:
        kind: One read for each record, as services send it; all in one; byte by byte; or at places.
        places: Offsets in the body, for `at`.
    """

    kind: CutKind = "records"
    places: tuple[int, ...] = ()

    def reads(self, records: Sequence[bytes]) -> list[bytes]:
        """The reads that the records become; none is empty."""
        if self.kind == "records":
            return [record for record in records if record]
        body = b"".join(records)
        if self.kind == "whole":
            return [body] if body else []
        return cut_at(body, range(len(body)) if self.kind == "bytes" else self.places)

    def to_json(self) -> dict[str, Any]:
        """The cut as JSON values."""
        return {"kind": self.kind, "places": list(self.places)}


def cut_at(body: bytes, places: Iterable[int]) -> list[bytes]:
    """The body, cut at these offsets."""
    edges = [0, *sorted({each for each in places if 0 < each < len(body)}), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges) if start < end]


RECORDS: Final = Cut("records")
WHOLE: Final = Cut("whole")
BYTES: Final = Cut("bytes")
