"""What a step of user code wanted, applied to the state: all of it with one copy of each collection, so that a
thousand activities started at once cost a thousand times one."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.inputs import ActivityResolved, Begin
from dalsegno.actors.workflow_actor.interface.log import Log
from dalsegno.actors.workflow_actor.run.activities import Activity, Phase, first_attempt
from dalsegno.actors.workflow_actor.run.events import (
    ActivityUnwanted,
    ActivityWanted,
    ContinueWanted,
    Ran,
    SignSet,
    TimerUnwanted,
    TimerWanted,
)
from dalsegno.actors.workflow_actor.run.sending import Sending
from dalsegno.actors.workflow_actor.run.state import CancelDue, TaskDue, WorkflowState
from dalsegno.failure import Failure


def apply_wants(state: WorkflowState, event: Ran) -> WorkflowState:
    step = _Step(state)
    for want in event.wants:
        match want:
            case ActivityWanted():
                step.schedule(want)
            case ActivityUnwanted():
                step.cancel(want)
            case TimerWanted():
                step.timers[want.number] = want.fire_at
            case TimerUnwanted():
                step.timers.pop(want.number, None)
            case SignSet():
                step.sign(want)
            case ContinueWanted():
                step.state = replace(step.state, continue_at=state.time)
            case _:
                assert_never(want)
    return step.ended(event.digests)


class _Step:
    """The state while the wants of one step are applied."""

    __slots__ = ("activities", "fence", "resolved", "sending", "state", "timers")

    def __init__(self, state: WorkflowState) -> None:
        self.state = state
        self.activities = dict(state.activities)
        self.timers = dict(state.timers)
        self.sending = Sending(state)
        self.fence = state.fence
        self.resolved: list[ActivityResolved] = []

    def schedule(self, want: ActivityWanted) -> None:
        self.fence += 1
        number = want.spec.number
        self.activities[number] = first_attempt(
            want.spec,
            want.token,
            fence=self.fence,
            now=self.state.time,
            task=self.sending.send(TaskDue(number)),
        )

    def cancel(self, want: ActivityUnwanted) -> None:
        """An activity that is settled already, though user code has not been told yet, stays settled; one that
        is abandoned goes on, and user code passes over how it ends."""
        number = want.number
        activity = self.activities.get(number)
        if activity is None or activity.spec.cancellation_type == "abandon" or activity.cancel_requested:
            return
        spec, worker = activity.spec, activity.worker
        waits = spec.cancellation_type == "wait_cancellation_completed"
        if waits and (worker is not None or (want.may_run and self._may_run(activity))):
            # A worker that has not said so yet is asked when it does.
            asked = () if worker is None else (self._ask_to_stop(worker, activity),)
            self.activities[number] = replace(activity, cancel_requested=True, sends=(*activity.sends, *asked))
            return
        del self.activities[number]
        self.sending.drop(activity.sends)
        if waits:
            failure = Failure(kind="canceled", message="the activity was cancelled before it was started")
            self.resolved.append(ActivityResolved(number=number, failure=failure))
        elif worker is not None:
            self._ask_to_stop(worker, activity)

    def _may_run(self, activity: Activity) -> bool:
        """Its task has left, and whoever has it need not ask before the work."""
        if activity.phase is not Phase.SCHEDULED or activity.spec.is_early:
            return False
        sent_now = any(sequence == self.state.sequence for sequence, _ in activity.sends)
        return not (sent_now and activity.scheduled_at == self.state.time)

    def _ask_to_stop(self, worker: str, activity: Activity) -> tuple[int, int]:
        reason, name = "the workflow cancelled it", activity.spec.activity_id
        content_type, token = activity.content_type, activity.token
        return self.sending.send(CancelDue(worker, name, activity.attempt, reason, content_type, token))

    def sign(self, want: SignSet) -> None:
        """The log begins anew with an entry that stands for the beginning after the sign; inputs that have
        not been run yet stay behind it."""
        state = self.state
        begin = Log().append(state.log[state.processed].time, Begin())
        for entry in state.log.from_(state.processed + 1):
            begin = begin.append(entry.time, entry.input)
        self.state = replace(state, signed=want.signed, python=want.python, log=begin, processed=0)

    def ended(self, digests: tuple[str, ...]) -> WorkflowState:
        state = self.state
        log = state.log.ran(state.processed, digests)
        for resolved in self.resolved:
            log = log.append(state.time, resolved)
        return replace(
            state,
            log=log,
            processed=state.processed + 1,
            activities=self.activities,
            timers=self.timers,
            outstanding=self.sending.outstanding,
            effects_made=self.sending.made,
            fence=self.fence,
            tries=0,
        )
