"""The engine, as the client and its handles reach it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from dalsegno import given
from dalsegno.broker.protocol.messages import (
    AwaitUpdate,
    ControlReply,
    Reply,
    ToWorkflow,
    UpdateWithStart,
    UpdateWorkflow,
    WireMessage,
)
from dalsegno.client.conversation import Conversation
from dalsegno.client.errors import NoAnswerError, rejection
from dalsegno.client.links import Links
from dalsegno.client.patience import Patience
from dalsegno.client.results import await_end, not_ended
from dalsegno.client.suspensions import OnSuspended, Suspensions, warn
from dalsegno.data_converter import DataConverter
from dalsegno.errors import WorkflowNotFoundError
from dalsegno.interceptors.client import NOT_INTERCEPTED, OutboundInterceptor
from dalsegno.loop_clock import sleep
from dalsegno.reasons.evidence import QueueSeen

BEGUN_SECONDS = 60.0
"""How long hosts may not have heard of a start that was written in a transaction, which may commit late."""
BEGUN_PAUSE_SECONDS = 0.2


class EnginePort(Protocol):
    """Whoever answers. Errors as of Conversation.ask."""

    @property
    def converter(self) -> DataConverter: ...

    @property
    def outbound(self) -> OutboundInterceptor:
        """Whom a client's calls go by."""

    async def tell(
        self, command: ToWorkflow, *, message_id: str | None = None, timeout: float | None = None
    ) -> Reply:
        """Send a command or question to a workflow; its answer."""

    async def control(self, question: WireMessage, *, timeout: float | None = None) -> ControlReply:
        """Ask what needs no workflow but the database."""

    async def queues(self, names: Iterable[str]) -> Mapping[str, QueueSeen] | None:
        """What the broker has in them, as far as it tells; None where there is no broker to be asked."""

    async def update(
        self,
        command: UpdateWorkflow | UpdateWithStart,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """The reply that says that the update has come to the stage that it is to be waited for. `timeout` is
        for it to be taken."""

    async def update_outcome(self, question: AwaitUpdate, *, timeout: float | None) -> Reply:
        """The reply that says how it came out. Raises NoAnswerError after `timeout` seconds; None waits on."""

    async def end(
        self, workflow_id: str, run_id: str | None, *, timeout: float | None, follow_runs: bool = True
    ) -> Reply:
        """The reply that says how a run has ended; with `follow_runs` the last of those that follow it by
        themselves. Raises NoAnswerError after `timeout` seconds; None waits on."""


@dataclass(frozen=True, slots=True)
class BrokerEngine:
    """Hosts, by way of their broker. `timeout` (seconds; None is without end) holds where a call gives none."""

    links: Links
    converter: DataConverter
    timeout: float | None
    on_suspended: OnSuspended = warn
    outbound: OutboundInterceptor = NOT_INTERCEPTED

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

    async def update(
        self,
        command: UpdateWorkflow | UpdateWithStart,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> Reply:
        with self.waiting() as conversation:
            reply = await conversation.ask(
                Reply,
                command,
                message_id=message_id or str(uuid4()),
                timeout=self.timeout if timeout is None else timeout,
                kind="answer",
            )
            if reply.update_stage == "completed" or reply.update_stage == command.wait_for:
                return reply
            conversation.heard(reply)
            # Sent to us when it has come so far; if our link breaks before that, only asking helps.
            later = await conversation.further(Reply, "update", conversation.timings.ask_again)
            if later is not None and later.error is not None and later.error.code != "moved":
                # It was admitted, and is refused.
                raise rejection(
                    later.error, later.failure, later.status, self.converter.of_workflow(command.workflow_id)
                )
            if later is None or later.error is not None:
                question = AwaitUpdate(
                    workflow_id=command.workflow_id,
                    run_id=reply.run_id,
                    update_id=reply.update_id or "",
                    wait_for=command.wait_for,
                )
                later = await _asked_again(conversation, question, timeout=None)
            return later

    async def update_outcome(self, question: AwaitUpdate, *, timeout: float | None) -> Reply:
        with self.waiting() as conversation:
            return await _asked_again(conversation, question, timeout=timeout)

    async def control(self, question: WireMessage, *, timeout: float | None = None) -> ControlReply:
        """Whichever host is first answers."""
        seconds = self.timeout if timeout is None else timeout
        with Conversation(self.links, self.converter) as conversation:
            return await conversation.ask(ControlReply, question, message_id=None, timeout=seconds)

    async def queues(self, names: Iterable[str]) -> Mapping[str, QueueSeen]:
        patience = Patience("Looking at queues", self.links.timings)
        await self.links.connect(timeout=self.timeout)
        link = await self.links.link(patience)
        if link is None:
            raise patience.exhausted(self.timeout or 0)
        seen = {name: await link.look_at(name) for name in names}
        return {name: one for name, one in seen.items() if one is not None}

    async def end(
        self, workflow_id: str, run_id: str | None, *, timeout: float | None, follow_runs: bool = True
    ) -> Reply:
        with self.waiting() as conversation:
            return await await_end(conversation, workflow_id, run_id, timeout=timeout, follow_runs=follow_runs)

    async def end_of_expected(
        self, workflow_id: str, run_id: str | None, *, timeout: float | None, follow_runs: bool = True
    ) -> Reply:
        """As `end`, of a run that may be on its way still. Raises WorkflowNotFoundError when hosts have not had
        it for BEGUN_SECONDS."""
        clock = self.links.clock
        timeout = given.patience("timeout", timeout)
        until = None if timeout is None else clock.time() + timeout
        missed_since: float | None = None
        while True:
            left = None if until is None else max(0.0, until - clock.time())
            try:
                return await self.end(workflow_id, run_id, timeout=left, follow_runs=follow_runs)
            except NoAnswerError:
                raise not_ended(workflow_id, timeout) from None
            except WorkflowNotFoundError:
                now = clock.time()
                missed_since = now if missed_since is None else missed_since
                if now - missed_since >= BEGUN_SECONDS:
                    raise
                await sleep(clock, BEGUN_PAUSE_SECONDS)


async def _asked_again(conversation: Conversation, question: AwaitUpdate, *, timeout: float | None) -> Reply:
    """As a result is asked for: hosts keep in memory who waits."""
    return await conversation.ask(
        Reply,
        question,
        message_id=None,
        timeout=given.patience("timeout", timeout),
        resend_seconds=conversation.timings.ask_again,
        kind="update",
    )
