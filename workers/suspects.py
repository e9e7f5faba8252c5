"""Late tasks that are not begun like others: first of all, one of them may be what kills the workers.

When a process dies, all that it had comes back, and nobody can tell which activity it was. So a task that came
back more than once runs *alone*: nothing else begins beside it, and what runs already has proven harmless by
running for a while. If the worker dies then, it is of this task, which the engine was told before. One that
lives on has proven harmless, too, and the next may begin.

A worker that was only cut off has its tasks still, and says so when it is back. Therefore a suspect waits for a
moment before it asks, and what runs alone repeats that it does: whoever lives has spoken before anybody counts.

A task that is sent again after it was settled here asks, too: most likely the engine has its outcome by now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from dalsegno._log import get_logger
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.loop_clock import LoopClock, SetTimer
from dalsegno.workers.acknowledgements import Acknowledgements, Receipt
from dalsegno.workers.attempt import Attempt
from dalsegno.workers.attempt_state import State
from dalsegno.workers.settings import WorkerTiming

log = get_logger("dalsegno.worker")

RETURNS_MIN = 2
"""Coming back once is ordinary: a worker was stopped, or a connection broke."""
ALONE_FOR_FACTOR = 4

HINT = (
    "it came back from other workers, or was done here before; if it is what ends their processes, this shows "
    "it. Other work waits meanwhile"
)


class Waiting(NamedTuple):
    """A task that was delivered and not begun."""

    task: ActivityTask
    receipt: Receipt
    since: float
    size: int
    """Of its message's body, in bytes."""
    returns: int = 0
    """How often it came back, if that matters: it is a suspect."""


def is_suspect(task: ActivityTask, returns: int, *, settled: bool) -> bool:
    """Early work is not: it is acknowledged before it begins, does not come back, and always asks."""
    return task.acknowledge == "late" and (settled or returns >= RETURNS_MIN)


class Suspects:
    """Those that wait, and the one that runs alone. `on_change`: another attempt may begin."""

    def __init__(self, clock: LoopClock, timing: WorkerTiming, on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._timing = timing
        self._on_change = on_change
        self.waiting: deque[Waiting] = deque()
        self._alone: Attempt | None = None
        self._alone_for = 0.0
        self._timer: SetTimer | None = None
        """Either for the first that waits, or for the one that runs alone."""

    @property
    def keep_others_waiting(self) -> bool:
        return bool(self.waiting) or self._alone is not None

    def next(self, attempts: Iterable[Attempt]) -> Waiting | None:
        """Take the first that waits, if it may begin beside `attempts`, which are all that are here. If it may
        not yet, `on_change` is called when it may."""
        if not self.waiting or self._alone is not None:
            return None
        now = self._clock.time()
        late = (attempt for attempt in attempts if not attempt.early and attempt.state is State.RUNNING)
        begun = [now if attempt.running_since is None else attempt.running_since for attempt in late]
        proven_at = max(begun) + self._timing.alone_for if begun else now
        ready_at = max(proven_at, self.waiting[0].since + self._timing.suspect_after)
        if ready_at > now:
            self._look_again_in(ready_at - now)
            return None
        return self.waiting.popleft()

    def begin(self, attempt: Attempt, returns: int) -> None:
        """It is about to begin, alone."""
        timing = self._timing
        longer = ALONE_FOR_FACTOR ** min(max(0, returns - RETURNS_MIN), 10)
        self._alone_for = min(timing.alone_for * longer, timing.alone_for_max)
        self._alone = attempt
        log.warning("task_runs_alone", returns=returns, hint=HINT, **attempt.described)
        self._look_again_in(timing.alone_again_after)

    def ended(self, attempt: Attempt) -> None:
        """It does not run any more."""
        if attempt is self._alone:
            self._alone = None
            self._stop_timer()

    def forget_waiting(self, acknowledgements: Acknowledgements | None = None) -> None:
        """Those of one channel, or all, are given back."""
        self.waiting = deque(
            suspect
            for suspect in self.waiting
            if acknowledgements is not None and suspect.receipt.acknowledgements is not acknowledgements
        )

    def _on_time(self) -> None:
        self._timer = None
        if (attempt := self._alone) is None:
            self._on_change()
            return
        since, now = attempt.running_since, self._clock.time()
        if since is not None and now >= since + self._alone_for:
            self._alone = None
            attempt.end_alone()
            self._on_change()
        else:
            attempt.say_again()
            left = self._alone_for if since is None else since + self._alone_for - now
            self._look_again_in(min(left, self._timing.alone_again_after))

    def _look_again_in(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self._clock.call_later(seconds, self._on_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
