"""What the kit adds to the command line `streamkit`."""

from streamkit.plugin import Command, hookimpl


@hookimpl
def streamkit_commands() -> list[Command]:
    """`streamkit conformance` is `streamkit-conformance`."""
    return [
        Command(
            name="conformance",
            help="prove that a provider streams right",
            run="streamkit_conformance.cli:main",
        )
    ]
