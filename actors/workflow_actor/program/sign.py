"""Setting a sign: what may be given to workflow.checkpoint, and how the run method has to be left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, NamedTuple, Protocol

from dalsegno.actors.workflow_actor.compensation.compensation import KeptCompensation
from dalsegno.actors.workflow_actor.deadlines.deadline import KeptDeadline
from dalsegno.actors.workflow_actor.loop.cancel_request import CancelReason
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.loop.refusals import SignReachedError
from dalsegno.actors.workflow_actor.program.code_error import code_error
from dalsegno.actors.workflow_actor.program.life import ProgramLife
from dalsegno.actors.workflow_actor.program.phase import ProgramPhase
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.data_converter import DataConverter
from dalsegno.definition import WorkflowDefinition
from dalsegno.error_text import is_a, parts_of_group
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload
from dalsegno.search_attributes import AttributeValue
from dalsegno.signed_state import version_of


class RuntimeAtSign(Protocol):
    """(It is `program.runtime.Runtime`.)"""

    converter: DataConverter

    @property
    def search_attributes(self) -> Mapping[str, AttributeValue]: ...

    @property
    def memo(self) -> Mapping[str, Payload]: ...

    @property
    def has_changed_memo(self) -> bool: ...

    @property
    def cancellation_reason(self) -> str | None: ...

    @property
    def details(self) -> str: ...


class AskedSign(NamedTuple):
    """A call of workflow.checkpoint."""

    state: Any
    line: str

    def too_early(self, outstanding: Iterable[str]) -> str:
        """What is said where the run still waits for something."""
        return (
            f"workflow.checkpoint was called ({self.line}) while these were outstanding: "
            f"{'; '.join(outstanding)}. Await or cancel them first."
        )

    def run_left_by(self, error: BaseException, life: ProgramLife) -> None:
        """The run method has ended by that, in the step in which it was called."""
        if is_sign_reached(error):
            life.phase = ProgramPhase.LEAVING
        else:
            life.break_off(code_error(error, self.not_left("something else was raised")))

    def not_left(self, what: str) -> str:
        """The reason of a run method that did not end there. `what` it did instead."""
        return (
            f"The run method did not end when workflow.checkpoint was called ({self.line}): {what}. Its "
            "`finally`, `except` and `async with` must let pass what they did not expect, and cannot wait."
        )


def require_state(definition: WorkflowDefinition, state: Any) -> None:
    """Raises TypeError, for user code, where the run method cannot be entered with `state`."""
    hint = definition.state_hint
    run = definition.run.__qualname__
    if definition.dynamic:
        raise TypeError(f"workflow.checkpoint cannot be used by a dynamic workflow, such as {run} is part of.")
    if hint is None:
        raise TypeError(
            f"workflow.checkpoint(state) enters {run}(state) again: let it take one parameter besides self."
        )
    if isinstance(hint, type) and is_dataclass(hint) and not isinstance(state, hint):
        raise TypeError(
            f"workflow.checkpoint was given a {type(state).__qualname__}, but {run} takes {hint.__qualname__}."
        )


def signed_state(
    asked: AskedSign,
    definition: WorkflowDefinition,
    before: SignedState,
    ledger: IntentLedger,
    waiting: Sequence[Signaled | Updated],
    cancel: CancelReason | None,
    compensations: Iterable[KeptCompensation],
    deadlines: Iterable[KeptDeadline],
    runtime: RuntimeAtSign,
) -> SignedState:
    """What the sign keeps. Raises WorkflowCodeError for a state that cannot be stored."""
    try:
        payload = runtime.converter.at_sign().to_payload(asked.state, definition.state_hint or Any)
        version = version_of(definition.state_hint)
    except PayloadError as error:
        reason = f"The state given to workflow.checkpoint ({asked.line}) cannot be stored. {error}"
        raise WorkflowCodeError(reason) from None
    return SignedState(
        state=payload,
        state_version=version,
        signs=before.signs + 1,
        next_activity=ledger.next_activity,
        next_timer=ledger.next_timer,
        next_uuid=ledger.next_uuid,
        next_hash=ledger.next_hash,
        signals=tuple(waiting),
        cancel_reason=None if cancel is None else str(cancel),
        cancel_as_failure=cancel is not None and cancel.as_failure,
        compensations=tuple(compensations),
        next_request=ledger.next_request,
        attributes=dict(runtime.search_attributes),
        memo=dict(runtime.memo) if runtime.has_changed_memo else None,
        asked_to_stop=runtime.cancellation_reason,
        details=runtime.details,
        asked_ends=ledger.asked_ends,
        deadlines=tuple(deadlines),
    )


def carried_cancel(signed: SignedState) -> CancelReason | None:
    """The request that goes over it."""
    reason = signed.cancel_reason
    return None if reason is None else CancelReason(reason, as_failure=signed.cancel_as_failure)


def is_sign_reached(error: BaseException) -> bool:
    """Whether the run method ended as it has to: by what checkpoint raised, and nothing else."""
    if parts := parts_of_group(error):  # a TaskGroup wraps what passes through it
        return all(map(is_sign_reached, parts))
    return is_a(error, SignReachedError)
