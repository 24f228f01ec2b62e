"""Makes the request that goes out of what a provider says, and of where a redirect leads. Pure."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from pydantic_core import to_json

from streamkit.errors import ProviderError
from streamkit.provider import HTTPCall, HTTPProvider
from streamkit.redaction import Redactor, secret_headers
from streamkit.transport.base import Head, OutgoingRequest

_USER_AGENT: Final = "streamkit/0.1"


def outgoing_request(provider: HTTPProvider, call: HTTPCall, redactor: Redactor) -> OutgoingRequest:
    """The request as it is sent; the redactor learns the secrets that go with it.

    Raises:
        ProviderError: Its body cannot be written, or its address holds a second secret.
    """
    # First of all: what goes wrong below may quote them.
    redactor.learn(secret_headers(call.headers))
    redactor.learn(provider.secrets())
    headers = {
        "accept": "text/event-stream" if call.framing == "sse" else "application/json",
        # A proxy that compresses a stream holds it back to do so.
        "accept-encoding": "identity",
        "user-agent": _USER_AGENT,
    }
    body = None
    if call.json is not None:
        headers["content-type"] = "application/json"
        body = _json_body(call.json)
    headers.update({name.lower(): value for name, value in call.headers.items()})
    url = f"{provider.base_url}/{call.path.lstrip('/')}"
    if "@" in url:
        url = _without_userinfo(url, headers, redactor)
    return OutgoingRequest(method=call.method, url=url, headers=headers, body=body)


def _without_userinfo(url: str, headers: dict[str, str], redactor: Redactor) -> str:
    """Moves `user:password@` into a header: HTTP clients write addresses into their logs."""
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    if not userinfo:
        return url
    plain = unquote(userinfo)
    # The password; where only a name stands, it is a token.
    redactor.learn([text.split(":", 1)[-1] for text in (userinfo, plain)])
    if "authorization" in headers:
        raise ProviderError(
            "configuration",
            "The base URL holds a user name and the provider sends a key: both belong into the "
            "same header. Take the user name out of the base URL.",
        )
    headers["authorization"] = f"Basic {b64encode(plain.encode()).decode()}"
    redactor.learn(secret_headers(headers))
    return urlunsplit(parts._replace(netloc=host))


def _json_body(value: Mapping[str, Any]) -> bytes:
    try:
        return to_json(value)
    except ValueError as error:
        raise ProviderError(
            "invalid_request",
            "The request holds something that JSON cannot carry.",
            detail=str(error),
        ) from error


def redirect_target(request: OutgoingRequest, head: Head) -> OutgoingRequest | None:
    """Where a redirect leads; `None` when the answer is no redirect.

    Only a redirect that keeps the method and stays with the same scheme, host and port is followed:
    any other would send the key and the messages to somebody that the caller did not name.

    Raises:
        ProviderError: The redirect must not be followed (`configuration`), or leads nowhere
            (`protocol`).
    """
    location = head.headers.get("location")
    if head.status not in {301, 302, 303, 307, 308} or not location:
        return None
    try:
        target = urlsplit(urljoin(request.url, location))
        is_same_origin = _origin(target) == _origin(urlsplit(request.url))
    except ValueError as error:
        message = f"The service redirects ({head.status}) to what is no address."
        raise ProviderError("protocol", message, status=head.status) from error
    if head.status in {307, 308} and is_same_origin:
        # Nothing but path and query is taken over: were the address read in another way by the HTTP
        # client, it could still lead nowhere else.
        asked = urlsplit(request.url)
        url = urlunsplit((asked.scheme, asked.netloc, target.path, target.query, ""))
        return OutgoingRequest(
            method=request.method, url=url, headers=request.headers, body=request.body
        )
    raise ProviderError(
        "configuration",
        f"The service redirects ({head.status}) to {target.scheme}://{target.hostname or ''}"
        f"{target.path}, and the key is not sent there. Set base_url to the address that is meant.",
        status=head.status,
        evidence=f"status {head.status}",
    )


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
