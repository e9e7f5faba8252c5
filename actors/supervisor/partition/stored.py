"""An instance from what the store has of it."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.blame import Struck
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.steps import PORTION, Steps, at_once
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.stored.codec import CODEC, CorruptStateError, StoredCodec
from dalsegno.actors.workflow_actor.stored.formats import format_of
from dalsegno.actors.workflow_actor.stored.loading import StoredRow
from dalsegno.persistence.port import LoadedInstance


def instance_of(row: LoadedInstance, code: Code, *, history_limit: int, codec: StoredCodec = CODEC) -> Instance:
    """Raises CorruptStateError or NewerStateError, which name the row."""
    return at_once(loading_of(row, code, history_limit=history_limit, codec=codec))


def loading_of(
    row: LoadedInstance, code: Code, *, history_limit: int, codec: StoredCodec = CODEC
) -> Steps[Instance]:
    """The same in steps, so that a run with a long journal does not hold the loop."""
    snapshot = row.snapshot
    journal: list[StoredRow] = []
    for number, r in enumerate(row.journal, 1):
        journal.append((r.run_id, r.sequence, r.time, r.events))
        if number % PORTION == 0:
            yield
    instance = yield from Instance.loading(
        row.workflow_id,
        code,
        snapshot=None
        if snapshot is None
        else (snapshot.sequence, snapshot.format, snapshot.checksum, snapshot.body),
        journal=journal,
        run_id=row.run_id,
        history_limit=history_limit,
        codec=codec,
    )
    if instance.sequence != row.sequence:
        reason = f"instances has sequence {row.sequence}, snapshot and journal end at {instance.sequence}"
        raise CorruptStateError(row.run_id, row.sequence, reason)
    return instance


def at_least_as(row: LoadedInstance | None, codec: StoredCodec) -> StoredCodec:
    """What is stored in a newer format than we have been told of may be written on in that."""
    if row is None or codec.writes == codec.newest:
        return codec
    last = row.journal[-1].events if row.journal else None
    stored = 0 if row.snapshot is None else row.snapshot.format
    if last is not None:
        stored = max(stored, format_of("record", last))
    return codec.writing(stored) if stored > codec.writes else codec


def take_note(actor: WorkflowActor, instance: Instance, row: LoadedInstance, found: Struck) -> None:
    """The actor is to know the row that its instance was made of, and what has struck its run. The code of a
    run that is over is not run again if to bring it back, for a query, has killed hosts."""
    if found.reason is not None and row.status.closed:
        instance.quarantine(found.reason)
        actor.is_quarantined = True
    actor.struck = found.of(row.run_id)
    actor.stored_run_id = row.run_id
    actor.stored_sequence = row.sequence
    actor.stored_wake_at = row.wake_at
