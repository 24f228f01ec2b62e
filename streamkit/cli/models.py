"""`streamkit models`: what the services offer, asked now or not long ago."""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from streamkit.cli.cache import address_without_secrets, load_models, save_models
from streamkit.cli.failures import nearest_models
from streamkit.cli.services import (
    SHORT_TIMEOUTS,
    ask_all,
    checked_names,
    may_list,
    not_set_up,
    provider_of,
)
from streamkit.cli.terminal import (
    complain,
    for_the_shell,
    is_terminal,
    note,
    one_line,
    printable,
    write,
)
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.listing import list_models_sync, show_model_sync
from streamkit.plugin import Capability
from streamkit.provider import ModelInfo
from streamkit.registry.discovery import default_registry

# Younger lists are shown as they are: typing twice should not ask twice.
_FRESH_S: Final = 600.0

EXIT_LISTED, EXIT_FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is known of one provider's models.

    Attributes:
        provider: The provider.
        address: Where they were asked for, without secrets.
        models: The models; `None` when nothing is known.
        age_s: Seconds since the service told; 0 when it did just now.
        problem: Why it could not be asked, in words.
        is_set_up: Its settings are complete: whatever is wrong is the service's.
    """

    provider: str
    address: str = ""
    models: tuple[Mapping[str, Any], ...] | None = None
    age_s: float = 0.0
    problem: str | None = None
    is_set_up: bool = True


def run(options: argparse.Namespace) -> int:
    """Runs the command."""
    registry = default_registry()
    # One that cannot be read is told once, and not for each provider.
    aliases = set(registry.config().aliases) - set(registry.names())
    shown = [each for each in options.provider if set("/:") & set(each) or each in aliases]
    if shown:
        return max(_show_one(each, as_json=options.json) for each in shown)
    names = checked_names(options.provider)
    is_all = not options.provider
    if is_all:
        names = [name for name in names if may_list(name)]
    listings = ask_all(names, lambda name: _listing(name, refresh=options.refresh), "asking")
    if options.json:
        print(json.dumps([asdict(each) for each in listings], indent=2, ensure_ascii=False))
    else:
        for each in listings:
            if each.problem is not None:
                # Of those that nobody named, some may well be switched off.
                (note if is_all else complain)(f"{each.provider}: {each.problem}")
            _print(each)
    failed = [each for each in listings if each.models is None and (each.is_set_up or not is_all)]
    if is_all and any(each.models is not None for each in listings):
        failed = []
    return EXIT_FAILED if failed else EXIT_LISTED


def _listing(name: str, *, refresh: bool) -> Listing:
    try:
        provider = provider_of(name)
        url = provider.settings.base_url
        address = address_without_secrets(url)
        kept = load_models(name, url)
        if kept is not None and not refresh and kept.age_s() < _FRESH_S:
            return Listing(provider=name, address=address, models=kept.models, age_s=kept.age_s())
        models = tuple(map(_as_mapping, list_models_sync(name, timeouts=SHORT_TIMEOUTS)))
        save_models(name, url, models)
    except ConfigurationError as error:
        return Listing(provider=name, problem=not_set_up(name, error), is_set_up=False)
    except ProviderError as error:
        return Listing(
            provider=name,
            address=address,
            models=kept.models if kept is not None else None,
            age_s=kept.age_s() if kept is not None else 0.0,
            problem=f"{error.kind}: {one_line(error.message, 300)}",
        )
    return Listing(provider=name, address=address, models=models)


def _as_mapping(model: ModelInfo) -> dict[str, Any]:
    """A model as it is kept: what a list shows, and no more."""
    told = {"id": model.id, "title": model.title, "context_window": model.context_window}
    return {name: value for name, value in told.items() if value is not None}


def _print(listing: Listing) -> None:
    """Prints a list: for people with a heading, for a pipe one reference a line."""
    is_for_people = is_terminal(sys.stdout)
    models = sorted(listing.models or (), key=lambda model: str(model["id"]))
    if listing.models is None:
        return
    if is_for_people:
        facts = [listing.provider, _count(len(models), "model"), listing.address, _age(listing)]
        write(sys.stdout, f"{' · '.join(fact for fact in facts if fact)}\n", dim=True)
    elif listing.problem is not None:
        note(f"{listing.provider}: as of {age_in_words(listing.age_s)}")
    refs = [one_line(printable(f"{listing.provider}/{model['id']}")) for model in models]
    width = max(map(len, refs), default=0)
    for ref, model in zip(refs, models, strict=True):
        title = model.get("title")
        window = model.get("context_window")
        facts = [
            one_line(printable(str(title)), 60) if title and title != model["id"] else "",
            f"{window:,} tokens" if isinstance(window, int) else "",
        ]
        told = " · ".join(fact for fact in facts if fact)
        print(f"  {ref:<{width}}  {told}".rstrip() if is_for_people else ref)
    if is_for_people:
        print()


def _age(listing: Listing) -> str:
    return age_in_words(listing.age_s) if listing.age_s else ""


def age_in_words(seconds: float) -> str:
    """How long ago something was, roughly."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return f"{_count(int(seconds // length), unit)} ago"
    return "a moment ago"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _show_one(ref: str, *, as_json: bool) -> int:
    """Shows what the service tells of one model."""
    provider, name = default_registry().resolve(ref)
    try:
        model = show_model_sync(ref, timeouts=SHORT_TIMEOUTS)
    except ProviderError as error:
        listed = _from_list(provider, name, error)
        if isinstance(listed, ProviderError):
            complain(f"{listed.kind}: {for_the_shell(listed.message)}")
            hint = nearest_models(f"{provider}/{name}")
            if hint and listed.kind in {"not_found", "unsupported"}:
                note(hint)
            return EXIT_FAILED
        model = listed
    facts = _facts(model)
    if as_json:
        print(json.dumps({"provider": provider, "id": model.id, **facts}, ensure_ascii=False))
        return EXIT_LISTED
    print(printable(f"{provider}/{model.id}"))
    width = max(map(len, facts), default=0)
    for word, value in facts.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        print(f"  {word:<{width}}  {one_line(printable(shown), 300)}")
    return EXIT_LISTED


def _from_list(provider: str, name: str, error: ProviderError) -> ModelInfo | ProviderError:
    """What the list of a service tells that describes no single model; else what is wrong.

    Args:
        provider: The service's provider.
        name: The model.
        error: What asking for the model alone gave.
    """
    if error.kind != "unsupported" or not may_list(provider):
        return error
    models = _listing(provider, refresh=False).models
    if models is None:
        return error
    for model in models:
        if model["id"] == name:
            return ModelInfo(
                id=name, title=model.get("title"), context_window=model.get("context_window")
            )
    return ProviderError("not_found", f"`{provider}` lists no model `{name}`.")


def _facts(model: ModelInfo) -> dict[str, Any]:
    """What is known of a model, by name."""
    facts: dict[str, Any] = {"title": model.title, "context_window": model.context_window}
    if model.capabilities is not None:
        answers = asdict(model.capabilities)
        for answer in (Capability.YES, Capability.NO):
            facts[f"capabilities: {answer}"] = " ".join(
                word for word, given in answers.items() if given is answer
            )
    return {
        word: value
        for word, value in (facts | dict(model.metadata)).items()
        if value not in (None, "")
    }
