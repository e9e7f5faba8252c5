"""Whom a run tells how it has ended.

They are stored as tagged arrays: a new field is a new format (see `stored.formats`).
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.commands import Caller, Start


class QueueOf(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="q"):
    """A client, at its queue. A result that finds the queue gone is dropped."""

    client: Caller


class WorkflowOf(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="w"):
    """A run of another workflow; `number` is what that run knows the answer by. It is told through its
    partition, which is always there, and can be stored since format 2."""

    workflow_id: str
    run_id: str
    number: int


Recipient = QueueOf | WorkflowOf


def recipient_of(start: Start) -> Recipient | None:
    """Who is to be told how the run ends that it begins, or finds; None if nobody wants to be."""
    return QueueOf(start.caller) if start.wants_result and start.caller is not None else None
