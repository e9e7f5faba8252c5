"""What is asked of the instance."""

from __future__ import annotations

from msgspec import field

from dalsegno.actors.workflow_actor.interface.commands import ClientCommand
from dalsegno.actors.workflow_actor.updates.update import UpdateStage
from dalsegno.payload import Payload


class Update(ClientCommand, frozen=True, kw_only=True):
    """Known by its ID: one that comes again under another message is handled no second time. `wait_for`: its
    caller is told when it has come so far, if that is later than the answer."""

    update_id: str
    name: str
    args: tuple[Payload, ...] = ()
    wait_for: UpdateStage = "accepted"
    headers: dict[str, Payload] = field(default_factory=dict)
