"""Reads `OLLAMA_HOST` as Ollama's own client does.

The rules are those of `Host` and `ConnectableHost` in `envconfig/config.go` of the repository
ollama/ollama; a scheme may be written in capitals here. A manifest imports this module, so it
imports nothing but the standard library.
"""

from typing import Final

__all__ = ["DEFAULT_PORT", "base_url_of_host"]

DEFAULT_PORT: Final = 11434

_SCHEME_PORTS: Final = {"http": 80, "https": 443}
_CLOUD: Final = "ollama.com"


def base_url_of_host(text: str) -> str:
    """The base URL that a value of `OLLAMA_HOST` stands for.

    Every part may be missing: the host is then this machine, the scheme http. Without a scheme the
    port is 11434, with one it is the scheme's own, as in any URL. A port that is none counts as
    missing. An address that a server listens on for all (`0.0.0.0`, `[::]`) is no address to call:
    the loopback address stands for it.

    Raises:
        ValueError: The scheme is not http or https, or the port is 0.
    """
    value = text.strip().strip("\"'").strip()
    if value == _CLOUD:
        value = f"https://{_CLOUD}"
    scheme, has_scheme, rest = value.partition("://")
    scheme, rest = (scheme.lower(), rest) if has_scheme else ("http", value)
    if scheme not in _SCHEME_PORTS:
        raise ValueError("write a host such as localhost:11434, or an http:// or https:// address.")
    authority, _, path = rest.partition("/")
    user, at, place = authority.rpartition("@")
    host, port_text = _split(place)
    default = _SCHEME_PORTS[scheme] if has_scheme else DEFAULT_PORT
    port = _port(port_text, default)
    if port == 0:
        raise ValueError("port 0 lets a server choose one; write the port that it chose.")
    shown_port = "" if port == _SCHEME_PORTS[scheme] else f":{port}"
    shown_path = f"/{path.strip('/')}" if path.strip("/") else ""
    return f"{scheme}://{user}{at}{_reachable(host)}{shown_port}{shown_path}"


def _split(place: str) -> tuple[str, str | None]:
    """Host and port; an IPv6 address may stand without its brackets when no port follows."""
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return host, rest[1:] if rest.startswith(":") else None
    if place.count(":") == 1:
        host, _, port = place.partition(":")
        return host, port
    return place, None


def _port(text: str | None, default: int) -> int:
    if text is None or not (text.isascii() and text.isdigit()):
        return default
    port = int(text) if len(text) <= 5 else -1
    return port if 0 <= port <= 65535 else default


def _reachable(host: str) -> str:
    """The host as it stands in a URL, where a client can reach it."""
    # Imported where it is used: most programs set no OLLAMA_HOST, and a manifest must cost nothing.
    import ipaddress

    try:
        address = ipaddress.ip_address(host or "127.0.0.1")
    except ValueError:
        return f"[{host}]" if ":" in host else host
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.version == 6:
        return "[::1]" if address.is_unspecified else f"[{address}]"
    return "127.0.0.1" if address.is_unspecified else str(address)
