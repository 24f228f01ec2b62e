"""`streamkit providers`: what is installed, where it is from, and whether it can be used."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from streamkit.cli.certificates import certificate_of
from streamkit.cli.services import can, checked_names, not_set_up, provider_of
from streamkit.cli.terminal import complain, note, one_line, printable, write
from streamkit.errors import ConfigurationError
from streamkit.plugin import ProviderSpec
from streamkit.registry.discovery import CONFIG_FILE, PLUGINS, default_registry
from streamkit.registry.records import PluginRecord, first_party


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One provider.

    Attributes:
        origin: The distribution and its version, or the config file.
        key: `set` and where, `missing` and what would give it, or `not needed`; never the key.
        can: What its models can surely do.
        problem: What is wrong with it.
        conformance: What its author's certificate claims, if there is one.
    """

    name: str
    title: str = ""
    origin: str
    key: str = ""
    can: tuple[str, ...] = ()
    default_model: str | None = None
    problem: str | None = None
    conformance: str | None = None


def run(options: argparse.Namespace) -> int:
    """Runs the command."""
    registry = default_registry()
    wanted = set(checked_names(options.provider)) if options.provider else None
    records = [
        each
        for each in registry.records()
        # The record without a name is that of a config file that cannot be read.
        if each.group != PLUGINS and each.name and (wanted is None or each.name in wanted)
    ]
    try:
        registry.config()
    except ConfigurationError as error:
        complain(str(error))
    found = [_installed(record) for record in records]
    if options.json:
        print(json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
        return 0
    width = max((len(each.name) for each in found), default=0)
    for each in found:
        _print(each, width)
    missing = sorted(set(first_party()) - {each.name for each in found})
    if missing and wanted is None:
        note(f"Not installed: {', '.join(missing)}. {first_party()[missing[0]]} installs one.")
    if any(each.problem for each in found):
        note("streamkit doctor says more of what is broken.")
    return 0


def origin_of(record: PluginRecord) -> str:
    """Where a provider comes from."""
    if record.group == CONFIG_FILE:
        return f"config file {record.module}".strip()
    return f"{record.owner} {record.version or ''}".strip()


def _installed(record: PluginRecord) -> Installed:
    spec = record.specs[0] if record.specs else None
    if spec is None:
        return Installed(name=record.name, origin=origin_of(record), problem=record.problem)
    return Installed(
        name=record.name,
        title=spec.title,
        origin=origin_of(record),
        key=_key(spec),
        can=tuple(can(spec.capabilities)),
        default_model=spec.default_model,
        problem=record.problem,
        conformance=_conformance(record),
    )


def _conformance(record: PluginRecord) -> str | None:
    """What the package says of its conformance; a broken file hides nothing else."""
    if record.group == CONFIG_FILE:
        return None
    try:
        found = certificate_of(record.module, record.name)
    except ValueError as error:
        return f"unknown: {error}"
    if found is None:
        return None
    if found.provider_version and found.provider_version != record.version:
        return f"{found.claim} (of version {found.provider_version}, not of this one)"
    return found.claim


def _key(spec: ProviderSpec) -> str:
    """Whether there is a key, and where from: never what it is."""
    try:
        default_registry().config()
    except ConfigurationError:
        return "key unknown: the config file cannot be read"
    try:
        settings = provider_of(spec.name).settings
    except ConfigurationError as error:
        return not_set_up(spec.name, error)
    source = settings.sources.get("api_key")
    if source is not None:
        return f"key from {source}"
    return "key not needed"


def _print(each: Installed, width: int) -> None:
    if each.problem is not None:
        facts = [f"broken: {one_line(each.problem, 300)}", each.origin]
    else:
        facts = [each.title, each.key, each.origin]
    line = printable(" · ".join(fact for fact in facts if fact))
    write(sys.stdout, f"{each.name:<{width}}  {line}\n")
    if each.can:
        write(sys.stdout, f"{'':<{width}}  can: {', '.join(each.can)}\n", dim=True)
    if each.conformance:
        claim = printable(one_line(each.conformance))
        write(sys.stdout, f"{'':<{width}}  conformance, as its author says: {claim}\n", dim=True)
