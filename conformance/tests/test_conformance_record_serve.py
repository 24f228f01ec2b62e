import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit_conformance.case import Case
from streamkit_conformance.cli import main
from streamkit_conformance.cuts import RECORDS, Cut
from streamkit_conformance.dialects import openai_sse
from streamkit_conformance.record import RecordError, Taken, record, without_secrets
from streamkit_conformance.recordings import failed, replay
from streamkit_conformance.script import Finish, Reasoning, Script, Text, Tokens
from streamkit_conformance.serve import curl, served
from streamkit_conformance.skwire import Recording, SkwireError, dump, load
from streamkit_conformance.target import Conformance
from streamkit_conformance.transports.loopback import LoopbackServer
from streamkit_conformance.wire import Wire, write

KEY = "sk-canary-4f3c2b1a0987"
SCRIPT = Script(
    (Reasoning("Hm."), Text("Hé\u2028"), Text(f" {KEY}"), Tokens(3, 2), Finish()),
)
DIALECT = openai_sse()


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


def wire_of(script: Script, *, cut: Cut = RECORDS) -> Wire:
    return write(Case(name="x", script=script, cut=cut), DIALECT)


def recorded(server: LoopbackServer, wire: Wire) -> Taken:
    server.answer([wire], every_s=0.02)
    return record("openai/any", dialect=DIALECT.name, api_key=KEY, base_url=f"{server.url}/v1")


def target() -> Conformance:
    return Conformance("openai", dialect=DIALECT)


# Recording.


def test_a_recording_has_the_reads_as_they_came_and_can_be_replayed(
    server: LoopbackServer, tmp_path: Path
) -> None:
    wire = wire_of(Script((Text("Hé\u2028"), Text(" you"), Tokens(3, 2), Finish())))
    taken = recorded(server, wire)
    assert taken.recording.wire.reads == wire.reads
    assert taken.recording.wire.ending == "end"
    assert taken.doubts == ()
    path = tmp_path / "a.skwire"
    dump(taken.recording, path)
    assert failed(replay(target(), path, "sync")) == ""
    expect = load(path).expect
    assert expect is not None
    assert [each["type"] for each in expect] == ["content", "content", "usage", "end"]


def test_no_key_is_in_a_recording_also_where_the_service_repeats_it_cut_in_two(
    server: LoopbackServer, tmp_path: Path
) -> None:
    place = wire_of(SCRIPT).body.index(KEY.encode()) + 5
    wire = wire_of(SCRIPT, cut=Cut("at", (place, place + 4)))
    wire = Wire(200, (*wire.headers, ("set-cookie", KEY), ("x-account", "acme")), wire.reads)
    taken = recorded(server, wire)
    path = tmp_path / "a.skwire"
    dump(taken.recording, path)
    text = path.read_text()
    assert KEY not in text
    assert "canary" not in text
    assert "acme" not in text
    assert [len(each) for each in taken.recording.wire.reads] == [len(each) for each in wire.reads]


def test_a_refusal_is_recorded_and_told(server: LoopbackServer) -> None:
    body = b'{"error": {"message": "Incorrect API key provided: sk-abcdefghijkl"}}'
    wire = Wire(401, (("content-type", "application/json"),), (body,))
    taken = recorded(server, wire)
    assert taken.recording.wire.status == 401
    assert [each["type"] for each in taken.recording.expect or ()] == ["error"]
    assert len(taken.doubts) == 2
    assert "looks like a key" in taken.doubts[0]


def test_a_body_that_broke_off_is_recorded_with_its_break(server: LoopbackServer) -> None:
    script = Script((Text("a"), Text("b"), Finish()))
    wire = wire_of(script.with_fault("protocol_error", after=1))
    assert recorded(server, wire).recording.wire.ending == "protocol_error"


def test_where_nobody_answers_nothing_is_recorded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RecordError, match="No answer came"):
        record("openai/any", dialect="d", api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1")


@given(st.binary(max_size=30), st.binary(max_size=30), st.lists(st.integers(0, 80), max_size=6))
def test_wherever_a_body_is_cut_no_key_is_left_and_the_cuts_stay(
    before: bytes, after: bytes, places: list[int]
) -> None:
    body = before + KEY.encode() + after
    reads = Cut("at", tuple(places)).reads([body])
    clean = without_secrets(reads, [KEY])
    assert KEY.encode() not in b"".join(clean)
    assert [len(each) for each in clean] == [len(each) for each in reads]
    assert b"".join(clean) == before + b"x" * len(KEY) + after


def test_a_key_is_found_as_json_writes_it_and_within_a_compressed_body() -> None:
    odd = 'sk"ca/nary\\1'
    for written in (b'sk\\"ca/nary\\\\1', b'sk\\"ca\\/nary\\\\1'):
        assert without_secrets([b"<", written, b">"], [odd]) == [b"<", b"x" * len(written), b">"]
    plain = gzip.compress(b"nothing to hide")
    assert without_secrets([plain], [KEY], "gzip") == [plain]
    with pytest.raises(RecordError, match="repeats the key"):
        without_secrets([gzip.compress(KEY.encode())], [KEY], "gzip")
    with pytest.raises(RecordError, match="may hold keys unseen"):
        without_secrets([b"?"], [KEY], "br")
    with pytest.raises(RecordError, match="cannot be read"):
        without_secrets([b"no gzip at all"], [KEY], "gzip")


def test_the_command_records_into_a_file_and_writes_over_none(
    server: LoopbackServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.answer([wire_of(SCRIPT)], every_s=0.02)
    path = tmp_path / "a.skwire"
    words = ["record", "openai/any", "--out", str(path), "--base-url", f"{server.url}/v1"]
    words += ["--dialect", DIALECT.name, "--prompt", "Hello"]
    assert main(words) == 0
    assert "Read the file before you commit it" in capsys.readouterr().err
    assert KEY not in path.read_text()
    assert b"Hello" in server.requests[0].body
    assert main(words) == 2
    assert main([*words, "--force"]) == 0


# Serving.


def answer(url: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.post(f"{url}/v1/chat/completions", json={})


def test_what_is_served_is_what_was_recorded() -> None:
    wire = wire_of(SCRIPT)
    recording = Recording(dialect=DIALECT.name, wire=wire)
    with served(recording, apart_s=0.0) as server:
        for _ in range(2):
            came = answer(server.url)
            assert (came.status_code, came.content) == (wire.status, wire.body)
            assert came.headers["content-type"] == dict(wire.headers)["content-type"]
        assert server.url in curl(server)
        assert server.url.startswith("http://127.0.0.1:")


def test_a_break_is_served_as_one() -> None:
    script = Script((Text("a"), Text("b"), Finish())).with_fault("protocol_error", after=1)
    recording = Recording(dialect=DIALECT.name, wire=wire_of(script))
    with served(recording, apart_s=0.0) as server, pytest.raises(httpx.RemoteProtocolError):
        answer(server.url)


def test_what_never_answered_cannot_be_served() -> None:
    recording = Recording(dialect="d", wire=Wire(0, (), (), "end", "dns"))
    with pytest.raises(SkwireError, match="no answer to serve"), served(recording):
        pass


def test_the_command_serves_one_answer_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.skwire"
    dump(Recording(dialect=DIALECT.name, wire=wire_of(SCRIPT)), path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    codes: list[int] = []
    words = ["serve", str(path), "--port", str(port), "--apart", "0", "--once"]
    serving = threading.Thread(target=lambda: codes.append(main(words)))
    serving.start()
    transport = httpx.HTTPTransport(retries=10)
    with contextlib.closing(transport), httpx.Client(transport=transport) as client:
        came = client.post(f"http://127.0.0.1:{port}/", json={})
    serving.join(timeout=10)
    assert came.content == wire_of(SCRIPT).body
    assert codes == [0]
    assert f"curl --no-buffer --include http://127.0.0.1:{port}/" in capsys.readouterr().out
