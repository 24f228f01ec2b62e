import copy
import pickle
import re
from typing import Any

import pytest

from streamkit import errors
from streamkit.assembly.response import Response
from streamkit.chunks import ErrorInfo
from streamkit.errors import (
    FAMILIES,
    RETRYABLE_KINDS,
    ConfigurationError,
    ProviderError,
    RateLimitError,
    ServiceError,
    StreamFailed,
    StreamkitError,
    stream_failed,
)
from streamkit.messages import TextPart

CANARY = "sk-canary-0123456789"

FAMILY_CLASSES = StreamFailed.__subclasses__()


def kinds() -> list[str]:
    """The kinds that `ErrorInfo` documents."""
    described = re.search(r"kind: An open set: (.*?)\.\n", ErrorInfo.__doc__ or "", re.DOTALL)
    assert described is not None
    return re.findall(r"`(\w+)`", described[1])


def info(**fields: Any) -> ErrorInfo:
    return ErrorInfo(
        **{"kind": "rate_limit", "message": "Too many requests.", "retryable": True, **fields}
    )


def partial() -> Response:
    return Response(parts=(TextPart(text="as far as it came"),), state="failed")


def drawing(cls: type[BaseException]) -> list[str]:
    lines = [cls.__name__]
    below = {child.__name__: child for child in cls.__subclasses__()}
    for name in sorted(below):
        is_last = name == max(below)
        head, *rest = drawing(below[name])
        lines.append(("└── " if is_last else "├── ") + head)
        lines += [("    " if is_last else "│   ") + line for line in rest]
    return lines


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = re.search(r"\n\n((?:    .*\n)+)", errors.__doc__ or "")
    assert drawn is not None
    assert [line[4:] for line in drawn[1].splitlines()] == drawing(StreamkitError)


def test_every_exception_is_at_home_in_one_module() -> None:
    def family(cls: type[BaseException]) -> list[type[BaseException]]:
        return [cls, *(each for child in cls.__subclasses__() for each in family(child))]

    assert {cls.__module__ for cls in family(StreamkitError)} == {"streamkit.errors"}


def test_every_documented_kind_has_a_family() -> None:
    assert sorted(FAMILIES) == sorted(kinds())


def test_every_family_has_a_kind() -> None:
    assert set(FAMILIES.values()) == set(FAMILY_CLASSES)


def test_every_retryable_kind_is_a_documented_kind() -> None:
    assert set(kinds()) >= RETRYABLE_KINDS


@pytest.mark.parametrize("kind", kinds())
def test_a_failed_stream_raises_the_family_of_its_kind(kind: str) -> None:
    error = stream_failed(info(kind=kind), partial())
    assert type(error) is FAMILIES[kind]
    assert error.kind == kind


def test_a_kind_of_a_later_version_is_a_service_error() -> None:
    assert type(stream_failed(info(kind="invented"), partial())) is ServiceError


def test_a_failure_tells_the_facts_by_the_names_of_error_info() -> None:
    error = info(
        status=429,
        retry_after_s=2.0,
        provider="acme",
        model="m",
        provider_code="slow_down",
        request_id="req_1",
    )
    failed = stream_failed(error, partial())
    for name in set(ErrorInfo.model_fields) - {"message", "detail", "evidence"}:
        assert getattr(failed, name) == getattr(error, name), name
    assert failed.error is error
    assert failed.partial.text == "as far as it came"


def test_a_failure_reads_as_kind_and_message_and_shows_nothing_more() -> None:
    failed = stream_failed(info(detail=CANARY), partial())
    assert str(failed) == "rate_limit: Too many requests."
    assert repr(failed) == "RateLimitError('rate_limit: Too many requests.')"


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_a_failure_survives_the_way_to_another_process(again: Any) -> None:
    failed = again(stream_failed(info(status=429), partial()))
    assert type(failed) is RateLimitError
    assert failed.status == 429
    assert failed.error == info(status=429)
    assert failed.partial == partial()


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_a_provider_error_survives_the_way_to_another_process(again: Any) -> None:
    error = ProviderError("quota", "No credit.", detail="d", retryable=True, retry_after_s=1.0)
    assert vars(again(error)) == vars(error)


def test_a_provider_error_shows_its_message_and_not_its_detail() -> None:
    error = ProviderError("quota", "No credit.", detail=CANARY)
    assert str(error) == "No credit."
    assert repr(error) == "ProviderError('quota', 'No credit.')"


@pytest.mark.parametrize(
    ("kind", "given", "retryable"),
    [
        ("rate_limit", None, True),
        ("authentication", None, False),
        ("invented", None, False),
        ("rate_limit", False, False),
        ("authentication", True, True),
    ],
)
def test_the_kind_decides_about_retrying_unless_the_service_does(
    kind: str, given: bool | None, retryable: bool
) -> None:
    assert ProviderError(kind, "It failed.", retryable=given).retryable is retryable


def test_wrong_values_are_value_errors_too() -> None:
    with pytest.raises(ValueError, match="no such thing"):
        raise ConfigurationError("no such thing")
