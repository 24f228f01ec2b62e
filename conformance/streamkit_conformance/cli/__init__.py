"""The command line `streamkit-conformance`."""

from streamkit_conformance.cli.main import main as main

__all__ = ["main"]
