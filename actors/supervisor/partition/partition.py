"""The partition supervisor: a light actor per owned partition.

It takes the partition's deliveries, finds the workflow actor each is for, starts it when it is cold, restarts
it when it crashes, puts it away when it is idle, and fires its timers. It decides nothing about workflows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from dalsegno._log import get_logger
from dalsegno.actors.light import LightActor
from dalsegno.actors.supervisor.deliveries.channel import Channel, Delivered, DeliveryOrigin
from dalsegno.actors.supervisor.deliveries.intake import (
    Forward,
    ForWorkflow,
    Intake,
    MarkerSeen,
    Rejected,
    Unread,
)
from dalsegno.actors.supervisor.deliveries.unread import put_back_later
from dalsegno.actors.supervisor.failing.strikes import struck
from dalsegno.actors.supervisor.halted.crashes import Crashes
from dalsegno.actors.supervisor.halted.stand_in import StandIn
from dalsegno.actors.supervisor.halted.standing_in import StandingIn
from dalsegno.actors.supervisor.outbox.shipping import RunEffect
from dalsegno.actors.supervisor.partition.actor_directory import ActorDirectory
from dalsegno.actors.supervisor.partition.heartbeat_keeping import HeartbeatKeeping
from dalsegno.actors.supervisor.partition.lost_tasks import LostTasks
from dalsegno.actors.supervisor.partition.renewal import Renewal
from dalsegno.actors.supervisor.partition.stored import at_least_as, take_note
from dalsegno.actors.supervisor.partition.surroundings import Surroundings
from dalsegno.actors.supervisor.round.round import Entry
from dalsegno.actors.supervisor.round.waiters import Outcomes
from dalsegno.actors.supervisor.wakeups.alarm_clock import AlarmClock
from dalsegno.actors.workflow_actor.activities.commands import HEARTBEATS, KeepHeartbeats
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.blame import NOBODY
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Settle, Suspend, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import Effect
from dalsegno.actors.workflow_actor.struck_requests import spares_signals
from dalsegno.broker import topology
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Fence, Loaded
from dalsegno.policies import GOES_ON, WorkflowStatus

log = get_logger()


class PartitionSupervisor(LightActor):
    """See the module. `epoch` is the lease's fencing number."""

    def __init__(self, around: Surroundings, *, partition: PartitionID, epoch: int) -> None:
        super().__init__(around.partition_dispatcher)
        self._around = around
        self._world = world = around.world
        self._upcalls = upcalls = around.upcalls
        self._rounds = rounds = around.rounds
        self._shipping = shipping = around.shipping
        settings = around.settings
        self.partition = partition
        self.epoch = epoch
        self.fence = Fence(partition, epoch)
        self.channel: Channel | None = None
        self.is_draining = False
        self._outcomes = Outcomes(
            rounds, world, partition, shipping.answer, shipping.tell_to_ask_again, self._ask_another_run
        )
        self._heartbeats = HeartbeatKeeping(world, upcalls)
        self._passivation = around.passivation
        self.actors = actors = ActorDirectory(around, self.fence, self, self)
        self.alarm_clock = AlarmClock(
            world,
            world,
            upcalls,
            actors,
            around.wake_timer,
            shipping.has_in_flight,
            settings.scan_interval_seconds,
        )
        self._intake = Intake(partition, around.partitions)
        self.standing_in = actors.standing_in = StandingIn(
            world,
            upcalls,
            actors,
            rounds=rounds,
            shipping=shipping,
            intake=self._intake,
            outcomes=self._outcomes,
            alarm_clock=self.alarm_clock,
            code=around.code,
            codec=lambda: around.codec,
            new=partial(actors.new, StandIn),
        )
        self._crashes = Crashes(world, actors, self.standing_in.halt)
        self.lost_tasks = LostTasks(world, rounds, shipping, actors)
        self.renewal = Renewal(world, self, actors, self._passivation, self.alarm_clock)
        self._unread: dict[str, tuple[WorkflowActor, Exception]] = {}
        """What could not be read, of which it is not known yet whether it is broken."""
        self._marker_is_back = False

    # --- deliveries --------------------------------------------------------------------------------------

    def on_receive(self, message: Any) -> None:
        delivered: Delivered = message
        channel, delivery = delivered.channel, delivered.delivery
        if not channel.is_open:
            return
        channel.window.delivered(delivery.tag)
        origin = DeliveryOrigin(channel, delivery)
        match self._intake.take(delivery):
            case ForWorkflow(workflow_id, cause):
                cause.origin = origin
                # What was queued before us may have killed the host before us, whatever the broker says: the
                # embedded one died with it, and a client may have sent it again meanwhile.
                cause.redelivered = delivery.redelivered or not self._marker_is_back
                self.actors.child_for(workflow_id, cause).post(cause)
            case MarkerSeen(nonce):
                if nonce == self._intake.nonce:
                    self.go_live()
                origin.remove()
            case Forward() as forward:
                cause = Cause(WakeUp(), name="forwarded", origin=origin)
                self._shipping.forward(forward, cause)
                cause.done()
            case Unread():
                queue = topology.partition_queue(self.partition)
                put_back_later(self._world, self._shipping.forward, queue, origin)
            case Rejected() as rejected:
                cause = Cause(WakeUp(), name="rejected", origin=origin)
                self._shipping.reject(rejected, cause)
                cause.done()

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        # A defect of ours, outside any instance: give the partition up, so that it starts anew elsewhere.
        self.on_stop()
        self._world.call_later(0, partial(self._upcalls.give_up, self.partition))
        log.error("partition_failed", partition=self.partition.number, exc_info=exception_value)

    # --- what is found in the database ------------------------------------------------------------------------

    def loading(self, loaded: Loaded) -> Iterator[None]:
        """Take in, in steps, what the database has for a workflow ID. Raises CorruptStateError for a row that
        can't be read."""
        row, found = loaded.instance, NOBODY
        if self.actors.peek(loaded.workflow_id) is None:
            return
        stored: Instance | None = None
        quiet: Mapping[str, RunEffect] = {}
        task_queues: Collection[str] = ()
        if row is not None:
            stored = yield from self._around.stored(row)
            quiet = yield from self._shipping.named(stored.confirmations.quiet)
            task_queues = yield from stored.waited_for_in()
        yield
        actor = self.actors.peek(loaded.workflow_id)
        if actor is None or actor.is_loaded:
            return
        instance = self._around.unheard_of(loaded.workflow_id) if stored is None else stored
        instance.codec = at_least_as(row, self._around.codec)  # another may be written since the reading began
        instance.declared = self._around.declared
        if row is not None and stored is not None:
            found = struck(loaded.strikes, instance.fingerprint, sets_aside=spares_signals(instance))
            instance.confirmations.still_sent(self._shipping.in_flight_of(quiet))
            take_note(actor, instance, row, found)
        self.actors.read(loaded.workflow_id)
        actor.loaded(instance, seen=loaded.seen)
        self.alarm_clock.note(actor)
        self.lost_tasks.loaded(actor, task_queues)
        is_shown_suspended = row is not None and row.status is WorkflowStatus.SUSPENDED
        self.standing_in.loaded(actor, has_mail=loaded.has_mail, is_shown_suspended=is_shown_suspended)
        if found.reason is not None and row is not None and not row.status.closed:
            actor.actor_inbox.put_back(Cause(Suspend(reason=found.reason, struck=True), name="watchdog"))
            self._around.workflow_dispatcher.schedule(actor)
        self._upcalls.request_work()

    def strikes_found(self, workflow_id: str, strikes: Sequence[tuple[str, int]]) -> None:
        """Of a start that came again. If it has struck, it is recorded, and its run suspended."""
        actor = self.actors.peek(workflow_id)
        start = None if actor is None else actor.doubted_start
        if actor is None or start is None:
            return
        fingerprint = self._around.code.fingerprint(start.task_queue, start.workflow_type)
        actor.strikes_found(struck(strikes, fingerprint))
        self._upcalls.request_work()

    def unreadable(self, workflow_id: str, error: Exception) -> None:
        """Stored state that can't be read. Whether it is broken, or newer than we are, the database knows."""
        actor = self.actors.peek(workflow_id)
        if actor is not None:
            self._unread[workflow_id] = actor, error
            self._world.look_up_format(self.partition, workflow_id)

    def format_found(self, workflow_id: str, written: int) -> None:
        """The newest format that may be written. Who does not read it calls nothing broken: the partition goes
        to those who do, as it is. Else the mail of what can't be read is kept until it can."""
        self._upcalls.format_written(written)
        asking = self.actors.peek(workflow_id)
        if asking is not None:
            asking.format_found()
        actor, error = self._unread.pop(workflow_id, (None, None))
        newest = self._around.codec.newest
        if written > newest:
            self._upcalls.give_up(self.partition, for_good=True)
            reason = f"it may be of format {written}, and this version reads formats up to {newest}: {error}"
            log.error("newer_state", partition=self.partition.number, workflow_id=workflow_id, reason=reason)
        elif actor is not None and self.actors.peek(workflow_id) is actor:
            self.standing_in.halt(actor, [], f"its stored state cannot be read: {error}")

    # --- defects ---------------------------------------------------------------------------------------------

    def failed(self, actor: WorkflowActor, cause: Cause | None, error: BaseException) -> None:
        """A defect, met while the actor was handling `cause`."""
        others = [other for other in self._rounds.take_back(actor) if other is not cause]
        self._crashes.met(actor, others, [] if cause is None else [cause], error)

    def not_let_out(self, entry: Entry, error: BaseException) -> None:
        """A defect, met while what the entry has led to was to be sent. All of it is durable."""
        self._crashes.met(entry.actor, [], entry.causes, error)

    # --- what workflow actors ask (see actors.workflow_actor.surroundings) ----------------------------------

    def activated(self, actor: WorkflowActor, cause: Cause, activations: list[Activation]) -> None:
        self._passivation.used(actor, self)
        round_ = self._rounds.current
        round_.add(actor, self.fence, cause, activations)
        command = cause.command
        if isinstance(command, WakeUp):
            round_.entry(actor, self.partition).resend_due = True
        elif isinstance(command, KeepHeartbeats):
            self._heartbeats.kept_some(actor)
        elif isinstance(command, HEARTBEATS):
            self._heartbeats.heard(actor)
        for activation in activations:
            for probe in activation.probes:
                if self._shipping.has_in_flight(activation.run_id or "", probe.task):
                    continue  # it cannot be in the queue yet: its broker may be slow, or not take it
                self._world.probe_task_queue(self.partition, actor.workflow_id, probe)

    def came_again(self, actor: WorkflowActor, cause: Cause, answers: Sequence[Effect]) -> None:
        self._passivation.used(actor, self)
        self._rounds.current.add_again(actor, self.partition, cause, answers)

    def to_be_loaded(self, actor: WorkflowActor, cause: Cause) -> None:
        self.actors.works_at_once(actor, cause)

    def read_mail(self, actor: WorkflowActor, after: int) -> None:
        self._world.read_mail(self.partition, actor.workflow_id, after)

    def look_up_strikes(self, actor: WorkflowActor, run_id: str) -> None:
        self._world.look_up_strikes(self.partition, actor.workflow_id, run_id)

    def look_up_attributes(self, actor: WorkflowActor) -> None:
        self._world.look_up_attributes(self.partition, actor.workflow_id)

    def look_up_format(self, actor: WorkflowActor) -> None:
        self._world.look_up_format(self.partition, actor.workflow_id)

    def attributes_found(self, workflow_id: str) -> None:
        actor = self.actors.peek(workflow_id)
        if actor is not None:
            actor.attributes_found()
            self._upcalls.request_work()

    def clear_strikes(self, run_id: str) -> None:
        self._world.clear_strikes(run_id)

    def rebuild_later(self, actor: WorkflowActor) -> None:
        self._around.rehydration.rebuild(actor)

    def about_another_run(self, actor: WorkflowActor, cause: Cause) -> None:
        self._ask_another_run(actor.workflow_id, cause)

    def _ask_another_run(self, workflow_id: str, cause: Cause) -> None:
        self._world.answer_other_run(workflow_id, cause, partial(self._go_on_about, workflow_id))

    def _go_on_about(self, workflow_id: str, cause: Cause) -> None:
        """It is about the run as which that one went on. If the partition is ours no more, it comes again."""
        if not self.is_stopped:
            self.actors.tell(workflow_id, cause)

    def wait_for_outcome(self, actor: WorkflowActor, cause: Cause, request: AwaitOutcome) -> None:
        self._outcomes.ask(actor, cause, request)

    # --- after a commit ------------------------------------------------------------------------------------

    def committed(self, entry: Entry) -> None:
        """The entry's writes are durable and its effects are on their way."""
        actor = entry.actor
        if entry.writes_instance:
            instance = actor.instance
            actor.stored_run_id = instance.run_id
            actor.stored_sequence = instance.sequence
            actor.stored_wake_at = instance.wake_at
        if actor.is_forgiven or (actor.struck.causes and actor.instance.status in GOES_ON):
            actor.begin_with_a_clean_record()  # somebody, or other code, has resumed it
        if entry.seen:
            actor.seen.written(len(entry.seen))
        if entry.again:  # not before: what shows a stand-in is durable before its mail is looked at
            actor.seen.told = {}
        actor.round_over()
        if entry.is_news or entry.incidents or entry.quarantined or self._outcomes.waiters.any:
            self._outcomes.tell(entry)
        if self.standing_in.halted or actor.is_shown_halted:
            self.standing_in.committed(actor)
        if actor.is_stopped:
            return  # another has taken its place
        if actor.is_quarantined and not actor.actor_inbox and not actor.is_busy:
            self.retire(actor)  # it is suspended; what is to come may see the real code again
            return
        self.alarm_clock.note(actor)
        self._settle_or_retire(actor)

    def effect_confirmed(self, workflow_id: str, run_id: str, effect_id: tuple[int, int]) -> None:
        actor = self.actors.in_memory.get(workflow_id)
        if actor is None or not actor.is_loaded:
            return
        actor.instance.confirm(run_id, effect_id)
        self._settle_or_retire(actor)

    def _settle_or_retire(self, actor: WorkflowActor) -> None:
        instance = actor.instance
        if instance.is_under_way:
            actor.settling = False
            return
        if instance.needs_settle:
            if not actor.settling:
                actor.settling = True
                actor.post(Cause(Settle(), name="settle"))
                self._upcalls.request_work()
            return
        actor.settling = False
        if actor.actor_inbox or not instance.is_over or actor.is_busy:  # more of its mail is being read
            return
        # What was halted when it had ended is due in the database, for ever: that is written first.
        if actor.stored_wake_at is None or self._around.passivation.may_leave(actor, self.partition):
            self.retire(actor)

    # --- the channel -----------------------------------------------------------------------------------------

    def channel_opened(self, channel: Channel, nonce: str) -> None:
        """Consuming has begun (again): timers wait until the marker is back."""
        self.channel = channel
        self._marker_is_back = False
        self.alarm_clock.stop()
        self._intake.nonce = nonce

    def channel_lost(self) -> None:
        """What was delivered and not acknowledged will come again; instances stay as they are, but for guesses
        whose start has gone with the channel."""
        for actor in [a for a in self.actors.in_memory.values() if a.is_guess]:
            if actor.workflow_id not in self._rounds:
                self.actors.discard(actor)
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        self.alarm_clock.stop()

    def go_live(self) -> None:
        """What was queued before us has been seen: an approval that was already there beats its deadline."""
        self._marker_is_back = True
        if not self.is_draining:
            self.alarm_clock.start()

    # --- passivation -----------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """What is kept in memory for a while only."""
        self._outcomes.waiters.forget_overdue(self._world.monotonic())
        self._heartbeats.sweep()

    def retire(self, actor: WorkflowActor) -> None:
        """Put it away; it comes back when it is needed."""
        if actor.workflow_id in self._rounds:
            return  # what it gave to a round is let out only while it is there
        self._crashes.forget(actor.workflow_id)
        self.standing_in.put_away(actor)
        self.actors.discard(actor)
        log.debug("passivated", workflow_id=actor.workflow_id, partition=self.partition.number)

    # --- the end ---------------------------------------------------------------------------------------------

    def begin_draining(self) -> None:
        """Nothing is begun any more, by message or by timer; those who wait are to ask the next owner."""
        self._heartbeats.keep_all()
        self.is_draining = True
        self.alarm_clock.stop()
        self._outcomes.tell_all_to_ask_again()

    @property
    def is_drained(self) -> bool:
        """All that was begun is acknowledged."""
        if self.actor_inbox or not self._heartbeats.is_done:
            return False
        if self.actors.turns is not None and self.actors.turns.any:
            return False
        return self.channel is None or self.channel.window.open == 0

    @property
    def is_at_rest(self) -> bool:
        """It consumes, and without a message, or the next wake-up's time, nothing happens here."""
        return (
            self.is_drained
            and self.actors.loading == 0
            and self.renewal.is_over
            and self.alarm_clock.is_at_rest
        )

    def on_stop(self) -> None:
        self.channel_lost()
        self.lost_tasks.stop()
        if self.actors.turns is not None:
            self.actors.turns.stop()
        self.actors.discard_all()
