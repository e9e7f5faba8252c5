"""What is said to incidents, on the wire."""

from __future__ import annotations

from dalsegno.actors.supervisor.wire.form import Commands, caller_of
from dalsegno.actors.workflow_actor.incidents.commands import SettleIncident
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.errors import InvalidMessageError


def _settle(body: wire.ResolveIncident, message: Message) -> SettleIncident:
    """Raises InvalidMessageError for what does not go with the action."""
    if (body.result is not None) != (body.action == "complete"):
        raise InvalidMessageError("a result is given where the activity is to complete, and only there")
    if body.failure is not None and body.action != "fail":
        raise InvalidMessageError("a failure is given only where the activity is to fail")
    return SettleIncident(
        number=body.number,
        action=body.action,
        result=body.result,
        failure=body.failure,
        run_id=body.run_id,
        caller=caller_of(message),
    )


COMMANDS: Commands = {wire.ResolveIncident: _settle}
