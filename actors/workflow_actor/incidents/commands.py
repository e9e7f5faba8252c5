"""What is asked of the instance."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.incidents.incident import IncidentAction
from dalsegno.actors.workflow_actor.interface.commands import ClientCommand
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class SettleIncident(ClientCommand, frozen=True, kw_only=True):
    """What becomes of the activity whose incident has this number: it is tried again, completes with `result`,
    or fails, with `failure` or as its last attempt has."""

    number: int
    action: IncidentAction
    result: Payload | None = None
    failure: Failure | None = None
