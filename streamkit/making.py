"""Makes a provider with its settings, and the way to its service: where models and lists begin."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from streamkit.errors import ConfigurationError, StreamkitError
from streamkit.plugin import ProviderSpec
from streamkit.provider import AnyProvider, HTTPProvider, StreamProvider
from streamkit.registry.discovery import CONFIG_FILE, Registry, default_registry
from streamkit.request import RequestSettings
from streamkit.settings import KeySource, resolve_settings
from streamkit.transport.clients import Network
from streamkit.transport.http import HTTPTransport

__all__ = ["check_type", "make_provider", "make_transport", "secrets_of"]

# What `get_model` is given in other ways than as a provider's setting, and how.
_ELSEWHERE: Final[dict[str, str]] = {
    "http_client": "is an argument of its own",
    "network": "is an argument of its own",
    "timeouts": "is an argument of its own",
    "defaults": "is an argument of its own",
    **{
        name: f"goes into the call, such as stream(…, {name}=…), or into defaults={{…}}"
        for name in RequestSettings.__annotations__
    },
}


def make_provider(
    spec: ProviderSpec,
    load: Callable[[], Any],
    *,
    api_key: KeySource | str | None = None,
    base_url: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> AnyProvider:
    """Makes a provider with its settings, wherever they come from.

    Args:
        spec: The provider, described.
        load: Gives its class; called once the settings are known to be right.
        api_key: See `get_model`.
        base_url: See `get_model`.
        options: The provider's own settings.

    Raises:
        ConfigurationError: A setting is missing or malformed, or the plug-in is broken.
    """
    registry = default_registry()
    settings = resolve_settings(
        spec,
        api_key=api_key,
        base_url=base_url,
        options=options,
        table=_table(registry, spec.name),
        table_place=registry.config().place(spec.name),
        ask_secret=registry.hooks.secret,
        elsewhere=_ELSEWHERE,
    )
    factory = load()
    try:
        provider = factory(spec, settings)
    except StreamkitError:
        raise
    except Exception as error:
        raise registry.broken(spec.name, error) from error
    if not isinstance(provider, HTTPProvider | StreamProvider):
        raise registry.broken(spec.name, TypeError(f"{spec.factory} makes no provider"))
    _refuse_no_address(provider)
    return provider


def _refuse_no_address(provider: AnyProvider) -> None:
    """Refuses a provider over HTTP that no request could go to.

    One with a `base_url` of its own may learn its address only when a request is made ready.
    """
    if not isinstance(provider, HTTPProvider) or provider.base_url:
        return
    if type(provider).base_url is HTTPProvider.base_url:
        spec = provider.spec
        names = [each.name for each in spec.env if each.setting == "base_url"]
        hint = f" or set {' or '.join(names)}" if names else ""
        raise ConfigurationError(
            f"`{spec.name}` has no base URL. Pass base_url=…{hint}; the plug-in's own is the "
            "base_url of its ProviderSpec."
        )


def make_transport(http_client: Any = None, network: Network | None = None) -> HTTPTransport:
    """Makes the way to a service.

    Raises:
        ConfigurationError: The client or the network is none, or both are given.
    """
    if http_client is not None and network is not None:
        raise ConfigurationError("Give either http_client or network: a client has its own.")
    check_type("network", network, Network)
    return HTTPTransport(http_client, network)


def _table(registry: Registry, name: str) -> Mapping[str, Any] | None:
    """The provider's table in the config file.

    One that describes a server of its own is no plug-in's, though it may claim the plug-in's name:
    its key is for its own address.
    """
    table = registry.config().providers.get(name)
    if table is None or "kind" not in table:
        return table
    record = registry.record(name)
    return table if record is not None and record.group == CONFIG_FILE else None


def check_type(name: str, value: object, expected: type) -> None:
    """Refuses an argument of another type; `None` is none.

    Raises:
        ConfigurationError: It is of another type.
    """
    if value is not None and not isinstance(value, expected):
        given = type(value).__name__
        raise ConfigurationError(f"`{name}` must be {expected.__name__}, not {given}.")


def secrets_of(provider: AnyProvider) -> list[str]:
    """The secrets among a provider's settings: its key, and options that are declared secret."""
    settings = provider.settings
    secret_options = [each.setting for each in provider.spec.env if each.secret]
    given = [settings.options.get(name) for name in secret_options]
    secrets = [str(value) for value in given if value is not None]
    key = settings.api_key
    # A callable is asked once for each request, by the provider; the flow learns that key from the
    # request's headers.
    return secrets if key is None or callable(key) else [*secrets, key.get_secret_value()]
