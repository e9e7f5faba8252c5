"""The command line as its users have it: a process for each command, in a folder of its own."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar

import psutil

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
"""A host is up in two seconds on an idle machine."""
ANSWER_SECONDS = "60"
"""For commands that are expected to be answered."""

RUN_SECONDS = 100.0

_processes = multiprocessing.get_context("forkserver")
"""Commands are processes of their own, forked from one that has loaded what they need: that is half of their
time."""
_processes.set_forkserver_preload(
    [
        "__main__",
        "typer._adapters",
        "alembic.command",
        "dalsegno.cli.serving",
        "dalsegno.cli.namespace",
        "dalsegno.cli.app",
        "dalsegno.cli.cluster",
        "dalsegno.cli.workflows",
    ]
)

_NOT_INHERITED = ("DALSEGNO_", "ORDERS_", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE")
"""Settings, and what would have every host compile all of its code anew."""


def until(state: Callable[[], T], what: str, *, seconds: float = 30.0) -> T:
    """Wait until `state` tells something true, and return that; TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (told := state()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {seconds:g} s it did not happen that {what}")
        time.sleep(0.05)
    return told


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    exit_code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        """Standard output, each line of which is one JSON document."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> Any:
        (document,) = self.documents
        return document

    @property
    def sentence(self) -> str:
        """What went wrong: one line on standard error, and nothing else there."""
        (line,) = self.err.splitlines()
        assert line.startswith("dalsegno: "), line
        assert "Traceback" not in line
        return line.removeprefix("dalsegno: ")


def _command(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path
) -> NoReturn:
    """Be a command line's process, which begins in `folder` with that environment and those outputs."""
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    from dalsegno.cli.app import run

    exit_code = run(list(arguments))
    # multiprocessing ends its processes without it: what was printed is written there.
    atexit._run_exitfuncs()
    sys.exit(exit_code)


class Shell:
    """A folder in which commands are run. It reads no settings but those given here."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        self.environment = {**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **settings}

    def run(self, *arguments: str, **settings: str) -> Done:
        """One command, from its beginning to its end."""
        out, err = self.folder / "command.out", self.folder / "command.err"
        environment = {**self.environment, **settings}
        process = _processes.Process(target=_command, args=(arguments, self.folder, environment, out, err))
        process.start()
        process.join(RUN_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"dalsegno {' '.join(arguments)} did not end: {err.read_text()}")
        return Done(process.exitcode, out.read_text(), err.read_text())

    def python(self, program: str) -> Done:
        """A program of the folder, from its beginning to its end, by itself: it may be slow to load."""
        done = subprocess.run(
            [sys.executable, program],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, err: int | None = None, **settings: str) -> Program:
        """One command that goes on; `err` is a descriptor for what it says there, instead of a file."""
        return Program(self, arguments, settings, err)


class Program:
    """A command that goes on until it is stopped: host, worker, dev. A context manager that leaves nothing."""

    def __init__(
        self, shell: Shell, arguments: Sequence[str], settings: dict[str, str], error: int | None = None
    ) -> None:
        self.shell = shell
        self._out = shell.folder / f"{arguments[0]}.out"
        self._err = shell.folder / f"{arguments[0]}.err"
        self._family: dict[int, psutil.Process] = {}
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                # With -P, as for the installed program: the folder does not come before the standard library.
                [sys.executable, "-P", "-m", "dalsegno.cli", *arguments],
                cwd=shell.folder,
                env={**shell.environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err if error is None else error,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill whatever is left of it; a test that cares for an orderly end has asked for one before."""
        self.children()
        self.process.kill()
        self.process.wait()
        for child in self._family.values():
            with suppress(psutil.NoSuchProcess):
                child.kill()

    # --- what it says ----------------------------------------------------------------------------------------

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def logged(self) -> list[dict[str, Any]]:
        """What it has logged as JSON; a line that is being written is left out."""
        return [json.loads(line) for line in self.err.splitlines(keepends=True) if line.endswith("\n")]

    def ready(self, what: str = "") -> list[str]:
        """The lines that say that something serves, in their order."""
        return re.findall(rf"^ready: {what}.*$", self.out, re.MULTILINE)

    def wait_ready(self, *whats: str, times: int = 1) -> Self:
        for what in whats:
            until(
                lambda what=what: len(self.ready(what)) >= times or self._must_run(),  # type: ignore[misc]
                f"{what} is ready for the {times}. time",
                seconds=START_SECONDS,
            )
        return self

    def _must_run(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.err}"
        return False

    # --- what is done to it ----------------------------------------------------------------------------------

    def children(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self._family[child.pid] = child
        return [child for child in self._family.values() if child.is_running()]

    def host_process(self) -> psutil.Process:
        """The newest host that said that it is ready."""
        (pid,) = re.findall(r"\(process (\d+)\)", self.ready("host")[-1])
        return psutil.Process(int(pid))

    def signal(self, number: signal.Signals) -> None:
        self.children()
        self.process.send_signal(number)

    def wait(self, *, seconds: float = 40.0) -> int:
        """The exit code, when it has ended; then none of its children is left."""
        exit_code = self.process.wait(seconds)
        until(lambda: not self.children(), "its children have ended")
        return exit_code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()
