"""`list` and `explain`: the rule book."""

import argparse
import inspect
import json
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from streamkit_conformance.cli.running import chosen_rules
from streamkit_conformance.cli.terminal import say
from streamkit_conformance.gallery import mutants
from streamkit_conformance.gallery.mutant import MUTANTS, Mutant
from streamkit_conformance.rules import all_rules, find
from streamkit_conformance.rules.registry import Rule
from streamkit_conformance.target import TargetError

__all__ = ["explain", "list_rules"]


def list_rules(options: argparse.Namespace) -> int:
    """Shows all rules."""
    rules = all_rules()
    if options.json:
        say(json.dumps([_facts(each) for each in rules], indent=2))
        return 0
    wide = max(len(each.id) for each in rules)
    for each in rules:
        preview = " (preview)" if each.is_preview else ""
        say(f"{each.id:<{wide}}  {each.level:<6}  {each.profile:<10}  {each.statement}{preview}")
    say(f"{len(rules)} rules")
    return 0


def explain(options: argparse.Namespace) -> int:
    """Shows one rule.

    Raises:
        TargetError: There is no such rule.
    """
    found = chosen_rules([options.rule])
    if len(found) > 1:
        raise TargetError(f"{options.rule} is a group: {', '.join(found)}. Name one of them.")
    rule = find(found[0])
    breakers = _breakers(rule)
    if options.json:
        told = [{"name": each.name, "why": each.why, "axis": each.axis} for each in breakers]
        say(json.dumps({**_facts(rule), "source": _source(rule), "mutants": told}, indent=2))
        return 0
    say(f"{rule.id} · {rule.level} · {rule.profile} · since {rule.since}")
    say(f"  {rule.statement}")
    say(f"\nWhy it matters\n  {rule.reason}")
    say("\nOn the wire")
    for line in rule.wire.splitlines():
        say(f"  {line}")
    say("\nWho breaks it")
    for each in breakers:
        axis = f" [{each.axis}]" if each.axis else ""
        say(f"  {each.name}: {each.why}{axis}")
    if not breakers:
        say("  no mutant of the gallery")
    say(f"\nJudged by\n  {_source(rule)}")
    return 0


def _facts(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "group": rule.group,
        "level": rule.level,
        "profile": rule.profile,
        "statement": rule.statement,
        "reason": rule.reason,
        "wire": rule.wire,
        "since": rule.since,
        "is_preview": rule.is_preview,
        "is_live": rule.is_live,
        "capability": rule.capability,
    }


def _source(rule: Rule) -> str:
    judge: Callable[..., Any] | None = rule.judge or rule.inspect
    assert judge is not None
    _, line = inspect.getsourcelines(judge)
    return f"{judge.__module__}:{judge.__name__} (line {line})"


def _breakers(rule: Rule) -> list[Mutant]:
    for module in pkgutil.iter_modules(mutants.__path__):
        import_module(f"{mutants.__name__}.{module.name}")
    return [each for each in MUTANTS.values() if rule.id in each.kills]
