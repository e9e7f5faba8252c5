"""Who waits for a result learns that the workflow is suspended, or waits for a person, and goes on waiting."""

from __future__ import annotations

from collections.abc import Callable
from shlex import quote

from dalsegno._log import get_logger
from dalsegno.broker.protocol.messages import Reply
from dalsegno.policies import WorkflowStatus

log = get_logger()

OnSuspended = Callable[[str, str], None]
"""Called with the workflow ID and the reason."""


def warn(workflow_id: str, reason: str) -> None:
    log.warning("workflow_suspended", workflow_id=workflow_id, reason=reason, result="still awaited")


def warn_of_incident(workflow_id: str, number: int, reason: str) -> None:
    log.warning(
        "incident_open",
        workflow_id=workflow_id,
        reason=reason,
        result="still awaited",
        hint=f"dalsegno incidents show {quote(workflow_id)} {number}",
    )


class Suspensions:
    """Of the one workflow that a conversation is about. Each reason, and each incident, is told once."""

    def __init__(self, tell: OnSuspended) -> None:
        self._tell = tell
        self._told: str | None = None
        self._told_incidents: set[tuple[str | None, int]] = set()

    def heard(self, reply: Reply) -> None:
        """Any reply that is not what was waited for, or that came before it."""
        if reply.error is not None:
            return
        if reply.incident is not None and (reply.run_id, reply.incident) not in self._told_incidents:
            self._told_incidents.add((reply.run_id, reply.incident))
            warn_of_incident(reply.workflow_id or "", reply.incident, reply.reason or "")
        if reply.status is not WorkflowStatus.SUSPENDED:
            return
        reason = reply.reason or "no reason was given"
        if reason != self._told:
            self._told = reason
            self._tell(reply.workflow_id or "", reason)
