"""The command line, `dalsegno`: see `app` for the commands and `failures` for the exit codes."""

from __future__ import annotations


def main() -> int:
    """Run the command that sys.argv names; the exit code."""
    from dalsegno.cli.app import run

    return run()
