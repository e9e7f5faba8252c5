"""Workflows with a past, written by the engine's own core and store without servers between them.

Every activation is one that a host would have made: the real core runs the real code, and the store's writer
commits what comes of it. Only the rounds are larger (500 activations of one workflow), and nothing is sent.
"""

from __future__ import annotations

import os

from bench.cold_load_app import Storied
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import Command, Start, WakeUp
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker import topology
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.persistence.port import (
    Fence,
    InstanceWrite,
    JournalRow,
    Round,
    SeenRow,
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
        self._namespace = store.namespace()
        self._writer = store.writer()
        self._membership = store.membership()
        self._now = self._membership.join(
            AUTHOR, ttl=LEASE_MICROSECONDS, version="bench", format_read=CODEC.newest
        )
        leases = self._membership.take(self._namespace.partition_ids, AUTHOR)
        self._epochs = {lease.partition: lease.epoch for lease in leases}
        self.code = WorkflowRegistry([(Storied, None)])

    def write(self, workflow_id: str, *, before: int, since: int) -> int:
        """A run of `before` activations, the last of which sets a sign, and `since` more; how many of them were
        signals. All were a client's commands, but for a wake-up after every hundredth sign."""
        instance = Instance(workflow_id, self.code, history_limit=HISTORY_LIMIT)
        signals, last = 0, before + since
        while instance.sequence < last:
            stored = (instance.run_id, instance.sequence)
            done: list[Activation] = []
            while instance.sequence < min(last, stored[1] + ROUND_ACTIVATIONS):
                command = _next(instance, before)
                signals += isinstance(command, Signal)
                self._now += 1_000
                held = not isinstance(command, WakeUp)
                done += instance.activate(command, now=self._now, entropy=os.urandom(32), held=held)
            self._commit(instance, stored, done)
        state = instance.state
        assert state is not None
        assert (len(state.log), instance.wake_at) == (since + 1, None), (
            "the last sign is not where it should be"
        )
        return signals

    def _commit(self, instance: Instance, stored: tuple[str | None, int], done: list[Activation]) -> None:
        workflow_id, slot = instance.workflow_id, topology.slot_of(instance.workflow_id)
        partition = self._namespace.partition_of(slot)
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
            snapshot=next((one.snapshot for one in reversed(done) if one.snapshot), None),
            opened=tuple(one.opened for one in done if one.opened),
            seen=tuple(
                SeenRow(
                    workflow_id=workflow_id,
                    message_id=f"{activation.sequence:032d}",
                    type="workflow.signal",
                    time=activation.time,
                )
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


def _next(instance: Instance, before: int) -> Command:
    if instance.run_id is None:
        return Start(
            workflow_id=instance.workflow_id,
            run_id=f"run-of-{instance.workflow_id}",
            workflow_type="Storied",
            task_queue="default",
            args=(Payload(JSON_PLAIN, b"{}"),),
        )
    if instance.wake_at is not None:
        return WakeUp()
    number = instance.sequence + 1
    # Not at whole thousands: a run is woken after its hundredth sign, and the last one must stay the last.
    sign = number == before or (number < before and number % SIGN_EVERY == SIGN_EVERY // 2)
    return Signal(name="beat", args=(Payload(JSON_PLAIN, b"true" if sign else b"false"),))


def _row(activation: Activation, fence: Fence) -> JournalRow:
    assert activation.recorded
    assert not activation.effects
    return JournalRow(
        run_id=activation.run_id or "",
        sequence=activation.sequence,
        round=activation.sequence // ROUND_ACTIVATIONS,
        cause=f"workflow.signal {activation.sequence:032d}",
        partition=fence.partition,
        epoch=fence.epoch,
        host=AUTHOR,
        time=activation.time,
        events=activation.events,
    )
