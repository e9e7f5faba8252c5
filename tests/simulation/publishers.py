"""A confirming channel of the broker model (see broker.port.Publisher)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dalsegno.broker.port import Fault, Outcome, Outgoing
from tests.simulation.scheduler import SECOND

if TYPE_CHECKING:
    from tests.simulation.connection import Connection

PATIENCE = 12 * SECOND
"""When a confirm never comes, the connection does not last longer than this."""


class ModelPublisher:
    def __init__(self, connection: Connection, on_closed: Callable[[str], None]) -> None:
        self.is_open = True
        self.is_live = True
        self.fault = Fault.NONE
        self._connection = connection
        self._on_closed = on_closed
        self._pending: dict[int, Outgoing] = {}
        self._number = 0

    def publish(self, batch: Sequence[Outgoing]) -> None:
        process = self._connection.process
        for outgoing in batch:
            if not self.is_open:
                process.after(0, lambda o=outgoing: o.on_outcome(Outcome.LOST))  # type: ignore[misc]
                continue
            self._number += 1
            number = self._number
            self._pending[number] = outgoing
            self._connection.to_broker(
                lambda n=number, o=outgoing: self._arrive(n, o),  # type: ignore[misc]
                publishing=True,
            )

    def _arrive(self, number: int, outgoing: Outgoing) -> None:
        """At the broker."""
        if not self.is_live:
            return
        connection = self._connection
        broker, faults = connection.broker, connection.broker.faults
        sender = connection.process.name
        broker.tap.arrived(sender, outgoing)
        fault = broker.closes_channel(sender, outgoing)
        if fault is not Fault.NONE:
            broker.scheduler.trace("broker", f"closes a channel of {sender} over {outgoing.message.type}")
            self.is_live = False
            connection.to_process(lambda: self._closed_over(fault), publishing=True)
            return
        outcome = broker.accept(outgoing)
        if outcome is Outcome.CONFIRMED:
            if faults.happens("confirm refused though stored"):
                outcome = Outcome.REFUSED
            elif faults.happens("confirm never comes"):
                broker.scheduler.after(PATIENCE, lambda: connection.break_down("a confirm never came"))
                return
        delay = 0
        if faults.happens("confirm late"):
            delay = broker.random.randrange(2 * SECOND)
        broker.scheduler.after(delay, lambda: self._answer(number, outcome))

    def _answer(self, number: int, outcome: Outcome) -> None:
        self._connection.to_process(lambda: self._settled(number, outcome), publishing=True)

    def _settled(self, number: int, outcome: Outcome) -> None:
        outgoing = self._pending.pop(number, None)
        if outgoing is not None and self.is_open:
            self._connection.process.step("confirmed")
            outgoing.on_outcome(outcome)

    def _closed_over(self, fault: Fault) -> None:
        self.fault = fault
        self.closed_here(f"closed over a {fault.value}")

    def closed_here(self, reason: str | None) -> None:
        """`reason` None: the whole connection goes."""
        if not self.is_open:
            return
        self.is_open = False
        process = self._connection.process
        for outgoing in self._pending.values():
            process.after(0, lambda o=outgoing: o.on_outcome(Outcome.LOST))  # type: ignore[misc]
        self._pending.clear()
        if reason is not None and self._connection.is_open:
            self._on_closed(reason)
