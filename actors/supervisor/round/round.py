"""A round: all activations that are committed together, from the first to the effects that may then leave."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from msgspec import Struct, field

from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.again import Refused
from dalsegno.actors.workflow_actor.interface.activation import Activation, NewlyQuarantined
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.effects import (
    AnswerEffect,
    Effect,
    EffectID,
    ResultEffect,
    ToAskerEffect,
)
from dalsegno.actors.workflow_actor.shown.visible import shown_reason
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.deadlines_port import DeadlineRow
from dalsegno.persistence.port import (
    Aside,
    AttributeSet,
    Fence,
    Halt,
    InstanceWrite,
    JournalRow,
    MailRow,
    MessageKey,
    Round,
    RunChanged,
    RunOpened,
    SeenRow,
    SnapshotRow,
)


class Leaving(Struct, frozen=True):
    """An effect that leaves once the round is durable."""

    cause: Cause
    run_id: str
    effect_id: EffectID | None
    effect: Effect


class Entry(Struct, eq=False):
    """What one workflow ID adds to the round."""

    actor: WorkflowActor
    partition: PartitionID
    expected_run_id: str | None
    expected_sequence: int
    causes: list[Cause] = field(default_factory=list)
    leaving: list[Leaving] = field(default_factory=list)
    again: list[Cause] = field(default_factory=list)
    resend_due: bool = False
    journal: list[JournalRow] = field(default_factory=list)
    snapshot: SnapshotRow | None = None
    opened: list[RunOpened] = field(default_factory=list)
    changed: list[RunChanged] = field(default_factory=list)
    attributes: tuple[AttributeSet, ...] = ()
    deadlines: tuple[DeadlineRow, ...] = ()
    seen: list[SeenRow] = field(default_factory=list)
    unless: list[MessageKey] = field(default_factory=list)
    """Commands that lead to it though they are not answered by it."""
    is_news: bool = False
    """See Activation."""
    incidents: tuple[tuple[int, str], ...] = ()
    quarantined: tuple[NewlyQuarantined, ...] = ()
    """Both as in Activation."""
    move_wake_up: bool = False
    forced: bool = False
    halt: Halt | None = None
    mail: list[MailRow] = field(default_factory=list)

    @property
    def writes_instance(self) -> bool:
        return bool(self.journal) or self.move_wake_up or self.forced

    def shows_status(self) -> None:
        """The rows that people see say something else than the state: they are written anew."""
        state = self.actor.instance.state
        assert state is not None
        self.move_wake_up = True
        self.is_news = True
        self.changed.append(
            RunChanged(run_id=state.info.run_id, status=state.status, reason=shown_reason(state))
        )

    def seals(self, snapshot: SnapshotRow, unless: Sequence[MessageKey]) -> None:
        """The state is written whatever is there, unless one of these commands was answered before."""
        self.forced = True
        self.unless.extend(unless)
        self.halt = None
        self.snapshot = snapshot
        self.deadlines += (DeadlineRow.all_over(snapshot.run_id),)


class RoundBuilder:
    """Collects one round. `number` goes up by one per round of this process; it is for the journal's reader."""

    def __init__(self, number: int, host_id: str) -> None:
        self.number = number
        self.host_id = host_id
        self.entries: dict[str, Entry] = {}
        self.worked_off: list[tuple[PartitionID, str, int]] = []
        """Mail: partition, workflow ID, number."""
        self.activations = 0
        self.bytes = 0
        """Of what is written, and of what is answered."""

    def __bool__(self) -> bool:
        return bool(self.entries) or bool(self.worked_off)

    def count_anew(self) -> None:
        """Some of it is void: what is empty has room again, as nobody would commit it to make some."""
        if not self.entries:
            self.activations = self.bytes = 0

    def entry(self, actor: WorkflowActor, partition: PartitionID) -> Entry:
        entry = self.entries.get(actor.workflow_id)
        if entry is None:
            entry = Entry(actor, partition, actor.stored_run_id, actor.stored_sequence)
            self.entries[actor.workflow_id] = entry
            actor.in_round = True
        return entry

    def add(
        self,
        actor: WorkflowActor,
        fence: Fence,
        cause: Cause,
        activations: Iterable[Activation],
    ) -> None:
        entry = self.entry(actor, fence.partition)
        entry.causes.append(cause)
        answer, why = "", None
        time = 0
        for activation in activations:
            self.activations += 1
            time = activation.time
            run_id = activation.run_id or ""
            if activation.recorded:
                self.bytes += len(activation.events)
                entry.journal.append(
                    JournalRow(
                        run_id=run_id,
                        sequence=activation.sequence,
                        round=self.number,
                        cause=cause.name,
                        partition=fence.partition,
                        epoch=fence.epoch,
                        host=self.host_id,
                        time=activation.time,
                        events=activation.events,
                    )
                )
            if activation.opened is not None:
                entry.opened.append(activation.opened)
            if activation.changed is not None:
                entry.changed.append(activation.changed)
            if activation.attributes:
                entry.attributes += activation.attributes
            if activation.deadlines:
                entry.deadlines += activation.deadlines
            if activation.incidents:
                entry.incidents += activation.incidents
            if activation.quarantined:
                entry.quarantined += activation.quarantined
            entry.is_news |= activation.is_news
            if activation.snapshot is not None:
                self.bytes += len(activation.snapshot.body)
                entry.snapshot = activation.snapshot
            for effect_id, effect in activation.effects:
                entry.leaving.append(Leaving(cause, run_id, effect_id, effect))
                if isinstance(effect, AnswerEffect):
                    self.bytes += 0 if effect.result is None else len(effect.result.data)
                    if effect.error is not None:
                        answer = effect.error[0]
                        if effect.failure is not None:
                            why = Refused(effect.error[1], effect.failure)
                elif isinstance(effect, ToAskerEffect):
                    answer = answer if effect.error is None else effect.error[0]
        if cause.recognisable and actor.seen.remember(cause, answer, why):
            message_type, message_id = cause.key
            entry.seen.append(
                SeenRow(
                    workflow_id=actor.workflow_id,
                    message_id=message_id,
                    type=message_type,
                    time=time,
                    answer=answer,
                )
            )

    def add_again(
        self, actor: WorkflowActor, partition: PartitionID, cause: Cause, answers: Sequence[Effect]
    ) -> None:
        """A cause that was handled before: it waits for all that is outstanding, and is answered again."""
        entry = self.entry(actor, partition)
        entry.causes.append(cause)
        entry.again.append(cause)
        entry.leaving.extend(Leaving(cause, "", None, answer) for answer in answers)
        self.bytes += sum(map(_size, answers))

    def add_effect(self, actor: WorkflowActor, partition: PartitionID, cause: Cause, effect: Effect) -> None:
        """An answer that needs no activation, but must not show what this round has not written yet."""
        entry = self.entry(actor, partition)
        entry.causes.append(cause)
        entry.leaving.append(Leaving(cause, "", None, effect))
        self.bytes += _size(effect)

    def add_mail(self, actor: WorkflowActor, partition: PartitionID, row: MailRow, cause: Cause) -> Entry:
        """What is kept unhandled, in the database."""
        entry = self.entry(actor, partition)
        self.activations += 1
        self.bytes += len(row.message)
        entry.causes.append(cause)
        entry.mail.append(row)
        return entry

    def build(self, epochs: dict[PartitionID, int]) -> Round | None:
        """The transaction; None when nothing is to be written (queries only)."""
        instances: list[InstanceWrite] = []
        seen: list[tuple[PartitionID, int, SeenRow]] = []
        partitions: set[PartitionID] = set()
        for entry in self.entries.values():
            if entry.writes_instance:
                instances.append(_instance_write(entry))
                partitions.add(entry.partition)
            elif entry.seen:
                seen.extend((entry.partition, entry.actor.slot, row) for row in entry.seen)
                partitions.add(entry.partition)
        asides = self._asides(epochs)
        partitions.update(aside.partition for aside in asides)
        if not partitions:
            return None
        return Round(
            host_id=self.host_id,
            fences=tuple(Fence(partition, epochs[partition]) for partition in sorted(partitions)),
            instances=tuple(instances),
            seen=tuple(seen),
            asides=asides,
        )

    def _asides(self, owned: Container[PartitionID]) -> tuple[Aside, ...]:
        by_partition: dict[PartitionID, list[Entry]] = {}
        for entry in self.entries.values():
            if entry.halt is not None or entry.mail:
                by_partition.setdefault(entry.partition, []).append(entry)
        for partition, _, _ in self.worked_off:
            if partition in owned:
                by_partition.setdefault(partition, [])
        return tuple(
            Aside(
                partition=partition,
                halts=tuple(entry.halt for entry in entries if entry.halt is not None),
                mail=tuple(row for entry in entries for row in entry.mail),
                worked_off=tuple((row[1], row[2]) for row in self.worked_off if row[0] == partition),
            )
            for partition, entries in by_partition.items()
        )


def _size(answer: Effect) -> int:
    """Nearly all of it is the value that it tells."""
    if isinstance(answer, UpdateEffect):
        result = None if answer.standing.outcome is None else answer.standing.outcome.result
    else:
        result = answer.result if isinstance(answer, AnswerEffect | ResultEffect) else None
    return 0 if result is None else len(result.data)


def _instance_write(entry: Entry) -> InstanceWrite:
    instance = entry.actor.instance
    state = instance.state
    assert state is not None
    return InstanceWrite(
        workflow_id=entry.actor.workflow_id,
        slot=entry.actor.slot,
        partition=entry.partition,
        expected_run_id=entry.expected_run_id,
        expected_sequence=entry.expected_sequence,
        run_id=state.info.run_id,
        sequence=state.sequence,
        status=state.status,
        wake_at=instance.wake_at,
        journal=tuple(entry.journal),
        snapshot=entry.snapshot,
        opened=tuple(entry.opened),
        changed=tuple(entry.changed),
        attributes=entry.attributes,
        deadlines=entry.deadlines,
        seen=tuple(entry.seen),
        forced=entry.forced,
        unless=tuple(entry.unless),
    )
