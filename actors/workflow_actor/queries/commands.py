"""What is asked of the instance."""

from __future__ import annotations

from msgspec import field

from dalsegno.actors.workflow_actor.interface.commands import ReadOnlyCommand
from dalsegno.payload import Payload
from dalsegno.policies import QueryRejectCondition


class Query(ReadOnlyCommand, frozen=True, kw_only=True):
    name: str
    args: tuple[Payload, ...] = ()
    reject_condition: QueryRejectCondition = QueryRejectCondition.NONE
    headers: dict[str, Payload] = field(default_factory=dict)
