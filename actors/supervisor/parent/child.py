"""A child process of the parent: what it is (its spec), and one life of it after another."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.restart_intensity import Intensity, RestartHistory
from dalsegno.actors.supervisor.host_id import new_host_id
from dalsegno.actors.supervisor.parent import stack
from dalsegno.actors.supervisor.parent.pulse import PulseReader
from dalsegno.actors.supervisor.parent.watchdog import Verdict, Watchdog, WatchdogSettings, process_state

log = get_logger("dalsegno.parent")


SLOW_START_SECONDS = 60.0
"""After which the parent says, and says again, that a child still imports its modules."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What the command of one life of a child is made from; all of it is new for each life.

    `pulse_path` is for `PulseWriter.open`. The child ends when its parent is not `parent_pid` any more.
    """

    host_id: str
    pulse_path: str
    parent_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """`processes` children of one kind. A host has a pulse, a row in `hosts`, and user code to blame."""

    name: str
    command: Callable[[Launch], Sequence[str]]
    processes: int = 1
    is_host: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


class Child:
    """One of a spec's processes. `process` is None between two lives; `restart_at` says when the next begins.

    After a death the page of the pulse stays readable until the next start.
    """

    def __init__(self, spec: ChildSpec, name: str, *, intensity: Intensity, watchdog: WatchdogSettings) -> None:
        self.spec = spec
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.restart_at = float("-inf")
        self.failures = RestartHistory(intensity)
        self.refusals = 0
        """How often in a row it has ended because a person must help."""
        self.started_at = 0.0
        self.pulse = PulseReader()
        self._watchdog_settings = watchdog
        self._watchdog = Watchdog(watchdog, 0.0)
        self._tell_start_at = float("inf")

    def start(self, now: float, environment: Mapping[str, str]) -> None:
        """Begin a new life at monotonic time `now`, under a new host ID. OSError if it cannot be started."""
        self.pulse.close()
        host_id = new_host_id()
        self.pulse = PulseReader(host_id)
        self._watchdog = Watchdog(self._watchdog_settings, now)
        self.started_at = now
        self._tell_start_at = now + SLOW_START_SECONDS
        launch = Launch(host_id, self.pulse.path, os.getpid())
        self.process = subprocess.Popen(
            list(self.spec.command(launch)),
            env={**environment, **self.spec.environment},
            stdin=subprocess.DEVNULL,
            pass_fds=(self.pulse.fd,),
            # A Ctrl-C in the terminal is for the parent, who then asks its children to stop. And where
            # processors are shared by session (Linux's autogroups), the host has a share of its own.
            start_new_session=True,
        )
        log.info("child_started", child=self.name, pid=self.process.pid, host_id=self.host_id)

    @property
    def is_refused(self) -> bool:
        return self.process is None and self.refusals > 0

    @property
    def host_id(self) -> str:
        """The ID under which it has last joined; not that of its start, if it lost its leases since. Empty
        for a child that is no host."""
        return self.pulse.read().host_id if self.spec.is_host else ""

    def look(self, now: float) -> Verdict:
        if self.process is None or not self.spec.is_host:
            return Verdict.WELL
        verdict = self._watchdog.look(now, self.pulse.read(), process_state(self.process.pid))
        if verdict is Verdict.WELL and self._watchdog.is_starting and now >= self._tell_start_at:
            self._tell_start_at = now + SLOW_START_SECONDS
            log.warning(
                "child_starts_slowly",
                child=self.name,
                pid=self.process.pid,
                reason=self.why(Verdict.NEVER_STARTED, now),
                killed_after_seconds=self._watchdog_settings.start_seconds,
            )
        return verdict

    def why(self, verdict: Verdict, now: float) -> str:
        """The verdict for people."""
        if verdict is not Verdict.NEVER_STARTED:
            return str(verdict.value)
        return f"it has been importing for {now - self.started_at:.0f} s"

    def stuck_at(self) -> str | None:
        """File and line of the user code that runs now, if it tells. It is to be killed then, see `stack`."""
        if self.process is None or self.process.poll() is not None:
            return None
        return stack.innermost(stack.ask(self.process.pid, self.pulse.fd))

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Negative for a signal; None while it runs, or when there is no process."""
        return None if self.process is None else self.process.poll()

    def terminate(self) -> None:
        """SIGTERM: a host drains, a worker finishes what it has."""
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """SIGKILL, and wait for the end: it comes at once, even to a stopped process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        self.pulse.close()
