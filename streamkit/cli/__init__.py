"""The command `streamkit`."""

from streamkit.cli.main import main as main
