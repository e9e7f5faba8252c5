"""What is asked of the instance."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.commands import ClientCommand
from dalsegno.payload import Payload


class Signal(ClientCommand, frozen=True, kw_only=True):
    name: str
    args: tuple[Payload, ...] = ()
