"""The benchmark itself: it measures what it says, and finds out who loses something."""

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks.answers import Shape, contents, digest_of, parse_path, render
from benchmarks.contests import Contest, Results, judge
from benchmarks.lines import (
    FLOOR_1,
    NDJSON_FLOOR_1,
    NDJSON_SPLIT_JSON,
    NDJSON_STREAMKIT,
    SPLIT_JSON,
    STREAMKIT,
    SUBJECTS,
    contests,
)
from benchmarks.measure import Sample
from benchmarks.rows import Target
from benchmarks.runners import Read, Sink
from benchmarks.runners.floors import Discard, SplitJSON
from benchmarks.session import InvalidRun, Outcome, Session, Subject, Task

HERE = "tests.test_benchmarks"
SSE_50 = Shape("openai", "event", 50)
NDJSON_50 = Shape("ndjson", "event", 50)


class DropsOneText(SplitJSON):
    """A subject broken on purpose: the 17th text never arrives."""

    def prepare(self, url: str) -> Read:
        whole = super().prepare(url)

        async def read(sink: Sink) -> int:
            texts: list[str] = []
            size = await whole(texts.append)
            for text in texts[:16] + texts[17:]:
                sink(text)
            return size

        return read


class SwapsTwoTexts(SplitJSON):
    """A subject broken on purpose: two texts arrive in the wrong order."""

    def prepare(self, url: str) -> Read:
        whole = super().prepare(url)

        async def read(sink: Sink) -> int:
            texts: list[str] = []
            size = await whole(texts.append)
            for text in (texts[1], texts[0], *texts[2:]):
                sink(text)
            return size

        return read


class MiscountsBytes(Discard):
    """A subject broken on purpose: one byte of the body is missing."""

    def prepare(self, url: str) -> Read:
        whole = super().prepare(url)

        async def read(sink: Sink) -> int:
            return await whole(sink) - 1

        return read


class NeverReuses(SplitJSON):
    """A subject that opens a new connection for each request."""

    def prepare(self, url: str) -> Read:
        async def read(sink: Sink) -> int:
            fresh = SplitJSON()
            async with fresh.client:
                return await fresh.prepare(url)(sink)

        return read


class Fails:
    """A subject that cannot be measured at all."""

    def prepare(self, url: str) -> Read:
        raise RuntimeError("nothing works")


def here(runner: type) -> Subject:
    return Subject(runner.__name__, f"{HERE}:{runner.__name__}", Path(sys.executable))


def known(name: str) -> Subject:
    return Subject(name, SUBJECTS[name][0], Path(sys.executable))


@pytest.mark.integration
class TestSession:
    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            (FLOOR_1, SSE_50),
            (SPLIT_JSON, SSE_50),
            (STREAMKIT, SSE_50),
            (STREAMKIT, replace(SSE_50, dialect="compatible")),
            (NDJSON_FLOOR_1, NDJSON_50),
            (NDJSON_SPLIT_JSON, NDJSON_50),
            (NDJSON_STREAMKIT, NDJSON_50),
        ],
    )
    def test_a_subject_that_receives_what_was_sent_is_valid(self, name: str, shape: Shape) -> None:
        with Session() as session:
            outcome = session.run(known(name), Task("at_once", shape))
        assert outcome.connections == 1
        assert outcome.figures["cpu_s"] > 0

    @pytest.mark.parametrize(
        ("task", "figure"),
        [
            (Task("at_once", replace(SSE_50, gate=5), count=5), "cpu_s"),
            (Task("at_once", replace(SSE_50, framing="coalesced")), "cpu_s"),
            (Task("paced", replace(SSE_50, framing="paced", chunks=5)), "latency_us"),
            (Task("first_content", SSE_50, count=3), "first_content_us"),
            (Task("held", replace(SSE_50, framing="held"), count=3), "kilobytes_per_stream"),
            (Task("growth", replace(SSE_50, chunks=1_100, size=40)), "bytes_per_text_byte"),
            (Task("cold", SSE_50), "cold_ms"),
        ],
        ids=lambda value: value.mode if isinstance(value, Task) else None,
    )
    def test_streamkit_passes_the_check_of_every_mode(self, task: Task, figure: str) -> None:
        with Session() as session:
            assert figure in session.run(known(STREAMKIT), task).figures

    @pytest.mark.parametrize(
        ("runner", "fault"),
        [
            (DropsOneText, "49 contents arrived, not 50"),
            (SwapsTwoTexts, "the joined contents differ"),
            (MiscountsBytes, "another length"),
            (Fails, "nothing works"),
        ],
    )
    def test_a_broken_subject_is_found_out(self, runner: type, fault: str) -> None:
        with Session() as session, pytest.raises(InvalidRun, match=fault):
            session.run(here(runner), Task("at_once", SSE_50))

    def test_a_gate_keeps_as_many_streams_open_at_once(self) -> None:
        with Session() as session:
            task = Task("at_once", replace(SSE_50, gate=8), count=8)
            assert session.run(known(SPLIT_JSON), task).connections == 8

    def test_connections_that_are_not_reused_are_counted(self) -> None:
        task = Task("first_content", SSE_50, count=3)
        with Session() as session:
            assert session.run(here(NeverReuses), task).connections == 3
            assert session.run(known(SPLIT_JSON), task).connections == 1

    def test_an_invalid_run_makes_the_command_fail(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken(names: set[str]) -> dict[str, Subject]:
            return {name: here(DropsOneText) for name in names}

        monkeypatch.setattr(command, "subjects", broken)
        assert command.main(["--lines", "openai", "--rounds", "1"]) == 1
        assert "INVALID: DropsOneText" in capsys.readouterr().out


class TestAnswers:
    @pytest.mark.parametrize("dialect", ["openai", "compatible", "ndjson"])
    def test_the_framing_changes_neither_the_text_nor_the_body(self, dialect: str) -> None:
        plain = render(Shape(dialect, "event", 500))
        coalesced = render(Shape(dialect, "coalesced", 500))
        assert unchunked(plain.body) == unchunked(coalesced.body)
        assert len(unchunked(plain.body)) == plain.content_bytes == coalesced.content_bytes
        assert plain.digest == coalesced.digest == digest_of(contents(Shape(dialect, "event", 500)))

    def test_neighbouring_contents_differ(self) -> None:
        texts = contents(Shape("openai", "event", 100))
        assert all(text != following for text, following in pairwise(texts))

    def test_a_shape_survives_its_path(self) -> None:
        shape = Shape("ndjson", "coalesced", 7, size=3, gate=2)
        assert parse_path(shape.path("run5") + "/api/chat") == ("run5", shape)


class TestRows:
    @pytest.mark.parametrize(
        ("figure", "verdict"),
        [(1.4, "goal"), (1.41, "first"), (1.8, "first"), (1.81, "missed")],
    )
    def test_limits_are_inclusive(self, figure: float, verdict: str) -> None:
        assert Target(first=1.8, goal=1.4).verdict(figure) == verdict

    def test_a_ratio_is_taken_within_its_round(self) -> None:
        contest = contests(1_000)["one"]
        outcomes = {
            contest.contender: cpu(3.0, 30.0, 9.0),
            contest.baseline: cpu(2.0, 20.0, 3.0),
        }
        results = Results()
        judge(contest, outcomes, results)
        assert results.rows[0].measured == "1.50 (1.50-3.00) x floor 1"

    def test_a_second_connection_misses_the_target(self) -> None:
        contest = contests(1_000)["first"]
        assert connection_verdict(contest, 1) == "goal"
        assert connection_verdict(contest, 2) == "missed"

    def test_bytes_stand_in_for_contents_only_where_they_were_counted(self) -> None:
        read_bytes, read_texts = Sample(), Sample()
        read_bytes.note([[""], [""]], [700, 700])
        read_texts.note([["a", "b"], ["ab"]], [0, 0])
        assert (read_bytes.content_bytes, read_bytes.digests) == ([700], [])
        assert (read_texts.chunks, read_texts.digests) == (3, [digest_of(["ab"])])


def cpu(*seconds: float) -> list[Outcome]:
    return [Outcome({"cpu_s": each}, connections=1) for each in seconds]


def connection_verdict(contest: Contest, most: int) -> str:
    outcomes = [Outcome({"first_content_us": 5.0}, connections=count) for count in (1, most)]
    results = Results()
    judge(contest, {contest.contender: outcomes, contest.baseline: outcomes}, results)
    return results.rows[1].verdict


def unchunked(body: bytes) -> bytes:
    """Undo the chunked coding, by the letter of RFC 9112, section 7.1."""
    content = b""
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            assert rest == b"\r\n"
            return content
        content += rest[:length]
        assert rest[length : length + 2] == b"\r\n"
        body = rest[length + 2 :]
