"""The engine, as the client and its handles reach it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dalsegno.broker.protocol.messages import ControlReply, Reply, ToWorkflow, WireMessage
from dalsegno.client.conversation import Conversation
from dalsegno.client.links import Links
from dalsegno.client.results import await_end
from dalsegno.client.suspensions import OnSuspended, Suspensions, warn
from dalsegno.data_converter import DataConverter


class EnginePort(Protocol):
    """Whoever answers. Errors as of Conversation.ask."""

    @property
    def converter(self) -> DataConverter: ...

    async def tell(
        self, command: ToWorkflow, *, message_id: str | None = None, timeout: float | None = None
    ) -> Reply:
        """Send a command or question to a workflow; its answer."""

    async def control(self, question: WireMessage) -> ControlReply:
        """Ask what needs no workflow but the database."""

    async def end(self, workflow_id: str, run_id: str | None, *, timeout: float | None) -> Reply:
        """The reply that says how a run has ended. Raises NoAnswerError after `timeout` seconds; None waits
        on."""


@dataclass(frozen=True, slots=True)
class BrokerEngine:
    """Hosts, by way of their broker. `timeout` (seconds; None is without end) holds where a call gives none."""

    links: Links
    converter: DataConverter
    timeout: float | None
    on_suspended: OnSuspended = warn

    def waiting(self) -> Conversation:
        """For who waits for a result: whoever uses it hears meanwhile of suspensions."""
        return Conversation(self.links, self.converter, Suspensions(self.on_suspended))

    async def tell(
        self, command: ToWorkflow, *, message_id: str | None = None, timeout: float | None = None
    ) -> Reply:
        with Conversation(self.links, self.converter) as conversation:
            return await conversation.ask(
                Reply,
                command,
                message_id=message_id,
                timeout=self.timeout if timeout is None else timeout,
                kind="answer",
            )

    async def control(self, question: WireMessage) -> ControlReply:
        """Whichever host is first answers."""
        with Conversation(self.links, self.converter) as conversation:
            return await conversation.ask(ControlReply, question, message_id=None, timeout=self.timeout)

    async def end(self, workflow_id: str, run_id: str | None, *, timeout: float | None) -> Reply:
        with self.waiting() as conversation:
            return await await_end(conversation, workflow_id, run_id, timeout=timeout)
