"""The table of a shipment's states is closed, and a move that it does not know is refused."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.outbox.shipment_state import NEXT, OVER, ShipmentState
from tests.supervisor.outbox.carrier import shipment

ILLEGAL = [(state, other) for state in ShipmentState for other in ShipmentState if other not in NEXT[state]]


def reachable(state: ShipmentState) -> set[ShipmentState]:
    found, new = {state}, {state}
    while new:
        new = {other for known in new for other in NEXT[known]} - found
        found |= new
    return found


def test_a_new_shipment_can_come_to_every_state() -> None:
    assert reachable(shipment().state) == set(ShipmentState)


@pytest.mark.parametrize("state", ShipmentState)
def test_every_state_leads_to_an_end_and_nothing_follows_an_end(state: ShipmentState) -> None:
    assert reachable(state) & OVER
    assert (state in OVER) == (not NEXT[state])


@pytest.mark.parametrize(("state", "other"), ILLEGAL)
def test_a_move_that_the_table_does_not_know_raises_and_changes_nothing(
    state: ShipmentState, other: ShipmentState
) -> None:
    moved = shipment()
    moved.state = state
    with pytest.raises(RuntimeError, match=f"that is {state.name} cannot become {other.name}"):
        moved.move(other)
    assert moved.state is state
