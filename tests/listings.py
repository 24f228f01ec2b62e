"""How the tests of lists of models ask a server, and judge what it comes to."""

import json
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, Final

import anyio
import pytest

import streamkit
from streamkit.errors import ProviderError
from tests.bad_input import KEY
from tests.closing import LIMIT_S
from tests.loopback import END, Action, LoopbackServer, chunk, head

JSON: Final = "application/json"
LISTS: Final[dict[str, tuple[str, Any]]] = {
    "openai": ("GET /models ", {"object": "list", "data": [{"id": "one"}, {"id": "two"}]}),
    "moonshot": ("GET /models ", {"object": "list", "data": [{"id": "one"}, {"id": "two"}]}),
    "ollama": ("GET /api/tags ", {"models": [{"name": "one"}, {"name": "two"}]}),
}
every_provider = pytest.mark.parametrize("name", LISTS)

Script = Iterable[Action]


def answer(payload: Any, status: int = 200, *lines: str) -> Script:
    """A whole answer; bytes are its body as they are."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return (head(status, JSON, *lines) + (chunk(body) if body else b"") + END,)


def whole(name: str = "openai") -> Script:
    return answer(LISTS[name][1])


def ask(
    way: str,
    server: LoopbackServer | str,
    name: str = "openai",
    what: str = "list_models",
    **access: Any,
) -> Any:
    """Asks a server in one of the three ways."""
    url = server if isinstance(server, str) else server.url
    access = {"base_url": url, "api_key": KEY, **access}
    if way == "sync":
        return getattr(streamkit, f"{what}_sync")(name, **access)

    async def asked() -> Any:
        with anyio.fail_after(LIMIT_S):
            return await getattr(streamkit, what)(name, **access)

    return anyio.run(asked, backend=way)


def refused(way: str, server: LoopbackServer | str, *args: str, **access: Any) -> ProviderError:
    """The error that asking ends in, which shows the key to nobody."""
    with pytest.raises(ProviderError) as caught:
        ask(way, server, *args, **access)
    assert not [text for text in everything_of(caught.value) if KEY in text]
    return caught.value


def everything_of(error: BaseException) -> Iterator[str]:
    """All that somebody might print or log of an exception and of what led to it."""
    yield from traceback.format_exception(error)
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None:
            yield f"{each!r} {each!s} {vars(each)}"
            pending += [each.__cause__, each.__context__]
