"""`streamkit doctor`: what is installed, what is wrong with it, and what mends it."""

import argparse
import json
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal, TypeAlias

from streamkit import __version__
from streamkit.cli.reach import Reached, probed, reached
from streamkit.cli.services import ask_all, checked_names, not_set_up, provider_of
from streamkit.cli.terminal import INSTALL_EXTRA, is_terminal, one_line, printable, write
from streamkit.config_file import config_folder
from streamkit.errors import ConfigurationError
from streamkit.registry.discovery import PLUGINS, default_registry
from streamkit.registry.records import PluginRecord

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
    names = checked_names([options.provider] if options.provider else [])
    usable = [record.name for record in default_registry().records() if record.specs]
    names = [name for name in names if name in usable]
    is_named = options.provider is not None
    settings = [_settings(name) for name in names]
    # After the settings: a plug-in that keeps secrets may have failed when it was asked for them.
    records = [
        record for record in default_registry().records() if options.provider in {None, record.name}
    ]
    sections = [
        Section("Versions", list(_versions())),
        Section("Config file", [_config()]),
        Section("Plug-ins", [_plug_in(record) for record in records]),
        Section("Settings", settings),
        Section("Services", _services(ask_all(names, reached, "reaching"), is_named=is_named)),
    ]
    if options.probe:
        answers = ask_all(names, probed, "probing")
        sections.append(Section("Probe", _services(answers, is_named=is_named)))
    is_healthy = all(each.status != "broken" for part in sections for each in part.findings)
    if options.json:
        report = {"healthy": is_healthy, "sections": [asdict(each) for each in sections]}
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(sections, is_healthy=is_healthy, verbose=options.verbose)
    return 0 if is_healthy else 1


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


def _config() -> Finding:
    try:
        config = default_registry().config()
    except ConfigurationError as error:
        return Finding(status="broken", name="config.toml", told=str(error))
    if config.path is None:
        place = config_folder() / "config.toml"
        return Finding(status="info", name="config.toml", told=f"none; its place is {place}")
    told = [str(config.path)]
    told += [f"[providers.{name}]" for name in config.providers]
    told += [f"alias {name} = {meant}" for name, meant in config.aliases.items()]
    return Finding(status="ok", name="config.toml", told=" · ".join(told))


def _plug_in(record: PluginRecord) -> Finding:
    """How a plug-in fared; a provider's class is imported too, as it would be on first use."""
    facts = [f"{record.owner} {record.version or ''}".strip()]
    if record.group == PLUGINS:
        facts.append("a plug-in, no provider")
    facts += [f"contract {spec.api_version}" for spec in record.specs]
    is_slow = record.import_s >= _SLOW_IMPORT_S
    if record.import_s:
        facts.append(f"imported in {record.import_s * 1000:.1f} ms")
    problem, remedy = record.problem, record.remedy
    if problem is None and record.specs:
        problem, remedy = _class_problem(record.name), f"pip install --upgrade {record.owner}"
    if problem is None and not is_slow:
        return Finding(status="ok", name=record.name, told=" · ".join(facts))
    if problem is None:
        facts.append("slow: every command waits for it")
        remedy = f"tell the author of {record.owner} that a manifest imports streamkit.plugin alone"
        return Finding(status="warning", name=record.name, told=" · ".join(facts), remedy=remedy)
    return Finding(
        status="broken",
        name=record.name or record.group,
        told=f"{problem} ({' · '.join(facts)})",
        remedy=remedy,
        traceback=record.traceback,
    )


def _class_problem(name: str) -> str | None:
    try:
        default_registry().load(name)
    except ConfigurationError as error:
        return str(error)
    return None


def _settings(name: str) -> Finding:
    """Where each setting comes from; never what it is."""
    try:
        settings = provider_of(name).settings
    except ConfigurationError as error:
        return Finding(status="info", name=name, told=f"not set up: {not_set_up(name, error)}")
    told = [
        f"{setting} from {source}"
        for setting, source in settings.sources.items()
        if setting != "base_url" or settings.base_url
    ]
    return Finding(status="ok", name=name, told=" · ".join(told) or "needs none")


def _services(found: Iterable[Reached | None], *, is_named: bool) -> list[Finding]:
    return [
        Finding(
            status=_status(each.is_well, is_wanted=is_named or each.is_set_by_user),
            name=each.name,
            told=each.told,
            remedy=each.remedy,
        )
        for each in found
        if each is not None
    ]


def _status(is_well: bool, *, is_wanted: bool) -> Status:
    """A server that nobody set up may well be switched off."""
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
            print(f"  {_mark(each.status)} {each.name:<{width}}  {told}")
            if each.remedy is not None and each.status in {"warning", "broken"}:
                print(f"    {'':<{width}}  → {printable(each.remedy)}")
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
