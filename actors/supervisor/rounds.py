"""One round after the other: drain the mailboxes, commit what came out, let its effects out.

There is one commit at a time. While it runs, the next round is gathered, of instances that are not in it: what
they lead to stands on nothing that may yet fail. An activation is bounded by nobody but its own instance, a
round by the number of activations, by time and by bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import cast

from dalsegno._log import get_logger
from dalsegno.actors.light import Dispatcher
from dalsegno.actors.supervisor.deliveries.intake import Rejected
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.outbox.shipping import Shipping
from dalsegno.actors.supervisor.partition.actor_directory import NONE_KNOWN
from dalsegno.actors.supervisor.partition.partition import PartitionSupervisor
from dalsegno.actors.supervisor.round import observed
from dalsegno.actors.supervisor.round.open_rounds import OpenRounds
from dalsegno.actors.supervisor.round.round import Entry
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.supervisor.upcalls import Upcalls
from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import FailEffect, Park, Suspend
from dalsegno.backoff import doubled
from dalsegno.broker.protocol.ids import effect_message_id
from dalsegno.observer import Observer
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import MessageKey, RoundOutcome

log = get_logger()

STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 8
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
PAUSE_AFTER_REJECTION_SECONDS = 1.0
"""Before an instance is loaded again whose own causes lead to what the database refuses."""


class Rounds:
    """Actors are in `dispatcher` when they have mail. `partitions` are those that are ours, at any time."""

    def __init__(
        self,
        world: World,
        upcalls: Upcalls,
        open_rounds: OpenRounds,
        partitions: Mapping[PartitionID, PartitionSupervisor],
        *,
        outbox: Outbox,
        shipping: Shipping,
        dispatcher: Dispatcher,
        settings: HostSettings,
        observer: Observer | None = None,
    ) -> None:
        self._world = world
        self._upcalls = upcalls
        self._open = open_rounds
        self._partitions = partitions
        self._outbox = outbox
        self._shipping = shipping
        self._dispatcher = dispatcher
        self._ready = cast("deque[WorkflowActor]", dispatcher.ready)
        self._held: list[WorkflowActor] = []
        """They have mail, and wait for what becomes of the round that is being written."""
        self._settings = settings
        self._observer = observer
        self._sent_at = 0.0
        self._epochs: dict[PartitionID, int] = {}
        self._paused_until = 0.0
        self._failures = 0

    @property
    def is_paused(self) -> bool:
        """The database failed a moment ago: nothing is loaded or begun for a while."""
        return self._world.monotonic() < self._paused_until

    def advance(self) -> None:
        """Gather a round, and commit it unless another is being committed."""
        if self.is_paused:
            return
        weight = self._outbox.weight
        if weight.bytes >= weight.bytes_max:
            weight.when_room(self._upcalls.request_work)  # what waits here waits at the broker, in the end
            return
        self._drain()
        if self._open.writing is not None:
            return
        if self._open.current:
            self._commit()
        if self._ready and self._open.writing is None:
            self._upcalls.request_work()

    def _drain(self) -> None:
        settings, dispatcher, gathered = self._settings, self._dispatcher, self._open.current
        ready, written = self._ready, self._open.writing
        end = self._world.monotonic() + settings.round_seconds
        steps = 0
        while ready and gathered.activations < settings.round_activations:
            if gathered.bytes >= settings.round_bytes:
                return
            if written is not None and ready[0].workflow_id in written.entries:
                self._held.append(ready.popleft())
                continue
            dispatcher.run_one()
            steps += 1
            if steps % STEPS_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and self._world.monotonic() > end:
                return

    def _commit(self) -> None:
        builder = self._open.begin_next()
        self._epochs = {number: supervisor.epoch for number, supervisor in self._partitions.items()}
        round_ = builder.build(self._epochs)
        if round_ is None:
            # No fence stands before what nothing is written for, so that our own clock must do.
            if self._world.may_act():
                self._let_out(list(builder.entries.values()))
            else:
                self._upcalls.all_leases_lost()
            return
        self._open.writing = builder
        if self._observer is not None:
            self._sent_at = self._world.monotonic()
        self._world.commit(round_)

    # --- what became of a commit ------------------------------------------------------------------------------

    def committed(self, outcome: RoundOutcome) -> None:
        """The transaction is durable, but for what its outcome names."""
        builder = self._open.take_written()
        if self._held:
            self._let_go_on()
        self._failures = 0
        if self._observer is not None:
            self._observer.round_committed(builder.activations, self._world.monotonic() - self._sent_at)
        for partition in outcome.lost:
            supervisor = self._partitions.get(partition)
            if supervisor is not None and supervisor.epoch == self._epochs.get(partition):
                self._upcalls.lease_lost(partition)
                log.warning("lease_found_lost", partition=partition.number, host_id=self._open.host_id)
        good: list[Entry] = []
        for workflow_id, entry in builder.entries.items():
            if entry.actor.is_stopped:
                self._tell_successor(entry)
            elif workflow_id in outcome.missed:
                self._restart(entry)
            elif workflow_id in outcome.known:
                self._restart(entry, outcome.known[workflow_id])
            elif workflow_id in outcome.rejected:
                self._rejected_by_store(entry, outcome.rejected[workflow_id])
            else:
                good.append(entry)
        self._let_out(good)
        self._upcalls.request_work()

    def commit_failed(self, error: Exception) -> None:
        """The outcome is unknown: every actor that was touched is discarded and loaded again, and what it had
        been told is told again. What was committed is then recognised."""
        builder = self._open.take_written()
        if self._held:
            self._let_go_on()
        self._failures += 1
        if self._observer is not None:
            self._observer.commit_failed(error)
        self._open.current.worked_off.extend(builder.worked_off)  # deleting it twice is harmless
        delay = doubled(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, self._failures - 1)
        self._paused_until = self._world.monotonic() + delay
        for entry in builder.entries.values():
            if entry.actor.is_stopped:
                self._tell_successor(entry)
            else:
                self._restart(entry)
        self._world.call_later(delay + 0.001, self._upcalls.request_work)
        log.warning("commit_failed", reason=str(error), host_id=self._open.host_id, retry_in_seconds=delay)

    def _let_go_on(self) -> None:
        """Those that waited for the round, before all others."""
        self._ready.extendleft(reversed(self._held))
        self._held.clear()

    def _tell_successor(self, entry: Entry) -> None:
        """The actor met a defect while its entry was being written, unless its partition was lost with it. What
        it was told is told to the one in its place, before the mail that came later; what was committed is then
        recognised."""
        supervisor = self._partitions.get(entry.partition)
        if supervisor is not None and supervisor.epoch == self._epochs.get(entry.partition):
            supervisor.actors.tell_first(entry.actor.workflow_id, entry.causes)

    def _restart(self, entry: Entry, known: Mapping[MessageKey, str] = NONE_KNOWN) -> None:
        self._partitions[entry.partition].actors.restart(entry.actor, entry.causes, known=known)

    def _rejected_by_store(self, entry: Entry, reason: str) -> None:
        """The database refused the data. One input at a time finds the one at fault: it goes to the dead
        letters, and with it gone the instance goes on."""
        workflow_id = entry.actor.workflow_id
        supervisor = self._partitions[entry.partition]
        held = [cause for cause in entry.causes if cause.held]
        if held and len(entry.causes) == 1:
            text = f"the database cannot store what it led to: {reason}"
            self._shipping.reject(Rejected(text, "rejected"), held[0])
            held.pop().done()
        delay = 0.0 if any(cause.held for cause in entry.causes) else PAUSE_AFTER_REJECTION_SECONDS
        supervisor.actors.restart(entry.actor, held, delay_seconds=delay, one_by_one=True)
        if not any(cause.held for cause in entry.causes):
            suspend = Suspend(reason=f"the database cannot store it: {reason}", struck=True)
            supervisor.actors.child(workflow_id).post(Cause(suspend, name="store"))
        log.error("instance_rejected_by_store", workflow_id=workflow_id, reason=reason)

    # --- effects ----------------------------------------------------------------------------------------------

    def _let_out(self, entries: Iterable[Entry]) -> None:
        """The state that caused them is durable: effects may leave now."""
        shipments: list[Shipment] = []
        sent: list[Entry] = []
        for entry in entries:
            try:
                shipments += self._shipping.of_entry(entry)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - a defect: it must harm its own instance alone
                self._partitions[entry.partition].not_let_out(entry, error)
            else:
                sent.append(entry)
        self._outbox.send(shipments)
        for entry in sent:
            self._partitions[entry.partition].committed(entry)
            if self._observer is not None:
                observed.tell(self._observer, entry)
            for cause in entry.causes:
                if isinstance(cause.command, Park | FailEffect):
                    self._finish(cause.command)
                cause.done()

    def _finish(self, command: Park | FailEffect) -> None:
        """What was said of effects on their way is durable."""
        match command:
            case Park(effects, _, run_id):
                # The wake-up for these effects is durable: their causes may be acknowledged.
                for effect_id in effects:
                    self._outbox.release_causes(effect_message_id(run_id or "", *effect_id))
            case FailEffect(effect_id, _, run_id):
                self._outbox.forget(effect_message_id(run_id or "", *effect_id))
