"""Every update that was taken has one outcome, and none has two: what says otherwise cannot be applied."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run import events as ev
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.events import (
    UpdateAdmitted,
    UpdateAwaited,
    UpdateCompleted,
    Updated,
)
from dalsegno.verification.finding import Invariant
from dalsegno.verification.rows import Page
from tests.verification.planting import appended, events_of
from tests.verification.stored import Stored, edited, violations_of
from tests.workflow_actor.rig import CALLER, SECOND, Rig, ScriptedCode


@workflow.defn(name="order")
class Door:
    def __init__(self) -> None:
        self.is_open = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.is_open)

    @workflow.update
    def knock(self) -> str:
        return "who is there?"

    @workflow.update
    async def enter(self) -> str:
        await workflow.wait_condition(lambda: self.is_open)
        return "hello"

    @workflow.signal
    def unlock(self) -> None:
        self.is_open = True


def history() -> Page:
    """One that is answered at once, and one that is answered in the step in which the run ends."""
    rig = Rig(WorkflowRegistry([(Door, None)]))
    stored = Stored(rig)
    rig.start()
    for name in ("knock", "enter"):
        rig.send(Update(update_id=name, name=name))
    rig.send(Signal(name="unlock"))
    assert rig.state.is_closed
    assert set(rig.state.update_outcomes) == {"knock", "enter"}
    (page,) = stored.pages()
    return page


def test_a_history_with_updates_is_sound() -> None:
    assert violations_of([history()]) == []


def goes_on_at_once() -> list[Page]:
    """An update comes to a suspended run when its code is tried again, which goes on as another without looking
    at it: who waits for it is recorded behind the end of the run, and goes along with it."""
    code = ScriptedCode([WorkflowCodeError("not yet")])
    rig = Rig(code)
    stored = Stored(rig)
    rig.start()
    knock = Updated(update_id="knock", name="knock", args=())
    code.source, code.script = "code-2", lambda *_: [ContinueAsNew(args=(), carried=(knock,))]
    waiting = Update(update_id="knock", name="knock", wait_for="completed", caller=CALLER)
    rig.send_all(waiting, after=60 * SECOND)
    return stored.pages()


def test_who_waits_for_an_update_goes_along_to_the_run_that_follows() -> None:
    ended, follows = goes_on_at_once()
    (_, awaited), *_ = events_of(ended, UpdateAwaited)
    (_, closed), *_ = events_of(ended, ev.RunClosed)
    (_, began), *_ = events_of(follows, ev.RunStarted)
    assert closed.updates == ("knock",)
    assert began.updates["knock"].awaiters == (awaited.awaiter,)
    assert violations_of([ended, follows]) == []


def test_who_waits_for_another_update_behind_the_end_is_found() -> None:
    ended, follows = goes_on_at_once()
    row, closed = next(events_of(ended, ev.RunClosed))
    stray = edited(
        ended,
        row.sequence,
        lambda record: replace(
            record, events=tuple(replace(e, updates=()) if e == closed else e for e in record.events)
        ),
    )
    assert Invariant.ENDS_ONCE in {violation.invariant for violation in violations_of([stray, follows])}


def completed(page: Page, update_id: str) -> tuple[int, ev.Ran]:
    """The step that completes it, and its row."""
    for row, step in events_of(page, ev.Ran):
        for want in step.wants:
            if isinstance(want, UpdateCompleted) and want.update_id == update_id:
                return row.sequence, step
    raise AssertionError(f"nothing completes {update_id}")


def twice(page: Page) -> Page:
    sequence, _ = completed(page, "knock")
    return appended(page, sequence, ev.Ran((), (UpdateCompleted("knock"),)))


def never_taken(page: Page) -> Page:
    row, taken = next(events_of(page, UpdateAdmitted))
    return edited(
        page,
        row.sequence,
        lambda record: replace(record, events=tuple(event for event in record.events if event != taken)),
    )


def taken_twice(page: Page) -> Page:
    row, taken = next(events_of(page, UpdateAdmitted))
    return appended(page, row.sequence, taken)


@pytest.mark.parametrize("spoil", [twice, never_taken, taken_twice])
def test_an_outcome_too_many_or_of_nothing_is_found(spoil: Callable[[Page], Page]) -> None:
    found = violations_of([spoil(history())])
    assert Invariant.REPLAY in {violation.invariant for violation in found}
