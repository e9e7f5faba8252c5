"""The command line, `dalsegno`: see `app` for the commands and `failures` for the exit codes."""

from __future__ import annotations

import signal


def main() -> int:
    """Run the command that sys.argv names; the exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # While modules load, Ctrl-C ends the process without a word; `command_line` takes it from there.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dalsegno.cli.streams import open_missing

    open_missing()
    from dalsegno.cli.app import run

    return run()
