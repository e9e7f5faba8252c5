"""The processes that die, as a test has them: forked by one that has imported everything."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.crash.crossing import Page
from tests.crash.launch import PAGE
from tests.system.stack import ROOT

HASH_SEED = "7"
"""All hosts of a namespace have the same, as their parents would see to."""


class Life:
    """One process, from its start to its end. `page` is where it is armed."""

    def __init__(self, name: str, pid: int, *, page: Page, log: Path, host_id: str = "") -> None:
        self.name = name
        self.pid = pid
        self.page = page
        self._log = log
        self._first_host_id = host_id
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def host_id(self) -> str:
        """A host that lost its leases has joined again under another."""
        joined: list[str] = re.findall(r'"host_id": "([^"]+)", "event": "host_joined"', self.log)
        return joined[-1] if joined else self._first_host_id

    @property
    def is_running(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return (
                self._process is not None
                and self._process.is_running()
                and self._process.status() != psutil.STATUS_ZOMBIE
            )
        return False

    def is_ready(self) -> bool:
        if "ready: " in self.log:
            return True
        if not self.is_running:
            raise RuntimeError(f"{self.name} ended before it was ready:\n{self.log[-4000:]}")
        return False

    def send(self, number: signal.Signals) -> None:
        """To it alone; nothing happens if it has ended."""
        with suppress(psutil.NoSuchProcess):
            if self._process is not None:
                self._process.send_signal(number)

    def kill_with_children(self) -> None:
        """The parent first, so that it cannot tidy up."""
        with suppress(psutil.NoSuchProcess):
            if self._process is not None:
                children = self._process.children()
                self._process.kill()
                for child in children:
                    with suppress(psutil.NoSuchProcess):
                        child.kill()


class Nursery:
    """Starts processes in `folder`. A context manager; what still runs at its end is killed."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = dict(env)
        self._mother: subprocess.Popen[str] | None = None
        self.lives: list[Life] = []

    def __enter__(self) -> Self:
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        self._mother = subprocess.Popen(
            [*guard, sys.executable, "-m", "tests.crash.launch", "--fork"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **self._env, "PYTHONHASHSEED": HASH_SEED},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for life in self.lives:
            life.kill_with_children()
        if self._mother is not None:
            self._mother.kill()
            self._mother.communicate()

    def start(
        self,
        kind: str,
        arguments: Sequence[str],
        *,
        host_id: str = "",
        arm: Callable[[Page], None] = lambda _: None,
    ) -> Life:
        """Begin a life. With a `host_id` it is a host that believes to be the child of a parent. `arm` is done
        to its page before it is there."""
        assert self._mother is not None and self._mother.stdin is not None and self._mother.stdout is not None
        name = f"{kind}-{len(self.lives) + 1}"
        page = self._folder / f"{name}.page"
        log = self._folder / f"{name}.log"
        made = Page.made(page)
        arm(made)
        order = {"arguments": list(arguments), "env": {PAGE: str(page)}, "log": str(log)}
        if host_id:
            order["host_id"] = host_id
        self._mother.stdin.write(json.dumps(order) + "\n")
        self._mother.stdin.flush()
        life = Life(name, int(self._mother.stdout.readline()), page=made, log=log, host_id=host_id)
        self.lives.append(life)
        return life
