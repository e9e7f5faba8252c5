"""A person who sees to incidents, and to signals that do not fit: looks what is open, and says what its
activity was told that he would, or the signal says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from dalsegno.broker.protocol import messages as wire
from tests.default_converter import from_payload, to_payload
from tests.simulation.scheduler import SECOND

if TYPE_CHECKING:
    from tests.simulation.client import Client
    from tests.simulation.world import Simulation

LOOKS_EVERY = 3 * SECOND
WHAT_TO_DO = ("retry", "edit", "drop")
"""About a signal that does not fit."""

TWICE_ONE_IN = 3
"""So often the button is pressed twice."""


class Person:
    """By `client` he asks and says; what gets lost he asks for again, and says again under another ID."""

    def __init__(self, simulation: Simulation, client: Client) -> None:
        self._simulation = simulation
        self._client = client
        self._seen_to: set[str] = set()
        """Names of what was to be tried twice, and was once."""

    def begin(self) -> None:
        self._client.after(LOOKS_EVERY, self.begin)
        history = self._simulation.history
        unfit = history.with_unfit_signals() if self._simulation.language.is_full else ()
        for run_id in (*history.with_incidents(), *unfit):
            workflow_id = history.family.runs[run_id].info.workflow_id
            body = wire.DescribeWorkflow(workflow_id=workflow_id, run_id=run_id)
            self._client.command(body, self._new_id(workflow_id), replied=self._told)

    def _new_id(self, workflow_id: str) -> str:
        return self._client.new_message_id(f"{workflow_id}/person")

    def _told(self, reply: wire.Reply) -> None:
        for incident in () if reply.description is None else reply.description.incidents:
            assert incident.args is not None, "they are small"
            action, name = map(from_payload, incident.args)
            self._see_to(reply.description, incident.number, action, name)
        if reply.description is None or not self._simulation.language.is_full:
            return
        for signal in reply.description.quarantine:
            assert signal.args is not None, "they are small"
            self._see_to_signal(reply.description, signal.number, from_payload(signal.args[0]))

    def _see_to_signal(self, run: wire.Description, number: int, said: str | int) -> None:
        """Its argument is one word too many, which says what is to become of it: it is given to its handler
        again, at first in vain perhaps, or dropped."""
        action, _, item = ("retry", "", "") if isinstance(said, int) else said.partition(" ")
        if action not in WHAT_TO_DO:
            return
        place = f"{run.run_id} {said}"
        if action == "retry" and item and place in self._seen_to:
            action = "edit"
        self._seen_to.add(place)
        args = (to_payload(int(item)),) if action == "edit" else ()
        about = {"workflow_id": run.workflow_id, "run_id": run.run_id, "number": number}
        body = wire.ChangeQuarantine(**about, action=action, args=args)  # type: ignore[arg-type]
        for _ in range(2 if crc32(place.encode()) % TWICE_ONE_IN == 0 else 1):
            self._client.command(body, self._new_id(run.workflow_id))

    def _see_to(self, run: wire.Description, number: int, action: str, name: str) -> None:
        about = {"workflow_id": run.workflow_id, "run_id": run.run_id, "number": number}
        match action:
            case "complete":
                body = wire.ResolveIncident(**about, action="complete", result=to_payload("by hand"))
            case "fail":
                body = wire.ResolveIncident(**about, action="fail")
            case _:
                if action == "retry" or name in self._seen_to:
                    self._simulation.ledger.repaired.add(name)
                self._seen_to.add(name)
                body = wire.ResolveIncident(**about, action="retry")
        for _ in range(2 if crc32(name.encode()) % TWICE_ONE_IN == 0 else 1):
            self._client.command(body, self._new_id(run.workflow_id))
