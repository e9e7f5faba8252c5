"""The workflow actor: the thin shell around one `Instance`.

Its mailbox takes causes in the order of their arrival. Each becomes one call of the pure core, and what came
out of it is handed to the parent, which commits it with the round. While the instance is being loaded, mail
waits. The actor holds nothing that the database does not have, but for what the round in progress will write:
throwing it away at any time is safe.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dalsegno.actors.light import Dispatcher, LightActor
from dalsegno.actors.workflow_actor.again import asks_from_elsewhere, same_answer
from dalsegno.actors.workflow_actor.blame import LETTING_GO, NOBODY, Struck, mark_of, replay_mark_of
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause, MoreMail
from dalsegno.actors.workflow_actor.interface.commands import (
    Caller,
    Describe,
    Query,
    Resume,
    Start,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.interface.effects import Effect, ResultEffect
from dalsegno.actors.workflow_actor.shown.visible import answer
from dalsegno.actors.workflow_actor.surroundings import Parent, Watch

MessageKey = tuple[str, str]
"""The type and the message ID of a command."""

SEEN_LIMIT = 10_000
"""Message IDs that an actor remembers itself; older ones are looked up."""

STRIKES = "\0strikes"
SEEN = "\0seen"
MAIL = "\0mail"
"""What an actor may have asked for, beside a command by its key."""

LONG_LOG = 500
"""Inputs beyond which a program is rebuilt in slices, so that its neighbours go on meanwhile."""


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
        parent: Parent,
        watch: Watch,
        now: Callable[[], int],
        entropy: Callable[[], bytes],
    ) -> None:
        super().__init__(dispatcher)
        self.workflow_id = workflow_id
        self.slot = slot
        self.last_used = 0.0
        self.settling = False
        self.one_by_one = False
        self.in_round = False
        self.stored_run_id: str | None = None
        self.stored_sequence = 0
        self.stored_wake_at: int | None = None
        self._parent = parent
        self._watch = watch
        self._now = now
        self._entropy = entropy
        self.is_loaded = False
        self._seen: OrderedDict[MessageKey, str] = OrderedDict()
        self._seen_partial = False
        self._seen_unread = False
        self._not_seen: set[MessageKey] = set()
        self._asked: str | MessageKey | None = None
        self._strikes_known = ""
        """Of which run that is about to start they are known."""
        self.is_quarantined = False
        self.is_shown_halted = False
        """Its rows still show that it could not be run."""
        self.struck: Struck = NOBODY
        self._rebuilding: Iterator[None] | None = None
        self._rebuilding_for = ""
        self._current: Cause | None = None

    @property
    def is_busy(self) -> bool:
        return self._asked is not None or self._rebuilding is not None

    @property
    def is_guess(self) -> bool:
        """It was taken to be of a new workflow ID, unread, and no commit has proved that yet."""
        return self._seen_unread and self.stored_run_id is None

    def is_ready(self) -> bool:
        if not self.is_loaded or self._asked is not None or self._rebuilding is not None:
            return False
        return not (self.one_by_one and self.in_round)

    def loaded(self, instance: Instance, *, seen: Mapping[MessageKey, str], seen_partial: bool) -> None:
        """The instance is there; mail may be handled."""
        self.instance = instance
        self.is_loaded = True
        self._seen = OrderedDict(seen)
        self._seen_partial = seen_partial
        self._reschedule()

    def guessed(self, instance: Instance) -> None:
        """As `loaded`, without a look at the database: there is no such workflow yet."""
        self._seen_unread = True
        self.loaded(instance, seen={}, seen_partial=False)

    def round_over(self) -> None:
        """What it did in the round is durable."""
        self.in_round = False
        self._current = None
        if self.one_by_one:
            self.one_by_one = bool(self.actor_inbox)
            self._reschedule()

    def seen_found(self, answers: Mapping[MessageKey, str], message_id: str) -> None:
        """Those with that message ID, of all types."""
        self._seen.update(answers)
        asked = self._asked
        if isinstance(asked, tuple) and asked[1] == message_id:
            if self._answer_to(asked) is None:
                self._not_seen.add(asked)
            self._answered(asked)

    def seen_read(self, seen: Mapping[MessageKey, str], *, seen_partial: bool) -> None:
        """What was refused before there was such a workflow. Nothing, if that is known."""
        if self._seen_unread:
            self._seen_unread = False
            self._seen = OrderedDict({**seen, **self._seen})
            self._seen_partial = seen_partial
            self._answered(SEEN)

    def _answered(self, asked: str | MessageKey) -> None:
        if self._asked == asked:  # else an actor before this one had asked
            self._asked = None
            self._reschedule()

    def remember_seen(self, cause: Cause, answer: str) -> None:
        key = _key_of(cause)
        self._seen[key] = answer
        self._not_seen.discard(key)
        if len(self._seen) > SEEN_LIMIT:
            self._seen.popitem(last=False)
            self._seen_partial = True

    def mail_is_behind(self, number: int) -> None:
        """There is mail in the database that comes before what has been told since."""
        self._put_back(MoreMail(number))
        self._reschedule()

    def mail_read(self, causes: Sequence[Cause], *, more_behind: int | None) -> None:
        """In order."""
        if more_behind is not None:
            self._put_back(MoreMail(more_behind))
        for cause in reversed(causes):
            self._put_back(cause)
        self._answered(MAIL)

    def unhandled(self) -> list[Cause]:
        """Empty the mailbox: what a successor has to handle."""
        causes = []
        while self.actor_inbox:
            causes.append(self.actor_inbox.popleft())
        return causes

    def on_receive(self, message: Any) -> None:
        cause: Cause = message
        if cause.is_void:
            return
        self._current = cause
        if isinstance(cause, MoreMail):
            self._asked = MAIL
            self._parent.read_mail(self, cause.after)
            return
        if cause.recognisable and self._was_seen(cause):
            return
        command = cause.command
        instance = self.instance
        if isinstance(command, AwaitOutcome | Describe | Query) and self._is_about_another_run(command):
            self._parent.about_another_run(self, cause)
            return
        if isinstance(command, AwaitOutcome):
            self._parent.wait_for_outcome(self, cause, command)
            return
        concerns_strikes = isinstance(command, Start | Query | Resume)
        if concerns_strikes and (self._may_have_struck(cause) or self._is_refused_for_strikes(cause)):
            return
        if self._must_rebuild_in_slices(cause):
            self._put_back(cause)
            self._rebuilding = instance.rebuild()
            self._rebuilding_for = replay_mark_of(cause, instance)
            self._parent.rebuild_later(self)
            return
        run_id = instance.run_id or ""
        if concerns_strikes:
            run_id = self._prepare(cause) or run_id
            if isinstance(command, Query) and self._is_refused_for_strikes(cause):
                return  # now that it is known whose query it is
        held = cause.held
        self._watch.enter(run_id, mark_of(cause, instance))
        try:
            activations = instance.activate(command, now=self._now(), entropy=self._entropy(), held=held)
        finally:
            self._watch.leave()
        if held and len(activations) == 1 and activations[0].stale:  # several are a start's
            self._parent.came_again(self, cause, [effect for _, effect in activations[0].effects])
        else:
            self._parent.activated(self, cause, activations)

    def advance_rebuild(self) -> bool:
        """Rebuild the program by one more input; True when it is done (or has failed). Raises nothing."""
        assert self._rebuilding is not None
        self._watch.enter(self.instance.run_id or "", self._rebuilding_for)
        try:
            next(self._rebuilding)
        except StopIteration:
            self._rebuilding = None
            self._reschedule()
            return True
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001 - the border of the actor, as in Dispatcher.run_one
            self.stop_now()
            self._parent.failed(self, None, error)
            return True
        finally:
            self._watch.leave()
        return False

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.on_stop()
        self._parent.failed(self, self._current, exception_value)

    def on_stop(self) -> None:
        # The mailbox is what makes a cycle. Without it, what thousands of idle instances have held is free at
        # once, and not when the collector of cycles comes by.
        self.actor_inbox.owner = None
        self._let_go()

    def _let_go(self) -> None:
        """Of its code, which may have something to do on its way out."""
        instance = self.instance if self.is_loaded else None
        if instance is not None and instance.runs_code:
            self._watch.enter(instance.run_id or "", LETTING_GO)
            try:
                instance.discard_program()
            finally:
                self._watch.leave()

    def _prepare(self, cause: Cause) -> str | None:
        """What user code does for it that is not to be blamed on it. The run that it begins, if it may."""
        command, instance = cause.command, self.instance
        if isinstance(command, Query) and instance.must_rebuild_for(command):
            self._rebuild_at_once(replay_mark_of(cause, instance))
        elif isinstance(command, Start) and instance.is_opened_by(command):
            self._let_go()  # of the run whose place it takes
            return command.run_id
        elif isinstance(command, Resume) and self.struck.queries and not self.struck.causes:
            self.begin_with_a_clean_record()
        return None

    def _rebuild_at_once(self, mark: str) -> None:
        """What fails is told by the activation."""
        self._watch.enter(self.instance.run_id or "", mark)
        try:
            for _ in self.instance.rebuild():
                continue
        finally:
            self._watch.leave()

    def _may_have_struck(self, cause: Cause) -> bool:
        """A start that comes again may have killed a host in its first step. There is no run yet, so its
        strikes did not come with the load."""
        command = cause.command
        if not isinstance(command, Start) or not cause.redelivered or self._strikes_known == command.run_id:
            return False
        if not self.instance.is_opened_by(command):
            return False
        self._put_back(cause)
        self._asked = STRIKES
        self._parent.look_up_strikes(self, command.run_id)
        return True

    def _is_refused_for_strikes(self, cause: Cause) -> bool:
        """This very request has killed hosts, and would kill this one, too."""
        command = cause.command
        error: tuple[str, str] | None = None
        if isinstance(command, Resume) and (reason := self.struck.causes.get(cause.name)) is not None:
            error = "rejected", f"workflow {self.workflow_id!r} stays suspended: {reason}"
        elif isinstance(command, Query):
            error = self.struck.refusal(command, self.instance)
        if error is None or not isinstance(command, Resume | Query):
            return False
        self._parent.came_again(self, cause, self._refused(command.caller, error))
        return True

    def _refused(self, caller: Caller | None, error: tuple[str, str]) -> list[Effect]:
        return [] if caller is None else [answer(caller, self.workflow_id, self.instance.state, error=error)]

    def strikes_found(self, struck: Struck) -> None:
        """Go on; a start that has struck is recorded without running its code, and its run suspended then."""
        if self._asked != STRIKES:
            return
        start: Cause = self.actor_inbox.popleft()
        command = start.command
        assert isinstance(command, Start)
        self._strikes_known = command.run_id
        self.struck, reason = struck.of(command.run_id), struck.reason
        if reason is not None:
            self.instance.quarantine(reason)
            self.is_quarantined = True
            suspend = Suspend(reason=reason, run_id=command.run_id, struck=True)
            self._put_back(Cause(suspend, name="watchdog"))
        self._put_back(start)
        self._answered(STRIKES)

    def begin_with_a_clean_record(self) -> None:
        """What has killed hosts is tried again."""
        self.struck = NOBODY
        self._parent.clear_strikes(self.instance.run_id or "")

    def _is_about_another_run(self, command: AwaitOutcome | Describe | Query) -> bool:
        current = self.instance.run_id
        return command.run_id is not None and current is not None and command.run_id != current

    def _must_rebuild_in_slices(self, cause: Cause) -> bool:
        if isinstance(cause.command, Suspend | Terminate):  # they keep the code from running
            return False
        instance = self.instance
        state = instance.state
        if state is None or not state.log.full:  # as nearly always: it is not even a chunk long
            return False
        return len(state.log) > LONG_LOG and not instance.has_program

    def _was_seen(self, cause: Cause) -> bool:
        key = _key_of(cause)
        before = self._answer_to(key)
        if before is None:
            return self._must_look_up(cause, key)
        if not before and asks_from_elsewhere(cause.command, self.instance.state):
            cause.name = f"workflow.start.again {cause.message_id}"
            return False
        again = same_answer(cause.command, before, self.instance)
        self._parent.came_again(self, cause, [] if again is None else [again])
        return True

    def has_seen(self, cause: Cause) -> bool:
        return self._answer_to(_key_of(cause)) is not None

    def _answer_to(self, key: MessageKey) -> str | None:
        """How the command was answered before. What was stored without its type may be of any."""
        return self._seen.get(key, self._seen.get(("", key[1])))

    def _must_look_up(self, cause: Cause, key: MessageKey) -> bool:
        if self._seen_unread and not isinstance(cause.command, Start):
            # A start is never refused where there is no workflow; other commands are.
            self._asked = SEEN
            self._parent.read_seen(self)
        elif self._seen_partial and key not in self._not_seen:
            self._asked = key
            self._parent.look_up_seen(self, key[1])
        else:
            return False
        self._put_back(cause)
        return True

    def result_effect(self, caller: Caller) -> ResultEffect | None:
        """The outcome of the closed run as an answer; None while it is open."""
        outcome = self.instance.outcome()
        if outcome is None:
            return None
        status, result, failure = outcome
        return ResultEffect(
            caller=caller,
            workflow_id=self.workflow_id,
            run_id=self.instance.run_id or "",
            status=status,
            result=result,
            failure=failure,
        )

    def _put_back(self, cause: Cause) -> None:
        self.actor_inbox.put_back(cause)

    def _reschedule(self) -> None:
        if self.actor_inbox:
            self.dispatcher.schedule(self)


def _key_of(cause: Cause) -> MessageKey:
    assert cause.message_id is not None
    return cause.message_type, cause.message_id
