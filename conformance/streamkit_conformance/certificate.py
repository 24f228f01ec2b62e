"""The certificate: what a run found, as a small file in the author's own source package.

It travels with the package, so `streamkit providers` can show it to whoever installed it. It is
the author's word: who doubts it runs the kit.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from streamkit.cli.certificates import CERTIFICATE, Certificate, certificate_of
from streamkit_conformance.report.report import NO_CLAIM, Report, count
from streamkit_conformance.target import TargetError

__all__ = ["certify", "read_certificate"]

FORMAT: Final = 1


def certify(report: Report, package_folder: Path | str) -> Path:
    """Writes what a run found into a package; what it says of other providers there stays.

    Args:
        report: A whole run that is green.
        package_folder: The folder of the import package, with its `__init__.py`.

    Returns:
        The file that was written: `conformance.json`.

    Raises:
        TargetError: There is nothing to certify, or nowhere to; the message says what to do.
    """
    if not report.is_green:
        red = len(report.red) + len(report.all_problems)
        raise TargetError(
            f"{report.target} is not conformant, {red} red: mend or waive it, then certify"
        )
    if report.claim == NO_CLAIM:
        limit = "a live run" if report.is_live else f"a run limited to {report.selection}"
        raise TargetError(f"{limit} claims nothing: certify a whole run")
    folder = Path(package_folder)
    if not (folder / "__init__.py").is_file():
        raise TargetError(
            f"{folder} is no import package: name the folder with your __init__.py in it"
        )
    path = folder / CERTIFICATE
    providers = _others(path)
    providers[report.target] = _facts(report)
    path.write_text(_written(providers), encoding="utf-8")
    return path


def read_certificate(module: str, provider: str) -> Certificate | None:
    """The certificate in an installed package, as `streamkit providers` reads it.

    Args:
        module: The module of the manifest, or the package.
        provider: The provider's name.

    Raises:
        ValueError: There is one, and it cannot be read.
    """
    return certificate_of(module, provider)


def _facts(report: Report) -> dict[str, Any]:
    return {
        "claim": report.claim,
        "revision": report.revision,
        "kit_version": report.kit_version,
        "provider_version": report.subject_version,
        "date": report.started[:10],
        "counts": {str(verdict): number for verdict, number in report.counts.items() if number},
        "rules": {
            rule: {str(verdict): number for verdict, number in count(results).items() if number}
            for rule, results in report.by_rule.items()
        },
        "waivers": [dict(each) for each in report.waivers],
    }


def _others(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return dict(found["providers"])
    except (ValueError, LookupError, TypeError) as error:
        raise TargetError(f"{path} is no certificate: take it away, then certify again") from error


def _written(providers: Mapping[str, Any]) -> str:
    """JSON with one line for each fact and each rule, so that a change is easy to read."""
    lines = [f'{{"format": {FORMAT}, "providers": {{']
    for number, (name, facts) in enumerate(sorted(providers.items()), start=1):
        lines.append(f" {_json(name)}: {{")
        rows = [
            f"  {_json(key)}: {_nested(value) if key == 'rules' else _json(value)}"
            for key, value in facts.items()
        ]
        lines += [",\n".join(rows), " }" + ("," if number < len(providers) else "")]
    return "\n".join([*lines, "}}"]) + "\n"


def _nested(rules: Mapping[str, Any]) -> str:
    rows = [f"   {_json(rule)}: {_json(counts)}" for rule, counts in rules.items()]
    return "{\n" + ",\n".join(rows) + "\n  }"


def _json(value: Any) -> str:
    # The lone half of a pair cannot be written; as an escape most readers would refuse it.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
