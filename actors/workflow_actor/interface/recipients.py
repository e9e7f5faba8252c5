"""Whom a run tells how it has ended.

They are stored as tagged arrays: a new field is a new format (see `stored.formats`).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.commands import Caller, Start
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf


class QueueOf(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="q"):
    """A client, at its queue. A result that finds the queue gone is dropped."""

    client: Caller


Recipient = QueueOf | WorkflowOf


CLIENTS_MAX = 200
"""Of one run, whose wish to be told is kept with it. Others ask, by `workflow.result`: who starts a workflow
again and again, to be told of its end each time, must not make its state grow for ever."""


def is_full(recipients: Sequence[Recipient]) -> bool:
    """No other client is taken. Workflows are: they do not ask."""
    if len(recipients) < CLIENTS_MAX:
        return False
    return sum(isinstance(recipient, QueueOf) for recipient in recipients) >= CLIENTS_MAX


def recipient_of(start: Start) -> Recipient | None:
    """Who is to be told how the run ends that it begins, or finds; None if nobody wants to be."""
    if start.parent is not None:
        return start.parent
    return QueueOf(start.caller) if start.wants_result and start.caller is not None else None
