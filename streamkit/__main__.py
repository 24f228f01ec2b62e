"""`python -m streamkit` is the command `streamkit`."""

from streamkit.cli import main

raise SystemExit(main())
