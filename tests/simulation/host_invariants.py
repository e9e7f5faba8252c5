"""What must hold of a host at any time, whatever its messages and rows are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dalsegno.actors.supervisor.outbox.slow_shipments import PARK_AFTER_SECONDS
from dalsegno.actors.supervisor.round.round import Entry
from tests.simulation.scheduler import SECOND
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import Simulation


class HostInvariants:
    """`watch` is told of each life of a host."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def watch(self, host: Host) -> None:
        self._watch_what_is_let_out(host)
        self._watch_what_is_parked(host)

    def _watch_what_is_let_out(self, host: Host) -> None:
        """Also a round that writes nothing is let out by who may act."""
        rounds, let_out = host.engine.rounds, host.engine.rounds._let_out

        def watched(entries: list[Entry]) -> None:
            if entries and not host.is_fenced and not host._validity.holds(host._host_id):
                raise Violation("unfenced", f"{host.name} answers although its leases do not hold")
            let_out(entries)

        rounds._let_out = watched  # type: ignore[assignment,method-assign]

    def _watch_what_is_parked(self, host: Host) -> None:
        """Parked, or dropped for it, is what an open publisher has had for as long as that takes: whatever the
        broker takes meanwhile from elsewhere says nothing of what it was not given."""
        outbox, park_overdue = host.engine.outbox, host.engine.outbox.park_overdue

        def watched() -> None:
            before = outbox.weight.bytes, outbox.dropped
            park_overdue()
            if (outbox.weight.bytes, outbox.dropped) != before:
                opened_at = host.link.publisher_opened_at
                seconds = 0.0 if opened_at is None else (host.scheduler.now - opened_at) / SECOND
                if seconds < PARK_AFTER_SECONDS:
                    raise Violation("parked", f"{host.name} parks what it could not send for {seconds} s")

        outbox.park_overdue = watched  # type: ignore[method-assign]

    def renewed(self, host: Host, silent_seconds: float) -> None:
        """A lease vouches for the loop."""
        if silent_seconds > self._simulation.settings.lease_ttl_seconds:
            raise Violation("blocked", f"{host.name} renews; its loop was silent for {silent_seconds} s")

    def nothing_stands_still(self) -> None:
        """Who owns a partition lives, whatever the database's clock makes of it."""
        alive = {host.engine.open_rounds.host_id for host in self._simulation.hosts.values() if host.is_alive}
        for lease in self._simulation.store.leases:
            if lease.owner not in alive:
                raise Violation(
                    "standstill", f"partition {lease.partition.number} is {lease.owner}'s, who is dead"
                )
