"""Who stands in for those of a partition's instances that cannot be run, and how they come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.deliveries.intake import Intake, Rejected
from dalsegno.actors.supervisor.deliveries.mail import is_full, to_cause, to_row
from dalsegno.actors.supervisor.halted.halts import Halted, Halts
from dalsegno.actors.supervisor.halted.stand_in import StandIn
from dalsegno.actors.supervisor.outbox.shipping import Shipping
from dalsegno.actors.supervisor.round.open_rounds import OpenRounds
from dalsegno.actors.supervisor.round.round import Leaving
from dalsegno.actors.supervisor.round.waiters import Outcomes
from dalsegno.actors.supervisor.upcalls import Replaceable, Upcalls
from dalsegno.actors.supervisor.wakeups.alarm_clock import AlarmClock
from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor import found_by
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.stand_in import KnownRun, seal
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.formats import NewerBlobError, UnreadableError
from dalsegno.broker.protocol.ids import run_id
from dalsegno.persistence.port import Halt, Mail, MessageKey, Remains, RunOpened

log = get_logger()
T = TypeVar("T")

REASON_LIMIT = 4000
"""Characters."""


class StandingIn:
    """`new` starts a stand-in for a workflow ID. Workflows that were tried in vain are not tried before it is
    time, by whatever they are asked for."""

    def __init__(
        self,
        world: World,
        upcalls: Upcalls,
        children: Replaceable,
        *,
        rounds: OpenRounds,
        shipping: Shipping,
        intake: Intake,
        outcomes: Outcomes,
        alarm_clock: AlarmClock,
        code: Code,
        codec: Callable[[], StoredCodec],
        new: Callable[[str], StandIn],
    ) -> None:
        self._world = world
        self._upcalls = upcalls
        self._children = children
        self._rounds = rounds
        self._shipping = shipping
        self._intake = intake
        self._outcomes = outcomes
        self._alarm_clock = alarm_clock
        self._code = code
        self._codec = codec
        self._new = new
        self._halts = Halts()
        self.halted: Mapping[str, Halted] = self._halts.halted
        self._mail_left: dict[str, set[int]] = {}
        """Of workflows that work their mail off: numbers in memory, 0 while more is to be read."""

    def halt(self, actor: WorkflowActor, causes: Sequence[Cause], reason: str) -> None:
        """It cannot be run. A stand-in takes `causes`, and then the mail that was waiting."""
        workflow_id = actor.workflow_id
        before = self._halts.of(workflow_id)
        waiting = actor.unhandled()
        given = [cause for cause in self._rounds.take_back(actor) if cause not in causes]
        self._children.discard(actor)
        reason = reason[:REASON_LIMIT].replace("\0", "\ufffd")
        halted = self._halts.met(workflow_id, reason, now=self._world.now())
        if before is None or before.reason != reason:
            # The text may be another at each try.
            tell = log.error if before is None else log.info
            tell(
                "workflow_halted",
                workflow_id=workflow_id,
                partition=self._children.partition.number,
                reason=reason,
            )
        # A stand-in that fails as well is not tried at once.
        pause = (halted.retry_at - self._world.now()) / 1e6 if isinstance(actor, StandIn) else 0.0
        stand_in = self._begin(workflow_id, delay_seconds=pause)
        stand_in.seen.told = actor.seen.told
        for cause in self._children.anew((*given, *causes, *waiting)):
            stand_in.post(cause)

    def instead_of(self, workflow_id: str) -> StandIn | None:
        """Who is to be asked for while it is not tried; None if it may be."""
        if self._halts.waiting(workflow_id, now=self._world.now()) is None:
            return None
        return self._begin(workflow_id)

    def _begin(self, workflow_id: str, *, delay_seconds: float = 0.0) -> StandIn:
        stand_in = self._new(workflow_id)
        stand_in.keeper = self
        self._mail_left.pop(workflow_id, None)
        read = partial(self._world.read_remains, self._children.partition, workflow_id)
        if delay_seconds:
            self._world.call_later(delay_seconds, read)
        else:
            read()
        return stand_in

    def remains_found(self, workflow_id: str, remains: Remains) -> None:
        stand_in, halted = self._children.peek(workflow_id), self._halts.of(workflow_id)
        if not isinstance(stand_in, StandIn) or stand_in.is_loaded or halted is None:
            return
        codec = self._codec()
        try:
            known = _known(workflow_id, remains, codec)
        except NewerBlobError as error:
            # It would be written back without what cannot be read here, should somebody end it.
            self._upcalls.give_up(self._children.partition, for_good=True)
            number = self._children.partition.number
            log.error("newer_state", workflow_id=workflow_id, partition=number, reason=str(error))
            return
        instance = Instance.standing_in(
            workflow_id,
            self._code,
            known,
            reason=halted.reason,
            now=max(self._world.now(), remains.last_time),
            retry_at=halted.retry_at,
            codec=codec,
        )
        stand_in.run_is_listed = remains.run is not None
        stand_in.knows_outcome = known.outcome is not None
        stand_in.take_over(instance, reason=halted.reason, last_mail=remains.last_mail)
        self._show(stand_in, halted)
        self._alarm_clock.note(stand_in)
        self._upcalls.request_work()

    def _show(self, stand_in: StandIn, halted: Halted) -> None:
        """In lists, and to those who wait for its result."""
        state = stand_in.instance.state
        assert state is not None
        entry = self._rounds.current.entry(stand_in, self._children.partition)
        entry.is_news |= not halted.is_shown
        entry.halt = Halt(
            workflow_id=stand_in.workflow_id,
            run_id=state.info.run_id,
            reason=halted.reason,
            wake_at=halted.retry_at,
        )
        if not state.is_closed:
            self._outcomes.tell_suspended(stand_in)

    # --- what stand-ins ask (see stand_in.Keeper) -----------------------------------------------------------

    def keep(
        self,
        stand_in: StandIn,
        cause: Cause,
        number: int,
        answers: Sequence[Effect],
        *,
        unless: MessageKey | None,
    ) -> None:
        row = to_row(
            cause,
            workflow_id=stand_in.workflow_id,
            slot=stand_in.slot,
            number=number,
            now=self._world.now(),
            unless=unless,
        )
        entry = self._rounds.current.add_mail(stand_in, self._children.partition, row, cause)
        entry.leaving.extend(Leaving(cause, "", None, answer) for answer in answers)

    def take_back(self, stand_in: StandIn, run_id: str, effects: Sequence[EffectID]) -> None:
        """What its instance recorded before it was halted is durable, and is sent when it can be run and is
        told the same again: until then, what it was told is kept as mail, and holds up nobody."""
        waiting = [cause for effect_id in effects for cause in self._shipping.waiting_for(run_id, effect_id)]
        for cause in self._children.anew(list(dict.fromkeys(waiting))):  # one may wait for several
            stand_in.post(cause)
        self._upcalls.request_work()

    def seal(self, stand_in: StandIn, unless: Sequence[MessageKey]) -> None:
        state = stand_in.instance.state
        assert state is not None
        entry = self._rounds.current.entry(stand_in, self._children.partition)
        codec = self._codec()
        entry.seals(seal(state, codec), unless)
        entry.attributes += found_by.ended_unread(state, codec)
        if not stand_in.run_is_listed:
            info = state.info
            entry.opened.append(
                RunOpened(
                    run_id=info.run_id,
                    workflow_id=info.workflow_id,
                    workflow_type=info.workflow_type,
                    task_queue=info.task_queue,
                    status=state.status,
                    started_at=info.started_at,
                )
            )

    def was_sealed(self, stand_in: StandIn) -> bool:
        halted = self._halts.of(stand_in.workflow_id)
        return halted is not None and halted.is_sealed

    def try_again(self, stand_in: StandIn, *, at_once: bool) -> None:
        workflow_id = stand_in.workflow_id
        if at_once:
            self._halts.hasten(workflow_id)
            stand_in.is_to_be_tried = True  # once what it keeps is durable
        elif workflow_id not in self._rounds and self._may_be_tried(workflow_id):
            self._children.restart(stand_in, [])

    def _may_be_tried(self, workflow_id: str) -> bool:
        return self._halts.waiting(workflow_id, now=self._world.now()) is None

    def committed(self, actor: WorkflowActor) -> None:
        """What it did is durable. Matters for those alone that are, or were shown to be, halted."""
        if type(actor) is StandIn:  # isinstance would go through the ABC that all actors are, for each commit
            self._kept(actor)
        elif (
            actor.is_shown_halted or self._halts.of(actor.workflow_id) is not None
        ) and actor.workflow_id not in self._mail_left:
            self._well(actor)

    def _kept(self, stand_in: StandIn) -> None:
        stand_in.stored_wake_at = stand_in.instance.wake_at
        self._halts.shown(stand_in.workflow_id)
        if stand_in.is_sealed:
            self._halts.sealed(stand_in.workflow_id)
        if stand_in.is_sealed or stand_in.is_to_be_tried:
            self._children.restart(stand_in, [])

    # --- those that can be run again ------------------------------------------------------------------------

    def loaded(self, actor: WorkflowActor, *, has_mail: bool, is_shown_suspended: bool) -> None:
        """It could be read. It is well when it has worked its mail off."""
        state = actor.instance.state
        is_open = state is not None and not state.is_closed
        was_halted = self._halts.of(actor.workflow_id) is not None
        if is_open and state is not None and (was_halted or (is_shown_suspended and state.suspension is None)):
            actor.is_shown_halted = True
        if has_mail:
            self._mail_left[actor.workflow_id] = {0}
            actor.mail_is_behind(0)
        elif actor.is_shown_halted and not self._is_due(actor):
            self._well(actor)

    def _is_due(self, actor: WorkflowActor) -> bool:
        """Something is about to be done, and may fail as it did before."""
        wake_at = actor.instance.wake_at
        return wake_at is not None and wake_at <= self._world.now()

    def mail_found(self, workflow_id: str, after: int, found: Sequence[Mail]) -> None:
        actor = self._children.peek(workflow_id)
        left = self._mail_left.get(workflow_id)
        if actor is None or left is None or not actor.awaits_mail(after):
            return
        left.discard(0)
        causes: list[Cause] = []
        for mail in found:
            left.add(mail.number)
            cause = to_cause(
                mail,
                self._intake,
                is_current=lambda: self._children.peek(workflow_id) is actor,
                worked_off=partial(self._worked_off, actor),
            )
            if isinstance(cause, Rejected):
                log.error("mail_unreadable", workflow_id=workflow_id, number=mail.number, reason=cause.reason)
            else:
                causes.append(cause)
        is_more = is_full(found)
        if is_more:
            left.add(0)
        actor.mail_read(causes, more_behind=found[-1].number if is_more else None)
        if not left:
            self._well(actor)
        self._upcalls.request_work()

    def _worked_off(self, actor: WorkflowActor, number: int) -> None:
        workflow_id = actor.workflow_id
        self._rounds.current.worked_off.append((self._children.partition, workflow_id, number))
        self._upcalls.request_work()
        left = self._mail_left.get(workflow_id)
        if left is None or self._children.peek(workflow_id) is not actor:
            return
        left.discard(number)
        if not left:
            self._well(actor)

    def _well(self, actor: WorkflowActor) -> None:
        """What it shows is what it is again."""
        workflow_id = actor.workflow_id
        self._halts.over(workflow_id)
        self._mail_left.pop(workflow_id, None)
        state = actor.instance.state
        if not actor.is_shown_halted or state is None or state.is_closed:
            return
        if actor.in_round:
            return  # its state may come to nothing; once that is durable, `committed` says it
        actor.is_shown_halted = False
        self._rounds.current.entry(actor, self._children.partition).shows_status()
        log.info("workflow_goes_on", workflow_id=workflow_id, status=state.status)

    def put_away(self, actor: WorkflowActor) -> None:
        """It has stood here until it was idle, whether or not anything was to be written: should it be halted
        again, that is another halt."""
        if self.halted and not isinstance(actor, StandIn) and actor.workflow_id not in self._mail_left:
            self._halts.over(actor.workflow_id)

    def forget_mail(self, workflow_id: str) -> None:
        """Its actor is gone; what was not worked off is read anew."""
        self._mail_left.pop(workflow_id, None)


def _known(workflow_id: str, remains: Remains, codec: StoredCodec) -> KnownRun:
    """Raises NewerBlobError for what a newer version may have written; what is broken is left out."""
    run, written = remains.run, remains.format_written
    if run is None:
        return KnownRun(run_id=run_id(workflow_id, "lost"), sequence=remains.last_sequence)
    outcome = None
    if run.status.closed and run.result is not None:
        outcome = _unless_newer(partial(codec.decode_outcome, run.result), None, written)
    return KnownRun(
        run_id=run.run_id,
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        status=run.status,
        started_at=run.started_at,
        closed_at=run.closed_at,
        outcome=outcome,
        sequence=remains.last_sequence,
        memo=_unless_newer(partial(codec.decode_memo, run.memo), {}, written),
    )


def _unless_newer(read: Callable[[], T], otherwise: T, written: int) -> T:
    """What nobody may write yet is as broken as any bytes. Raises NewerBlobError for the rest."""
    try:
        return read()
    except NewerBlobError as error:
        if error.format <= written:
            raise
        return otherwise
    except UnreadableError:
        return otherwise
