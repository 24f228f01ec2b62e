import logging
from typing import Any

import pytest

from streamkit.errors import ProviderError
from streamkit.messages import Message
from streamkit.plugin import Command, hookimpl
from streamkit.registry.discovery import PLUGINS
from streamkit.request import ChatRequest
from tests.registry.plugins import Plugins, spec

CANARY = "sk-canary-0123456789"
REQUEST = ChatRequest(model="large", messages=(Message.user("Hi"),))


def secret_giving(given: Any) -> Any:
    def streamkit_secret(provider: str, name: str) -> Any:
        if isinstance(given, BaseException):
            raise given
        return given

    return streamkit_secret


# Secrets.


def test_the_first_secret_in_the_alphabet_of_plug_ins_counts_whatever_was_installed_first(
    plugins: Plugins,
) -> None:
    for name in ["vault_c", "vault_a", "vault_b"]:
        plugins.add_hooks(name, secret_giving(None if name == "vault_a" else f"of {name}"))
    secret = plugins.registry().hooks.secret("acme", "api_key")
    assert secret == ("of vault_b", "the plug-in vault_b")


def test_a_plug_in_may_ask_to_be_first_or_last(plugins: Plugins) -> None:
    plugins.add_hooks("vault_a", secret_giving("a"))
    last, first = hookimpl(trylast=True), hookimpl(tryfirst=True)
    for name, mark in [("vault_0", last), ("vault_z", first)]:
        marked = mark(secret_giving(name))
        plugins.module(name, streamkit_secret=marked)
        plugins.point(name, name, PLUGINS)
    registry = plugins.registry()
    records = [each.module for each in registry.plugins()]
    asked = registry._manifests.implementations("streamkit_secret", records)
    assert [module for module, _ in asked] == ["vault_z", "vault_a", "vault_0"]


def test_an_implementation_takes_as_many_arguments_as_it_wants(plugins: Plugins) -> None:
    def streamkit_secret(name: str) -> str:
        return f"the {name}"

    plugins.add_hooks("vault", streamkit_secret)
    assert plugins.registry().hooks.secret("acme", "api_key") == (
        "the api_key",
        "the plug-in vault",
    )


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (RuntimeError(CANARY), "raised RuntimeError"),
        (SystemExit(CANARY), "raised SystemExit"),
        (CANARY.encode(), "gave bytes instead of a text"),
        (5, "gave int instead of a text"),
        ("", None),
        (" \n", None),
        (None, None),
    ],
)
def test_a_plug_in_without_a_secret_is_passed_over_and_a_faulty_one_told_once(
    plugins: Plugins, caplog: pytest.LogCaptureFixture, given: Any, fault: str | None
) -> None:
    plugins.add_hooks("vault_a", secret_giving(given))
    plugins.add_hooks("vault_b", secret_giving("b"))
    registry = plugins.registry()
    for _ in range(2):
        assert registry.hooks.secret("acme", "api_key") == ("b", "the plug-in vault_b")
    told = [] if fault is None else [f"its hook streamkit_secret {fault}"]
    assert [each.getMessage() for each in caplog.records] == [
        f"the plug-in vault_a is passed over: {each}" for each in told
    ]
    assert [each.levelno for each in caplog.records] == [logging.WARNING] * len(told)
    assert CANARY not in caplog.text
    first, second = registry.records()
    assert first.problem == (told[0] if told else None)
    assert first.remedy == ("tell the author of vault_a" if told else None)
    assert second.problem is None


def test_no_plug_in_knows_the_secret(plugins: Plugins) -> None:
    assert plugins.registry().hooks.secret("acme", "api_key") is None


# Policies.


def test_each_policy_is_given_what_the_one_before_made(plugins: Plugins) -> None:
    def capped(request: ChatRequest) -> ChatRequest:
        return request.model_copy(update={"max_tokens": 5})

    def watching(request: ChatRequest, spec: Any) -> None:
        seen.append((request.max_tokens, spec.name))

    seen: list[Any] = []
    for name, policy in [("a_cap", capped), ("b_watch", watching)]:
        policy.__name__ = "streamkit_request"
        plugins.add_hooks(name, policy)
    request = plugins.registry().hooks.policed(REQUEST, spec("acme"))
    assert request.max_tokens == 5
    assert seen == [(5, "acme")]


def test_without_a_policy_the_request_is_as_it_was(plugins: Plugins) -> None:
    hooks = plugins.registry().hooks
    assert hooks.has("streamkit_request") is False
    assert hooks.policed(REQUEST, spec("acme")) is REQUEST


def policy_raising(error: BaseException) -> Any:
    def streamkit_request(request: ChatRequest) -> None:
        raise error

    return streamkit_request


def test_a_policy_refuses_with_the_kind_it_wants(plugins: Plugins) -> None:
    refusal = ProviderError("content_filter", "Not here.")
    plugins.add_hooks("rules", policy_raising(refusal))
    with pytest.raises(ProviderError) as caught:
        plugins.registry().hooks.policed(REQUEST, spec("acme"))
    assert caught.value is refusal


@pytest.mark.parametrize("error", [ValueError("too\nlong"), SystemExit("too long")])
def test_a_policy_that_raises_anything_else_fails_the_request_as_a_plug_in(
    plugins: Plugins, error: BaseException
) -> None:
    plugins.add_hooks("rules", policy_raising(error))
    with pytest.raises(ProviderError) as caught:
        plugins.registry().hooks.policed(REQUEST, spec("acme"))
    assert caught.value.kind == "plugin"
    assert str(caught.value) == f"The plug-in rules raised {type(error).__name__} for this request."
    assert caught.value.detail == "too long"
    assert caught.value.__cause__ is error


def test_a_policy_that_makes_no_request_of_a_request_fails_it(plugins: Plugins) -> None:
    def streamkit_request(request: ChatRequest) -> Any:
        return request.model_dump()

    plugins.add_hooks("rules", streamkit_request)
    with pytest.raises(ProviderError, match="The plug-in rules made dict of a request") as caught:
        plugins.registry().hooks.policed(REQUEST, spec("acme"))
    assert caught.value.kind == "plugin"


# Streams that ended.


def test_what_raises_when_a_stream_ended_harms_nothing_and_is_told_once(
    plugins: Plugins, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(summary: Any) -> None:
        raise KeyError(summary)

    def counting(summary: Any) -> None:
        seen.append(summary)

    seen: list[Any] = []
    for name, hook in [("a_fails", failing), ("b_counts", counting)]:
        hook.__name__ = "streamkit_stream_finished"
        plugins.add_hooks(name, hook)
    hooks = plugins.registry().hooks
    assert hooks.has("streamkit_stream_finished")
    for each in ["first", "second"]:
        hooks.finished(each)
    assert seen == ["first", "second"]
    assert [each.getMessage() for each in caplog.records] == [
        "the plug-in a_fails is passed over: its hook streamkit_stream_finished raised KeyError"
    ]


# Commands.


def commands_giving(given: Any) -> Any:
    def streamkit_commands() -> Any:
        return given() if callable(given) else given

    return streamkit_commands


GREET = Command(name="greet", help="Says hello", run="tools:greet")


def test_commands_of_several_plug_ins_are_joined(plugins: Plugins) -> None:
    other = Command(name="wave", help="Waves", run="tools:wave")
    plugins.add_hooks("a_tools", commands_giving([GREET]))
    plugins.add_hooks("b_tools", commands_giving((other,)))
    registry = plugins.registry()
    assert registry.commands() == registry.commands() == [GREET, other]
    assert [each.problem for each in registry.records()] == [None, None]


def _broken_halfway() -> Any:
    yield GREET
    raise RuntimeError


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (5, "gave no list: TypeError"),
        (None, "gave no list: TypeError"),
        (_broken_halfway, "gave no list: RuntimeError"),
        (["greet"], "gave something that is no Command"),
        ([Command(name=5, help="", run="")], "gave something that is no Command"),  # type: ignore[arg-type]
        ([Command(name="", help="", run="")], "gave something that is no Command"),
        ([Command(name="a b", help="", run="")], "gave something that is no Command"),
        ([Command(name="-a", help="", run="")], "gave something that is no Command"),
        (
            [Command(name="greet", help="Mine", run="b:b")],
            "gave the command greet, which is there",
        ),
    ],
)
def test_a_command_that_is_none_or_has_a_taken_name_is_left_out_and_told(
    plugins: Plugins, given: Any, fault: str
) -> None:
    plugins.add_hooks("a_tools", commands_giving([GREET]))
    plugins.add_hooks("b_tools", commands_giving(given))
    registry = plugins.registry()
    assert registry.commands() == [GREET]
    assert [each.problem for each in registry.records()] == [
        None,
        f"its hook streamkit_commands {fault}",
    ]


def test_several_faults_of_a_plug_in_are_told_together(plugins: Plugins) -> None:
    plugins.add_hooks("tools", commands_giving(5), secret_giving(5))
    registry = plugins.registry()
    registry.hooks.secret("acme", "api_key")
    (record,) = registry.records()
    assert record.problem == (
        "its hook streamkit_secret gave int instead of a text; "
        "its hook streamkit_commands gave no list: TypeError"
    )


def test_a_broken_plug_in_keeps_the_others_hooks_working(plugins: Plugins) -> None:
    plugins.point("broken", "no_such_module_of_a_plugin", PLUGINS)
    plugins.add_hooks("vault", secret_giving(CANARY))
    registry = plugins.registry()
    assert registry.hooks.secret("acme", "api_key") == (CANARY, "the plug-in vault")
    assert [bool(each.problem) for each in registry.records()] == [True, False]
