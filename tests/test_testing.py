"""The helpers for our users' own tests do what they say."""

import math
import subprocess
import sys

import pytest

from streamkit.chunks import EndChunk, ErrorChunk, Usage
from streamkit.errors import OverloadedError, ProviderError, ServiceError
from streamkit.messages import ToolCall
from streamkit.model import Model
from streamkit.provider import HTTPProvider
from streamkit.settings import Timeouts
from streamkit.testing import Answer, ManualClock, MemoryTransport, Pause, Reply, ScriptedModel
from tests.compatible_servers import compatible

WHOLE = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def provider() -> HTTPProvider:
    return compatible()


def test_a_scripted_model_gives_its_answers_in_order() -> None:
    model = ScriptedModel(["First one.", Answer(text=["Sec", "ond"])])
    assert model.generate_sync("a").text == "First one."
    assert model.generate_sync("b").text == "Second"
    assert [request.messages[-1].text for request in model.requests] == ["a", "b"]


def test_a_scripted_answer_holds_all_that_an_answer_can() -> None:
    call = ToolCall(call_id="call_7", name="weather", arguments={"city": "Rome"})
    usage = Usage(input_tokens=1, output_tokens=2)
    answer = Answer(text="Well.", reasoning="Hm.", tool_calls=[call], usage=usage)
    response = ScriptedModel([answer]).generate_sync("a")
    assert (response.text, response.reasoning, response.usage) == ("Well.", "Hm.", usage)
    assert response.tool_calls[0].arguments == {"city": "Rome"}
    assert response.finish_reason == "tool_calls"
    assert ScriptedModel([Answer(refusal="No.")]).generate_sync("a").refusal == "No."


def test_a_scripted_error_comes_after_the_text() -> None:
    busy = ProviderError("overloaded", "Too busy.", retry_after_s=3)
    with pytest.raises(OverloadedError) as caught:
        ScriptedModel([Answer(text="Half of", error=busy)]).generate_sync("a")
    assert caught.value.partial.text == "Half of"
    assert caught.value.retry_after_s == 3


def test_beyond_its_script_a_model_fails() -> None:
    with pytest.raises(ServiceError, match="no answer for request 1"):
        ScriptedModel([]).generate_sync("a")


def test_the_same_script_gives_the_same_chunks() -> None:
    first, second = (list(ScriptedModel(["Hello you"]).stream("a")) for _ in range(2))
    assert first == second


@pytest.mark.anyio
async def test_a_scripted_model_streams_to_asynchronous_code() -> None:
    stream = ScriptedModel(["Hello you"]).stream("a")
    assert [text async for text in stream.text()] == ["Hello", " you"]


def test_a_memory_transport_plays_bytes_and_remembers_requests() -> None:
    transport = MemoryTransport([Reply([WHOLE[:20], WHOLE[20:]])])
    model = Model(provider(), "m", transport=transport)
    assert model.generate_sync("Hello").text == "Hi"
    assert b"Hello" in (transport.requests[0].body or b"")
    assert transport.open_exchanges == 0


def test_a_pause_takes_no_real_time() -> None:
    clock = ManualClock()
    began = clock.now
    transport = MemoryTransport([Reply([Pause(250), WHOLE])], clock)
    model = Model(provider(), "m", transport=transport, clock=clock)
    chunks = list(model.stream("Hello"))
    assert isinstance(chunks[-1], EndChunk)
    assert chunks[-1].ttfc_ms == 250_000
    assert clock.now - began == 250


def test_endless_silence_ends_at_the_deadline() -> None:
    transport = MemoryTransport([Reply([Pause(math.inf)])])
    limits = Timeouts(first_content=5)
    model = Model(provider(), "m", transport=transport, timeouts=limits, clock=transport.clock)
    last = list(model.stream("Hello"))[-1]
    assert isinstance(last, ErrorChunk)
    assert last.error.kind == "timeout_first_content"
    assert last.elapsed_ms == 5_000


def test_importing_the_helpers_imports_no_pytest() -> None:
    code = "import sys, streamkit.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
