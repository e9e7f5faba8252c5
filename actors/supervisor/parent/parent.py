"""The parent process: starts children, watches them, restarts them, and stops them.

It has no event loop, runs no user code, and holds nothing that a crash could harm: a plain loop that looks at
its children twice a second. Restarts are one for one. What a dead host leaves is settled before another starts:

1. It is dead for certain (killed and waited for), so what its pulse shows now is what it died of.
2. Died in user code, by the watchdog or by its own doing: a strike against (run, cause, code). At the second
   one the next host with that code suspends that instance instead of running it. Blaming the dead is exact: if
   the code had yielded between the verdict and the kill, the mark would be gone.
3. Its host row is deleted, so its partitions are free to take at once, and not only when its lease runs out.

A child that says that a person must help (exit code 2) leaves its siblings alone: they may have begun before
there was a reason, as hosts of the version before do in an upgrade. It is tried again, ever more rarely. Where
all of a spec are refused, nothing is left to supervise.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.restart_intensity import Intensity
from dalsegno.actors.supervisor.failing.strikes import struck_point
from dalsegno.actors.supervisor.parent.child import Child, ChildSpec
from dalsegno.actors.supervisor.parent.pulse import Pulse
from dalsegno.actors.supervisor.parent.signals import Signals
from dalsegno.actors.supervisor.parent.watchdog import Verdict, WatchdogSettings
from dalsegno.backoff import doubled
from dalsegno.errors import DalsegnoError
from dalsegno.persistence.port import Membership

log = get_logger("dalsegno.parent")

CONFIGURATION_ERROR = 2
"""The exit code of a child that a person must help. It has said itself what is wrong."""
UNSUSPICIOUS = frozenset({0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
"""Exit codes of children that somebody else asked to stop. SIGKILL is none: it is what the kernel sends when
code eats all the memory."""
KILLED = 1
"""Our own exit code when a child did not stop when asked."""


@dataclass(frozen=True, slots=True)
class ParentSettings:
    """Times in seconds."""

    stop_seconds: float = 10.0
    """What the children of a spec are given to drain before they are killed."""
    intensity: Intensity = field(
        default_factory=lambda: Intensity(
            restarts=5, period_seconds=60.0, initial_delay_seconds=1.0, maximum_delay_seconds=60.0
        )
    )
    watchdog: WatchdogSettings = field(default_factory=WatchdogSettings)


class Parent:
    """Supervises the children of `specs`, for `dalsegno host` and `dalsegno dev`.

    `membership` opens a connection to write strikes and to delete host rows; it is used and closed again after
    each death. `hash_seed` is the namespace's: sets in user code iterate alike in all its processes.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        membership: Callable[[], Membership],
        hash_seed: int,
        settings: ParentSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or ParentSettings()
        self._membership = membership
        self._environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        self._clock = clock
        self._groups = [[self._child(spec, number) for number in range(spec.processes)] for spec in specs]

    @property
    def children(self) -> list[Child]:
        return [child for group in self._groups for child in group]

    def run(self) -> int:
        """Until a signal asks to stop, or all children of a spec are refused; the exit code."""
        with Signals() as signals:
            return self.supervise(signals)

    def supervise(self, signals: Signals, *, until: Callable[[], bool] = lambda: False) -> int:
        """As `run`, with signals that are handled already, and until something holds, too."""
        exit_code = self.look()
        while exit_code is None and not signals.stop_requests and not until():
            signals.wait(self._settings.watchdog.look_seconds)
            exit_code = self.look()
        return max(exit_code or 0, self.stop(signals))

    def look(self) -> int | None:
        """One look at all children: start those that are due, see to those that ended or are stuck.

        Returns the exit code with which to stop, if it is not worth while to go on.
        """
        for group in self._groups:
            refused = [child for child in group if self._look_at(child)]
            if all(child.is_refused for child in group):
                return CONFIGURATION_ERROR
            for child in refused:
                if child.refusals == 1:  # from then on it says itself what is wrong
                    log.error("child_refused", child=child.name, hint="the others go on, and it is tried again")
        return None

    def _look_at(self, child: Child) -> bool:
        """True if it was refused just now."""
        if child.process is None:
            if self._clock() >= child.restart_at:
                self._start(child)
        elif (exit_code := child.process.poll()) == CONFIGURATION_ERROR and not _is_of_user_code(child):
            self._settle(child, is_crash=False)
            self._refused(child)
            return True
        elif exit_code is not None:
            pid = child.process.pid
            self._settle(child, is_crash=exit_code not in UNSUSPICIOUS)
            self._restart_later(child)
            log.warning("child_died", child=child.name, pid=pid, exit_code=exit_code)
        elif (verdict := child.look(self._clock())) is not Verdict.WELL:
            self._put_down(child, verdict)
        return False

    def stop(self, signals: Signals) -> int:
        """Ask the children to stop, those of the last spec first; kill those that don't, or all at once when
        we are asked again. Returns 0, or KILLED."""
        exit_code = 0
        for group in reversed(self._groups):
            running = [child for child in group if child.is_alive()]
            for child in running:
                child.terminate()
            self._wait_for(running, signals)
            for child in running:
                if child.is_alive():
                    child.kill()
                    exit_code = KILLED
                    log.warning("child_killed", child=child.name, reason="it did not stop when asked")
                if child.exit_code != 0:
                    self._expire(child)
        for child in self.children:
            child.close()
        return exit_code

    def _wait_for(self, children: Sequence[Child], signals: Signals) -> None:
        deadline = self._clock() + self._settings.stop_seconds
        while any(child.is_alive() for child in children) and signals.stop_requests < 2:
            remaining = deadline - self._clock()
            if remaining <= 0:
                return
            signals.wait(min(0.5, remaining))

    # --- lives and deaths ------------------------------------------------------------------------------------

    def _child(self, spec: ChildSpec, number: int) -> Child:
        name = spec.name if spec.processes == 1 else f"{spec.name}.{number}"
        return Child(spec, name, intensity=self._settings.intensity, watchdog=self._settings.watchdog)

    def _start(self, child: Child) -> None:
        try:
            child.start(self._clock(), self._environment)
        except OSError as error:
            self._restart_later(child)
            log.error("child_not_started", child=child.name, reason=str(error))

    def _put_down(self, child: Child, verdict: Verdict) -> None:
        """Code that does not yield is struck at most twice for one cause, so its death is no reason to wait."""
        at = child.stuck_at() if verdict is Verdict.STUCK else None
        child.kill()
        log.warning("child_killed", child=child.name, reason=child.why(verdict, self._clock()), at=at)
        has_struck = self._settle(child, is_crash=True)
        if has_struck and verdict is Verdict.STUCK:
            self._start(child)
        else:
            self._restart_later(child)

    def _restart_later(self, child: Child) -> None:
        """Beyond the restart intensity the child is given the longest pause; the parent itself never gives up,
        because its other children are well."""
        child.process = None
        child.refusals = 0
        delay = child.failures.failed(self._clock())
        if delay is None:
            delay = self._settings.intensity.maximum_delay_seconds
            child.restart_at = self._clock() + delay
            log.error("restart_intensity_exceeded", child=child.name, next_start_in_seconds=delay)
            return
        child.restart_at = self._clock() + delay

    def _refused(self, child: Child) -> None:
        intensity, now = self._settings.intensity, self._clock()
        if now - child.started_at > intensity.maximum_delay_seconds:
            child.refusals = 0  # it was well for a while
        child.process = None
        first, longest = intensity.initial_delay_seconds, intensity.maximum_delay_seconds
        child.restart_at = now + doubled(first, longest, child.refusals)
        child.refusals += 1

    def _settle(self, child: Child, *, is_crash: bool) -> bool:
        """See the module. True if a strike was written."""
        if not child.spec.is_host:
            return False
        pulse = child.pulse.read()
        has_struck = is_crash and pulse.in_user_code and self._strike(pulse)
        self._expire(child)
        return has_struck

    def _strike(self, pulse: Pulse) -> bool:
        """Without a database there is no strike; then the code is tried once more than it should be."""
        if not pulse.run_id:
            log.error("strike_without_run", cause=pulse.cause)
            return False
        try:
            with closing(self._membership()) as membership:
                count = membership.strike(pulse.run_id, struck_point(pulse.cause, pulse.code))
        except DalsegnoError as error:
            log.error("strike_not_written", run_id=pulse.run_id, cause=pulse.cause, reason=str(error))
            return False
        log.warning("strike_written", run_id=pulse.run_id, cause=pulse.cause, count=count)
        return True

    def _expire(self, child: Child) -> None:
        """Without a database the row runs out by itself."""
        host_id = child.host_id
        if not host_id:
            return
        try:
            with closing(self._membership()) as membership:
                membership.expire(host_id)
        except DalsegnoError as error:
            log.warning("host_row_not_deleted", host_id=host_id, reason=str(error))


def _is_of_user_code(child: Child) -> bool:
    """Whether it ended within workflow code, which may end a process with any code."""
    return child.spec.is_host and child.pulse.read().in_user_code
