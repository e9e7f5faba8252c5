"""What user code has wanted since the last input, in order, and the counters that name it.

The counters go on across signs, so that IDs, hashes and random numbers never repeat within a run.

What one step may want is bounded: all of it is one activation, during which the host does nothing else, and a
host whose loop stands still for too long is killed by the watchdog, with all that runs beside.
"""

from __future__ import annotations

import sys
from typing import NoReturn, Protocol

from dalsegno.actors.workflow_actor.interface.intent import Intent

Counters = tuple[int, int, int, int, int]
AskedEnds = tuple[tuple[str, str | None, int], ...]

STEP_LIMIT = 10_000
"""Things that one step may want, unless the host says otherwise. Activities take some 0.5 s of an ordinary core
then, and the watchdog waits for 2."""

TASKS_FOR_EACH = 4
"""asyncio's tasks cost less: so many may be created for each thing that may be wanted. So do activities that
are called, and not awaited yet."""

NO_LIMIT = sys.maxsize


class CountersAtSign(Protocol):
    """Where they go on from. (It is `run.inputs.SignedState`.)"""

    @property
    def next_activity(self) -> int: ...
    @property
    def next_timer(self) -> int: ...
    @property
    def next_uuid(self) -> int: ...
    @property
    def next_hash(self) -> int: ...
    @property
    def next_request(self) -> int: ...
    @property
    def asked_ends(self) -> AskedEnds: ...


class TooMuchAtOnceError(RuntimeError):
    """A step has wanted more than it may. The instance is suspended, also if user code catches this."""


class IntentLedger:
    """`next_*` are taken and advanced by whoever uses them up. `asked_ends` as in SignedState. `limit`: how
    much a step may want; `calls_left`: how many activities it may still call; both are set as it begins.
    `too_much`: the error, if it was more."""

    __slots__ = (
        "_base",
        "_begun",
        "_closed",
        "_intents",
        "_tasks",
        "asked_ends",
        "calls_left",
        "limit",
        "next_activity",
        "next_hash",
        "next_request",
        "next_timer",
        "next_uuid",
        "too_much",
    )

    def __init__(self, signed: CountersAtSign) -> None:
        self.next_activity = signed.next_activity
        self.next_timer = signed.next_timer
        self.next_uuid = signed.next_uuid
        self.next_hash = signed.next_hash
        self.next_request = signed.next_request
        self.asked_ends = signed.asked_ends
        self._intents: list[Intent | None] = []
        self._base = 0
        self._closed = False
        self._begun = 0
        self._tasks = 0
        self.limit = STEP_LIMIT
        self.calls_left = STEP_LIMIT * TASKS_FOR_EACH
        self.too_much: TooMuchAtOnceError | None = None

    def want(self, intent: Intent) -> int:
        """Note an intent; the number returned is for `take_back`. After the end of the run nothing is noted."""
        if self._closed:
            return -1
        self._intents.append(intent)
        return self._base + len(self._intents) - 1

    def want_another(self, intent: Intent) -> int:
        """As `want`, one that begins something: of those a step has a limit. To end all that was begun in many
        steps must be possible in one. Raises TooMuchAtOnceError."""
        if self._closed:
            return -1
        self._begun += 1
        if self._begun > self.limit:
            self._refuse(f"wants more than {self.limit:,} things (activities, timers)", intent.line)
        self._intents.append(intent)
        return self._base + len(self._intents) - 1

    def count_task(self) -> None:
        """User code creates one of asyncio's tasks. Raises TooMuchAtOnceError."""
        self._tasks += 1
        if self._tasks > self.limit * TASKS_FOR_EACH:
            self._refuse(f"creates more than {self.limit * TASKS_FOR_EACH:,} tasks")

    def refuse_call(self, line: str) -> NoReturn:
        """User code calls another activity, though `calls_left` are none. Raises TooMuchAtOnceError."""
        self._refuse(f"calls more than {self.limit * TASKS_FOR_EACH:,} activities", line)

    def _refuse(self, what: str, line: str = "") -> NoReturn:
        where = f" ({line})" if line else ""
        self.too_much = TooMuchAtOnceError(
            f"The workflow {what} before it waits for any{where}: start them in portions, and await each "
            "portion before the next. (--step-limit of the host says how many it may want at once.)"
        )
        raise self.too_much

    def take_back(self, position: int) -> bool:
        """Strike out an intent of the current step. False when it has left already."""
        if position < self._base:
            return False
        self._intents[position - self._base] = None
        return True

    def close_with(self, intent: Intent) -> None:
        """Note the last intent of the run."""
        self.want(intent)
        self._closed = True

    def want_before_end(self, intent: Intent) -> None:
        """As `want`; in the step in which the run ends also what comes after that, as if it had come before."""
        if not self._closed:
            self.want(intent)
        elif self._intents:
            self._intents.insert(len(self._intents) - 1, intent)

    def replace_end(self, intent: Intent) -> None:
        """The last intent of the run, with what is known only once all of the step is over."""
        if self._closed and self._intents:
            self._intents[-1] = intent

    def take(self) -> list[Intent]:
        """All intents of the step, which ends here."""
        intents = self._intents
        self._base += len(intents)
        self._intents = []
        self._begun = 0
        self._tasks = 0
        return list(filter(None, intents))  # what was struck out is None

    def counters(self) -> Counters:
        return self.next_activity, self.next_timer, self.next_uuid, self.next_hash, self.next_request

    def restore(self, counters: Counters) -> None:
        self.next_activity, self.next_timer, self.next_uuid, self.next_hash, self.next_request = counters
