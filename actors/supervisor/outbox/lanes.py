"""Lanes: a later effect of a run to the same recipient waits while an earlier one is unconfirmed; what it asks
other workflows for also where a run before it has sent that. So does what is forwarded to a workflow.

A broker keeps the order of what it takes, but it may refuse one message and take the next; so what must not be
overtaken is not given to it together. Memory only: what is in a lane is outstanding in the state, or its cause
comes again. Who gives an effect up opens its lane: what can never arrive is not overtaken. Who leaves one
to another host leaves to it all that is behind.
What stands behind its own message ID enters its lane when that is free, behind who came to the lane meanwhile.
Which effects are in a lane, and in which, stands with their form on the wire.
"""

from __future__ import annotations

from collections import OrderedDict

from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.wire.form import Lane


def forwarded_to(workflow_id: str) -> Lane:
    """Of what came to a foreign partition and is for this workflow. No run sends it."""
    return "", workflow_id


class Lanes:
    """Who is in which lane, in order: the first is on its way, the others wait."""

    def __init__(self) -> None:
        self._members: dict[Lane, OrderedDict[str, Shipment]] = {}

    def __len__(self) -> int:
        """Lanes in which somebody is."""
        return len(self._members)

    def enter(self, shipment: Shipment) -> bool:
        """Whether nobody is before it."""
        assert shipment.lane is not None
        members = self._members.setdefault(shipment.lane, OrderedDict())
        members[shipment.key] = shipment
        return len(members) == 1

    def behind(self, shipment: Shipment) -> list[Shipment]:
        """Those in its lane that must not overtake it, in order."""
        members = None if shipment.lane is None else self._members.get(shipment.lane)
        if members is None or members.get(shipment.key) is not shipment:
            return []
        all_of_them = list(members.values())
        return all_of_them[all_of_them.index(shipment) + 1 :]

    def leave(self, shipment: Shipment) -> Shipment | None:
        """It is over, or given up; whose turn comes by that. Leaving twice is safe."""
        assert shipment.lane is not None
        members = self._members.get(shipment.lane)
        if members is None or members.get(shipment.key) is not shipment:
            return None
        was_first = next(iter(members)) == shipment.key
        del members[shipment.key]
        if not members:
            del self._members[shipment.lane]
            return None
        return next(iter(members.values())) if was_first else None
