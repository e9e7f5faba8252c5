"""The command line, `dalsegno`: see `app` for the commands and `failures` for the exit codes."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run the command that sys.argv names; the exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # While modules load, Ctrl-C ends the process without a word; `command_line` takes it from there.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dalsegno.cli.descriptors import open_missing

    open_missing()
    try:
        from dalsegno.cli.app import run
    except ModuleNotFoundError as error:
        return _without(error)
    return run()


def _without(error: ModuleNotFoundError) -> int:
    """The exit code for a person who must install something, who is told what; else the error goes on."""
    from dalsegno.extras import missing_extra

    missing = missing_extra(error)
    if missing is None:
        raise error
    print(f"dalsegno: {missing}", file=sys.stderr)
    return 2
