"""A simulated client's updates: each is asked for until its outcome is known, as answers may get lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dalsegno.broker.protocol import messages as wire
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowIDConflictPolicy
from tests.default_converter import from_payload, to_payload
from tests.simulation.scheduler import SECOND
from tests.simulation.stories import Step

if TYPE_CHECKING:
    from tests.simulation.client import Client

ASK_AGAIN = 15 * SECOND
FOR_NOW = ("PayloadCodecError", "PayloadStoreError", "PayloadLostError")
"""Types of failures for which an update is refused, and sent again later."""
OnReply = Callable[[wire.Reply], None]


class AskedUpdate:
    """`outcome`, once it is known: the result, or the type of the failure. `settled` is called then. `start`:
    what would start its workflow, until it is known to have come to a run; `on_start` hears what is answered to
    that."""

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        update_id: str,
        step: Step,
        settled: Callable[[], None],
        *,
        start: dict[str, Any] | None = None,
        on_start: OnReply = lambda _: None,
    ) -> None:
        self.workflow_id = workflow_id
        self.update_id = update_id
        self.step = step
        self.outcome: object = None
        self.is_settled = False
        self._client = client
        self._settled = settled
        self._start = start
        self._on_start = on_start
        self._asked = 0
        self.message_id = client.new_message_id(workflow_id)

    def send(self, confirmed: Callable[[], None] = lambda: None) -> None:
        """Also once more: where it has come to a run, that knows it by its ID."""
        wait_for = ("admitted", "accepted", "completed")[len(self.update_id) % 3]
        run_id = self._client.run_of_update(self.workflow_id, self.update_id)
        args = tuple(map(to_payload, self.step.args))
        about: dict[str, Any] = {"update_id": self.update_id, "wait_for": wait_for}
        body: wire.WireMessage
        if self._start is not None and run_id is None:
            about |= {**self._start, "conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING}
            body = wire.UpdateWithStart(**about, update_name=self.step.name, update_args=args)
        else:
            about |= {"workflow_id": self.workflow_id, "run_id": run_id}
            body = wire.UpdateWorkflow(**about, name=self.step.name, args=args)
        self._command(body, confirmed, message_id=self.message_id if run_id is None else None)
        self._client.after(ASK_AGAIN, self._ask)

    def _ask(self) -> None:
        if self.is_settled:
            return
        self._asked += 1
        run_id = self._client.run_of_update(self.workflow_id, self.update_id)
        if run_id is None or self._asked % 2 == 0:
            self.send()
            return
        self._command(wire.AwaitUpdate(workflow_id=self.workflow_id, update_id=self.update_id, run_id=run_id))
        self._client.after(ASK_AGAIN, self._ask)

    def _command(
        self,
        body: wire.WireMessage,
        confirmed: Callable[[], None] = lambda: None,
        *,
        message_id: str | None = None,
    ) -> None:
        message_id = message_id or self._client.new_message_id(self.workflow_id)
        answers_to = message_id
        self._client.command(
            body, message_id, confirmed=confirmed, replied=lambda reply: self._told(reply, answers_to)
        )

    def _told(self, reply: wire.Reply, answers_to: str) -> None:
        self._on_start(reply)
        if reply.error is not None:
            if reply.error.code == "update_rejected":
                is_for_now = reply.failure is not None and reply.failure.type in FOR_NOW
                self._rejected(None if is_for_now else reply.failure, answers_to)
            elif reply.error.code == "rejected" and self._client.namespace_moves:
                self._rejected(None, answers_to)  # there may be a place for it by now
            elif reply.error.code == "closed":
                self._settle(reply.error.code)
        elif reply.update_stage == "completed":
            if reply.failure is not None:
                self._settle(reply.failure.type)
            else:
                assert reply.result is not None, "a completed update has an outcome"
                self._settle(from_payload(reply.result))

    def _rejected(self, failure: Failure | None, answers_to: str) -> None:
        """Of what was refused long ago the reason is not known any more: then it is sent as a new message; but
        once, however often that is said: the new one may be on its way to a run, and another to the next."""
        if failure is not None:
            self._settle(failure.type)
        elif answers_to == self.message_id:
            self.message_id = self._client.new_message_id(self.workflow_id)

    def _settle(self, outcome: object) -> None:
        first = self.outcome if self.is_settled else outcome
        self._client.invariants.update_told(self, first, outcome)
        self.outcome, self.is_settled = outcome, True
        self._settled()
