"""A database in memory, for the scripted world: it applies rounds, and is read, as the store port promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from dalsegno.actors.supervisor.deliveries.mail import PAGE
from dalsegno.persistence.deadlines_port import DeadlineRow
from dalsegno.persistence.port import (
    Aside,
    AttributeSet,
    InstanceWrite,
    Loaded,
    LoadedInstance,
    Mail,
    MessageKey,
    Remains,
    Round,
    RoundOutcome,
    RunRow,
    SnapshotRow,
)
from dalsegno.policies import WorkflowStatus


def _asked(write: InstanceWrite) -> list[MessageKey]:
    """The commands of which none must have been answered before."""
    return [*((row.type, row.message_id) for row in write.seen), *write.unless]


class Database:
    """Applies rounds as the store port promises. `seen` and `rows` are by workflow ID."""

    def __init__(self) -> None:
        self.rows: dict[str, LoadedInstance] = {}
        self.known: dict[str, dict[tuple[str, str], str]] = {}
        """What was answered, by the type and the message ID."""
        self.runs: dict[str, LoadedInstance] = {}
        self.mail: dict[tuple[str, int], bytes] = {}
        self.shown: dict[str, tuple[WorkflowStatus, str | None]] = {}
        """Status and reason that were written for runs."""
        self.outcomes: dict[str, bytes | None] = {}
        self.memos: dict[str, bytes] = {}
        """Of runs, as they were written."""
        self.deadlines_over: list[DeadlineRow] = []
        self.attributes: list[AttributeSet] = []
        self.unreadable: set[str] = set()
        """Workflow IDs."""
        self.format_written = 1
        self.strikes: dict[str, tuple[tuple[str, int], ...]] = {}
        self.epochs: dict[int, int] = {}
        """Of the leases; those that are not here are what the round says."""
        self.rejects: Callable[[InstanceWrite], str | None] = lambda _: None

    def apply(self, round_: Round, *, lost: frozenset[int] = frozenset(), now: int) -> RoundOutcome:
        behind = {f.partition for f in round_.fences if self.epochs.get(f.partition, f.epoch) != f.epoch}
        lost = lost | behind
        missed: set[str] = set()
        rejected: dict[str, str] = {}
        known: dict[str, dict[MessageKey, str]] = {}
        asides = [aside for aside in round_.asides if aside.partition not in lost]
        for mail in (mail for aside in asides for mail in aside.mail):
            if mail.unless and (found := self._known(mail.workflow_id, [mail.unless])):
                known.setdefault(mail.workflow_id, {}).update(found)
        for write in round_.instances:
            if write.partition in lost:
                continue
            row = self.rows.get(write.workflow_id)
            found = (None, write.expected_sequence) if row is None else (row.run_id, row.sequence)
            if not write.forced and found != (write.expected_run_id, write.expected_sequence):
                missed.add(write.workflow_id)
            elif found := known.get(write.workflow_id, {}) | self._known(write.workflow_id, _asked(write)):
                known[write.workflow_id] = found
            elif (reason := self.rejects(write)) is not None:
                rejected[write.workflow_id] = reason
            else:
                self._write(write, row)
                self.attributes += write.attributes
                self.deadlines_over += (deadline for deadline in write.deadlines if deadline.is_over)
        refused = [row for partition, _, row in round_.seen if partition not in lost]
        for row in refused:
            if found := self._known(row.workflow_id, [(row.type, row.message_id)]):
                known.setdefault(row.workflow_id, {}).update(found)
        for row in refused:
            if row.workflow_id not in known:
                self.known.setdefault(row.workflow_id, {})[row.type, row.message_id] = row.answer
        for aside in asides:
            self._set_aside(replace(aside, mail=tuple(m for m in aside.mail if m.workflow_id not in known)))
        return RoundOutcome(now=now, lost=lost, missed=frozenset(missed), known=known, rejected=rejected)

    def _known(self, workflow_id: str, commands: Iterable[MessageKey]) -> dict[MessageKey, str]:
        """Those that were answered before."""
        answers = self.known.get(workflow_id, {})
        keys = [key for command in commands for key in (command, ("", command[1]))]
        return {key: answers[key] for key in keys if key in answers}

    def _set_aside(self, aside: Aside) -> None:
        for halt in aside.halts:
            row = self.rows.get(halt.workflow_id)
            if row is None:
                continue
            status = row.status if row.status.closed else WorkflowStatus.SUSPENDED
            self.rows[halt.workflow_id] = replace(row, status=status, wake_at=halt.wake_at)
            if status is WorkflowStatus.SUSPENDED:
                self.shown[halt.run_id] = (status, halt.reason)
        for row_ in aside.mail:
            assert (row_.workflow_id, row_.number) not in self.mail, "a number is used once"
            self.mail[row_.workflow_id, row_.number] = row_.message
        for key in aside.worked_off:
            self.mail.pop(key, None)

    def remains(self, workflow_id: str) -> Remains:
        row = self.rows.get(workflow_id)
        last = max((number for name, number in self.mail if name == workflow_id), default=0)
        if row is None:
            return Remains(last_mail=last)
        run = RunRow(
            run_id=row.run_id,
            workflow_id=workflow_id,
            workflow_type="order",
            task_queue="default",
            status=row.status,
            started_at=0,
            closed_at=None,
            reason=None,
            result=self.outcomes.get(row.run_id),
            memo=self.memos.get(row.run_id),
        )
        return Remains(run=run, last_sequence=row.sequence, last_mail=last, format_written=self.format_written)

    def mail_of(self, workflow_id: str, after: int = 0) -> list[Mail]:
        found = sorted(number for name, number in self.mail if name == workflow_id and number > after)
        return [Mail(number, self.mail[workflow_id, number]) for number in found[:PAGE]]

    @property
    def seen(self) -> dict[str, dict[str, str]]:
        """`known`, by message ID alone."""
        return {
            workflow_id: {message_id: answer for (_, message_id), answer in answers.items()}
            for workflow_id, answers in self.known.items()
        }

    def _write(self, write: InstanceWrite, row: LoadedInstance | None) -> None:
        same_run = row is not None and row.run_id == write.run_id
        journal = [*(row.journal if row is not None and same_run else ()), *write.journal]
        snapshot = write.snapshot or (row.snapshot if row is not None and same_run else None)
        behind = 0 if snapshot is None else snapshot.sequence
        for run_id in {entry.run_id for entry in write.journal} - {write.run_id}:
            earlier = self.runs.get(run_id)
            rows = () if earlier is None else earlier.journal
            self.runs[run_id] = self._stored(
                write, run_id, None, [*rows, *(r for r in write.journal if r.run_id == run_id)], None
            )
        kept = [r for r in journal if r.run_id == write.run_id and r.sequence > behind]
        self.rows[write.workflow_id] = self._stored(write, write.run_id, snapshot, kept, write.wake_at)
        self.runs[write.run_id] = self.rows[write.workflow_id]
        for change in write.changed:
            self.shown[change.run_id] = (change.status, change.reason)
            self.outcomes[change.run_id] = change.result
        answered = self.known.setdefault(write.workflow_id, {})
        for seen in write.seen:
            key = seen.type, seen.message_id
            assert key not in answered, "seen is a primary key"
            answered[key] = seen.answer

    @staticmethod
    def _stored(
        write: InstanceWrite,
        run_id: str,
        snapshot: SnapshotRow | None,
        journal: Sequence[object],
        wake_at: int | None,
    ) -> LoadedInstance:
        return LoadedInstance(
            workflow_id=write.workflow_id,
            slot=write.slot,
            run_id=run_id,
            sequence=write.sequence,
            status=write.status,
            wake_at=wake_at,
            snapshot=snapshot,
            journal=tuple(journal),  # type: ignore[arg-type]
        )

    def load(self, workflow_id: str) -> Loaded:
        row = self.rows.get(workflow_id)
        return Loaded(
            workflow_id=workflow_id,
            instance=row,
            seen=dict(self.known.get(workflow_id, {})),
            strikes=() if row is None else self.strikes.get(row.run_id, ()),
            has_mail=any(name == workflow_id for name, _ in self.mail),
        )
