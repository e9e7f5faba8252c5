"""(state, event) -> state: pure, and the only way in which a state comes to be.

It is used when something happens and again when the journal is read, so that both give the same state, byte
for byte. It trusts what `decide` yields: an event that does not fit its state (a broken journal) raises
LookupError or IllegalEventError, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.steps import PORTION, Steps, at_once
from dalsegno.actors.workflow_actor.run import primitives
from dalsegno.actors.workflow_actor.run.chunked_map import Entries, kept
from dalsegno.actors.workflow_actor.run.draft import Draft
from dalsegno.actors.workflow_actor.run.events import (
    CallerAdded,
    CancelReceived,
    Continued,
    ContinueWanted,
    DelayOver,
    EffectsDropped,
    EffectsParked,
    Event,
    Ran,
    Record,
    Resumed,
    RunClosed,
    RunStarted,
    SignSet,
    Suspended,
)
from dalsegno.actors.workflow_actor.run.inputs import Begin, CancelRequested, Continue, update_among
from dalsegno.actors.workflow_actor.run.state import (
    Outstanding,
    ResultDue,
    RunOutcome,
    Suspension,
    WorkflowState,
    blank,
)


class IllegalEventError(Exception):
    """An event that cannot have happened in this state."""


def fold(state: WorkflowState | None, record: Record) -> WorkflowState:
    """The state after one more activation; `state` is None before the first of a run."""
    return at_once(folding(state, record))


def folding(state: WorkflowState | None, record: Record) -> Steps[WorkflowState]:
    """The same in steps, where user code has wanted very much."""
    if state is None:
        first = record.events[0]
        if not isinstance(first, RunStarted):
            raise IllegalEventError("a run cannot begin with anything but its start")
        state = blank(first.info, python=first.python)
    forgets = record.forgets
    while len(forgets) > PORTION:
        state = replace(state, outstanding=_without(state.outstanding, forgets[:PORTION]))
        forgets = forgets[PORTION:]
        yield
    state = opened(state, time=record.time, held=record.held, forgets=forgets)
    draft = Draft(state)
    is_large = False
    for event in record.events:
        if type(event) is Ran:
            for number, want in enumerate(event.wants, 1):
                APPLY[type(want)](draft, want)
                if number % PORTION == 0:
                    yield
            is_large = is_large or len(event.wants) > PORTION
            event = replace(event, wants=())
        APPLY[type(event)](draft, event)
    if is_large:
        yield
    after = draft.done()
    if is_large:
        yield
    return after


def _without(
    outstanding: Entries[EffectID, Outstanding], forgets: tuple[EffectID, ...]
) -> Entries[EffectID, Outstanding]:
    left = outstanding.copy()
    for effect in forgets:
        left.pop(effect, None)
    return kept(left)


def opened(state: WorkflowState, *, time: int, held: bool, forgets: tuple[EffectID, ...]) -> WorkflowState:
    """The state at the beginning of its next activation, which forgets effects that are confirmed."""
    outstanding = state.outstanding
    if forgets:
        left = outstanding.copy()
        for effect in forgets:
            left.pop(effect, None)
        outstanding = left if type(left) is dict else kept(left)
    return replace(
        state,
        sequence=state.sequence + 1,
        time=time,
        held=held,
        effects_made=0,
        outstanding=outstanding,
    )


def apply(state: WorkflowState, *events: Event) -> WorkflowState:
    if not events:
        return state
    draft = Draft(state)
    for event in events:
        APPLY[type(event)](draft, event)
    return draft.done()


# --- the run ---------------------------------------------------------------------------------------------


def _started(draft: Draft, event: RunStarted) -> None:
    if draft.sequence != 1:
        raise IllegalEventError("a run starts only once")
    draft.change(recipients=event.recipients, earlier=event.earlier)
    draft.give(Begin(args=event.args))
    for input_ in event.carried:
        if isinstance(input_, CancelRequested):
            draft.give(input_)
            draft.change(cancel_requested=True)
        elif (update_id := update_among(input_)) is None:
            draft.give(input_)
        else:
            update = event.updates[update_id]
            draft.put_update(update_id, replace(update, number=draft.count_update()))
            draft.give_first(input_)


def _caller_added(draft: Draft, event: CallerAdded) -> None:
    draft.change(recipients=(*draft.state.recipients, event.recipient))


def _suspended(draft: Draft, event: Suspended) -> None:
    suspension = Suspension(event.kind, event.reason, draft.time, event.retry_at, event.fingerprint)
    draft.change(suspension=suspension, tries=draft.state.tries + 1)


def _resumed(draft: Draft, _: Resumed) -> None:
    draft.change(suspension=None)


def _delay_over(draft: Draft, _: DelayOver) -> None:
    draft.change(is_delayed=False)


def _closed(draft: Draft, event: RunClosed) -> None:
    along = [(update_id, draft.take_update(update_id)) for update_id in event.updates] if event.updates else ()
    for part, close in primitives.CLOSE:
        if part is None or getattr(draft, part):
            close(draft)
    outcome = RunOutcome(event.status, event.result, event.failure, draft.time)
    if event.next_run_id is not None:
        for update_id, update in along:
            draft.put_update(update_id, update)
        draft.clear()
        draft.change(next_run_id=event.next_run_id, continue_at=None, suspension=None, outcome=outcome)
        return
    for recipient in draft.state.recipients:
        draft.send(ResultDue(recipient))
    draft.clear()
    draft.change(recipients=(), continue_at=None, suspension=None, outcome=outcome)


# --- requests ---------------------------------------------------------------------------------------------


def _cancel_received(draft: Draft, event: CancelReceived) -> None:
    draft.change(cancel_requested=True)
    draft.give(CancelRequested(reason=event.reason, kept=event.kept, as_failure=event.as_failure))


def _continued(draft: Draft, _: Continued) -> None:
    draft.change(continue_at=None)
    draft.give(Continue())


# --- what user code wanted -------------------------------------------------------------------------------


def _ran(draft: Draft, event: Ran) -> None:
    for want in event.wants:
        APPLY[type(want)](draft, want)
    draft.log = draft.log.ran(draft.processed, event.digests)
    draft.processed += 1
    if draft.state.tries:
        draft.change(tries=0)


def _sign_set(draft: Draft, want: SignSet) -> None:
    draft.begin_anew()
    draft.change(signed=want.signed, python=want.python)


def _continue_wanted(draft: Draft, _: ContinueWanted) -> None:
    draft.change(continue_at=draft.time)


# --- outstanding effects ---------------------------------------------------------------------------------


def _parked(draft: Draft, event: EffectsParked) -> None:
    if event.run_id == draft.state.info.run_id:
        for key in event.effects:
            value = draft.outstanding.get(key)
            if value is not None:
                draft.put_outstanding(key, replace(value, held=False, resend_at=event.resend_at))
        return
    parked = set(event.effects)
    earlier = tuple(
        replace(entry, outstanding=replace(entry.outstanding, held=False, resend_at=event.resend_at))
        if entry.run_id == event.run_id and entry.effect in parked
        else entry
        for entry in draft.state.earlier
    )
    draft.change(earlier=earlier)


def _dropped(draft: Draft, event: EffectsDropped) -> None:
    if event.run_id == draft.state.info.run_id:
        draft.drop(event.effects)
        return
    dropped = set(event.effects)
    earlier = tuple(
        entry for entry in draft.state.earlier if entry.run_id != event.run_id or entry.effect not in dropped
    )
    draft.change(earlier=earlier)


APPLY: dict[type, Callable[[Draft, Any], None]] = {
    RunStarted: _started,
    CallerAdded: _caller_added,
    DelayOver: _delay_over,
    Suspended: _suspended,
    Resumed: _resumed,
    RunClosed: _closed,
    CancelReceived: _cancel_received,
    Continued: _continued,
    Ran: _ran,
    SignSet: _sign_set,
    ContinueWanted: _continue_wanted,
    EffectsParked: _parked,
    EffectsDropped: _dropped,
    **primitives.APPLY,
}
"""By its type, what each event does."""
