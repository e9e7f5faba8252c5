"""What is said of a run whose code was suspended, or goes on again: once each, not at every try in between;
and of one that waits for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.round.round import Entry
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.policies import WorkflowStatus

log = get_logger()


def say(entry: Entry) -> bool:
    """Log the news of the entry, which is durable; True if its run is suspended since."""
    statuses = [*[row.status for row in entry.opened], *[row.status for row in entry.changed]]
    state = entry.actor.instance.state
    if not statuses or state is None or state.is_closed:
        return False
    if statuses[-1].goes_on and entry.changed:
        log.info("workflow_goes_on", **_whose(state))
    if statuses[-1] is not WorkflowStatus.SUSPENDED or state.suspension is None:
        return False
    suspension = state.suspension
    tell = log.info if suspension.kind in ("operator", "unknown_type") else log.error
    tell(
        "workflow_suspended",
        **_whose(state),
        kind=suspension.kind,
        reason=suspension.reason,
        next_try_at=_shown(suspension.retry_at),
    )
    return True


def say_incidents(entry: Entry) -> None:
    """Log those that the entry, which is durable, has opened."""
    state = entry.actor.instance.state
    if state is None:
        return
    for number, what in entry.incidents:
        log.warning("incident_opened", **_whose(state), incident=number, reason=what)


def say_quarantined(entry: Entry) -> None:
    """Log the signals that it has set aside: nobody else says so, and their workflow goes on without them."""
    state = entry.actor.instance.state
    if state is None:
        return
    for signal in entry.quarantined:
        tell = log.error if signal.struck else log.warning
        tell(
            "signal_quarantined",
            **_whose(state),
            signal=signal.name,
            number=signal.number,
            reason=signal.reason,
            hint=f"dalsegno workflow quarantine list {quote(state.info.workflow_id)}",
        )


def interim_answer(state: WorkflowState, caller: Caller) -> AnswerEffect | None:
    """For who waits for the run's result and wants to know: it is suspended, or waits for a person. None while
    it does not."""
    if state.is_closed or not caller.tell_suspended:
        return None
    if state.suspension is not None:
        return answers.answered(caller, state.info.workflow_id, state)
    return answers.of_first_incident(caller, state)


def _whose(state: WorkflowState) -> dict[str, str]:
    info = state.info
    return {"workflow_id": info.workflow_id, "run_id": info.run_id, "workflow_type": info.workflow_type}


def _shown(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="seconds")
