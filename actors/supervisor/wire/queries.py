"""Queries on the wire. They are answered as all callers are: see `runs`."""

from __future__ import annotations

from dalsegno.actors.supervisor.wire.form import Commands, caller_of
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.broker.port import Message
from dalsegno.broker.protocol.messages import QueryWorkflow


def _query(body: QueryWorkflow, message: Message) -> Query:
    return Query(
        name=body.name,
        args=body.args,
        headers=body.headers,
        reject_condition=body.reject_condition,
        run_id=body.run_id,
        caller=caller_of(message),
    )


COMMANDS: Commands = {QueryWorkflow: _query}
