"""Tables say which command may lead to which event, and which intent to which want. They leave nothing out."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from dalsegno.actors.workflow_actor.activities import intents as activities
from dalsegno.actors.workflow_actor.activities.commands import (
    AttemptCanceled,
    AttemptCompleted,
    AttemptFailed,
    AttemptHeartbeat,
    AttemptStarted,
    KeepHeartbeats,
    ResendTask,
    Resolve,
)
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.attributes import intents as attributes
from dalsegno.actors.workflow_actor.children import intents as children
from dalsegno.actors.workflow_actor.compensation import intents as compensation
from dalsegno.actors.workflow_actor.deadlines import intents as deadlines
from dalsegno.actors.workflow_actor.externals import intents as externals
from dalsegno.actors.workflow_actor.instance import TAKE
from dalsegno.actors.workflow_actor.interface.commands import (
    AwaitEnd,
    Cancel,
    Command,
    FailEffect,
    OtherAnswered,
    OtherEnded,
    Park,
    Resume,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.actors.workflow_actor.local_activities.commands import (
    LocalWorkCanceled,
    LocalWorkCompleted,
    LocalWorkFailed,
)
from dalsegno.actors.workflow_actor.memo import intents as memo
from dalsegno.actors.workflow_actor.outstanding.outstanding import EFFECTS
from dalsegno.actors.workflow_actor.patches import intents as patches
from dalsegno.actors.workflow_actor.run import intents as run
from dalsegno.actors.workflow_actor.run.decide import (
    AFTER,
    BEFORE,
    BY_THE_INSTANCE,
    RULES,
    WHEN_DUE,
    Addressee,
    Known,
    decide,
    may_lead_to,
)
from dalsegno.actors.workflow_actor.run.events import Event, SignSet, Want
from dalsegno.actors.workflow_actor.run.intents import SetSign
from dalsegno.actors.workflow_actor.run.interpret import ENDS, WANTS
from dalsegno.actors.workflow_actor.run.primitives import DUE, DueKind
from dalsegno.actors.workflow_actor.run.state import EffectDue, WorkflowState
from dalsegno.actors.workflow_actor.signals import intents as signals
from dalsegno.actors.workflow_actor.signals.commands import SettleQuarantined, Signal, StruckSignal
from dalsegno.actors.workflow_actor.timers import intents as timers
from dalsegno.actors.workflow_actor.updates import intents as updates
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import DONE, T0, Rig, ScriptedCode, payload


def every(base: type) -> set[type]:
    """The classes that are made: those that are no base of others."""
    subclasses: list[type] = base.__subclasses__()
    return {kind for subclass in subclasses for kind in every(subclass)} if subclasses else {base}


def intents() -> set[type]:
    return {
        kind
        for room in (
            *(activities, attributes, memo, patches, timers, signals, updates, compensation),
            *(children, externals, deadlines),
            run,
        )
        for kind in vars(room).values()
        if isinstance(kind, type) and hasattr(kind, "digest")
    }


def test_every_command_has_one_rule() -> None:
    assert not RULES.keys() & BY_THE_INSTANCE.keys()
    assert {*RULES, *BY_THE_INSTANCE} == every(Command)


def test_an_instance_takes_what_it_is_said_to_take_itself() -> None:
    assert TAKE.keys() == BY_THE_INSTANCE.keys()


def test_every_event_comes_of_some_command_or_of_user_code() -> None:
    of_commands = {event for command in every(Command) for event in may_lead_to(command)}
    assert of_commands | {*BEFORE, *AFTER} == set(get_args(Event))


def test_every_intent_becomes_a_want_or_ends_the_run() -> None:
    assert not WANTS.keys() & ENDS.keys()
    assert {*WANTS, *ENDS, SetSign} == intents()


def test_every_want_comes_of_some_intent() -> None:
    assert {get_type_hints(wanted)["return"] for wanted in WANTS.values()} | {SignSet} == set(get_args(Want))


def test_whatever_falls_due_is_done_and_whatever_is_outstanding_leaves() -> None:
    assert WHEN_DUE.keys() == set(DueKind)
    moved_by = {event for due in DUE.values() for event in due.moved_by}
    assert moved_by <= {*get_args(Event), *get_args(Want)}
    assert EFFECTS.keys() == set(get_args(EffectDue))


def test_each_is_decided_and_interpreted_by_what_is_written_for_it() -> None:
    written = {command: rule.decide for command, rule in RULES.items()} | WANTS | ENDS
    for asked, function in written.items():
        assert asked in get_type_hints(function).values(), f"{function.__name__} is not for {asked.__name__}"


OF_AN_ATTEMPT: dict[str, Any] = {"run_id": "run-1", "activity_id": "1", "attempt": 1, "token": bytes(24)}
OF_LOCAL_WORK: dict[str, Any] = {"run_id": "run-1", "number": 1, "token": b"token"}
ONE_OF_EACH: list[Command] = [
    Signal(name="go"),
    StruckSignal(name="go", why="it kills"),
    SettleQuarantined(number=1, action="drop"),
    Cancel(),
    Terminate(),
    Suspend(),
    Resume(),
    AttemptStarted(**OF_AN_ATTEMPT, worker="worker"),
    AttemptHeartbeat(**OF_AN_ATTEMPT, worker="worker"),
    AttemptCompleted(**OF_AN_ATTEMPT, result=payload()),
    AttemptFailed(**OF_AN_ATTEMPT, failure=Failure(message="no")),
    AttemptCanceled(**OF_AN_ATTEMPT),
    Resolve(activity_id="1", result=payload()),
    LocalWorkCompleted(**OF_LOCAL_WORK, result=payload()),
    LocalWorkFailed(**OF_LOCAL_WORK, failure=Failure(message="no"), attempt=1),
    LocalWorkCanceled(**OF_LOCAL_WORK),
    KeepHeartbeats(),
    ResendTask("1", 1),
    OtherAnswered(run_id="run-1", number=1, asked="signal"),
    OtherEnded(run_id="run-1", number=1, by_run="run-2", status=WorkflowStatus.COMPLETED),
    AwaitEnd(workflow_id="w", run_id=None, asker=WorkflowOf("asker", "run-2", 1)),
    Park(((1, 0),), T0),
    FailEffect((1, 0), "too large"),
]


def closed_run() -> WorkflowState:
    rig = Rig(ScriptedCode([[DONE]]))
    rig.start()
    return rig.state


def test_there_is_one_of_each() -> None:
    assert [type(command) for command in ONE_OF_EACH] == list(RULES)


@pytest.mark.parametrize("command", ONE_OF_EACH, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize(("state", "code"), [(None, "not_found"), (closed_run(), "closed")])
def test_what_is_asked_of_a_run_that_is_not_open_gives_no_event_and_a_client_is_refused(
    command: Command, state: WorkflowState | None, code: str
) -> None:
    known = Known(T0, "code-1", Heartbeats(), bytes(32), cancels_as_failure=True)
    decision = decide(state, "w", command, known)
    assert decision.events == ()
    addressee = RULES[type(command)].addressee
    is_refused = addressee is Addressee.OPEN_RUN or (addressee is Addressee.TO_BE_TOLD and state is None)
    assert (decision.refusal and decision.refusal[0]) == (code if is_refused else None)


@pytest.mark.parametrize("word", ONE_OF_EACH[7:12], ids=lambda command: type(command).__name__)
def test_a_worker_that_speaks_of_what_is_over_waits_for_nothing_more(word: Command) -> None:
    known = Known(T0, "code-1", Heartbeats(), bytes(32), cancels_as_failure=True)
    decision = decide(None, "w", word, known)
    assert decision.stale or decision.effects
