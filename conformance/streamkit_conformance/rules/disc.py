"""DISC: a provider is found, described and loaded without harm, before anybody asks it anything.

What importing does can only be seen where nothing was imported: in an interpreter of its own, with
an environment without keys, where every connection is refused.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from streamkit_conformance.rules.registry import inspection
from streamkit_conformance.verdict import PASS, Fail, NotApplicable, Outcome, Untestable

if TYPE_CHECKING:
    from streamkit_conformance.target import Conformance

#: Seconds that the interpreter may take; it takes a third of one.
_PATIENCE_S: Final = 60.0

#: What may be imported only on first use: HTTP clients, and vendors' packages that bring one.
_CLIENTS: Final = (
    "aiohttp",
    "anthropic",
    "httpcore",
    "httpx",
    "httpx2",
    "ollama",
    "openai",
    "requests",
    "urllib3",
)

#: What of the environment the interpreter keeps: where things are, and no key.
_KEPT: Final = (
    "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR",
    "USERPROFILE",
)  # fmt: skip

_LOOK: Final = """
import json, sys
from importlib.metadata import entry_points

name, clients = sys.argv[1], sys.argv[2].split()
found = {"owners": [], "connections": [], "clients": [], "problems": [], "failure": ""}

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        to = [each for each in arguments if isinstance(each, (str, bytes, tuple))]
        found["connections"].append(f"{event} {to[0] if to else ''}")
        raise OSError("nothing may be reached while providers are looked for")

sys.addaudithook(watch)
points = [each for each in entry_points(group="streamkit.providers") if each.name == name]
found["owners"] = sorted({each.dist.name if each.dist else each.value for each in points})
before = {each for each in clients if each in sys.modules}
for point in points[:1]:
    try:
        point.load()
    except BaseException as error:
        found["failure"] = f"{type(error).__name__}: {error}"
found["clients"] = [each for each in clients if each in sys.modules and each not in before]
connections = list(found["connections"])
from streamkit.registry.discovery import default_registry

registry = default_registry()
for record in registry.records():
    if record.name == name and record.problem:
        found["problems"].append(record.problem)
if points and not found["problems"]:
    try:
        registry.load(name)
    except Exception as error:
        found["problems"].append(f"{type(error).__name__}: {error}")
found["connections"] = connections
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of an installed provider, in an interpreter of its own.

    Attributes:
        owners: The distributions that have an entry point of its name.
        problems: What the registry says is wrong with it.
        failure: What importing its manifest raised.
        connections: What its manifest tried to reach.
        clients: The HTTP clients that its manifest imported.
        trouble: Why nothing could be seen.
    """

    owners: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    failure: str = ""
    connections: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    trouble: str = field(default="", kw_only=True)


@cache
def look_at(name: str) -> Look:
    """Looks for an installed provider as a fresh interpreter sees it."""
    environment = {each: os.environ[each] for each in _KEPT if each in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(each for each in sys.path if each)
    environment["STREAMKIT_CONFIG"] = os.devnull  # the user's own settings are no part of it
    command = [sys.executable, "-c", _LOOK, name, " ".join(_CLIENTS)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Look(trouble=f"no interpreter could look: {error}")
    if done.returncode:
        return Look(trouble=f"the interpreter that looked for it ended: {done.stderr[-500:]}")
    return _read(done.stdout)


def _read(output: str) -> Look:
    # What the manifest itself prints stands before it.
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return Look(
        tuple(found["owners"]),
        tuple(found["problems"]),
        found["failure"],
        tuple(found["connections"]),
        tuple(found["clients"]),
    )


def judge_listing(look: Look) -> Outcome:
    """Whether a provider is found and works, as far as can be seen without asking it."""
    if len(look.owners) > 1:
        owners = " and ".join(look.owners)
        return Fail("two distributions have a provider of this name", "one", owners)
    if look.failure:
        return Fail("its manifest cannot be imported", "no exception", look.failure)
    if look.problems:
        problem = "; ".join(look.problems)
        return Fail("it is found and something is wrong with it", "no problem", problem)
    return PASS


def judge_import(look: Look) -> Outcome:
    """Whether looking for a provider costs and touches nothing."""
    if look.failure:
        return Fail("its manifest needs something to be imported", "no exception", look.failure)
    if look.connections:
        reached = "; ".join(look.connections)
        return Fail("importing its manifest reaches for the network", "no connection", reached)
    if look.clients:
        names = ", ".join(look.clients)
        return Fail("its manifest imports an HTTP client", "streamkit.plugin alone", names)
    return PASS


@inspection(
    "SK-DISC-001",
    statement="An installed provider's entry point loads, its hooks have the right names and "
    "parameters, its class can be imported, and no other distribution has its name.",
    reason="A misspelt hook is not called and says nothing: the provider is installed and cannot "
    "be found. Of two with one name nobody knows which one answers.",
    wire='[project.entry-points."streamkit.providers"]\nacme = "streamkit_acme"\n'
    "expected: `streamkit doctor` has nothing to say about acme",
)
def _listed(target: "Conformance") -> Outcome:
    look = _installed(target)
    return judge_listing(look) if isinstance(look, Look) else look


@inspection(
    "SK-DISC-002",
    statement="Importing an installed provider's manifest needs no key, reaches for no network and "
    "imports no HTTP client.",
    reason="Everything that lists providers imports every manifest: one that builds a client costs "
    "each command of each user a tenth of a second, and one that needs a key breaks them all.",
    wire="import streamkit_acme  (without ACME_API_KEY, without a network)\n"
    "expected: nothing is raised, httpx is not imported",
)
def _imported(target: "Conformance") -> Outcome:
    look = _installed(target)
    return judge_import(look) if isinstance(look, Look) else look


def _installed(target: "Conformance") -> Look | Outcome:
    if not isinstance(target.subject, str):
        return NotApplicable("the subject is no installed plug-in")
    look = look_at(target.subject)
    if look.trouble:
        return Untestable(look.trouble)
    if not look.owners:
        return NotApplicable(f"`{target.subject}` is no plug-in but a row of the config file")
    return look
