"""What a log for people shows of an error."""

from __future__ import annotations

import subprocess
import sys
import textwrap

SERVICE = textwrap.dedent(
    """
    from dalsegno._log import flush, get_logger
    from dalsegno.cli.logs import configure

    def opened(letter):
        raise ValueError(f"a letter of {len(letter)} characters")

    configure("info", "console")
    words = "the safe's " + "combination"
    try:
        opened(words)
    except ValueError:
        get_logger().exception("it_failed")
    flush()
    """
)


def test_a_traceback_shows_no_local_variables() -> None:
    """Of code that works with what was decrypted, and with passwords and keys."""
    service = [sys.executable, "-c", SERVICE]
    done = subprocess.run(service, capture_output=True, text=True, timeout=60, check=True)
    assert "it_failed" in done.stderr
    assert "a letter of 22 characters" in done.stderr
    assert "the safe's combination" not in done.stderr
