"""A history comes into another database, to be looked at: as a run that has ended.

No host may go on with it, and nothing may be sent for it. What makes that sure is what is written: its journal
as it was, then its end (unless it had ended), and then that all which it still had to send is given up. So it
is a run that is over, of which nothing is outstanding and which nothing wakes. A host that loads it, because
somebody asks or tells it something, finds what it finds of any run that is over.
"""

from __future__ import annotations

from collections import defaultdict

from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.actors.workflow_actor.attributes.shown import attributes_set
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.apply import fold
from dalsegno.actors.workflow_actor.run.decide import terminated
from dalsegno.actors.workflow_actor.run.events import EffectsDropped, Event, Record
from dalsegno.actors.workflow_actor.run.state import WorkflowState, blank
from dalsegno.actors.workflow_actor.shown.visible import run_changed, run_opened
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.snapshots import snapshot_of
from dalsegno.broker.topology import slot_of
from dalsegno.errors import ConfigurationError
from dalsegno.persistence.ended_runs import NOBODY
from dalsegno.persistence.port import (
    InstanceWrite,
    JournalRow,
    LoadedInstance,
    Namespace,
)
from dalsegno.rehearsal.history import WorkflowHistory
from dalsegno.search_attributes import Declared

IMPORT = "import"
"""The cause of rows that are added."""


def ended_run(history: WorkflowHistory, namespace: Namespace, declared: Declared, *, now: int) -> InstanceWrite:
    """What is written of it; `declared` are the search attributes of the namespace. Raises
    UnusableHistoryError, NewerHistoryError, and ConfigurationError for a namespace of before."""
    if namespace.format_written < CODEC.newest:
        raise ConfigurationError(
            f"This database may hold stored format {namespace.format_written}, and the history is of format "
            f"{CODEC.newest}: replace all hosts and run `dalsegno init` first, or import it elsewhere."
        )
    state = history.state()
    slot = slot_of(history.workflow_id)

    def row(sequence: int, time: int, cause: str, events: bytes) -> JournalRow:
        return JournalRow(
            run_id=history.run_id,
            sequence=sequence,
            round=sequence,
            cause=cause,
            partition=namespace.partition_of(slot),
            epoch=NOBODY[0],
            host=NOBODY[1],
            time=time,
            events=events,
        )

    journal = [row(r.sequence, r.time, r.cause, r.events) for r in history.journal]
    for events in (_end(history, state), None):
        events = _given_up(state) if events is None else events
        if events:
            record = Record(state.sequence + 1, max(now, state.time), False, (), events)
            state = fold(state, record)
            journal.append(row(record.sequence, record.time, IMPORT, CODEC.encode_record(record)))
    info = state.info
    changed = run_changed(blank(info, python=state.python), state, CODEC, started=False)
    attributes = {name: value for name, value in state.attributes.items() if declared.get(name) is value.type}
    write = InstanceWrite(
        workflow_id=history.workflow_id,
        slot=slot,
        partition=namespace.partition_of(slot),
        expected_run_id=None,
        expected_sequence=0,
        run_id=history.run_id,
        sequence=state.sequence,
        status=state.status,
        wake_at=None,
        journal=tuple(journal),
        snapshot=snapshot_of(state, CODEC, trim_to=0),
        opened=(run_opened(state, CODEC),),
        changed=() if changed is None else (changed,),
        attributes=attributes_set(info.run_id, info.started_at, {}, attributes),
    )
    _require_at_rest(write)
    return write


def _end(history: WorkflowHistory, state: WorkflowState) -> tuple[Event, ...]:
    if state.is_closed:
        return ()
    why = "" if history.reason is None else f" ({history.reason})"
    return (terminated(f"imported to be looked at; where it comes from it was {history.status.value}{why}"),)


def _given_up(state: WorkflowState) -> tuple[Event, ...]:
    by_run = defaultdict(list)
    for entry in state.earlier:
        by_run[entry.run_id].append(entry.effect)
    by_run[state.info.run_id].extend(state.outstanding)
    return tuple(EffectsDropped(run_id, tuple(effects)) for run_id, effects in by_run.items() if effects)


def _require_at_rest(write: InstanceWrite) -> None:
    """As a host would find it."""
    loaded = LoadedInstance(
        workflow_id=write.workflow_id,
        slot=write.slot,
        run_id=write.run_id,
        sequence=write.sequence,
        status=write.status,
        wake_at=None,
        snapshot=write.snapshot,
        journal=(),
    )
    instance = instance_of(loaded, WorkflowRegistry([]), history_limit=0)
    if not instance.is_over or instance.wake_at is not None or instance.outstanding():
        raise RuntimeError(f"the run {write.run_id} would not be over: nothing was written")
