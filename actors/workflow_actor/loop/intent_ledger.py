"""What user code has wanted since the last input, in order, and the counters that name it.

The counters go on across signs, so that IDs, hashes and random numbers never repeat within a run.
"""

from __future__ import annotations

from typing import Protocol

from dalsegno.actors.workflow_actor.interface.intent import Intent

Counters = tuple[int, int, int, int]


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


class IntentLedger:
    """`next_*` are taken and advanced by whoever uses them up."""

    __slots__ = ("_base", "_closed", "_intents", "next_activity", "next_hash", "next_timer", "next_uuid")

    def __init__(self, signed: CountersAtSign) -> None:
        self.next_activity = signed.next_activity
        self.next_timer = signed.next_timer
        self.next_uuid = signed.next_uuid
        self.next_hash = signed.next_hash
        self._intents: list[Intent | None] = []
        self._base = 0
        self._closed = False

    def want(self, intent: Intent) -> int:
        """Note an intent; the number returned is for `take_back`. After the end of the run nothing is noted."""
        if self._closed:
            return -1
        self._intents.append(intent)
        return self._base + len(self._intents) - 1

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

    def take(self) -> list[Intent]:
        """All intents of the step, which ends here."""
        intents = self._intents
        self._base += len(intents)
        self._intents = []
        return list(filter(None, intents))  # what was struck out is None

    def counters(self) -> Counters:
        return self.next_activity, self.next_timer, self.next_uuid, self.next_hash

    def restore(self, counters: Counters) -> None:
        self.next_activity, self.next_timer, self.next_uuid, self.next_hash = counters
