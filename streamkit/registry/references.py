"""Reads model references: `provider/model`, `provider:model`, and aliases."""

from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING

from streamkit.config_file import config_folder
from streamkit.errors import ConfigurationError
from streamkit.plugin import ProviderSpec
from streamkit.registry.records import first_party
from streamkit.words import nearest

if TYPE_CHECKING:
    from streamkit.registry.discovery import Registry


def resolve(registry: "Registry", ref: object) -> tuple[str, str]:
    """Finds the provider and the model that a reference means.

    It is split at its first separator, and only where a known provider stands before it: models
    have names with both. Anything else is looked up among the aliases of the config file, then by
    the plug-ins that know aliases. What an alias means is read in the same way, but is none itself.

    Raises:
        ConfigurationError: It is no reference, or its provider is not installed.
    """
    if not isinstance(ref, str) or not ref.strip():
        raise ConfigurationError("Write the model as provider/model, such as openai/gpt-5.")
    config = registry.config()
    known = registry.names()
    found = _split(ref, known)
    if found is None:
        meant = config.aliases.get(ref) or _from_plugins(registry, ref)
        if meant is None:
            raise ConfigurationError(_no_reference(registry, ref, list(config.aliases)))
        found = _split(meant, known)
        if found is None:
            raise ConfigurationError(
                f"The alias {ref!r} means {meant!r}, which is no model of an installed provider. "
                f"{_installed(registry)}"
            )
    provider, model = found
    if not model.strip():
        raise ConfigurationError(
            f"{ref!r} names no model. Write provider/model. {_installed(registry)}"
        )
    return provider, model


def unknown(registry: "Registry", name: str) -> str:
    """Says that a provider is not installed, what is, and what would help."""
    installed, available = registry.names(), first_party()
    near = [] if name in available else nearest(name, [*installed, *available])
    sentences = [f"No provider `{name}` is installed."]
    is_strange = name not in available and not near
    elsewhere = registry.elsewhere(name, is_searching=is_strange)
    if elsewhere is not None:
        return f"{sentences[0]} {elsewhere} {_installed(registry)}"
    if near:
        sentences.append(f"Did you mean {' or '.join(f'`{each}`' for each in near)}?")
    missing = [each for each in [name, *near][:2] if each in available and each not in installed]
    sentences += [f"To install `{each}`: {available[each]}." for each in missing]
    sentences.append(_installed(registry))
    if is_strange:
        sentences.append(
            "Install its plug-in (often named streamkit-NAME), or, where the server is "
            "OpenAI-compatible, describe it in "
            f"{config_folder() / 'config.toml'}: [providers.NAME] with "
            'kind = "openai-compatible" and base_url.'
        )
    return " ".join(sentences)


class Descriptions(Mapping[str, ProviderSpec]):
    """The providers by name, each described when it is looked up.

    One that is broken is not among them: an alias plug-in that looks at all of them goes on.
    """

    def __init__(self, registry: "Registry") -> None:
        self._registry = registry

    def __getitem__(self, name: str) -> ProviderSpec:
        if name not in self._registry.names():
            raise KeyError(name)
        try:
            return self._registry.describe(name)
        except ConfigurationError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._registry.names() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _split(ref: str, known: Container[str]) -> tuple[str, str] | None:
    cut = _first_separator(ref)
    return (ref[:cut], ref[cut + 1 :]) if cut > 0 and ref[:cut] in known else None


def _first_separator(ref: str) -> int:
    return min((ref.index(mark) for mark in "/:" if mark in ref), default=-1)


def _from_plugins(registry: "Registry", ref: str) -> str | None:
    given = registry.hooks.first(
        "streamkit_resolve_model", ref=ref, providers=Descriptions(registry)
    )
    return given[0] if given is not None else None


def _no_reference(registry: "Registry", ref: str, aliases: list[str]) -> str:
    cut = _first_separator(ref)
    if cut > 0:
        return unknown(registry, ref[:cut])
    if ref in registry.names():
        return f"{ref!r} names no model: it is a provider. Write {ref}/MODEL."
    near = nearest(ref, [*aliases, *registry.names()])
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"{ref!r} names no model. Write provider/model.{hint} {_installed(registry)}"


def _installed(registry: "Registry") -> str:
    return f"Installed: {', '.join(registry.names()) or 'none'}."
