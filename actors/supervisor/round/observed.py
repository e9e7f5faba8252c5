"""What an observer is told of an entry that is durable."""

from __future__ import annotations

from dalsegno.actors.supervisor.round.round import Entry
from dalsegno.observer import Observer
from dalsegno.policies import WorkflowStatus


def tell(observer: Observer, entry: Entry) -> None:
    state = entry.actor.instance.state
    workflow_type = "" if state is None else state.info.workflow_type
    for cause in entry.causes:
        # Without the message ID that may follow it: what is counted by it must not be without end.
        observer.activation_done(workflow_type, cause.name.partition(" ")[0])
    if not entry.is_news or state is None or state.is_closed:
        return
    statuses = [*[row.status for row in entry.opened], *[row.status for row in entry.changed]]
    if entry.changed and statuses[-1].goes_on:
        observer.workflow_resumed(workflow_type)
    is_suspended = entry.halt is not None or statuses[-1:] == [WorkflowStatus.SUSPENDED]
    if is_suspended and state.suspension is not None:
        observer.workflow_suspended(workflow_type, state.suspension.kind)
