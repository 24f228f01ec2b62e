"""What the child process runs: llama.cpp's own HTTP server, for as long as stdin stays open.

The supervisor starts this file by its path with `-I -S`, so it starts fast and imports nothing
beyond the standard library and `xllamacpp`. It reads one JSON line from stdin and answers with one
JSON line on stdout:

    {"library": folder of xllamacpp, "parameters": [[dotted name, value], ...]}
    {"address": "http://127.0.0.1:PORT"}    or    {"import_error": "what the loader said"}

The secret is among the parameters: neither the command line nor the environment shows it. stdin is
the life line: when its other end closes, for whatever reason, this process exits.
"""

import functools
import json
import os
import signal
import sys
from typing import Any


def apply(parameters: Any, name: str, value: Any) -> None:
    """Sets one parameter by its dotted name; a list becomes a set where the parameter is one."""
    *path, last = name.split(".")
    owner = functools.reduce(getattr, path, parameters)
    setattr(owner, last, set(value) if isinstance(getattr(owner, last), set) else value)


def main() -> None:
    """Serves until stdin closes."""
    # Ctrl-C is for the parent: it may want to stop one answer and keep the server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The answer keeps stdout for itself; what native code prints there goes to stderr instead.
    answer = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    settings = json.loads(sys.stdin.buffer.readline())
    sys.path.append(settings["library"])
    try:
        import xllamacpp
    except ImportError as error:
        print(json.dumps({"import_error": str(error)}), file=answer, flush=True)
        raise
    parameters = xllamacpp.CommonParams()
    for name, value in settings["parameters"]:
        apply(parameters, name, value)
    server = xllamacpp.Server(parameters)
    print(json.dumps({"address": server.listening_address}), file=answer, flush=True)
    answer.close()
    sys.stdin.buffer.read()
    # Not a return: a server in the middle of a prompt is not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
