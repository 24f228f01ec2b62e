"""The targets of installed providers: tested by name, without a file."""

from streamkit.errors import ConfigurationError
from streamkit.plugin import ProviderSpec, Quirks
from streamkit.registry.discovery import default_registry
from streamkit_conformance.dialects import openai_sse
from streamkit_conformance.target import Conformance, TargetError

__all__ = ["installed_target"]


def installed_target(name: str) -> Conformance:
    """What tests an installed provider.

    Its plug-in says so through the hook `streamkit_conformance_target`; an OpenAI-compatible server
    that is a row of data needs no word.

    Raises:
        TargetError: It is not installed, or nobody says how it is tested.
    """
    registry = default_registry()
    try:
        spec = registry.describe(name)
        given = registry.conformance_target(name)
    except ConfigurationError as error:
        raise TargetError(str(error)) from error
    if given is None and spec.quirks is not None:
        return _compatible(spec, spec.quirks)
    if given is None:
        raise TargetError(
            f"`{name}` does not say how it is tested. Its plug-in can, with the hook "
            "streamkit_conformance_target(spec); or write a file with "
            f'`target = Conformance("{name}", dialect=…)` and run FILE::target.'
        )
    if not isinstance(given, Conformance):
        raise TargetError(
            f"The hook streamkit_conformance_target gave {type(given).__name__} for `{name}` "
            "instead of a Conformance."
        )
    return given


def _compatible(spec: ProviderSpec, quirks: Quirks) -> Conformance:
    fields = quirks.reasoning_fields
    sentinel = "[DONE]" if "terminator" in quirks.evidence else None
    dialect = openai_sse(
        reasoning_field=fields[0] if fields else None, sentinel=sentinel, usage=quirks.include_usage
    )
    return Conformance(spec.name, dialect=dialect)
