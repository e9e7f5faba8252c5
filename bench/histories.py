"""Workflows with a past, written by the engine's own core and store without servers between them.

Every activation is one that a host would have made: the real core runs the real code, and the store's writer
commits what comes of it. Only the rounds are larger (500 activations of one workflow), and nothing is sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

from bench.cold_load_app import Storied
from dalsegno.actors.workflow_actor.commands import Command, Signal, Start
from dalsegno.actors.workflow_actor.instance import Activation, Instance
from dalsegno.actors.workflow_actor.registry import WorkflowRegistry
from dalsegno.broker import topology
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.persistence.port import (
    Fence,
    InstanceWrite,
    JournalRow,
    Round,
    RunOpened,
    SeenRow,
    SnapshotRow,
    Store,
)

HISTORY_LIMIT = 10_000
SIGN_EVERY = 1_000
ROUND_ACTIVATIONS = 500
LEASE_MICROSECONDS = 3_600_000_000
AUTHOR = "bench"


class Author:
    """Owns all partitions of an empty namespace until it leaves."""

    def __init__(self, store: Store) -> None:
        self._partitions = store.namespace().partitions
        self._writer = store.writer()
        self._membership = store.membership()
        self._now = self._membership.join(AUTHOR, ttl=LEASE_MICROSECONDS, version="bench")
        leases = self._membership.take(range(self._partitions), AUTHOR)
        self._epochs = {lease.partition: lease.epoch for lease in leases}
        self.code = WorkflowRegistry([(Storied, None)])

    def write(self, workflow_id: str, *, before: int, since: int) -> None:
        """A run of `before` activations, the last of which sets a sign, and `since` more. Its commands were all
        a client's, who is answered once."""
        instance = Instance(workflow_id, self.code, history_limit=HISTORY_LIMIT)
        commands = _commands(workflow_id, before, since)
        while batch := list(islice(commands, ROUND_ACTIVATIONS)):
            stored = (instance.run_id, instance.sequence)
            activations: list[Activation] = []
            for command in batch:
                self._now += 1_000
                activations += instance.activate(command, now=self._now, entropy=os.urandom(32), held=True)
            self._commit(instance, stored, activations)
        state = instance.state
        assert state is not None
        assert (state.sequence, state.signed.state is not None) == (before + since, True)

    def _commit(self, instance: Instance, stored: tuple[str | None, int], done: list[Activation]) -> None:
        workflow_id, slot = instance.workflow_id, topology.slot_of(instance.workflow_id)
        partition = slot % self._partitions
        fence = Fence(partition, self._epochs[partition])
        status, run_id = instance.status, instance.run_id
        assert status is not None
        assert run_id is not None
        write = InstanceWrite(
            workflow_id=workflow_id,
            slot=slot,
            partition=partition,
            expected_run_id=stored[0],
            expected_sequence=stored[1],
            run_id=run_id,
            sequence=instance.sequence,
            status=status,
            wake_at=instance.wake_at,
            journal=tuple(_row(activation, fence) for activation in done),
            snapshot=next(
                (_snapshot(activation) for activation in reversed(done) if activation.snapshot), None
            ),
            opened=tuple(_opened(activation) for activation in done if activation.started),
            seen=tuple(
                SeenRow(workflow_id=workflow_id, message_id=f"{activation.sequence:032d}", time=activation.time)
                for activation in done
            ),
        )
        outcome = self._writer.commit(Round(host_id=AUTHOR, fences=(fence,), instances=(write,)))
        assert not (outcome.lost or outcome.missed or outcome.rejected), outcome

    def trim_seen(self) -> None:
        """As hosts do once a day has passed since the commands were answered."""
        while self._membership.trim_seen(older_than=self._now + 1):
            continue

    def leave(self) -> None:
        self._membership.expire(AUTHOR)


def _commands(workflow_id: str, before: int, since: int) -> Iterator[Command]:
    yield Start(
        workflow_id=workflow_id,
        run_id=f"run-of-{workflow_id}",
        workflow_type="Storied",
        task_queue="default",
        args=(Payload(JSON_PLAIN, b"{}"),),
    )
    for number in range(2, before + since + 1):
        sign = number <= before and (number % SIGN_EVERY == 0 or number == before)
        yield Signal(name="beat", args=(Payload(JSON_PLAIN, b"true" if sign else b"false"),))


def _row(activation: Activation, fence: Fence) -> JournalRow:
    assert activation.recorded
    assert not activation.effects
    return JournalRow(
        run_id=activation.run_id or "",
        sequence=activation.sequence,
        round=activation.sequence // ROUND_ACTIVATIONS,
        cause=f"signal {activation.sequence:032d}",
        partition=fence.partition,
        epoch=fence.epoch,
        host=AUTHOR,
        time=activation.time,
        events=activation.events,
    )


def _snapshot(activation: Activation) -> SnapshotRow:
    due = activation.snapshot
    assert due is not None
    return SnapshotRow(
        run_id=due.run_id,
        sequence=due.sequence,
        format=due.format,
        checksum=due.checksum,
        body=due.body,
        trim_to=due.trim_to,
    )


def _opened(activation: Activation) -> RunOpened:
    started = activation.started
    assert started is not None
    return RunOpened(
        run_id=started.run_id,
        workflow_id=started.workflow_id,
        workflow_type=started.workflow_type,
        task_queue=started.task_queue,
        status=started.status,
        started_at=started.started_at,
        reason=started.reason,
        memo=started.memo,
    )
