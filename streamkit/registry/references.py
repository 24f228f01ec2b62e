"""Reads model references: `provider/model`, `provider:model`, and aliases."""

from typing import TYPE_CHECKING

from streamkit.config_file import config_folder
from streamkit.errors import ConfigurationError
from streamkit.registry.records import first_party, nearest

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
    known = set(registry.names())
    found = _split(ref, known)
    if found is None:
        meant = config.aliases.get(ref) or _from_plugins(registry, ref)
        if meant is not None:
            found = _split(meant, known)
            if found is None:
                raise ConfigurationError(
                    f"The alias {ref!r} means {meant!r}, which is no model of an installed "
                    f"provider. {_installed(registry)}"
                )
    if found is None:
        raise ConfigurationError(_no_reference(registry, ref, list(config.aliases)))
    provider, model = found
    if not model.strip():
        raise ConfigurationError(
            f"{ref!r} names no model. Write provider/model. {_installed(registry)}"
        )
    return provider, model


def unknown(registry: "Registry", name: str) -> str:
    """Says that a provider is not installed, what is, and what would help."""
    available = first_party()
    near = nearest(name, [*registry.names(), *available])
    sentences = [f"No provider `{name}` is installed."]
    for word in [name, *near]:
        if word in available and word not in registry.names():
            meant = "Install it" if word == name else f"Did you mean `{word}`? Install it"
            sentences.append(f"{meant}: {available[word]}.")
            break
        if word in registry.names():
            sentences.append(f"Did you mean `{word}`?")
            break
    sentences.append(_installed(registry))
    if name not in available and not near:
        sentences.append(
            "Install its plug-in (often named streamkit-NAME), or, where the server is "
            "OpenAI-compatible, describe it in "
            f"{config_folder() / 'config.toml'}: [providers.NAME] with "
            'kind = "openai-compatible" and base_url.'
        )
    return " ".join(sentences)


def _split(ref: str, known: set[str]) -> tuple[str, str] | None:
    cut = min((ref.index(mark) for mark in "/:" if mark in ref), default=len(ref))
    provider, model = ref[:cut], ref[cut + 1 :]
    return (provider, model) if provider in known else None


def _from_plugins(registry: "Registry", ref: str) -> str | None:
    from streamkit.registry.discovery import Descriptions

    given = registry.hooks.first(
        "streamkit_resolve_model", ref=ref, providers=Descriptions(registry)
    )
    return given[0] if given is not None else None


def _no_reference(registry: "Registry", ref: str, aliases: list[str]) -> str:
    cut = min((ref.index(mark) for mark in "/:" if mark in ref), default=-1)
    if cut > 0:
        return unknown(registry, ref[:cut])
    near = nearest(ref, [*aliases, *registry.names()])
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"{ref!r} names no model. Write provider/model.{hint} {_installed(registry)}"


def _installed(registry: "Registry") -> str:
    return f"Installed: {', '.join(registry.names()) or 'none'}."
