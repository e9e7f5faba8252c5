"""The workflow actor: the thin shell around one `Instance`.

Its mailbox takes causes in the order of their arrival. Each that has passed the gates becomes one call of the
pure core, and what came out of it is handed to the parent, which commits it with the round. Mail waits while
the instance is being loaded, while something has to be found out for the first of it, and while the turn of
that stays open (`open_turn`). The actor holds
nothing that the database does not have, but for what the round in progress will write: throwing it away at any
time is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, assert_never

from dalsegno.actors.light import Dispatcher, LightActor
from dalsegno.actors.workflow_actor.again import MessageKey, SeenCommands
from dalsegno.actors.workflow_actor.blame import LETTING_GO, NOBODY, Struck, mark_of
from dalsegno.actors.workflow_actor.gates import (
    AboutAnotherRun,
    AnswerAgain,
    AskedFromElsewhere,
    BeginRun,
    ClearStrikes,
    LookUpAttributes,
    LookUpFormat,
    LookUpStrikes,
    Pass,
    Question,
    ReadMail,
    RebuildAtOnce,
    RebuildInSlices,
    Refuse,
    SuspendFirst,
    TakenByAnotherRun,
    Void,
    WaitForOutcome,
    gate,
)
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause, MoreMail
from dalsegno.actors.workflow_actor.interface.commands import Caller, Command, Start, Suspend
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, ResultEffect
from dalsegno.actors.workflow_actor.interface.waiting import Unfit, Unready
from dalsegno.actors.workflow_actor.open_turn import OpenTurn
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.surroundings import Supervisor, Turns, Watch
from dalsegno.actors.workflow_actor.turn import Unsealed
from dalsegno.actors.workflow_actor.turn_keeping import TurnKeeping
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect


class WorkflowActor(LightActor):
    """One active workflow instance. `stored_*` is what its row in the database says."""

    instance: Instance
    """There is none before `is_loaded`."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        workflow_id: str,
        slot: int,
        parent: Supervisor,
        watch: Watch,
        now: Callable[[], int],
        entropy: Callable[[], bytes],
        turns: Turns | None = None,
    ) -> None:
        super().__init__(dispatcher)
        self.workflow_id = workflow_id
        self.slot = slot
        self.last_used = 0.0
        self.settling = False
        self.one_by_one = False
        self.in_round = False
        self.has_followed = False
        """In the round another run has begun by itself or in the place of one. Until that is durable no strike
        against it would be found, by whoever loads the one before: nothing that waits is given to it."""
        self.stored_run_id: str | None = None
        self.stored_sequence = 0
        self.stored_wake_at: int | None = None
        self._parent = parent
        self._watch = watch
        self._now = now
        self._entropy = entropy
        self.is_loaded = False
        self._is_guessed = False
        self.seen = SeenCommands()
        self._asked: Question | None = None
        self.is_quarantined = False
        self.is_shown_halted = False
        """Its rows still show that it could not be run."""
        self.struck: Struck = NOBODY
        self.is_forgiven = False
        """Somebody has resumed it: what is stored of its strikes goes once that is durable."""
        self._rebuilding: Iterator[None] | None = None
        self._rebuilding_for = ""
        self._current: Cause | None = None
        self.turn: OpenTurn | None = None
        """That waits. Its cause is the front of the mailbox."""
        self.turns = None if turns is None else TurnKeeping(self, turns)

    @property
    def is_busy(self) -> bool:
        return self._asked is not None or self._rebuilding is not None or self.turn is not None

    @property
    def is_guess(self) -> bool:
        """It was taken to be of a new workflow ID, unread, and no commit has proved that yet."""
        return self._is_guessed and self.stored_run_id is None

    def is_ready(self) -> bool:
        if not self.is_loaded or self._asked is not None or self._rebuilding is not None:
            return False
        if self.turn is not None and not self.turn.can_take(self.actor_inbox):
            return False
        return not (self.in_round and (self.one_by_one or self.has_followed))

    def loaded(self, instance: Instance, *, seen: Mapping[MessageKey, str]) -> None:
        """The instance is there; mail may be handled. `seen`: how commands were answered."""
        self.instance = instance
        instance.does_local_work = self.turns is not None
        instance.keeps_pieces = self.turns is not None and self.turns.prepares
        self.is_loaded = True
        self.seen.read(seen)
        self.reschedule()

    def guessed(self, instance: Instance) -> None:
        """Just made, and not loaded: there is said to be no such workflow yet."""
        self.instance = instance
        instance.does_local_work = self.turns is not None
        instance.keeps_pieces = self.turns is not None and self.turns.prepares
        self.is_loaded = self._is_guessed = True

    def round_over(self) -> None:
        """What it did in the round is durable."""
        self.in_round = False
        self._current = None
        if self.one_by_one or self.has_followed:
            self.has_followed = False
            self.one_by_one = self.one_by_one and bool(self.actor_inbox)
            self.reschedule()

    # --- mail ------------------------------------------------------------------------------------------------

    def unhandled(self) -> list[Cause]:
        """Empty the mailbox: what a successor has to handle."""
        causes = []
        while self.actor_inbox:
            causes.append(self.actor_inbox.popleft())
        return causes

    def put_first(self, causes: Sequence[Cause]) -> None:
        """To be handled before the mail that waits. Only a turn that is open already comes before them."""
        open_for = () if self.turn is None else (self.actor_inbox.popleft(),)
        for cause in reversed((*open_for, *causes)):
            self._put_back(cause)
        self.reschedule()

    def on_receive(self, message: Any) -> None:
        cause: Cause = message
        if self.turn is not None and self.turns is not None and not self.turns.let_in(cause, self.turn):
            return
        self._current = cause
        match gate(cause, self.instance, self.seen, self.struck):
            case Pass(command):
                self.act(cause, command)
            case BeginRun(start):
                self._let_go()  # of the run whose place it takes
                self.act(cause, start, begins=start)
            case ClearStrikes(resume):
                self.act(cause, resume, forgives=True)
            case ReadMail() | LookUpStrikes() | LookUpAttributes() | LookUpFormat() as question:
                self._find_out(question, cause)
            case RebuildInSlices() | RebuildAtOnce() if not self._is_ready_to_rebuild(cause):
                pass
            case RebuildInSlices(mark):
                self._rebuild_in_slices(cause, mark)
            case RebuildAtOnce(mark):
                with self._blamed(mark):  # what fails is told by the activation
                    for _ in self.instance.rebuild():
                        continue
                self.on_receive(cause)
            case AskedFromElsewhere(name):
                cause.name = name
                self.on_receive(cause)
            case AnswerAgain(before):
                state, why = self.instance.state, self.seen.why(cause.key)
                again = answers.to_command_again(cause.command, before, self.workflow_id, state, why)
                self._parent.came_again(self, cause, [] if again is None else [again])
            case TakenByAnotherRun(run_id):
                self._parent.came_again(self, cause, [])
                self._parent.about_another_run(self, cause.as_question(run_id))
            case Refuse(caller, error):
                state = self.instance.state
                refused = [] if caller is None else [answers.refused(caller, self.workflow_id, state, error)]
                self._parent.came_again(self, cause, refused)
            case SuspendFirst():
                self.struck = self.struck.against_run(cause.name)
                self._put_back(cause)
                suspend = Suspend(reason=self.struck.causes[cause.name], struck=True)
                self._put_back(Cause(suspend, name="watchdog"))
            case AboutAnotherRun():
                self._parent.about_another_run(self, cause)
            case WaitForOutcome(request):
                self._parent.wait_for_outcome(self, cause, request)
            case Void():
                return
            case unknown:
                assert_never(unknown)

    def _find_out(self, question: Question, cause: Cause) -> None:
        """Have the question answered. All mail waits for that, with `cause` in front of it."""
        self._asked = question
        match question:
            case ReadMail(after):  # which is all that it was for
                self._parent.read_mail(self, after)
                return
            case LookUpStrikes(run_id):
                self._parent.look_up_strikes(self, run_id)
            case LookUpAttributes():
                self._parent.look_up_attributes(self)
            case LookUpFormat():
                self._parent.look_up_format(self)
        self._put_back(cause)

    def act(
        self, cause: Cause, command: Command, *, begins: Start | None = None, forgives: bool = False
    ) -> None:
        """Put the command to the instance. The code that may run is that of the current run, or of the one that
        it `begins`; if the host dies of that, it is to blame. `forgives`: strikes are cleared with it."""
        instance, held = self.instance, cause.held
        hindrance = None
        if self.turns is not None and self.turns.prepares:
            preparation = self.turns.preparation_for(cause, command)
            if preparation is None:
                return
            if isinstance(preparation, Unfit):
                refused = instance.refuse(command, preparation.refusal, now=self._now())
                self._parent.activated(self, cause, [refused])
                return
            if isinstance(preparation, Unready):
                hindrance = preparation.reason
        if begins is None:
            mark = instance.run_id or "", mark_of(cause, instance), instance.fingerprint
        else:
            code = instance.code.fingerprint(begins.task_queue, begins.workflow_type)
            mark = begins.run_id, cause.name, code
        self._watch.enter(*mark)
        try:
            activations = instance.activate(
                command, now=self._now(), entropy=self._entropy(), held=held, hindrance=hindrance
            )
        finally:
            self._watch.leave()
        if not activations and self.turns is not None:
            if self.is_guess:  # what is done outside cannot be taken back, should there be such a workflow
                self._parent.to_be_loaded(self, cause)
            else:
                self.turns.wait_for_work(cause, mark, forgives=forgives)
            return
        if forgives:
            self._forgive()
        if held and len(activations) == 1 and activations[0].stale:  # several are a start's
            self._parent.came_again(self, cause, [effect for _, effect in activations[0].effects])
        else:
            if activations[1:]:
                self.has_followed = True
            self._parent.activated(self, cause, activations)
            if self.turns is not None:
                for activation in activations:
                    if activation.works:
                        self.turns.begin_later(cause, activation.works)

    def go_on(self, turn: OpenTurn) -> bool:
        """With a turn that has waited for local work; True when it is sealed."""
        self._current = turn.cause
        self._watch.enter(*turn.mark)
        try:
            activations = self.instance.go_on(
                turn.take_outcomes(), left=turn.under_way, is_overdue=turn.is_overdue
            )
        finally:
            self._watch.leave()
        if self.instance.unsealed is not None:
            return False
        if turn.forgives:
            self._forgive()
        if activations[1:]:
            self.has_followed = True
        self._parent.activated(self, turn.cause, activations)
        if self.turns is not None and activations[0].works:
            self.turns.begin_later(turn.cause, activations[0].works)
        return True

    @contextmanager
    def _blamed(self, mark: str) -> Iterator[None]:
        """If the host dies meanwhile, `mark` is to blame."""
        self._watch.enter(self.instance.run_id or "", mark, self.instance.fingerprint)
        try:
            yield
        finally:
            self._watch.leave()

    # --- what had to be found out ----------------------------------------------------------------------------

    @property
    def doubted_start(self) -> Start | None:
        """The start of which it is to be found out whether it has struck."""
        if not isinstance(self._asked, LookUpStrikes):
            return None
        command = self.actor_inbox[0].command
        assert isinstance(command, Start)
        return command

    def strikes_found(self, struck: Struck) -> None:
        """Go on; a start that has struck is recorded without running its code, and its run suspended then."""
        if not isinstance(self._asked, LookUpStrikes):
            return
        start: Cause = self.actor_inbox.popleft()
        command = start.command
        assert isinstance(command, Start)
        self.struck, reason = struck.of(command.run_id), struck.reason
        if reason is not None:
            self.instance.quarantine(reason)
            self.is_quarantined = True
            suspend = Suspend(reason=reason, run_id=command.run_id, struck=True)
            self._put_back(Cause(suspend, name="watchdog"))
        self._put_back(start)
        self._answered(LookUpStrikes)

    def attributes_found(self) -> None:
        """What is declared is known now as it was after the start came."""
        if isinstance(self._asked, LookUpAttributes):
            self.instance.looked_up_for = self.actor_inbox[0].command
            self._answered(LookUpAttributes)

    def format_found(self) -> None:
        """Which formats may be written is known now as it was after the command came."""
        if isinstance(self._asked, LookUpFormat):
            self.instance.format_looked_up_for = self.actor_inbox[0].command
            self._answered(LookUpFormat)

    def _forgive(self) -> None:
        """Not before what is to do so is given to the round: other rounds may come, and it may never be."""
        self.struck, self.is_forgiven = NOBODY, True

    def begin_with_a_clean_record(self) -> None:
        """What has killed hosts is tried again."""
        self.struck, self.is_forgiven = NOBODY, False
        self._parent.clear_strikes(self.instance.run_id or "")

    def _answered(self, asked: type[Question]) -> None:
        if isinstance(self._asked, asked):  # else an actor before this one had asked
            self._asked = None
            self.reschedule()

    def mail_is_behind(self, number: int) -> None:
        """There is mail in the database that comes before what has been told since."""
        self._put_back(MoreMail(number))
        self.reschedule()

    def awaits_mail(self, after: int) -> bool:
        """And not the actor before it, or behind another number."""
        return self._asked == ReadMail(after)

    def mail_read(self, causes: Sequence[Cause], *, more_behind: int | None) -> None:
        """In order."""
        if more_behind is not None:
            self._put_back(MoreMail(more_behind))
        for cause in reversed(causes):
            self._put_back(cause)
        self._answered(ReadMail)

    # --- the program comes back --------------------------------------------------------------------------

    def _is_ready_to_rebuild(self, cause: Cause) -> bool:
        return self.turns is None or not self.turns.prepares or self.turns.is_ready_to_rebuild(cause)

    def _rebuild_in_slices(self, cause: Cause, mark: str) -> None:
        self._put_back(cause)
        self._rebuilding = self.instance.rebuild()
        self._rebuilding_for = mark
        self._parent.rebuild_later(self)

    def advance_rebuild(self) -> bool:
        """Rebuild the program by one more input; True when it is done (or has failed). Raises nothing."""
        assert self._rebuilding is not None
        try:
            with self._blamed(self._rebuilding_for):
                next(self._rebuilding)
        except StopIteration:
            self._rebuilding = None
            self.reschedule()
            return True
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001 - the border of the actor, as in Dispatcher.run_one
            self.stop_now()
            self._parent.failed(self, None, error)
            return True
        return False

    # --- the end ------------------------------------------------------------------------------------------

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.on_stop()
        self._parent.failed(self, self._current, exception_value)

    def on_stop(self) -> None:
        if self.turn is not None and self.turns is not None:
            self.turns.drop(self.turn)
        elif self.is_loaded and (unsealed := self.instance.unsealed) is not None:
            self.let_go_of(unsealed)
        self.turns = None
        # The mailbox is what makes a cycle. Without it, what thousands of idle instances have held is free at
        # once, and not when the collector of cycles comes by.
        self.actor_inbox.owner = None
        self._let_go()

    def _let_go(self) -> None:
        """Let its code go, which may have something to do on its way out."""
        if self.is_loaded and self.instance.live.program is not None:
            with self._blamed(LETTING_GO):
                self.instance.live.forget()

    def let_go_of(self, unsealed: Unsealed) -> None:
        """Of the code of a turn that is dropped."""
        with self._blamed(LETTING_GO):
            unsealed.live.forget()

    def answer_to(
        self, request: AwaitOutcome, caller: Caller
    ) -> ResultEffect | UpdateEffect | AnswerEffect | None:
        """What is to be said to who waits for an outcome; None as long as there is nothing."""
        state = self.instance.state
        return None if state is None else answers.awaited(request, caller, state)

    def _put_back(self, cause: Cause) -> None:
        self.actor_inbox.put_back(cause)

    def reschedule(self) -> None:
        """There may be something that can be handled now."""
        if self.actor_inbox:
            self.dispatcher.schedule(self)
