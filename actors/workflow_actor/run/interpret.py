"""Intents of user code become events. What was wanted before a sign in the same step is done, but only what
comes after the last sign is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.run import primitives
from dalsegno.actors.workflow_actor.run.events import ContinueWanted, Ran, RunClosed, SignSet, Want
from dalsegno.actors.workflow_actor.run.intents import (
    AskContinue,
    CancelRun,
    CompleteRun,
    ContinueAsNew,
    FailRun,
    SetSign,
)
from dalsegno.policies import WorkflowStatus

_DIGEST = attrgetter("digest")


def interpret(intents: Sequence[Intent], *, entropy: bytes, python: str) -> tuple[Ran] | tuple[Ran, RunClosed]:
    """The events of one step; what follows an intent that ends the run is not done."""
    last_sign, has_unsaid = -1, False
    for index, intent in enumerate(intents):
        if type(intent) is SetSign:
            last_sign = index
        elif type(intent) in primitives.UNSAID:
            has_unsaid = True
    wants: list[Want] = []
    closed: RunClosed | None = None
    for index, intent in enumerate(intents):
        if isinstance(intent, SetSign):
            if index == last_sign:
                wants.append(SignSet(intent.signed, python))
        elif (wanted := WANTS.get(type(intent))) is not None:
            want = wanted(intent, entropy)
            if has_unsaid and index < last_sign and (over := primitives.OVER_SIGN.get(type(want))) is not None:
                want = over(want)
            wants.append(want)
        else:
            closed = ENDS[type(intent)](intent)
            break
    said = intents[last_sign + 1 :]
    if has_unsaid:
        said = [intent for intent in said if type(intent) not in primitives.UNSAID]
    ran = Ran(tuple(map(_DIGEST, said)), tuple(wants))
    return (ran,) if closed is None else (ran, closed)


def _continue_wanted(_: AskContinue, __: bytes) -> ContinueWanted:
    return ContinueWanted()


WANTS: dict[type, Callable[[Any, bytes], Want]] = {
    **primitives.WANTS,
    AskContinue: _continue_wanted,
}
"""By its type, what an intent becomes; the bytes are random. A sign is more than one intent's matter."""


def _completed(intent: CompleteRun) -> RunClosed:
    return RunClosed(WorkflowStatus.COMPLETED, result=intent.result)


def _failed(intent: FailRun) -> RunClosed:
    return RunClosed(WorkflowStatus.FAILED, failure=intent.failure)


def _canceled(intent: CancelRun) -> RunClosed:
    return RunClosed(WorkflowStatus.CANCELED, failure=intent.failure)


def _continued(_: ContinueAsNew) -> RunClosed:
    return RunClosed(WorkflowStatus.CONTINUED_AS_NEW)


ENDS: dict[type, Callable[[Any], RunClosed]] = {
    CompleteRun: _completed,
    FailRun: _failed,
    CancelRun: _canceled,
    ContinueAsNew: _continued,
}
"""How it ends, by the type of the intent that ends the run."""
