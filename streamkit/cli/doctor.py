"""`streamkit doctor`: what is installed, what is wrong with it, and what mends it."""

import argparse
import json
import os
import platform
import stat
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from inspect import isabstract
from typing import Any, Final, Literal, TypeAlias

from streamkit import __version__
from streamkit.cli.reach import Reached, probed, reached
from streamkit.cli.services import ask_all, checked_names, not_set_up, provider_of
from streamkit.cli.terminal import (
    INSTALL_EXTRA,
    folded,
    for_the_shell,
    is_terminal,
    one_line,
    printable,
    write,
)
from streamkit.config_file import Config, config_folder
from streamkit.errors import ConfigurationError, MissingKeyError, StreamkitError
from streamkit.provider import HTTPProvider, StreamProvider
from streamkit.registry.discovery import PLUGINS, default_registry
from streamkit.registry.manifests import broken
from streamkit.registry.records import PluginProblem, PluginRecord

# A manifest imports one small module; what takes longer does something it should not.
_SLOW_IMPORT_S: Final = 0.1

_REQUIRED: Final = ("pydantic", "httpx", "anyio", "pluggy")
_OF_THE_EXTRA: Final = ("rich", "prompt_toolkit", "argcomplete")

Status: TypeAlias = Literal["ok", "info", "warning", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        status: `broken` is what makes the command fail; a `warning` may be as it should.
        name: What was looked at.
        told: What was found, in words.
        remedy: What mends it.
        traceback: Where it went wrong, for its author.
    """

    status: Status
    name: str
    told: str
    remedy: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Findings that belong together."""

    title: str
    findings: list[Finding]


def run(options: argparse.Namespace) -> int:
    """Runs the command."""
    wanted, model = _wanted(options.provider, options.model)
    sections = [
        Section("Versions", list(_versions())),
        Section("Config file", list(_config())),
        *_providers(wanted, model, is_probing=options.probe or model is not None),
    ]
    is_healthy = all(each.status != "broken" for part in sections for each in part.findings)
    if options.json:
        report = {"healthy": is_healthy, "sections": [asdict(each) for each in sections]}
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(sections, is_healthy=is_healthy, verbose=options.verbose)
    return 0 if is_healthy else 1


def _wanted(provider: str | None, ref: str | None) -> tuple[str | None, str | None]:
    """The one provider to look at, if only one is, and the model to ask."""
    if ref is None:
        return provider, None
    of_model, model = default_registry().resolve(ref)
    if provider not in {None, of_model}:
        raise ConfigurationError(f"{ref} is a model of `{of_model}`, not of `{provider}`.")
    return of_model, model


def _providers(wanted: str | None, model: str | None, *, is_probing: bool) -> Iterable[Section]:
    """What is found of the providers: as plug-ins, with their settings, and as services."""
    registry = default_registry()
    is_named = wanted is not None
    names = checked_names([] if wanted is None else [wanted])
    usable = {record.name for record in registry.records() if record.specs}
    names = [name for name in names if name in usable]
    try:
        registry.config()
        settings = [_settings(name) for name in names]
    except ConfigurationError:
        # Each would say of the file what was said of it above.
        told = "not looked at: the config file comes first"
        names, settings = [], [Finding(status="info", name="all", told=told)]
    # After the settings: a plug-in that keeps secrets may have failed when it was asked for them.
    plug_ins = [
        _plug_in(record)
        for record in registry.records()
        # The record without a name is that of a config file that cannot be read.
        if record.name and wanted in {None, record.name}
    ]
    # What does not work has no settings to speak of, and is told once.
    faulty = {each.name for each in plug_ins if each.status == "broken"}
    names = [name for name in names if name not in faulty]
    yield Section("Plug-ins", plug_ins)
    yield Section("Settings", [each for each in settings if each.name not in faulty])
    yield Section("Services", _services(ask_all(names, reached, "reaching"), is_named=is_named))
    if is_probing:
        answers = ask_all(names, lambda name: probed(name, model), "probing")
        yield Section("Probe", _services(answers, is_named=is_named))


def _versions() -> Iterable[Finding]:
    yield Finding(status="info", name="streamkit-llm", told=__version__)
    system = f"{platform.python_implementation()} on {platform.system()} {platform.machine()}"
    yield Finding(status="info", name="Python", told=f"{platform.python_version()}, {system}")
    for name in (*_REQUIRED, *_OF_THE_EXTRA):
        try:
            yield Finding(status="info", name=name, told=version(name))
        except PackageNotFoundError:
            is_extra = name in _OF_THE_EXTRA
            yield Finding(
                status="warning" if is_extra else "broken",
                name=name,
                told="not installed" + (": the command line is plainer" if is_extra else ""),
                remedy=INSTALL_EXTRA if is_extra else "pip install --upgrade streamkit-llm",
            )


def _config() -> Iterable[Finding]:
    try:
        config = default_registry().config()
    except ConfigurationError as error:
        yield Finding(status="broken", name="config.toml", told=str(error), remedy="mend the file")
        return
    if config.path is None:
        place = config_folder() / "config.toml"
        yield Finding(status="info", name="config.toml", told=f"none; its place is {place}")
        return
    told = [str(config.path)]
    told += [f"[providers.{name}]" for name in config.providers]
    told += [f"alias {name} = {meant}" for name, meant in config.aliases.items()]
    yield Finding(status="ok", name="config.toml", told=" · ".join(told))
    if _holds_secret(config) and _is_open_to_others(config):
        yield Finding(
            status="warning",
            name="config.toml",
            told="it holds a key, and others on this machine can read it",
            remedy=f"chmod 600 {config.path}",
        )
    for name in config.aliases:
        try:
            default_registry().resolve(name)
        except ConfigurationError as error:
            yield Finding(
                status="broken",
                name="config.toml",
                told=str(error),
                remedy=f"correct the alias in {config.path}, or install what it needs",
            )


def _holds_secret(config: Config) -> bool:
    """Whether a key stands in a table, or another setting that its provider calls secret."""
    secrets = {"api_key"}
    for record in default_registry().records():
        secrets |= {each.setting for spec in record.specs for each in spec.env if each.secret}
    return any(secrets & set(table) for table in config.providers.values())


def _is_open_to_others(config: Config) -> bool:
    # Elsewhere the bits of a file's mode say nothing of who may read it.
    if os.name != "posix" or config.path is None:
        return False
    return bool(config.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _plug_in(record: PluginRecord) -> Finding:
    """How a plug-in fared; a provider's class is imported too, as it would be on first use."""
    facts = [f"{record.owner} {record.version or ''}".strip()]
    if record.group == PLUGINS:
        facts.append("a plug-in, no provider")
    facts += [f"contract {spec.api_version}" for spec in record.specs]
    is_slow = record.import_s >= _SLOW_IMPORT_S
    if record.import_s:
        facts.append(f"imported in {record.import_s * 1000:.1f} ms")
    if record.problem is None and record.specs:
        record = _as_loaded(record)
    if record.problem is None and not is_slow:
        return Finding(status="ok", name=record.name, told=" · ".join(facts))
    if record.problem is None:
        facts.append("slow: every command waits for it")
        remedy = f"tell the author of {record.owner} that a manifest imports streamkit.plugin alone"
        return Finding(status="warning", name=record.name, told=" · ".join(facts), remedy=remedy)
    return Finding(
        status="broken",
        name=record.name,
        told=f"{record.problem} ({' · '.join(fact for fact in facts if fact)})",
        remedy=record.remedy,
        traceback=record.traceback,
    )


def _as_loaded(record: PluginRecord) -> PluginRecord:
    """The record once the provider's class is imported: with what is wrong with the class."""
    try:
        made = default_registry().load(record.name)
    except ConfigurationError as error:
        # The registry's own sentence names the plug-in and the remedy, as the finding will.
        return broken(record, error.__cause__ or error)
    problem = _class_problem(made)
    if problem is None:
        return record
    told = f"{record.specs[0].factory} {problem}"
    return broken(record, PluginProblem(told, record.to_mend))


def _class_problem(made: Any) -> str | None:
    """Why no provider can be made of what a plug-in names; a function may make anything."""
    if not isinstance(made, type):
        return None if callable(made) else "is no class"
    if not issubclass(made, HTTPProvider | StreamProvider):
        return "is no provider: it must derive from HTTPProvider or StreamProvider"
    missing = sorted(getattr(made, "__abstractmethods__", ()))
    return f"lacks {', '.join(f'{each}()' for each in missing)}" if isabstract(made) else None


def _settings(name: str) -> Finding:
    """Where each setting comes from; never what it is."""
    try:
        settings = provider_of(name).settings
    except MissingKeyError as error:
        return Finding(status="info", name=name, told=f"not set up: {not_set_up(name, error)}")
    except ConfigurationError as error:
        return _unusable(name, error)
    told = [
        f"{setting} from {source}"
        for setting, source in settings.sources.items()
        if setting != "base_url" or settings.base_url
    ]
    return Finding(status="ok", name=name, told=" · ".join(told) or "needs none")


def _unusable(name: str, error: ConfigurationError) -> Finding:
    """A setting that is wrong, or a provider that cannot be made with its settings."""
    cause = error.__cause__
    record = default_registry().record(name)
    if record is None or cause is None or isinstance(cause, StreamkitError):
        return Finding(status="broken", name=name, told=for_the_shell(str(error)))
    fault = broken(record, cause)
    told = f"it cannot be made: {fault.problem}"
    return Finding(
        status="broken", name=name, told=told, remedy=fault.remedy, traceback=fault.traceback
    )


def _services(found: Iterable[Reached | None], *, is_named: bool) -> list[Finding]:
    return [
        Finding(
            status=_status(each.is_well, is_wanted=is_named or each.is_wanted),
            name=each.name,
            told=each.told,
            remedy=each.remedy,
            traceback=each.detail,
        )
        for each in found
        if each is not None
    ]


def _status(is_well: bool | None, *, is_wanted: bool) -> Status:
    """A server that nobody set up may well be switched off."""
    if is_well is None:
        return "info"
    if is_well:
        return "ok"
    return "broken" if is_wanted else "warning"


_MARKS: Final[dict[Status, tuple[str, str]]] = {
    "ok": ("✓", "32"),
    "info": ("·", "2"),
    "warning": ("!", "33"),
    "broken": ("✗", "31"),
}


def _print(sections: list[Section], *, is_healthy: bool, verbose: bool) -> None:
    for section in sections:
        if not section.findings:
            continue
        write(sys.stdout, f"{section.title}\n")
        width = max(len(each.name) for each in section.findings)
        for each in section.findings:
            told = one_line(printable(each.told), 500)
            told = folded(told, sys.stdout, indent=width + 6)
            print(f"  {_mark(each.status)} {each.name:<{width}}  {told}")
            if each.remedy is not None and each.status in {"warning", "broken"}:
                remedy = folded(printable(each.remedy), sys.stdout, indent=width + 8)
                print(f"    {'':<{width}}  → {remedy}")
            if each.traceback is not None and verbose:
                print(printable(each.traceback).rstrip())
        print()
    count = sum(each.status == "broken" for part in sections for each in part.findings)
    hidden = any(each.traceback for part in sections for each in part.findings) and not verbose
    more = " --verbose shows where." if hidden else ""
    things = "1 thing is" if count == 1 else f"{count} things are"
    print("Nothing is broken." if is_healthy else f"{things} broken.{more}")


def _mark(status: Status) -> str:
    mark, colour = _MARKS[status]
    return f"\033[{colour}m{mark}\033[0m" if is_terminal(sys.stdout) else mark
