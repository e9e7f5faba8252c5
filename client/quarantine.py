"""The quarantine of a workflow: signals that do not fit their handlers, or at which its code killed its host,
and what is done about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from dalsegno import given
from dalsegno.broker.protocol.messages import (
    ChangeQuarantine,
    DescribeWorkflow,
    QuarantineAction,
    UnfitSignal,
)
from dalsegno.client.decoding import decoded
from dalsegno.client.engine import EnginePort
from dalsegno.payload import Payload

NUMBER_MAX = 2**53


class QuarantineOfWorkflow:
    """The part of a workflow's handle that is about it. Each change raises CommandRejectedError where nothing
    is in the quarantine under that number."""

    id: str
    run_id: str | None
    _engine: EnginePort
    _command_run_id: str | None

    async def quarantine(self, *, timeout: float | None = None) -> tuple[UnfitSignal, ...]:
        """What is in it, by number, each with its reason; also of a run that has ended."""
        question = DescribeWorkflow(workflow_id=self.id, run_id=self._command_run_id)
        reply = await self._engine.tell(question, timeout=timeout)
        told = reply.description
        of_workflow = self._engine.converter.of_workflow(self.id)
        return () if told is None else decoded(told, of_workflow).quarantine

    async def retry_quarantined(
        self, number: int, /, *, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """Give the signal to its handler again, as if it came now. If it does not fit it still, it is in the
        quarantine again, under another number."""
        await self._settle(number, "retry", (), message_id, timeout)

    async def edit_quarantined(
        self, number: int, /, *arguments: Any, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """Give the signal other arguments; it stays where it is, to be tried again."""
        await self._settle(number, "edit", arguments, message_id, timeout)

    async def drop_quarantined(
        self, number: int, /, *, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """Forget the signal."""
        await self._settle(number, "drop", (), message_id, timeout)

    async def _settle(
        self,
        number: int,
        action: QuarantineAction,
        arguments: Sequence[Any],
        message_id: str | None,
        timeout: float | None,
    ) -> None:
        if not isinstance(number, int) or isinstance(number, bool):
            raise given.wrong_type("number", number, "the number of a signal in the quarantine")
        if not 0 < number < NUMBER_MAX:
            raise ValueError(f"number must be that of a signal in the quarantine, from 1 on, not {number}.")
        converter = self._engine.converter.of_workflow(self.id)
        args: tuple[Payload, ...] = tuple(map(converter.to_payload, arguments))
        command = ChangeQuarantine(
            workflow_id=self.id, run_id=self._command_run_id, number=number, action=action, args=args
        )
        await self._engine.tell(command, message_id=message_id or str(uuid4()), timeout=timeout)
