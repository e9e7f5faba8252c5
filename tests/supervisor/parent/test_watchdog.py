"""Who is blamed when a loop does not beat, and who is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from dalsegno.actors.supervisor.parent.pulse import Pulse
from dalsegno.actors.supervisor.parent.watchdog import (
    ProcessState,
    Verdict,
    Watchdog,
    WatchdogSettings,
    process_state,
)
from tests.servers import wait_until

SETTINGS = WatchdogSettings()
CODE = Pulse(7, in_user_code=True, run_id="run-1", cause="signal")
OTHER_CODE = Pulse(7, in_user_code=True, run_id="run-2", cause="signal")
ENGINE = Pulse(7, in_user_code=False)
SLEEPS = ProcessState("S", 1.0)


class Watched:
    """A watchdog that is looked at every half second; `cpu_share` is what the child gets of each."""

    def __init__(self, *, has_begun: bool = True) -> None:
        self.now = 100.0
        self.cpu = 5.0
        self.watchdog = Watchdog(SETTINGS, self.now)
        if has_begun:
            self.look(ENGINE)

    def look(self, pulse: Pulse, code: str = "R", *, cpu_share: float = 1.0, after: float = 0.5) -> Verdict:
        self.now += after
        self.cpu += after * cpu_share
        return self.watchdog.look(self.now, pulse, ProcessState(code, self.cpu))

    def seconds_until(
        self, verdict: Verdict, pulse: Pulse, code: str = "R", *, cpu_share: float = 1.0
    ) -> float:
        began = self.now
        while self.look(pulse, code, cpu_share=cpu_share) is not verdict:
            assert self.now - began < 1200, f"never {verdict}"
        return self.now - began


def beats(number: int, pulse: Pulse = CODE) -> Pulse:
    return Pulse(number, pulse.in_user_code, pulse.run_id, pulse.cause)


def test_code_that_loops_is_stuck_after_two_looks() -> None:
    assert Watched().seconds_until(Verdict.STUCK, CODE) == 3.0


def test_code_that_blocks_in_a_call_is_stuck_after_two_looks() -> None:
    assert Watched().seconds_until(Verdict.STUCK, CODE, "S", cpu_share=0.0) == 3.0


def test_a_loop_that_beats_is_well_however_long_it_runs_user_code() -> None:
    watched = Watched()

    assert all(watched.look(beats(n)) is Verdict.WELL for n in range(8, 300))


def test_other_code_at_the_second_look_is_given_a_second_look_of_its_own() -> None:
    watched = Watched()
    for _ in range(5):
        assert watched.look(CODE) is Verdict.WELL

    assert watched.seconds_until(Verdict.STUCK, OTHER_CODE) == 1.5


def test_code_that_yields_between_the_looks_is_not_blamed() -> None:
    watched = Watched()
    for _ in range(5):
        assert watched.look(CODE) is Verdict.WELL

    assert watched.look(ENGINE) is Verdict.WELL
    assert watched.look(CODE) is Verdict.WELL
    assert watched.look(CODE) is Verdict.WELL


def test_when_the_parent_itself_was_frozen_the_count_begins_anew() -> None:
    watched = Watched()
    for _ in range(5):
        watched.look(CODE)

    assert watched.look(CODE, after=30.0) is Verdict.WELL
    assert watched.seconds_until(Verdict.STUCK, CODE) == 3.0


def test_a_child_that_is_stopped_is_never_blamed_and_has_its_time_when_it_goes_on() -> None:
    for stopped in "TtD":
        watched = Watched()
        assert all(watched.look(CODE, stopped) is Verdict.WELL for _ in range(300))
        assert watched.look(CODE, "S") is Verdict.WELL
        assert watched.look(beats(8), "S") is Verdict.WELL


def test_a_starved_child_is_blamed_only_after_it_has_had_some_cpu() -> None:
    assert Watched().seconds_until(Verdict.STUCK, CODE, cpu_share=0.02) >= SETTINGS.loop_cpu_seconds / 0.02
    assert Watched().seconds_until(Verdict.STUCK, CODE, cpu_share=0.125) == 4.0


def test_a_loop_that_is_silent_outside_of_user_code_is_given_a_minute() -> None:
    watched = Watched()
    began = watched.now

    assert watched.seconds_until(Verdict.SILENT, ENGINE) == SETTINGS.silent_seconds
    assert watched.now - began == SETTINGS.silent_seconds


def test_a_child_that_never_beats_has_the_patience_of_a_start_and_a_verdict_of_its_own() -> None:
    watched = Watched(has_begun=False)

    assert watched.seconds_until(Verdict.NEVER_STARTED, Pulse(0, in_user_code=False)) == SETTINGS.start_seconds


def test_a_child_that_has_beaten_once_has_no_more_patience_than_others() -> None:
    watched = Watched(has_begun=False)
    for _ in range(600):
        assert watched.look(Pulse(0, in_user_code=False)) is Verdict.WELL
    watched.look(Pulse(1, in_user_code=False))

    assert watched.seconds_until(Verdict.SILENT, Pulse(1, in_user_code=False)) == SETTINGS.silent_seconds


def test_the_state_of_a_process_tells_stopped_from_running() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        wait_until(lambda: process_state(child.pid).cpu_seconds > 0, 20, "the use of CPU")
        assert not process_state(child.pid).cannot_run
        os.kill(child.pid, signal.SIGSTOP)
        wait_until(lambda: process_state(child.pid).cannot_run, 20, "the stop")
    finally:
        child.kill()
        child.wait()


def test_a_process_that_is_gone_is_taken_to_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    assert process_state(child.pid) == ProcessState("S", 0.0)
