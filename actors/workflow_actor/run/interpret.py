"""Intents of user code become events. What was wanted before a sign in the same step is done, but only what
comes after the last sign is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from dalsegno.actors.workflow_actor.activities.activity import FAR_FUTURE, spec_of, task_token
from dalsegno.actors.workflow_actor.activities.events import ActivityUnwanted, ActivityWanted
from dalsegno.actors.workflow_actor.interface.intents import (
    AskContinue,
    CancelActivity,
    CancelRun,
    CancelTimer,
    CompleteRun,
    FailRun,
    Intent,
    ScheduleActivity,
    SetSign,
    StartTimer,
)
from dalsegno.actors.workflow_actor.run.events import (
    ContinueWanted,
    Ran,
    RunClosed,
    SignSet,
    TimerUnwanted,
    TimerWanted,
    Want,
)
from dalsegno.policies import WorkflowStatus


def interpret(intents: Sequence[Intent], *, entropy: bytes, python: str) -> tuple[Ran] | tuple[Ran, RunClosed]:
    """The events of one step; what follows an intent that ends the run is not done."""
    last_sign = -1
    for index, intent in enumerate(intents):
        if type(intent) is SetSign:
            last_sign = index
    wants: list[Want] = []
    closed: RunClosed | None = None
    for index, intent in enumerate(intents):
        match intent:
            case ScheduleActivity():
                spec = spec_of(intent)
                token = task_token(entropy, intent.number, 1, outlives=spec.outlives_run)
                wants.append(ActivityWanted(spec, token))
            case CancelActivity():
                wants.append(ActivityUnwanted(intent.number, may_run=True))
            case StartTimer():
                wants.append(TimerWanted(intent.number, min(intent.fire_at, FAR_FUTURE)))
            case CancelTimer():
                wants.append(TimerUnwanted(intent.number))
            case SetSign():
                if index == last_sign:
                    wants.append(SignSet(intent.signed, python))
            case AskContinue():
                wants.append(ContinueWanted())
            case CompleteRun():
                closed = RunClosed(WorkflowStatus.COMPLETED, result=intent.result)
            case FailRun():
                closed = RunClosed(WorkflowStatus.FAILED, failure=intent.failure)
            case CancelRun():
                closed = RunClosed(WorkflowStatus.CANCELED, failure=intent.failure)
            case _:
                assert_never(intent)
        if closed is not None:
            break
    ran = Ran(tuple([intent.digest for intent in intents[last_sign + 1 :]]), tuple(wants))
    return (ran,) if closed is None else (ran, closed)
