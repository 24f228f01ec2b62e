"""Several threads at once: nothing is made twice, and a slow plug-in holds up only its own."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from streamkit.plugin import hookimpl
from streamkit.registry.discovery import PLUGINS
from streamkit.registry.once import Once
from tests.registry.plugins import Plugins, spec

#: The longest that anything here waits; a test that reaches it has failed.
LIMIT_S = 20.0


class SlowHook:
    """A hook that waits until it is let go."""

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()
        self.calls = 0

    @hookimpl
    def streamkit_providers(self) -> Any:
        """Describes the provider, once it may."""
        self.calls += 1
        self.entered.set()
        assert self.release.wait(LIMIT_S)
        return [spec("slow")]


@pytest.fixture
def slow(plugins: Plugins) -> SlowHook:
    hook = SlowHook()
    plugins.module("plugin_of_slow", manifest=hook)
    plugins.point("slow", "plugin_of_slow:manifest")
    return hook


def test_a_slow_plug_in_holds_up_only_those_who_ask_for_it(
    plugins: Plugins, slow: SlowHook
) -> None:
    plugins.add("acme", [spec("acme")])
    registry = plugins.registry()
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(registry.describe, "slow")
        assert slow.entered.wait(LIMIT_S)
        try:
            assert pool.submit(registry.load, "acme").result(LIMIT_S) is not None
            assert registry.resolve("slow/any") == ("slow", "any")
            assert not waiting.done()
        finally:
            slow.release.set()
        assert waiting.result(LIMIT_S) == spec("slow")


def test_two_threads_that_describe_at_once_ask_the_plug_in_once(
    plugins: Plugins, slow: SlowHook
) -> None:
    registry = plugins.registry()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(registry.describe, "slow") for _ in range(4)]
        assert slow.entered.wait(LIMIT_S)
        slow.release.set()
        first, *others = [each.result(LIMIT_S) for each in asked]
    assert slow.calls == 1
    assert all(each is first for each in others)


def test_many_threads_may_use_everything_at_once(plugins: Plugins) -> None:
    for name in "abcdefgh":
        plugins.add(name, [spec(name)])
        misspelt = hookimpl(lambda: None)
        plugins.module(f"hooks_{name}", **{f"streamkit_of_{name}": misspelt})
        plugins.point(name, f"hooks_{name}", PLUGINS)
    registry = plugins.registry()
    start = threading.Barrier(8)

    def use(name: str) -> int:
        start.wait(LIMIT_S)
        registry.load(name)
        return len([each for each in registry.records() if each.problem is not None])

    with ThreadPoolExecutor(8) as pool:
        asked: list[Future[int]] = [pool.submit(use, name) for name in "abcdefgh"]
        assert [each.result(LIMIT_S) for each in asked] == [8] * 8


def test_what_raises_is_tried_again_for_the_next_who_asks() -> None:
    once: Once[str] = Once()
    outcomes: Iterator[str | ValueError] = iter([ValueError("no"), "made"])

    def make() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    with pytest.raises(ValueError, match="no"):
        once.get("a", make)
    assert [once.get("a", make), once.get("a", make)] == ["made", "made"]


def test_who_waited_for_a_thing_takes_what_was_made_meanwhile() -> None:
    class HeldByAnother:
        """A lock that is free only once its holder made the thing."""

        def __enter__(self) -> None:
            once._things["a"] = "theirs"

        def __exit__(self, *details: object) -> None:
            """Nothing to let go of."""

    once: Once[str] = Once()
    once._locks["a"] = HeldByAnother()  # type: ignore[assignment]  # a lock is what can be entered
    assert once.get("a", lambda: "mine") == "theirs"
