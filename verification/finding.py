"""What a check can find, and how it is said."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Invariant(StrEnum):
    """What must hold of stored rows. The numbers are those of the reliability plan."""

    ENDS_ONCE = "I1"
    LEADERSHIP = "I3"
    SEQUENCE = "I4"
    OWNERSHIP = "I5"
    CAUSES = "I8"
    ACTIVITIES = "I10"
    TIMERS = "I13"
    REPLAY = "I16"
    RECOVERY = "I18"
    TRIMMING = "I19"
    READABLE = "I20"
    VISIBILITY = "I33"
    IDENTITY = "I34"
    KINSHIP = "I35"

    @property
    def claim(self) -> str:
        """What holds when there is no finding."""
        return _CLAIMS[self]


_CLAIMS = {
    Invariant.ENDS_ONCE: "a run begins once, ends at most once, and nothing happens behind its end",
    Invariant.LEADERSHIP: "one host writes for a partition in an epoch, and epochs only grow",
    Invariant.SEQUENCE: "a run's journal has no gap, and its instance stands at its end",
    Invariant.OWNERSHIP: "a workflow is written by its own partition alone",
    Invariant.CAUSES: "a message changes a workflow at most once",
    Invariant.ACTIVITIES: "an activity is resolved at most once, by an attempt that is not over",
    Invariant.TIMERS: "a timer fires at most once and never early, and its instance wakes for it",
    Invariant.REPLAY: "the journal can be applied, and gives what the snapshot holds",
    Invariant.RECOVERY: "the journal behind a snapshot stays short",
    Invariant.TRIMMING: "what was trimmed from a journal is in a snapshot",
    Invariant.READABLE: "every row can be read, and snapshots match their checksums",
    Invariant.VISIBILITY: "what people see of a run is what its journal says",
    Invariant.IDENTITY: "IDs are unique and belong to their run",
    Invariant.KINSHIP: "runs that follow each other are one chain, and parents and children say the same",
}


class Violation(Struct, frozen=True):
    """What a check found in one run. `sequence` is the journal row's; None means the run as a whole.

    `text` is the second half of a sentence. It never quotes a payload. `is_newer`: what could not be read is of
    a format above those that this version knows.
    """

    invariant: Invariant
    sequence: int | None
    text: str
    is_newer: bool = False


class Finding(Struct, frozen=True):
    """A violation and where it is. A violation of a partition or a workflow ID has no run."""

    invariant: Invariant
    text: str
    workflow_id: str | None = None
    run_id: str | None = None
    sequence: int | None = None

    @property
    def sentence(self) -> str:
        where = [
            f"workflow {self.workflow_id}" if self.workflow_id is not None else "",
            f"run {self.run_id}" if self.run_id is not None else "",
            f"sequence {self.sequence}" if self.sequence is not None else "",
        ]
        named = ", ".join(part for part in where if part)
        return f"{self.invariant}: {named + ': ' if named else ''}{self.text}."


class Violations:
    """The violations of one run: of each kind the first few, and how many more there are."""

    SHOWN = 5

    def __init__(self) -> None:
        self._shown: list[Violation] = []
        self._counts: dict[Invariant, int] = {}

    def add(self, violation: Violation) -> None:
        count = self._counts[violation.invariant] = self._counts.get(violation.invariant, 0) + 1
        if count <= self.SHOWN:
            self._shown.append(violation)

    def all(self) -> list[Violation]:
        more = [
            Violation(invariant, None, f"and {count - self.SHOWN} more of this kind in the same run")
            for invariant, count in self._counts.items()
            if count > self.SHOWN
        ]
        return [*self._shown, *more]
