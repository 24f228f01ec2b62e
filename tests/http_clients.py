"""The clients that a caller may bring: httpx's and httpx2's, alike in shape and in no type."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import httpx
import httpx2
import pytest
import respx
from respx.mocks import HTTPCoreMocker

#: The two packages by name; what is made of one shares no class with what is made of the other.
FAMILIES: Final[dict[str, Any]] = {"httpx": httpx, "httpx2": httpx2}
#: Marks a test that brings a client of each of them, made from its argument `family`.
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())


class HTTPCore2Mocker(HTTPCoreMocker):
    """respx for httpx2, whose requests its own mocker does not see: they would go out."""

    name = "httpcore2"
    targets = [each.replace("httpcore.", "httpcore2.") for each in HTTPCoreMocker.targets]  # noqa: RUF012  # respx's own shape


def mocked(family: Any) -> respx.MockRouter:
    """respx in front of the clients of one family."""
    core = {"httpx": "httpcore", "httpx2": HTTPCore2Mocker.name}[family.__name__]
    return respx.mock(using=core)


#: Marks a test that asks through streamkit's own client too, for which `family` is `None`.
every_client = pytest.mark.parametrize(
    "family", [None, *FAMILIES.values()], ids=["own", *FAMILIES.keys()]
)


@asynccontextmanager
async def async_client_of(family: Any, **options: Any) -> AsyncIterator[Any]:
    """A client of the family, without the limits that are not streamkit's; `None` of none."""
    if family is None:
        yield None
    else:
        async with family.AsyncClient(**_options(family, options)) as client:
            yield client


@contextmanager
def sync_client_of(family: Any, **options: Any) -> Iterator[Any]:
    """The same for synchronous code."""
    if family is None:
        yield None
    else:
        with family.Client(**_options(family, options)) as client:
            yield client


# Loading the trusted certificates takes longer than most tests here.
_NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _options(family: Any, options: dict[str, Any]) -> dict[str, Any]:
    usual = {"limits": family.Limits(max_connections=None), "timeout": None}
    return {"verify": _NO_CERTIFICATES, **usual, **options}
