"""When is a child stuck, and who is to blame? A pure judgement of what its parent sees at each look.

User code that does not yield is blamed when the loop has not beaten for `stuck_seconds` while it is marked as
being in the same user code at two looks, `second_look_seconds` apart. Whatever else may stop a child must blame
nobody, because the strike would count against an innocent workflow:
- A frozen machine freezes the parent too: its looks lie too far apart, and the count begins anew.
- A child that is stopped (SIGSTOP, a debugger, a freezer) or waits for a disk is not running any code.
- A starved child wants to run but gets no CPU: code that loops is blamed once it has had enough of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from dalsegno.actors.supervisor.parent.pulse import Pulse

START_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class WatchdogSettings:
    """All in seconds."""

    look_seconds: float = 0.5
    stuck_seconds: float = 2.0
    second_look_seconds: float = 1.0
    silent_seconds: float = 60.0
    """What a child without a further beat and without a mark is given: a defect of the engine."""
    start_seconds: float = START_SECONDS
    """What a child is given until its first beat: its modules may import a great deal, and may load a model."""
    loop_cpu_seconds: float = 0.5
    """Code that was always found running, never sleeping, is blamed only after it had this much CPU."""

    @property
    def frozen_seconds(self) -> float:
        """Looks that lie further apart than this say that the parent itself did not run."""
        return 3 * self.look_seconds


@dataclass(frozen=True, slots=True)
class ProcessState:
    """`code` as in /proc/<pid>/stat: R runs or wants to, S sleeps, D waits for a disk, T is stopped."""

    code: str
    cpu_seconds: float

    @property
    def cannot_run(self) -> bool:
        return self.code in "DTt"


RUNS_SOMEHOW = ProcessState("S", 0.0)
"""What is assumed where the system does not tell."""


class Verdict(Enum):
    """What the parent should do about its child."""

    WELL = "it beats, or has time left"
    STUCK = "user code does not yield: strike, kill"
    SILENT = "its loop is dead for reasons unknown: kill"
    NEVER_STARTED = "its modules are not imported yet, for longer than a start may take: kill"


class Watchdog:
    """Watches one child from its start at monotonic time `now`."""

    def __init__(self, settings: WatchdogSettings, now: float) -> None:
        self._settings = settings
        self._looked_at = now
        self._pulse = Pulse(0, in_user_code=False)
        self._since = now
        self._cpu_since = 0.0
        self._slept = False
        self._suspected_at: float | None = None
        self._has_begun = False

    @property
    def is_starting(self) -> bool:
        """It has not beaten yet: it imports its modules."""
        return not self._has_begun

    def look(self, now: float, pulse: Pulse, state: ProcessState) -> Verdict:
        """Judge by one more reading; to be called every `look_seconds`."""
        was_frozen = now - self._looked_at > self._settings.frozen_seconds
        has_beaten = pulse.beats != self._pulse.beats
        same_code = (pulse.run_id, pulse.cause) == (self._pulse.run_id, self._pulse.cause)
        self._looked_at, self._pulse = now, pulse
        self._has_begun |= has_beaten
        if has_beaten or was_frozen or state.cannot_run:
            self._begin_anew(now, state.cpu_seconds)
        self._slept |= state.code == "S"
        if not pulse.in_user_code:
            self._suspected_at = None
            return self._judge_silence(now - self._since)
        if now - self._since < self._settings.stuck_seconds:
            return Verdict.WELL
        if self._suspected_at is None or not same_code:
            self._suspected_at = now
        if now - self._suspected_at < self._settings.second_look_seconds or self._is_starved(state):
            return Verdict.WELL
        return Verdict.STUCK

    def _judge_silence(self, seconds: float) -> Verdict:
        if not self._has_begun:
            return Verdict.NEVER_STARTED if seconds >= self._settings.start_seconds else Verdict.WELL
        return Verdict.SILENT if seconds >= self._settings.silent_seconds else Verdict.WELL

    def _begin_anew(self, now: float, cpu_seconds: float) -> None:
        self._since = now
        self._cpu_since = cpu_seconds
        self._slept = False
        self._suspected_at = None

    def _is_starved(self, state: ProcessState) -> bool:
        return not self._slept and state.cpu_seconds - self._cpu_since < self._settings.loop_cpu_seconds


def process_state(pid: int) -> ProcessState:
    """The state of a process and the CPU it has used, where the system has /proc."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return RUNS_SOMEHOW
    fields = line[line.rindex(")") + 2 :].split()  # the name before it may hold anything, even parentheses
    ticks = int(fields[11]) + int(fields[12])
    return ProcessState(fields[0], ticks / os.sysconf("SC_CLK_TCK"))
