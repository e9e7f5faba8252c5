"""A namespace and its processes, started by the command line as a user would; to be killed, frozen, restarted.

Processes write what they say to files of the stack's folder; `Stack.logs` has their ends for failure messages.
Only processes that a stack started, and children of those, are ever signalled.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar, overload

import psutil

from dalsegno.broker.url import open_broker
from dalsegno.client import Client
from tests.system.releases import PRESENT, ROOT, Release

T = TypeVar("T")

LEASE_TTL_SECONDS = 3.0
START_SECONDS = 180.0
"""A host is up in two seconds on an idle machine."""
STOP_SECONDS = 30.0
CLIENT_SECONDS = 60.0
"""For requests of a test's client: longer than any outage that a test brings about."""
LOG_TAIL_CHARACTERS = 6_000


@overload
async def until(state: Callable[[], Awaitable[T]], what: str, *, seconds: float = ...) -> T: ...
@overload
async def until(state: Callable[[], T], what: str, *, seconds: float = ...) -> T: ...
async def until(state: Callable[[], Any], what: str, *, seconds: float = 30.0) -> Any:
    """Wait until `state` tells something true, and return that; TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        told = state()
        told = await told if isinstance(told, Awaitable) else told
        if told:
            return told
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {seconds:g} s it did not happen that {what}")
        await asyncio.sleep(0.02)


class Program:
    """A process of Python, with all its lives and its children; of the command line, as a rule."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        folder: Path,
        env: Mapping[str, str],
        module: str = "dalsegno.cli",
        release: Release = PRESENT,
    ) -> None:
        self.name = name
        self.release = release
        self._command = [str(release.python), "-m", module, *arguments]
        self._log = folder / f"{name}.log"
        self._env = {**os.environ, **env, "PYTHONUNBUFFERED": "1"}
        self._process: subprocess.Popen[bytes] | None = None
        self._log.touch()

    def start(self, *, streams: Path | None = None) -> Self:
        """Begin a life (again); `until_ready` waits for what it takes. `streams`: a file or device for what it
        says instead of its log, and then nobody hears that it is ready."""
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        self._ready_before = self._count_ready()
        with (streams or self._log).open("ab") as log:
            self._process = subprocess.Popen(
                [*guard, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=self._env,
            )
        return self

    # --- what it says ----------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _count_ready(self) -> int:
        return len(re.findall(r"^ready: ", self.log, re.MULTILINE))

    def is_ready(self) -> bool:
        """Whether it (or its newest child) has said so since the last `start` or `kill_child`."""
        if self._count_ready() > self._ready_before:
            return True
        if not self.is_running:
            raise RuntimeError(f"{self.name} ended before it was ready:\n{self.log[-LOG_TAIL_CHARACTERS:]}")
        return False

    async def until_ready(self) -> Self:
        try:
            await until(self.is_ready, f"{self.name} is ready", seconds=START_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it said:\n{self.log[-LOG_TAIL_CHARACTERS:]}") from None
        return self

    def wait_ready(self) -> Self:
        """As `until_ready`, for fixtures without a loop."""
        asyncio.run(self.until_ready())
        return self

    @property
    def host_id(self) -> str:
        """Under which its newest child has started."""
        host_id: str = re.findall(r"^ready: host (\S+)", self.log, re.MULTILINE)[-1]
        return host_id

    # --- its processes ---------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def children(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [child for child in psutil.Process(self.pid).children() if child.is_running()]
        return []

    def child(self) -> psutil.Process:
        """The one that does the work."""
        (child,) = self.children()
        return child

    # --- what is done to it ----------------------------------------------------------------------------------

    def kill_child(self) -> None:
        """SIGKILL what does the work; its parent starts it again, and until then this is not ready."""
        self._ready_before = self._count_ready()
        for child in self.children():
            child.kill()

    def kill(self) -> None:
        """SIGKILL the whole tree, the parent first so that it cannot tidy up. Killing twice is ordinary."""
        if self._process is None:
            return
        children = self.children()
        self._process.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self._process.wait()

    def terminate(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    async def until_ended(self, *, seconds: float = STOP_SECONDS) -> int:
        """The exit code."""
        await until(lambda: not self.is_running, f"{self.name} ends", seconds=seconds)
        assert self._process is not None
        return self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP parent and children: what a frozen machine is to the others."""
        psutil.Process(self.pid).suspend()
        for child in self.children():
            child.suspend()

    def thaw(self) -> None:
        for child in self.children():
            child.resume()
        psutil.Process(self.pid).resume()


class Stack:
    """A namespace with its processes: one host and one worker, unless told otherwise.

    A context manager, to be entered where no event loop runs: in a fixture, as a rule. `modules` are what hosts
    and workers load unless they are started with others; `release` is that of all that is started, unless
    another is given there.
    """

    def __init__(
        self,
        *,
        broker: str,
        database: str,
        folder: Path,
        modules: Sequence[str],
        hosts: int = 1,
        workers: int = 1,
        host_flags: Sequence[str] = (),
        release: Release = PRESENT,
    ) -> None:
        self.broker = broker
        self.database = database
        self.folder = folder
        self.programs: list[Program] = []
        self._modules = list(modules)
        self._host_flags = list(host_flags)
        self._beginning = (hosts, workers)
        self._release = release
        self._env = {
            "ERRANDS_LEDGER": str(self.errands),
            "ORDERS_LEDGER": str(self.ledger),
            "SYSTEM_TRAP": str(self.trap),
        }

    @property
    def ledger(self) -> Path:
        """Where the order example's services book."""
        return self.folder / "orders.db"

    @property
    def errands(self) -> Path:
        """Where the activities of `errands` enter what they do."""
        return self.folder / "errands"

    @property
    def trap(self) -> Path:
        """While this file exists, the code of `rogues` is bad."""
        return self.folder / "trap"

    def __enter__(self) -> Self:
        done = self.initialise(self._release, "--partitions", "16")
        assert done.returncode == 0, done.stderr
        try:
            hosts, workers = self._beginning
            started = [self.host() for _ in range(hosts)] + [self.worker() for _ in range(workers)]
            for program in started:
                program.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for program in reversed(self.programs):
            program.kill()

    # --- processes -------------------------------------------------------------------------------------------

    def initialise(self, release: Release, *flags: str) -> subprocess.CompletedProcess[str]:
        """`dalsegno init`, to its end."""
        where = ["--broker", self.broker, "--database", self.database]
        command = [str(release.python), "-m", "dalsegno.cli", "init", *where, *flags]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    def host(self, *modules: str, flags: Sequence[str] = (), release: Release | None = None) -> Program:
        """Start another host parent with its child."""
        where = ["--broker", self.broker, "--database", self.database]
        given = ["--lease-ttl", str(LEASE_TTL_SECONDS), "--log-format", "json", *self._host_flags, *flags]
        return self.start("host", ["host", *(modules or self._modules), *where, *given], release=release)

    def worker(
        self,
        *modules: str,
        task_queue: str = "default",
        env: Mapping[str, str] | None = None,
        release: Release | None = None,
    ) -> Program:
        given = ["--broker", self.broker, "--task-queue", task_queue, "--log-format", "json"]
        arguments = ["worker", *(modules or self._modules), *given]
        return self.start("worker", arguments, env=env or {}, release=release)

    def start(
        self,
        kind: str,
        arguments: list[str],
        *,
        module: str = "dalsegno.cli",
        env: Mapping[str, str] = MappingProxyType({}),
        release: Release | None = None,
    ) -> Program:
        """Start another process of a `kind`, which is the beginning of its name."""
        number = sum(program.name.startswith(kind) for program in self.programs) + 1
        program = Program(
            f"{kind}-{number}",
            arguments,
            folder=self.folder,
            env={**self._env, **env},
            module=module,
            release=release or self._release,
        )
        self.programs.append(program)
        return program.start()

    @property
    def hosts(self) -> list[Program]:
        return [program for program in self.programs if program.name.startswith("host")]

    @property
    def workers(self) -> list[Program]:
        return [program for program in self.programs if program.name.startswith("worker")]

    @property
    def logs(self) -> list[tuple[str, str]]:
        """The end of what each process said."""
        return [(program.name, program.log[-LOG_TAIL_CHARACTERS:]) for program in self.programs]

    def times_put_away(self, workflow_id: str) -> int:
        """How often a workflow was passivated, as hosts say that log at the level debug."""
        said = f'"workflow_id": "{workflow_id}"'
        lines = (line for host in self.hosts for line in host.log.splitlines())
        return sum(said in line and '"passivated"' in line for line in lines)

    # --- talking to it ---------------------------------------------------------------------------------------

    def client(self) -> Client:
        """To be entered with `async with`. Patient: its requests outlive the outages of these tests."""
        return Client(open_broker(self.broker), timeout=CLIENT_SECONDS)
