"""When suspended code is tried again, and what a try in vain means for the next."""

from __future__ import annotations

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.code_retries import LONG_AGO, CodeRetries, is_in_vain
from dalsegno.actors.workflow_actor.run.events import Event, Resumed, RunClosed, Suspended
from dalsegno.actors.workflow_actor.run.state import Suspension
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import SECOND, T0, Rig, ScriptedCode

STUCK = Suspension("nondeterminism", "it wants something else", T0, T0 + SECOND, "code-1")


def test_it_is_due_when_its_time_has_come() -> None:
    retries = CodeRetries()
    assert not retries.is_due(STUCK, now=T0, fingerprint="code-1")
    assert retries.is_due(STUCK, now=T0 + SECOND, fingerprint="code-1")


def test_other_code_is_worth_a_try_at_any_time() -> None:
    assert CodeRetries().is_due(STUCK, now=LONG_AGO, fingerprint="code-2")


def test_what_an_operator_suspended_is_never_due() -> None:
    suspension = replace(STUCK, kind="operator", retry_at=None)
    assert CodeRetries().next_at(suspension) is None
    assert not CodeRetries().is_due(suspension, now=T0 + 10**12, fingerprint="code-2")


def test_a_try_in_vain_puts_the_next_one_off_and_that_of_another_suspension_not() -> None:
    rig = Rig(ScriptedCode([]))
    rig.start()
    retries = CodeRetries()
    retries.put_off(replace(rig.state, suspension=STUCK, tries=3), now=T0 + SECOND)

    put_off = retries.next_at(STUCK)
    assert put_off is not None
    assert put_off > T0 + 2 * SECOND, "pauses double"
    assert not retries.is_due(STUCK, now=T0 + SECOND, fingerprint="code-1")
    assert retries.is_due(STUCK, now=put_off, fingerprint="code-1")
    later = replace(STUCK, since=T0 + SECOND)
    assert retries.next_at(later) == later.retry_at


def test_a_try_is_in_vain_only_if_the_code_is_stuck_as_it_was_and_nothing_else_happened() -> None:
    again: list[Event] = [Resumed(), Suspended("nondeterminism", "in other words", None, "code-1")]
    assert is_in_vain(STUCK, again, replace(STUCK, reason="in other words"))
    assert not is_in_vain(STUCK, again, replace(STUCK, kind="bug"))
    assert not is_in_vain(STUCK, again, replace(STUCK, fingerprint="code-2")), "it is another code's"
    assert not is_in_vain(STUCK, [*again, RunClosed(WorkflowStatus.TERMINATED)], STUCK)
    assert not is_in_vain(STUCK, [Resumed()], None), "it runs"
