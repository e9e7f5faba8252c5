"""Ctrl-C while the code of a workflow is rehearsed."""

from __future__ import annotations

import subprocess
import sys

REHEARSING = """
import os, signal
from dalsegno.cli.upgrade import _bounded
with _bounded(60, "order-1", "Order"):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            pass
    except BaseException:
        print("taken for a bug of the workflow")
"""


def test_it_ends_the_rehearsal_and_is_no_bug_of_the_workflow() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REHEARSING], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
