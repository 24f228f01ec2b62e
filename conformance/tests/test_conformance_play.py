"""Playing: whatever a subject does to its readers is the subject's, and ends with its case."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from streamkit import StreamChunk, get_model
from streamkit_conformance import Conformance, Env, dialects
from streamkit_conformance.case import Backend
from streamkit_conformance.run import Run
from streamkit_conformance.verdict import Verdict


class HoldsATaskGroup:
    """Keeps a task group open across each `yield`."""

    def __init__(self, env: Env) -> None:
        self._model = get_model(
            "openai/some-model",
            api_key=env.secret,
            base_url=env.base_url,
            http_client=env.http_client,
        )

    async def stream(self, messages: Any, **settings: Any) -> AsyncIterator[StreamChunk]:
        async with anyio.create_task_group(), self._model.stream(messages, **settings) as stream:
            async for chunk in stream:
                yield chunk


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_group_across_a_yield_is_judged_and_does_not_end_the_run(backend: Backend) -> None:
    target = Conformance(HoldsATaskGroup, dialect=dialects.openai_sse(), backends=(backend,))
    rules = ["SK-CONT-001", "SK-RES-003", "SK-RES-006"]
    run = Run(target, effort="corpus", rules=rules, explains=False)
    found = {each.rule: each.verdict for each in run.report().results if each.backend == backend}
    assert found == {
        "SK-CONT-001": Verdict.PASS,
        "SK-RES-003": Verdict.FAIL,
        "SK-RES-006": Verdict.FAIL,
    }
