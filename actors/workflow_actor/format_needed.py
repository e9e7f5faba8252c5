"""Which stored format takes what a command brings. As long as an older one must be written it is refused, or
fails; whoever is about to do that looks first whether it may not be written by now."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.activities.commands import AttemptDetached
from dalsegno.actors.workflow_actor.interface.commands import AwaitEnd, Start
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.format_2 import NUMBER as FORMAT_2
from dalsegno.actors.workflow_actor.stored.format_3 import NUMBER as FORMAT_3
from dalsegno.actors.workflow_actor.updates.commands import Update


def format_for(command: object) -> int:
    """The oldest that has a place for it."""
    match command:
        case Update() | AttemptDetached():
            return FORMAT_3
        case Start(then=Update()):
            return FORMAT_3
        case Start():
            more = command.parent or command.retry or command.run_timeout or command.delay or command.priority
            return FORMAT_3 if more or command.search_attributes or command.headers else 1
        case Signal() if command.headers:
            return FORMAT_3
        case AwaitEnd():
            return FORMAT_2
        case _:
            return 1
