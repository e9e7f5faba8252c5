"""The command line of dalsegno with all crash points around its code.

    DALSEGNO_CRASH_AT=committed:3 python -m tests.crash.launch host shop.orders

dies when it passes `committed` for the third time. With `--fork` it becomes the mother of such processes: what
it has imported they need not import, so that they are there in a moment. It reads orders from its standard
input, one JSON document a line, and answers each with the number of the process.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.crash import caller
from tests.crash.crossing import Manner, Page
from tests.crash.points import BY_NAME, number_of, surround_production_code

CRASH_AT = "DALSEGNO_CRASH_AT"
"""<point>[:<passing>]; for people."""
PAGE = "DALSEGNO_CRASH_PAGE"
"""The path of a page, by which a test arms a process while it runs. Children inherit it."""

PR_SET_PDEATHSIG = 1

_kept: list[Any] = []
"""What must not be closed while the process lives."""


def run(arguments: Sequence[str]) -> int:
    """One command line of dalsegno, or of `caller`; the exit code."""
    from dalsegno.cli import serving
    from dalsegno.cli.app import run as run_command_line

    surround_production_code(_page())
    if arguments[0] == "caller":
        return caller.main(arguments[1:])
    # The children of `dalsegno host` are launched as their parent was.
    serving.program = lambda command, modules: [sys.executable, "-m", __spec__.name, command, *modules]
    return run_command_line(list(arguments))


def _page() -> Page:
    if PAGE in os.environ:
        return Page(Path(os.environ[PAGE]))
    file = tempfile.NamedTemporaryFile(prefix="dalsegno-crash-")  # noqa: SIM115 - it is there as long as we are
    _kept.append(file)
    os.environ[PAGE] = file.name
    page = Page.made(Path(file.name))
    if CRASH_AT in os.environ:
        name, _, passing = os.environ[CRASH_AT].partition(":")
        page.arm(number_of(BY_NAME[name]), passing=int(passing or 1), manner=Manner.KILLED)
    return page


# --- the mother of processes ----------------------------------------------------------------------------------


def be_forked() -> None:
    """Until the standard input ends; what was started ends with us."""
    _import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _live(order)
        print(child, flush=True)


def _import_all() -> None:
    import uvloop  # noqa: F401 - imported here so that children need not

    import tests.crash.programs  # noqa: F401


def _live(order: dict[str, Any]) -> NoReturn:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(order["env"])
    _speak_to(order["log"])
    arguments = list(order["arguments"])
    exit_code = 1
    try:
        if "host_id" in order:
            arguments += ["--child", order["host_id"], _pulse_path(order["host_id"]), str(os.getppid())]
        exit_code = run(arguments)
    except BaseException:  # noqa: BLE001 - nothing may return into the loop of the mother
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def _speak_to(log: str) -> None:
    silence = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(silence, 0)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _pulse_path(host_id: str) -> str:
    """As a parent has it; nobody reads this one."""
    from dalsegno.actors.supervisor.parent.pulse import PulseReader

    pulse = PulseReader(host_id)
    _kept.append(pulse)
    return pulse.path


if __name__ == "__main__":
    if sys.argv[1:] == ["--fork"]:
        be_forked()
    else:
        sys.exit(run(sys.argv[1:]))
