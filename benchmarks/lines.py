"""What is compared with what: the lines of the table, as data."""

from benchmarks.answers import Shape
from benchmarks.contests import Contest
from benchmarks.environments import CORE, OLLAMA, OPENAI, ensure
from benchmarks.rows import Target
from benchmarks.session import Subject, Task

RUNNERS = "benchmarks.runners"
FLOOR_1 = "floor 1"
SPLIT_JSON = "split + json"
HTTPX_SSE = "httpx-sse + json"
OPENAI_PYTHON = "openai-python"
STREAMKIT = "streamkit"
NDJSON_FLOOR_1 = "NDJSON floor 1"
NDJSON_SPLIT_JSON = "NDJSON split + json"
NDJSON_STREAMKIT = "streamkit NDJSON"
OLLAMA_PYTHON = "ollama-python"

# Subject: (the runner, its environment).
SUBJECTS = {
    FLOOR_1: (f"{RUNNERS}.floors:Discard", CORE),
    SPLIT_JSON: (f"{RUNNERS}.floors:SplitJSON", CORE),
    HTTPX_SSE: (f"{RUNNERS}.httpx_sse_json:HTTPXSSE", CORE),
    OPENAI_PYTHON: (f"{RUNNERS}.openai_python:OpenAIPython", OPENAI),
    STREAMKIT: (f"{RUNNERS}.streamkit_public:Streamkit", CORE),
    NDJSON_FLOOR_1: (f"{RUNNERS}.floors:Discard", CORE),
    NDJSON_SPLIT_JSON: (f"{RUNNERS}.floors:SplitNDJSON", CORE),
    NDJSON_STREAMKIT: (f"{RUNNERS}.streamkit_public:StreamkitNDJSON", CORE),
    OLLAMA_PYTHON: (f"{RUNNERS}.ollama_python:OllamaPython", OLLAMA),
}


def contests(chunks: int) -> dict[str, Contest]:
    """Return the lines by their names, the long streams this many chunks long."""
    return {
        "one": Contest(
            f"one stream, {chunks:,} chunks, one HTTP chunk per event",
            Task("at_once", Shape("openai", "event", chunks)),
            STREAMKIT,
            FLOOR_1,
            Target(first=1.8, goal=1.4),
            beside=(SPLIT_JSON, HTTPX_SSE),
        ),
        "alike": Contest(
            f"one stream, {chunks:,} chunks, frames alike but for their text",
            Task("at_once", Shape("compatible", "event", chunks)),
            STREAMKIT,
            FLOOR_1,
            Target(first=1.8, goal=1.4),
            beside=(SPLIT_JSON,),
        ),
        "openai": Contest(
            "one stream, 2,000 chunks, against openai-python",
            Task("at_once", Shape("openai", "event", 2_000)),
            STREAMKIT,
            OPENAI_PYTHON,
            Target(first=0.167, goal=0.111),
        ),
        "ndjson": Contest(
            "NDJSON, one stream",
            Task("at_once", Shape("ndjson", "event", chunks)),
            NDJSON_STREAMKIT,
            NDJSON_FLOOR_1,
            Target(first=2.0, goal=1.4),
            beside=(NDJSON_SPLIT_JSON, OLLAMA_PYTHON),
        ),
        "coalesced": Contest(
            "coalesced in 16 KiB HTTP chunks",
            Task("at_once", Shape("openai", "coalesced", chunks)),
            STREAMKIT,
            HTTPX_SSE,
            Target(first=0.8, goal=0.5),
            beside=(FLOOR_1,),
        ),
        "coalesced-alike": Contest(
            "coalesced, frames alike but for their text",
            Task("at_once", Shape("compatible", "coalesced", chunks)),
            STREAMKIT,
            HTTPX_SSE,
            Target(first=0.8, goal=0.5),
        ),
        "hundred": Contest(
            "100 streams x 200 chunks",
            Task("at_once", Shape("openai", "event", 200, gate=100), count=100),
            STREAMKIT,
            FLOOR_1,
            Target(first=1.4, goal=1.1),
        ),
        "thousand": Contest(
            "1,000 streams x 50 chunks",
            Task("at_once", Shape("openai", "event", 50, gate=1_000), count=1_000),
            STREAMKIT,
            FLOOR_1,
            Target(first=1.0, goal=0.1),
            most_rounds=2,
            quick=False,
        ),
        "latency": Contest(
            "a chunk each 5 ms: added latency, p50",
            Task("paced", Shape("openai", "paced", 300)),
            STREAMKIT,
            SPLIT_JSON,
            Target(first=1.15, goal=1.0),
            figure="latency_us",
        ),
        "first": Contest(
            "first content on a warm connection, p50 of 200",
            Task("first_content", Shape("openai", "event", 5), count=200),
            STREAMKIT,
            FLOOR_1,
            Target(first=1.25, goal=1.1),
            figure="first_content_us",
            reuses_connection=True,
            rounds_factor=5,
        ),
        "cold": Contest(
            "cold: from the process's start to the first content",
            Task("cold", Shape("openai", "event", 5)),
            STREAMKIT,
            OPENAI_PYTHON,
            Target(first=0.65, goal=0.4),
            figure="cold_ms",
            beside=(FLOOR_1,),
        ),
        "memory": Contest(
            "memory per open stream, 200 open",
            Task("held", Shape("openai", "held", 10), count=200),
            STREAMKIT,
            FLOOR_1,
            Target(first=100, goal=45),
            figure="kilobytes_per_stream",
            absolute=True,
            most_rounds=3,
        ),
        # A bytearray grows by an eighth at a time; anything above kept more than the text.
        "growth": Contest(
            "memory grown per byte of text, 20 MB of text",
            Task("growth", Shape("openai", "event", chunks, size=20_000_000 // chunks)),
            STREAMKIT,
            SPLIT_JSON,
            Target(first=1.3, goal=1.15),
            figure="bytes_per_text_byte",
            absolute=True,
            most_rounds=3,
        ),
    }


FOOTPRINT_LINES = ("import", "install")


def subjects(names: set[str]) -> dict[str, Subject]:
    """Return these subjects by name, their environments made where they are missing."""
    return {
        name: Subject(name, runner, ensure(environment))
        for name, (runner, environment) in SUBJECTS.items()
        if name in names
    }
